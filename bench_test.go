package nonstick_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/nonstick-io/nonstick"
	"github.com/nonstick-io/nonstick/internal/benchtest"
	"github.com/nonstick-io/nonstick/internal/engineio"
	"github.com/nonstick-io/nonstick/sessionstore"
	"github.com/nonstick-io/nonstick/sessionstore/memstore"
)

// benchApp has the handlers that are measured.
func benchApp(io *nonstick.Server) {
	nonstick.OnAck(io, "echo", func(_ context.Context, _ *nonstick.Socket, text string) (string, error) {
		return text, nil
	})
	nonstick.OnAck(io, "size", func(_ context.Context, _ *nonstick.Socket, b []byte) (int, error) {
		return len(b), nil
	})
	nonstick.On(io, "join", func(ctx context.Context, s *nonstick.Socket, rooms []string) error {
		return s.Join(ctx, rooms...)
	})
	nonstick.On(io, "leave", func(ctx context.Context, s *nonstick.Socket, room string) error {
		return s.Leave(ctx, room)
	})
	nonstick.On(io, "cast", func(ctx context.Context, s *nonstick.Socket, room string) error {
		return s.To(room).Emit(ctx, "news", 1)
	})
}

// benchWorld is a server over a store in memory, with pushes that take no time.
type benchWorld struct {
	*testing.B
	meter  *sessionstore.Meter
	pusher *benchtest.Pusher
	server *nonstick.Server
	conns  int
}

func newBenchWorld(b *testing.B) *benchWorld {
	b.Helper()
	w := &benchWorld{B: b, meter: &sessionstore.Meter{}, pusher: &benchtest.Pusher{}}
	w.empty()
	return w
}

// empty gives the world a new store and a new server.
func (w *benchWorld) empty() {
	store := memstore.New(memstore.Options{Meter: w.meter})
	w.server = nonstick.New(nonstick.Config{Store: store, Pusher: w.pusher})
	benchApp(w.server)
}

func (w *benchWorld) must(err error) {
	if err != nil {
		w.Helper()
		w.Fatal(err)
	}
}

func (w *benchWorld) count() *benchtest.Costs {
	w.Helper()
	return benchtest.Count(w.B, w.meter, w.pusher)
}

// benchClient is a client with a socket in the main namespace.
type benchClient struct {
	w    *benchWorld
	conn sessionstore.Connection // on WebSocket
	sid  sessionstore.SessionID
	id   string // of its socket
}

// connect connects a client by a transport.
func (w *benchWorld) connect(transport sessionstore.Transport) *benchClient {
	w.Helper()
	c := &benchClient{w: w}
	if transport == sessionstore.Polling {
		body, err := w.server.Engine().Handshake(w.Context(), sessionstore.Handshake{})
		w.must(err)
		c.sid = sessionstore.SessionID(sidIn(w, body))
	} else {
		c.conn = w.connection()
		step, err := w.server.Engine().Connect(w.Context(), c.conn, sessionstore.Handshake{})
		w.must(err)
		w.must(w.server.Engine().Run(w.Context(), step))
		c.sid = step.Session
	}
	c.id = sidIn(w, strings.TrimPrefix(c.ask("40"), "4"))
	return c
}

// sidIn reads the sid in a packet: of a session in an open packet, of a socket in the answer to CONNECT.
func sidIn(w *benchWorld, packet string) string {
	w.Helper()
	var h struct{ SID string }
	if len(packet) == 0 || packet[0] != '0' || json.Unmarshal([]byte(packet[1:]), &h) != nil || h.SID == "" {
		w.Fatalf("no sid in %q", packet)
	}
	return h.SID
}

func (w *benchWorld) connection() sessionstore.Connection {
	w.conns++
	return sessionstore.Connection{ID: fmt.Sprint("c", w.conns), Endpoint: "http://127.0.0.1"}
}

// send sends frames, in one POST or one by one, and returns the answer to the last one, if it came over WebSocket.
func (c *benchClient) send(frames ...string) (reply string) {
	c.w.Helper()
	engine := c.w.server.Engine()
	if c.conn.IsZero() {
		c.w.must(engine.Post(c.w.Context(), c.sid, engineio.EncodePayload(frames)))
		return ""
	}
	var err error
	for _, f := range frames {
		reply, err = engine.Message(c.w.Context(), c.conn, f)
		c.w.must(err)
	}
	return reply
}

// ask sends frames and returns the answer, for which a client on polling sends a GET.
func (c *benchClient) ask(frames ...string) string {
	c.w.Helper()
	reply := c.send(frames...)
	if !c.conn.IsZero() {
		return reply
	}
	return c.get()
}

func (c *benchClient) get() string {
	c.w.Helper()
	body, err := c.w.server.Engine().Poll(c.w.Context(), c.sid, "")
	c.w.must(err)
	return body
}

// upgrade moves the client to WebSocket.
func (c *benchClient) upgrade() {
	c.w.Helper()
	conn := c.w.connection()
	_, err := c.w.server.Engine().Bind(c.w.Context(), conn, c.sid)
	c.w.must(err)
	c.conn = conn
	if reply := c.send("2probe"); reply != "3probe" {
		c.w.Fatalf("answer to the probe: %q", reply)
	}
	c.send("5")
}

var bothTransports = []sessionstore.Transport{sessionstore.WebSocket, sessionstore.Polling}

// BenchmarkEvent is an event and its acknowledgement: over WebSocket in the response to the frame, on polling by a
// POST and a GET.
func BenchmarkEvent(b *testing.B) {
	for _, transport := range bothTransports {
		b.Run(string(transport), func(b *testing.B) {
			w := newBenchWorld(b)
			c := w.connect(transport)
			costs := w.count()
			for b.Loop() {
				if reply := c.ask(`421["echo","hello"]`); reply != `431["hello"]` {
					b.Fatal(reply)
				}
			}
			costs.Report()
		})
	}
}

// BenchmarkBinaryEvent is an event with an attachment of 1 KB, and its acknowledgement.
func BenchmarkBinaryEvent(b *testing.B) {
	attachment := engineio.EncodeBinary(make([]byte, 1024))
	for _, transport := range bothTransports {
		b.Run(string(transport), func(b *testing.B) {
			w := newBenchWorld(b)
			c := w.connect(transport)
			costs := w.count()
			for b.Loop() {
				reply := c.ask(`451-1["size",{"_placeholder":true,"num":0}]`, attachment)
				if reply != `431[1024]` {
					b.Fatal(reply)
				}
			}
			costs.Report()
		})
	}
}

// emptied is after how many iterations that leave a session behind the store is emptied.
const emptied = 500

// BenchmarkConnect is a client that connects and joins the main namespace.
func BenchmarkConnect(b *testing.B) {
	for _, transport := range bothTransports {
		b.Run(string(transport), func(b *testing.B) {
			w := newBenchWorld(b)
			costs := w.count()
			for n := 1; b.Loop(); n++ {
				w.connect(transport)
				if n%emptied == 0 {
					costs.Aside(w.empty)
				}
			}
			costs.Report()
		})
	}
}

// clients returns clients that have joined rooms, on a new server.
func (w *benchWorld) clients(n int, transport sessionstore.Transport, rooms string) []*benchClient {
	w.Helper()
	w.empty()
	all := make([]*benchClient, n)
	for i := range all {
		all[i] = w.connect(transport)
		all[i].send(`42["join",` + rooms + `]`)
	}
	return all
}

// BenchmarkUpgrade is the upgrade of a client in three rooms: connect, probe, upgrade.
func BenchmarkUpgrade(b *testing.B) {
	w := newBenchWorld(b)
	var ready []*benchClient
	costs := w.count()
	for b.Loop() {
		if len(ready) == 0 {
			costs.Aside(func() { ready = w.clients(emptied, sessionstore.Polling, `["a","b","c"]`) })
		}
		ready[0].upgrade()
		ready = ready[1:]
	}
	costs.Report()
}

// BenchmarkDisconnect is the end of a client on WebSocket in three rooms.
func BenchmarkDisconnect(b *testing.B) {
	w := newBenchWorld(b)
	var ready []*benchClient
	costs := w.count()
	for b.Loop() {
		if len(ready) == 0 {
			costs.Aside(func() { ready = w.clients(emptied, sessionstore.WebSocket, `["a","b","c"]`) })
		}
		w.must(w.server.Engine().Disconnect(b.Context(), ready[0].conn))
		ready = ready[1:]
	}
	costs.Report()
}

// BenchmarkBroadcast is an event whose handler emits to a room, with the GETs of the members that are on polling.
func BenchmarkBroadcast(b *testing.B) {
	for _, transport := range bothTransports {
		for _, members := range []int{10, 500} {
			b.Run(fmt.Sprintf("%s/members=%d", transport, members), func(b *testing.B) {
				w := newBenchWorld(b)
				all := w.clients(members, transport, `["a"]`)
				sender := w.connect(sessionstore.WebSocket)
				costs := w.count()
				for b.Loop() {
					sender.send(`42["cast","a"]`)
					if transport != sessionstore.Polling {
						continue
					}
					for _, c := range all {
						if body := c.get(); body != `42["news",1]` {
							b.Fatal(body)
						}
					}
				}
				costs.Report()
			})
		}
	}
}

// BenchmarkJoinLeave is an event whose handler joins a room, and one whose handler leaves it.
func BenchmarkJoinLeave(b *testing.B) {
	w := newBenchWorld(b)
	c := w.connect(sessionstore.WebSocket)
	costs := w.count()
	for b.Loop() {
		c.send(`42["join",["a"]]`)
		c.send(`42["leave","a"]`)
	}
	costs.Report()
}

// BenchmarkAck is an emit to a client on WebSocket that is waited for until the client has acknowledged it. Two
// goroutines take part.
func BenchmarkAck(b *testing.B) {
	w := newBenchWorld(b)
	c := w.connect(sessionstore.WebSocket)
	asked := make(chan string, 1)
	w.pusher.OnPush = func(_ sessionstore.Connection, frame string) { asked <- frame }
	done := make(chan struct{})
	go func() {
		defer close(done)
		for frame := range asked {
			id, _, _ := strings.Cut(strings.TrimPrefix(frame, "42"), "[")
			c.send("43" + id + "[7]")
		}
	}()
	to, err := w.server.Socket(b.Context(), c.id)
	w.must(err)
	costs := w.count()
	for b.Loop() {
		if answer, err := nonstick.EmitWithAck[int](b.Context(), to, "ask", 1); err != nil || answer != 7 {
			b.Fatal(answer, err)
		}
	}
	costs.Report()
	close(asked)
	<-done
}
