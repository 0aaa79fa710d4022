package nonsticktest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/nonstick-io/nonstick"
	"github.com/nonstick-io/nonstick/adapter"
	"github.com/nonstick-io/nonstick/internal/engineio"
	"github.com/nonstick-io/nonstick/internal/socketio"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// Client is a client of a server, connected to one namespace. Its methods fail the test if something else happens
// than they say. Safe for concurrent use by goroutines of the test.
type Client struct {
	server *Server
	nsp    string
	conn   sessionstore.Connection

	news chan struct{} // there is something to look for

	mu       sync.Mutex
	id       string
	want     int // attachments of the packet that is coming
	parts    []string
	refused  *nonstick.Error
	received []event
	acks     map[uint64]chan nonstick.Args
	answer   map[string]func(nonstick.Args) any
	next     uint64 // acknowledgement id
	left     bool
	closed   bool

	// what it says when it comes back
	auth        json.RawMessage
	pid, offset string
}

// event is an event that a client has received.
type event struct {
	name string
	args nonstick.Args
}

// ID returns the id of the client's socket.
func (c *Client) ID() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.id
}

// Connected reports whether the socket is connected: neither the server nor the client has ended it.
func (c *Client) Connected() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.id != "" && !c.left && !c.closed
}

// Emit emits an event without asking for an acknowledgement, and returns when its handler has. Arguments are encoded by
// encoding/json; nonstick.Binary travels as an attachment.
func (c *Client) Emit(name string, args ...any) {
	c.server.t.Helper()
	c.emit(name, args, nil)
}

// Ask emits an event and returns the acknowledgement, decoded as nonstick.DecodeArgs does: the first argument, or
// several as nonstick.Args2 or Args3. The test fails if there is none within 5 s.
func Ask[T any](c *Client, name string, args ...any) T {
	c.server.t.Helper()
	v, err := nonstick.DecodeArgs[T](c.Ask(name, args...))
	if err != nil {
		c.server.t.Fatalf("nonsticktest: acknowledgement of %q: %v", name, err)
	}
	return v
}

// Ask emits an event and returns the arguments of the acknowledgement. The test fails if there is none within 5 s.
func (c *Client) Ask(name string, args ...any) nonstick.Args {
	c.server.t.Helper()
	ack := make(chan nonstick.Args, 1)
	c.mu.Lock()
	id := c.next
	c.next++
	c.acks[id] = ack
	c.mu.Unlock()
	c.emit(name, args, &id)
	select {
	case a := <-ack:
		return a
	case <-time.After(patience):
		c.server.t.Fatalf("nonsticktest: %q was not acknowledged", name)
		return nonstick.Args{}
	}
}

// Answer sets how the client acknowledges an event that the server asks it to: with one value, or nonstick.Args for
// several.
func (c *Client) Answer(name string, answer func(args nonstick.Args) any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.answer[name] = answer
}

// Next returns the argument of the next event that the client receives, decoded as nonstick.DecodeArgs does. The test
// fails if it is another event, or if none comes within 5 s.
func Next[T any](c *Client, name string) T {
	c.server.t.Helper()
	v, err := nonstick.DecodeArgs[T](c.Next(name))
	if err != nil {
		c.server.t.Fatalf("nonsticktest: event %q: %v", name, err)
	}
	return v
}

// Next returns the arguments of the next event that the client receives. The test fails if it is another event, or if
// none comes within 5 s.
func (c *Client) Next(name string) nonstick.Args {
	c.server.t.Helper()
	e, ok := c.pop(patience)
	if !ok {
		c.server.t.Fatalf("nonsticktest: no event came, want %q", name)
	}
	if e.name != name {
		c.server.t.Fatalf("nonsticktest: event %q%s came, want %q", e.name, e.args.JSON, name)
	}
	return e.args
}

// Nothing fails the test if the client has received an event, or does within 50 ms.
func (c *Client) Nothing() {
	c.server.t.Helper()
	if e, ok := c.pop(quiet); ok {
		c.server.t.Fatalf("nonsticktest: event %q%s came, want none", e.name, e.args.JSON)
	}
}

// pop takes the event that was received first, and waits for one.
func (c *Client) pop(wait time.Duration) (event, bool) {
	t := time.NewTimer(wait)
	defer t.Stop()
	for {
		c.mu.Lock()
		if len(c.received) > 0 {
			e := c.received[0]
			c.received = c.received[1:]
			c.mu.Unlock()
			return e, true
		}
		c.mu.Unlock()
		select {
		case <-c.news:
		case <-t.C:
			return event{}, false
		}
	}
}

// Disconnect leaves the namespace, as socket.disconnect() does, and returns when the disconnect handler has run.
func (c *Client) Disconnect() {
	c.server.t.Helper()
	c.mu.Lock()
	c.left = true
	c.mu.Unlock()
	c.send(socketio.Packet{Type: socketio.Disconnect, Namespace: c.nsp})
}

// Drop ends the connection, as a client that is closed or loses its network, and returns when the disconnect handler
// has run.
func (c *Client) Drop() {
	c.server.t.Helper()
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	if err := c.server.io.Engine().Disconnect(c.server.t.Context(), c.conn); err != nil {
		c.server.t.Fatalf("nonsticktest: drop: %v", err)
	}
}

// ComeBack connects again after [Client.Drop], as official clients do by themselves, and reports whether the client is
// recovered, the socket that it was: see [nonstick.ConnectionStateRecovery]. What it missed is next then. Else it is a
// new socket. The test fails if the client is refused. No other method may be called meanwhile.
func (c *Client) ComeBack() (recovered bool) {
	c.server.t.Helper()
	auth := map[string]json.RawMessage{}
	if len(c.auth) > 0 {
		_ = json.Unmarshal(c.auth, &auth) // what is no object has no room for a pid
	}
	c.mu.Lock()
	was := c.id
	for key, value := range map[string]string{"pid": c.pid, "offset": c.offset} {
		if value != "" {
			auth[key] = json.RawMessage(strconv.Quote(value))
		}
	}
	c.id, c.closed, c.left = "", false, false
	c.mu.Unlock()
	c.server.reconnect(c)
	data, err := json.Marshal(auth)
	if err == nil {
		err = c.open()
	}
	if err == nil {
		err = c.join(data)
	}
	if err != nil {
		c.server.t.Fatalf("nonsticktest: come back: %v", err)
	}
	return c.ID() == was
}

// open begins the session.
func (c *Client) open() error {
	ctx := c.server.t.Context()
	e := c.server.io.Engine()
	h := nonstick.Handshake{Time: time.Now(), Address: "127.0.0.1", URL: "/socket.io/"}
	step, err := e.Connect(ctx, c.conn, h)
	var refused *engineio.Error
	if errors.As(err, &refused) {
		return &nonstick.Error{Message: refused.Message}
	}
	if err == nil {
		err = e.Run(ctx, step)
	}
	if err != nil {
		return fmt.Errorf("nonsticktest: open: %w", err)
	}
	return nil
}

// join connects to the namespace.
func (c *Client) join(auth json.RawMessage) error {
	c.server.t.Helper()
	c.send(socketio.Packet{Type: socketio.Connect, Namespace: c.nsp, Data: auth})
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.refused != nil:
		return c.refused
	case c.id == "":
		return errNoAnswer
	default:
		return nil
	}
}

var errNoAnswer = errors.New("nonsticktest: CONNECT was not answered: the connection ended")

func (c *Client) emit(name string, args []any, ack *uint64) {
	c.server.t.Helper()
	encoded, err := nonstick.EncodeArgs(args...)
	if err != nil {
		c.server.t.Fatalf("nonsticktest: emit %q: %v", name, err)
	}
	list := encoded.JSON
	if len(list) == 0 {
		list = json.RawMessage("[]")
	}
	p := socketio.Packet{
		Type: socketio.Event, Namespace: c.nsp, Data: socketio.EventData(name, list), Attachments: encoded.Attachments,
	}
	if ack != nil {
		p.ID, p.HasID = *ack, true
	}
	c.send(p)
}

// send sends a packet, and takes what the server answers with.
func (c *Client) send(p socketio.Packet) {
	c.server.t.Helper()
	ctx := c.server.t.Context()
	for _, frame := range adapter.NewPacket(ctx, c.server.parser, p).Frames() {
		reply, err := c.server.io.Engine().Message(ctx, c.conn, frame)
		if err != nil {
			c.server.t.Fatalf("nonsticktest: send: %v", err)
		}
		if reply != "" {
			c.take([]string{reply})
		}
	}
}

// cut ends the connection from the server's side. It reports false if it has ended.
func (c *Client) cut() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	there := !c.closed
	c.closed = true
	return there
}

// take takes frames of the server. It reports false if the connection has ended.
func (c *Client) take(frames []string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return false
	}
	for _, frame := range frames {
		c.frame(frame)
	}
	select {
	case c.news <- struct{}{}:
	default:
	}
	return true
}

// frame takes one frame. The client is locked.
func (c *Client) frame(frame string) {
	p, err := engineio.Decode(frame)
	switch {
	case err != nil:
		c.server.t.Errorf("nonsticktest: frame %q: %v", frame, err)
	case p.Binary && !c.server.parser.Whole():
		c.parts = append(c.parts, frame)
		c.complete()
	case p.Type == engineio.Message:
		c.message(p)
	default: // open, ping, close
	}
}

// message takes what a packet begins with. The client is locked.
func (c *Client) message(p engineio.Packet) {
	packet, want, err := c.server.parser.Decode(p.Data, p.Binary, socketio.Limits{})
	switch {
	case err != nil:
		c.server.t.Errorf("nonsticktest: packet %q: %v", p.Data, err)
	case want > 0:
		c.parts, c.want = []string{p.Data}, want
	default:
		c.packet(packet)
	}
}

// complete handles a packet once its attachments have come.
func (c *Client) complete() {
	if len(c.parts) <= c.want {
		return
	}
	p, err := adapter.Assemble(c.parts, socketio.Limits{})
	if err != nil {
		c.server.t.Errorf("nonsticktest: packet %q: %v", c.parts[0], err)
		return
	}
	c.packet(p)
}

// packet handles a packet. The client is locked.
func (c *Client) packet(p socketio.Packet) {
	switch p.Type {
	case socketio.Connect:
		var connected struct{ SID, PID string }
		_ = json.Unmarshal(p.Data, &connected) // an id that is not there shows
		c.id, c.pid = connected.SID, connected.PID
	case socketio.ConnectError:
		c.refused = refusal(p.Data)
	case socketio.Event, socketio.BinaryEvent:
		c.event(p)
	case socketio.Ack, socketio.BinaryAck:
		if ack := c.acks[p.ID]; ack != nil {
			delete(c.acks, p.ID)
			ack <- nonstick.Args{JSON: p.Data, Attachments: p.Attachments}
		}
	case socketio.Disconnect:
		c.left = true
	}
}

// refusal is what a client that is refused is told.
func refusal(data json.RawMessage) *nonstick.Error {
	var told struct {
		Message string
		Data    json.RawMessage
	}
	_ = json.Unmarshal(data, &told) // a message that is not there shows
	e := &nonstick.Error{Message: told.Message}
	if told.Data != nil {
		e.Data = told.Data
	}
	return e
}

// event takes an event, and acknowledges it if the server asks for that and the test has said how.
func (c *Client) event(p socketio.Packet) {
	name, list, err := socketio.EventName(p.Data)
	if err != nil {
		c.server.t.Errorf("nonsticktest: event %s: %v", p.Data, err)
		return
	}
	if c.pid != "" && !p.HasID {
		list = c.takeOffset(list)
	}
	args := nonstick.Args{JSON: list, Attachments: p.Attachments}
	c.received = append(c.received, event{name, args})
	answer := c.answer[name]
	if !p.HasID || answer == nil {
		return
	}
	go func() { // the handler that asks may hold the server's call until it is answered
		encoded, err := nonstick.EncodeArgs(answer(args))
		if err != nil {
			c.server.t.Errorf("nonsticktest: answer to %q: %v", name, err)
			return
		}
		c.send(socketio.Packet{
			Type: socketio.Ack, Namespace: c.nsp, ID: p.ID, HasID: true, Data: encoded.JSON,
			Attachments: encoded.Attachments,
		})
	}()
}

// takeOffset takes the offset of a recoverable socket off the arguments of an event, and notes it. The client is
// locked.
func (c *Client) takeOffset(list json.RawMessage) json.RawMessage {
	args, err := socketio.SplitArray(list)
	if err != nil || len(args) == 0 || json.Unmarshal(args[len(args)-1], &c.offset) != nil {
		c.server.t.Errorf("nonsticktest: event with %s has no offset", list)
		return list
	}
	return slices.Concat([]byte("["), bytes.Join(asBytes(args[:len(args)-1]), []byte(",")), []byte("]"))
}

func asBytes(list []json.RawMessage) (all [][]byte) {
	for _, each := range list {
		all = append(all, each)
	}
	return all
}
