package engine_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nonstick-io/nonstick/gateway/engine"
	"github.com/nonstick-io/nonstick/internal/engineio"
	"github.com/nonstick-io/nonstick/sessionstore"
)

var allowEIO3 = engine.Options{AllowEIO3: true, PingInterval: 25 * time.Second, PingTimeout: 20 * time.Second}

var old = engine.Client{Codec: engineio.V3}

// oldPolling begins a session of version 3 on polling.
func (w *world) oldPolling() sessionstore.SessionID {
	w.t.Helper()
	payload, err := w.engine.Handshake(
		w.t.Context(), sessionstore.Handshake{Query: map[string]string{"EIO": "3"}},
	)
	w.must(err)
	_, frame, _ := strings.Cut(payload, ":")
	return sidOf(w.t, frame)
}

// The client's pings keep a session on polling, and those that come soon after another are no write.
func TestOldHeartbeatOnPolling(t *testing.T) {
	t.Parallel()
	inWorld(t, allowEIO3, func(t *testing.T, w *world) {
		id := w.oldPolling()
		for range 4 {
			time.Sleep(25*time.Second - 10*time.Millisecond) // a little early: it counts all the same
			w.must(w.engine.PostAs(t.Context(), id, "1:2", old))
			got, err := w.engine.PollAs(t.Context(), id, "", old)
			w.must(err)
			if got != "1:3" {
				t.Fatalf("answer %q", got)
			}
		}
		before := w.session(id).PingAt
		time.Sleep(9 * time.Second)
		w.must(w.engine.PostAs(t.Context(), id, strings.Repeat("1:2", 50), old))
		if at := w.session(id).PingAt; !at.Equal(before) {
			t.Errorf("a ping that came soon was written: %v, %v", before, at)
		}
		time.Sleep(37 * time.Second) // 25 + 20 after the one that was written
		if _, err := w.engine.PollAs(t.Context(), id, "", old); !errors.Is(err, engineio.ErrUnknownSession) {
			t.Errorf("a session whose client pings no more: %v", err)
		}
	})
}

// Over WebSocket the sweeper pushes no ping, and ends a session whose client sends none.
func TestOldHeartbeatOnWebSocket(t *testing.T) {
	t.Parallel()
	inWorld(t, allowEIO3, func(t *testing.T, w *world) {
		conn := w.connection()
		step, err := w.engine.Connect(
			t.Context(), conn, sessionstore.Handshake{Query: map[string]string{"EIO": "3"}},
		)
		w.must(err)
		w.must(w.engine.Run(t.Context(), step))
		w.pushed(conn) // the open packet
		w.sweeping(func() {
			for range 4 {
				time.Sleep(25 * time.Second)
				if reply := w.message(conn, engineio.PingFrame); reply != engineio.PongFrame {
					t.Fatalf("a ping is answered %q", reply)
				}
			}
			time.Sleep(44 * time.Second)
			if s := w.session(step.Session); s.State != sessionstore.Open {
				t.Fatalf("ended early: %s, %s", s.State, s.Reason)
			}
			time.Sleep(5 * time.Second)
			synctest.Wait()
		})
		w.expectState(step.Session, "ping timeout")
	})
}

// After an upgrade it is still the client that pings, and a session whose client does not ends.
func TestOldHeartbeatAfterUpgrade(t *testing.T) {
	t.Parallel()
	inWorld(t, allowEIO3, func(t *testing.T, w *world) {
		id := w.oldPolling()
		conn := w.upgraded(id)
		w.pushed(conn)
		w.sweeping(func() {
			for range 4 {
				time.Sleep(25 * time.Second)
				if reply := w.message(conn, engineio.PingFrame); reply != engineio.PongFrame {
					t.Fatalf("a ping is answered %q", reply)
				}
			}
			time.Sleep(44 * time.Second)
			if got := w.pushed(conn); got != "" {
				t.Errorf("pushed %q", got)
			}
			w.expectState(id, "")
			time.Sleep(5 * time.Second)
			synctest.Wait()
		})
		w.expectState(id, "ping timeout")
	})
}

// What only a server says ends a session, by either transport; a ping of the other version is no heartbeat.
func TestOldClientsThatMixUpPings(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, polling, webSocket, reason string }{
		{"a ping", "1:2", "2", ""},
		{"a ping with a text", "6:2hello", "2hello", ""},
		{"a pong", "1:3", "3", "transport error"},
		{"a pong between messages", "2:4a1:32:4b", "3", "transport error"},
		{"what is of no type", "1:7", "7", "parse error"},
		{"a payload of version 4", "2", "8", "parse error"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inWorld(t, allowEIO3, func(t *testing.T, w *world) {
				id := w.oldPolling()
				w.must(w.engine.PostAs(t.Context(), id, tt.polling, old)) // which answers "ok" whatever it was
				w.expectState(id, tt.reason)
			})
			inWorld(t, allowEIO3, func(t *testing.T, w *world) {
				id := w.oldPolling()
				conn := w.upgraded(id)
				_, _ = w.engine.Message(t.Context(), conn, tt.webSocket)
				w.expectState(id, tt.reason)
			})
		})
	}
}

// Requests of one version are none of a session of the other.
func TestOldVersionMismatch(t *testing.T) {
	t.Parallel()
	inWorld(t, allowEIO3, func(t *testing.T, w *world) {
		frame, err := w.engine.Handshake(
			t.Context(), sessionstore.Handshake{Query: map[string]string{"EIO": "4"}},
		)
		w.must(err)
		for id, from := range map[sessionstore.SessionID]engine.Client{sidOf(t, frame): old, w.oldPolling(): {}} {
			if _, err := w.engine.PollAs(t.Context(), id, "", from); !errors.Is(err, engineio.ErrVersion) {
				t.Errorf("GET: %v", err)
			}
			if err := w.engine.PostAs(t.Context(), id, "4a", from); !errors.Is(err, engineio.ErrVersion) {
				t.Errorf("POST: %v", err)
			}
			if from == old {
				_, err := w.engine.BindAs(t.Context(), w.connection(), id, from)
				if !errors.Is(err, engineio.ErrVersion) {
					t.Errorf("WebSocket: %v", err)
				}
			}
			w.expectState(id, "")
		}
	})
}
