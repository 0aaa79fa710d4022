package nonstick_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/nonstick-io/nonstick"
	"github.com/nonstick-io/nonstick/internal/engineio"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// errNoID is why a session gets no id.
var errNoID = errors.New("the counter is at 10.0.0.1")

// A session has the id that the program makes, or is refused and leaves nothing behind.
func TestGenerateID(t *testing.T) {
	tests := []struct {
		name string
		make func() (string, error)
		want string // in the log; empty if the session begins
	}{
		{"shortest", func() (string, error) { return "a", nil }, ""},
		{"longest", func() (string, error) { return strings.Repeat("aZ-_", 16), nil }, ""},
		{"too long", func() (string, error) { return strings.Repeat("a", 65), nil }, "65 characters, at most 64"},
		{"none", func() (string, error) { return "", nil }, "none was made"},
		{"a space", func() (string, error) { return "a b", nil }, "character ' '"},
		{"not ASCII", func() (string, error) { return "aü", nil }, "invalid session id"},
		{"a slash", func() (string, error) { return "a/b", nil }, "character '/'"},
		{"an error", func() (string, error) { return "a", errNoID }, "the counter is at 10.0.0.1"},
		{"a panic", func() (string, error) { panic("a mistake") }, "a mistake"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				s := w.server(func(s *nonstick.Server) {
					s.GenerateID(func(context.Context, nonstick.Handshake) (string, error) { return tt.make() })
				})
				begins := map[string]func() error{
					"polling": func() error {
						_, err := s.Engine().Handshake(t.Context(), sessionstore.Handshake{})
						return err
					},
					"websocket": func() error {
						_, err := s.Engine().Connect(t.Context(), w.connection(), sessionstore.Handshake{})
						return err
					},
				}
				if tt.want == "" {
					id, _ := tt.make()
					if p := w.joinPolling(s); string(p.sid) != id {
						t.Errorf("id %q, want %q", p.sid, id)
					}
					return
				}
				for name, begin := range begins {
					err := begin()
					if !errors.Is(err, engineio.ErrIDGeneration) || strings.Contains(clientSees(err), "10.0") {
						t.Errorf("%s: %v", name, err)
					}
				}
				if log := w.log.String(); !strings.Contains(log, tt.want) {
					t.Errorf("log %s\nwant %q in it", log, tt.want)
				}
				if n := w.meter.Total().Writes; n != 0 {
					t.Errorf("%d writes", n)
				}
			})
		})
	}
}

// clientSees is the text of a refusal.
func clientSees(err error) string {
	e, _ := errors.AsType[*engineio.Error](err)
	return e.Body()
}

// An id that is another session's is refused on both transports, also when that is over, and that session is none the
// worse.
func TestGenerateIDTwice(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		id := "same"
		s := w.server(func(s *nonstick.Server) {
			s.GenerateID(func(context.Context, nonstick.Handshake) (string, error) { return id, nil })
		})
		refuse := func() {
			t.Helper()
			_, err := s.Engine().Handshake(t.Context(), sessionstore.Handshake{})
			if !errors.Is(err, engineio.ErrBadRequest) {
				t.Errorf("polling: %v", err)
			}
			_, err = s.Engine().Connect(t.Context(), w.connection(), sessionstore.Handshake{})
			if !errors.Is(err, engineio.ErrBadRequest) {
				t.Errorf("websocket: %v", err)
			}
		}
		first := w.joinPolling(s)
		refuse()
		first.expectOpen()
		id = "another"
		ws := w.join(s)
		refuse()
		ws.send(`42["x"]`)
		ws.expectOpen()
		if err := s.Engine().Close(t.Context(), ws.sid, "forced close"); err != nil {
			t.Error(err)
		}
		refuse()
	})
}

// A client is told of once that has moved to WebSocket, with the sockets that it had, and each handler knows what its
// client is on. A hook that panics costs the client nothing.
func TestOnUpgradeAndTransport(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var told []nonstick.Upgrade
		var on []string
		note := func(what string, s *nonstick.Socket) { on = append(on, what+" "+string(s.Transport())) }
		register := func(s *nonstick.Server) {
			s.OnUpgrade(func(context.Context, nonstick.Upgrade) { panic("a mistake") })
			s.OnUpgrade(func(_ context.Context, u nonstick.Upgrade) { told = append(told, u) })
			s.OnConnect(func(_ context.Context, k *nonstick.Socket) error { note("connect", k); return nil })
			nonstick.On(s, "x", func(_ context.Context, k *nonstick.Socket, _ nonstick.Args) error {
				note("event", k)
				return nil
			})
			s.OnDisconnecting(func(_ context.Context, k *nonstick.Socket, _ nonstick.Reason) error {
				note("disconnecting", k)
				return nil
			})
			s.OnDisconnect(func(_ context.Context, k *nonstick.Socket, _ nonstick.Reason) error {
				note("disconnect", k)
				return nil
			})
		}
		s, other := w.server(register), w.server(register)
		p := w.joinPolling(s)
		p.send(`42["x"]`)
		p.at = other
		p.upgrade()
		want := fmt.Sprintf("[{%s websocket [{%s /}]}]", p.sid, p.id)
		if got := fmt.Sprint(told); got != want {
			t.Errorf("told %s, want %s", got, want)
		}
		if !strings.Contains(w.log.String(), "a mistake") {
			t.Error("the panic was not logged")
		}
		p.send(`42["x"]`)
		p.send("1") // a WebSocket's own close
		p.expectClosed("transport close")
		q := w.joinPolling(s)
		q.send("41")
		r := w.join(s)
		r.send("41")
		wantOn := []string{
			"connect polling", "event polling", "event websocket", "disconnecting websocket", "disconnect websocket",
			"connect polling", "disconnecting polling", "disconnect polling",
			"connect websocket", "disconnecting websocket", "disconnect websocket",
		}
		if !slices.Equal(on, wantOn) {
			t.Errorf("got  %q\nwant %q", on, wantOn)
		}
	})
}

// Clients are counted by a read for each shard, from a server and from outside.
func TestClientsCount(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s := w.server(func(s *nonstick.Server) { s.Of("/other") })
		out := emitterOf(t, w)
		check := func(want int) {
			t.Helper()
			before := w.meter.Total()
			n, err := s.ClientsCount(t.Context())
			if used := w.meter.Total().Sub(before); n != want || err != nil || used.Reads != int64(w.store.Shards()) {
				t.Errorf("%d, %v, want %d; used %+v", n, err, want, used)
			}
			if n, err := out.ClientsCount(t.Context()); n != want || err != nil {
				t.Errorf("from outside: %d, %v, want %d", n, err, want)
			}
		}
		check(0)
		p := w.joinPolling(s)
		p.send("40/other,")
		w.join(s)
		w.open(s) // in no namespace
		check(3)
		p.send("1")
		check(2)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := s.ClientsCount(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("error = %v", err)
		}
	})
}
