package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// The example must start, speak Socket.IO and end.
func TestServe(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- serve(ctx, l) }()

	url := "http://" + l.Addr().String() + "/socket.io/?EIO=4&transport=polling"
	open := request(t, http.MethodGet, url, "")
	sid, _, found := strings.Cut(strings.TrimPrefix(open, `0{"sid":"`), `"`)
	if !found {
		t.Fatalf("handshake: got %q", open)
	}
	url += "&sid=" + sid
	for _, step := range []struct{ post, want string }{
		{"40", `40{"sid":"`},
		{`420["say","hello"]`, "42[\"said\",\"hello\"]\x1e430[5]"},
		{`421["say",""]`, `431[{"message":"say something"}]`},
	} {
		if got := request(t, http.MethodPost, url, step.post); got != "ok" {
			t.Errorf("post %s: got %q", step.post, got)
		}
		if got := request(t, http.MethodGet, url, ""); !strings.HasPrefix(got, step.want) {
			t.Errorf("after %s: got %q, want %q", step.post, got, step.want)
		}
	}

	stop()
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("serve: %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Error("serve did not end")
	}
}

func request(t *testing.T, method, url, body string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "text/plain;charset=UTF-8")
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s %s: status %d, %v: %s", method, url, res.StatusCode, err, b)
	}
	return string(b)
}
