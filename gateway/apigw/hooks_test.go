package apigw_test

import (
	"context"
	"fmt"
	"net/http"
	"reflect"
	"testing"

	"github.com/nonstick-io/nonstick/gateway/apigw"
	"github.com/nonstick-io/nonstick/gateway/engine"
	"github.com/nonstick-io/nonstick/internal/engineio"
	"github.com/nonstick-io/nonstick/sessionstore"
)

type headersHook = func(context.Context, sessionstore.Handshake, http.Header)

// refusals is a gateway whose hook notes what it is told.
func refusals(err error) (*fakeGateway, *[]engine.ConnectionError) {
	g, told := newFake(), &[]engine.ConnectionError{}
	g.err = err
	g.hooks.ConnectionError = []func(context.Context, engine.ConnectionError){
		func(_ context.Context, e engine.ConnectionError) { *told = append(*told, e) },
	}
	return g, told
}

// Each refusal that Socket.IO tells of is told once, with its request; what is wrong within a session is not.
func TestConnectionError(t *testing.T) {
	type m = map[string]string
	tests := []struct {
		name, method, query string
		fails               error
		status              int
		want                *engine.ConnectionError
	}{
		{"handshake", "GET", "EIO=4&transport=polling", nil, 200, nil},
		{
			"transport", "GET", "EIO=4&transport=tcp", nil, 400,
			&engine.ConnectionError{Code: 0, Message: "Transport unknown", Context: m{"transport": "tcp"}},
		},
		{
			"session", "GET", "EIO=4&transport=polling&sid=none", nil, 400,
			&engine.ConnectionError{Code: 1, Message: "Session ID unknown", Context: m{"sid": "none"}},
		},
		{
			"method", "DELETE", "EIO=4&transport=polling", nil, 400,
			&engine.ConnectionError{Code: 2, Message: "Bad handshake method", Context: m{"method": "DELETE"}},
		},
		{
			"no upgrade", "GET", "EIO=4&transport=websocket", nil, 400,
			&engine.ConnectionError{Code: 3, Message: "Bad request", Context: m{"name": "TRANSPORT_HANDSHAKE_ERROR"}},
		},
		{
			"another transport", "GET", "EIO=4&transport=websocket&sid=SESSION", nil, 400,
			&engine.ConnectionError{Code: 3, Message: "Bad request", Context: m{
				"name": "TRANSPORT_MISMATCH", "transport": "websocket", "previousTransport": "polling",
			}},
		},
		{
			"another protocol in a session", "GET", "EIO=3&transport=polling&sid=SESSION", nil, 400,
			&engine.ConnectionError{Code: 3, Message: "Bad request", Context: m{
				"name": "PROTOCOL_MISMATCH", "protocol": "3",
			}},
		},
		{
			"no id", "GET", "EIO=4&transport=polling", fmt.Errorf("%w: a reason", engineio.ErrIDGeneration), 400,
			&engine.ConnectionError{Code: 3, Message: "Bad request", Context: m{
				"name": "ID_GENERATION_ERROR", "error": "engineio: Bad request: a reason",
			}},
		},
		{
			"forbidden", "GET", "EIO=4&transport=polling", engineio.Forbidden("go away"), 403,
			&engine.ConnectionError{Code: 4, Message: "Forbidden", Context: m{"message": "go away"}},
		},
		{
			"protocol", "GET", "EIO=3&transport=polling", nil, 400,
			&engine.ConnectionError{Code: 5, Message: "Unsupported protocol version", Context: m{"protocol": "3"}},
		},
		{
			"full", "GET", "EIO=4&transport=polling", engineio.ErrFull, 503,
			&engine.ConnectionError{Code: -1, Message: "server is full", Context: m{"message": "server is full"}},
		},
		{"overlap", "GET", "EIO=4&transport=polling&sid=SESSION", engineio.ErrOverlap, 400, nil},
		{"method in a session", "PUT", "EIO=4&transport=polling&sid=SESSION", nil, 500, nil},
		{"internal", "GET", "EIO=4&transport=polling", context.Canceled, 500, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g, told := refusals(tt.fails)
			res := serve(t, handler(g, nil, nil), request(tt.method, tt.query, "", "x-mine", "1"))
			if res.StatusCode != tt.status {
				t.Errorf("status %d, want %d", res.StatusCode, tt.status)
			}
			checkTold(t, *told, tt.want)
		})
	}
}

func checkTold(t *testing.T, told []engine.ConnectionError, want *engine.ConnectionError) {
	t.Helper()
	if want == nil {
		if len(told) > 0 {
			t.Errorf("told %+v, want nothing", told)
		}
		return
	}
	if len(told) != 1 {
		t.Fatalf("told %d times", len(told))
	}
	got := told[0]
	if got.Handshake.Headers["x-mine"] != "1" || got.Handshake.Query["transport"] == "" {
		t.Errorf("handshake = %+v", got.Handshake)
	}
	got.Handshake = sessionstore.Handshake{}
	if !reflect.DeepEqual(got, *want) {
		t.Errorf("told %+v, want %+v", got, *want)
	}
}

// The same for WebSockets, of which one page's may be refused by its origin.
func TestConnectionErrorOfAWebSocket(t *testing.T) {
	type m = map[string]string
	tests := []struct {
		name   string
		query  m
		origin string
		want   *engine.ConnectionError
	}{
		{"opens", m{"EIO": "4", "transport": "websocket"}, "", nil},
		{
			"session",
			m{"EIO": "4", "transport": "websocket", "sid": "none"},
			"",
			&engine.ConnectionError{Code: 1, Message: "Session ID unknown", Context: m{"sid": "none"}},
		},
		{
			"protocol",
			m{"EIO": "3", "transport": "websocket"},
			"",
			&engine.ConnectionError{Code: 5, Message: "Unsupported protocol version", Context: m{"protocol": "3"}},
		},
		{
			"origin",
			m{"EIO": "4", "transport": "websocket"},
			"https://other.example",
			&engine.ConnectionError{Code: 4, Message: "Forbidden", Context: m{"message": "Forbidden"}},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g, told := refusals(nil)
			h := handler(g, &fakeQueue{}, func(c *apigw.Config) {
				c.CORS.Origins = []string{"https://app.example.com"}
			})
			e := fixture[wsEvent](t, "ws_connect.json")
			e.QueryStringParameters = tt.query
			e.Headers["x-mine"] = "1"
			if tt.origin != "" {
				e.Headers["Origin"] = tt.origin
			}
			call(t, h, e)
			checkTold(t, *told, tt.want)
		})
	}
}

// Hooks see the headers of the answer and change them, in order; the shared ones stay as they are.
func TestHeaders(t *testing.T) {
	g := newFake()
	g.hooks.InitialHeaders = []headersHook{func(_ context.Context, h sessionstore.Handshake, header http.Header) {
		header.Add("Set-Cookie", "a="+h.Query["token"])
		header.Add("Set-Cookie", "b=2")
		header.Set("X-Order", header.Get("Content-Type"))
	}}
	g.hooks.Headers = []headersHook{
		func(_ context.Context, _ sessionstore.Handshake, header http.Header) {
			header.Add("X-Order", "second")
			header.Del("Cache-Control")
		},
		func(_ context.Context, _ sessionstore.Handshake, header http.Header) {
			header.Set("X-Lost", "1")
			panic("a mistake")
		},
		func(_ context.Context, _ sessionstore.Handshake, header http.Header) {
			header["Bad name"] = []string{"1"}
			header["X-Split"] = []string{"a\r\nB: c"}
			header["X-None"] = nil
		},
	}
	h := handler(g, &fakeQueue{}, nil)
	const begin = "EIO=4&transport=polling"
	first := serve(t, h, request("GET", begin+"&token=t", ""))
	want := map[string]string{
		"Content-Type": "text/plain; charset=UTF-8", "X-Order": "text/plain; charset=UTF-8, second",
	}
	if !reflect.DeepEqual(first.Headers, want) || !reflect.DeepEqual(first.Cookies, []string{"a=t", "b=2"}) {
		t.Errorf("first answer: %+v %q", first.Headers, first.Cookies)
	}
	post := serve(t, h, request("POST", begin+"&sid=SESSION", "4hi"))
	if w := map[string]string{"Content-Type": "text/html", "X-Order": "second"}; !reflect.DeepEqual(post.Headers, w) {
		t.Errorf("POST: %+v", post.Headers)
	}
	refused := serve(t, h, request("GET", begin+"&sid=none", ""))
	if w := map[string]string{"Content-Type": "application/json"}; !reflect.DeepEqual(refused.Headers, w) {
		t.Errorf("refused: %+v", refused.Headers)
	}
	if len(g.panicked) != 2 {
		t.Errorf("panicked: %q", g.panicked)
	}
	ws := call(t, h, fixture[wsEvent](t, "ws_connect.json"))
	if ws.StatusCode != 200 || ws.Headers["Set-Cookie"] != "a=a b" || ws.Headers["X-Order"] != ", second" {
		t.Errorf("WebSocket: %d %+v", ws.StatusCode, ws.Headers)
	}
	g.hooks = engine.RequestHooks{}
	if again := serve(t, h, request("GET", begin, "")); again.Headers["Cache-Control"] != "no-store" {
		t.Errorf("the shared headers were changed: %+v", again.Headers)
	}
}
