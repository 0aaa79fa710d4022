package emulator_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/gobwas/ws"

	"github.com/nonstick-io/nonstick/localdev/emulator"
)

type (
	wsEvent  = events.APIGatewayWebsocketProxyRequest
	wsAnswer = events.APIGatewayProxyResponse
)

func TestInboundLimits(t *testing.T) {
	k32 := strings.Repeat("x", 32<<10)
	tests := []struct {
		name   string
		limits emulator.Limits
		send   func(c *client)
		code   int    // 0: the connection lives
		echo   string // what comes back then
	}{
		{"frame of 32 KB", emulator.AWS(), func(c *client) { c.text(k32) }, 0, k32},
		{"frame above 32 KB", emulator.AWS(), func(c *client) { c.text(k32 + "x") }, 1009, ""},
		{"message of 128 KB", emulator.AWS(), func(c *client) { fragments(c, k32, 4) }, 0, strings.Repeat(k32, 4)},
		{"message above 128 KB", emulator.AWS(), func(c *client) { fragments(c, k32, 4, "x") }, 1009, ""},
		{"binary frame", emulator.AWS(), func(c *client) { c.send(ws.OpBinary, true, "\x01") }, 1003, ""},
		{"text that is not UTF-8", emulator.AWS(), func(c *client) { c.text("4\xff") }, 1007, ""},
		{
			"large text that is not UTF-8", emulator.AWS(),
			func(c *client) { c.text(strings.Repeat("x", 9000) + "\xff") }, 1007, "",
		},
		{"continuation of nothing", emulator.AWS(), func(c *client) { c.send(ws.OpContinuation, true, "x") }, 1002, ""},
		{
			"text within a message", emulator.AWS(), func(c *client) { c.send(ws.OpText, false, "a"); c.text("b") },
			1002, "",
		},
		{
			"unmasked frame", emulator.AWS(),
			func(c *client) { _ = ws.WriteFrame(c.conn, ws.NewTextFrame([]byte("x"))) }, 1002, "",
		},
		{"reserved opcode", emulator.AWS(), func(c *client) { c.send(ws.OpCode(3), true, "x") }, 1002, ""},
		{"compressed frame", emulator.AWS(), func(c *client) {
			f := ws.NewTextFrame([]byte("x"))
			f.Header.Rsv = ws.Rsv(true, false, false)
			_ = ws.WriteFrame(c.conn, ws.MaskFrame(f))
		}, 1002, ""},
		{"length with the top bit", emulator.AWS(), func(c *client) {
			_, _ = c.conn.Write([]byte{0x81, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0})
		}, 1009, ""},
		{"huge length, native", emulator.Native(1e6), func(c *client) {
			_, _ = c.conn.Write([]byte{0x81, 0xff, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0})
		}, 1009, ""},
		{
			"message of the limit, native", emulator.Native(50_000),
			func(c *client) { c.text(strings.Repeat("y", 50_000)) }, 0, strings.Repeat("y", 50_000),
		},
		{
			"message above the limit, native", emulator.Native(50_000),
			func(c *client) { c.text(strings.Repeat("y", 50_001)) }, 1009, "",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			closed := make(chan int64, 2)
			s := start(
				t, tt.limits,
				set{
					message:    echo,
					disconnect: func(_ context.Context, e wsEvent) { closed <- e.RequestContext.DisconnectStatusCode },
				},
			)
			c := s.dial(t, "")
			tt.send(c)
			if tt.code == 0 {
				c.want(ws.OpText, tt.echo)
				return
			}
			c.wantClose(tt.code)
			if code := receive(t, "$disconnect", closed); code != int64(tt.code) {
				t.Errorf("$disconnect has status %d, want %d", code, tt.code)
			}
		})
	}
}

// fragments sends a message of n equal parts, and of the rest.
func fragments(c *client, part string, n int, rest ...string) {
	for i := range n {
		op := ws.OpContinuation
		if i == 0 {
			op = ws.OpText
		}
		c.send(op, i == n-1 && len(rest) == 0, part)
	}
	for i, p := range rest {
		c.send(ws.OpContinuation, i == len(rest)-1, p)
	}
}

func TestFragmentsAroundAPing(t *testing.T) {
	s := start(t, emulator.AWS(), set{message: echo})
	c := s.dial(t, "")
	c.send(ws.OpText, false, "4he")
	c.send(ws.OpPing, true, "are you there")
	c.want(ws.OpPong, "are you there")
	c.send(ws.OpContinuation, false, "ll")
	c.send(ws.OpContinuation, true, "o")
	c.want(ws.OpText, "4hello")
}

func TestMessagesComeInOrderOneAtATime(t *testing.T) {
	const n = 500
	var seen []string
	busy := make(chan struct{}, 1)
	take := func(_ context.Context, e wsEvent) (wsAnswer, error) {
		select {
		case busy <- struct{}{}:
			defer func() { <-busy }()
		default:
			t.Error("two messages of one connection at a time")
		}
		seen = append(seen, e.Body)
		return wsAnswer{StatusCode: 200, Body: e.Body}, nil
	}
	s := start(t, emulator.AWS(), set{message: take}, set{message: take}, set{message: take})
	c := s.dial(t, "")
	go func() {
		for i := range n {
			c.text(strconv.Itoa(i))
		}
	}()
	for i := range n {
		c.want(ws.OpText, strconv.Itoa(i))
	}
	if len(seen) != n {
		t.Errorf("handlers saw %d messages, want %d", len(seen), n)
	}
}

func TestSetsTakeTurns(t *testing.T) {
	named := func(name string) set {
		return set{
			message: func(context.Context, wsEvent) (wsAnswer, error) {
				return wsAnswer{StatusCode: 200, Body: name}, nil
			},
		}
	}
	s := start(t, emulator.AWS(), named("a"), named("b"))
	c := s.dial(t, "")
	count := map[string]int{}
	for range 10 {
		c.text("x")
		_, name := c.frame()
		count[name]++
	}
	if count["a"] != 5 || count["b"] != 5 {
		t.Errorf("turns = %v, want 5 each", count)
	}
}

func TestErrorFrame(t *testing.T) {
	quick := emulator.AWS()
	quick.MessageTimeout = 50 * time.Millisecond
	tests := []struct {
		name    string
		limits  emulator.Limits
		message func(context.Context, wsEvent) (wsAnswer, error)
	}{
		{
			"error", emulator.AWS(),
			func(context.Context, wsEvent) (wsAnswer, error) { return wsAnswer{}, errors.New("broken") },
		},
		{"panic", emulator.AWS(), func(context.Context, wsEvent) (wsAnswer, error) { panic("broken") }},
		{"timeout", quick, func(ctx context.Context, _ wsEvent) (wsAnswer, error) {
			<-ctx.Done()
			return wsAnswer{Body: "late"}, nil
		}},
		{"timeout unheard", quick, func(context.Context, wsEvent) (wsAnswer, error) {
			time.Sleep(150 * time.Millisecond)
			return wsAnswer{Body: "late"}, nil
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			id := ""
			s := start(t, tt.limits, set{message: func(ctx context.Context, e wsEvent) (wsAnswer, error) {
				if e.Body == "fine" {
					return echo(ctx, e)
				}
				id = e.RequestContext.RequestID
				conn := e.RequestContext.ConnectionID
				res, err := tt.message(ctx, e)
				if conn == "" {
					t.Error("no connection id")
				}
				return res, err
			}})
			c := s.dial(t, "")
			c.text("bad")
			_, got := c.frame()
			if !strings.HasPrefix(got, `{"message":"Internal server error","connectionId":"`) ||
				!strings.Contains(got, `"requestId":"`) {
				t.Errorf("error frame = %s", got)
			}
			c.text("fine") // the connection lives, and the late answer never comes
			c.want(ws.OpText, "fine")
			if !strings.Contains(got, strconv.Quote(id)) {
				t.Errorf("error frame %s does not name request %s", got, id)
			}
		})
	}
}

func TestMessageDeadline(t *testing.T) {
	l := emulator.AWS()
	l.MessageTimeout = 10 * time.Second
	left := make(chan time.Duration, 1)
	s := start(t, l, set{message: func(ctx context.Context, _ wsEvent) (wsAnswer, error) {
		d, _ := ctx.Deadline()
		left <- time.Until(d)
		return wsAnswer{StatusCode: 200}, nil
	}})
	c := s.dial(t, "")
	for range 3 {
		c.text("x")
		if d := receive(t, "message", left); d < 9*time.Second || d > 10*time.Second {
			t.Errorf("time left = %s, want almost 10s", d)
		}
	}
}

func TestEmptyRouteResponseSendsNothing(t *testing.T) {
	s := start(t, emulator.AWS(), set{message: func(_ context.Context, e wsEvent) (wsAnswer, error) {
		if e.Body == "quiet" {
			return wsAnswer{StatusCode: 200}, nil
		}
		return wsAnswer{StatusCode: 200, Body: "bG91ZA==", IsBase64Encoded: true}, nil
	}})
	c := s.dial(t, "")
	c.text("quiet")
	c.text("loud")
	c.want(ws.OpText, "loud")
}

// The other thing that AWS may do with an empty route response.
func TestEmptyRouteResponseSendsAFrame(t *testing.T) {
	quiet := set{message: func(_ context.Context, e wsEvent) (wsAnswer, error) {
		return wsAnswer{StatusCode: 200, Body: strings.TrimPrefix(e.Body, "quiet")}, nil
	}}
	s := startAPI(
		t, emulator.Config{Limits: emulator.AWS()},
		emulator.API{Path: "/", Sets: []emulator.Handlers{quiet}, EmptyFrames: true},
	)
	c := s.dial(t, "")
	c.text("quiet")
	c.want(ws.OpText, "")
	c.text("loud")
	c.want(ws.OpText, "loud")
}

func TestConnectRefused(t *testing.T) {
	tests := []struct {
		name   string
		answer wsAnswer
		err    error
		status int
		body   string
	}{
		{
			"by status",
			wsAnswer{
				StatusCode: 400, Body: "Session ID unknown", Headers: map[string]string{"Content-Type": "text/html"},
			},
			nil, 400, "Session ID unknown",
		},
		{"by forbidding", wsAnswer{StatusCode: 403, Body: "no"}, nil, 403, "no"},
		{"by error", wsAnswer{}, errors.New("broken"), 502, `{"message":"Internal server error"}` + "\n"},
		{"by no status", wsAnswer{}, nil, 502, `{"message":"Internal server error"}` + "\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := start(t, emulator.AWS(), set{
				connect:    func(context.Context, wsEvent) (wsAnswer, error) { return tt.answer, tt.err },
				disconnect: func(context.Context, wsEvent) { t.Error("$disconnect of a connection that never was") },
			})
			status, _, body := upgrade(t, s, nil)
			if status != tt.status || body != tt.body {
				t.Errorf("answer = %d %q, want %d %q", status, body, tt.status, tt.body)
			}
		})
	}
}

// upgrade asks for a WebSocket by plain HTTP; change may spoil the request.
func upgrade(t *testing.T, s *running, change func(*http.Request)) (int, http.Header, string) {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, "http://"+s.addr+"/socket.io/?EIO=4&a=1&a=2", nil)
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range map[string]string{
		"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
		"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
	} {
		req.Header.Set(k, v)
	}
	if change != nil {
		change(req)
	}
	res, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b := make([]byte, 1000)
	n := 0
	if res.StatusCode != http.StatusSwitchingProtocols {
		n, _ = res.Body.Read(b)
	}
	return res.StatusCode, res.Header, string(b[:n])
}

func TestBadUpgrades(t *testing.T) {
	s := start(t, emulator.AWS(), set{connect: func(context.Context, wsEvent) (wsAnswer, error) {
		t.Error("$connect of a bad handshake")
		return wsAnswer{StatusCode: 200}, nil
	}})
	tests := []struct {
		name   string
		change func(*http.Request)
		status int
	}{
		{"old version", func(r *http.Request) { r.Header.Set("Sec-WebSocket-Version", "8") }, 426},
		{"short key", func(r *http.Request) { r.Header.Set("Sec-WebSocket-Key", "abc") }, 400},
		{"other protocol, which is ignored", func(r *http.Request) { r.Header.Set("Upgrade", "h2c") }, 200},
		{"no connection header", func(r *http.Request) { r.Header.Set("Connection", "keep-alive") }, 400},
		{"post", func(r *http.Request) { r.Method = http.MethodPost }, 400},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if status, _, _ := upgrade(t, s, tt.change); status != tt.status {
				t.Errorf("status = %d, want %d", status, tt.status)
			}
		})
	}
}

func TestConnectEvent(t *testing.T) {
	got := make(chan wsEvent, 1)
	s := start(t, emulator.AWS(), set{connect: func(_ context.Context, e wsEvent) (wsAnswer, error) {
		got <- e
		return wsAnswer{StatusCode: 200, Headers: map[string]string{"X-Seen": "yes"}}, nil
	}})
	status, header, _ := upgrade(
		t, s, func(r *http.Request) { r.Header.Set("User-Agent", "tester"); r.Header.Set("X-Mine", "1") },
	)
	if status != 101 || header.Get("X-Seen") != "yes" {
		t.Errorf("answer = %d %v, want 101 with the handler's header", status, header)
	}
	e := receive(t, "$connect", got)
	c := e.RequestContext
	if c.EventType != "CONNECT" || c.RouteKey != "$connect" || c.Stage != "local" || len(c.ConnectionID) != 16 ||
		c.ConnectedAt == 0 {
		t.Errorf("context = %+v", c)
	}
	if c.Identity.SourceIP != "127.0.0.1" || c.Identity.UserAgent != "tester" || e.Headers["X-Mine"] != "1" ||
		e.Headers["Host"] != s.addr {
		t.Errorf("identity = %+v, headers = %v", c.Identity, e.Headers)
	}
	if e.QueryStringParameters["a"] != "2" || fmt.Sprint(e.MultiValueQueryStringParameters["a"]) != "[1 2]" {
		t.Errorf(
			"query = %v, %v; want the last value, and both", e.QueryStringParameters,
			e.MultiValueQueryStringParameters,
		)
	}
}

func TestDisconnect(t *testing.T) {
	brief := func(idle, life time.Duration) emulator.Limits {
		l := emulator.AWS()
		l.Idle, l.Lifetime = idle, life
		return l
	}
	tests := []struct {
		name   string
		limits emulator.Limits
		end    func(c *client)
		code   int64
		reason string
	}{
		{
			"closed with a code", emulator.AWS(),
			func(c *client) { c.send(ws.OpClose, true, "\x03\xe8bye"); c.wantClose(1000) }, 1000, "bye",
		},
		{
			"closed without a code", emulator.AWS(),
			func(c *client) { c.send(ws.OpClose, true, ""); c.wantClose(1005) }, 1005, "",
		},
		{
			"closed with a bad code", emulator.AWS(),
			func(c *client) { c.send(ws.OpClose, true, "\x00\x01"); c.wantClose(1002) }, 1002, "Invalid close frame",
		},
		{"cut", emulator.AWS(), func(c *client) { c.conn.Close() }, 1006, ""},
		{"idle", brief(60*time.Millisecond, 0), func(c *client) { c.wantClose(1001) }, 1001, "Idle timeout"},
		{"too old", brief(0, 60*time.Millisecond), func(c *client) {
			for range 20 { // traffic does not help
				c.text("x")
			}
			c.wantClose(1001)
		}, 1001, "Going away"},
		{"client does not answer the close", func() emulator.Limits {
			l := brief(60*time.Millisecond, 0)
			l.CloseWait = 30 * time.Millisecond
			return l
		}(), func(c *client) { c.frame(); c.wantEOF() }, 1001, "Idle timeout"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ended := make(chan wsEvent, 2)
			s := start(t, tt.limits, set{disconnect: func(_ context.Context, e wsEvent) { ended <- e }})
			c := s.dial(t, "")
			tt.end(c)
			e := receive(t, "$disconnect", ended).RequestContext
			if e.EventType != "DISCONNECT" || e.RouteKey != "$disconnect" || e.DisconnectStatusCode != tt.code ||
				*e.DisconnectReason != tt.reason {
				t.Errorf(
					"event = %s %s %d %q, want %d %q", e.EventType, e.RouteKey, e.DisconnectStatusCode,
					*e.DisconnectReason, tt.code, tt.reason,
				)
			}
			s.stop()
			if len(ended) > 0 {
				t.Error("$disconnect came twice")
			}
		})
	}
}

func TestTrafficKeepsAConnection(t *testing.T) {
	l := emulator.AWS()
	l.Idle = 300 * time.Millisecond
	s := start(t, l, set{message: echo})
	c := s.dial(t, "")
	for begin := time.Now(); time.Since(begin) < 2*l.Idle; time.Sleep(20 * time.Millisecond) {
		c.text("x")
		c.want(ws.OpText, "x")
	}
	c.wantClose(1001)
}

func TestLargeRouteResponse(t *testing.T) {
	s := start(t, emulator.AWS(), set{message: func(_ context.Context, e wsEvent) (wsAnswer, error) {
		n, _ := strconv.Atoi(e.Body)
		return wsAnswer{StatusCode: 200, Body: strings.Repeat("x", n)}, nil
	}})
	c := s.dial(t, "")
	c.text("131072")
	c.want(ws.OpText, strings.Repeat("x", 128<<10))
	c.text("131073")
	c.wantClose(1009)
}

func TestTextOnlyKeepsBase64(t *testing.T) {
	s := start(t, emulator.AWS(), set{message: echo})
	c := s.dial(t, "")
	c.text("bAQID")
	c.want(ws.OpText, "bAQID")
}
