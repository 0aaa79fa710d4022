package adapter_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/nonstick-io/nonstick/adapter"
	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/internal/deliverytest"
	"github.com/nonstick-io/nonstick/internal/pushtest"
	"github.com/nonstick-io/nonstick/sessionstore"
)

const mob = 300

// inTrouble puts 300 members in trouble and a healthy one into a room.
func inTrouble(w *world, answer error) adapter.Selection {
	for i := range mob {
		id := sessionstore.SessionID(fmt.Sprintf("S%d", i))
		w.WebSocket(id)
		w.socket(id, "crowd")
		w.Pusher.AnswerAlways(conn(string(id)), answer)
	}
	w.WebSocket("Z")
	w.socket("Z", "crowd")
	return adapter.Selection{Namespace: nsp, Rooms: []sessionstore.Room{"crowd"}}
}

// expectClosed checks that the members in trouble are closed and cut, each finished once.
func (w *world) expectClosed() {
	w.T.Helper()
	for i := range mob {
		id := sessionstore.SessionID(fmt.Sprintf("S%d", i))
		if s := w.Session(id); s.State != sessionstore.Closed || !w.Pusher.Closed(conn(string(id))) {
			w.T.Fatalf("%s is %s, cut %v", id, s.State, w.Pusher.Closed(conn(string(id))))
		}
	}
	if w.Session("Z").State != sessionstore.Open || w.Finished() != mob {
		w.T.Errorf("%d sessions finished, Z is %s", w.Finished(), w.Session("Z").State)
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
		{
			"members in doubt, whose close is applied though nobody waited for it", pushtest.ErrArrived, true,
			1100 * time.Millisecond,
		},
		{"members that are gone", delivery.ErrGone, false, 1100 * time.Millisecond},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, delivery.Limits{}, func(t *testing.T, w *world) {
				b := w.CloseSlowly(5*time.Second, c.applies)
				sel := inTrouble(w, c.answer)
				begun := time.Now()
				r, err := w.adapter.Broadcast(t.Context(), sel, adapter.PacketOf(w.Packet("4x")))
				if took := time.Since(
					begun,
				); err != nil || r != (adapter.Result{Delivered: 1, Failed: mob}) ||
					took > c.atMost {
					t.Errorf("%+v, %v after %s", r, err, took)
				}
				pushes := w.Pusher.Pushes()
				begun = time.Now()
				r, err = w.adapter.Broadcast(t.Context(), sel, adapter.PacketOf(w.Packet("4y")))
				if took := time.Since(
					begun,
				); err != nil || r != (adapter.Result{Delivered: 1, Failed: mob}) || took > 0 ||
					w.Pusher.Pushes() != pushes+1 {
					t.Errorf("the next one: %+v, %v after %s and %d pushes", r, err, took, w.Pusher.Pushes()-pushes)
				}
				b.Wait()
				if b.Taken() != mob {
					t.Errorf("%d ends were handed over", b.Taken())
				}
				w.expectClosed()
			})
		})
	}
}

// Where the table is as quick as it should be, the members are closed when the emit returns. So they are where there is
// no Later for what is late: an end that is in doubt comes before the sender's time.
func TestEndsInPlace(t *testing.T) {
	for _, c := range []struct {
		name    string
		takes   time.Duration
		prepare func(w *world, b *deliverytest.Background)
		atLeast time.Duration
		said    bool // that the emit waits
	}{
		{"a quick table", 20 * time.Millisecond, func(*world, *deliverytest.Background) {}, 0, false},
		{
			"nobody takes ends", 5 * time.Second, func(w *world, _ *deliverytest.Background) { w.Closing.Later = nil },
			5 * time.Second, false,
		},
		{
			"it cannot be handed over", 5 * time.Second,
			func(_ *world, b *deliverytest.Background) { b.Refuse = errors.New("full") }, 5 * time.Second, true,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, delivery.Limits{}, func(t *testing.T, w *world) {
				b := w.CloseSlowly(c.takes, false)
				c.prepare(w, b)
				var log bytes.Buffer
				w.Closing.Logger = slog.New(slog.NewTextHandler(&log, nil))
				sel := inTrouble(w, pushtest.ErrLost)
				begun := time.Now()
				r, err := w.adapter.Broadcast(t.Context(), sel, adapter.PacketOf(w.Packet("4x")))
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
		hanging := hangingPusher{w.Pusher}
		w.Delivery = delivery.New(w.Store, hanging, w.Closing, delivery.Limits{})
		w.adapter = adapter.New(w.Store, w.Delivery, adapter.Options{})
		b := w.CloseSlowly(5*time.Second, false)
		sel := inTrouble(w, nil)
		begun := time.Now()
		r, err := w.adapter.Broadcast(t.Context(), sel, adapter.PacketOf(w.Packet("4x")))
		// 64 begin at a time, for 100 ms.
		if took := time.Since(
			begun,
		); err != nil || r != (adapter.Result{Delivered: 1, Failed: mob}) ||
			took > 3200*time.Millisecond {
			t.Errorf("%+v, %v after %s", r, err, took)
		}
		b.Wait()
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

// A close that all callers which knew of it have given up is not held against the session for ever.
func TestSessionThatCannotBeClosed(t *testing.T) {
	inWorld(t, delivery.Limits{}, func(t *testing.T, w *world) {
		w.Closing.Later = func(context.Context, delivery.Ending) error { return nil } // and forgets it
		w.Closing.Sessions = &deliverytest.SlowStore{Store: w.Store, Takes: time.Hour}
		w.WebSocket("S")
		w.socket("S", "a")
		w.Pusher.Answer(conn("S"), pushtest.ErrLost)
		sel := adapter.Selection{Namespace: nsp, Rooms: []sessionstore.Room{"a"}}
		for _, c := range []struct {
			after time.Duration
			want  adapter.Result
		}{
			{0, adapter.Result{Failed: 1}},
			{30 * time.Second, adapter.Result{Failed: 1}},
			{31 * time.Second, adapter.Result{Delivered: 1}},
		} {
			time.Sleep(c.after)
			if r, err := w.adapter.Broadcast(t.Context(), sel, adapter.PacketOf(w.Packet("4x"))); err != nil ||
				r != c.want {
				t.Errorf("after %s: %+v, %v; want %+v", c.after, r, err, c.want)
			}
		}
	})
}
