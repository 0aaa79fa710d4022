package engine_test

import (
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/gateway/engine"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// Where frames come through a queue, whatever would be an answer to one is pushed.
func TestPushReplies(t *testing.T) {
	inWorld(t, engine.Options{PushReplies: true}, func(t *testing.T, w *world) {
		id := w.polling()
		conn := w.bind(id)
		if reply := w.message(conn, "2probe"); reply != "" {
			t.Errorf("answered the probe: %q", reply)
		}
		if got := w.pushed(conn); got != "3probe" {
			t.Errorf("pushed %q", got)
		}
		w.message(conn, "5")
		if reply := w.message(conn, "4reply x"); reply != "" {
			t.Errorf("answered: %q", reply)
		}
		if got := w.pushed(conn); got != "4x" {
			t.Errorf("pushed %q", got)
		}
		w.expectState(id, "")
	})
}

// Cut ends what is on a connection: a session, a candidate, or the connection alone.
func TestCut(t *testing.T) {
	inWorld(t, engine.Options{}, func(t *testing.T, w *world) {
		id, conn := w.webSocket()
		polling := w.polling()
		candidate := w.bind(polling)
		stranger := w.connection()
		for _, c := range []sessionstore.Connection{conn, candidate, stranger, conn} {
			if err := w.engine.Cut(t.Context(), c, "frame in doubt"); err != nil {
				t.Error(err)
			}
			if !w.pusher.Closed(c) {
				t.Errorf("%s is open", c.ID)
			}
		}
		w.expectState(id, "frame in doubt")
		if s := w.session(polling); s.State != sessionstore.Open {
			t.Errorf("the session of the candidate is %s", s.State)
		}
		w.upgraded(polling)
	})
}

// Alive pings, and makes the next ping due anew: a client that is not pinged within an interval and a timeout gives up.
// One that cannot be pinged is left to the sweeper. It says nothing of an unknown connection.
func TestAlive(t *testing.T) {
	inWorld(t, engine.Options{PingInterval: time.Minute}, func(t *testing.T, w *world) {
		id, conn := w.webSocket()
		pingAt := func() time.Time {
			for shard := range w.store.Shards() {
				for r, err := range w.store.Registrations(t.Context(), shard) {
					w.must(err)
					if r.Session == id {
						return r.PingAt
					}
				}
			}
			return time.Time{}
		}
		time.Sleep(30 * time.Second)
		before := pingAt()
		w.pusher.Answer(conn, delivery.ErrBusy)
		if err := w.engine.Alive(t.Context(), conn); !errors.Is(err, delivery.ErrBusy) || !pingAt().Equal(before) {
			t.Errorf("moved by %v, %v, though the client is not pinged", pingAt().Sub(before), err)
		}
		w.must(w.engine.Alive(t.Context(), conn))
		if moved := pingAt().Sub(before); moved < 20*time.Second {
			t.Errorf("moved by %v", moved)
		}
		if got := w.pushed(conn); got != "2" {
			t.Errorf("pushed %q, want a ping", got)
		}
		candidate := w.bind(w.polling())
		w.must(w.engine.Alive(t.Context(), candidate))
		if got := w.pushed(candidate); got != "" {
			t.Errorf("pushed %q to a candidate", got)
		}
		w.must(w.engine.Alive(t.Context(), w.connection()))

		// An instance that has not seen the upgrade finds that it has been.
		upgraded := w.upgraded(w.polling())
		w.pusher.Take(upgraded)
		w.must(engine.New(engine.Config{Store: w.store, Pusher: w.pusher, Handler: w.app}).Alive(t.Context(), upgraded))
		if got := w.pushed(upgraded); got != "2" {
			t.Errorf("pushed %q after the upgrade, want a ping", got)
		}
	})
}

// Of messages that overtook their upgrade packet one waits for a second, the others for a tenth.
func TestEarlyMessagesCrowd(t *testing.T) {
	inWorld(t, engine.Options{}, func(t *testing.T, w *world) {
		id := w.polling()
		conn := w.bind(id)
		w.message(conn, "2probe")
		var took [5]time.Duration
		var all sync.WaitGroup
		for i := range took {
			all.Go(func() {
				start := time.Now()
				w.message(conn, "4x")
				took[i] = time.Since(start)
			})
		}
		all.Wait()
		slices.Sort(took[:])
		if took[3] > 200*time.Millisecond || took[4] > 1500*time.Millisecond {
			t.Errorf("they took %v", took)
		}
		if !w.pusher.Closed(conn) || len(w.app.seen()) > 0 {
			t.Errorf("the WebSocket is open, or handled %q", w.app.seen())
		}
		w.expectState(id, "")
	})
}
