package nonstick_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/nonstick-io/nonstick"
)

// noting is a wrapper that writes down what passes.
type noting struct {
	nonstick.Handler
	name  string
	notes *[]string
}

func (n noting) note(what string) { *n.notes = append(*n.notes, n.name+" "+what) }

func (n noting) Connect(ctx context.Context, s *nonstick.Socket) error {
	n.note("connect")
	return n.Handler.Connect(ctx, s)
}

func (
	n noting,
) Event(ctx context.Context, s *nonstick.Socket, event string, args nonstick.Args) (nonstick.Args, error) {
	n.note(event + string(args.JSON))
	if event == "secret" {
		return nonstick.Args{}, &nonstick.Error{Message: "not allowed"}
	}
	return n.Handler.Event(ctx, s, event, args)
}

func (n noting) Reply(
	ctx context.Context, s *nonstick.Socket, name string, answer nonstick.Args, state json.RawMessage,
) error {
	n.note("reply " + name + string(state))
	return n.Handler.Reply(ctx, s, name, answer, state)
}

func (n noting) Disconnect(ctx context.Context, s *nonstick.Socket, reason nonstick.Reason) error {
	n.note(string(reason))
	return n.Handler.Disconnect(ctx, s, reason)
}

// Wrappers see all that happens, the first outermost, and may answer by themselves.
func TestWrap(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var notes []string
		wrap := func(name string) func(nonstick.Handler) nonstick.Handler {
			return func(next nonstick.Handler) nonstick.Handler { return noting{next, name, &notes} }
		}
		s := w.server(func(s *nonstick.Server) {
			s.Wrap(wrap("a"), wrap("b"))
			nonstick.OnAck(
				s, "double", func(_ context.Context, _ *nonstick.Socket, n int) (int, error) { return 2 * n, nil },
			)
			nonstick.On(s, "secret", func(context.Context, *nonstick.Socket, nonstick.Args) error {
				t.Error("the handler was called")
				return nil
			})
			nonstick.On(s, "ask", func(ctx context.Context, k *nonstick.Socket, _ nonstick.Args) error {
				return nonstick.EmitThen(ctx, k, "question", "answered", 7)
			})
			nonstick.OnReply(s, "answered", func(ctx context.Context, k *nonstick.Socket, text string, n int) error {
				return k.Emit(ctx, "heard", text, n)
			})
		})
		p := w.join(s)
		p.send(`421["double",4]`)
		p.expect(`431[8]`)
		p.send(`422["secret"]`)
		p.expect(`432[{"message":"not allowed"}]`)
		p.send(`42["ask"]`)
		question := strings.Join(p.take(), " ")
		id := strings.TrimSuffix(strings.TrimPrefix(question, "42"), `["question"]`)
		p.send(`43` + id + `["because"]`)
		p.expect(`42["heard","because",7]`)
		p.send("41")
		want := `a connect, b connect, a double[4], b double[4], a secret[], a ask[], b ask[], ` +
			`a reply answered7, b reply answered7, ` +
			`a client namespace disconnect, b client namespace disconnect`
		if got := strings.Join(notes, ", "); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	})
}

// echo is a Handler of a program's own.
type echo struct{}

func (echo) Connect(_ context.Context, s *nonstick.Socket) error {
	if s.Namespace().Name() == "/closed" {
		return &nonstick.Error{Message: "closed"}
	}
	return nil
}

func (echo) Event(_ context.Context, _ *nonstick.Socket, event string, args nonstick.Args) (nonstick.Args, error) {
	if event == "unknown" {
		return nonstick.Args{}, nonstick.ErrUnhandled
	}
	return args, nil
}

func (echo) Reply(context.Context, *nonstick.Socket, string, nonstick.Args, json.RawMessage) error {
	return nonstick.ErrUnhandled
}

func (echo) Disconnect(context.Context, *nonstick.Socket, nonstick.Reason) error { return nil }

// A Handler takes every event; where it is set, what is registered with On is not called.
func TestHandle(t *testing.T) {
	inWorld(t, func(_ *testing.T, w *world) {
		s := w.server(func(s *nonstick.Server) {
			s.Handle(echo{})
			s.Of("/closed").Handle(echo{})
			nonstick.OnAck(
				s, "x", func(context.Context, *nonstick.Socket, nonstick.Args) (int, error) { return 1, nil },
			)
		})
		p := w.join(s)
		for _, c := range []struct{ send, want string }{
			{`421["x",5]`, `431[5]`},
			{`422["anything","a","b"]`, `432["a","b"]`},
			{`40/closed,`, `44/closed,{"message":"closed"}`},
		} {
			p.send(c.send)
			p.expect(c.want)
		}
		p.send(`423["unknown"]`)
		p.expect()
	})
}

// An event that has no handler leaves a line of the log at level debug and is not acknowledged; one that fails leaves
// a line at level error.
func TestUnhandled(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s := w.server(func(s *nonstick.Server) {
			nonstick.On(
				s, "fails",
				func(context.Context, *nonstick.Socket, nonstick.Args) error { return errors.New("broken") },
			)
		}, withDebug(w))
		p := w.join(s)
		p.send(`421["nosuch",1]`, `422["fails"]`)
		p.expect()
		for _, line := range []string{
			`level=DEBUG msg="event without a handler" nsp=/ event=nosuch`,
			`level=ERROR msg="event handler failed" nsp=/ event=fails error=broken`,
		} {
			if log := w.log.String(); !strings.Contains(log, line) {
				t.Errorf("log %s: want %s", log, line)
			}
		}
	})
}

type message struct {
	From string `json:"from"`
	Text string `json:"text"`
}

var (
	said   = nonstick.Event[message]("said")
	length = nonstick.Call[string, int]("length")
)

// Events that are declared once serve both sides.
func TestDeclaredEvents(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s := w.server(func(s *nonstick.Server) {
			said.On(s, func(ctx context.Context, k *nonstick.Socket, m message) error {
				return errors.Join(
					said.Emit(ctx, s, m), said.Emit(ctx, k, m), said.Emit(ctx, s.To(k.ID()), m),
					said.Emit(ctx, k.Namespace(), m),
				)
			})
			length.On(
				s, func(_ context.Context, _ *nonstick.Socket, text string) (int, error) { return len(text), nil },
			)
		})
		p := w.join(s)
		p.send(`42["said",{"from":"a","text":"b"}]`)
		one := `42["said",{"from":"a","text":"b"}]`
		p.expect(one, one, one, one)
		p.send(`421["length","four"]`)
		p.expect(`431[4]`)
		r, err := s.Socket(t.Context(), p.id)
		if err != nil {
			t.Fatal(err)
		}
		answered := make(chan int, 1)
		go func() {
			n, err := length.Emit(t.Context(), r, "seven!!")
			if err != nil {
				t.Error(err)
			}
			answered <- n
		}()
		synctest.Wait()
		question := strings.Join(p.take(), " ")
		p.send(`43` + strings.TrimSuffix(strings.TrimPrefix(question, "42"), `["length","seven!!"]`) + `[7]`)
		if n := <-answered; n != 7 {
			t.Errorf("answered %d", n)
		}
	})
}

// What the handler of a socket emits arrives in that order, by whichever way and whatever context is passed; through
// the socket it leaves when the handler returns, or just before what this instance sends to the client by another
// way.
func TestOrderWhateverTheContext(t *testing.T) {
	for name, pass := range map[string]func(context.Context) context.Context{
		"the handler's":    func(ctx context.Context) context.Context { return ctx },
		"background":       func(context.Context) context.Context { return context.Background() },
		"without cancel":   context.WithoutCancel,
		"a value's parent": func(ctx context.Context) context.Context { return context.WithValue(ctx, noteKey{}, 1) },
	} {
		for _, transport := range []string{"websocket", "polling"} {
			t.Run(name+" on "+transport, func(t *testing.T) {
				inWorld(t, func(t *testing.T, w *world) {
					s := w.server(func(s *nonstick.Server) {
						s.OnConnect(func(ctx context.Context, k *nonstick.Socket) error {
							ctx = pass(ctx)
							return errors.Join(
								k.Emit(ctx, "c1"), k.Join(ctx, "room"),
								s.To("room").Emit(ctx, "too early for this socket"),
								k.Namespace().To("room").Emit(ctx, "c2"), k.Emit(ctx, "c3"),
							)
						})
						nonstick.OnAck(
							s, "go", func(ctx context.Context, k *nonstick.Socket, _ nonstick.Args) (string, error) {
								ctx = pass(ctx)
								r, err := s.Socket(ctx, k.ID())
								return "done", errors.Join(
									err, k.Emit(ctx, "1"), s.To("room").Emit(ctx, "2"), k.Emit(ctx, "3"),
									r.Emit(ctx, "4"),
									k.Namespace().Emit(ctx, "5"), k.Emit(ctx, "6"), s.Emit(ctx, "7"),
								)
							},
						)
					})
					open := w.open
					if transport == "polling" {
						open = w.openPolling
					}
					p := open(s)
					p.send("40")
					p.connected()
					if got := slices.DeleteFunc(p.take(), func(f string) bool { return f == "6" }); !slices.Equal(
						got, []string{`42["c1"]`, `42["c2"]`, `42["c3"]`},
					) {
						t.Errorf("got %q", got)
					}
					p.send(`421["go"]`)
					p.expect(`42["1"]`, `42["2"]`, `42["3"]`, `42["4"]`, `42["5"]`, `42["6"]`, `42["7"]`, `431["done"]`)
				})
			})
		}
	}
}

type noteKey struct{}

// The same operators work from a namespace, a socket, a remote socket and an emitter.
func TestSelectionOperators(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s := w.server(func(s *nonstick.Server) {
			nonstick.On(s, "gather", func(ctx context.Context, k *nonstick.Socket, _ nonstick.Args) error {
				return k.Broadcast().Join(ctx, "others")
			})
		})
		a, b, c := w.join(s), w.joinPolling(s), w.join(s)
		a.send(`42["gather"]`)
		members := func(sel nonstick.Selection) string {
			t.Helper()
			found, err := sel.Fetch(t.Context(), 10)
			if err != nil {
				t.Fatal(err)
			}
			names := ""
			for _, r := range found {
				for name, p := range map[string]*peer{"a": a, "b": b, "c": c} {
					if p.id == r.ID() {
						names += name
					}
				}
			}
			return names
		}
		check := func(step, room, want string) {
			t.Helper()
			got := members(s.To(room))
			if len(got) != len(want) || strings.Trim(got, want) != "" {
				t.Errorf("%s: %q are in %s, want %q", step, got, room, want)
			}
		}
		check("a socket's selection joins", "others", "bc")
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Error(err)
			}
		}
		must(s.Join(t.Context(), "all"))
		check("a namespace joins", "all", "abc")
		must(s.To("all").Except("others").Join(t.Context(), "rest"))
		check("a selection joins", "rest", "a")
		must(s.To("others").Leave(t.Context(), "all"))
		check("a selection leaves", "all", "a")
		r, err := s.Socket(t.Context(), b.id)
		must(err)
		must(r.Join(t.Context(), "one", "two"))
		must(r.Leave(t.Context(), "one"))
		rooms, err := r.Rooms(t.Context())
		must(err)
		if strings.Join(rooms, " ") != "others two" {
			t.Errorf("b is in %q", rooms)
		}
		if h, err := r.Handshake(t.Context()); err != nil {
			t.Errorf("handshake of b: %+v, %v", h, err)
		}
		remote, err := s.Socket(t.Context(), c.id)
		must(err)
		if h, err := remote.Handshake(t.Context()); err != nil || h.Query["who"] != c.conn.ID {
			t.Errorf("handshake of c: %+v, %v", h, err)
		}
		must(s.To("two").Disconnect(t.Context(), false))
		if _, err := s.Socket(t.Context(), b.id); !errors.Is(err, nonstick.ErrDisconnected) {
			t.Errorf("b after Disconnect: %v", err)
		}
		must(remote.Disconnect(t.Context(), true))
		for what, err := range map[string]error{
			"join": remote.Join(t.Context(), "x"), "leave": remote.Leave(t.Context(), "x"),
			"disconnect": remote.Disconnect(t.Context(), true),
		} {
			if !errors.Is(err, nonstick.ErrDisconnected) {
				t.Errorf("%s of a socket that has left: %v", what, err)
			}
		}
		if err := remote.Emit(t.Context(), "x"); !errors.Is(err, nonstick.ErrDisconnected) {
			t.Errorf("c after Disconnect: %v", err)
		}
		if err := s.To("").Emit(t.Context(), "x"); !errors.Is(err, nonstick.ErrRoomName) {
			t.Errorf("a room without a name: %v", err)
		}
	})
}

// withDebug has the log take everything.
func withDebug(w *world) func(*nonstick.Config) {
	return func(c *nonstick.Config) {
		c.Logger = slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
}
