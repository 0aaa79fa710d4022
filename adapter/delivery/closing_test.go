package delivery_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/internal/deliverytest"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// Of several closers one wins: its reason stands, and the handlers run once.
func TestTwoClosers(t *testing.T) {
	inWorld(t, delivery.Limits{}, func(t *testing.T, w *world) {
		w.WebSocket(sid)
		w.Must(w.Closing.Close(t.Context(), sid, "first", delivery.CloseOptions{}))
		w.Must(w.Closing.Close(t.Context(), sid, "second", delivery.CloseOptions{}))
		w.expectSession("", "", "first")
	})
}

// However many come after the caller that closes a session, the sweeper looks when the time of that one is over: it may
// have died.
func TestLateClosersAnnounce(t *testing.T) {
	inWorld(t, delivery.Limits{}, func(t *testing.T, w *world) {
		w.WebSocket(sid)
		var look, ends time.Time
		w.Closing.Announce = func(_ context.Context, _ sessionstore.SessionID, at time.Time) { look = at }
		w.Closing.Finish = func(_ context.Context, _ sessionstore.Session, l sessionstore.Lease) error {
			ends = l.Until
			return errNoAnswer
		}
		_ = w.Closing.Close(t.Context(), sid, "first", delivery.CloseOptions{})
		for range 3 {
			time.Sleep(5 * time.Second)
			w.Must(w.Closing.Close(t.Context(), sid, "late", delivery.CloseOptions{}))
		}
		if want := ends.Add(delivery.LeaseMargin); !look.Equal(want) {
			t.Errorf("the sweeper looks %v after the end of the first caller's time", look.Sub(ends))
		}
	})
}

func TestManyClosersAtOnce(t *testing.T) {
	inWorld(t, delivery.Limits{}, func(t *testing.T, w *world) {
		w.WebSocket(sid)
		var mu sync.Mutex
		finished := 0
		closing := delivery.Closing{
			Sessions: w.Store.Store, Pusher: w.Pusher,
			Finish: func(ctx context.Context, s sessionstore.Session, l sessionstore.Lease) error {
				mu.Lock()
				defer mu.Unlock()
				finished++
				return w.Store.Finish(ctx, s.ID, l.Owner, time.Now().Add(time.Minute))
			},
		}
		var group sync.WaitGroup
		for range 8 {
			group.Go(func() {
				if err := closing.Close(t.Context(), sid, "at once", delivery.CloseOptions{}); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		if finished != 1 {
			t.Errorf("%d of 8 closers won", finished)
		}
	})
}

// The write that closes is repeated while it is in doubt, and recognised by its owner if it was applied.
func TestCloseInDoubt(t *testing.T) {
	for _, c := range []struct {
		name   string
		faults []fault
		err    error
		won    bool
	}{
		{"applied", []fault{done}, nil, true},
		{"not applied", []fault{notDone}, nil, true},
		{"not applied, then applied", []fault{notDone, done}, nil, true},
		{"throttled", []fault{certain, certain, certain}, nil, true},
		{"never", slices.Repeat([]fault{notDone}, 8), errNoAnswer, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, delivery.Limits{}, func(t *testing.T, w *world) {
				w.WebSocket(sid)
				w.Store.Fail(sessionstore.OpClose, c.faults...)
				ctx, cancel := context.WithCancel(t.Context())
				cancel() // a caller that has given up
				if err := w.Closing.Close(ctx, sid, "test", delivery.CloseOptions{}); !errors.Is(err, c.err) {
					t.Errorf("error %v, want %v", err, c.err)
				}
				if won := w.Finished() == 1; won != c.won {
					t.Errorf("won: %v, want %v", won, c.won)
				}
				for _, r := range w.Store.Closes() {
					if r.Handler != w.Store.Closes()[0].Handler {
						t.Error("a repetition has an owner of its own")
					}
				}
			})
		})
	}
}

// A doubtful connection is cut whichever caller wins the close, also where that is unknown.
func TestDoubtfulIsCut(t *testing.T) {
	never := slices.Repeat([]fault{notDone}, 8)
	for _, c := range []struct {
		name    string
		prepare func(w *world)
	}{
		{"the winner", func(*world) {}},
		{"the loser", func(w *world) { w.closedBy("other") }},
		{
			"no such session",
			func(w *world) { w.Store.Fail(sessionstore.OpClose, deliverytest.NotDone(sessionstore.ErrNotFound)) },
		},
		{"nobody knows", func(w *world) { w.Store.Fail(sessionstore.OpClose, never...) }},
		{
			"the platform is busy",
			func(w *world) { w.Pusher.RefuseClose(conn("S"), delivery.ErrBusy, delivery.ErrBusy) },
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, delivery.Limits{}, func(t *testing.T, w *world) {
				w.WebSocket(sid)
				c.prepare(w)
				err := w.Closing.Close(t.Context(), sid, "test", delivery.CloseOptions{Doubtful: conn("S")})
				if err != nil && c.name != "nobody knows" {
					t.Error(err)
				}
				if !w.Pusher.Closed(conn("S")) {
					t.Error("the connection was not cut")
				}
			})
		})
	}
}

// A connection that cannot be cut is an error that the caller sees.
func TestCutFails(t *testing.T) {
	inWorld(t, delivery.Limits{}, func(t *testing.T, w *world) {
		w.WebSocket(sid)
		refused := errors.New("refused")
		w.Pusher.RefuseClose(conn("S"), refused, refused, refused, refused, refused, refused, refused, refused)
		if err := w.Closing.Close(t.Context(), sid, "test", delivery.CloseOptions{}); !errors.Is(err, refused) {
			t.Errorf("error %v", err)
		}
		if w.Finished() != 1 {
			t.Error("the handlers did not run")
		}
	})
}

// The candidate of an upgrade ends with its session.
func TestCandidateIsCut(t *testing.T) {
	inWorld(t, delivery.Limits{}, func(t *testing.T, w *world) {
		w.Polling(sid)
		w.Must(
			w.Store.Bind(
				t.Context(), sid, sessionstore.Candidate{Conn: conn("C"), Until: time.Now().Add(time.Minute)},
				time.Now(),
			),
		)
		w.Must(w.Closing.Close(t.Context(), sid, "test", delivery.CloseOptions{}))
		if !w.Pusher.Closed(conn("C")) {
			t.Error("the candidate is still there")
		}
	})
}

// The conditions of a close: on an open session they refuse it with what was found, else another caller was first.
func TestCloseConditions(t *testing.T) {
	for _, c := range []struct {
		name string
		o    func(s sessionstore.Session) delivery.CloseOptions
		err  error
	}{
		{
			"ping as read",
			func(s sessionstore.Session) delivery.CloseOptions { return delivery.CloseOptions{IfPingAt: s.PingAt} },
			nil,
		},
		{"ping moved on", func(s sessionstore.Session) delivery.CloseOptions {
			return delivery.CloseOptions{IfPingAt: s.PingAt.Add(-time.Second)}
		}, sessionstore.ErrConflict},
		{
			"its connection",
			func(sessionstore.Session) delivery.CloseOptions { return delivery.CloseOptions{IfConn: conn("S")} }, nil,
		},
		{
			"another connection",
			func(sessionstore.Session) delivery.CloseOptions { return delivery.CloseOptions{IfConn: conn("X")} },
			sessionstore.ErrConflict,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, delivery.Limits{}, func(t *testing.T, w *world) {
				w.WebSocket(sid)
				err := w.Closing.Close(t.Context(), sid, "test", c.o(w.Session(sid)))
				if !errors.Is(err, c.err) {
					t.Errorf("error %v, want %v", err, c.err)
				}
				if open := w.Session(sid).State == sessionstore.Open; open != (c.err != nil) {
					t.Errorf("open: %v", open)
				}
				if s, ok := sessionstore.Current(err); ok != (c.err != nil) || ok && s.ID != sid {
					t.Errorf("the refusal carries %v %+v", ok, s)
				}
			})
		})
	}
}

// A drained close keeps the buffer of a polling session, any other drops it.
func TestDrain(t *testing.T) {
	for _, drain := range []bool{true, false} {
		inWorld(t, delivery.Limits{}, func(t *testing.T, w *world) {
			w.Polling(sid)
			if _, err := w.Delivery.Deliver(
				t.Context(), delivery.Target{Session: sid}, []sessionstore.Packet{w.Packet("4a")},
			); err != nil {
				t.Fatal(err)
			}
			w.Must(w.Closing.Close(t.Context(), sid, "test", delivery.CloseOptions{Drain: drain}))
			if kept := w.Buffered(sid) == "4a"; kept != drain {
				t.Errorf("drain %v: kept %v", drain, kept)
			}
		})
	}
}

// A caller that cannot run the handlers leaves that to the sweeper: the handler lease is over at once.
func TestWithoutFinish(t *testing.T) {
	inWorld(t, delivery.Limits{}, func(t *testing.T, w *world) {
		w.WebSocket(sid)
		w.Closing.Finish = nil
		w.Must(w.Closing.Close(t.Context(), sid, "test", delivery.CloseOptions{}))
		if s := w.Session(sid); s.State != sessionstore.Closing || !s.Handler.Expired(time.Now()) {
			t.Errorf("session %s, handler's lease %+v", s.State, s.Handler)
		}
		lease := sessionstore.Lease{Owner: "sweeper", Until: time.Now().Add(time.Minute)}
		if err := w.Store.TakeOver(t.Context(), sid, lease, "", time.Now()); err != nil {
			t.Errorf("the sweeper cannot take over: %v", err)
		}
		if !w.Pusher.Closed(conn("S")) {
			t.Error("the connection was not cut")
		}
	})
}

func TestLeaseUntil(t *testing.T) {
	now := time.Now()
	for _, c := range []struct {
		name     string
		deadline time.Duration
		want     time.Duration
	}{
		{"no deadline", 0, 35 * time.Second},
		{"soon", 3 * time.Second, 8 * time.Second},
		{"far", time.Hour, 35 * time.Second},
	} {
		ctx := t.Context()
		if c.deadline > 0 {
			var cancel context.CancelFunc
			ctx, cancel = context.WithDeadline(ctx, now.Add(c.deadline))
			defer cancel()
		}
		if got := delivery.LeaseUntil(ctx, now).Sub(now); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

// What is said about why a session is closed comes with its end through a queue, and is never too long for it.
func TestDetailsOfAnEnding(t *testing.T) {
	inWorld(t, delivery.Limits{}, func(t *testing.T, w *world) {
		id := w.WebSocket("ws")
		var handed []byte
		w.Closing.Later = func(_ context.Context, e delivery.Ending) (err error) {
			handed, err = json.Marshal(e)
			return err
		}
		o := delivery.CloseOptions{Details: sessionstore.Details{Code: 4000, Description: strings.Repeat("x", 9000)}}
		err := w.Closing.CloseWithin(t.Context(), 0, id, delivery.ReasonTransportError, o)
		if !errors.Is(err, delivery.ErrEnding) || len(handed) > 600 {
			t.Fatalf("%v, handed over: %s", err, handed)
		}
		var e delivery.Ending
		w.Must(json.Unmarshal(handed, &e))
		w.Must(w.Closing.Resume(t.Context(), e))
		want := sessionstore.Details{Code: 4000, Description: strings.Repeat("x", sessionstore.MaxDetails)}
		if got := w.Session(id); got.State != sessionstore.Closed || got.Details != want {
			t.Errorf("session is %s, %+v", got.State, got.Details)
		}
	})
}
