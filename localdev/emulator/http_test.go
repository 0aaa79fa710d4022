package emulator_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/gobwas/ws"

	"github.com/nonstick-io/nonstick/localdev/emulator"
)

type (
	httpEvent  = events.APIGatewayV2HTTPRequest
	httpAnswer = events.APIGatewayV2HTTPResponse
)

func TestRequestEvent(t *testing.T) {
	got := make(chan httpEvent, 1)
	s := start(t, emulator.AWS(), set{http: func(_ context.Context, e httpEvent) (httpAnswer, error) {
		headers := map[string]string{}
		for k, v := range e.Headers { // the event's own map is used again
			headers[k] = v
		}
		e.Headers = headers
		got <- e
		return httpAnswer{
			StatusCode: 201, Body: "made", Headers: map[string]string{"x-answer": "1"},
			Cookies: []string{"a=1", "b=2"},
		}, nil
	}})
	req, _ := http.NewRequest("POST", "http://"+s.addr+"/socket.io/?EIO=4&x=%20&x=2", strings.NewReader("4hello"))
	req.Header.Set("Content-Type", "text/plain;charset=UTF-8")
	req.Header.Add("X-Twice", "1")
	req.Header.Add("X-Twice", "2")
	req.Header.Set("Cookie", "one=1; two=2")
	req.Header.Set("User-Agent", "tester")
	req.Header.Set("X-Forwarded-For", "192.0.2.1")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != 201 || res.Header.Get("X-Answer") != "1" || len(res.Cookies()) != 2 {
		t.Errorf("answer = %d %v", res.StatusCode, res.Header)
	}
	e := receive(t, "event", got)
	c := e.RequestContext
	if e.Version != "2.0" || e.RawPath != "/socket.io/" || e.RawQueryString != "EIO=4&x=%20&x=2" ||
		e.Body != "4hello" ||
		e.IsBase64Encoded {
		t.Errorf("event = %+v", e)
	}
	if c.HTTP.Method != "POST" || c.HTTP.SourceIP != "127.0.0.1" || c.HTTP.UserAgent != "tester" ||
		c.Stage != "$default" ||
		c.RequestID == "" ||
		c.TimeEpoch == 0 {
		t.Errorf("context = %+v", c)
	}
	h := e.Headers
	if h["x-twice"] != "1,2" || h["host"] != s.addr || h["x-forwarded-proto"] != "http" ||
		h["x-forwarded-for"] != "192.0.2.1, 127.0.0.1" ||
		h["cookie"] != "" ||
		strings.Join(e.Cookies, "|") != "one=1|two=2" {
		t.Errorf("headers = %v, cookies = %v", h, e.Cookies)
	}
}

func TestHeadersOfOneRequestDoNotLeakIntoTheNext(t *testing.T) {
	s := start(t, emulator.AWS(), set{http: func(_ context.Context, e httpEvent) (httpAnswer, error) {
		return httpAnswer{StatusCode: 200, Body: e.Headers["x-secret"]}, nil
	}})
	req, _ := http.NewRequest("GET", "http://"+s.addr+"/socket.io/", nil)
	req.Header.Set("X-Secret", "mine")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if _, _, body := do(t, "GET", "http://"+s.addr+"/socket.io/", "", ""); body != "" {
		t.Errorf("the next request has %q", body)
	}
}

func TestBodyEncoding(t *testing.T) {
	tests := []struct {
		name, contentType, body string
		limits                  emulator.Limits
		want                    string
		base64                  bool
	}{
		{"text", "text/plain;charset=UTF-8", "4a", emulator.AWS(), "4a", false},
		{"text in capitals", "TEXT/HTML", "4a", emulator.AWS(), "4a", false},
		{"json", "application/json; charset=utf-8", "{}", emulator.AWS(), "{}", false},
		{"octets", "application/octet-stream", "4a", emulator.AWS(), "NGE=", true},
		{"form", "application/x-www-form-urlencoded", "d=4", emulator.AWS(), "ZD00", true},
		{"no type", "", "4a", emulator.AWS(), "NGE=", true},
		{"empty", "", "", emulator.AWS(), "", false},
		{"octets, native", "application/octet-stream", "4a", emulator.Native(1e6), "4a", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := start(t, tt.limits, set{http: func(_ context.Context, e httpEvent) (httpAnswer, error) {
				return httpAnswer{
					StatusCode: 200, Body: e.Body,
					Headers: map[string]string{"B64": map[bool]string{true: "yes", false: "no"}[e.IsBase64Encoded]},
				}, nil
			}})
			_, h, body := do(t, "POST", "http://"+s.addr+"/socket.io/", tt.contentType, tt.body)
			if body != tt.want || (h.Get("B64") == "yes") != tt.base64 {
				t.Errorf("event has %q, base64 %s; want %q, %v", body, h.Get("B64"), tt.want, tt.base64)
			}
		})
	}
}

func TestAnswers(t *testing.T) {
	quick := emulator.AWS()
	quick.RequestTimeout = 50 * time.Millisecond
	long := strings.Repeat("y", 100_000)
	tests := []struct {
		name   string
		limits emulator.Limits
		http   func(context.Context, httpEvent) (httpAnswer, error)
		status int
		body   string
	}{
		{"long body", emulator.AWS(), answering(httpAnswer{StatusCode: 200, Body: long}), 200, long},
		{
			"base64 body", emulator.AWS(),
			answering(httpAnswer{StatusCode: 200, Body: "YWI=", IsBase64Encoded: true}), 200, "ab",
		},
		{
			"bad base64 body", emulator.AWS(),
			answering(httpAnswer{StatusCode: 200, Body: "?", IsBase64Encoded: true}), 500,
			`{"message":"Internal Server Error"}`,
		},
		{"no status", emulator.AWS(), answering(httpAnswer{Body: "x"}), 200, "x"},
		{
			"error", emulator.AWS(),
			func(context.Context, httpEvent) (httpAnswer, error) { return httpAnswer{}, errors.New("broken") }, 500,
			`{"message":"Internal Server Error"}`,
		},
		{
			"panic", emulator.AWS(), func(context.Context, httpEvent) (httpAnswer, error) { panic("broken") }, 500,
			`{"message":"Internal Server Error"}`,
		},
		{"timeout", quick, func(ctx context.Context, _ httpEvent) (httpAnswer, error) {
			<-ctx.Done()
			return httpAnswer{}, ctx.Err()
		}, 503, `{"message":"Service Unavailable"}`},
		{"timeout unheard", quick, func(context.Context, httpEvent) (httpAnswer, error) {
			time.Sleep(150 * time.Millisecond)
			return httpAnswer{StatusCode: 200, Body: "late"}, nil
		}, 503, `{"message":"Service Unavailable"}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := start(t, tt.limits, set{http: tt.http})
			for range 2 { // the connection stays usable
				status, _, body := do(t, "GET", "http://"+s.addr+"/socket.io/", "", "")
				if status != tt.status || body != tt.body {
					t.Errorf("answer = %d %q, want %d %q", status, short(body), tt.status, short(tt.body))
				}
			}
		})
	}
}

func answering(a httpAnswer) func(context.Context, httpEvent) (httpAnswer, error) {
	return func(context.Context, httpEvent) (httpAnswer, error) { return a, nil }
}

func TestRequestLimits(t *testing.T) {
	small := emulator.AWS()
	small.Body = 1000
	s := start(t, small, set{})
	native := start(t, emulator.Native(1e6), set{})
	body := strings.Repeat("x", 1001)
	if status, _, _ := do(t, "POST", "http://"+s.addr+"/socket.io/", "text/plain", body[:1000]); status != 200 {
		t.Errorf("body of the limit: %d, want 200", status)
	}
	if status, _, _ := do(t, "POST", "http://"+s.addr+"/socket.io/", "text/plain", body); status != 413 {
		t.Errorf("body above the limit: %d, want 413", status)
	}
	req, _ := http.NewRequest(
		"POST", "http://"+s.addr+"/socket.io/", struct{ *strings.Reader }{strings.NewReader(body)},
	) // of unknown length
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != 413 {
		t.Errorf("chunked body above the limit: %d, want 413", res.StatusCode)
	}
	long := "/socket.io/?pad=" + strings.Repeat("x", 10_240)
	if status, _, _ := do(t, "GET", "http://"+s.addr+long, "", ""); status != 431 {
		t.Errorf("long request line: %d, want 431", status)
	}
	if status, _, _ := do(t, "GET", "http://"+native.addr+long, "", ""); status != 200 {
		t.Errorf("long request line, native: %d, want 200", status)
	}
}

func TestHeaderBlockIsCountedAsSent(t *testing.T) {
	s := start(t, emulator.AWS(), set{})
	block := func(size int) string {
		head := "GET /socket.io/ HTTP/1.1\r\nHost: x\r\nX-Pad: "
		return head + strings.Repeat("p", size-len(head)-len("\r\n")) + "\r\n\r\n"
	}
	for _, tt := range []struct {
		size int
		want string
	}{{10_240, "HTTP/1.1 200"}, {10_241, "HTTP/1.1 431"}} {
		conn, err := net.Dial("tcp", s.addr)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Write([]byte(block(tt.size))); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, len(tt.want))
		conn.SetReadDeadline(time.Now().Add(patience))
		if _, err := conn.Read(b); err != nil || string(b) != tt.want {
			t.Errorf("%d bytes: %q (%v), want %q", tt.size, b, err, tt.want)
		}
		conn.Close()
	}
}

func TestRouting(t *testing.T) {
	s := start(t, emulator.AWS(), set{http: answering(httpAnswer{StatusCode: 200, Body: "api"})})
	for path, want := range map[string]int{
		"/socket.io/": 200, "/socket.io/more?x": 200, "/socket.io": 404, "/socket.io?EIO=4": 404, "/": 404,
		"/other/": 404,
	} {
		if status, _, _ := do(t, "GET", "http://"+s.addr+path, "", ""); status != want {
			t.Errorf("%s: %d, want %d", path, status, want)
		}
	}
}

func TestClientAbortDoesNotEndTheHandler(t *testing.T) {
	begun, released, ended := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	s := start(t, emulator.AWS(), set{http: func(ctx context.Context, _ httpEvent) (httpAnswer, error) {
		close(begun)
		select {
		case <-ctx.Done():
		case <-released:
		}
		ended <- ctx.Err()
		return httpAnswer{StatusCode: 200}, nil
	}})
	conn, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write([]byte("GET /socket.io/ HTTP/1.1\r\nHost: x\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	receive(t, "request", begun)
	conn.Close()
	time.Sleep(50 * time.Millisecond) // for the server to notice
	select {
	case err := <-ended:
		t.Fatalf("the handler ended with its client: %v", err)
	default:
	}
	close(released)
	if err := receive(t, "end of the handler", ended); err != nil {
		t.Errorf("context of the handler: %v", err)
	}
}

func TestShutdown(t *testing.T) {
	parked, ended := make(chan struct{}, 1), make(chan int64, 1)
	s := start(t, emulator.AWS(), set{
		http: func(ctx context.Context, _ httpEvent) (httpAnswer, error) {
			parked <- struct{}{}
			<-ctx.Done()
			return httpAnswer{StatusCode: 200, Body: "6"}, nil
		},
		disconnect: func(_ context.Context, e wsEvent) { ended <- e.RequestContext.DisconnectStatusCode },
	})
	c := s.dial(t, "")
	body := make(chan string, 1)
	go func() {
		_, _, b := do(t, "GET", "http://"+s.addr+"/socket.io/?sid=x", "", "")
		body <- b
	}()
	receive(t, "parked GET", parked)
	stopped := make(chan struct{})
	go func() { s.stop(); close(stopped) }()
	c.wantClose(1001)
	if b := receive(t, "answer to the parked GET", body); b != "6" {
		t.Errorf("the parked GET got %q, want 6", b)
	}
	if code := receive(t, "$disconnect", ended); code != 1001 {
		t.Errorf("$disconnect has %d, want 1001", code)
	}
	receive(t, "end of Shutdown", stopped)
	if _, err := net.Dial("tcp", s.addr); err == nil {
		t.Error("the server still accepts")
	}
}

func TestShutdownWithUnusedConnections(t *testing.T) {
	s := start(t, emulator.AWS(), set{})
	conn, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	do(t, "GET", "http://"+s.addr+"/socket.io/", "", "") // so that the one before has been accepted
	begin := time.Now()
	s.stop()
	if took := time.Since(begin); took > 2*time.Second {
		t.Errorf("Shutdown took %s", took)
	}
}

func TestShutdownOfStuckHandlers(t *testing.T) {
	busy := make(chan struct{}, 1)
	s := start(t, emulator.AWS(), set{message: func(ctx context.Context, _ wsEvent) (wsAnswer, error) {
		busy <- struct{}{}
		<-ctx.Done()
		return wsAnswer{StatusCode: 200}, nil
	}})
	c := s.dial(t, "")
	c.text("x")
	receive(t, "message", busy)
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	if err := s.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Shutdown = %v, want that its time was up", err)
	}
	if op, _ := c.frame(); op != ws.OpClose {
		t.Errorf("frame = %v, want a close", op)
	}
}

// An API whose path fits without its last slash gets no path that only begins alike.
func TestAnySlash(t *testing.T) {
	for _, any := range []bool{false, true} {
		var got []string
		fallback := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
		s := emulator.New(emulator.Config{Endpoint: "http://127.0.0.1/local", Fallback: fallback})
		s.Route(emulator.API{Path: "/chat/", AnySlash: any, Sets: []emulator.Handlers{
			set{http: func(_ context.Context, e httpEvent) (httpAnswer, error) {
				got = append(got, e.RawPath)
				return httpAnswer{StatusCode: 200}, nil
			}},
		}})
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		go func() { _ = s.Serve(l) }()
		for _, path := range []string{"/chat/", "/chat/x", "/chat", "/chats", "/"} {
			do(t, "GET", "http://"+l.Addr().String()+path, "", "")
		}
		if err := s.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		want := []string{"/chat/", "/chat/x"}
		if any {
			want = append(want, "/chat")
		}
		if !slices.Equal(got, want) {
			t.Errorf("AnySlash %v: served %q, want %q", any, got, want)
		}
	}
}
