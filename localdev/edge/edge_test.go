package edge_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"

	"github.com/nonstick-io/nonstick/localdev/edge"
)

// pick sends what asks for b there, and marks what it has seen.
const pick = `import cf from 'cloudfront';
let runs = 0;
async function handler(event) {
  const request = event.request;
  request.headers['x-runs'] = { value: String(++runs) };
  request.headers['x-viewer'] = { value: event.viewer.ip };
  request.headers['x-sees'] = { value: Object.keys(request.headers).sort().join(' ') };
  if (request.querystring.to && request.querystring.to.value === 'b') {
    cf.selectRequestOriginById('b');
    request.uri = '/stage';
  }
  if (request.uri === '/wrong') cf.selectRequestOriginById('c');
  if (request.uri === '/throws') throw new Error('oh');
  if (request.uri === '/for-ever') for (;;) {}
  if (request.uri === '/nothing') return undefined;
  if (request.uri === '/hidden') request.headers['x-edge-own'] = { value: 'mine' };
  if (request.uri === '/answer') return { statusCode: 302, headers: { location: { value: '/there' } } };
  if (request.querystring.drop) delete request.querystring.drop;
  return request;
}`

// tell is an origin that says what it was asked.
func tell(name string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		_, _ = fmt.Fprintf(
			w,
			"%s %s %s host=%v key=%s runs=%s viewer=%s sees=%q for=%s cookie=%q body=%d",
			name,
			r.Method,
			r.URL,
			!strings.HasPrefix(r.Host, "front"),
			r.Header.Get("X-Key"),
			r.Header.Get("X-Runs"),
			r.Header.Get(
				"X-Viewer",
			),
			r.Header.Get("X-Sees"),
			r.Header.Get("X-Forwarded-For"),
			r.Header.Get("Cookie"),
			len(body),
		)
	})
}

func serve(t *testing.T, code string, a, b http.Handler) *httptest.Server {
	t.Helper()
	originA, originB := httptest.NewServer(a), httptest.NewServer(b)
	t.Cleanup(originA.Close)
	t.Cleanup(originB.Close)
	d, err := edge.New(edge.Config{
		ID: "test", Default: "a", Function: code, Origins: []edge.Origin{
			{
				ID:       "a",
				URL:      originA.URL,
				Headers:  map[string]string{"x-key": "secret"},
				ReadTime: 200 * time.Millisecond,
			},
			{ID: "b", URL: originB.URL, Headers: map[string]string{"x-key": "secret"}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(d)
	t.Cleanup(s.Close)
	return s
}

func ask(t *testing.T, method, url string, header http.Header, body string) (int, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Host = "front.example.com"
	for k, v := range header {
		r.Header[k] = v
	}
	c := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(text)
}

// A request goes where the function says, once, without its Host and with the origin's headers.
func TestOrigins(t *testing.T) {
	s := serve(t, pick, tell("a"), tell("b"))
	forged := http.Header{
		"X-Key":           {"forged"},
		"X-Viewer":        {"forged"},
		"Cookie":          {"c=1; d=2"},
		"X-Forwarded-For": {"192.0.2.1"},
	}
	for _, c := range []struct{ method, path, want string }{
		{"GET", "/p?x=1&y=%20&x=2", `a GET /p?x=1&y=%20&x=2 host=true key=secret runs=1 viewer=127.0.0.1`},
		{"GET", "/p?to=b&z=1", `b GET /stage?to=b&z=1 host=true key=secret runs=1`},
		{"POST", "/p%2Fq?drop=1&k=v", `a POST /p%2Fq?k=v host=true`},
		{"DELETE", "/p", `a DELETE /p host=true`},
	} {
		status, got := ask(t, c.method, s.URL+c.path, forged, map[string]string{"POST": "0123456789"}[c.method])
		if status != 200 || !strings.HasPrefix(got, c.want) {
			t.Errorf("%s %s: %d %s", c.method, c.path, status, got)
		}
		if !strings.Contains(got, `for=192.0.2.1, 127.0.0.1 cookie="c=1; d=2"`) {
			t.Errorf("%s %s: %s", c.method, c.path, got)
		}
		if c.method == "POST" && !strings.HasSuffix(got, "body=10") {
			t.Errorf("the body: %s", got)
		}
	}
}

// What a function does wrong is an error page of CloudFront.
func TestFunctionErrors(t *testing.T) {
	s := serve(t, pick, tell("a"), tell("b"))
	for path, want := range map[string]int{
		"/throws": 503, "/for-ever": 503, "/wrong": 502, "/nothing": 502, "/hidden": 502, "/answer": 302,
	} {
		if status, text := ask(t, "GET", s.URL+path, nil, ""); status != want {
			t.Errorf("%s: %d %s, want %d", path, status, text, want)
		}
	}
	for name, code := range map[string]string{
		"no handler": "const x = 1;", "no code": "function handler(",
		"too large":      strings.Repeat(" ", edge.MaxCode) + pick,
		"another module": "import x from 'other';\nfunction handler(e) { return e.request; }",
	} {
		if _, err := edge.NewFunction(code); !errors.Is(err, edge.ErrCode) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// An origin that does not answer in time is 504, one that is not there 502; none is asked twice.
func TestOriginFails(t *testing.T) {
	var asked atomic.Int64
	s := serve(t, "", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		switch r.URL.Path {
		case "/slow":
			time.Sleep(500 * time.Millisecond)
		case "/cut":
			c, _, _ := http.NewResponseController(w).Hijack()
			_ = c.Close()
		}
	}), tell("b"))
	for path, want := range map[string]int{"/": 200, "/slow": 504, "/cut": 502} {
		asked.Store(0)
		if status, text := ask(t, "GET", s.URL+path, nil, ""); status != want || asked.Load() != 1 {
			t.Errorf("%s: %d %s, asked %d times", path, status, text, asked.Load())
		}
	}
}

// A WebSocket passes both ways, and its end too.
func TestWebSocket(t *testing.T) {
	ended := make(chan error, 1)
	s := serve(t, pick, tell("a"), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/stage" || strings.Contains(r.Header.Get("X-Sees"), "upgrade") {
			http.Error(w, "wrong", http.StatusForbidden)
			return
		}
		c, _, _, err := ws.UpgradeHTTP(r, w)
		if err != nil {
			ended <- err
			return
		}
		for {
			text, err := wsutil.ReadClientText(c)
			if err != nil {
				ended <- err
				return
			}
			_ = wsutil.WriteServerText(c, append([]byte("echo "), text...))
		}
	}))
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	c, early, _, err := ws.Dial(ctx, "ws"+strings.TrimPrefix(s.URL, "http")+"/?to=b")
	if err != nil {
		t.Fatal(err)
	}
	rw := struct {
		io.Reader
		net.Conn
	}{c, c}
	if early != nil {
		rw.Reader = early
	}
	if err := wsutil.WriteClientText(c, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	got, err := wsutil.ReadServerText(readWriter{bufio.NewReader(rw.Reader), c})
	if err != nil || string(got) != "echo hello" {
		t.Fatalf("%q, %v", got, err)
	}
	_ = c.Close()
	select {
	case <-ended:
	case <-ctx.Done():
		t.Error("the origin was not told of the end")
	}
}

type readWriter struct {
	io.Reader
	io.Writer
}
