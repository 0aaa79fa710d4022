package emulator_test

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/nonstick-io/nonstick/localdev/emulator"
)

// concurrently starts a server that hands frames over as they come.
func concurrently(t *testing.T, l emulator.Limits, s set) *running {
	t.Helper()
	return startAPI(
		t, emulator.Config{Limits: l},
		emulator.API{Path: "/socket.io/", Sets: []emulator.Handlers{s}, Concurrent: true},
	)
}

func TestFramesOvertakeEachOther(t *testing.T) {
	const n = 50
	all := make(chan struct{})
	var mu sync.Mutex
	seen := 0
	s := concurrently(t, emulator.AWS(), set{message: func(_ context.Context, e wsEvent) (wsAnswer, error) {
		mu.Lock()
		if seen++; seen == n {
			close(all)
		}
		mu.Unlock()
		<-all // no frame is answered before all have come
		return wsAnswer{StatusCode: 200, Body: e.Body}, nil
	}})
	c := s.dial(t, "")
	for i := range n {
		c.text(strconv.Itoa(i))
	}
	got := map[string]int{}
	for range n {
		_, frame := c.frame()
		got[frame]++
	}
	if len(got) != n {
		t.Errorf("%d different answers, want %d", len(got), n)
	}
}

func TestFramesAtATimeAreBounded(t *testing.T) {
	const bound = 256
	var mu sync.Mutex
	now, most := 0, 0
	release := make(chan struct{})
	s := concurrently(t, emulator.AWS(), set{message: func(context.Context, wsEvent) (wsAnswer, error) {
		mu.Lock()
		now++
		most = max(most, now)
		mu.Unlock()
		<-release
		mu.Lock()
		defer mu.Unlock()
		now--
		return wsAnswer{StatusCode: 200, Body: "x"}, nil
	}})
	c := s.dial(t, "")
	go func() {
		for range bound + 50 {
			c.text("x")
		}
	}()
	for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		mu.Lock()
		n := now
		mu.Unlock()
		if n >= bound {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("%d at a time, want %d", n, bound)
		}
	}
	time.Sleep(50 * time.Millisecond)
	close(release)
	for range bound + 50 {
		c.frame()
	}
	if most != bound {
		t.Errorf("%d at a time, want %d", most, bound)
	}
}

func TestErrorFramesOfConcurrentFrames(t *testing.T) {
	l := emulator.AWS()
	l.MessageTimeout = 100 * time.Millisecond
	throttled := fmt.Errorf("wrapped: %w", emulator.ErrThrottled)
	s := concurrently(t, l, set{message: func(ctx context.Context, e wsEvent) (wsAnswer, error) {
		switch e.Body {
		case "throttled":
			return wsAnswer{}, throttled
		case "panic":
			panic("broken")
		case "slow":
			<-ctx.Done()
			time.Sleep(20 * time.Millisecond)
		}
		return wsAnswer{StatusCode: 200, Body: e.Body}, nil
	}})
	c := s.dial(t, "")
	for _, bad := range []string{"throttled", "panic", "slow"} {
		c.text(bad)
		if _, got := c.frame(); !strings.HasPrefix(got, `{"message":"Internal server error","connectionId":"`) {
			t.Errorf("%s: frame = %s", bad, got)
		}
	}
	time.Sleep(50 * time.Millisecond) // the late answer never comes
	c.text("fine")
	c.want(ws.OpText, "fine")
}

// A connection's end does not wait for its frames, and the server's does.
func TestDisconnectDuringFrames(t *testing.T) {
	gone, release, ended := make(chan struct{}), make(chan struct{}), make(chan struct{})
	s := concurrently(t, emulator.AWS(), set{
		message: func(context.Context, wsEvent) (wsAnswer, error) {
			defer close(ended)
			<-release
			return wsAnswer{StatusCode: 200, Body: "late"}, nil
		},
		disconnect: func(context.Context, wsEvent) { close(gone) },
	})
	c := s.dial(t, "")
	c.text("x")
	time.Sleep(20 * time.Millisecond)
	c.send(ws.OpClose, true, "")
	receive(t, "disconnect", gone)
	close(release)
	s.stop()
	select {
	case <-ended:
	default:
		t.Error("the server stopped before a handler had returned")
	}
}

func TestThrottledRequest(t *testing.T) {
	s := start(t, emulator.AWS(), set{http: func(context.Context, httpEvent) (httpAnswer, error) {
		return httpAnswer{}, fmt.Errorf("wrapped: %w", emulator.ErrThrottled)
	}})
	if status, _, body := do(
		t, "GET", "http://"+s.addr+"/socket.io/", "", "",
	); status != 503 ||
		body != `{"message":"Service Unavailable"}` {
		t.Errorf("answer = %d %s, want 503", status, body)
	}
}

func TestThrottledConnect(t *testing.T) {
	s := start(
		t, emulator.AWS(),
		set{connect: func(context.Context, wsEvent) (wsAnswer, error) { return wsAnswer{}, emulator.ErrThrottled }},
	)
	if status, _, _ := upgrade(t, s, func(*http.Request) {}); status != 502 {
		t.Errorf("status = %d, want 502", status)
	}
}

// An API at "/" takes what is left: not the services, not the management API.
func TestServicesComeFirst(t *testing.T) {
	services := func(r *http.Request) http.Handler {
		if r.URL.Path != "/healthz" {
			return nil
		}
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("service")) })
	}
	api := set{http: answering(httpAnswer{StatusCode: 200, Body: "api"})}
	s := startAPI(
		t, emulator.Config{Limits: emulator.AWS(), Services: services},
		emulator.API{Path: "/", Sets: []emulator.Handlers{api}},
	)
	for path, want := range map[string]string{
		"/healthz": "service", "/": "api", "/other": "api", "/other/deep/@connections/x": "api",
		"/local/@connections/x": `{"message":"Missing Authentication Token"}`,
		"/other/@connections/x": `{"message":"Forbidden"}`, "/@connections/x": `{"message":"Forbidden"}`,
	} {
		if _, _, got := do(t, "GET", "http://"+s.addr+path, "", ""); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
}
