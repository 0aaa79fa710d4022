package costs

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/nonstick-io/nonstick"
	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/gateway/engine"
	"github.com/nonstick-io/nonstick/internal/dynamotest"
	"github.com/nonstick-io/nonstick/internal/engineio"
	"github.com/nonstick-io/nonstick/internal/pushtest"
	"github.com/nonstick-io/nonstick/sessionstore"
	"github.com/nonstick-io/nonstick/sessionstore/dynamostore"
	"github.com/nonstick-io/nonstick/sessionstore/memstore"
)

// stores are those that costs are measured on. Memory bills no units, but counts the same reads and writes.
var stores = []struct {
	name string
	make func(t *testing.T, m *sessionstore.Meter) (sessionstore.Store, *dynamotest.Refused)
}{
	{"memory", func(_ *testing.T, m *sessionstore.Meter) (sessionstore.Store, *dynamotest.Refused) {
		return memstore.New(memstore.Options{Meter: m}), new(dynamotest.Refused)
	}},
	{"DynamoDB", func(t *testing.T, m *sessionstore.Meter) (sessionstore.Store, *dynamotest.Refused) {
		t.Helper()
		client := dynamostore.NewClient(dynamostore.ClientOptions{
			Region: "eu-central-1", Endpoint: dynamotest.Start(t),
			Credentials: dynamostore.Credentials{AccessKeyID: "costs", SecretAccessKey: "secret"},
		})
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		table := "costs-" + strings.ReplaceAll(t.Name(), "/", "-") // what a test left would be counted by the next
		if err := dynamostore.CreateTable(ctx, client, table); err != nil {
			t.Fatal(err)
		}
		refused := &dynamotest.Refused{Client: client}
		return dynamostore.New(refused, dynamostore.Options{Table: table, Meter: m}), refused
	}},
}

// namespaces are as many as a session may join; the first is the main one.
func namespaces() []string {
	names := []string{"/"}
	for i := 1; i < limits.Sockets; i++ {
		names = append(names, fmt.Sprintf("/a-namespace-with-a-name-of-some-length-%02d", i))
	}
	return names
}

var limits = delivery.Limits{}.WithDefaults()

// world is a server and its store.
type world struct {
	t       *testing.T
	store   sessionstore.Store
	meter   *sessionstore.Meter
	refused *dynamotest.Refused // counts nothing of a store in memory
	pusher  *pushtest.Pusher
	server  *nonstick.Server

	recovery time.Duration     // of the next instances
	history  *nonstick.History // the same, of the main namespace
	eio3     bool              // the same: clients of version 3 are let in
}

func newWorld(
	t *testing.T, makeStore func(*testing.T, *sessionstore.Meter) (sessionstore.Store, *dynamotest.Refused),
) *world {
	t.Helper()
	w := &world{t: t, meter: new(sessionstore.Meter), pusher: pushtest.New()}
	w.store, w.refused = makeStore(t, w.meter)
	w.another()
	return w
}

// another goes on with an instance that has seen nothing.
func (w *world) another() {
	w.server = nonstick.New(nonstick.Config{
		Logger: slog.New(slog.DiscardHandler),
		// No ping comes due while the worst clients are made, which takes its time on a busy machine.
		Store:  w.store,
		Pusher: w.pusher, Recovery: w.recovery,
		Options: engine.Options{PollHold: 400 * time.Millisecond, PingInterval: time.Hour, AllowEIO3: w.eio3},
	})
	if w.history != nil {
		w.server.KeepHistory(*w.history)
	}
	type wish = nonstick.Args2[string, int]
	nonstick.On(w.server, "rewind", func(ctx context.Context, s *nonstick.Socket, in wish) error {
		return s.JoinRewind(ctx, in.First, nonstick.Rewind{Events: in.Second})
	})
	for _, name := range namespaces() {
		n := w.server.Of(name)
		nonstick.OnAck(
			n, "echo",
			func(_ context.Context, _ *nonstick.Socket, a nonstick.Args) (nonstick.Args, error) { return a, nil },
		)
		nonstick.On(n, "join", func(ctx context.Context, s *nonstick.Socket, rooms []string) error {
			return s.Join(ctx, rooms...)
		})
		nonstick.On(n, "leave", func(ctx context.Context, s *nonstick.Socket, room string) error {
			return s.Leave(ctx, room)
		})
		nonstick.On(
			n, "set",
			func(ctx context.Context, s *nonstick.Socket, in nonstick.Args2[string, string]) error {
				return s.SetData(ctx, in.First, in.Second)
			},
		)
		nonstick.On(n, "add", func(ctx context.Context, s *nonstick.Socket, points int) error {
			_, err := nonstick.AddData(ctx, s, "score", points)
			w.must(err)
			return nil
		})
		nonstick.On(n, "add to", func(ctx context.Context, _ *nonstick.Socket, in nonstick.Args2[string, int]) error {
			other, err := n.Socket(ctx, in.First)
			w.must(err)
			_, err = nonstick.AddData(ctx, other, "score", in.Second)
			w.must(err)
			return nil
		})
		nonstick.OnAck(n, "look", func(ctx context.Context, s *nonstick.Socket, room string) (bool, error) {
			return s.InRoom(ctx, room)
		})
		nonstick.On(n, "data", func(ctx context.Context, s *nonstick.Socket, _ nonstick.Args) error {
			_, _, err := nonstick.Data[string](ctx, s, "x")
			return err
		})
		nonstick.OnAck(n, "rooms", func(ctx context.Context, s *nonstick.Socket, _ nonstick.Args) (int, error) {
			rooms, err := s.Rooms(ctx)
			return len(rooms), err
		})
		nonstick.OnAck(n, "auth", func(ctx context.Context, s *nonstick.Socket, _ nonstick.Args) (int, error) {
			auth, err := s.Auth(ctx)
			return len(auth), err
		})
	}
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// client is a session, on WebSocket if it has a connection.
type client struct {
	w    *world
	id   sessionstore.SessionID
	conn sessionstore.Connection
	gets int

	codec engineio.Codec // the zero value is that of version 4
}

// handshake is as large as a request may be.
func handshake() sessionstore.Handshake {
	h := sessionstore.Handshake{
		Time: time.Now(), Address: "192.0.2.1", Headers: map[string]string{}, Query: map[string]string{},
	}
	for i := range 9 {
		h.Headers[fmt.Sprint("x-header-", i)] = strings.Repeat("h", 1000)
	}
	return h
}

func (w *world) polling() *client {
	w.t.Helper()
	open, err := w.server.Engine().Handshake(w.t.Context(), handshake())
	w.must(err)
	return &client{w: w, id: sid(w.t, open)}
}

func (w *world) webSocket() *client {
	w.t.Helper()
	c := &client{w: w, conn: sessionstore.Connection{ID: sessionstore.NewID(), Endpoint: "http://127.0.0.1"}}
	step, err := w.server.Engine().Connect(w.t.Context(), c.conn, handshake())
	w.must(err)
	w.must(w.server.Engine().Run(w.t.Context(), step))
	c.id = sid(w.t, w.pusher.Take(c.conn)[0])
	return c
}

func sid(t *testing.T, open string) sessionstore.SessionID {
	t.Helper()
	var h struct{ SID string }
	if err := json.Unmarshal([]byte(open[1:]), &h); err != nil {
		t.Fatal(err)
	}
	return sessionstore.SessionID(h.SID)
}

// send sends frames, in one POST on polling. What is answered on WebSocket is returned.
func (c *client) send(frames ...string) string {
	c.w.t.Helper()
	if c.conn.IsZero() {
		from := engine.Client{Codec: c.codec}
		c.w.must(c.w.server.Engine().PostAs(c.w.t.Context(), c.id, c.codec.EncodePayload(frames), from))
		return ""
	}
	var last string
	for _, f := range frames {
		reply, err := c.w.server.Engine().Message(c.w.t.Context(), c.conn, f)
		c.w.must(err)
		last = reply
	}
	return last
}

func (c *client) get() string {
	c.w.t.Helper()
	c.gets++
	from := engine.Client{Codec: c.codec}
	body, err := c.w.server.Engine().PollAs(c.w.t.Context(), c.id, fmt.Sprint("t", c.gets), from)
	c.w.must(err)
	return body
}

func (c *client) state() sessionstore.Session {
	c.w.t.Helper()
	s, err := c.w.store.Get(c.w.t.Context(), c.id, time.Now())
	c.w.must(err)
	return s
}

// drain fetches until nothing is left.
func (c *client) drain() {
	c.w.t.Helper()
	for len(c.state().Buffer) > 0 {
		c.get()
	}
}

// text is JSON of n bytes that makes an object with one key.
func text(n int) string { return `{"x":"` + strings.Repeat("x", n-len(`{"x":""}`)) + `"}` }

func room(i int) string { return fmt.Sprintf("%0*d", sessionstore.MaxName, i) }

// dataBytes are those of a value under the key "x" that fills the data up, but for room for a score.
var dataBytes = limits.Socket.Data - len(`x""`) - len("score12")

// fill makes the store keep as much of the client as it can: every namespace, auth, data and rooms at their limits, and
// half a packet.
func (c *client) fill(rooms int) {
	c.w.t.Helper()
	for _, name := range namespaces() {
		prefix := "40" + name + ","
		c.send(prefix + text(limits.Socket.Auth-20))
	}
	c.send(`42["set","x","` + strings.Repeat("d", dataBytes) + `"]`)
	for i := 0; i < rooms; i += 50 {
		var names []string
		for j := i; j < min(i+50, rooms); j++ {
			names = append(names, room(j))
		}
		b, err := json.Marshal(names)
		c.w.must(err)
		c.send(`42["join",` + string(b) + `]`)
	}
	if c.conn.IsZero() {
		c.drain()
	}
	c.w.pusher.Take(c.conn)
	s := c.state()
	k, _ := s.Socket("/")
	if len(s.Sockets) != limits.Sockets || k.Rooms != rooms || !k.HasAuth || !k.HasData {
		c.w.t.Fatalf("%d sockets, %+v", len(s.Sockets), k)
	}
}

// buffer fills a polling client's buffer with references, but for room for a few.
func (c *client) buffer() {
	c.w.t.Helper()
	const left = 20
	for n := limits.Buffer.Packets - left - len(c.state().Buffer); n > 0; n -= 50 {
		packets := make([]sessionstore.Packet, min(n, 50))
		for i := range packets {
			packets[i] = sessionstore.Packet{
				ID: sessionstore.PacketID(sessionstore.NewID()), Frames: []string{"4" + strings.Repeat("p", 1100)},
			}
		}
		c.w.must(c.w.store.Deliver(c.w.t.Context(), c.id, packets, limits.Buffer))
	}
}

// spent is what something cost.
type spent struct {
	reads, writes int64
	rru, wru      float64
	calls         string
}

// dearer is the most of what both cost.
func (s spent) dearer(t spent) spent {
	return spent{
		reads: max(s.reads, t.reads), writes: max(s.writes, t.writes), rru: max(s.rru, t.rru), wru: max(s.wru, t.wru),
	}
}

func (w *world) spend(f func()) spent {
	w.t.Helper()
	before := map[sessionstore.Op]sessionstore.Usage{}
	w.meter.Each(func(op sessionstore.Op, u sessionstore.Usage) { before[op] = u })
	total, refused := w.meter.Total(), w.refused.Units()
	f()
	u := w.meter.Total().Sub(total)
	s := spent{
		reads: u.Reads, writes: u.Writes, rru: float64(u.ReadMilliUnits) / 1000,
		wru: float64(u.WriteMilliUnits) / 1000,
	}
	s.wru += float64(w.refused.Units() - refused)
	var calls []string
	w.meter.Each(func(op sessionstore.Op, u sessionstore.Usage) {
		if d := u.Sub(before[op]); d.Calls > 0 {
			calls = append(
				calls,
				fmt.Sprintf(
					"%s: %d reads (%g), %d writes (%g)", op, d.Reads, float64(d.ReadMilliUnits)/1000, d.Writes,
					float64(d.WriteMilliUnits)/1000,
				),
			)
		}
	})
	s.calls = strings.Join(calls, "\n")
	return s
}
