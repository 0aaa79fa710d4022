package dynamostore_test

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/nonstick-io/nonstick/sessionstore"
	"github.com/nonstick-io/nonstick/sessionstore/dynamostore"
)

// data reads the data of a socket, whatever its row says of them.
func data(t *testing.T, s sessionstore.Store, k sessionstore.Socket) map[string]string {
	t.Helper()
	k.HasData = true
	d, err := s.Data(t.Context(), k)
	must(t, err)
	return d
}

// TestSwapDataUnderFaults: a swap is one write, which is repeated only if it is certain that it was not applied.
func TestSwapDataUnderFaults(t *testing.T) {
	s, c := newFaulty(t)
	for _, o := range outcomes {
		for _, value := range []string{"2", ""} {
			t.Run(fmt.Sprintf("%s/%q", o.name, value), func(t *testing.T) {
				c.next()
				v := polling(t, s)
				k := v.Sockets[0]
				must(t, s.SetData(t.Context(), k, "k", "1", wideSocket))
				k.HasData = true
				o.fault(c)
				err := s.SwapData(t.Context(), k, "k", "1", value, wideSocket)
				if n := c.made(); n != o.calls {
					t.Errorf("%d calls, want %d", n, o.calls)
				}
				checkOutcome(t, err, o.want)
				c.next()
				if changed := data(t, s, k)["k"] != "1"; changed != o.changed {
					t.Errorf("changed: %v, want %v", changed, o.changed)
				}
			})
		}
	}
}

// TestSwapDataAppliedLater: a swap that was given up happens still, but not over what came after it.
func TestSwapDataAppliedLater(t *testing.T) {
	s, c := newFaulty(t)
	k := polling(t, s).Sockets[0]
	must(t, s.SetData(t.Context(), k, "k", "1", wideSocket))
	swap := func(old, value string) error { return s.SwapData(t.Context(), k, "k", old, value, wideSocket) }
	c.next(c.appliedLater)
	checkOutcome(t, swap("1", "2"), errDoubt)
	c.runLater(t)
	if got := data(t, s, k)["k"]; got != "2" {
		t.Errorf("the value is %q, want that of the swap in doubt", got)
	}
	c.next(appliedUnheard)
	checkOutcome(t, swap("2", "3"), errDoubt)
	err := swap("2", "3")
	checkOutcome(t, err, sessionstore.ErrConflict)
	if found, _ := sessionstore.CurrentData(err); found["k"] != "3" {
		t.Errorf("the repeat found %q", found)
	}

	c.next(c.appliedLater)
	checkOutcome(t, swap("3", "4"), errDoubt)
	must(t, swap("3", "5"))
	func() { // its condition fails by now
		c.mu.Lock()
		defer c.mu.Unlock()
		if err := c.later[0](); err == nil {
			t.Error("the swap in doubt was applied over another")
		}
		c.later = nil
	}()
	if got := data(t, s, k)["k"]; got != "5" {
		t.Errorf("the value is %q, want that of the later swap", got)
	}
}

// TestSwapDataCalls: what a swap takes, where the row is right about data and where it is not.
func TestSwapDataCalls(t *testing.T) {
	meter := new(sessionstore.Meter)
	s := dynamostore.New(newTable(t), dynamostore.Options{Table: table, Meter: meter})
	for _, c := range []struct {
		name          string
		there, known  bool // data, and in the row
		old, value    string
		want          error
		reads, writes int64
	}{
		{"a key that is there", true, true, "1", "2", nil, 0, 1},
		{"a key that is there, which the row does not say", true, false, "1", "2", nil, 0, 1},
		{"a key removed", true, true, "1", "", nil, 0, 1},
		{"the first key", false, false, "", "2", nil, 0, 2},
		{"the first key, which the row does not say", false, true, "", "2", nil, 0, 3},
		{"a key of another, which the row does not say", true, false, "", "2", sessionstore.ErrConflict, 0, 3},
		{"a lost race", true, true, "3", "2", sessionstore.ErrConflict, 0, 1},
		{"a lost race for a key that went", false, true, "1", "2", sessionstore.ErrConflict, 1, 1},
	} {
		v := polling(t, s)
		k := v.Sockets[0]
		if c.there {
			must(t, s.SetData(t.Context(), k, "k", "1", wideSocket))
		}
		k.HasData = c.known
		before := meter.Total()
		err := s.SwapData(t.Context(), k, "k", c.old, c.value, wideSocket)
		u := meter.Total().Sub(before)
		checkOutcome(t, err, c.want)
		if u.Reads != c.reads || u.Writes != c.writes {
			t.Errorf("%s: %d reads and %d writes, want %d and %d", c.name, u.Reads, u.Writes, c.reads, c.writes)
		}
	}
}

// TestDataLeavesWithItsSocket: what a socket that leaves between the two writes of the first key leaves behind goes
// with its session.
func TestDataLeavesWithItsSocket(t *testing.T) {
	s, c := newFaulty(t)
	for _, after := range []int{0, 1} {
		c.next()
		v := polling(t, s)
		k := v.Sockets[0]
		leave := func(apply func() error) error {
			other := dynamostore.New(c.Client, dynamostore.Options{Table: table})
			_, err := other.RemoveSocket(context.WithoutCancel(t.Context()), k)
			must(t, err)
			return apply()
		}
		c.next(append(make([]fault, after), leave)...)
		err := s.SwapData(t.Context(), k, "k", "", "1", wideSocket)
		c.next()
		if after == 0 {
			checkOutcome(t, err, sessionstore.ErrNotFound)
		} else {
			must(t, err) // it left after its data were announced
		}
		must(t, s.ClearSockets(t.Context(), v.ID))
		if d := data(t, s, k); len(d) > 0 {
			t.Errorf("left behind: %q", d)
		}
		checkOutcome(t, s.SwapData(t.Context(), k, "k", "1", "2", wideSocket), sessionstore.ErrNotFound)
	}
}

// TestDataNotUTF8: of what DynamoDB cannot keep as it is, the limit counts what is kept.
func TestDataNotUTF8(t *testing.T) {
	s := dynamostore.New(newTable(t), dynamostore.Options{Table: table})
	v := polling(t, s)
	put := sessionstore.NewSocket{
		ID: "put", Session: v.ID, Namespace: "/put",
		Data: map[string]string{"k\xff": "v\xfe" + strings.Repeat("x", 10)},
	}
	must(t, s.PutSocket(t.Context(), put, conn, wideSocket))
	set := sessionstore.NewSocket{ID: "set", Session: v.ID, Namespace: "/set"}
	must(t, s.PutSocket(t.Context(), set, conn, wideSocket))
	must(t, s.SetData(t.Context(), set.Row(), "k\xff", put.Data["k\xff"], wideSocket))
	for _, n := range []sessionstore.NewSocket{put, set} {
		k := n.Row()
		k.HasData = true
		kept := map[string]string{"k\uFFFD": "v\uFFFD" + strings.Repeat("x", 10)}
		if got := data(t, s, k); !maps.Equal(got, kept) {
			t.Errorf("%s: kept %q", k.ID, got)
		}
		exact := sessionstore.SocketLimits{Data: len("k\uFFFDv\uFFFD") + 10 + 2}
		checkOutcome(t, s.SwapData(t.Context(), k, "b", "", "22", exact), sessionstore.ErrTooLarge)
		must(t, s.SwapData(t.Context(), k, "b", "", "2", exact))
		must(t, s.SwapData(t.Context(), k, "k\xff", put.Data["k\xff"], "", exact))
		checkOutcome(
			t, s.SwapData(t.Context(), k, "b", "2", strings.Repeat("2", exact.Data), exact), sessionstore.ErrTooLarge,
		)
		must(t, s.SwapData(t.Context(), k, "b", "2", strings.Repeat("2", exact.Data-1), exact))
	}
}
