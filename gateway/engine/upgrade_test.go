package engine_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/gateway/engine"
	"github.com/nonstick-io/nonstick/internal/engineio"
	"github.com/nonstick-io/nonstick/internal/pushtest"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// What was buffered is pushed in order, less what the last GET carried; what comes during the flush comes after.
func TestUpgrade(t *testing.T) {
	always := func(*world, sessionstore.SessionID) {}
	for _, c := range []struct {
		name   string
		before func(w *world, id sessionstore.SessionID) // "5" comes
		during func(w *world, id sessionstore.SessionID) // just before the first release
		pushed string
	}{
		{"nothing buffered", always, nil, "4end"},
		{
			"packets between probe and upgrade",
			func(w *world, id sessionstore.SessionID) { w.deliver(id, "4a"); w.deliver(id, "4b", "bAA==") }, nil,
			"4a 4b bAA== 4end",
		},
		{"packets that a GET has carried", func(w *world, id sessionstore.SessionID) {
			w.deliver(id, "4a")
			w.get(id, "t1")
			w.deliver(id, "4b")
		}, nil, "4b 4end"},
		{"appended during the flush", func(w *world, id sessionstore.SessionID) {
			w.deliver(id, "4a")
		}, func(w *world, id sessionstore.SessionID) {
			w.deliver(id, "4b")
			w.deliver(id, "4c")
		}, "4a 4b 4c 4end"},
		{
			"appended during the flush of nothing", always,
			func(w *world, id sessionstore.SessionID) { w.deliver(id, "4b") }, "4b 4end",
		},
		{"appended after a GET", func(w *world, id sessionstore.SessionID) {
			w.deliver(id, "4a")
			w.get(id, "t1")
		}, func(w *world, id sessionstore.SessionID) { w.deliver(id, "4b") }, "4b 4end"},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, engine.Options{}, func(t *testing.T, w *world) {
				id := w.polling()
				conn := w.bind(id)
				w.message(conn, "2probe")
				c.before(w, id)
				if c.during != nil {
					w.store.before[sessionstore.OpRelease] = func() { c.during(w, id) }
				}
				if reply := w.message(conn, "5"); reply != "" {
					t.Errorf("reply %q", reply)
				}
				w.deliver(id, "4end")
				if got := w.pushed(conn); got != c.pushed {
					t.Errorf("pushed %q, want %q", got, c.pushed)
				}
				s := w.session(id)
				if s.Hint() != conn || len(s.Buffer) > 0 {
					t.Errorf("session reached by %q, buffer %v", s.Hint(), s.Buffer)
				}
				w.expectState(id, "")
			})
		})
	}
}

// While a flush lasts, the caller that delivers appends; nothing overtakes it.
func TestEmitsDuringFlush(t *testing.T) {
	inWorld(t, engine.Options{}, func(t *testing.T, w *world) {
		id := w.polling()
		n := 0
		w.pusher.OnPush = func(sessionstore.Connection, string) {
			if n++; n <= 5 {
				w.deliver(id, "4during"+strings.Repeat("!", n))
			}
		}
		w.deliver(id, "4a")
		w.deliver(id, "4b")
		conn := w.upgraded(id)
		if got := w.pushed(conn); got != "4a 4b 4during! 4during!! 4during!!! 4during!!!! 4during!!!!!" {
			t.Errorf("pushed %q", got)
		}
	})
}

// A reply during the flush does not overtake it: it is pushed, not answered.
func TestReplyDuringFlush(t *testing.T) {
	inWorld(t, engine.Options{}, func(t *testing.T, w *world) {
		id := w.polling()
		w.deliver(id, "4a")
		conn := w.bind(id)
		w.message(conn, "2probe")
		w.store.before[sessionstore.OpUpgrade] = func() { w.deliver(id, "4b") }
		w.pusher.OnPush = func(_ sessionstore.Connection, frame string) {
			if frame == "4a" {
				if reply := w.message(conn, "4reply c"); reply != "" {
					t.Errorf("answered %q", reply)
				}
			}
		}
		w.message(conn, "5")
		if got := w.pushed(conn); got != "4a 4b 4c" {
			t.Errorf("pushed %q", got)
		}
	})
}

// Writes of the upgrade in doubt are settled: repeated, or recognised, and nothing is pushed twice.
func TestUpgradeInDoubt(t *testing.T) {
	again := fault{errNoAnswer, false}
	for _, c := range []struct {
		name   string
		op     sessionstore.Op
		faults []fault
		reason string
	}{
		{"upgrade done", sessionstore.OpUpgrade, []fault{{errNoAnswer, true}}, ""},
		{"upgrade not done", sessionstore.OpUpgrade, []fault{again}, ""},
		{"upgrade throttled", sessionstore.OpUpgrade, []fault{{sessionstore.ErrThrottled, false}}, ""},
		{
			"upgrade never done", sessionstore.OpUpgrade,
			[]fault{again, again, again, again, again, again},
			"transport error",
		},
		{"release done", sessionstore.OpRelease, []fault{{errNoAnswer, true}}, ""},
		{"release not done", sessionstore.OpRelease, []fault{again, again}, ""},
		{"release throttled", sessionstore.OpRelease, []fault{{sessionstore.ErrThrottled, false}}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, engine.Options{}, func(t *testing.T, w *world) {
				id := w.polling()
				w.deliver(id, "4a")
				conn := w.bind(id)
				w.message(conn, "2probe")
				w.store.faults[c.op] = c.faults
				_, err := w.engine.Message(t.Context(), conn, "5")
				if (err != nil) != (c.reason != "") {
					t.Errorf("error %v", err)
				}
				w.expectState(id, c.reason)
				if c.reason != "" {
					if !w.pusher.Closed(conn) {
						t.Error("the connection was not closed")
					}
					return
				}
				w.deliver(id, "4b")
				if got := w.pushed(conn); got != "4a 4b" {
					t.Errorf("pushed %q", got)
				}
			})
		})
	}
}

// A push of the flush that is no clear success ends the session.
func TestFlushFails(t *testing.T) {
	for _, c := range []struct {
		name    string
		answers []error
		pushed  string
		reason  string
	}{
		{"gone", []error{delivery.ErrGone}, "", "transport close"},
		{"in doubt", []error{nil, pushtest.ErrArrived}, "4a 4b", "transport error"},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, engine.Options{}, func(t *testing.T, w *world) {
				id := w.polling()
				w.deliver(id, "4a")
				w.deliver(id, "4b")
				w.deliver(id, "4c")
				conn := w.bind(id)
				w.message(conn, "2probe")
				w.pusher.Answer(conn, c.answers...)
				if _, err := w.engine.Message(t.Context(), conn, "5"); err == nil {
					t.Error("no error for the log")
				}
				if got := w.pushed(conn); got != c.pushed {
					t.Errorf("pushed %q, want %q", got, c.pushed)
				}
				w.expectState(id, c.reason)
				if !w.pusher.Closed(conn) {
					t.Error("the connection was not closed")
				}
			})
		})
	}
}

// A session that closes under its upgrade takes the WebSocket with it.
func TestCloseDuringUpgrade(t *testing.T) {
	for _, op := range []sessionstore.Op{sessionstore.OpProbe, sessionstore.OpUpgrade, sessionstore.OpRelease} {
		t.Run(op.String(), func(t *testing.T) {
			inWorld(t, engine.Options{}, func(t *testing.T, w *world) {
				id := w.polling()
				conn := w.bind(id)
				w.store.before[op] = func() { w.must(w.engine.Fail(t.Context(), id, "test")) }
				w.message(conn, "2probe")
				w.message(conn, "5")
				w.expectState(id, "test")
				if !w.pusher.Closed(conn) {
					t.Error("the connection is still there")
				}
			})
		})
	}
}

// Room rows are told of the new connection, so that broadcasts push.
func TestUpgradeWritesHints(t *testing.T) {
	inWorld(t, engine.Options{}, func(t *testing.T, w *world) {
		id := w.polling()
		k := sessionstore.NewSocket{ID: "K", Session: id, Namespace: "/", Rooms: []sessionstore.Room{"a", "b"}}
		w.must(w.store.PutSocket(t.Context(), k, sessionstore.Connection{}, delivery.Limits{}.WithDefaults().Socket))
		conn := w.upgraded(id)
		for _, room := range k.Rooms {
			for m, err := range w.store.Members(t.Context(), "/", room, sessionstore.Range{}) {
				w.must(err)
				if m.Hint != conn {
					t.Errorf("in room %s: %q", room, m.Hint)
				}
			}
		}
		if m, err := w.store.Member(t.Context(), "/", "K"); err != nil || m.Hint != conn {
			t.Errorf("in the namespace: %+v, %v", m, err)
		}
	})
}

// What a candidate may say, and what comes of it.
func TestCandidate(t *testing.T) {
	for _, c := range []struct {
		name    string
		frames  []string
		replies string
		closed  bool // the connection
		free    bool // another may bind
	}{
		{"probe", []string{"2probe"}, "3probe", false, false},
		{"probe twice", []string{"2probe", "2probe"}, "3probe 3probe", false, false},
		{"message first", []string{"4a"}, "", true, true},
		{"another probe", []string{"2other"}, "", true, true},
		{"ping", []string{"2"}, "", true, true},
		{"rubbish", []string{"?"}, "", true, true},
		{"close", []string{"1"}, "", true, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, engine.Options{}, func(t *testing.T, w *world) {
				id := w.polling()
				conn := w.bind(id)
				var replies []string
				for _, f := range c.frames {
					if r := w.message(conn, f); r != "" {
						replies = append(replies, r)
					}
				}
				if got := strings.Join(replies, " "); got != c.replies {
					t.Errorf("replies %q, want %q", got, c.replies)
				}
				if got := w.pusher.Closed(conn); got != c.closed {
					t.Errorf("closed: %v", got)
				}
				step, err := w.engine.Bind(t.Context(), w.connection(), id)
				if free := step.Kind == engine.StepNone; err != nil || free != c.free {
					t.Errorf("another WebSocket: %+v, %v", step, err)
				}
				w.deliver(id, "4still here")
				if got := w.get(id, "t1"); got != "4still here" {
					t.Errorf("the next GET: %q", got)
				}
				w.expectState(id, "")
			})
		})
	}
}

func TestBindUnknown(t *testing.T) {
	inWorld(t, engine.Options{}, func(t *testing.T, w *world) {
		conn := w.connection()
		if _, err := w.engine.Bind(t.Context(), conn, "nobody"); !errors.Is(err, engineio.ErrUnknownSession) {
			t.Errorf("error %v", err)
		}
		if _, err := w.store.Connection(t.Context(), conn); !errors.Is(err, sessionstore.ErrNotFound) {
			t.Errorf("its row: %v", err)
		}
	})
}

// A candidate that ends leaves its session on polling, and room for another.
func TestCandidateDisconnects(t *testing.T) {
	for _, probed := range []bool{false, true} {
		inWorld(t, engine.Options{}, func(t *testing.T, w *world) {
			id := w.polling()
			conn := w.bind(id)
			if probed {
				w.message(conn, "2probe")
			}
			for range 2 {
				w.must(w.engine.Disconnect(t.Context(), conn))
			}
			w.expectState(id, "")
			if s := w.session(id); !s.Candidate.Conn.IsZero() || s.Probed {
				t.Errorf("probed %v: the candidate is still there: %+v", probed, s.Candidate)
			}
			if _, err := w.store.Connection(t.Context(), conn); !errors.Is(err, sessionstore.ErrNotFound) {
				t.Errorf("its row: %v", err)
			}
			conn = w.upgraded(id)
			w.deliver(id, "4a")
			if got := w.pushed(conn); got != "4a" {
				t.Errorf("the next one was pushed %q", got)
			}
		})
	}
}

// A message that overtook its upgrade packet waits for it; without one the session ends.
func TestEarlyMessage(t *testing.T) {
	inWorld(t, engine.Options{}, func(t *testing.T, w *world) {
		id := w.polling()
		conn := w.bind(id)
		w.message(conn, "2probe")
		reply := make(chan string, 1)
		go func() { reply <- w.message(conn, "4reply x") }()
		time.Sleep(100 * time.Millisecond)
		if len(w.app.seen()) > 0 {
			t.Errorf("handled before the upgrade: %q", w.app.seen())
		}
		w.deliver(id, "4before")
		w.message(conn, "5")
		if got := <-reply; got != "4x" {
			t.Errorf("reply %q", got)
		}
		if got := w.pushed(conn); got != "4before" {
			t.Errorf("pushed %q", got)
		}
		w.expectState(id, "")
	})
}

// TestWrongFrameOfCandidate has a probed WebSocket send something else than its upgrade packet: it is closed, and the
// session stays on polling, where the next upgrade succeeds.
func TestWrongFrameOfCandidate(t *testing.T) {
	for _, frame := range []string{"4a", "bAQ==", "0", "1", "2", "2x", "3", "3probe", "6", "7", "", "hello"} {
		t.Run(frame, func(t *testing.T) {
			inWorld(t, engine.Options{}, func(t *testing.T, w *world) {
				id := w.polling()
				conn := w.bind(id)
				w.message(conn, "2probe")
				if frame == "3" {
					return // a pong is taken at any time
				}
				if _, err := w.engine.Message(t.Context(), conn, frame); err != nil {
					t.Error(err)
				}
				w.expectState(id, "")
				if !w.pusher.Closed(conn) || len(w.app.seen()) > 0 {
					t.Errorf("closed %v, handled %q", w.pusher.Closed(conn), w.app.seen())
				}
				next := w.bind(id)
				w.message(next, "2probe")
				w.message(next, "5and more")
				w.message(next, "4a")
				if got := w.app.seen(); len(got) != 1 {
					t.Errorf("after the next upgrade the application saw %q", got)
				}
			})
		})
	}
}

// An upgrade that is not completed in time is taken back by the sweeper; the client goes on polling.
func TestUpgradeTimeout(t *testing.T) {
	for _, probed := range []bool{false, true} {
		inWorld(t, engine.Options{UpgradeTimeout: 3 * time.Second}, func(t *testing.T, w *world) {
			id := w.polling()
			conn := w.bind(id)
			if probed {
				w.message(conn, "2probe")
			}
			w.sweeping(func() {
				time.Sleep(2900 * time.Millisecond)
				if w.pusher.Closed(conn) {
					t.Errorf("probed %v: closed too early", probed)
				}
				time.Sleep(4 * time.Second)
			})
			if !w.pusher.Closed(conn) {
				t.Errorf("probed %v: the candidate is still there", probed)
			}
			w.expectState(id, "")
			parked := w.park(id, "t1")
			w.deliver(id, "4a")
			synctest.Wait()
			if got := <-parked; got.body != "4a" {
				t.Errorf("probed %v: the next GET: %+v", probed, got)
			}
		})
	}
}

// Past its time a candidate gives way to another even before the sweeper comes.
func TestCandidateGivesWay(t *testing.T) {
	inWorld(t, engine.Options{UpgradeTimeout: time.Second}, func(t *testing.T, w *world) {
		id := w.polling()
		old := w.bind(id)
		w.message(old, "2probe")
		time.Sleep(time.Second)
		conn := w.upgraded(id)
		w.message(old, "5")
		if !w.pusher.Closed(old) || w.pusher.Closed(conn) {
			t.Errorf("closed: the old one %v, the new one %v", w.pusher.Closed(old), w.pusher.Closed(conn))
		}
		w.expectState(id, "")
	})
}
