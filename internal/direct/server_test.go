package direct_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/gobwas/ws"

	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/internal/direct"
	"github.com/nonstick-io/nonstick/localdev/emulator"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// patience is how long a test waits for what must come.
const patience = 5 * time.Second

// echo answers every frame with itself, and tells of connections that can be pushed to.
type echo struct{ ids chan string }

func (e echo) HTTP(context.Context, events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error) {
	return events.APIGatewayV2HTTPResponse{StatusCode: 404}, nil
}

func (e echo) WebSocket(
	ctx context.Context, r events.APIGatewayWebsocketProxyRequest,
) (events.APIGatewayProxyResponse, error) {
	if r.RequestContext.EventType == "CONNECT" {
		id := r.RequestContext.ConnectionID
		emulator.AfterConnect(ctx, func(context.Context) { e.ids <- id })
	}
	return events.APIGatewayProxyResponse{StatusCode: 200, Body: r.Body}, nil
}

// running is an emulator on a port of its own.
type running struct {
	*emulator.Server
	addr string
	ids  chan string
}

// start runs an emulator until the test ends.
func start(t *testing.T, limits emulator.Limits) *running {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &running{addr: l.Addr().String(), ids: make(chan string, 1)}
	r.Server = direct.NewServer(emulator.Config{Endpoint: "http://" + r.addr + "/local", Limits: limits})
	r.Route(emulator.API{Path: "/ws/", Sets: []emulator.Handlers{echo{r.ids}}})
	served := make(chan error, 1)
	go func() { served <- r.Serve(l) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := errors.Join(r.Shutdown(ctx), <-served); err != nil {
			t.Error(err)
		}
	})
	return r
}

// client is a WebSocket that sees frames, and the connection that it is to the emulator.
type client struct {
	t    *testing.T
	net  net.Conn
	br   *bufio.Reader
	conn sessionstore.Connection
}

func (r *running) dial(t *testing.T, query string) *client {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	conn, br, _, err := ws.Dial(ctx, "ws://"+r.addr+"/ws/?EIO=4&"+query)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if br == nil {
		br = bufio.NewReader(conn)
	}
	return &client{t, conn, br, sessionstore.Connection{ID: <-r.ids, Endpoint: r.Endpoint()}}
}

func (c *client) send(op ws.OpCode, payload string) {
	c.t.Helper()
	if err := ws.WriteFrame(c.net, ws.MaskFrame(ws.NewFrame(op, true, []byte(payload)))); err != nil {
		c.t.Fatal(err)
	}
}

func (c *client) frame() (ws.OpCode, string) {
	c.t.Helper()
	c.net.SetReadDeadline(time.Now().Add(patience))
	h, err := ws.ReadHeader(c.br)
	if err != nil {
		c.t.Fatalf("read frame: %v", err)
	}
	p := make([]byte, h.Length)
	if _, err := io.ReadFull(c.br, p); err != nil {
		c.t.Fatalf("read payload: %v", err)
	}
	return h.OpCode, string(p)
}

func (c *client) want(op ws.OpCode, payload string) {
	c.t.Helper()
	if gotOp, got := c.frame(); gotOp != op || got != payload {
		c.t.Fatalf("frame = %v %.80q, want %v %.80q", gotOp, got, op, payload)
	}
}

// Binary frames are Engine.IO's.
func TestBinary(t *testing.T) {
	s := start(t, emulator.Native(1e6))
	for _, tt := range []struct {
		name, query string
		op          ws.OpCode
		in          string
		wantOp      ws.OpCode
		want        string
	}{
		{"binary comes back as binary", "", ws.OpBinary, "\x01\x02\xff", ws.OpBinary, "\x01\x02\xff"},
		{"base64 text becomes binary", "", ws.OpText, "bAQID", ws.OpBinary, "\x01\x02\x03"},
		{"empty binary", "", ws.OpBinary, "", ws.OpBinary, ""},
		{"bad base64 stays text", "", ws.OpText, "b!", ws.OpText, "b!"},
		{"b64 client gets text", "b64=1", ws.OpBinary, "\x01\x02\x03", ws.OpText, "bAQID"},
		{"text stays text", "", ws.OpText, "4bAQID", ws.OpText, "4bAQID"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := s.dial(t, tt.query)
			c.send(tt.op, tt.in)
			c.want(tt.wantOp, tt.want)
		})
	}
}

func TestPusher(t *testing.T) {
	s := start(t, emulator.AWS())
	c := s.dial(t, "")
	ctx, conn, remote := t.Context(), c.conn, &recorder{}
	p := direct.New(s.Server, remote)

	if err := p.Push(ctx, conn, "4direct"); err != nil {
		t.Fatal(err)
	}
	c.want(ws.OpText, "4direct")
	if err := p.Push(ctx, conn, strings.Repeat("x", 128<<10+1)); !errors.Is(err, delivery.ErrFrameTooLarge) {
		t.Errorf("large push: %v, want ErrFrameTooLarge", err)
	}
	other := sessionstore.Connection{ID: conn.ID, Endpoint: "http://127.0.0.1:1/local"}
	if err := p.Push(ctx, other, "4far"); err != nil || remote.pushed != "4far" {
		t.Errorf("push to another endpoint: %v, remote has %q", err, remote.pushed)
	}
	if err := p.Close(ctx, other); err != nil || !remote.closed {
		t.Errorf("close at another endpoint: %v, remote closed: %v", err, remote.closed)
	}
	if err := p.Close(ctx, conn); err != nil {
		t.Fatal(err)
	}
	if err := p.Push(ctx, conn, "4late"); !errors.Is(err, delivery.ErrGone) {
		t.Errorf("push after close: %v, want ErrGone", err)
	}
	if op, _ := c.frame(); op != ws.OpClose {
		t.Errorf("opcode %v, want a close", op)
	}
	c.send(ws.OpClose, "")
	if _, err := c.br.ReadByte(); !errors.Is(err, io.EOF) { // the emulator has forgotten the connection then
		t.Errorf("after the close: %v, want the end", err)
	}
	if err := p.Close(ctx, conn); !errors.Is(err, delivery.ErrGone) {
		t.Errorf("second close: %v, want ErrGone", err)
	}
}

// A client that does not read makes its connection busy, for groups too.
func TestPusherBusy(t *testing.T) {
	l := emulator.AWS()
	l.Outbox = 64 << 10
	s, other := start(t, l), start(t, l)
	conn, frame := s.dial(t, "").conn, strings.Repeat("x", 30<<10)
	p := direct.New(s.Server, nil)
	var err error
	for sent := 0; err == nil; sent++ {
		if err = p.Push(t.Context(), conn, frame); sent > 10_000 {
			t.Fatal("the outbox has no bound")
		}
	}
	if !errors.Is(err, delivery.ErrBusy) {
		t.Fatalf("push: %v, want ErrBusy", err)
	}
	for name, p := range map[string]*direct.Pusher{"own": p, "remote": direct.New(other.Server, nil)} {
		for range 1000 { // the network may take something at any moment
			if err = p.PushGroup(t.Context(), conn, []string{frame, frame}); err != nil {
				break
			}
		}
		if !errors.Is(err, delivery.ErrBusy) {
			t.Errorf("%s: group: %v, want ErrBusy", name, err)
		}
	}
}

// recorder is the pusher of other processes.
type recorder struct {
	pushed string
	closed bool
}

func (r *recorder) Push(_ context.Context, _ sessionstore.Connection, frame string) error {
	r.pushed = frame
	return nil
}

func (r *recorder) Close(context.Context, sessionstore.Connection) error {
	r.closed = true
	return nil
}
