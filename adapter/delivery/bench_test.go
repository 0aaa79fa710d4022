package delivery_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/internal/benchtest"
	"github.com/nonstick-io/nonstick/sessionstore"
	"github.com/nonstick-io/nonstick/sessionstore/memstore"
)

// benchWorld is a delivery over a store in memory, with pushes that take no time, and one session.
type benchWorld struct {
	*testing.B
	meter    *sessionstore.Meter
	pusher   *benchtest.Pusher
	store    *memstore.Store
	delivery *delivery.Delivery
}

// wire is the connection of each session.
var wire = conn("c")

func newBenchWorld(b *testing.B) *benchWorld {
	w := &benchWorld{B: b, meter: &sessionstore.Meter{}, pusher: &benchtest.Pusher{}}
	w.empty()
	return w
}

// empty gives the world a new store.
func (w *benchWorld) empty() {
	w.store = memstore.New(memstore.Options{Meter: w.meter})
	closing := &delivery.Closing{Sessions: w.store, Pusher: w.pusher}
	w.delivery = delivery.New(w.store, w.pusher, closing, delivery.Limits{})
}

func (w *benchWorld) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *benchWorld) create(s sessionstore.NewSession) {
	w.Helper()
	s.CreatedAt = time.Now()
	s.PingAt = s.CreatedAt.Add(time.Hour)
	w.must(w.store.Create(w.Context(), s))
}

// fetch empties the buffer, as the client's GETs do.
func (w *benchWorld) fetch() {
	w.Helper()
	for range 2 { // the second says that the first has come
		s, err := w.store.Get(w.Context(), sid, time.Now())
		w.must(err)
		w.must(w.store.Answer(w.Context(), sessionstore.AnswerRequest{Read: &s, T: "t", Give: len(s.Pending())}))
	}
}

// BenchmarkDeliver brings one packet to one session: over WebSocket whose connection is known, over WebSocket that
// the refusal of its buffer tells of, over WebSocket with an attachment (a serial session), and by the buffer.
func BenchmarkDeliver(b *testing.B) {
	plain := []sessionstore.Packet{{ID: "p", Frames: []string{`42["news",1]`}}}
	attached := []sessionstore.Packet{
		{ID: "p", Frames: []string{`451-["news",{"_placeholder":true,"num":0}]`, "bAA=="}},
	}
	webSocket := sessionstore.NewSession{ID: sid, Transport: sessionstore.WebSocket, Conn: wire}
	serial := sessionstore.NewSession{ID: sid, Transport: sessionstore.WebSocket, Conn: wire, Serial: true}
	polling := sessionstore.NewSession{ID: sid, Transport: sessionstore.Polling}
	for _, bm := range []struct {
		name    string
		session sessionstore.NewSession
		target  delivery.Target
		packets []sessionstore.Packet
	}{
		{"websocket/known", webSocket, delivery.Target{Session: sid, Hint: wire}, plain},
		{"websocket/unknown", webSocket, delivery.Target{Session: sid}, plain},
		{"websocket/attachment", serial, delivery.Target{Session: sid}, attached},
		{"polling", polling, delivery.Target{Session: sid}, plain},
	} {
		b.Run(bm.name, func(b *testing.B) {
			w := newBenchWorld(b)
			w.create(bm.session)
			c := benchtest.Count(b, w.meter, w.pusher)
			for n := 1; b.Loop(); n++ {
				_, err := w.delivery.Deliver(b.Context(), bm.target, bm.packets)
				w.must(err)
				if bm.session.Transport == sessionstore.Polling && n%8 == 0 {
					c.Aside(w.fetch)
				}
			}
			c.Report()
		})
	}
}

// flushes is how many sessions are made ready at once.
const flushes = 500

// ready is a session on WebSocket whose buffer the caller is to push.
type ready struct {
	session sessionstore.Session
	hold    sessionstore.Lease
}

// BenchmarkFlush pushes what has waited in the buffer of a session that has just been upgraded.
func BenchmarkFlush(b *testing.B) {
	for _, n := range []int{1, 100} {
		b.Run(fmt.Sprintf("packets=%d", n), func(b *testing.B) {
			w := newBenchWorld(b)
			var sessions []ready
			c := benchtest.Count(b, w.meter, w.pusher)
			for b.Loop() {
				if len(sessions) == 0 {
					c.Aside(func() { sessions = w.upgraded(n) })
				}
				if done, err := w.delivery.Flush(b.Context(), sessions[0].session, sessions[0].hold); err != nil ||
					!done {
					b.Fatal(done, err)
				}
				sessions = sessions[1:]
			}
			c.Report()
		})
	}
}

// upgraded makes sessions, in a new store, with n packets in their buffers.
func (w *benchWorld) upgraded(n int) []ready {
	w.Helper()
	w.empty()
	sessions, now := make([]ready, flushes), time.Now()
	for i := range sessions {
		id, hold := sessionstore.SessionID(sessionstore.NewID()), delivery.NewHold()
		w.create(sessionstore.NewSession{ID: id, Transport: sessionstore.Polling})
		packets := make([]sessionstore.Packet, n)
		for i := range packets {
			packets[i] = sessionstore.Packet{ID: sessionstore.PacketID(fmt.Sprint(i)), Frames: []string{`42["news",1]`}}
		}
		w.must(w.store.Deliver(w.Context(), id, packets, delivery.Limits{}.WithDefaults().Buffer))
		w.must(w.store.Bind(w.Context(), id, sessionstore.Candidate{Conn: wire, Until: now.Add(time.Minute)}, now))
		s, err := w.store.Upgrade(w.Context(), id, wire, hold)
		w.must(err)
		sessions[i] = ready{s, hold}
	}
	return sessions
}
