package nonstick_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nonstick-io/nonstick"
	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/gateway/engine"
	"github.com/nonstick-io/nonstick/internal/engineio"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// oldPeer is a client of Socket.IO v2. Its frames are those of today in tests, and of version 3 on the wire.
type oldPeer struct{ *peer }

const oldCodec = engineio.V3Text

// openOld begins a session of version 3.
func (w *world) openOld(at *nonstick.Server, transport string) *oldPeer {
	w.t.Helper()
	c := &oldPeer{&peer{w: w, at: at}}
	h := sessionstore.Handshake{Query: map[string]string{"EIO": "3", "b64": "1"}}
	if transport == "polling" {
		payload, err := at.Engine().Handshake(w.t.Context(), h)
		if err != nil {
			w.t.Fatalf("handshake: %v", err)
		}
		c.handshake(c.frames(payload)[0])
		return c
	}
	c.conn = w.connection()
	step, err := at.Engine().Connect(w.t.Context(), c.conn, h)
	if err == nil {
		err = at.Engine().Run(w.t.Context(), step)
	}
	got := w.pusher.Take(c.conn)
	if err != nil || len(got) == 0 {
		w.t.Fatalf("open: %q, %v", got, err)
	}
	c.handshake(got[0])
	c.got = got[1:]
	return c
}

// frames reads the answer to a GET.
func (c *oldPeer) frames(payload string) (frames []string) {
	c.w.t.Helper()
	for p, err := range oldCodec.DecodePayload(payload, false) {
		if err != nil {
			c.w.t.Fatalf("payload %q: %v", payload, err)
		}
		frames = append(frames, p.Encode())
	}
	return frames
}

// send sends frames: one message each on WebSocket, one POST for all on polling.
func (c *oldPeer) send(frames ...string) {
	c.w.t.Helper()
	var err error
	if c.conn.IsZero() {
		body := oldCodec.EncodePayload(frames)
		err = c.at.Engine().PostAs(c.w.t.Context(), c.sid, body, engine.Client{Codec: oldCodec})
	} else {
		for i, f := range frames {
			frames[i] = oldCodec.Encode(f)
		}
		err = c.try(frames...)
	}
	if err != nil {
		c.w.t.Fatalf("send %q: %v", frames, err)
	}
}

// take returns what has come since the last take; on polling it is what the next GET brings.
func (c *oldPeer) take() (got []string) {
	c.w.t.Helper()
	if c.conn.IsZero() {
		body, err := c.at.Engine().PollAs(c.w.t.Context(), c.sid, "", engine.Client{Codec: oldCodec})
		if err != nil {
			c.w.t.Fatalf("get: %v", err)
		}
		return c.frames(body)
	}
	for _, frame := range c.peer.take() {
		p, err := oldCodec.Decode(frame)
		if err != nil {
			c.w.t.Fatalf("frame %q: %v", frame, err)
		}
		got = append(got, p.Encode())
	}
	return got
}

// expect fails the test unless exactly these frames have come. SID stands for the id of the session.
func (c *oldPeer) expect(want ...string) {
	c.w.t.Helper()
	all := strings.ReplaceAll(strings.Join(want, " "), "SID", string(c.sid))
	if got := strings.Join(c.take(), " "); got != all {
		c.w.t.Errorf("got  %q\nwant %q", got, all)
	}
}

func allowingOld(c *nonstick.Config) { c.Options.AllowEIO3 = true }

// onBoth runs a test with a client of each transport, in a world of its own.
func onBoth(t *testing.T, f func(t *testing.T, w *world, transport string)) {
	t.Helper()
	for _, transport := range []string{"websocket", "polling"} {
		t.Run(transport, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) { f(t, w, transport) })
		})
	}
}

// An old client joins the main namespace by its handshake, and is told the value of an error alone.
func TestOldClientJoins(t *testing.T) {
	refuse := func(err error) func(context.Context, *nonstick.Socket) error {
		return func(context.Context, *nonstick.Socket) error { return err }
	}
	with := func(data string) error { return &nonstick.Error{Message: "no", Data: json.RawMessage(data)} }
	for _, tt := range []struct {
		name    string
		handler func(context.Context, *nonstick.Socket) error
		want    []string
	}{
		{"no handler", nil, []string{`40`}},
		{"accepted", refuse(nil), []string{`40`}},
		{
			"what the handler emits comes behind", func(ctx context.Context, s *nonstick.Socket) error {
				return s.Emit(ctx, "hello", s.ID())
			},
			[]string{`40`, `42["hello","SID"]`},
		},
		{"refused, with a message", refuse(&nonstick.Error{Message: `no "entry"`}), []string{`44"no \"entry\""`}},
		{"refused, wrapped", refuse(fmt.Errorf("wrapped: %w", with(`{"code":7}`))), []string{`44{"code":7}`}},
		{"refused, with a list", refuse(with(`[1]`)), []string{`44[1]`}},
		{"refused, with true", refuse(with(`true`)), []string{`44true`}},
		{"refused, with null", refuse(with(`null`)), []string{`44"no"`}},
		{"refused, with false", refuse(with(`false`)), []string{`44"no"`}},
		{"refused, with 0", refuse(with(`0`)), []string{`44"no"`}},
		{"refused, with no text", refuse(with(`""`)), []string{`44"no"`}},
		{"refused, with what is no JSON", refuse(with(`{`)), []string{`44"Internal server error"`}},
		{"failed", refuse(errors.New("secret")), []string{`44"Internal server error"`}},
		{
			"panics", func(context.Context, *nonstick.Socket) error { panic("secret") },
			[]string{`44"Internal server error"`},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			onBoth(t, func(t *testing.T, w *world, transport string) {
				c := w.openOld(w.server(func(s *nonstick.Server) { s.OnConnect(tt.handler) }, allowingOld), transport)
				c.expect(tt.want...)
				c.expectOpen()
				joined := len(c.state().Sockets) == 1
				if joined != strings.HasPrefix(tt.want[0], "40") {
					t.Errorf("joined: %v", joined)
				}
			})
		})
	}
}

// oldApp has a namespace beside the main one, and what old clients ask it for. It notes why sockets leave.
func oldApp(left *[]string) func(*nonstick.Server) {
	return func(s *nonstick.Server) {
		s.AllowAttachments()
		for _, n := range []*nonstick.Namespace{s.Namespace, s.Of("/admin")} {
			n.OnConnect(func(ctx context.Context, k *nonstick.Socket) error {
				auth, err := k.Auth(ctx)
				if err != nil {
					return err
				}
				if strings.Contains(string(auth), "deny") {
					return &nonstick.Error{Message: "denied"}
				}
				return k.Emit(ctx, "auth", k.ID(), string(auth))
			})
			n.OnDisconnect(func(_ context.Context, k *nonstick.Socket, why nonstick.Reason) error {
				*left = append(*left, fmt.Sprint(k.ID(), " ", why))
				return nil
			})
			nonstick.OnAck(n, "echo", func(
				_ context.Context, _ *nonstick.Socket, a nonstick.Args,
			) (nonstick.Args, error) {
				return a, nil
			})
			nonstick.On(n, "tell", func(ctx context.Context, _ *nonstick.Socket, id string) error {
				return n.To(id).Emit(ctx, "told", 1)
			})
			nonstick.On(n, "back", func(ctx context.Context, k *nonstick.Socket, b nonstick.Binary) error {
				return k.Emit(ctx, "back", b)
			})
			nonstick.On(n, "end", func(ctx context.Context, k *nonstick.Socket, _ nonstick.Args) error {
				return k.Disconnect(ctx, false)
			})
		}
	}
}

// What an old client sends, and gets: SID is the id of its session. It has joined the main namespace before.
var oldExchanges = []struct {
	name         string
	send, expect []string
	closed       string // why the session has ended; empty if it has not
	left         string // the socket that has left, and why
}{
	{name: "an event", send: []string{`421["echo","a",2]`}, expect: []string{`431["a",2]`}},
	{
		name: "another namespace", send: []string{"40/admin,"},
		expect: []string{`40/admin,`, `42/admin,["auth","/admin#SID",""]`},
	},
	{
		name: "with a query", send: []string{"40/admin?token=a%20b&x=%C3%BC&y,"},
		expect: []string{`40/admin,`, `42/admin,["auth","/admin#SID","{\"token\":\"a b\",\"x\":\"ü\",\"y\":\"\"}"]`},
	},
	{
		name: "a query that is none", send: []string{"40/admin?&,"},
		expect: []string{`40/admin,`, `42/admin,["auth","/admin#SID",""]`},
	},
	{
		name: "a query with wrong escapes", send: []string{"40/admin?a=%zz&b=%FF,"},
		expect: []string{`40/admin,`, `42/admin,["auth","/admin#SID","{\"a\":\"%zz\",\"b\":\"�\"}"]`},
	},
	{
		name: "auth, which they do not have", send: []string{`40/admin,{"token":"x"}`},
		expect: []string{`40/admin,`, `42/admin,["auth","/admin#SID",""]`},
	},
	{name: "refused by its query", send: []string{"40/admin?deny=1,"}, expect: []string{`44/admin,"denied"`}},
	{
		name: "a namespace that is not there", send: []string{"40/none?a=b,"},
		expect: []string{`44/none,{"message":"Invalid namespace"}`},
	},
	{
		name: "a query as large as auth may not be", send: []string{"40/admin?a=" + strings.Repeat("x", 32<<10) + ","},
		expect: []string{`44/admin,"Auth too large"`},
	},
	{
		name: "an event of another namespace", send: []string{"40/admin,", `42/admin,1["echo",1]`},
		expect: []string{`40/admin,`, `42/admin,["auth","/admin#SID",""]`, `43/admin,1[1]`},
	},
	{
		name: "to a socket by its id", send: []string{`42["tell","SID"]`},
		expect: []string{`42["told",1]`},
	},
	{
		name: "to one of another namespace", send: []string{"40/admin,", `42/admin,["tell","/admin#SID"]`},
		expect: []string{`40/admin,`, `42/admin,["auth","/admin#SID",""]`, `42/admin,["told",1]`},
	},
	{
		name: "binary data", send: []string{`451-["back",{"_placeholder":true,"num":0}]`, "bAQID"},
		expect: []string{`451-["back",{"_placeholder":true,"num":0}]`, "bAQID"},
	},
	{
		name: "leaves a namespace", send: []string{"40/admin,", "41/admin,", `421["echo",1]`},
		expect: []string{`40/admin,`, `42/admin,["auth","/admin#SID",""]`, `431[1]`},
		left:   "/admin#SID client namespace disconnect",
	},
	{
		name: "leaves the main namespace, and joins another", send: []string{"41", "40/admin,"},
		expect: []string{`40/admin,`, `42/admin,["auth","/admin#SID",""]`},
		left:   "SID client namespace disconnect",
	},
	{
		name: "is taken out by the server", send: []string{`42["end"]`}, expect: []string{`41`},
		left: "SID server namespace disconnect",
	},
	{
		name: "an event of a namespace that was not joined", send: []string{`42/admin,1["echo",1]`},
		closed: delivery.ReasonForcedServer, left: "SID forced server close",
	},
	{
		name: "joins again, which it has by its handshake", send: []string{"40"},
		closed: delivery.ReasonForcedServer, left: "SID forced server close",
	},
	{
		name: "an error of its own", send: []string{`44"no"`},
		closed: delivery.ReasonForcedServer, left: "SID forced server close",
	},
	{
		name: "what is no packet", send: []string{"4nonsense"},
		closed: delivery.ReasonForcedClose, left: "SID forced close",
	},
	{
		name: "what is no event", send: []string{`42{"a":1}`},
		closed: delivery.ReasonForcedClose, left: "SID forced close",
	},
	{
		name: "a pong, which is the server's", send: []string{"3"},
		closed: delivery.ReasonTransportError, left: "SID transport error",
	},
}

func TestOldClientSays(t *testing.T) {
	for _, tt := range oldExchanges {
		t.Run(tt.name, func(t *testing.T) {
			onBoth(t, func(t *testing.T, w *world, transport string) {
				var left []string
				c := w.openOld(w.server(oldApp(&left), allowingOld), transport)
				c.expect(`40`, `42["auth","SID",""]`)
				c.at = w.server(oldApp(&left), allowingOld) // any other instance
				frames := make([]string, len(tt.send))
				for i, frame := range tt.send {
					frames[i] = strings.ReplaceAll(frame, "SID", string(c.sid))
				}
				if tt.closed != "" {
					c.sendLast(frames...)
					c.expectClosed(tt.closed)
				} else {
					c.send(frames...)
					if len(tt.expect) > 0 {
						c.expect(tt.expect...)
					}
					c.expectOpen()
				}
				want := strings.ReplaceAll(tt.left, "SID", string(c.sid))
				if got := strings.Join(left, "; "); got != want {
					t.Errorf("left: %q, want %q", got, want)
				}
			})
		})
	}
}

// sendLast sends what ends the session, which is an error to the request or not.
func (c *oldPeer) sendLast(frames ...string) {
	c.w.t.Helper()
	e, ctx := c.at.Engine(), c.w.t.Context()
	if c.conn.IsZero() {
		_ = e.PostAs(ctx, c.sid, oldCodec.EncodePayload(frames), engine.Client{Codec: oldCodec})
		return
	}
	for _, f := range frames {
		_, _ = e.Message(ctx, c.conn, f)
	}
}

// Where sockets are recovered, those of old clients are not: they get no private id, no offset, and cannot rewind.
func TestOldClientIsNotRecovered(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world, transport string) {
		var why error
		s := w.server(func(s *nonstick.Server) {
			nonstick.On(s, "rewind", func(ctx context.Context, k *nonstick.Socket, _ nonstick.Args) error {
				why = k.JoinRewind(ctx, "room", nonstick.Rewind{Events: 1})
				return k.Emit(ctx, "done")
			})
			s.KeepHistory(nonstick.History{Rooms: []string{"room"}})
		}, allowingOld, func(c *nonstick.Config) { c.Recovery = time.Minute })
		c := w.openOld(s, transport)
		c.expect("40")
		c.send(`42["rewind"]`)
		c.expect(`42["done"]`)
		if !errors.Is(why, nonstick.ErrNotRecoverable) {
			t.Errorf("rewinds: %v", why)
		}
	})
}

// An upgrade takes what waits along, and the socket keeps its id.
func TestOldClientUpgrades(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var left []string
		s := w.server(oldApp(&left), allowingOld)
		c := w.openOld(s, "polling")
		conn := w.connection()
		step, err := s.Engine().BindAs(t.Context(), conn, c.sid, engine.Client{Codec: oldCodec})
		if err != nil || step.Kind != engine.StepNone {
			t.Fatalf("bind: %+v, %v", step, err)
		}
		c.conn = conn
		c.send("2probe")
		c.expect("3probe")
		c.send("5")
		c.expect(`40`, `42["auth","SID",""]`)
		c.send("2", `421["echo",1]`)
		c.expect("3", `431[1]`)
		if len(left) > 0 {
			t.Errorf("left: %q", left)
		}
	})
}

// Where old clients are not allowed, a handshake of theirs begins no session that joins by itself.
func TestOldClientNotAllowed(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s := w.server(func(*nonstick.Server) {})
		c := &peer{w: w, at: s, conn: w.connection()}
		query := map[string]string{"EIO": "3"}
		step, err := s.Engine().Connect(t.Context(), c.conn, sessionstore.Handshake{Query: query})
		if err == nil {
			err = s.Engine().Run(t.Context(), step)
		}
		got := w.pusher.Take(c.conn)
		if err != nil || len(got) != 1 {
			t.Fatalf("%q, %v", got, err)
		}
		c.handshake(got[0])
		if state := c.state(); state.Codec != "" || len(state.Sockets) > 0 {
			t.Errorf("%+v", state)
		}
	})
}
