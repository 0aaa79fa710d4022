package storetest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nonstick-io/nonstick/sessionstore"
)

var timerTests = []test{
	{"timers that are due", dueTimers},
	{"a timer that is put again", timerAgain},
	{"limits of a timer", timerLimits},
	{"timers with a cancelled context", timerCancelled},
}

// due returns the timers of all shards that are due after so long, by name, and checks their order within a shard.
func (x *tester) due(d time.Duration) map[string]sessionstore.Timer {
	x.Helper()
	found := make(map[string]sessionstore.Timer)
	for shard := range sessionstore.TimerShards(x.store.Shards()) {
		all := collect(x, x.store.DueTimers(x.Context(), shard, after(d)))
		if !slices.IsSortedFunc(all, func(a, b sessionstore.Timer) int { return a.At.Compare(b.At) }) {
			x.Errorf("shard %d is not in order of time: %v", shard, all)
		}
		for _, t := range all {
			t.At = t.At.UTC()
			if want := sessionstore.TimerShard(t.Name, sessionstore.TimerShards(x.store.Shards())); want != shard {
				x.Errorf("%s is in shard %d, want %d", t.Name, shard, want)
			}
			found[t.Name] = t
		}
	}
	return found
}

func newTimer(d time.Duration) sessionstore.Timer {
	return sessionstore.Timer{At: after(d), Name: "timer " + sessionstore.NewID(), Kind: "k", Body: `{"é":1}`}
}

func dueTimers(x *tester) {
	var timers []sessionstore.Timer
	for i := range 20 {
		timers = append(timers, newTimer(time.Duration(20-i)*time.Second))
		x.must(x.store.PutTimer(x.Context(), timers[i]))
	}
	for _, c := range []struct {
		d    time.Duration
		want int
	}{{time.Second - time.Millisecond, 0}, {time.Second, 1}, {10 * time.Second, 10}, {time.Hour, 20}} {
		due := x.due(c.d)
		n := 0
		for i := range timers {
			if got, there := due[timers[i].Name]; there {
				n++
				equal(x, "the timer", fmt.Sprint(got), fmt.Sprint(timers[i]))
			}
		}
		equal(x, fmt.Sprint("due after ", c.d), n, c.want)
	}
	for range 2 { // removing what is not there is no error
		x.must(x.store.DeleteTimer(x.Context(), timers[0]))
	}
	if _, there := x.due(time.Hour)[timers[0].Name]; there {
		x.Error("a timer is due that was deleted")
	}
}

// timerAgain: a timer in one moment with one name is one, with the latest body.
func timerAgain(x *tester) {
	t := newTimer(0)
	x.must(x.store.PutTimer(x.Context(), t))
	t.Body = "another"
	x.must(x.store.PutTimer(x.Context(), t))
	equal(x, "body", x.due(0)[t.Name].Body, "another")
	later := t
	later.At = after(time.Minute)
	x.must(x.store.PutTimer(x.Context(), later))
	x.must(x.store.DeleteTimer(x.Context(), t))
	if _, there := x.due(0)[t.Name]; there {
		x.Error("due before its time")
	}
	equal(x, "at", x.due(time.Minute)[t.Name].At, later.At)
}

func timerLimits(x *tester) {
	for _, c := range []struct {
		name, body int
		want       error
	}{
		{0, 0, sessionstore.ErrTooLarge},
		{sessionstore.MaxTimerName, sessionstore.MaxTimerBody - 1, nil},
		{sessionstore.MaxTimerName + 1, 0, sessionstore.ErrTooLarge},
		{1, sessionstore.MaxTimerBody, sessionstore.ErrTooLarge},
	} {
		t := sessionstore.Timer{
			At: after(time.Hour), Name: strings.Repeat("n", c.name), Kind: "k", Body: strings.Repeat("b", c.body),
		}
		if err := x.store.PutTimer(x.Context(), t); c.want != nil {
			x.is(err, c.want)
		} else {
			x.must(err)
		}
	}
}

func timerCancelled(x *tester) {
	t := newTimer(0)
	x.must(x.store.PutTimer(x.Context(), t))
	ctx := x.cancelled()
	x.notSent("PutTimer", x.store.PutTimer(ctx, newTimer(0)))
	x.notSent("DeleteTimer", x.store.DeleteTimer(ctx, t))
	for _, err := range x.store.DueTimers(ctx, 0, after(0)) {
		x.notSent("DueTimers", err)
	}
	if _, there := x.due(0)[t.Name]; !there {
		x.Error("the timer has gone")
	}
}
