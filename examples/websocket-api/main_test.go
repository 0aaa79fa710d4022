package main

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
)

// The example must start, answer frames within the service's limits, and end.
func TestServer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := newServer("http://" + l.Addr().String() + "/prod")
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(l) }()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	defer func() {
		if err := s.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()

	conn, _, _, err := ws.Dial(ctx, "ws://"+l.Addr().String()+"/prod")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, frame := range []struct{ text, want string }{{"hello", "5"}, {strings.Repeat("x", 32<<10), "32768"}} {
		if err := wsutil.WriteClientText(conn, []byte(frame.text)); err != nil {
			t.Fatal(err)
		}
		if got, err := wsutil.ReadServerText(conn); err != nil || string(got) != frame.want {
			t.Errorf("%.10q: %q %v, want %s", frame.text, got, err, frame.want)
		}
	}
	if err := wsutil.WriteClientText(conn, []byte(strings.Repeat("x", 32<<10+1))); err != nil {
		t.Fatal(err)
	}
	if _, err := wsutil.ReadServerText(conn); err == nil || !strings.Contains(err.Error(), "1009") {
		t.Errorf("a frame above 32 KB: %v, want 1009", err)
	}
}
