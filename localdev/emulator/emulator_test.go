package emulator_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/gobwas/ws"

	"github.com/nonstick-io/nonstick/localdev/emulator"
)

// patience is how long a test waits for what must come.
const patience = 5 * time.Second

// TestMain fails if a test leaves goroutines behind.
func TestMain(m *testing.M) {
	before := runtime.NumGoroutine()
	code := m.Run()
	http.DefaultClient.CloseIdleConnections()
	for end := time.Now().Add(patience); runtime.NumGoroutine() > before; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			buf := make([]byte, 1<<20)
			fmt.Fprintf(os.Stderr, "goroutines left behind:\n%s\n", buf[:runtime.Stack(buf, true)])
			os.Exit(1)
		}
	}
	os.Exit(code)
}

// set is a handler set of functions; one that is missing answers 200.
type set struct {
	http       func(context.Context, events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error)
	connect    func(context.Context, events.APIGatewayWebsocketProxyRequest) (events.APIGatewayProxyResponse, error)
	message    func(context.Context, events.APIGatewayWebsocketProxyRequest) (events.APIGatewayProxyResponse, error)
	disconnect func(context.Context, events.APIGatewayWebsocketProxyRequest)
}

func (s set) HTTP(ctx context.Context, e events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error) {
	if s.http == nil {
		return events.APIGatewayV2HTTPResponse{StatusCode: 200, Body: "ok"}, nil
	}
	return s.http(ctx, e)
}

func (s set) WebSocket(
	ctx context.Context, e events.APIGatewayWebsocketProxyRequest,
) (events.APIGatewayProxyResponse, error) {
	ok := events.APIGatewayProxyResponse{StatusCode: 200}
	switch e.RequestContext.EventType {
	case "CONNECT":
		if s.connect != nil {
			return s.connect(ctx, e)
		}
	case "MESSAGE":
		if s.message != nil {
			return s.message(ctx, e)
		}
	case "DISCONNECT":
		if s.disconnect != nil {
			s.disconnect(ctx, e)
		}
	}
	return ok, nil
}

// echo answers every frame with itself.
func echo(_ context.Context, e events.APIGatewayWebsocketProxyRequest) (events.APIGatewayProxyResponse, error) {
	return events.APIGatewayProxyResponse{StatusCode: 200, Body: e.Body}, nil
}

// running is a server on a port of its own.
type running struct {
	*emulator.Server
	addr     string
	endpoint string
	stop     func()
}

// start runs a server with one API at /socket.io/ until the test ends.
func start(t *testing.T, l emulator.Limits, sets ...emulator.Handlers) *running {
	t.Helper()
	return startAPI(t, emulator.Config{Limits: l}, emulator.API{Path: "/socket.io/", Sets: sets})
}

// startAPI runs a server with an API; the configuration lacks the endpoint.
func startAPI(t *testing.T, c emulator.Config, api emulator.API) *running {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := listener.Addr().String()
	r := &running{addr: addr, endpoint: "http://" + addr + "/local"}
	c.Endpoint = r.endpoint
	r.Server = emulator.New(c)
	r.Route(api)
	served := make(chan error, 1)
	go func() { served <- r.Serve(listener) }()
	stopped := false
	r.stop = func() {
		if stopped {
			return
		}
		stopped = true
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := r.Shutdown(ctx); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		if err := <-served; err != nil {
			t.Errorf("Serve: %v", err)
		}
	}
	t.Cleanup(r.stop)
	return r
}

// client is a WebSocket client that sees frames.
type client struct {
	t    *testing.T
	conn net.Conn
	br   *bufio.Reader
}

// dial opens a WebSocket; the query may be empty.
func (r *running) dial(t *testing.T, query string) *client {
	t.Helper()
	c, err := r.tryDial(t, query)
	if err != nil {
		t.Fatalf("dial: %v", err)
	}
	return c
}

func (r *running) tryDial(t *testing.T, query string) (*client, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, br, _, err := ws.Dial(ctx, "ws://"+r.addr+"/socket.io/?"+query)
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { conn.Close() })
	if br == nil {
		br = bufio.NewReader(conn)
	}
	return &client{t: t, conn: conn, br: br}, nil
}

// send writes a frame as a client does: masked.
func (c *client) send(op ws.OpCode, final bool, payload string) {
	c.t.Helper()
	if err := ws.WriteFrame(c.conn, ws.MaskFrame(ws.NewFrame(op, final, []byte(payload)))); err != nil {
		c.t.Logf("send: %v", err) // the server may have closed already; the test looks at what it reads
	}
}

func (c *client) text(payload string) { c.t.Helper(); c.send(ws.OpText, true, payload) }

// frame reads the next frame.
func (c *client) frame() (ws.OpCode, string) {
	c.t.Helper()
	c.conn.SetReadDeadline(time.Now().Add(patience))
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

// want reads a frame that must be this one.
func (c *client) want(op ws.OpCode, payload string) {
	c.t.Helper()
	gotOp, got := c.frame()
	if gotOp != op || got != payload {
		c.t.Fatalf("frame = %v %q, want %v %q", gotOp, short(got), op, short(payload))
	}
}

// wantClose reads frames up to a close frame, answers it, and expects the end of the connection.
func (c *client) wantClose(code int) {
	c.t.Helper()
	for {
		op, p := c.frame()
		if op != ws.OpClose {
			continue
		}
		got := 1005
		if len(p) >= 2 {
			got = int(binary.BigEndian.Uint16([]byte(p)))
		}
		if got != code {
			c.t.Fatalf("close code = %d (%q), want %d", got, p, code)
		}
		break
	}
	c.send(ws.OpClose, true, "")
	c.wantEOF()
}

func (c *client) wantEOF() {
	c.t.Helper()
	c.conn.SetReadDeadline(time.Now().Add(patience))
	if b, err := c.br.ReadByte(); !errors.Is(err, io.EOF) && !isReset(err) {
		c.t.Fatalf("after close: byte %d, error %v, want the end", b, err)
	}
	c.conn.Close()
}

func isReset(err error) bool { return err != nil && strings.Contains(err.Error(), "reset") }

func short(s string) string {
	if len(s) > 80 {
		return fmt.Sprintf("%s... (%d bytes)", s[:80], len(s))
	}
	return s
}

// receive takes a value from a channel that must have one soon.
func receive[T any](t *testing.T, what string, ch <-chan T) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(patience):
		t.Fatalf("no %s within %s", what, patience)
		panic("unreachable")
	}
}

// get does a request and returns status, headers and body.
func do(t *testing.T, method, url, contentType, body string) (int, http.Header, string) {
	t.Helper()
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, res.Header, string(b)
}
