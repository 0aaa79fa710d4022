package serve

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"

	"github.com/nonstick-io/nonstick/sessionstore"
)

const edgeKey = "5d0c6a52-6f1b-4c5e-9f0e-0a1b2c3d4e5f"

// withHeaders puts headers into an event.
func withHeaders(t *testing.T, event string, headers map[string]string) string {
	t.Helper()
	var e map[string]any
	if err := json.Unmarshal([]byte(event), &e); err != nil {
		t.Fatal(err)
	}
	e["headers"] = headers
	b, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// through are the headers of a request that came through the distribution.
func through() map[string]string {
	return map[string]string{
		"x-nonstick-edge": edgeKey, "x-nonstick-viewer": "192.0.2.7", "x-forwarded-host": "chat.example.com",
		"host": "api.example.com",
	}
}

// With NONSTICK_EDGE=only both APIs refuse what did not come through the distribution; with on they take it.
func TestEdge(t *testing.T) {
	for _, c := range []struct {
		edge    string
		headers map[string]string
		polling int // status
		connect int
	}{
		{"off", nil, 200, 200},
		{"off", through(), 200, 200},
		{"on", nil, 200, 200},
		{"on", through(), 200, 200},
		{"only", through(), 200, 200},
		{"only", nil, 403, 403},
		{"only", map[string]string{"x-nonstick-edge": "forged"}, 403, 403},
	} {
		w := newWorld(t)
		w.env["NONSTICK_EDGE"], w.env["NONSTICK_EDGE_KEY"] = c.edge, edgeKey
		for path, want := range map[string]int{"/socket.io/": c.polling, "/": c.polling} {
			event := withHeaders(t, get(path, "EIO=4&transport=polling", "api.example.com"), c.headers)
			res := invoke[events.APIGatewayV2HTTPResponse](t, w.start(testApps.Polling), event)
			if (res.StatusCode == 403) != (want == 403) {
				t.Errorf("%s, %v: %s is answered with %d", c.edge, c.headers, path, res.StatusCode)
			}
		}
		event := withHeaders(t, frame("CONNECT", "c1", ""), c.headers)
		res := invoke[events.APIGatewayProxyResponse](t, w.start(testApps.WebSocket), event)
		if res.StatusCode != c.connect {
			t.Errorf("%s, %v: $connect is answered with %d", c.edge, c.headers, res.StatusCode)
		}
		if c.connect == 403 && len(w.messages("open")) != 0 {
			t.Error("a connection that is refused has an open packet queued")
		}
	}
}

// A distribution without a key is a mistake of the configuration, which is said at the start.
func TestEdgeNeedsItsKey(t *testing.T) {
	for _, c := range []struct{ edge, want string }{
		{"on", "NONSTICK_EDGE_KEY is not set"}, {"only", "NONSTICK_EDGE_KEY is not set"}, {"maybe", "NONSTICK_EDGE"},
	} {
		w := newWorld(t)
		w.env["NONSTICK_EDGE"] = c.edge
		p := w.parts()
		testApps.Polling(p)
		if err := p.Env.Err(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.edge, err, c.want)
		}
	}
}

// What a handshake keeps is what the client sent, and what CloudFront knows of it.
func TestEdgeHandshake(t *testing.T) {
	w := newWorld(t)
	w.env["NONSTICK_EDGE"], w.env["NONSTICK_EDGE_KEY"] = "on", edgeKey
	event := withHeaders(t, get("/socket.io/", "EIO=4&transport=polling", "api.example.com"), through())
	res := invoke[events.APIGatewayV2HTTPResponse](t, w.start(testApps.Polling), event)
	h, err := w.store.Handshake(t.Context(), sidOf(t, res.Body))
	if err != nil {
		t.Fatal(err)
	}
	if h.Address != "192.0.2.7" || h.Headers["host"] != "chat.example.com" {
		t.Errorf("address %q, host %q", h.Address, h.Headers["host"])
	}
	for name, value := range h.Headers {
		if value == edgeKey || strings.HasPrefix(name, "x-nonstick") {
			t.Errorf("%s is kept", name)
		}
	}
}

// sidOf is the session that an open packet begins.
func sidOf(t *testing.T, open string) sessionstore.SessionID {
	t.Helper()
	var h struct{ SID sessionstore.SessionID }
	if err := json.Unmarshal([]byte(open[1:]), &h); err != nil {
		t.Fatal(err)
	}
	return h.SID
}
