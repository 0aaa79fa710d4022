package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/nonstick-io/nonstick"
	"github.com/nonstick-io/nonstick/adapter"
	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/adapter/emitter"
	"github.com/nonstick-io/nonstick/gateway/engine"
	"github.com/nonstick-io/nonstick/internal/dynamolocal"
	"github.com/nonstick-io/nonstick/internal/socketio"
	"github.com/nonstick-io/nonstick/sessionstore"
	"github.com/nonstick-io/nonstick/sessionstore/dynamostore"
)

// units are capacity units of the table.
type units struct{ read, write float64 }

// measured is what operations of one small client take of the table, by DynamoDB's own count.
type measured struct {
	pong, event, post, get        units // on WebSocket the first two, on polling the others
	unknown                       units // what a frame takes besides, at an instance that has not seen its connection
	deliverWebSocket, deliverPoll units
	reread, answer                units // of a GET that waits, and of its answer without packets
	openWebSocket, openPolling    units // from the handshake until the socket is connected
	// Where clients are recovered: joining; a packet to a client on WebSocket, on polling, and away; the loss of a
	// connection, and coming back.
	keep, keptWebSocket, keptPoll units
	keptAway, lose, recover       units
	// A packet with 1 KB of binary data, by the parser of JSON and by msgpack.
	attachedWebSocket, attachedPoll units
	packedWebSocket, packedPoll     units
	old                             old
	// An emit to a room with a history; joining it with a hundred of its events.
	record, rewind          units
	registry, namespace     units // reading a thousand sessions; a thousand members
	count, any              units // counting these; learning that there is one
	ack, look               units // what a client is asked, with its answer; a look whether that has come
	ask, askAnswer, askLook units // the same of a hundred sockets: question, an answer, a look at all of them
	timer, due              units // something that has a time, until it is done; asking what is due
}

// many is how many sessions and members are read at a time, to be divided by.
const many = 1000

// meter measures on a table of DynamoDB Local.
type meter struct {
	ctx    context.Context
	store  *dynamostore.Store
	counts *sessionstore.Meter
	pusher *pusher
	server *nonstick.Server
	// pinging is another instance, see pong.
	pinging *nonstick.Server
}

// measure starts DynamoDB Local and measures. The sizes of what is stored do not depend on chance, so neither do the
// units.
func measure(ctx context.Context) (m measured, err error) {
	d, err := dynamolocal.Start(ctx, dynamolocal.Options{Near: []string{".", "../.."}, Shared: true})
	if err != nil {
		return m, fmt.Errorf("start DynamoDB Local: %w", err)
	}
	defer func() {
		if stop := d.Stop(); err == nil {
			err = stop
		}
	}()
	client := dynamostore.NewClient(dynamostore.ClientOptions{
		Region: "us-east-1", Endpoint: d.URL(),
		Credentials: dynamostore.Credentials{AccessKeyID: "cost", SecretAccessKey: "secret"},
	})
	table := fmt.Sprintf("cost-%d", time.Now().UnixNano())
	if err := dynamostore.CreateTable(ctx, client, table); err != nil {
		return m, err
	}
	w := &meter{ctx: ctx, counts: new(sessionstore.Meter), pusher: &pusher{}}
	w.store = dynamostore.New(client, dynamostore.Options{Table: table, Meter: w.counts})
	w.server = w.serve(time.Hour)
	err = w.all(&m)
	return m, err
}

// of is what something takes of the table.
func (w *meter) of(f func() error) (units, error) {
	before := w.used()
	err := f()
	after := w.used()
	return units{after.read - before.read, after.write - before.write}, err
}

// used is what all operations have taken, those of the sweeper too.
func (w *meter) used() (sum units) {
	w.counts.Each(func(_ sessionstore.Op, u sessionstore.Usage) {
		sum.read += float64(u.ReadMilliUnits) / 1000
		sum.write += float64(u.WriteMilliUnits) / 1000
	})
	return sum
}

// step is one thing that is measured.
type step struct {
	to *units
	do func() error
}

func (w *meter) all(m *measured) error {
	ws := &client{w: w, conn: sessionstore.Connection{ID: "L0SM9cOFvHcCIhw=", Endpoint: endpoint}}
	poll := &client{w: w}
	for _, s := range []step{
		{nil, w.fill}, // first: of what clients leave behind, chance decides where it is
		{&m.registry, w.walk},
		{&m.namespace, w.members},
		{&m.count, func() error { _, err := w.selected().Count(w.ctx); return err }},
		{&m.any, func() error { _, err := w.selected().Any(w.ctx); return err }},
		{&m.openWebSocket, ws.open},
		{&m.unknown, func() error { return w.pong(ws) }},
		{nil, func() error { time.Sleep(due); return nil }},
		{&m.pong, func() error { return w.pong(ws) }},
		{&m.event, func() error { return ws.send(`420["echo","hello"]`) }},
		{&m.deliverWebSocket, func() error { return ws.deliver() }},
		{&m.openPolling, poll.open},
		{&m.post, func() error { return poll.send(`420["echo","hello"]`) }},
		{&m.get, poll.get},
		{&m.reread, func() error { _, err := w.store.Get(w.ctx, poll.id, time.Now()); return err }},
		{&m.deliverPoll, func() error { return poll.deliver() }},
		{nil, poll.get},
		{&m.answer, poll.get},
		{&m.ack, func() error { return w.askOne(ws) }},
		{&m.look, func() error { _, err := w.store.Ack(w.ctx, ws.id, 7); return err }},
		{nil, ws.name},
		{&m.ask, func() error { return w.askMany(ws) }},
		{&m.askAnswer, func() error { return ws.send(fmt.Sprintf(`43%d["yes"]`, manyAsked)) }},
		{nil, w.answerMany},
		{&m.askLook, w.lookMany},
		{&m.timer, w.timer},
	} {
		if err := w.take(s); err != nil {
			return err
		}
	}
	if err := w.recovery(m); err != nil {
		return err
	}
	if err := w.binary(m); err != nil {
		return err
	}
	if err := w.oldClients(&m.old); err != nil {
		return err
	}
	m.keep.read -= m.openWebSocket.read
	m.keep.write -= m.openWebSocket.write
	m.unknown.read -= m.pong.read // both are pongs
	m.unknown.write -= m.pong.write
	m.due.read = emptyQuery * float64(sessionstore.TimerShards(w.store.Shards()))
	m.answer.read = m.reread.read // how often it read before is chance
	return nil
}

// take does a step, and keeps what it takes.
func (w *meter) take(s step) error {
	used, err := w.of(s.do)
	if err == nil && s.to != nil {
		*s.to = used
	}
	return err
}

// recovery measures what is done for clients that are recovered.
func (w *meter) recovery(m *measured) error {
	keeping := *w
	keeping.pusher.first = ""
	keeping.server = w.serve(time.Hour)
	keeping.server.ConnectionStateRecovery(nonstick.ConnectionStateRecovery{MaxDisconnectionDuration: time.Hour})
	keeping.server.KeepHistory(nonstick.History{Rooms: []string{"room"}})
	nonstick.OnAck(keeping.server, "rewind", func(ctx context.Context, s *nonstick.Socket, room string) (int, error) {
		return 0, s.JoinRewind(ctx, room, nonstick.Rewind{Events: 100})
	})
	ws := &client{w: &keeping, conn: sessionstore.Connection{ID: "L0SM9cOFvHcCIha=", Endpoint: endpoint}}
	late := &client{w: &keeping, conn: sessionstore.Connection{ID: "L0SM9cOFvHcCIhc=", Endpoint: endpoint}}
	poll := &client{w: &keeping}
	again := &client{w: &keeping, conn: sessionstore.Connection{ID: "L0SM9cOFvHcCIhb=", Endpoint: endpoint}}
	var box sessionstore.SessionID
	find := func(c *client) func() error {
		return func() error {
			s, err := w.store.Get(w.ctx, c.id, time.Now())
			if err == nil {
				box = s.Sockets[0].Outbox
			}
			return err
		}
	}
	deliver := func() error {
		_, err := keeping.server.Engine().Delivery().Deliver(w.ctx, delivery.Target{Session: box}, said())
		return err
	}
	for _, s := range []step{
		{nil, poll.open},
		{nil, find(poll)},
		{&m.keptPoll, deliver},
		{nil, func() error { keeping.pusher.first = ""; return nil }},
		{&m.keep, ws.open},
		{nil, find(ws)},
		{&m.keptWebSocket, deliver},
		{&m.lose, func() error { return keeping.server.Engine().Disconnect(w.ctx, ws.conn) }},
		{&m.keptAway, deliver},
		{nil, func() error { keeping.pusher.first = ""; return again.begin() }},
		{&m.recover, func() error { return again.send(`40{"pid":"` + box.PID() + `"}`) }},
		{nil, func() error { keeping.pusher.first = ""; return late.open() }},
		{nil, func() error { return keeping.record(1) }}, // the first makes the mark of the room
		{&m.record, func() error { return keeping.record(recorded) }},
		{&m.rewind, func() error { return late.send(`420["rewind","room"]`) }},
	} {
		if err := w.take(s); err != nil {
			return err
		}
	}
	m.record.read /= recorded
	m.record.write /= recorded
	return nil
}

// recorded is how many events are emitted to a room that keeps its history.
const recorded = 240

// record emits events to that room.
func (w *meter) record(n int) error {
	for range n {
		if err := w.server.To("room").Emit(w.ctx, "said", strings.Repeat("x", 100)); err != nil {
			return err
		}
	}
	return nil
}

// pictureBytes is the binary data of a packet that has some.
const pictureBytes = 1000

// binary measures packets with binary data, by both parsers.
func (w *meter) binary(m *measured) error {
	for _, parser := range []struct {
		parser             nonstick.Parser
		webSocket, polling *units
	}{
		{nonstick.JSON, &m.attachedWebSocket, &m.attachedPoll},
		{nonstick.MsgPack, &m.packedWebSocket, &m.packedPoll},
	} {
		with := *w
		with.server = w.serveBy(parser.parser, time.Hour)
		with.server.AllowAttachments() // which does nothing with msgpack
		name := "L0SM9cOFvHcCI" + parser.parser.String()[:1] + "="
		ws := &client{w: &with, conn: sessionstore.Connection{ID: name, Endpoint: endpoint}}
		poll := &client{w: &with}
		emit := func(c *client) func() error {
			return func() error {
				s, err := w.store.Get(w.ctx, c.id, time.Now())
				if err != nil {
					return err
				}
				before := w.used()
				to := delivery.Target{Session: c.id, Hint: s.Hint()}
				_, err = with.server.Engine().Delivery().Deliver(w.ctx, to, pictureBy(w.ctx, parser.parser))
				after := w.used()
				*map[*client]*units{ws: parser.webSocket, poll: parser.polling}[c] = units{
					after.read - before.read, after.write - before.write,
				}
				return err
			}
		}
		for _, do := range []func() error{
			func() error { with.pusher.first = ""; return ws.begin() }, emit(ws), poll.begin, emit(poll),
		} {
			if err := do(); err != nil {
				return err
			}
		}
	}
	return nil
}

// pictureBy is an event with binary data, as it goes by a parser.
func pictureBy(ctx context.Context, parser nonstick.Parser) []sessionstore.Packet {
	p := adapter.NewPacket(ctx, parser, socketio.Packet{
		Type: socketio.Event, Namespace: "/", Data: json.RawMessage(`["picture",{"_placeholder":true,"num":0}]`),
		Attachments: [][]byte{make([]byte, pictureBytes)},
	})
	return []sessionstore.Packet{{ID: p.PacketID(), Frames: p.Frames()}}
}

// emptyQuery is what AWS bills for an eventually consistent query that finds nothing. DynamoDB Local counts none.
const emptyQuery = 0.5

// due is how long after a pong another one may have been asked for, at the server of pong.
const due = 30 * time.Millisecond

// pong answers a ping, at an instance whose pings are due soon; the other one would take it for one too many.
func (w *meter) pong(c *client) error {
	if w.pinging == nil {
		w.pinging = w.serve(due)
	}
	_, err := w.pinging.Engine().Message(w.ctx, c.conn, "3")
	return err
}

// serve makes an instance.
func (w *meter) serve(ping time.Duration) *nonstick.Server { return w.serveBy(nonstick.JSON, ping) }

// serveBy makes an instance whose clients have a parser.
func (w *meter) serveBy(parser nonstick.Parser, ping time.Duration) *nonstick.Server {
	s := nonstick.New(nonstick.Config{
		Store: w.store, Pusher: w.pusher, Parser: parser, Logger: slog.New(slog.DiscardHandler),
		Options: engine.Options{PollHold: time.Second, PingInterval: ping},
	})
	nonstick.OnAck(s, "echo",
		func(_ context.Context, _ *nonstick.Socket, a nonstick.Args) (nonstick.Args, error) { return a, nil })
	return s
}

const endpoint = "https://abcdefghij.execute-api.us-east-1.amazonaws.com/v1"

// fill registers sessions, and puts sockets into the main namespace, whose ids have the length of real ones.
func (w *meter) fill() error {
	at := time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC)
	for i := range many {
		conn := sessionstore.Connection{ID: fmt.Sprintf("L0SM9cOFv%06d=", i), Endpoint: endpoint}
		id := fmt.Sprintf("GIOmBngtWcW9_4%06d", i)
		if err := w.store.Register(w.ctx, sessionstore.Registration{
			Session: sessionstore.SessionID(id), Conn: conn, PingAt: at,
		}); err != nil {
			return err
		}
		if err := w.store.PutSocket(w.ctx, sessionstore.NewSocket{
			ID: sessionstore.SocketID(fmt.Sprintf("Zk4pLq83WcW9_4%06d", i)), Session: sessionstore.SessionID(id),
			Namespace: "/", ConnectedAt: at,
		}, conn, delivery.Limits{}.WithDefaults().Socket); err != nil {
			return err
		}
	}
	return nil
}

// walk reads the registry as the sweeper does.
func (w *meter) walk() error {
	for shard := range w.store.Shards() {
		for _, err := range w.store.Registrations(w.ctx, shard) {
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// members reads the members of the main namespace as a broadcast does.
func (w *meter) members() error {
	for shard := range w.store.Shards() {
		for _, err := range w.store.NamespaceMembers(w.ctx, "/", shard, sessionstore.Range{}) {
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// selected is all sockets of the main namespace, as a program beside the server sees them.
func (w *meter) selected() emitter.Namespace {
	return emitter.New(w.store, w.pusher, emitter.Options{}).Of("/")
}

// asked is how many sockets are asked at once.
const asked = 100

// manyAsked is the id of the question to them.
var manyAsked = sessionstore.AskID(asked, 5)

// askOne asks a client, which answers. What carries the question is that of any emit.
func (w *meter) askOne(c *client) error {
	err := w.store.PutAck(w.ctx, sessionstore.Ack{
		Session: c.id, Namespace: "/", ID: 7, ExpiresAt: time.Now().Add(time.Hour),
	}, time.Now())
	if err != nil {
		return err
	}
	return c.send(`437["yes"]`)
}

// name reads the id of the client's socket.
func (c *client) name() error {
	s, err := c.w.store.Get(c.w.ctx, c.id, time.Now())
	own, _ := s.Socket("/")
	c.socket = own.ID
	return err
}

// askMany puts the question to a client and others.
func (w *meter) askMany(c *client) error {
	a := manyAsk()
	a.Sockets = append(a.Sockets, c.socket)
	return w.store.PutAsk(w.ctx, a, time.Now())
}

// manyAsk is the question, to all but the client that answers it.
func manyAsk() sessionstore.Ask {
	a := sessionstore.Ask{Namespace: "/", ID: manyAsked, ExpiresAt: time.Now().Add(time.Hour)}
	for i := range asked - 1 {
		a.Sockets = append(a.Sockets, sessionstore.SocketID(fmt.Sprintf("Zk4pLq83WcW9_4%06d", i)))
	}
	return a
}

// answerMany has the others answer.
func (w *meter) answerMany() error {
	a := manyAsk()
	for _, id := range a.Sockets {
		answer := sessionstore.AskAnswer{Socket: id, Answer: []string{fmt.Sprintf(`3%d["yes"]`, manyAsked)}}
		if err := w.store.PutAnswer(w.ctx, a, answer); err != nil {
			return err
		}
	}
	return nil
}

// lookMany reads the answers.
func (w *meter) lookMany() error {
	for _, err := range w.store.Answers(w.ctx, "/", manyAsked, 0, "") {
		if err != nil {
			return err
		}
	}
	return nil
}

// timer puts something that has a time and, when that has come, does it once.
func (w *meter) timer() error {
	now := time.Now()
	t := sessionstore.Timer{At: now, Name: "GIOmBngtWcW9_4aaaaaa", Kind: "server", Body: `{"nsp":"/","event":"tidy"}`}
	if err := w.store.PutTimer(w.ctx, t); err != nil {
		return err
	}
	lease := sessionstore.Lease{Owner: "GIOmBngtWcW9_4bbbbbb", Until: now.Add(time.Minute)}
	if err := w.store.Claim(w.ctx, "timer#"+t.Name, lease, "", now); err != nil {
		return err
	}
	return w.store.DeleteTimer(w.ctx, t)
}

// client is a session, on WebSocket if it has a connection.
type client struct {
	w    *meter
	id   sessionstore.SessionID
	conn sessionstore.Connection
	gets int

	socket sessionstore.SocketID // see name
}

// handshake is that of a browser, as large as they are.
func handshake() sessionstore.Handshake {
	return sessionstore.Handshake{
		Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Address: "203.0.113.7",
		URL: "/socket.io/?EIO=4&transport=websocket", Query: map[string]string{"EIO": "4", "transport": "websocket"},
		Headers: map[string]string{
			"origin": "https://chat.example.com", "user-agent": strings.Repeat("u", 110), "accept": "*/*",
			"accept-encoding": "gzip, deflate, br, zstd", "accept-language": "en-GB,en;q=0.9",
			"host": strings.Repeat("h", 40),
		},
	}
}

// open begins the session and joins the main namespace.
func (c *client) open() error {
	if err := c.begin(); err != nil {
		return err
	}
	if err := c.send("40"); err != nil || !c.conn.IsZero() {
		return err
	}
	return c.get()
}

// begin begins the session.
func (c *client) begin() error {
	e, ctx := c.w.server.Engine(), c.w.ctx
	packet := ""
	if c.conn.IsZero() {
		payload, err := e.Handshake(ctx, handshake())
		if err != nil {
			return err
		}
		packet = payload
	} else {
		then, err := e.Connect(ctx, c.conn, handshake())
		if err == nil {
			err = e.Run(ctx, then)
		}
		if err != nil {
			return err
		}
		packet = c.w.pusher.first
	}
	var o struct{ SID string }
	if err := json.Unmarshal([]byte(packet[1:]), &o); err != nil {
		return err
	}
	c.id = sessionstore.SessionID(o.SID)
	return nil
}

// send sends a frame, in a POST on polling.
func (c *client) send(frame string) error {
	if c.conn.IsZero() {
		return c.w.server.Engine().Post(c.w.ctx, c.id, frame)
	}
	_, err := c.w.server.Engine().Message(c.w.ctx, c.conn, frame)
	return err
}

// get is a GET that waits for a moment.
func (c *client) get() error {
	c.gets++
	_, err := c.w.server.Engine().Poll(c.w.ctx, c.id, fmt.Sprintf("t%d", c.gets))
	return err
}

// deliver is what a handler of another client does to this one.
func (c *client) deliver() error {
	packets := said()
	if !c.conn.IsZero() {
		return c.w.pusher.Push(c.w.ctx, c.conn, packets[0].Frames[0])
	}
	return c.w.store.Deliver(c.w.ctx, c.id, packets, delivery.Limits{}.WithDefaults().Buffer)
}

// said is a small event.
func said() []sessionstore.Packet {
	return []sessionstore.Packet{{
		ID: sessionstore.PacketID(sessionstore.NewID()), Frames: []string{`42["said","hello"]`},
	}}
}

// pusher takes every frame, and remembers the first: the open packet.
type pusher struct{ first string }

// Push implements [delivery.Pusher].
func (p *pusher) Push(_ context.Context, _ sessionstore.Connection, frame string) error {
	if p.first == "" {
		p.first = frame
	}
	return nil
}

// Close implements [delivery.Pusher].
func (p *pusher) Close(context.Context, sessionstore.Connection) error { return nil }
