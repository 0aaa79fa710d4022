package engine_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/gateway/engine"
	"github.com/nonstick-io/nonstick/internal/benchtest"
	"github.com/nonstick-io/nonstick/internal/engineio"
	"github.com/nonstick-io/nonstick/sessionstore"
	"github.com/nonstick-io/nonstick/sessionstore/memstore"
)

// echo answers each message with itself.
type echo struct{}

func (echo) Message(ctx context.Context, inv *engine.Invocation, p engineio.Packet) error {
	return inv.Reply(ctx, p.Encode())
}
func (echo) Done(context.Context, *engine.Invocation) error     { return nil }
func (echo) Closed(context.Context, sessionstore.Session) error { return nil }

// benchWorld is an engine over a store in memory, with pushes that take no time.
type benchWorld struct {
	*testing.B
	meter  *sessionstore.Meter
	pusher *benchtest.Pusher
	store  *memstore.Store
	engine *engine.Engine
	conns  int
}

func newBenchWorld(b *testing.B, o engine.Options) *benchWorld {
	b.Helper()
	w := &benchWorld{B: b, meter: &sessionstore.Meter{}, pusher: &benchtest.Pusher{}}
	w.empty(o)
	return w
}

// empty gives the world a new store, so that sessions of thousands of iterations do not pile up.
func (w *benchWorld) empty(o engine.Options) {
	w.store = memstore.New(memstore.Options{Meter: w.meter})
	w.engine = engine.New(engine.Config{Store: w.store, Pusher: w.pusher, Handler: echo{}, Options: o})
}

func (w *benchWorld) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *benchWorld) count() *benchtest.Costs {
	w.Helper()
	return benchtest.Count(w.B, w.meter, w.pusher)
}

func (w *benchWorld) connection() sessionstore.Connection {
	w.conns++
	return sessionstore.Connection{ID: fmt.Sprint("c", w.conns), Endpoint: "http://127.0.0.1"}
}

func (w *benchWorld) webSocket() (sessionstore.SessionID, sessionstore.Connection) {
	w.Helper()
	conn := w.connection()
	step, err := w.engine.Connect(w.Context(), conn, sessionstore.Handshake{})
	w.must(err)
	w.must(w.engine.Run(w.Context(), step))
	return step.Session, conn
}

func (w *benchWorld) polling() sessionstore.SessionID {
	w.Helper()
	frame, err := w.engine.Handshake(w.Context(), sessionstore.Handshake{})
	w.must(err)
	return sidOf(w, frame)
}

// get is one GET of its own.
func (w *benchWorld) get(id sessionstore.SessionID) string {
	w.Helper()
	body, err := w.engine.Poll(w.Context(), id, "")
	w.must(err)
	return body
}

// BenchmarkMessage is a message of a client and the answer that the client gets: over WebSocket in the response to the
// frame, on polling by a POST and a GET.
func BenchmarkMessage(b *testing.B) {
	b.Run("websocket", func(b *testing.B) {
		w := newBenchWorld(b, engine.Options{})
		_, conn := w.webSocket()
		c := w.count()
		for b.Loop() {
			if reply, err := w.engine.Message(b.Context(), conn, "4hello"); err != nil || reply != "4hello" {
				b.Fatal(reply, err)
			}
		}
		c.Report()
	})
	b.Run("polling", func(b *testing.B) {
		w := newBenchWorld(b, engine.Options{})
		id := w.polling()
		c := w.count()
		for b.Loop() {
			w.must(w.engine.Post(b.Context(), id, "4hello"))
			if body := w.get(id); body != "4hello" {
				b.Fatal(body)
			}
		}
		c.Report()
	})
}

// fill is after how many iterations that leave a session behind the store is emptied.
const fill = 1000

// BenchmarkConnect begins sessions: by the connect of a WebSocket and its open packet, or by the handshake of polling.
func BenchmarkConnect(b *testing.B) {
	for _, bm := range []struct {
		name    string
		connect func(w *benchWorld)
	}{
		{"websocket", func(w *benchWorld) { w.webSocket() }},
		{"polling", func(w *benchWorld) { w.polling() }},
	} {
		b.Run(bm.name, func(b *testing.B) {
			w := newBenchWorld(b, engine.Options{})
			c := w.count()
			for n := 1; b.Loop(); n++ {
				bm.connect(w)
				if n%fill == 0 {
					c.Aside(func() { w.empty(engine.Options{}) })
				}
			}
			c.Report()
		})
	}
}

// BenchmarkUpgrade moves sessions from polling to WebSocket, with one packet in the buffer: connect, probe, upgrade.
func BenchmarkUpgrade(b *testing.B) {
	w := newBenchWorld(b, engine.Options{})
	var ready []sessionstore.SessionID
	c := w.count()
	for b.Loop() {
		if len(ready) == 0 {
			c.Aside(func() { ready = w.readyToUpgrade() })
		}
		id := ready[0]
		ready = ready[1:]
		conn := w.connection()
		_, err := w.engine.Bind(b.Context(), conn, id)
		w.must(err)
		if reply, err := w.engine.Message(b.Context(), conn, "2probe"); err != nil || reply != "3probe" {
			b.Fatal(reply, err)
		}
		_, err = w.engine.Message(b.Context(), conn, "5")
		w.must(err)
	}
	c.Report()
}

// readyToUpgrade returns sessions in a new store.
func (w *benchWorld) readyToUpgrade() []sessionstore.SessionID {
	w.empty(engine.Options{})
	ready := make([]sessionstore.SessionID, fill)
	for i := range ready {
		ready[i] = w.polling()
		w.deliver(ready[i])
	}
	return ready
}

func (w *benchWorld) deliver(id sessionstore.SessionID) {
	w.Helper()
	p := []sessionstore.Packet{{ID: "news", Frames: []string{`42["news",1]`}}}
	_, err := w.engine.Delivery().Deliver(w.Context(), delivery.Target{Session: id}, p)
	w.must(err)
}

// parking is a store that tells when a GET has been parked.
type parking struct {
	*memstore.Store
	parked chan struct{}
}

func (s *parking) Park(ctx context.Context, r sessionstore.ParkRequest) error {
	err := s.Store.Park(ctx, r)
	s.parked <- struct{}{}
	return err
}

// BenchmarkParkedGET is a GET that finds nothing, waits, and is woken by a packet. Two goroutines take part.
func BenchmarkParkedGET(b *testing.B) {
	w := newBenchWorld(b, engine.Options{})
	id := w.polling()
	store := &parking{w.store, make(chan struct{}, 1)}
	w.engine = engine.New(engine.Config{Store: store, Pusher: w.pusher, Handler: echo{}})
	begin, bodies := make(chan struct{}), make(chan string)
	go func() {
		defer close(bodies)
		for range begin {
			bodies <- w.get(id)
		}
	}()
	c := w.count()
	for b.Loop() {
		begin <- struct{}{}
		<-store.parked
		w.deliver(id)
		if body := <-bodies; body != `42["news",1]` {
			b.Fatal(body)
		}
	}
	c.Report()
	close(begin)
	<-bodies
}

// BenchmarkHeartbeat is one walk of the sweeper over 1,000 sessions on WebSocket whose pings are all due: leases, the
// walk and the pings. The pongs are not in it, see BenchmarkPong.
func BenchmarkHeartbeat(b *testing.B) {
	const sessions = 1000
	w := newBenchWorld(b, engine.Options{})
	ids := make([]sessionstore.SessionID, sessions)
	for i := range ids {
		ids[i], _ = w.webSocket()
	}
	pinged := make(chan struct{}, sessions)
	w.pusher.OnPush = func(sessionstore.Connection, string) { pinged <- struct{}{} }
	c := w.count()
	for b.Loop() {
		c.Aside(func() {
			for _, id := range ids {
				w.must(w.store.Beat(b.Context(), id, time.Now()))
			}
		})
		ctx, cancel := context.WithCancel(b.Context())
		swept := make(chan error, 1)
		go func() { swept <- w.engine.Sweep(ctx) }()
		for range sessions {
			<-pinged
		}
		cancel()
		w.must(<-swept)
	}
	c.Report()
}

// BenchmarkPong is the answer to one ping: over WebSocket a frame, on polling a POST.
func BenchmarkPong(b *testing.B) {
	b.Run("websocket", func(b *testing.B) {
		// An instance writes no pong without a ping: within half an interval none is.
		w := newBenchWorld(b, engine.Options{PingInterval: 1, PingTimeout: time.Hour})
		_, conn := w.webSocket()
		c := w.count()
		for b.Loop() {
			_, err := w.engine.Message(b.Context(), conn, "3")
			w.must(err)
		}
		c.Report()
	})
	b.Run("polling", func(b *testing.B) {
		w := newBenchWorld(b, engine.Options{PingInterval: 1, PingTimeout: time.Hour})
		id := w.polling()
		c := w.count()
		for b.Loop() {
			if body := w.get(id); body != "2" {
				b.Fatal(body)
			}
			w.must(w.engine.Post(b.Context(), id, "3"))
		}
		c.Report()
	})
}
