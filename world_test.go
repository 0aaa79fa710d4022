package nonstick_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nonstick-io/nonstick"
	"github.com/nonstick-io/nonstick/adapter"
	"github.com/nonstick-io/nonstick/gateway/engine"
	"github.com/nonstick-io/nonstick/internal/engineio"
	"github.com/nonstick-io/nonstick/internal/pushtest"
	"github.com/nonstick-io/nonstick/internal/socketio"
	"github.com/nonstick-io/nonstick/sessionstore"
	"github.com/nonstick-io/nonstick/sessionstore/memstore"
)

// world is a store, its connections, and as many servers as a test wants, in a bubble of their own time.
type world struct {
	t      *testing.T
	store  *memstore.Store
	meter  *sessionstore.Meter
	pusher *pushtest.Pusher
	log    *lockedBuffer
	conns  int
	parser nonstick.Parser // of all servers and peers; nil is that of JSON
}

// inWorld runs a test in a bubble: what waits there waits no real time.
func inWorld(t *testing.T, f func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, meter: &sessionstore.Meter{}, pusher: pushtest.New(), log: &lockedBuffer{}}
		w.store = memstore.New(memstore.Options{Meter: w.meter})
		f(t, w)
	})
}

// inWorlds is inWorld for each parser. Tests write packets as JSON has them: peers translate.
func inWorlds(t *testing.T, f func(t *testing.T, w *world)) {
	t.Helper()
	for _, parser := range []nonstick.Parser{nonstick.JSON, nonstick.MsgPack} {
		t.Run(parser.String(), func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				w.parser = parser
				f(t, w)
			})
		})
	}
}

// server returns one more instance with the handlers that register sets.
func (w *world) server(register func(*nonstick.Server), change ...func(*nonstick.Config)) *nonstick.Server {
	c := nonstick.Config{
		Store: w.store, Pusher: w.pusher, Parser: w.parser, Logger: slog.New(slog.NewTextHandler(w.log, nil)),
	}
	for _, f := range change {
		f(&c)
	}
	s := nonstick.New(c)
	register(s)
	return s
}

// peer is a client by WebSocket or by polling. at is the instance that its next request arrives at.
type peer struct {
	w    *world
	at   *nonstick.Server
	conn sessionstore.Connection // on WebSocket
	sid  sessionstore.SessionID
	id   string // of its socket in the main namespace
	got  []string
	gets int
	half []string // of a packet, which is sent when its attachments are there
}

// connection returns a new one.
func (w *world) connection() sessionstore.Connection {
	w.conns++
	return sessionstore.Connection{ID: fmt.Sprintf("conn-%d", w.conns), Endpoint: "http://127.0.0.1"}
}

// open begins a session on WebSocket that has joined no namespace.
func (w *world) open(at *nonstick.Server) *peer {
	w.t.Helper()
	c := &peer{w: w, at: at, conn: w.connection()}
	step, err := at.Engine().
		Connect(w.t.Context(), c.conn, sessionstore.Handshake{Query: map[string]string{"who": c.conn.ID}})
	if err != nil {
		w.t.Fatalf("connect: %v", err)
	}
	if err := at.Engine().Run(w.t.Context(), step); err != nil {
		w.t.Fatalf("open: %v", err)
	}
	c.handshake(strings.Join(w.pusher.Take(c.conn), " "))
	return c
}

// openPolling begins a session on polling that has joined no namespace.
func (w *world) openPolling(at *nonstick.Server) *peer {
	w.t.Helper()
	c := &peer{w: w, at: at}
	body, err := at.Engine().Handshake(w.t.Context(), sessionstore.Handshake{})
	if err != nil {
		w.t.Fatalf("handshake: %v", err)
	}
	c.handshake(body)
	return c
}

func (c *peer) handshake(frame string) {
	c.w.t.Helper()
	var h struct{ SID string }
	if len(frame) == 0 || frame[0] != '0' || json.Unmarshal([]byte(frame[1:]), &h) != nil {
		c.w.t.Fatalf("open packet %q", frame)
	}
	c.sid = sessionstore.SessionID(h.SID)
}

// join opens a session on WebSocket with a socket in the main namespace.
func (w *world) join(at *nonstick.Server) *peer {
	w.t.Helper()
	c := w.open(at)
	c.send("40")
	c.connected()
	return c
}

// joinPolling does it on polling.
func (w *world) joinPolling(at *nonstick.Server) *peer {
	w.t.Helper()
	c := w.openPolling(at)
	c.send("40")
	c.connected()
	return c
}

// connected reads the answer to CONNECT.
func (c *peer) connected() {
	c.w.t.Helper()
	got := c.take()
	var k struct{ SID string }
	if len(got) == 0 || !strings.HasPrefix(got[0], "40") || json.Unmarshal([]byte(got[0][2:]), &k) != nil ||
		k.SID == "" {
		c.w.t.Fatalf("answer to CONNECT: %q", got)
	}
	c.id = k.SID
	c.got = append(got[1:], c.got...)
}

// send sends frames: one message each on WebSocket, one POST for all on polling.
func (c *peer) send(frames ...string) {
	c.w.t.Helper()
	if err := c.try(frames...); err != nil {
		c.w.t.Fatalf("send %q: %v", frames, err)
	}
}

func (c *peer) try(frames ...string) error {
	ctx := c.w.t.Context()
	if frames = c.packed(frames); len(frames) == 0 {
		return nil
	}
	if c.conn.IsZero() {
		return c.at.Engine().Post(ctx, c.sid, engineio.EncodePayload(frames))
	}
	for _, f := range frames {
		reply, err := c.at.Engine().Message(ctx, c.conn, f)
		if err != nil {
			return err
		}
		c.got = append(c.got, c.unpacked(c.w.pusher.Take(c.conn)...)...)
		if reply != "" {
			c.got = append(c.got, c.unpacked(reply)...)
		}
	}
	return nil
}

// packed writes frames as the parser of the world has them.
func (c *peer) packed(frames []string) (out []string) {
	c.w.t.Helper()
	if c.w.parser == nil || !c.w.parser.Whole() {
		return frames
	}
	for _, f := range frames {
		if f[0] != '4' && len(c.half) == 0 {
			out = append(out, f)
			continue
		}
		c.half = append(c.half, f)
		_, want, err := socketio.Decode(c.half[0][1:], socketio.Limits{})
		if err != nil {
			c.w.t.Fatalf("%q cannot be packed: %v", c.half[0], err)
		}
		if len(c.half) <= want {
			continue
		}
		p, err := adapter.Assemble(append([]string{c.half[0][1:]}, c.half[1:]...), socketio.Limits{})
		if err != nil {
			c.w.t.Fatalf("%q cannot be packed: %v", c.half, err)
		}
		out, c.half = append(out, adapter.NewPacket(c.w.t.Context(), c.w.parser, p).Frames()...), nil
	}
	return out
}

// unpacked writes frames as the parser of JSON has them.
func (c *peer) unpacked(frames ...string) (out []string) {
	c.w.t.Helper()
	if c.w.parser == nil || !c.w.parser.Whole() {
		return frames
	}
	for _, f := range frames {
		if f[0] != 'b' {
			out = append(out, f)
			continue
		}
		frame, err := engineio.Decode(f)
		if err != nil {
			c.w.t.Fatal(err)
		}
		p, _, err := c.w.parser.Decode(frame.Data, true, socketio.Limits{})
		if err != nil {
			c.w.t.Fatalf("%q: %v", f, err)
		}
		out = append(out, adapter.NewPacket(c.w.t.Context(), socketio.JSON, p).Frames()...)
	}
	return out
}

// take returns what has come since the last take; on polling it is what the next GET brings.
func (c *peer) take() []string {
	c.w.t.Helper()
	got := c.got
	c.got = nil
	if !c.conn.IsZero() {
		return append(got, c.unpacked(c.w.pusher.Take(c.conn)...)...)
	}
	return append(got, c.unpacked(strings.Split(c.get(), "\x1e")...)...)
}

// get is one GET.
func (c *peer) get() string {
	c.w.t.Helper()
	body, err := c.tryGet(c.w.t.Context())
	if err != nil {
		c.w.t.Fatalf("get: %v", err)
	}
	return body
}

func (c *peer) tryGet(ctx context.Context) (string, error) {
	c.gets++
	return c.at.Engine().Poll(ctx, c.sid, fmt.Sprint("t", c.gets))
}

// expect fails the test unless exactly these frames have come.
func (c *peer) expect(want ...string) {
	c.w.t.Helper()
	if got := c.take(); strings.Join(got, " ") != strings.Join(want, " ") {
		c.w.t.Errorf("got  %q\nwant %q", got, want)
	}
}

// state reads the session.
func (c *peer) state() sessionstore.Session {
	c.w.t.Helper()
	return c.w.session(c.sid)
}

// expectClosed fails the test unless the session has ended for that reason, and its connection with it.
func (c *peer) expectClosed(reason string) {
	c.w.t.Helper()
	if s := c.state(); s.State != sessionstore.Closed || s.Reason != reason {
		c.w.t.Errorf("session is %s for %q, want closed for %q", s.State, s.Reason, reason)
	}
	if !c.conn.IsZero() && !c.w.pusher.Closed(c.conn) {
		c.w.t.Error("the connection is still there")
	}
}

// expectOpen fails the test unless the session is open.
func (c *peer) expectOpen() {
	c.w.t.Helper()
	if s := c.state(); s.State != sessionstore.Open {
		c.w.t.Errorf("session is %s for %q, want open", s.State, s.Reason)
	}
}

func (w *world) session(id sessionstore.SessionID) sessionstore.Session {
	w.t.Helper()
	s, err := w.store.Get(w.t.Context(), id, time.Now())
	if err != nil {
		w.t.Fatalf("read session: %v", err)
	}
	return s
}

// upgrade moves a client from polling to WebSocket.
func (c *peer) upgrade() {
	c.w.t.Helper()
	c.probe()
	c.send("5")
}

// probe begins an upgrade.
func (c *peer) probe() {
	c.w.t.Helper()
	conn := c.w.connection()
	step, err := c.at.Engine().Bind(c.w.t.Context(), conn, c.sid)
	if err != nil || step.Kind != engine.StepNone {
		c.w.t.Fatalf("bind: %+v, %v", step, err)
	}
	c.conn = conn
	c.send("2probe")
	if got := c.take(); strings.Join(got, " ") != "3probe" {
		c.w.t.Fatalf("answer to the probe: %q", got)
	}
}

// lockedBuffer is a log to search.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// kept is what the store keeps for a socket: rooms and data.
func (w *world) kept(k sessionstore.Socket) string {
	w.t.Helper()
	rooms, err := w.store.RoomsOf(w.t.Context(), k)
	if err != nil {
		w.t.Error(err)
	}
	data, err := w.store.Data(w.t.Context(), k)
	if err != nil {
		w.t.Error(err)
	}
	return fmt.Sprint(rooms, data)
}
