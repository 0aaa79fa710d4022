package engine_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/gateway/engine"
	"github.com/nonstick-io/nonstick/internal/engineio"
	"github.com/nonstick-io/nonstick/sessionstore"
)

func TestHandshake(t *testing.T) {
	for _, c := range []struct {
		name    string
		options engine.Options
		want    string
	}{
		{
			"defaults",
			engine.Options{},
			`"upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}`,
		},
		{
			"configured",
			engine.Options{PingInterval: 300 * time.Millisecond, PingTimeout: time.Second, MaxPayload: 99},
			`"upgrades":["websocket"],"pingInterval":300,"pingTimeout":1000,"maxPayload":99}`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, c.options, func(t *testing.T, w *world) {
				got, err := w.engine.Handshake(t.Context(), sessionstore.Handshake{Address: "192.0.2.1"})
				w.must(err)
				id := sidOf(t, got)
				if want := `0{"sid":"` + string(id) + `",` + c.want; got != want || len(id) != 20 {
					t.Errorf("got  %s\nwant %s", got, want)
				}
				if h, err := w.store.Handshake(t.Context(), id); err != nil || h.Address != "192.0.2.1" {
					t.Errorf("handshake kept: %+v, %v", h, err)
				}
				_, conn := w.webSocketWith(c.want)
				if conn.IsZero() {
					t.Error("no connection")
				}
			})
		})
	}
}

// webSocketWith begins a session on WebSocket whose open packet is as on polling, but for the upgrades.
func (w *world) webSocketWith(want string) (sessionstore.SessionID, sessionstore.Connection) {
	w.t.Helper()
	conn := w.connection()
	step, err := w.engine.Connect(w.t.Context(), conn, sessionstore.Handshake{})
	w.must(err)
	if w.pusher.Pushes() != 0 {
		w.t.Error("something was pushed before the connect was answered")
	}
	w.must(w.engine.Run(w.t.Context(), step))
	got := w.pushed(conn)
	id := sidOf(w.t, got)
	want = `0{"sid":"` + string(id) + `",` + strings.Replace(want, `["websocket"]`, `[]`, 1)
	if got != want {
		w.t.Errorf("got  %s\nwant %s", got, want)
	}
	return id, conn
}

// What a GET is answered, by what it finds: the rules in their order.
func TestPollRules(t *testing.T) {
	for _, c := range []struct {
		name    string
		prepare func(w *world, id sessionstore.SessionID)
		t       string
		want    string
		err     error
		writes  int64 // that the GET makes
		reason  string
	}{
		{
			"1: unknown session", func(w *world, id sessionstore.SessionID) { w.forget(id) }, "t1", "",
			engineio.ErrUnknownSession, 0, "gone",
		},
		{
			"1: closed", func(w *world, id sessionstore.SessionID) { w.must(w.engine.Fail(w.t.Context(), id, "test")) },
			"t1", "", engineio.ErrUnknownSession, 0, "test",
		},
		{
			"1: on WebSocket", func(w *world, id sessionstore.SessionID) { w.upgraded(id) }, "t1", "",
			engineio.ErrBadRequest, 0, "",
		},
		{"1: closed by the server, with packets", func(w *world, id sessionstore.SessionID) {
			w.deliver(id, "4a")
			w.must(w.engine.Close(w.t.Context(), id, "test"))
		}, "t1", "4a", nil, 1, "test"},
		{"1: closed by the server, without", func(w *world, id sessionstore.SessionID) {
			w.must(w.engine.Close(w.t.Context(), id, "test"))
		}, "t1", "6 1", nil, 1, "test"},
		{
			"2: repeated",
			func(w *world, id sessionstore.SessionID) { w.deliver(id, "4a"); w.get(id, "t1"); w.deliver(id, "4b") },
			"t1", "4a", nil, 0, "",
		},
		{"2: repeated, with two packets", func(w *world, id sessionstore.SessionID) {
			w.deliver(id, "4a", "bAA==")
			w.deliver(id, "4b")
			w.get(id, "t1")
		}, "t1", "4a bAA== 4b", nil, 0, ""},
		{
			"2: repeated ping",
			func(w *world, id sessionstore.SessionID) { time.Sleep(25 * time.Second); w.get(id, "t1") }, "t1", "2", nil,
			0, "",
		},
		{"2: repeated ping, after the pong", func(w *world, id sessionstore.SessionID) {
			time.Sleep(25 * time.Second)
			w.get(id, "t1")
			w.must(w.engine.Post(w.t.Context(), id, "3"))
		}, "t1", "6", nil, 0, ""},
		{"2: repeated, closed meanwhile", func(w *world, id sessionstore.SessionID) {
			w.deliver(id, "4a")
			w.must(w.engine.Close(w.t.Context(), id, "test"))
			w.get(id, "t1")
		}, "t1", "4a", nil, 0, "test"},
		{
			"3: overlap", func(w *world, id sessionstore.SessionID) { w.park(id, "t1") }, "t2", "", engineio.ErrOverlap,
			-1, "transport error",
		},
		{
			"4: acknowledges the one before",
			func(w *world, id sessionstore.SessionID) { w.deliver(id, "4a"); w.get(id, "t1"); w.deliver(id, "4b") },
			"t2", "4b", nil, 1, "",
		},
		{
			"4: packets",
			func(w *world, id sessionstore.SessionID) { w.deliver(id, "4a"); w.deliver(id, "4b", "bAA==") }, "t1",
			"4a 4b bAA==", nil, 1, "",
		},
		{
			"4: a ping that is due, behind packets",
			func(w *world, id sessionstore.SessionID) { w.deliver(id, "4a"); time.Sleep(25 * time.Second) }, "t1", "4a",
			nil, 1, "",
		},
		{
			"4: a ping that is overdue, before packets",
			func(w *world, id sessionstore.SessionID) { w.deliver(id, "4a"); time.Sleep(30 * time.Second) }, "t1", "2",
			nil, 1, "",
		},
		{"4: packets after the ping", func(w *world, id sessionstore.SessionID) {
			w.deliver(id, "4a")
			time.Sleep(30 * time.Second)
			w.get(id, "t1")
		}, "t2", "4a", nil, 1, ""},
		{
			"4: probed, and so after a moment",
			func(w *world, id sessionstore.SessionID) { w.message(w.bind(id), "2probe") }, "t1", "6", nil, 2, "",
		},
		{
			"4: probed, with packets",
			func(w *world, id sessionstore.SessionID) { w.message(w.bind(id), "2probe"); w.deliver(id, "4a") }, "t1",
			"4a", nil, 1, "",
		},
		{"5: parked to its end", func(*world, sessionstore.SessionID) {}, "t1", "6", nil, 2, ""},
		{
			"5: parked, bound but not probed", func(w *world, id sessionstore.SessionID) { w.bind(id) }, "t1", "6", nil,
			2, "",
		},
		{"4: a t that is no name, after the same", func(w *world, id sessionstore.SessionID) {
			w.deliver(id, "4a")
			w.get(id, "1764188000")
			w.deliver(id, "4b")
		}, "1764188000", "4b", nil, 1, ""},
		{
			"3: overlap of two without names", func(w *world, id sessionstore.SessionID) { w.park(id, "1764188000") },
			"1764188000", "", engineio.ErrOverlap, -1, "transport error",
		},
		{
			"5: without t", func(w *world, id sessionstore.SessionID) { w.deliver(id, "4a"); w.get(id, "") }, "", "6",
			nil, 2, "",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, engine.Options{}, func(t *testing.T, w *world) {
				id := w.polling()
				c.prepare(w, id)
				before := w.meter.Total().Writes
				got, err := w.engine.Poll(t.Context(), id, stamp(c.t))
				if readable(got) != c.want || !errors.Is(err, c.err) {
					t.Errorf("got %q, %v; want %q, %v", readable(got), err, c.want, c.err)
				}
				if n := w.meter.Total().Writes - before; c.writes >= 0 && n != c.writes {
					t.Errorf("%d writes, want %d", n, c.writes)
				}
				if c.reason != "gone" {
					w.expectState(id, c.reason)
				}
			})
		})
	}
}

// forget lets a closed session's time to live pass.
func (w *world) forget(id sessionstore.SessionID) {
	w.must(w.engine.Fail(w.t.Context(), id, "test"))
	time.Sleep(2 * time.Minute)
}

// What happens to a GET while it waits.
func TestParked(t *testing.T) {
	for _, c := range []struct {
		name   string
		happen func(w *world, id sessionstore.SessionID)
		want   string
		err    error
		within time.Duration // 0: at once
		reason string
	}{
		{"a packet", func(w *world, id sessionstore.SessionID) { w.deliver(id, "4a") }, "4a", nil, 0, ""},
		{
			"a packet with an attachment", func(w *world, id sessionstore.SessionID) { w.deliver(id, "4a", "bAA==") },
			"4a bAA==", nil, 0, "",
		},
		{"a probe", func(w *world, id sessionstore.SessionID) { w.message(w.bind(id), "2probe") }, "6", nil, 0, ""},
		{"nothing", func(*world, sessionstore.SessionID) {}, "6", nil, 20 * time.Second, ""},
		{"a ping", func(w *world, id sessionstore.SessionID) {}, "2", nil, 10 * time.Second, ""}, // see below
		{
			"the client closes",
			func(w *world, id sessionstore.SessionID) { w.must(w.engine.Post(w.t.Context(), id, "1")) }, "6", nil, 0,
			"transport close",
		},
		{
			"the server closes",
			func(w *world, id sessionstore.SessionID) { w.must(w.engine.Close(w.t.Context(), id, "test")) }, "1", nil,
			0, "test",
		},
		{
			"an error", func(w *world, id sessionstore.SessionID) { w.must(w.engine.Fail(w.t.Context(), id, "test")) },
			"1", nil, 0, "test",
		},
		{"another GET", func(w *world, id sessionstore.SessionID) {
			if _, err := w.engine.Poll(w.t.Context(), id, stamp("t2")); !errors.Is(err, engineio.ErrOverlap) {
				w.t.Errorf("the other GET: %v", err)
			}
		}, "1", nil, 0, "transport error"},
		{
			"an upgrade without a probe", func(w *world, id sessionstore.SessionID) { w.message(w.bind(id), "5") }, "1",
			nil, 0, "",
		},
	} {
		for _, waking := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s/waking %v", c.name, waking), func(t *testing.T) {
				inWorld(t, engine.Options{}, func(t *testing.T, w *world) {
					id := w.polling()
					if c.want == "2" {
						time.Sleep(15 * time.Second)
					}
					at := w.instance(waking)
					parked := w.parkAt(t.Context(), at, id, "t1")
					start := time.Now()
					c.happen(w, id)
					got := <-parked
					if got.body != c.want || !errors.Is(got.err, c.err) {
						t.Errorf("got %q, %v; want %q, %v", got.body, got.err, c.want, c.err)
					}
					late := 150 * time.Millisecond // a client's close waits for the GET
					if !waking {
						late = time.Second
					}
					if d := time.Since(start); d < c.within || d > c.within+late {
						t.Errorf("answered after %v, want %v", d, c.within)
					}
					w.expectState(id, c.reason)
				})
			})
		}
	}
}

// A GET whose write is refused, for a packet has come since it read, is answered with that at once. One whose write is
// in doubt, or is refused again, pauses before it reads.
func TestRefusedGET(t *testing.T) {
	doubt := fault{errors.New("timeout"), false}
	refused := fault{sessionstore.ErrConflict, false}
	for _, c := range []struct {
		name   string
		faults []fault // of the write
		pauses bool
	}{
		{"a packet came", nil, false},
		{"refused once", []fault{refused}, false},
		{"refused twice", []fault{refused, refused}, true},
		{"in doubt", []fault{doubt}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, engine.Options{}, func(t *testing.T, w *world) {
				id := w.polling()
				if c.faults == nil {
					w.store.beforeNext(sessionstore.OpPark, func() { w.deliver(id, "4") })
				} else {
					w.deliver(id, "4")
					w.store.faults[sessionstore.OpAnswer] = c.faults
				}
				start := time.Now()
				if got := w.get(id, "t1"); got != "4" || (time.Since(start) > 0) != c.pauses {
					t.Errorf("got %q after %v; want a pause: %v", got, time.Since(start), c.pauses)
				}
			})
		})
	}
}

// immediateStore is a faultyStore that costs nothing to read again.
type immediateStore struct{ wakingStore }

func (immediateStore) Immediate() {}

// A GET that comes into a burst takes more of it along, where that costs nothing: as long as more comes, and 30 ms at
// most. One that finds a single entry, and one that was parked and finds three, are answered at once.
func TestGather(t *testing.T) {
	const ms = time.Millisecond
	for _, c := range []struct {
		name      string
		immediate bool
		finds     int             // entries in the buffer
		parked    bool            // before the burst
		burst     []time.Duration // when another entry comes
		waking    int             // entries that come while the parked GET wakes
		want      string
		within    time.Duration
	}{
		{"one entry", true, 1, false, every(ms, 1), 0, "4", 0},
		{"the burst is over", true, 2, false, nil, 0, "4 4", 2 * ms},
		{"more comes", true, 2, false, []time.Duration{ms, 3 * ms}, 0, "4 4 4 4", 6 * ms},
		{"more comes, too late", true, 2, false, []time.Duration{3 * ms}, 0, "4 4", 2 * ms},
		{"more and more comes", true, 2, false, every(ms, 50), 0, strings.Repeat("4 ", 31) + "4", 30 * ms},
		{"as many as an answer carries", true, 400, false, every(ms, 1), 0, strings.Repeat("4 ", 399) + "4", 0},
		{"parked", true, 0, true, []time.Duration{0, ms}, 0, "4", 0},
		{"parked, with three to take", true, 0, true, []time.Duration{0}, 2, "4 4 4", 0},
		{"parked, with four to take", true, 0, true, []time.Duration{0}, 3, "4 4 4 4", 4 * ms},
		{"where to read costs", false, 2, false, every(ms, 1), 0, "4 4", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, engine.Options{}, func(t *testing.T, w *world) {
				id := w.polling()
				at := w.instance(true)
				if c.immediate {
					store := immediateStore{wakingStore{w.store, w.store.Store.(sessionstore.Waker)}}
					at = engine.New(engine.Config{Store: store, Pusher: w.pusher, Handler: w.app})
				}
				for range c.finds {
					w.deliver(id, "4")
				}
				start := time.Now()
				get := w.parkAt(t.Context(), at, id, "t1")
				if !c.parked {
					start = time.Now()
				}
				if c.waking > 0 {
					w.store.beforeNext(sessionstore.OpGet, func() {
						for range c.waking {
							w.deliver(id, "4")
						}
					})
				}
				go func() {
					for _, after := range c.burst {
						time.Sleep(time.Until(start.Add(after)))
						w.deliver(id, "4")
					}
				}()
				got := <-get
				if d := time.Since(start); readable(got.body) != c.want || got.err != nil || d != c.within {
					t.Errorf("got %q, %v after %v; want %q after %v", readable(got.body), got.err, d, c.want, c.within)
				}
				synctest.Wait()
				time.Sleep(time.Second) // the burst ends
			})
		})
	}
}

// every returns n times, each so much later than the one before, and half of that after a full one.
func every(d time.Duration, n int) []time.Duration {
	out := make([]time.Duration, n)
	for i := range out {
		out[i] = time.Duration(i)*d + d/2
	}
	return out
}

// A copy of a parked GET parks too, and both get the same answer, once acknowledged by the next.
func TestCopyOfParked(t *testing.T) {
	inWorld(t, engine.Options{}, func(t *testing.T, w *world) {
		id := w.polling()
		first, second := w.park(id, "t1"), w.parkAt(t.Context(), w.instance(false), id, "t1")
		w.deliver(id, "4a")
		if a, b := <-first, <-second; a.body != "4a" || b.body != "4a" || a.err != nil || b.err != nil {
			t.Errorf("got %+v and %+v", a, b)
		}
		w.deliver(id, "4b")
		if got := w.get(id, "t2"); got != "4b" {
			t.Errorf("the next GET: %q", got)
		}
		w.expectState(id, "")
	})
}

// A proxy sends a GET twice, and the second one comes to its write when the client has had the answers to this GET and
// the next: it takes nothing of what came since, and it is no overlap with the GET that is parked by then.
func TestCopyThatWasPassed(t *testing.T) {
	for _, c := range []struct {
		name  string
		t     string
		since func(w *world, id sessionstore.SessionID) <-chan answer
	}{
		{"a packet waits", "t1", func(w *world, id sessionstore.SessionID) <-chan answer {
			w.deliver(id, "4c")
			return nil
		}},
		{"a GET is parked", "t1", func(w *world, id sessionstore.SessionID) <-chan answer { return w.park(id, "t3") }},
		{"a GET without a name, and a packet waits", "", func(w *world, id sessionstore.SessionID) <-chan answer {
			w.deliver(id, "4c")
			return nil
		}},
		{"the server has closed", "t1", func(w *world, id sessionstore.SessionID) <-chan answer {
			w.deliver(id, "4c")
			w.must(w.engine.Close(w.t.Context(), id, "test"))
			return nil
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, engine.Options{}, func(t *testing.T, w *world) {
				id := w.polling()
				var last <-chan answer
				w.store.beforeNext(sessionstore.OpPark, func() {
					w.deliver(id, "4a")
					w.get(id, c.t)
					w.deliver(id, "4b")
					w.get(id, "t2")
					last = c.since(w, id)
				})
				if got := w.get(id, c.t); got != "6" {
					t.Errorf("the copy got %q", got)
				}
				if last == nil {
					last = w.park(id, "t3")
				} else {
					w.deliver(id, "4c")
				}
				if got := <-last; got.body != "4c" || got.err != nil {
					t.Errorf("the GET behind them: %+v", got)
				}
			})
		})
	}
}

// Each GET gets what came after the last, whatever the client sends as t: each event once, and none is left behind.
func TestTimestampIsNoIdentity(t *testing.T) {
	for _, c := range []struct{ name, handshake, t string }{
		{"none", "", ""},
		{"the second, as .NET", "1764188000", "1764188000"},
		{"the application's own", "tenant-1", "tenant-1"},
		{"the application's own, of the form of a name", "tenant_", "tenant_"},
		{"random, but the same each time", "ws2z3k4f", "ws2z3k4f"},
		{"9,000 bytes", strings.Repeat("a", 9000), strings.Repeat("a", 9000)},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, engine.Options{}, func(t *testing.T, w *world) {
				open, err := w.engine.Handshake(
					t.Context(), sessionstore.Handshake{Query: map[string]string{"t": c.handshake}},
				)
				w.must(err)
				id := sidOf(t, open)
				for i := range 3 {
					w.must(w.engine.Post(t.Context(), id, fmt.Sprint("4reply ", i)))
					if got := w.get(id, c.t); got != fmt.Sprint("4", i) {
						t.Errorf("GET %d: %q", i, got)
					}
				}
				if got := <-w.park(id, c.t); got.body != "6" || got.after != 20*time.Second {
					t.Errorf("with nothing to say: %+v", got)
				}
				if s := w.session(id); len(s.LastT)+len(s.OpenedT) > 40 {
					t.Errorf("the session keeps %d and %d bytes of it", len(s.LastT), len(s.OpenedT))
				}
				w.expectState(id, "")
			})
		})
	}
}

// A GET that began after the probe is none of a client that upgrades; one from before is let go.
func TestGETThatRacesTheUpgrade(t *testing.T) {
	for _, c := range []struct {
		name   string
		before bool // than the probe
		want   string
		err    error
	}{
		{"parked before the probe", true, "6", nil},
		{"begun after the probe", false, "", engineio.ErrBadRequest},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, engine.Options{}, func(t *testing.T, w *world) {
				id := w.polling()
				at := w.instance(false) // which hears of the probe only when it reads again
				var parked <-chan answer
				if c.before {
					parked = w.parkAt(t.Context(), at, id, "t1")
				}
				conn := w.bind(id)
				w.message(conn, "2probe")
				if !c.before {
					parked = w.parkAt(t.Context(), at, id, "t1")
				}
				w.message(conn, "5")
				if got := <-parked; got.body != c.want || !errors.Is(got.err, c.err) {
					t.Errorf("got %+v", got)
				}
				w.expectState(id, "")
			})
		})
	}
}

// The platform's time: a GET ends before its context does, and one whose context ended is answered all the same.
func TestPollDeadline(t *testing.T) {
	inWorld(t, engine.Options{}, func(t *testing.T, w *world) {
		id := w.polling()
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		if got := <-w.parkAt(ctx, w.engine, id, "t1"); got.body != "6" || got.err != nil || got.after != 4*time.Second {
			t.Errorf("before the deadline: %+v", got)
		}
		ctx, cancel = context.WithCancel(t.Context())
		parked := w.parkAt(ctx, w.engine, id, "t2")
		cancel()
		if got := <-parked; got.body != "6" || got.err != nil || got.after != 0 {
			t.Errorf("cancelled: %+v", got)
		}
		w.deliver(id, "4a")
		if got := w.get(id, "t3"); got != "4a" {
			t.Errorf("afterwards: %q", got)
		}
	})
}

// One answer has a bounded number of packets and bytes; the next GET gets the rest.
func TestAnswerIsBounded(t *testing.T) {
	for _, c := range []struct {
		name    string
		packets int
		size    int
		want    []int // packets in each answer
	}{
		{"by count", 850, 4, []int{400, 400, 50}},
		{"by bytes", 5, 1<<20 - 1, []int{4, 1}},
		{"by bytes, with separators", 5, 1 << 20, []int{3, 2}},
		{"one above the bound", 2, 5 << 20, []int{1, 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			limits := delivery.Limits{Buffer: sessionstore.BufferLimits{Packets: 1000, Bytes: 16 << 20}, Frame: 8 << 20}
			inWorld(t, engine.Options{Limits: limits}, func(t *testing.T, w *world) {
				id := w.polling()
				for range c.packets {
					w.deliver(id, "4"+strings.Repeat("x", c.size-1))
				}
				for i, want := range c.want {
					if got := len(strings.Fields(w.get(id, fmt.Sprint("t", i)))); got != want {
						t.Errorf("answer %d has %d packets, want %d", i+1, got, want)
					}
				}
			})
		})
	}
}

// What one request sent is one entry of many frames: the separators between them count too.
func TestAnswerCountsSeparators(t *testing.T) {
	const entries, frames = 400, 8000
	inWorld(t, engine.Options{}, func(t *testing.T, w *world) {
		id := w.polling()
		for range entries {
			p := sessionstore.Packet{
				ID: sessionstore.PacketID(sessionstore.NewID()), Frames: slices.Repeat([]string{"4"}, frames),
			}
			w.must(
				w.store.Deliver(
					t.Context(), id, []sessionstore.Packet{p},
					sessionstore.BufferLimits{Packets: 1000, Bytes: 4 << 20},
				),
			)
		}
		got := 0
		for i := 0; got < entries*frames && i < 9; i++ {
			body := w.get(id, fmt.Sprint("t", i))
			if len(body) > 4<<20 {
				t.Errorf("answer %d has %d bytes", i+1, len(body))
			}
			got += len(strings.Fields(body))
		}
		if got != entries*frames {
			t.Errorf("got %d packets, want %d", got, entries*frames)
		}
	})
}

// A write of a GET that is refused or in doubt makes it read again: no packet is lost or given to two GETs.
func TestPollInDoubt(t *testing.T) {
	for _, c := range []struct {
		name   string
		op     sessionstore.Op
		faults []fault
	}{
		{"answer done", sessionstore.OpAnswer, []fault{{errNoAnswer, true}}},
		{"answer not done", sessionstore.OpAnswer, []fault{{errNoAnswer, false}, {errNoAnswer, false}}},
		{"answer throttled", sessionstore.OpAnswer, []fault{{sessionstore.ErrThrottled, false}}},
		{"park done", sessionstore.OpPark, []fault{{errNoAnswer, true}}},
		{"park not done", sessionstore.OpPark, []fault{{errNoAnswer, false}}},
		{"read fails", sessionstore.OpGet, []fault{{errNoAnswer, false}, {sessionstore.ErrUnavailable, false}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, engine.Options{}, func(t *testing.T, w *world) {
				id := w.polling()
				w.deliver(id, "4a")
				w.get(id, "t0")
				w.store.faults[c.op] = c.faults
				parked := w.park(id, "t1")
				time.Sleep(time.Second)
				w.deliver(id, "4b")
				if got := <-parked; got.body != "4b" || got.err != nil {
					t.Errorf("got %+v", got)
				}
				w.deliver(id, "4c")
				if got := w.get(id, "t2"); got != "4c" {
					t.Errorf("the next GET: %q", got)
				}
				w.expectState(id, "")
			})
		})
	}
}

// A store that never answers ends the GET with what it said last.
func TestPollGivesUp(t *testing.T) {
	inWorld(t, engine.Options{}, func(t *testing.T, w *world) {
		id := w.polling()
		for range 200 {
			w.store.faults[sessionstore.OpGet] = append(w.store.faults[sessionstore.OpGet], fault{errNoAnswer, false})
		}
		if got := <-w.park(id, "t1"); !errors.Is(got.err, errNoAnswer) || got.after > 2*time.Minute {
			t.Errorf("got %+v", got)
		}
	})
}

// A server's close lets the client have what was sent before it; then it is told, once.
func TestDrain(t *testing.T) {
	inWorld(t, engine.Options{}, func(t *testing.T, w *world) {
		id := w.polling()
		w.deliver(id, "4a")
		w.get(id, "t0")
		w.deliver(id, "4b")
		w.must(w.engine.Close(t.Context(), id, "test"))
		if err := w.engine.Post(t.Context(), id, "4late"); err != nil {
			t.Errorf("a POST of a client that does not know yet: %v", err)
		}
		for i, want := range []string{"4b", "6 1"} {
			if got := w.get(id, fmt.Sprint("t", i+1)); got != want {
				t.Errorf("GET %d: %q, want %q", i+1, got, want)
			}
		}
		if _, err := w.engine.Poll(t.Context(), id, stamp("t9")); !errors.Is(err, engineio.ErrUnknownSession) {
			t.Errorf("afterwards: %v", err)
		}
		if len(w.app.seen()) > 0 {
			t.Errorf("the late POST was handled: %q", w.app.seen())
		}
		synctest.Wait()
		w.expectState(id, "test")
	})
}
