package costs

import (
	"fmt"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/internal/engineio"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// begin begins a small session of a version, on WebSocket or on polling, with a socket in the main namespace.
func (w *world) begin(codec engineio.Codec, webSocket bool) *client {
	w.t.Helper()
	ctx, e := w.t.Context(), w.server.Engine()
	c := &client{w: w, codec: codec}
	h := sessionstore.Handshake{Query: map[string]string{"EIO": fmt.Sprint(codec.Version())}}
	if webSocket {
		c.conn = sessionstore.Connection{ID: sessionstore.NewID(), Endpoint: "http://127.0.0.1"}
		step, err := e.Connect(ctx, c.conn, h)
		w.must(err)
		w.must(e.Run(ctx, step))
		c.id = sid(w.t, w.pusher.Take(c.conn)[0])
	} else {
		payload, err := e.Handshake(ctx, h)
		w.must(err)
		for p, err := range codec.DecodePayload(payload, false) {
			w.must(err)
			c.id = sid(w.t, p.Encode())
		}
	}
	if codec == engineio.V4 { // old clients join by their handshake
		c.send("40")
	}
	if !webSocket {
		c.get() // the answer to CONNECT
	}
	return c
}

// event is one that is acknowledged.
func (c *client) event() {
	c.w.t.Helper()
	c.send(`421["echo",1]`)
	if c.conn.IsZero() {
		c.get()
	}
}

// beat is a ping and its answer. On WebSocket the ping of version 4 is the sweeper's, which is counted elsewhere.
func (c *client) beat() {
	c.w.t.Helper()
	polling := c.conn.IsZero()
	switch {
	case c.codec != engineio.V4:
		c.send(engineio.PingFrame)
		if polling {
			c.get()
		}
		return
	case polling:
		c.get()
	}
	c.send(engineio.PongFrame)
}

// due has the next ping be one that is written: at an instance that knows the connection, and nothing of pings.
func (c *client) due() {
	c.w.t.Helper()
	if c.conn.IsZero() {
		c.w.must(c.w.store.Pong(c.w.t.Context(), c.id, time.Now()))
		return
	}
	c.w.another()
	c.event()
}

// emit is a packet from elsewhere to a socket whose row was read, and the GET that fetches it.
func (c *client) emit(hint sessionstore.Connection) {
	c.w.t.Helper()
	packet := sessionstore.Packet{
		ID: sessionstore.PacketID(sessionstore.NewID()), Frames: []string{`42["said","hello"]`},
	}
	_, err := c.w.server.Engine().Delivery().Deliver(
		c.w.t.Context(), delivery.Target{Session: c.id, Hint: hint}, []sessionstore.Packet{packet},
	)
	c.w.must(err)
	if c.conn.IsZero() {
		c.get()
	}
}

// counted is what an operation costs.
type counted struct{ reads, writes int64 }

// oldPrice is what an operation costs that both versions have. The first of a transport begins the session.
type oldPrice struct {
	name      string
	webSocket bool
	v4, v3    counted
	run       func(c *client) func()
}

func (p *oldPrice) of(codec engineio.Codec) counted {
	if codec == engineio.V4 {
		return p.v4
	}
	return p.v3
}

var oldPrices = []oldPrice{
	{
		name: "from the handshake until the socket is connected", webSocket: true,
		v4: counted{2, 5}, v3: counted{2, 5 + 3}, // CONNECT is answered in turn: a hold, and a packet in the buffer
	},
	{"event, acknowledged", true, counted{1, 0}, counted{1, 2}, func(c *client) func() { return c.event }},
	// The instance finds out that the session is Serial by a write that is refused.
	{"the same at an instance that has seen nothing", true, counted{2, 0}, counted{2, 3}, func(c *client) func() {
		c.w.another()
		return c.event
	}},
	// Where it is written, the caller that pushes to the session is looked at, which the sweeper does for others.
	{"ping and pong", true, counted{0, 1}, counted{1, 1}, func(c *client) func() { c.due(); return c.beat }},
	{"ping and pong soon after", true, counted{0, 0}, counted{0, 0}, func(c *client) func() { return c.beat }},
	{"packet from elsewhere", true, counted{0, 0}, counted{0, 2}, emitted},
	{name: "from the handshake until the socket is connected", v4: counted{3, 7}, v3: counted{2, 7}},
	{"event, acknowledged", false, counted{2, 2}, counted{2, 2}, func(c *client) func() { return c.event }},
	// The answer to the client's ping is a packet in the buffer.
	{"ping and pong", false, counted{2, 3}, counted{2, 4}, func(c *client) func() { c.due(); return c.beat }},
	{"packet from elsewhere", false, counted{1, 2}, counted{1, 2}, emitted},
}

func emitted(c *client) func() {
	s := c.state()
	return func() { c.emit(s.Hint()) }
}

// TestOldClients holds what a session of version 3 costs beside one of version 4, on both stores. What it costs more on
// WebSocket is that it is Serial; on polling nothing but the answers to its pings.
func TestOldClients(t *testing.T) {
	for _, s := range stores {
		t.Run(s.name, func(t *testing.T) {
			w := newWorld(t, s.make)
			w.eio3 = true
			var out strings.Builder
			table := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
			_, _ = fmt.Fprintln(table, "version\tWebSocket\toperation\treads\twrites\tRRU\tWRU")
			for _, codec := range []engineio.Codec{engineio.V4, engineio.V3} {
				w.another()
				var c *client
				for _, price := range oldPrices {
					run, want := func() { c = w.begin(codec, price.webSocket) }, price.of(codec)
					if price.run != nil {
						run = price.run(c)
					}
					got := w.spend(run)
					if (counted{got.reads, got.writes}) != want {
						t.Errorf("%s, version %d: %d reads, %d writes, want %+v\n%s", price.name, codec.Version(),
							got.reads, got.writes, want, got.calls)
					}
					_, _ = fmt.Fprintf(table, "%d\t%v\t%s\t%d\t%d\t%g\t%g\n", codec.Version(), price.webSocket,
						price.name, got.reads, got.writes, got.rru, got.wru)
					if s := c.state(); s.State != sessionstore.Open {
						t.Fatalf("after %q the session is %s: %s", price.name, s.State, s.Reason)
					}
				}
			}
			_ = table.Flush()
			t.Log("\n" + out.String())
		})
	}
}
