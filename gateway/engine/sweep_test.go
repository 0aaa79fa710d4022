package engine_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/gateway/engine"
	"github.com/nonstick-io/nonstick/internal/engineio"
	"github.com/nonstick-io/nonstick/internal/pushtest"
	"github.com/nonstick-io/nonstick/sessionstore"
)

const (
	interval = 10 * time.Second
	timeout  = 5 * time.Second
)

var heartbeat = engine.Options{PingInterval: interval, PingTimeout: timeout}

// A WebSocket is pinged once each interval, and ends if it is silent.
func TestWebSocketHeartbeat(t *testing.T) {
	inWorld(t, heartbeat, func(t *testing.T, w *world) {
		id, conn := w.webSocket()
		w.sweeping(func() {
			for range 3 {
				time.Sleep(interval - 3*time.Second)
				if got := w.pushed(conn); got != "" {
					t.Errorf("pushed too early: %q", got)
				}
				time.Sleep(5 * time.Second)
				if got := w.pushed(conn); got != "2" {
					t.Errorf("pushed %q, want one ping", got)
				}
				w.message(conn, "3")
			}
			w.expectState(id, "")
			time.Sleep(interval + timeout - 3*time.Second)
			w.expectState(id, "")
			time.Sleep(5 * time.Second)
		})
		w.expectState(id, "ping timeout")
		if !w.pusher.Closed(conn) {
			t.Error("the connection was not closed")
		}
	})
}

// Two sweepers share the shards; a ping comes once.
func TestTwoSweepers(t *testing.T) {
	inWorld(t, heartbeat, func(t *testing.T, w *world) {
		conns := make([]sessionstore.Connection, 30)
		for i := range conns {
			_, conns[i] = w.webSocket()
		}
		w.sweeping(func() {
			w.sweeping(func() {
				time.Sleep(interval + 2*time.Second)
				for _, conn := range conns {
					if got := w.pushed(conn); got != "2" {
						t.Errorf("%s was pushed %q", conn.ID, got)
					}
				}
			})
		})
	})
}

// A ping comes half a tick before its time at the earliest and half a tick after it at the latest. Its time is the
// interval, less a twentieth of it at most after the first.
func TestPingsAreOnTime(t *testing.T) {
	const interval, half, spread = 300 * time.Millisecond, 20 * time.Millisecond, 15 * time.Millisecond
	inWorld(t, engine.Options{PingInterval: interval, PingTimeout: interval}, func(t *testing.T, w *world) {
		w.sweeping(func() {
			for offset := range 10 {
				time.Sleep(time.Duration(offset) * 7 * time.Millisecond)
				_, conn := w.webSocket()
				for range 5 {
					pong := time.Now()
					for w.pushed(conn) == "" && time.Since(pong) < 2*interval {
						time.Sleep(time.Millisecond)
					}
					if took := time.Since(pong); took < interval-spread-half || took > interval+half+time.Millisecond {
						t.Errorf("a ping came after %s", took)
					}
					w.message(conn, "3")
				}
			}
		})
	})
}

// A sweeper that relieves another of its name need not wait for its shards.
func TestRelievedSweeper(t *testing.T) {
	short := engine.Options{PingInterval: 300 * time.Millisecond, PingTimeout: 200 * time.Millisecond}
	inWorld(t, short, func(t *testing.T, w *world) {
		id, conn := w.webSocket()
		for range 3 {
			w.sweepingAs("chain", func() {
				w.sweepingAs(
					"chain", func() { time.Sleep(10 * time.Millisecond) },
				) // its end takes nothing from the other
				for range 40 {
					time.Sleep(350 * time.Millisecond)
					if got := w.pushed(conn); got != "2" && got != "2 2" {
						t.Fatalf("pushed %q, want a ping", got)
					}
					w.message(conn, "3")
				}
			})
		}
		w.expectState(id, "")
	})
}

// Sweepers that go by one name write little: there is no other to give a shard back to.
func TestSharedSweepersSaveWrites(t *testing.T) {
	inWorld(t, heartbeat, func(t *testing.T, w *world) {
		const shards = 16
		w.sweepingAs("chain", func() { time.Sleep(29 * time.Second) })
		if n := w.meter.Op(sessionstore.OpLeaseShard).Writes; n != shards {
			t.Errorf("%d writes in a beat, want one for each shard", n)
		}
	})
}

// A ping to a connection that is gone ends the session. One that was refused or is in doubt does not: it is tried
// again, and only when the client must have given up by itself is the session ended.
func TestPingFails(t *testing.T) {
	for _, c := range []struct {
		name   string
		answer error
		soon   string // the reason why the session has ended when the ping timeout would have passed
		late   string // and when the client has given up
	}{
		{"gone", delivery.ErrGone, "transport close", "transport close"},
		{"in doubt", pushtest.ErrLost, "", "ping timeout"},
		{"busy", delivery.ErrBusy, "", "ping timeout"},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, heartbeat, func(t *testing.T, w *world) {
				id, conn := w.webSocket()
				w.pusher.AnswerAlways(conn, c.answer)
				w.sweeping(func() {
					time.Sleep(interval + timeout + 2*time.Second)
					w.expectState(id, c.soon)
					time.Sleep(interval)
					w.expectState(id, c.late)
				})
			})
		})
	}
}

// A ping that was refused reaches the client as soon as it can, and the ping timeout counts from then.
func TestPingAfterARefusal(t *testing.T) {
	inWorld(t, heartbeat, func(t *testing.T, w *world) {
		id, conn := w.webSocket()
		w.pusher.Answer(conn, delivery.ErrBusy, pushtest.ErrLost, delivery.ErrBusy)
		w.sweeping(func() {
			time.Sleep(interval + timeout)
			w.expectState(id, "")
			if got := w.pushed(conn); got != "2" {
				t.Fatalf("pushed %q, want one ping", got)
			}
			w.message(conn, "3")
			time.Sleep(timeout)
			w.expectState(id, "")
		})
	})
}

// Sweepers that relieve each other end a silent client in time, also where the ping timeout is longer than each of them
// works; and one that was not pinged, because no sweeper ran, is pinged first.
func TestTimeoutOverRelief(t *testing.T) {
	const beat = 12 * time.Second
	o := engine.Options{PingInterval: interval, PingTimeout: 2 * beat}
	inWorld(t, o, func(t *testing.T, w *world) {
		id, _ := w.webSocket()
		begun := time.Now()
		for w.session(id).State == sessionstore.Open && time.Since(begun) < 5*beat {
			w.sweepingAs("chain", func() { time.Sleep(beat) })
		}
		w.expectState(id, "ping timeout")
		if took := time.Since(begun); took > interval+o.PingTimeout+2*beat {
			t.Errorf("a silent client was ended after %s", took)
		}
	})
	inWorld(t, heartbeat, func(t *testing.T, w *world) {
		id, conn := w.webSocket()
		time.Sleep(2 * (interval + timeout)) // no sweeper
		w.sweeping(func() {
			time.Sleep(timeout - time.Second)
			if got := w.pushed(conn); got != "2" {
				t.Errorf("pushed %q, want a ping", got)
			}
			w.message(conn, "3")
			time.Sleep(timeout)
		})
		w.expectState(id, "")
	})
}

// A store that stalls ends no session: pongs may have waited as the sweeper did.
func TestStallOfTheStore(t *testing.T) {
	for _, transport := range []string{"polling", "websocket"} {
		inWorld(t, heartbeat, func(t *testing.T, w *world) {
			var id sessionstore.SessionID
			var conn sessionstore.Connection
			if transport == "polling" {
				id = w.polling()
			} else {
				id, conn = w.webSocket()
			}
			const stall = 2 * timeout
			w.sweeping(func() {
				time.Sleep(interval - 2*time.Second)
				w.store.stall(3*time.Second, stall)
				time.Sleep(2*time.Second + time.Second/2)
				if transport == "polling" && w.get(id, "t1") != "2" {
					t.Error("no ping")
				}
				time.Sleep(stall + time.Second/2)
				w.expectState(id, "")
				time.Sleep(2 * time.Second)
				if transport == "polling" {
					w.must(w.engine.Post(t.Context(), id, "3"))
				} else {
					if got := w.pushed(conn); !strings.HasPrefix(got, "2") {
						t.Errorf("pushed %q, want a ping", got)
					}
					w.message(conn, "3")
				}
				time.Sleep(timeout - time.Second)
				w.expectState(id, "")
				time.Sleep(2*interval + timeout)
			})
			w.expectState(id, "ping timeout") // in the end, for it is silent now
		})
	}
}

// A polling session ends when no pong came, whether or not its ping was fetched.
func TestPollingHeartbeat(t *testing.T) {
	for _, c := range []struct {
		name   string
		fetch  bool
		pong   bool
		reason string
	}{
		{"ping not fetched", false, false, "ping timeout"},
		{"ping not answered", true, false, "ping timeout"},
		{"ping answered", true, true, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, heartbeat, func(t *testing.T, w *world) {
				id := w.polling()
				w.sweeping(func() {
					time.Sleep(interval)
					if c.fetch && w.get(id, "t1") != "2" {
						t.Error("no ping")
					}
					if c.pong {
						w.must(w.engine.Post(t.Context(), id, "3"))
					}
					time.Sleep(timeout - time.Second)
					w.expectState(id, "")
					time.Sleep(3 * time.Second)
					w.expectState(id, c.reason)
				})
			})
		})
	}
}

// The heartbeat goes on over an upgrade.
func TestHeartbeatAfterUpgrade(t *testing.T) {
	inWorld(t, heartbeat, func(t *testing.T, w *world) {
		id := w.polling()
		conn := w.upgraded(id)
		w.sweeping(func() {
			time.Sleep(interval + 2*time.Second)
			if got := w.pushed(conn); got != "2" {
				t.Errorf("pushed %q", got)
			}
			time.Sleep(timeout + 2*time.Second)
		})
		w.expectState(id, "ping timeout")
	})
}

// A session that joins no namespace ends in time; one that has joined does not.
func TestConnectTimeout(t *testing.T) {
	for _, c := range []struct {
		name   string
		begin  func(w *world) sessionstore.SessionID
		join   bool
		reason string
	}{
		{"polling", (*world).polling, false, "forced server close"},
		{"polling, joined", (*world).polling, true, ""},
		{
			"WebSocket", func(w *world) sessionstore.SessionID { id, _ := w.webSocket(); return id }, false,
			"forced server close",
		},
		{"WebSocket, joined", func(w *world) sessionstore.SessionID { id, _ := w.webSocket(); return id }, true, ""},
		{
			"upgraded", func(w *world) sessionstore.SessionID { id := w.polling(); w.upgraded(id); return id }, false,
			"forced server close",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, engine.Options{ConnectTimeout: 10 * time.Second}, func(t *testing.T, w *world) {
				id := c.begin(w)
				if c.join {
					s := w.session(id)
					w.must(
						w.store.PutSocket(
							t.Context(), sessionstore.NewSocket{ID: "K", Session: id, Namespace: "/"}, s.Hint(),
							delivery.Limits{}.WithDefaults().Socket,
						),
					)
					w.must(w.engine.Joined(t.Context(), &s))
				}
				w.sweeping(func() {
					time.Sleep(9 * time.Second)
					w.expectState(id, "")
					time.Sleep(5 * time.Second)
				})
				w.expectState(id, c.reason)
			})
		})
	}
}

// A close whose winner died is finished by the sweeper, once its lease is over.
func TestTakeOver(t *testing.T) {
	for _, transport := range []string{"polling", "websocket"} {
		t.Run(transport, func(t *testing.T) {
			inWorld(t, heartbeat, func(t *testing.T, w *world) {
				var id sessionstore.SessionID
				var conn sessionstore.Connection
				if transport == "polling" {
					id = w.polling()
				} else {
					id, conn = w.webSocket()
				}
				lease := sessionstore.Lease{Owner: "dead", Until: time.Now().Add(30 * time.Second)}
				_, err := w.store.Close(
					t.Context(), sessionstore.CloseRequest{Session: id, Reason: "test", Handler: lease},
				)
				w.must(err)
				w.sweeping(func() {
					time.Sleep(29 * time.Second)
					if len(w.app.told()) > 0 {
						t.Error("the lease of one who may still work was not respected")
					}
					time.Sleep(60 * time.Second)
				})
				if fmt.Sprint(w.app.told()) != "[test]" {
					t.Errorf("the application was told of %q", w.app.told())
				}
				if !conn.IsZero() && !w.pusher.Closed(conn) {
					t.Error("the connection is still there")
				}
				if err := w.store.Finish(t.Context(), id, "dead", time.Now()); err == nil {
					t.Error("the dead one can still finish")
				}
			})
		})
	}
}

// A caller that closes an outbox and dies leaves its carrier open: the caller that takes over closes it too.
func TestTakeOverOutbox(t *testing.T) {
	inWorld(t, heartbeat, func(t *testing.T, w *world) {
		id, conn := w.webSocket()
		w.engine.AllowRecovery()
		box := sessionstore.OutboxID("private")
		w.must(w.store.Create(t.Context(), sessionstore.NewSession{
			ID: box, Carrier: id, Transport: sessionstore.WebSocket, Conn: conn, CreatedAt: time.Now(),
		}))
		timer, err := delivery.OutboxTimer{Outbox: box}.Due(time.Now().Add(2 * time.Second))
		w.must(err)
		w.must(w.store.PutTimer(t.Context(), timer))
		lease := sessionstore.Lease{Owner: "dead", Until: time.Now().Add(time.Second)}
		_, err = w.store.Close(t.Context(), sessionstore.CloseRequest{Session: box, Reason: "test", Handler: lease})
		w.must(err)
		w.sweeping(func() { time.Sleep(5 * time.Second) })
		if fmt.Sprint(w.app.told()) != "[test test]" || !w.pusher.Closed(conn) {
			t.Errorf("the application was told of %q, connection closed: %v", w.app.told(), w.pusher.Closed(conn))
		}
	})
}

// Disconnect handlers that fail run again later; until then the session is not closed.
func TestClosedFails(t *testing.T) {
	inWorld(t, heartbeat, func(t *testing.T, w *world) {
		id, _ := w.webSocket()
		failed := errors.New("failed")
		w.app.closeErr = []error{failed}
		if err := w.engine.Fail(t.Context(), id, "test"); !errors.Is(err, failed) {
			t.Errorf("error %v", err)
		}
		if s := w.session(id); s.State != sessionstore.Closing {
			t.Errorf("session is %s", s.State)
		}
		w.sweeping(func() { time.Sleep(90 * time.Second) })
		if fmt.Sprint(w.app.told()) != "[test]" {
			t.Errorf("the application was told of %q", w.app.told())
		}
	})
}

// A caller that died while flushing leaves a hold; past its time the session ends.
func TestDeadFlusher(t *testing.T) {
	inWorld(t, heartbeat, func(t *testing.T, w *world) {
		id := w.polling()
		conn := w.bind(id)
		_, err := w.store.Upgrade(
			t.Context(), id, conn, sessionstore.Lease{Owner: "dead", Until: time.Now().Add(3 * time.Second)},
		)
		w.must(err)
		w.deliver(id, "4lost")
		w.sweeping(func() { time.Sleep(interval + timeout + 3*time.Second) })
		w.expectState(id, "transport error")
		if !w.pusher.Closed(conn) {
			t.Error("the connection is still there")
		}
	})
}

// A caller that died after the flush leaves the registry behind; the sweeper makes it right.
func TestDeadAfterFlush(t *testing.T) {
	inWorld(
		t, engine.Options{PingInterval: interval, PingTimeout: interval, UpgradeTimeout: 2 * time.Second},
		func(t *testing.T, w *world) {
			id := w.polling()
			conn := w.bind(id)
			w.message(conn, "2probe")
			w.store.faults[sessionstore.OpUpdate] = []fault{{errNoAnswer, false}}
			if _, err := w.engine.Message(t.Context(), conn, "5"); !errors.Is(err, errNoAnswer) {
				t.Errorf("error %v", err)
			}
			w.sweeping(func() {
				time.Sleep(interval + 2*time.Second)
				if got := w.pushed(conn); got != "2" {
					t.Errorf("pushed %q, want a ping", got)
				}
				w.message(conn, "3")
				time.Sleep(interval)
			})
			w.expectState(id, "")
		},
	)
}

// What is closed leaves nothing to sweep, and its item goes after a while.
func TestNothingIsLeft(t *testing.T) {
	inWorld(t, heartbeat, func(t *testing.T, w *world) {
		polling := w.polling()
		id, conn := w.webSocket()
		w.must(w.engine.Fail(t.Context(), polling, "test"))
		w.must(w.engine.Disconnect(t.Context(), conn))
		for shard := range w.store.Shards() {
			for r, err := range w.store.Registrations(t.Context(), shard) {
				t.Errorf("still registered: %+v, %v", r, err)
			}
		}
		time.Sleep(2 * time.Minute)
		for _, id := range []sessionstore.SessionID{polling, id} {
			if s, err := w.store.Get(t.Context(), id, time.Now()); !errors.Is(err, sessionstore.ErrNotFound) {
				t.Errorf("still there: %+v, %v", s, err)
			}
		}
		if got := strings.Join(w.app.told(), ", "); got != "test, transport close" {
			t.Errorf("the application was told of %q", got)
		}
	})
}

// A pong that comes just before the timeout is decided counts.
func TestPongBeforeTimeout(t *testing.T) {
	inWorld(t, heartbeat, func(t *testing.T, w *world) {
		id := w.polling()
		w.store.before[sessionstore.OpClose] = func() { w.must(w.engine.Post(t.Context(), id, "3")) }
		w.sweeping(func() { time.Sleep(interval + timeout + 3*time.Second) })
		w.expectState(id, "")
	})
}

// A pong that comes too late does not bring a session back.
func TestLatePong(t *testing.T) {
	inWorld(t, heartbeat, func(t *testing.T, w *world) {
		id := w.polling()
		w.sweeping(func() { time.Sleep(interval + timeout + 3*time.Second) })
		if err := w.engine.Post(t.Context(), id, "3"); !errors.Is(err, engineio.ErrUnknownSession) {
			t.Errorf("error %v", err)
		}
		w.expectState(id, "ping timeout")
	})
}

// The write that finishes a close can be in doubt: the session stays closing, and the sweeper sees to it.
func TestFinishInDoubt(t *testing.T) {
	for _, done := range []bool{true, false} {
		inWorld(t, heartbeat, func(t *testing.T, w *world) {
			id, _ := w.webSocket()
			w.store.faults[sessionstore.OpFinish] = []fault{{errNoAnswer, done}}
			if err := w.engine.Fail(t.Context(), id, "test"); !errors.Is(err, errNoAnswer) {
				t.Errorf("error %v", err)
			}
			w.sweeping(func() { time.Sleep(2 * time.Minute) })
			for shard := range w.store.Shards() {
				for r, err := range w.store.Registrations(t.Context(), shard) {
					t.Errorf("done %v: still registered: %+v, %v", done, r, err)
				}
			}
		})
	}
}
