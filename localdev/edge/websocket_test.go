package edge_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
)

// echo is an origin of WebSockets that answers what it gets, and ends when it gets "end". It tells how each ended.
func echo(ended chan<- error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/stage" || strings.Contains(r.Header.Get("X-Sees"), "upgrade") {
			http.Error(w, "wrong", http.StatusForbidden)
			return
		}
		c, _, _, err := ws.UpgradeHTTP(r, w)
		if err != nil {
			ended <- err
			return
		}
		defer func() { _ = c.Close() }()
		for {
			text, err := wsutil.ReadClientText(c)
			if err != nil || string(text) == "end" {
				ended <- err
				return
			}
			_ = wsutil.WriteServerText(c, append([]byte("echo "), text...))
		}
	})
}

// dial opens a WebSocket, with a deadline for all that follows.
func dial(t *testing.T, url string) net.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	c, early, _, err := ws.Dial(ctx, "ws"+strings.TrimPrefix(url, "http"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if early != nil {
		t.Fatal("something came before it was asked for")
	}
	if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return c
}

// A WebSocket passes both ways, of any size, and its end too, whichever side it is that ends it.
func TestWebSocket(t *testing.T) {
	ended := make(chan error, 1)
	s := front(t, pick, tell("a"), echo(ended))
	for _, end := range []string{"viewer", "origin"} {
		t.Run("the "+end+" ends it", func(t *testing.T) {
			c := dial(t, s.URL+"/?to=b")
			for _, text := range []string{"hello", strings.Repeat("x", 1<<20)} {
				if err := wsutil.WriteClientText(c, []byte(text)); err != nil {
					t.Fatal(err)
				}
				got, err := wsutil.ReadServerText(c)
				if err != nil || !bytes.Equal(got, []byte("echo "+text)) {
					t.Fatalf("%d bytes, %v", len(got), err)
				}
			}
			if end == "viewer" {
				_ = c.Close()
			} else {
				if err := wsutil.WriteClientText(c, []byte("end")); err != nil {
					t.Fatal(err)
				}
				if _, err := wsutil.ReadServerText(c); err != io.EOF { //nolint:errorlint // of the connection itself
					t.Errorf("the viewer sees %v, want the end", err)
				}
			}
			select {
			case <-ended:
			case <-time.After(10 * time.Second):
				t.Error("the origin was not told of the end")
			}
		})
	}
}

// A WebSocket that the origin refuses is an answer as others are.
func TestRefusedWebSocket(t *testing.T) {
	s := front(t, pick, tell("a"), http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "no", http.StatusForbidden)
	}))
	_, _, _, err := ws.Dial(t.Context(), "ws"+strings.TrimPrefix(s.URL, "http")+"/?to=b")
	var status ws.StatusError
	if !errors.As(err, &status) || status != http.StatusForbidden {
		t.Errorf("%v, want 403", err)
	}
}
