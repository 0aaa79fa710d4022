package adapter_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nonstick-io/nonstick/adapter"
	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/internal/pushtest"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// slowTable takes its time for the write that closes a session. Who does not wait for it does not know whether it was
// applied.
type slowTable struct {
	*faultyStore
	takes   time.Duration
	applies bool // also for those that did not wait
}

func (s *slowTable) Close(ctx context.Context, r sessionstore.CloseRequest) (sessionstore.Session, error) {
	select {
	case <-time.After(s.takes):
		return s.faultyStore.Close(ctx, r)
	case <-ctx.Done():
		if s.applies {
			_, _ = s.faultyStore.Close(context.WithoutCancel(ctx), r) // its answer is lost
		}
		return sessionstore.Session{}, ctx.Err()
	}
}

// background closes what was handed over, as a pool or a queue does.
type background struct {
	w      *world
	refuse error

	mu    sync.Mutex
	taken []delivery.Ending
	group sync.WaitGroup
}

func (b *background) later(ctx context.Context, e delivery.Ending) error {
	if b.refuse != nil {
		return b.refuse
	}
	b.mu.Lock()
	b.taken = append(b.taken, e)
	b.mu.Unlock()
	b.group.Go(func() {
		for range 2 { // a queue may give out a message twice
			if err := b.w.closing.Resume(context.WithoutCancel(ctx), e); err != nil {
				b.w.t.Errorf("%s not closed: %v", e.Session, err)
			}
		}
	})
	return nil
}

// slowly has a world's sessions closed by a slow table, and what takes too long by b.
func slowly(w *world, takes time.Duration, applies bool) *background {
	b := &background{w: w}
	w.closing.Sessions = &slowTable{faultyStore: w.store, takes: takes, applies: applies}
	w.closing.Later = b.later
	return b
}

const mob = 300

// inTrouble puts 300 members in trouble and a healthy one into a room.
func inTrouble(w *world, answer error) adapter.Selection {
	for i := range mob {
		id := sessionstore.SessionID(fmt.Sprintf("S%d", i))
		w.webSocket(id)
		w.socket(id, "crowd")
		w.pusher.AnswerAlways(conn(string(id)), answer)
	}
	w.webSocket("Z")
	w.socket("Z", "crowd")
	return adapter.Selection{Namespace: nsp, Rooms: []sessionstore.Room{"crowd"}}
}

// expectClosed checks that the members in trouble are closed and cut, each finished once.
func (w *world) expectClosed() {
	w.t.Helper()
	for i := range mob {
		id := sessionstore.SessionID(fmt.Sprintf("S%d", i))
		if s := w.session(id); s.State != sessionstore.Closed || !w.pusher.Closed(conn(string(id))) {
			w.t.Fatalf("%s is %s, cut %v", id, s.State, w.pusher.Closed(conn(string(id))))
		}
	}
	if w.session("Z").State != sessionstore.Open || len(w.finished) != mob {
		w.t.Errorf("%d sessions finished, Z is %s", len(w.finished), w.session("Z").State)
	}
}

// A sender does not wait for a table that is slow to close its failing members, but for half a second, or a second
// for all of them together. From the moment of the failure nothing more is pushed to them, and they are closed in the
// end.
func TestSenderDoesNotWaitForEnds(t *testing.T) {
	for _, c := range []struct {
		name    string
		answer  error
		applies bool
		atMost  time.Duration
	}{
		{"members that do not read", delivery.ErrBusy, false, 11100 * time.Millisecond},
		{"members in doubt", pushtest.ErrLost, false, 1100 * time.Millisecond},
		{"members in doubt, whose close is applied though nobody waited for it", pushtest.ErrArrived, true, 1100 * time.Millisecond},
		{"members that are gone", delivery.ErrGone, false, 1100 * time.Millisecond},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, delivery.Limits{}, func(t *testing.T, w *world) {
				b := slowly(w, 5*time.Second, c.applies)
				sel := inTrouble(w, c.answer)
				begun := time.Now()
				r, err := w.adapter.Broadcast(t.Context(), sel, w.packet("4x"), nil)
				if took := time.Since(
					begun,
				); err != nil || r != (adapter.Result{Delivered: 1, Failed: mob}) ||
					took > c.atMost {
					t.Errorf("%+v, %v after %s", r, err, took)
				}
				pushes := w.pusher.Pushes()
				begun = time.Now()
				r, err = w.adapter.Broadcast(t.Context(), sel, w.packet("4y"), nil)
				if took := time.Since(
					begun,
				); err != nil || r != (adapter.Result{Delivered: 1, Failed: mob}) || took > 0 ||
					w.pusher.Pushes() != pushes+1 {
					t.Errorf("the next one: %+v, %v after %s and %d pushes", r, err, took, w.pusher.Pushes()-pushes)
				}
				b.group.Wait()
				if len(b.taken) != mob {
					t.Errorf("%d ends were handed over", len(b.taken))
				}
				w.expectClosed()
			})
		})
	}
}

// Where the table is as quick as it should be, the members are closed when the emit returns. So they are where nobody
// takes what is late: an end that is in doubt comes before the sender's time.
func TestEndsInPlace(t *testing.T) {
	for _, c := range []struct {
		name    string
		takes   time.Duration
		prepare func(w *world, b *background)
		atLeast time.Duration
		said    bool // that the emit waits
	}{
		{"a quick table", 20 * time.Millisecond, func(*world, *background) {}, 0, false},
		{"nobody takes ends", 5 * time.Second, func(w *world, _ *background) { w.closing.Later = nil }, 5 * time.Second, false},
		{"it cannot be handed over", 5 * time.Second, func(_ *world, b *background) { b.refuse = errors.New("full") }, 5 * time.Second, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, delivery.Limits{}, func(t *testing.T, w *world) {
				b := slowly(w, c.takes, false)
				c.prepare(w, b)
				var log bytes.Buffer
				w.closing.Logger = slog.New(slog.NewTextHandler(&log, nil))
				sel := inTrouble(w, pushtest.ErrLost)
				begun := time.Now()
				r, err := w.adapter.Broadcast(t.Context(), sel, w.packet("4x"), nil)
				if said := strings.Contains(log.String(), "not handed over") &&
					strings.Contains(log.String(), "full"); said != c.said {
					t.Errorf("the log has %q", log.String())
				}
				if took := time.Since(
					begun,
				); err != nil || r != (adapter.Result{Delivered: 1, Failed: mob}) || took < c.atLeast ||
					took > c.atLeast+time.Second {
					t.Errorf("%+v, %v after %s", r, err, took)
				}
				w.expectClosed()
			})
		})
	}
}

// A push that hangs holds the sender for two seconds, however many they are.
func TestSenderDoesNotWaitForPushesThatHang(t *testing.T) {
	inWorld(t, delivery.Limits{}, func(t *testing.T, w *world) {
		hanging := hangingPusher{w.pusher}
		w.delivery = delivery.New(w.store, hanging, w.closing, delivery.Limits{})
		w.adapter = adapter.New(w.store, w.delivery, adapter.Options{})
		b := slowly(w, 5*time.Second, false)
		sel := inTrouble(w, nil)
		begun := time.Now()
		r, err := w.adapter.Broadcast(t.Context(), sel, w.packet("4x"), nil)
		// 64 begin at a time, for 100 ms.
		if took := time.Since(
			begun,
		); err != nil || r != (adapter.Result{Delivered: 1, Failed: mob}) ||
			took > 3200*time.Millisecond {
			t.Errorf("%+v, %v after %s", r, err, took)
		}
		b.group.Wait()
		w.expectClosed()
	})
}

// hangingPusher hangs over the pushes to all but Z.
type hangingPusher struct{ *pushtest.Pusher }

func (p hangingPusher) Push(ctx context.Context, c sessionstore.Connection, frame string) error {
	if c.ID == "Z" {
		return p.Pusher.Push(ctx, c, frame)
	}
	<-ctx.Done()
	return ctx.Err()
}

// What a caller delivers to one session is closed in place, for the error says that it is: only what is late for many
// is handed over.
func TestOneSessionIsClosedInPlace(t *testing.T) {
	inWorld(t, delivery.Limits{}, func(t *testing.T, w *world) {
		b := slowly(w, 5*time.Second, false)
		w.webSocket(sid)
		w.pusher.AnswerAlways(conn("S"), pushtest.ErrLost)
		_, err := w.delivery.Deliver(
			t.Context(), delivery.Target{Session: sid, Hint: conn("S")}, []sessionstore.Packet{w.packet("4x")},
		)
		if !errors.Is(err, pushtest.ErrLost) || len(b.taken) > 0 {
			t.Errorf("%v, %d handed over", err, len(b.taken))
		}
		w.expectSession("", "", delivery.ReasonTransportError)
	})
}

// A close that was given up by all who knew of it is not held against the session for ever.
func TestSessionThatCannotBeClosed(t *testing.T) {
	inWorld(t, delivery.Limits{}, func(t *testing.T, w *world) {
		w.closing.Later = func(context.Context, delivery.Ending) error { return nil } // and forgets it
		w.closing.Sessions = &slowTable{faultyStore: w.store, takes: time.Hour}
		w.webSocket(sid)
		w.socket(sid, "a")
		w.pusher.Answer(conn("S"), pushtest.ErrLost)
		sel := adapter.Selection{Namespace: nsp, Rooms: []sessionstore.Room{"a"}}
		for _, c := range []struct {
			after time.Duration
			want  adapter.Result
		}{{0, adapter.Result{Failed: 1}}, {30 * time.Second, adapter.Result{Failed: 1}}, {31 * time.Second, adapter.Result{Delivered: 1}}} {
			time.Sleep(c.after)
			if r, err := w.adapter.Broadcast(t.Context(), sel, w.packet("4x"), nil); err != nil || r != c.want {
				t.Errorf("after %s: %+v, %v; want %+v", c.after, r, err, c.want)
			}
		}
	})
}
