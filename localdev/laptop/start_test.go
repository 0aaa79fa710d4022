package laptop

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/gobwas/ws"
)

// answering is a server that answers all with the same.
func answering(t *testing.T, status int, body string) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(s.Close)
	return s
}

// What is not DynamoDB is named at the start.
func TestEndpointThatIsNotDynamoDB(t *testing.T) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := "http://" + free.Addr().String()
	free.Close()
	for name, tt := range map[string]struct{ endpoint, want string }{
		"nobody":          {nobody, "no server listens there"},
		"a web server":    {answering(t, 404, "not found").URL, "is not DynamoDB"},
		"a page":          {answering(t, 200, "<html>").URL, "is not DynamoDB"},
		"another service": {answering(t, 400, `{"__type":"UnknownOperationException"}`).URL, "is not DynamoDB"},
		"one of queries":  {answering(t, 400, `{"__type":"InvalidAction"}`).URL, "is not DynamoDB"},
	} {
		t.Run(name, func(t *testing.T) {
			var stderr strings.Builder
			code := run(
				[]string{"--addr", "127.0.0.1:0", "--store", "dynamodb", "--dynamodb-endpoint", tt.endpoint},
				environment{}.lookup, io.Discard, &stderr, make(chan os.Signal),
			)
			if code != exitFailed || !strings.Contains(stderr.String(), "--dynamodb-endpoint "+tt.endpoint) ||
				!strings.Contains(stderr.String(), tt.want) {
				t.Errorf("exit code %d, said %s", code, stderr.String())
			}
		})
	}
}

// What the user gave in vain, and what is missing, is named at the start.
func TestNamedAtTheStart(t *testing.T) {
	p := launch(t, "--table", "abc") // in this folder there is no client for browsers
	for _, want := range []string{"--table has no effect with --store memory", localdev.Apps[0].NoClient} {
		if !strings.Contains(p.stderr.String(), want) {
			t.Errorf("it said %s, want %s", p.stderr, want)
		}
	}
	quiet := launch(t, "--app", "cases")
	if said := quiet.stderr.String(); strings.Contains(said, "level=WARN") {
		t.Errorf("it said %s", said)
	}
}

var webSocketHost = regexp.MustCompile(`WebSocket API on (ws://[0-9.:]+)/([a-z0-9]+)`)

// The page is told the path of the Socket.IO API, if it is another than the client's default.
func TestPageIsToldThePath(t *testing.T) {
	for path, want := range map[string]string{"/socket.io/": "{}", "/live/io/": `{"path":"/live/io/"}`} {
		if status, body := launch(
			t, "--path", path,
		).get(t, "nonstick.json"); status != 200 ||
			strings.TrimSpace(body) != want {
			t.Errorf("--path %s: options of the page = %d %s, want %s", path, status, body, want)
		}
	}
}

// With two hosts each has its API, and nothing of the other's.
func TestTwoHosts(t *testing.T) {
	p := launch(t, "--hosts", "two")
	at := webSocketHost.FindStringSubmatch(p.said)
	if at == nil {
		t.Fatalf("it said %q, and nothing of the second host", p.said)
	}
	webSocket, stage := at[1], "/"+at[2]
	second := &process{url: "http" + strings.TrimPrefix(webSocket, "ws") + "/"}
	if status, body := p.get(
		t, "socket.io/?EIO=4&transport=polling",
	); status != 200 ||
		!strings.HasPrefix(body, `0{"sid":"`) {
		t.Errorf("polling = %d %s", status, body)
	}
	var options struct {
		TransportOptions struct {
			WebSocket struct{ Hostname, Port, Path string }
		}
	}
	_, body := p.get(t, "nonstick.json")
	if err := json.Unmarshal([]byte(body), &options); err != nil {
		t.Fatal(err)
	}
	if o := options.TransportOptions.WebSocket; "ws://"+net.JoinHostPort(o.Hostname, o.Port) != webSocket ||
		o.Path != stage {
		t.Errorf("options of the page = %s", body)
	}
	for url, want := range map[string]int{
		webSocket + stage + "?EIO=4&transport=websocket":          101,
		webSocket + stage + "/?EIO=4&transport=websocket":         101,
		webSocket + "/socket.io/?EIO=4&transport=websocket":       403, // a WebSocket API has no path but its stage
		"ws" + p.url[4:] + "socket.io/?EIO=4&transport=websocket": 400, // the HTTP API has no WebSockets
	} {
		if got := upgrade(t, url); got != want {
			t.Errorf("WebSocket at %s: %d, want %d", url, got, want)
		}
	}
	for _, tt := range []struct {
		host *process
		path string
		want int
	}{
		{second, "socket.io/?EIO=4&transport=polling", 403},
		{second, stage[1:], 403},
		{second, stage[1:] + "/@connections/x", 403}, // not signed
		{p, stage[1:] + "/@connections/x", 404},
		{p, "healthz", 200},
	} {
		if status, body := tt.host.get(t, tt.path); status != tt.want {
			t.Errorf("%s%s = %d %s, want %d", tt.host.url, tt.path, status, body, tt.want)
		}
	}
}

// upgrade asks for a WebSocket and returns the status of the answer.
func upgrade(t *testing.T, url string) int {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	conn, _, _, err := ws.Dial(ctx, url)
	if status, ok := err.(ws.StatusError); ok { //nolint:errorlint // as the package returns it
		return int(status)
	}
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	return http.StatusSwitchingProtocols
}
