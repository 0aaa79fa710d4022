package nonstick_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nonstick-io/nonstick"
)

// notes are what handlers note, in their order.
type notes struct{ list []string }

func (n *notes) add(format string, args ...any) {
	n.list = append(n.list, fmt.Sprintf(format, args...))
}

// expect fails the test unless exactly this has been noted since the last call.
func (n *notes) expect(t *testing.T, want ...string) {
	t.Helper()
	if !slices.Equal(n.list, want) {
		t.Errorf("noted %q\nwant  %q", n.list, want)
	}
	n.list = nil
}

// passes is middleware that lets all in.
func (n *notes) passes(name string) func(context.Context, *nonstick.Socket) error {
	return func(context.Context, *nonstick.Socket) error { n.add("%s", name); return nil }
}

// Middleware runs in the order of its registration, before the connect handler; the first error refuses, and what the
// client is told of it is the error's message and data.
func TestUse(t *testing.T) {
	type middleware = func(context.Context, *nonstick.Socket) error
	for _, c := range []struct {
		name   string
		second middleware // between two that let all in
		noted  []string
		told   string
	}{
		{"passes", func(context.Context, *nonstick.Socket) error { return nil }, []string{"1", "3", "handler"}, ""},
		{"refuses", func(context.Context, *nonstick.Socket) error {
			return &nonstick.Error{Message: "no", Data: map[string]int{"code": 7}}
		}, []string{"1"}, `44{"message":"no","data":{"code":7}}`},
		{"refuses, wrapped", func(context.Context, *nonstick.Socket) error {
			return fmt.Errorf("wrapped: %w", &nonstick.Error{Message: "no"})
		}, []string{"1"}, `44{"message":"no"}`},
		{
			"fails", func(context.Context, *nonstick.Socket) error { return errors.New("secret") },
			[]string{"1"},
			`44{"message":"Internal server error"}`,
		},
		{
			"panics", func(context.Context, *nonstick.Socket) error { panic("secret") },
			[]string{"1"},
			`44{"message":"Internal server error"}`,
		},
	} {
		for _, transport := range []string{"websocket", "polling"} {
			t.Run(c.name+"/"+transport, func(t *testing.T) {
				inWorld(t, func(t *testing.T, w *world) {
					var n notes
					s := w.server(func(s *nonstick.Server) {
						s.OnConnect(n.passes("handler"))
						s.Use(n.passes("1"), c.second)
						s.Use(n.passes("3"))
						s.Of("/other").OnConnect(n.passes("other"))
					})
					p := w.openOn(s, transport)
					p.send("40")
					if c.told == "" {
						p.connected()
					} else {
						p.expect(c.told)
						if k := p.state().Sockets; len(k) > 0 {
							t.Errorf("it joined all the same: %+v", k)
						}
					}
					n.expect(t, c.noted...)
					if got := p.joinIn("/other", ""); got != `40/other,{"sid":"SID"}` {
						t.Errorf("another namespace: %s", got)
					}
					n.expect(t, "other")
				})
			})
		}
	}
}

// What middleware does by the socket takes effect together with what the connect handler does, or not at all.
func TestUseIsDeferred(t *testing.T) {
	for _, refuse := range []bool{false, true} {
		inWorld(t, func(t *testing.T, w *world) {
			s := w.server(func(s *nonstick.Server) {
				s.Use(func(ctx context.Context, s *nonstick.Socket) error {
					return errors.Join(
						s.Join(ctx, "a"), s.SetData(ctx, "k", 1), s.Emit(ctx, "hello"), s.To("a").Emit(ctx, "came"),
					)
				})
				s.OnConnect(func(ctx context.Context, s *nonstick.Socket) error {
					if who, _ := s.Auth(ctx); refuse && who == nil {
						return &nonstick.Error{Message: "no"}
					}
					return s.Join(ctx, "b")
				})
			})
			first := w.open(s)
			first.joinIn("/", "{}")
			p := w.open(s)
			p.send("40")
			if refuse {
				p.expect(`44{"message":"no"}`)
				first.expect()
				return
			}
			p.connected()
			p.expect(`42["hello"]`)
			first.expect(`42["came"]`)
			if got := w.kept(p.state().Sockets[0]); got != "[a b] map[k:1]" {
				t.Errorf("keeps %s", got)
			}
		})
	}
}

// Middleware for events, listeners of all, and the handler: their order, and what a refusal does.
func TestUseEvent(t *testing.T) {
	for _, transport := range []string{"websocket", "polling"} {
		t.Run(transport, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				var n notes
				listener := func(name string) func(context.Context, *nonstick.Socket, string, nonstick.Args) {
					return func(_ context.Context, _ *nonstick.Socket, event string, args nonstick.Args) {
						n.add("%s %s%s", name, event, args.JSON)
					}
				}
				s := w.server(func(s *nonstick.Server) {
					s.OnAny(listener("any 1"))
					s.OnAny(listener("any 2"))
					s.PrependAny(listener("any 0"))
					s.UseEvent(func(_ context.Context, _ *nonstick.Socket, event string, _ nonstick.Args) error {
						n.add("use 1")
						switch event {
						case "told":
							return &nonstick.Error{Message: "no", Data: 7}
						case "failed":
							return errors.New("only for the log")
						case "panics":
							panic("only for the log, too")
						}
						return nil
					}, func(context.Context, *nonstick.Socket, string, nonstick.Args) error {
						n.add("use 2")
						return nil
					})
					for _, event := range []string{"works", "told", "failed", "panics"} {
						nonstick.OnAck(s, event, func(context.Context, *nonstick.Socket, int) (int, error) {
							n.add("handler")
							return 5, nil
						})
					}
				})
				p := w.openOn(s, transport)
				p.send("40")
				p.connected()
				for _, c := range []struct {
					frame, answer string
					noted         []string
				}{
					{`421["works",1]`, `431[5]`, []string{"use 1", "use 2", "handler"}},
					{`421["told",1]`, `431[{"message":"no","data":7}]`, []string{"use 1"}},
					{`42["told",1]`, "", []string{"use 1"}},
					{`421["failed",1]`, "", []string{"use 1"}},
					{`421["panics",1]`, "", []string{"use 1"}},
					{`421["unknown",1]`, "", []string{"use 1", "use 2"}},
				} {
					p.send(c.frame)
					event := strings.Split(c.frame, `"`)[1]
					n.expect(t, append([]string{
						"any 0 " + event + "[1]", "any 1 " + event + "[1]", "any 2 " + event + "[1]",
					}, c.noted...)...)
					switch {
					case c.answer != "":
						p.expect(c.answer)
					case transport == "websocket":
						p.expect()
					}
				}
				p.expectOpen()
				for _, text := range []string{"only for the log", "only for the log, too"} {
					if !strings.Contains(w.log.String(), text) {
						t.Errorf("the log does not have %q", text)
					}
				}
			})
		})
	}
}

// Acknowledgements are no events: neither listeners nor middleware see them.
func TestAnyIsNotForAcknowledgements(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var n notes
		s := w.server(func(s *nonstick.Server) {
			s.OnAny(
				func(_ context.Context, _ *nonstick.Socket, event string, _ nonstick.Args) { n.add("in %s", event) },
			)
			s.OnAnyOutgoing(func(_ context.Context, _ *nonstick.Socket, event string, args nonstick.Args) {
				n.add("out %s%s", event, args.JSON)
			})
			nonstick.On(s, "ask", func(ctx context.Context, s *nonstick.Socket, _ nonstick.Args) error {
				return nonstick.EmitThen(ctx, s, "question", "answered", 7, "?")
			})
			nonstick.OnReply(s, "answered", func(context.Context, *nonstick.Socket, int, int) error {
				n.add("answered")
				return nil
			})
		})
		p := w.join(s)
		p.send(`421["ask"]`)
		n.expect(t, "in ask", `out question["?"]`)
		question := p.take()[0]
		id := question[2:strings.Index(question, "[")]
		p.send("43" + id + "[1]")
		n.expect(t, "answered")
	})
}

// What a handler emits by its socket is told once, however many sockets it is for; what it emits by its server is not.
func TestOnAnyOutgoing(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var n notes
		s := w.server(func(s *nonstick.Server) {
			out := func(name string) func(context.Context, *nonstick.Socket, string, nonstick.Args) {
				return func(_ context.Context, k *nonstick.Socket, event string, args nonstick.Args) {
					n.add("%s %s%s %v", name, event, args.JSON, len(k.ID()) == 20)
				}
			}
			s.OnAnyOutgoing(out("2"))
			s.PrependAnyOutgoing(out("1"))
			s.OnConnect(func(ctx context.Context, s *nonstick.Socket) error { return s.Emit(ctx, "hello") })
			s.OnConnected(
				func(ctx context.Context, s *nonstick.Socket) error { return s.Broadcast().Emit(ctx, "came") },
			)
			s.OnDisconnect(func(ctx context.Context, s *nonstick.Socket, _ nonstick.Reason) error {
				if err := s.Emit(ctx, "too late"); !errors.Is(err, nonstick.ErrDisconnected) {
					t.Errorf("emit to a socket that has left: %v", err)
				}
				return s.Namespace().To("a").Emit(ctx, "left")
			})
			nonstick.OnAck(s, "go", func(ctx context.Context, k *nonstick.Socket, id string) (int, error) {
				other, err := k.Namespace().Socket(ctx, id)
				return 1, errors.Join(
					err,
					k.Emit(ctx, "self", 1, "x"),
					k.To("a", "b").Emit(ctx, "rooms", 2),
					k.Except("c").Emit(ctx, "rest"),
					other.Emit(
						ctx,
						"one",
					),
					k.Namespace().Emit(ctx, "all"),
					s.Emit(ctx, "server"),
					s.To("a").Emit(ctx, "server"),
				)
			})
			nonstick.On(s, "wrong", func(ctx context.Context, k *nonstick.Socket, _ nonstick.Args) error {
				return errors.Join(k.Emit(ctx, "connect"), k.Emit(ctx, "x", func() {}), k.To("").Emit(ctx, "x"))
			})
		})
		a := w.join(s)
		n.expect(t, "1 hello[] true", "2 hello[] true", "1 came[] true", "2 came[] true")
		b := w.join(s)
		n.list = nil
		a.send(`421["go","` + b.id + `"]`)
		var want []string
		for _, event := range []string{`self[1,"x"]`, "rooms[2]", "rest[]", "one[]", "all[]"} {
			want = append(want, "1 "+event+" true", "2 "+event+" true")
		}
		n.expect(t, want...)
		a.send(`42["wrong"]`)
		n.expect(t)
		a.send("41")
		n.expect(t, "1 left[] true", "2 left[] true")
	})
}

// A hook of connected sockets runs when the client has been told and the socket is there: broadcasts reach it, and it
// is met.
func TestOnConnected(t *testing.T) {
	for _, transport := range []string{"websocket", "polling"} {
		t.Run(transport, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				var n notes
				s := w.server(func(s *nonstick.Server) {
					s.OnConnect(func(ctx context.Context, k *nonstick.Socket) error {
						if auth, _ := k.Auth(ctx); auth != nil {
							return &nonstick.Error{Message: "no"}
						}
						return errors.Join(k.Join(ctx, "lobby"), k.Emit(ctx, "first"))
					})
					s.OnConnected(func(ctx context.Context, k *nonstick.Socket) error {
						found, err := s.To("lobby").Fetch(ctx, 10)
						rooms, roomsErr := k.Rooms(ctx)
						n.add("%d %v %v %v", len(found), rooms, err, roomsErr)
						return errors.Join(
							k.Join(ctx, "later"),
							k.Emit(ctx, "second"),
							s.To("later").Emit(ctx, "third"),
						)
					})
					s.OnConnected(func(context.Context, *nonstick.Socket) error {
						n.add("2")
						return errors.New("log this")
					})
					s.OnConnected(func(context.Context, *nonstick.Socket) error { n.add("3"); panic("and this") })
					nonstick.OnAck(
						s,
						"rooms",
						func(ctx context.Context, k *nonstick.Socket, _ nonstick.Args) ([]string, error) {
							return k.Rooms(ctx)
						},
					)
				})
				p := w.openOn(s, transport)
				p.send("40{}")
				p.expect(`44{"message":"no"}`)
				n.expect(t)
				p.send("40", `421["rooms"]`) // in one request, where that is possible
				n.expect(t, "1 [lobby] <nil> <nil>", "2", "3")
				got := p.take()
				want := []string{`42["first"]`, `42["second"]`, `42["third"]`, `431[["later","lobby"]]`}
				if !strings.HasPrefix(got[0], `40{"sid":`) || !slices.Equal(got[1:], want) {
					t.Errorf("got  %q\nwant 40 and %q", got, want)
				}
				p.expectOpen()
				for _, text := range []string{"log this", "and this"} {
					if !strings.Contains(w.log.String(), text) {
						t.Errorf("the log does not have %q", text)
					}
				}
			})
		})
	}
}

// What a hook emits by its server comes behind the answer to CONNECT, also where nothing else does; if the hook emits
// nothing, the answer costs no push.
func TestOnConnectedIsTold(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s := w.server(func(s *nonstick.Server) {
			s.OnConnected(func(ctx context.Context, k *nonstick.Socket) error {
				if auth, _ := k.Auth(ctx); auth == nil {
					return nil
				}
				return s.To(k.ID()).Emit(ctx, "ready")
			})
		})
		for _, auth := range []string{"{}", ""} {
			p := w.open(s)
			pushes := w.pusher.Pushes()
			p.send("40" + auth)
			if auth == "" {
				p.connected()
				if n := w.pusher.Pushes() - pushes; n != 0 {
					t.Errorf("%d pushes", n)
				}
				continue
			}
			if got := p.take(); len(got) != 2 || !strings.HasPrefix(got[0], "40{") || got[1] != `42["ready"]` {
				t.Errorf("got %q", got)
			}
		}
	})
}

// Middleware, listeners and hooks go around a Handler of the program's own, and are those of each child of a parent.
func TestMiddlewareAroundAHandler(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var n notes
		s := w.server(func(s *nonstick.Server) {
			for _, on := range []*nonstick.Namespace{s.Of("/own"), s.OfPattern("tenants", tenant)} {
				on.Use(
					func(_ context.Context, k *nonstick.Socket) error {
						n.add("use %s", k.Namespace().Name())
						return nil
					},
				)
				on.UseEvent(func(_ context.Context, k *nonstick.Socket, event string, _ nonstick.Args) error {
					n.add("use %s", event)
					return nil
				})
				on.OnAny(func(context.Context, *nonstick.Socket, string, nonstick.Args) { n.add("any") })
				on.OnConnected(n.passes("connected"))
				on.Handle(echo{})
			}
		})
		for _, nsp := range []string{"/own", "/tenant-1"} {
			p := w.open(s)
			p.joinIn(nsp, "")
			p.send("42" + nsp + `,1["x",2]`)
			p.expect("43" + nsp + ",1[2]")
			n.expect(t, "use "+nsp, "connected", "any", "use x")
		}
	})
}

func TestEventNames(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s := w.server(func(s *nonstick.Server) {
			nonstick.On(s, "b", func(context.Context, *nonstick.Socket, nonstick.Args) error { return nil })
			nonstick.OnAck(
				s,
				"a",
				func(context.Context, *nonstick.Socket, nonstick.Args) (int, error) { return 0, nil },
			)
			s.OnAny(func(context.Context, *nonstick.Socket, string, nonstick.Args) {})
		})
		if got := fmt.Sprint(s.EventNames(), s.Of("/x").EventNames()); got != "[a b] []" {
			t.Errorf("events %s", got)
		}
	})
}

// The handshake has what Socket.IO's has.
func TestHandshakeIsWhole(t *testing.T) {
	at := time.Date(2026, time.May, 4, 3, 2, 1, 234_000_000, time.UTC)
	h := nonstick.Handshake{Time: at, Headers: map[string]string{"origin": "https://example.org"}}
	if h.Issued() != at.UnixMilli() || !h.XDomain() {
		t.Errorf("issued %d, xdomain %v", h.Issued(), h.XDomain())
	}
	if h = (nonstick.Handshake{}); h.XDomain() {
		t.Error("without an Origin: xdomain")
	}
}
