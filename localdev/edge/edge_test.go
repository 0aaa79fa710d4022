package edge_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nonstick-io/nonstick/localdev/edge"
)

// pick sends what asks for b there, and marks what it has seen.
const pick = `import cf from 'cloudfront';
let runs = 0;
async function handler(event) {
  const request = event.request;
  request.headers['x-sees'] = { value: Object.keys(request.headers).sort().join(' ') };
  request.headers['x-runs'] = { value: String(++runs) };
  request.headers['x-viewer'] = { value: event.viewer.ip };
  if (request.querystring.to && request.querystring.to.value === 'b') {
    cf.selectRequestOriginById('b');
    request.uri = '/stage';
  }
  if (request.querystring.drop) delete request.querystring.drop;
  return request;
}`

// everything that CloudFront can pass on.
var everything = []string{"GET", "HEAD", "OPTIONS", "PUT", "PATCH", "POST", "DELETE"}

// tell is an origin that says what it was asked.
func tell(name string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		_, _ = fmt.Fprintf(w, "%s %s %s body=%d\n", name, r.Method, r.URL, len(body))
		_, _ = fmt.Fprintf(w, "Host: %t\n", !strings.HasPrefix(r.Host, "front"))
		_ = r.Header.Write(w)
	})
}

// front is a distribution with the origins a, which has to answer in 200 ms, and b.
func front(t *testing.T, code string, a, b http.Handler, change ...func(*edge.Config)) *httptest.Server {
	t.Helper()
	originA, originB := httptest.NewServer(a), httptest.NewServer(b)
	t.Cleanup(originA.Close)
	t.Cleanup(originB.Close)
	key := map[string]string{"x-key": "secret"}
	c := edge.Config{
		ID: "TEST", Default: "a", Function: code, Methods: everything, Origins: []edge.Origin{
			{ID: "a", URL: originA.URL, Headers: key, Attempts: 1, ReadTime: 200 * time.Millisecond},
			{ID: "b", URL: originB.URL, Headers: key, Attempts: 1},
		},
	}
	for _, f := range change {
		f(&c)
	}
	d, err := edge.New(c)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(d)
	t.Cleanup(s.Close)
	return s
}

// ask sends a request for front.example.com.
func ask(t *testing.T, method, url string, header http.Header, body io.Reader) (*http.Response, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, url, body)
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
	return res, string(text)
}

// A request goes where the function says, without its Host.
func TestOrigins(t *testing.T) {
	s := front(t, pick, tell("a"), tell("b"))
	for _, c := range []struct{ method, path, body, want string }{
		{"GET", "", "", "a GET / body=0"},
		{"GET", "/p?x=1&y=%20&x=2", "", "a GET /p?x=1&y=%20&x=2 body=0"},
		{"GET", "/p?to=b&z=1", "", "b GET /stage?to=b&z=1 body=0"},
		{"POST", "/p%2Fq?drop=1&k=v", "0123456789", "a POST /p%2Fq?k=v body=10"},
		{"PUT", "/p", "", "a PUT /p body=0"},
		{"DELETE", "/p", "", "a DELETE /p body=0"},
		{"OPTIONS", "/p", "", "a OPTIONS /p body=0"},
	} {
		var body io.Reader
		if c.body != "" {
			body = strings.NewReader(c.body)
		}
		res, got := ask(t, c.method, s.URL+c.path, nil, body)
		if res.StatusCode != 200 || !strings.HasPrefix(got, c.want+"\nHost: true\n") {
			t.Errorf("%s %s: %d %s, want %s", c.method, c.path, res.StatusCode, got, c.want)
		}
	}
	if _, err := edge.New(edge.Config{Default: "a"}); err == nil {
		t.Error("a default that is no origin is taken")
	}
	if _, err := edge.New(edge.Config{Default: "a", Origins: []edge.Origin{{ID: "a", URL: "nowhere"}}}); err == nil {
		t.Error("an origin that is nowhere is taken")
	}
}

// What of the headers the function sees, what the origin gets, and what the viewer gets back.
func TestHeaders(t *testing.T) {
	for name, code := range map[string]string{"without a function": "", "with one": pick} {
		t.Run(name, func(t *testing.T) {
			s := front(t, code, tell("a"), tell("b"))
			res, got := ask(t, "GET", s.URL+"/", http.Header{
				"X-Key":             {"forged"},
				"X-Viewer":          {"forged"},
				"Cookie":            {`z=1; a="2"; z=3; odd`},
				"X-Forwarded-For":   {"192.0.2.1", "192.0.2.2"},
				"X-Forwarded-Proto": {"gopher"},
				"X-Real-Ip":         {"192.0.2.3"},
				"X-Edge-Own":        {"mine"},
				"X-Amz-Cf-Id":       {"mine"},
				"X-Amzn-Own":        {"mine"},
				"Proxy-Connection":  {"mine"},
				"Te":                {"trailers"},
				"Keep-Alive":        {"timeout=5"},
				"User-Agent":        {"test"},
				"Via":               {"1.1 other"},
				"Accept":            {"a/b", "c/d"},
			}, nil)
			for _, want := range []string{
				"X-Key: secret", `Cookie: z=1; a="2"; z=3; odd`, "X-Forwarded-For: 192.0.2.1, 192.0.2.2, 127.0.0.1",
				"X-Amzn-Own: mine", "User-Agent: test", "Via: 1.1 other, 1.1 test.cloudfront.net (CloudFront)",
				"Accept: a/b\r\nAccept: c/d", "X-Amz-Cf-Id: 1",
			} {
				if !strings.Contains(got, want+"\r\n") {
					t.Errorf("no %q in %s", want, got)
				}
			}
			for _, gone := range []string{
				"X-Forwarded-Proto", "X-Real-Ip", "X-Edge-Own", "Proxy-Connection", "Te", "Keep-Alive",
				"Connection",
			} {
				if strings.Contains(got, "\n"+gone+":") {
					t.Errorf("%s reaches the origin: %s", gone, got)
				}
			}
			if code != "" {
				for _, want := range []string{
					"X-Viewer: 127.0.0.1", "X-Runs: 1",
					"X-Sees: accept accept-encoding host te user-agent via x-amzn-own x-forwarded-for x-key x-viewer",
				} {
					if !strings.Contains(got, want+"\r\n") {
						t.Errorf("no %q in %s", want, got)
					}
				}
			}
			if res.Header.Get("X-Cache") != "Miss from cloudfront" || !strings.Contains(res.Header.Get("Via"), "test") {
				t.Errorf("the viewer gets %v", res.Header)
			}
		})
	}
}

// What is larger than CloudFront takes, or of another method, goes nowhere.
func TestRefusedRequests(t *testing.T) {
	few := func(c *edge.Config) { c.Methods = nil }
	url := func(n int) string { return "/" + strings.Repeat("x", n-len("https://front.example.com/")) }
	header := func(n int) http.Header { return http.Header{"X-Long": {strings.Repeat("x", n)}} }
	all := front(t, "", tell("a"), tell("b"))
	for _, c := range []struct {
		name, method, path, body string
		header                   http.Header
		server                   *httptest.Server
		want                     int
	}{
		{"a URL as long as it may be", "GET", url(edge.MaxURL), "", nil, all, 200},
		{"a longer one", "GET", url(edge.MaxURL + 1), "", nil, all, 413},
		{"headers that are nearly too long", "GET", "/", "", header(edge.MaxRequest - 300), all, 200},
		{"headers that are", "GET", "/", "", header(edge.MaxRequest), all, 413},
		{"a GET with a body", "GET", "/", "x", nil, all, 403},
		{"a method that is no one's", "BREW", "/", "", nil, all, 403},
		{"a method that is not passed on", "POST", "/", "x", nil, front(t, "", tell("a"), tell("b"), few), 403},
		{"one that is", "HEAD", "/", "", nil, front(t, "", tell("a"), tell("b"), few), 200},
	} {
		var body io.Reader
		if c.body != "" {
			body = strings.NewReader(c.body)
		}
		res, _ := ask(t, c.method, c.server.URL+c.path, c.header, body)
		if res.StatusCode != c.want || res.Close != (c.want == 413 || c.want == 403) {
			t.Errorf("%s: %d, close %t, want %d", c.name, res.StatusCode, res.Close, c.want)
		}
	}
}

// An origin that does not answer in time is 504, one that breaks off 502. It is asked as often as it has attempts, and
// once if the request may have an effect.
func TestOriginFails(t *testing.T) {
	for attempts, gets := range map[int]int64{1: 1, 2: 2, 0: 3} {
		var asked atomic.Int64
		s := front(t, "", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			asked.Add(1)
			switch r.URL.Path {
			case "/slow":
				time.Sleep(400 * time.Millisecond)
			case "/cut":
				c, _, _ := http.NewResponseController(w).Hijack()
				_ = c.Close()
			}
		}), tell("b"), func(c *edge.Config) { c.Origins[0].Attempts = attempts })
		for _, c := range []struct {
			method, path string
			status       int
			asked        int64
		}{
			{"GET", "/", 200, 1},
			{"GET", "/cut", 502, gets},
			{"HEAD", "/cut", 502, gets},
			{"POST", "/", 200, 1},
			{"POST", "/cut", 502, 1},
			{"OPTIONS", "/", 200, 1},
			{"OPTIONS", "/cut", 502, 1},
			{"GET", "/slow", 504, gets},
			{"POST", "/slow", 504, 1},
		} {
			asked.Store(0)
			res, _ := ask(t, c.method, s.URL+c.path, nil, nil)
			if res.StatusCode != c.status || asked.Load() != c.asked {
				t.Errorf("%d attempts: %s %s: %d, asked %d times, want %d and %d", attempts, c.method, c.path,
					res.StatusCode, asked.Load(), c.status, c.asked)
			}
		}
	}
}

// An origin that is not there is 502. A body is there for each attempt to connect.
func TestNoOrigin(t *testing.T) {
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	s := front(t, "", tell("a"), tell("b"), func(c *edge.Config) {
		c.Origins[0].URL, c.Origins[0].Attempts = gone.URL, 3
	})
	for _, method := range []string{"GET", "POST"} {
		var body io.Reader
		if method == "POST" {
			body = strings.NewReader("x")
		}
		if res, _ := ask(t, method, s.URL, nil, body); res.StatusCode != 502 ||
			res.Header.Get("X-Cache") != "Error from cloudfront" {
			t.Errorf("%s: %d %v", method, res.StatusCode, res.Header)
		}
	}
}

// Nothing waits for the end of a body, neither on the way there nor on the way back.
func TestStreams(t *testing.T) {
	seen := make(chan struct{})
	s := front(t, "", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			n, _ := io.Copy(io.Discard, r.Body)
			_, _ = fmt.Fprint(w, n)
			return
		}
		_, _ = io.WriteString(w, "first\n")
		_ = http.NewResponseController(w).Flush()
		select {
		case <-seen:
			_, _ = io.WriteString(w, "second\n")
		case <-r.Context().Done():
		}
	}), tell("b"))
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	first := make([]byte, len("first\n"))
	if _, err := io.ReadFull(res.Body, first); err != nil || string(first) != "first\n" {
		t.Fatalf("%q, %v", first, err)
	}
	close(seen)
	if rest, err := io.ReadAll(res.Body); err != nil || string(rest) != "second\n" {
		t.Errorf("%q, %v", rest, err)
	}
	const size = 20 << 20
	if _, got := ask(t, "POST", s.URL, nil, io.LimitReader(zeros{}, size)); got != strconv.Itoa(size) {
		t.Errorf("the origin got %s of %d bytes", got, size)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// Requests at the same time see nothing of one another, and each is counted.
func TestConcurrentRequests(t *testing.T) {
	var d *edge.Distribution
	origin := httptest.NewServer(tell("a"))
	defer origin.Close()
	d, err := edge.New(edge.Config{
		ID: "TEST", Default: "a", Function: pick, Origins: []edge.Origin{{ID: "a", URL: origin.URL}},
	})
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			w := httptest.NewRecorder()
			d.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
			if !strings.Contains(w.Body.String(), "X-Runs: 1\r\n") {
				t.Errorf("%d %s", w.Code, w.Body)
			}
		})
	}
	all.Wait()
	if d.Requests() != 50 {
		t.Errorf("%d requests", d.Requests())
	}
}

// What goes wrong is logged, and what the function says.
func TestLog(t *testing.T) {
	var log bytes.Buffer
	code := `function handler(e) {
  console.log('asked for', e.request.uri, 1);
  if (e.request.uri === '/throws') throw new Error('oh');
  return e.request.uri === '/nothing' ? null : e.request;
}`
	s := front(t, code, tell("a"), tell("b"), func(c *edge.Config) {
		c.Logger = slog.New(slog.NewTextHandler(&log, nil))
		c.Origins[0].URL = "http://127.0.0.1:1"
	})
	for _, path := range []string{"/throws", "/nothing", "/away"} {
		ask(t, "GET", s.URL+path, nil, nil)
	}
	s.Close()
	for _, want := range []string{
		`text="asked for /throws 1"`, "level=WARN msg=\"function at viewer-request failed\"", "Error: oh",
		"handler returned null", "origin=a status=502",
	} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("no %q in %s", want, &log)
		}
	}
}

// Code that cannot be used is said when the distribution is made.
func TestFunctionCode(t *testing.T) {
	for name, code := range map[string]string{
		"no handler": "const x = 1;", "no code": "function handler(", "it throws": "throw 1; function handler() {}",
		"it never ends": "for (;;) {}; function handler() {}", "handler is no function": "var handler = 1;",
		"too large":      strings.Repeat(" ", edge.MaxCode) + pick,
		"another module": "import x from 'other';\nfunction handler(e) { return e.request; }",
	} {
		if _, err := edge.NewFunction(code); !errors.Is(err, edge.ErrCode) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := edge.New(edge.Config{
			Default: "a", Function: code, Origins: []edge.Origin{{ID: "a", URL: "http://127.0.0.1:1"}},
		}); !errors.Is(err, edge.ErrCode) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
