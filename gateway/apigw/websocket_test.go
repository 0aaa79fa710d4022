package apigw_test

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/nonstick-io/nonstick/gateway/apigw"
	"github.com/nonstick-io/nonstick/gateway/engine"
	"github.com/nonstick-io/nonstick/internal/engineio"
	"github.com/nonstick-io/nonstick/sessionstore"
)

type wsEvent = events.APIGatewayWebsocketProxyRequest

// conn is the connection of the fixtures: its endpoint is configuration, whatever host the event names.
var conn = sessionstore.Connection{ID: "CONN", Endpoint: endpoint}

// call calls the handler, which must not return an error.
func call(t *testing.T, h *apigw.Handler, e wsEvent) events.APIGatewayProxyResponse {
	t.Helper()
	res, err := h.WebSocket(context.Background(), e)
	if err != nil {
		t.Fatalf("WebSocket returned %v; the platform would write into the connection", err)
	}
	return res
}

func TestConnectMessageDisconnect(t *testing.T) {
	g, q := newFake(), &fakeQueue{}
	h := handler(g, q, nil)
	if res := call(t, h, fixture[wsEvent](t, "ws_connect.json")); res.StatusCode != 200 || res.Body != "" {
		t.Errorf("$connect = %+v", res)
	}
	if want := []engine.Step{{Kind: engine.StepOpen, Conn: conn, Session: "NEW"}}; !reflect.DeepEqual(q.steps, want) {
		t.Errorf("queued = %+v, want %+v", q.steps, want)
	}
	want := sessionstore.Handshake{
		Time: time.UnixMilli(1795600800123).
			UTC(),
		Address: "192.0.2.7", URL: "/socket.io/?EIO=4&token=a+b&transport=websocket", Secure: true,
		Query: map[string]string{"EIO": "4", "transport": "websocket", "token": "a b"},
		Headers: map[string]string{
			"host": "ws.example.com", "user-agent": "tester", "x-forwarded-proto": "https",
			"origin": "https://app.example.com",
		},
	}
	if !reflect.DeepEqual(g.handshake, want) {
		t.Errorf("handshake = %+v, want %+v", g.handshake, want)
	}
	if err := h.Step(context.Background(), q.steps[0]); err != nil || !reflect.DeepEqual(g.ran, q.steps) {
		t.Errorf("Step: %v, ran %+v", err, g.ran)
	}
	e := fixture[wsEvent](t, "ws_message.json")
	if res := call(t, h, e); res.StatusCode != 200 || res.Body != `42["hi"]` {
		t.Errorf("$default = %+v, want the reply", res)
	}
	e.Body, e.IsBase64Encoded = "M3Byb2Jl", true
	if res := call(t, h, e); res.Body != "3probe" {
		t.Errorf("$default in base64 = %+v, want 3probe", res)
	}
	if call(t, h, fixture[wsEvent](t, "ws_disconnect.json")); len(g.connections) != 0 {
		t.Errorf("after $disconnect: %v", g.connections)
	}
	if want := (sessionstore.Details{Code: 1001, Description: "Going away"}); g.details != want {
		t.Errorf("details = %+v, want %+v", g.details, want)
	}
}

func TestUpgradeBinds(t *testing.T) {
	g, q := newFake(), &fakeQueue{}
	h := handler(g, q, nil)
	e := fixture[wsEvent](t, "ws_connect.json")
	e.QueryStringParameters = map[string]string{"EIO": "4", "transport": "websocket", "sid": "SESSION"}
	if res := call(t, h, e); res.StatusCode != 200 || g.connections[conn] != "SESSION" || len(q.steps) != 0 {
		t.Errorf("first: %+v, bound %v, queued %v", res, g.connections, q.steps)
	}
	e.RequestContext.ConnectionID = "SECOND"
	if res := call(t, h, e); res.StatusCode != 200 || len(q.steps) != 1 || q.steps[0].Kind != engine.StepClose {
		t.Errorf("second: %+v, queued %v; want it to open, and to be closed then", res, q.steps)
	}
}

func TestUpgradeInTheNameOfPolling(t *testing.T) {
	g, q := newFake(), &fakeQueue{}
	e := fixture[wsEvent](t, "ws_connect.json")
	e.QueryStringParameters = map[string]string{"EIO": "4", "transport": "polling", "sid": "SESSION"}
	res := call(t, handler(g, q, nil), e)
	if want := []engine.Step{
		{Kind: engine.StepClose, Conn: conn},
	}; res.StatusCode != 200 || !reflect.DeepEqual(q.steps, want) ||
		len(g.connections) > 0 {
		t.Errorf(
			"answer = %+v, queued %+v, bound %v; want it to open, and to be closed then", res, q.steps, g.connections,
		)
	}
}

func TestConnectRefusals(t *testing.T) {
	broken := errors.New("broken")
	tests := []struct {
		name   string
		query  map[string]string
		change func(*fakeGateway, *fakeQueue)
		status int
		body   string
	}{
		{"no transport", map[string]string{"EIO": "4"}, nil, 400, "Transport unknown"},
		{
			"unknown session",
			map[string]string{"EIO": "4", "transport": "websocket", "sid": "x"},
			nil, 400,
			"Session ID unknown",
		},
		{
			"overlong session",
			map[string]string{"EIO": "4", "transport": "websocket", "sid": strings.Repeat("x", 3000)},
			nil, 400,
			"Session ID unknown",
		},
		{
			"old protocol",
			map[string]string{"EIO": "3", "transport": "websocket"},
			nil, 400,
			"Unsupported protocol version",
		},
		{"no query at all", nil, nil, 400, "Transport unknown"},
		{
			"refused by the application",
			map[string]string{"EIO": "4", "transport": "websocket"},
			func(g *fakeGateway, _ *fakeQueue) { g.err = engineio.ErrForbidden }, 400, "Forbidden",
		},
		{
			"handshake too large",
			map[string]string{"EIO": "4", "transport": "websocket"},
			func(g *fakeGateway, _ *fakeQueue) { g.err = engineio.ErrHandshakeTooLarge }, 431, "handshake too large",
		},
		{
			"store full",
			map[string]string{"EIO": "4", "transport": "websocket"},
			func(g *fakeGateway, _ *fakeQueue) { g.err = engineio.ErrFull }, 503, "server is full",
		},
		{
			"store broken",
			map[string]string{"EIO": "4", "transport": "websocket"},
			func(g *fakeGateway, _ *fakeQueue) { g.err = broken }, 500, "",
		},
		{
			"queue broken",
			map[string]string{"EIO": "4", "transport": "websocket"},
			func(_ *fakeGateway, q *fakeQueue) { q.err = broken }, 500, "",
		},
		{
			"panic",
			map[string]string{"EIO": "4", "transport": "websocket"},
			func(g *fakeGateway, _ *fakeQueue) { g.panics = true }, 500, "",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g, q := newFake(), &fakeQueue{}
			if tt.change != nil {
				tt.change(g, q)
			}
			e := fixture[wsEvent](t, "ws_connect.json")
			e.QueryStringParameters = tt.query
			res := call(t, handler(g, q, nil), e)
			if res.StatusCode != tt.status || res.Body != tt.body {
				t.Errorf("answer = %d %q, want %d %q", res.StatusCode, res.Body, tt.status, tt.body)
			}
		})
	}
}

func TestMessagesNeverFail(t *testing.T) {
	for name, g := range map[string]*fakeGateway{
		"error":              {err: errors.New("table gone")},
		"panic":              {panics: true},
		"unknown connection": {},
	} {
		t.Run(name, func(t *testing.T) {
			h := handler(g, nil, nil)
			for _, file := range []string{"ws_message.json", "ws_disconnect.json"} {
				if res := call(t, h, fixture[wsEvent](t, file)); res.StatusCode != 200 || res.Body != "" {
					t.Errorf("%s: %+v, want 200 and nothing", file, res)
				}
			}
			e := fixture[wsEvent](t, "ws_message.json")
			e.RequestContext.EventType = "OTHER"
			if res := call(t, h, e); res.StatusCode != 200 || res.Body != "" {
				t.Errorf("unknown type: %+v, want 200 and nothing", res)
			}
			e = fixture[wsEvent](t, "ws_message.json")
			e.Body, e.IsBase64Encoded = "?", true
			if res := call(t, h, e); res.StatusCode != 200 || res.Body != "" {
				t.Errorf("bad base64: %+v, want 200 and nothing", res)
			}
		})
	}
}

func TestStepFailures(t *testing.T) {
	broken := errors.New("broken")
	step := engine.Step{Kind: engine.StepOpen, Conn: conn}
	if err := handler(&fakeGateway{err: broken}, nil, nil).Step(context.Background(), step); !errors.Is(err, broken) {
		t.Errorf("error = %v, want the gateway's, so that the queue tries again", err)
	}
	if err := handler(&fakeGateway{panics: true}, nil, nil).Step(context.Background(), step); err == nil {
		t.Error("a panic was taken for success")
	}
}

// TestSubprotocol: the first subprotocol offered is answered, however the header comes.
func TestSubprotocol(t *testing.T) {
	for _, tt := range []struct {
		name    string
		headers map[string]string
		lines   map[string][]string
		want    string
	}{
		{"none", nil, nil, ""},
		{"one", map[string]string{"Sec-WebSocket-Protocol": "engine.io"}, nil, "engine.io"},
		{"several", map[string]string{"sec-websocket-protocol": " v1.app, v2.app"}, nil, "v1.app"},
		{
			"in several lines",
			map[string]string{"Sec-Websocket-Protocol": "v2.app"},
			map[string][]string{"Sec-Websocket-Protocol": {"v1.app", "v2.app"}},
			"v1.app",
		},
		{"nothing", map[string]string{"Sec-WebSocket-Protocol": ""}, nil, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := handler(newFake(), &fakeQueue{}, func(c *apigw.Config) { c.CORS.Origins = []string{"*"} })
			for range 2 { // the headers of answers without one are shared
				e := fixture[wsEvent](t, "ws_connect.json")
				e.MultiValueHeaders = tt.lines
				for k, v := range tt.headers {
					e.Headers[k] = v
				}
				res := call(t, h, e)
				if got := res.Headers["Sec-WebSocket-Protocol"]; res.StatusCode != 200 || got != tt.want {
					t.Errorf("got %d with %q, want %q", res.StatusCode, got, tt.want)
				}
				if got := res.Headers["Access-Control-Allow-Origin"]; got != "*" {
					t.Errorf("CORS header %q", got)
				}
			}
		})
	}
}
