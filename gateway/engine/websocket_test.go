package engine_test

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/gateway/engine"
	"github.com/nonstick-io/nonstick/internal/pushtest"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// What a frame of the session's own WebSocket does.
func TestMessage(t *testing.T) {
	for _, c := range []struct {
		name   string
		frame  string
		reply  string
		pushed string
		reason string
	}{
		{"a message", "4a", "", "", ""},
		{"a reply", "4reply x", "4x", "", ""},
		{"something sent is pushed", "4send x", "", "4x", ""},
		{"binary", "bAA==", "", "", ""},
		{"pong", "3", "", "", ""},
		{"pong with data", "3probe", "", "", ""},
		{"noop", "6", "", "", ""},
		{"upgrade packet", "5", "", "", ""},
		{"open packet", "0", "", "", ""},
		{"close", "1", "", "", "transport close"},
		{"ping from a client", "2", "", "", "transport error"},
		{"bad packet", "?", "", "", "parse error"},
		{"empty", "", "", "", "parse error"},
		{"unknown type", "x?", "", "", "parse error"},
		{"garbage behind b", "b?", "", "", ""},
		{"the handler closes", "4close enough", "", "", "enough"},
		{"the handler refuses", "4refuse bad", "", "", "bad"},
		{"the handler fails", "4fail", "", "", "forced close"},
		{"the handler panics", "4panic", "", "", "forced close"},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, engine.Options{}, func(t *testing.T, w *world) {
				id, conn := w.webSocket()
				if reply := w.message(conn, c.frame); reply != c.reply {
					t.Errorf("reply %q, want %q", reply, c.reply)
				}
				if got := w.pushed(conn); got != c.pushed {
					t.Errorf("pushed %q, want %q", got, c.pushed)
				}
				w.expectState(id, c.reason)
				if w.pusher.Closed(conn) != (c.reason != "") {
					t.Errorf("connection closed: %v", w.pusher.Closed(conn))
				}
			})
		})
	}
}

// A connection that belongs to nothing (any more) is closed, and what came by it is not handled.
func TestStrangers(t *testing.T) {
	for _, c := range []struct {
		name    string
		prepare func(w *world) sessionstore.Connection
	}{
		{"never seen", func(w *world) sessionstore.Connection { return w.connection() }},
		{"session closed", func(w *world) sessionstore.Connection {
			id, conn := w.webSocket()
			w.must(w.engine.Fail(w.t.Context(), id, "test"))
			return conn
		}},
		{"session closing", func(w *world) sessionstore.Connection {
			id, conn := w.webSocket()
			_, err := w.store.Store.Close(
				w.t.Context(),
				sessionstore.CloseRequest{
					Session: id, Reason: "test",
					Handler: sessionstore.Lease{Owner: "x", Until: time.Now().Add(time.Minute)},
				},
			)
			w.must(err)
			return conn
		}},
		{"session forgotten", func(w *world) sessionstore.Connection {
			id, conn := w.webSocket()
			w.forget(id)
			return conn
		}},
		{"second WebSocket of a session", func(w *world) sessionstore.Connection {
			id := w.polling()
			w.bind(id)
			conn := w.connection()
			step, err := w.engine.Bind(w.t.Context(), conn, id)
			if err != nil || step.Kind != engine.StepClose {
				w.t.Errorf("bind: %+v, %v", step, err)
			}
			return conn
		}},
		{"WebSocket for a session on WebSocket", func(w *world) sessionstore.Connection {
			id, _ := w.webSocket()
			conn := w.connection()
			step, err := w.engine.Bind(w.t.Context(), conn, id)
			if err != nil || step.Kind != engine.StepClose {
				w.t.Errorf("bind: %+v, %v", step, err)
			}
			return conn
		}},
	} {
		for _, frame := range []string{"4a", "2probe", "5"} {
			t.Run(c.name+"/"+frame, func(t *testing.T) {
				inWorld(t, engine.Options{}, func(t *testing.T, w *world) {
					conn := c.prepare(w)
					w.engine = w.instance(true) // without what the first one remembers
					w.pusher.RefuseClose(conn, delivery.ErrBusy, pushtest.ErrLost)
					if reply := w.message(conn, frame); reply != "" {
						t.Errorf("reply %q", reply)
					}
					if !w.pusher.Closed(conn) {
						t.Error("the connection was not closed")
					}
					if len(w.app.seen()) > 0 {
						t.Errorf("the application saw %q", w.app.seen())
					}
				})
			})
		}
	}
}

// A frame that the store is in no state to serve ends its connection, also where that takes several tries: its client
// would go on without it.
func TestFrameThatIsNotServed(t *testing.T) {
	for _, op := range []sessionstore.Op{sessionstore.OpConnection, sessionstore.OpGet} {
		t.Run(op.String(), func(t *testing.T) {
			inWorld(t, engine.Options{}, func(t *testing.T, w *world) {
				_, conn := w.webSocket()
				w.engine = w.instance(true) // without what the first one remembers
				w.store.faults[op] = []fault{{errors.New("timeout"), false}}
				w.pusher.RefuseClose(conn, delivery.ErrBusy, pushtest.ErrLost)
				if _, err := w.engine.Message(t.Context(), conn, "4a"); err == nil {
					t.Error("no error")
				}
				if !w.pusher.Closed(conn) {
					t.Error("the connection was not closed")
				}
			})
		})
	}
}

// A reply goes back with its message only if nothing can overtake it or be overtaken.
func TestReplyOrder(t *testing.T) {
	inWorld(t, engine.Options{}, func(t *testing.T, w *world) {
		_, conn := w.webSocket()
		w.pusher.Answer(conn, nil)
		for _, c := range []struct{ frame, reply, pushed string }{
			{"4reply 1", "41", ""},
			{"4send 2", "", "42"},
			{"4reply 3", "43", ""},
		} {
			if reply := w.message(conn, c.frame); reply != c.reply {
				t.Errorf("%s: reply %q", c.frame, reply)
			}
			if got := w.pushed(conn); got != c.pushed {
				t.Errorf("%s: pushed %q", c.frame, got)
			}
		}
	})
}

// A pong of a WebSocket costs one write and reads nothing; one without a ping costs nothing, and puts no ping off.
func TestPongCost(t *testing.T) {
	inWorld(t, heartbeat, func(t *testing.T, w *world) {
		_, conn := w.webSocket()
		for _, c := range []struct {
			name   string
			after  time.Duration
			writes int
		}{
			{"as soon as it is connected", 0, 0},
			{"when it was pinged", interval, 1},
			{"twice", 0, 0},
			{"early, by the clock of another", 9 * interval / 10, 1},
			{"soon after that", interval / 3, 0},
		} {
			time.Sleep(c.after)
			before := w.meter.Total()
			for range 100 {
				w.message(conn, "3")
			}
			if u := w.meter.Total().Sub(before); u.Reads != 0 || u.Writes != int64(c.writes) {
				t.Errorf("%s: %d reads, %d writes", c.name, u.Reads, u.Writes)
			}
		}
	})
}

// A frame that cannot be served ends the session: nothing is lost in silence.
func TestFrameInTrouble(t *testing.T) {
	for _, c := range []struct {
		name, frame string
		op          sessionstore.Op
	}{
		{"the session cannot be read", "4a", sessionstore.OpGet},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, engine.Options{}, func(t *testing.T, w *world) {
				id, conn := w.webSocket()
				w.store.faults[c.op] = []fault{{errNoAnswer, false}}
				if _, err := w.engine.Message(t.Context(), conn, c.frame); !errors.Is(err, errNoAnswer) {
					t.Errorf("error %v", err)
				}
				w.expectState(id, "transport error")
				if !w.pusher.Closed(conn) {
					t.Error("the connection was not closed")
				}
			})
		})
	}
}

// A pong is written all the same if the store fails once, and ends nothing if it cannot be: the client is pinged again.
func TestPongInTrouble(t *testing.T) {
	for _, faults := range []int{1, 10} {
		inWorld(t, heartbeat, func(t *testing.T, w *world) {
			id, conn := w.webSocket()
			time.Sleep(interval)
			for range faults {
				w.store.faults[sessionstore.OpBeat] = append(
					w.store.faults[sessionstore.OpBeat], fault{errNoAnswer, false},
				)
			}
			if _, err := w.engine.Message(t.Context(), conn, "3"); (err != nil) != (faults > 1) {
				t.Errorf("%d faults: error %v", faults, err)
			}
			w.expectState(id, "")
		})
	}
}

// The open step waits for a connection that is not there yet, and does no harm when it comes twice.
func TestOpenStep(t *testing.T) {
	for _, c := range []struct {
		name    string
		answers []error
		pushed  bool
		err     error
		reason  string
	}{
		{"at once", nil, true, nil, ""},
		{"not connected yet", []error{delivery.ErrGone, delivery.ErrGone, delivery.ErrGone}, true, nil, ""},
		{"busy", []error{delivery.ErrBusy}, true, nil, ""},
		{"in doubt", []error{pushtest.ErrLost}, false, pushtest.ErrLost, "transport error"},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, engine.Options{}, func(t *testing.T, w *world) {
				conn := w.connection()
				step, err := w.engine.Connect(t.Context(), conn, sessionstore.Handshake{})
				w.must(err)
				w.pusher.Answer(conn, c.answers...)
				if err := w.engine.Run(t.Context(), step); !errors.Is(err, c.err) {
					t.Errorf("error %v, want %v", err, c.err)
				}
				if pushed := w.pushed(conn) != ""; pushed != c.pushed {
					t.Errorf("pushed: %v", pushed)
				}
				w.expectState(step.Session, c.reason)
				w.must(w.instance(true).Run(t.Context(), step))
				if got := w.pushed(conn); got != "" {
					t.Errorf("the second time: pushed %q", got)
				}
			})
		})
	}
}

// A connection that never comes ends its session.
func TestOpenStepGone(t *testing.T) {
	inWorld(t, engine.Options{}, func(t *testing.T, w *world) {
		conn := w.connection()
		step, err := w.engine.Connect(t.Context(), conn, sessionstore.Handshake{})
		w.must(err)
		w.pusher.AnswerAlways(conn, delivery.ErrGone)
		start := time.Now()
		w.must(w.engine.Run(t.Context(), step))
		w.expectState(step.Session, "transport close")
		if d := time.Since(start); d < time.Second || d > 10*time.Second {
			t.Errorf("gave up after %v", d)
		}
	})
}

func TestOtherSteps(t *testing.T) {
	inWorld(t, engine.Options{}, func(t *testing.T, w *world) {
		conn := w.connection()
		w.must(w.engine.Run(t.Context(), engine.Step{Kind: engine.StepNone, Conn: conn}))
		if w.pusher.Closed(conn) {
			t.Error("none closed the connection")
		}
		for range 2 {
			w.must(w.engine.Run(t.Context(), engine.Step{Kind: engine.StepClose, Conn: conn}))
		}
		if !w.pusher.Closed(conn) {
			t.Error("close left the connection")
		}
		if err := w.engine.Run(t.Context(), engine.Step{Kind: "other"}); err == nil {
			t.Error("an unknown step is no error")
		}
	})
}

// A refused connection is closed once its connect has been answered; until then it is gone to the platform.
func TestCloseStepEarly(t *testing.T) {
	inWorld(t, engine.Options{}, func(t *testing.T, w *world) {
		conn := w.connection()
		w.pusher.RefuseClose(conn, delivery.ErrGone, delivery.ErrGone)
		w.must(w.engine.Run(t.Context(), engine.Step{Kind: engine.StepClose, Conn: conn}))
		if !w.pusher.Closed(conn) {
			t.Error("the connection was left open")
		}
		left := w.connection()
		w.pusher.RefuseClose(left, slices.Repeat([]error{delivery.ErrGone}, 100)...)
		w.must(w.engine.Run(t.Context(), engine.Step{Kind: engine.StepClose, Conn: left}))
		busy := w.connection()
		w.pusher.RefuseClose(busy, delivery.ErrBusy, pushtest.ErrLost)
		w.must(w.engine.Run(t.Context(), engine.Step{Kind: engine.StepClose, Conn: busy}))
		if !w.pusher.Closed(busy) {
			t.Error("the connection was left open since the platform was busy")
		}
		failing := w.connection()
		w.pusher.RefuseClose(failing, slices.Repeat([]error{pushtest.ErrLost}, 100)...)
		if err := w.engine.Run(
			t.Context(), engine.Step{Kind: engine.StepClose, Conn: failing},
		); !errors.Is(
			err, pushtest.ErrLost,
		) {
			t.Errorf("error %v, want that of the close, for the queue to repeat the step", err)
		}
	})
}

// The platform says that a connection has ended: once, twice, or of one that no session has.
func TestDisconnect(t *testing.T) {
	inWorld(t, engine.Options{}, func(t *testing.T, w *world) {
		id, conn := w.webSocket()
		w.must(w.engine.Disconnect(t.Context(), w.connection()))
		w.expectState(id, "")
		for range 2 {
			w.must(w.engine.Disconnect(t.Context(), conn))
			w.must(w.instance(true).Disconnect(t.Context(), conn))
		}
		w.expectState(id, "transport close")
		if _, err := w.store.Connection(t.Context(), conn); !errors.Is(err, sessionstore.ErrNotFound) {
			t.Errorf("the connection's row: %v", err)
		}
	})
}

// Messages of one WebSocket that arrive at once are all handled.
func TestMessagesAtOnce(t *testing.T) {
	inWorld(t, engine.Options{}, func(t *testing.T, w *world) {
		id, conn := w.webSocket()
		for range 20 {
			go func() {
				if _, err := w.engine.Message(t.Context(), conn, "4a"); err != nil {
					t.Error(err)
				}
			}()
		}
		synctest.Wait()
		if len(w.app.seen()) != 20 {
			t.Errorf("%d messages were handled", len(w.app.seen()))
		}
		w.expectState(id, "")
	})
}
