package serve

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"
)

// get is an event of the HTTP API.
func get(path, query, host string) string {
	e := events.APIGatewayV2HTTPRequest{Version: "2.0", RawPath: path, RawQueryString: query}
	e.RequestContext.HTTP.Method = "GET"
	e.RequestContext.HTTP.Path = path
	e.RequestContext.DomainName = host
	b, err := json.Marshal(e)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func TestPolling(t *testing.T) {
	w := newWorld(t)
	h := w.start(testApps.Polling)
	res := invoke[events.APIGatewayV2HTTPResponse](t, h, get("/socket.io/", "EIO=4&transport=polling", ""))
	if res.StatusCode != 200 || !strings.HasPrefix(res.Body, `0{"sid":"`) {
		t.Errorf("handshake: %+v", res)
	}
	if got := w.messages("heartbeat"); len(got) != 1 || !strings.Contains(got[0], `"holder":"`) {
		t.Errorf("the heartbeat was sent %q", got)
	}
	res = invoke[events.APIGatewayV2HTTPResponse](t, h, get("/socket.io/", "EIO=4&transport=polling", ""))
	if got := w.messages("heartbeat"); res.StatusCode != 200 || len(got) != 0 {
		t.Errorf("second handshake: %d, heartbeat %q", res.StatusCode, got)
	}
	res = invoke[events.APIGatewayV2HTTPResponse](t, h, get("/socket.io/", "EIO=4&transport=polling&sid=unknown", ""))
	if res.StatusCode != 400 || !strings.Contains(res.Body, "Session ID unknown") {
		t.Errorf("unknown session: %+v", res)
	}
	if res = invoke[events.APIGatewayV2HTTPResponse](
		t, h, `{"order":7}`,
	); res.StatusCode != 500 ||
		!strings.Contains(w.log.String(), "event not served") {
		t.Errorf("no event: %+v, log %s", res, w.log)
	}
}

// A queue that is down costs the client nothing, and the next request tries again.
func TestPollingWithoutHeartbeat(t *testing.T) {
	w := newWorld(t)
	w.down = true
	h := w.start(testApps.Polling)
	handshake := get("/socket.io/", "EIO=4&transport=polling", "")
	if res := invoke[events.APIGatewayV2HTTPResponse](
		t, h, handshake,
	); res.StatusCode != 200 ||
		!strings.Contains(w.log.String(), "heartbeat not started") {
		t.Errorf("%+v, log %s", res, w.log)
	}
	w.mu.Lock()
	w.down = false
	w.mu.Unlock()
	invoke[events.APIGatewayV2HTTPResponse](t, h, handshake)
	if got := w.messages("heartbeat"); len(got) != 1 {
		t.Errorf("the heartbeat was sent %q", got)
	}
}

// At the host of API Gateway the path of a stage that has a name begins with it.
func TestNamedStage(t *testing.T) {
	w := newWorld(t)
	h := w.start(testApps.Polling)
	for path, want := range map[string]string{
		"/prod/socket.io/":    `0{"sid":"`,
		"/socket.io/":         `0{"sid":"`, // at a domain of one's own
		"/prod/nonstick.json": `{"forceBase64":true}`,
		"/prod/":              "<title>Nonstick chat</title>",
		"/prod":               "<title>Nonstick chat</title>",
	} {
		var e events.APIGatewayV2HTTPRequest
		if err := json.Unmarshal([]byte(get(path, "EIO=4&transport=polling", "")), &e); err != nil {
			t.Fatal(err)
		}
		e.RequestContext.Stage = "prod"
		event, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		res := invoke[events.APIGatewayV2HTTPResponse](t, h, string(event))
		body := res.Body
		if res.IsBase64Encoded {
			raw, err := base64.StdEncoding.DecodeString(body)
			if err != nil {
				t.Fatal(err)
			}
			body = string(raw)
		}
		if res.StatusCode != 200 || !strings.Contains(body, want) {
			t.Errorf("%s: %d %.200s", path, res.StatusCode, body)
		}
	}
}

func TestPage(t *testing.T) {
	w := newWorld(t)
	h := w.start(testApps.Polling)
	tests := []struct {
		path   string
		status int
		kind   string
		part   string
	}{
		{"/", 200, "text/html; charset=utf-8", "<title>Nonstick chat</title>"},
		{"/style.css", 200, "text/css; charset=utf-8", "{"},
		{"/client/socket.io.min.js", 404, "text/plain; charset=utf-8", "not found"},
		{"/nothing", 404, "text/plain; charset=utf-8", "not found"},
	}
	if res := invoke[events.APIGatewayV2HTTPResponse](
		t, h, get("/socket.io/socket.io.js", "", ""),
	); res.StatusCode != 404 || !strings.Contains(res.Body, "npm install socket.io-client") {
		t.Errorf("the client, which is not there: %d %s", res.StatusCode, res.Body)
	}
	for _, tt := range tests {
		t.Run(tt.path, func(t *testing.T) {
			res := invoke[events.APIGatewayV2HTTPResponse](t, h, get(tt.path, "", ""))
			body, err := base64.StdEncoding.DecodeString(res.Body)
			if err != nil || !res.IsBase64Encoded || res.StatusCode != tt.status ||
				res.Headers["Content-Type"] != tt.kind ||
				!strings.Contains(string(body), tt.part) {
				t.Errorf("%d %v %.200s %v", res.StatusCode, res.Headers, body, err)
			}
		})
	}
	if got := w.messages("heartbeat"); len(got) != 0 {
		t.Errorf("a page started the heartbeat: %q", got)
	}
	if res := invoke[events.APIGatewayV2HTTPResponse](t, h, get("//[", "%", "")); res.StatusCode < 300 {
		t.Errorf("a path that is none: %+v", res)
	}
}

// At localdev the two are apart if their ports are.
func TestPageOfTwoPorts(t *testing.T) {
	for page, want := range map[string]bool{
		"127.0.0.1:3000": true, "127.0.0.1:3001": false, "localhost:3001": false, "chat.example.com": true,
	} {
		if got := apart(&url.URL{Scheme: "http", Host: "127.0.0.1:3001", Path: "/v1"}, page); got != want {
			t.Errorf("page at %s: apart = %v, want %v", page, got, want)
		}
	}
}

func TestPageIsToldWhereTheWebSocketIs(t *testing.T) {
	w := newWorld(t)
	h := w.start(testApps.Polling)
	tests := map[string]string{
		"http.execute-api.eu-central-1.amazonaws.com": `{"forceBase64":true,"transportOptions":{"websocket":` +
			`{"hostname":"ws.execute-api.eu-central-1.amazonaws.com","path":"/v1"}}}`,
		"chat.example.com": `{"forceBase64":true}`,
		"127.0.0.1:3000":   `{"forceBase64":true}`,
	}
	for host, want := range tests {
		if res := invoke[events.APIGatewayV2HTTPResponse](
			t, h, get("/nonstick.json", "", host),
		); res.StatusCode != 200 ||
			res.Body != want {
			t.Errorf("%s: %d %s, want %s", host, res.StatusCode, res.Body, want)
		}
	}
}

// Where pushes take another way, clients do not.
func TestPageIsToldTheAPIAndNotTheWayOfPushes(t *testing.T) {
	w := newWorld(t)
	w.env["NONSTICK_WEBSOCKET_URL"] = "wss://ws.execute-api.eu-central-1.amazonaws.com/v1"
	w.env["NONSTICK_MANAGEMENT_ENDPOINT"] = "https://push.example.com/ws"
	res := invoke[events.APIGatewayV2HTTPResponse](
		t, w.start(testApps.Polling), get("/nonstick.json", "", "http.execute-api.eu-central-1.amazonaws.com"),
	)
	if !strings.Contains(res.Body, `"hostname":"ws.execute-api.eu-central-1.amazonaws.com","path":"/v1"`) {
		t.Errorf("the page is told %s", res.Body)
	}
}
