package nonstick_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nonstick-io/nonstick"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// What the client is told when it asks to join. SID stands for the socket's id.
func TestConnect(t *testing.T) {
	refuse := func(err error) func(context.Context, *nonstick.Socket) error {
		return func(context.Context, *nonstick.Socket) error { return err }
	}
	for _, c := range []struct {
		name    string
		handler func(context.Context, *nonstick.Socket) error
		frame   string
		want    string
		joined  bool
	}{
		{"no handler", nil, "40", `40{"sid":"SID"}`, true},
		{"accepted", refuse(nil), "40", `40{"sid":"SID"}`, true},
		{"with auth", refuse(nil), `40{"token":"x"}`, `40{"sid":"SID"}`, true},
		{"another namespace", refuse(nil), "40/admin,", `40/admin,{"sid":"SID"}`, true},
		{
			"refused, with a message", refuse(&nonstick.Error{Message: "no <entry>"}), "40",
			`44{"message":"no \u003centry\u003e"}`, false,
		},
		{
			"refused, with data", refuse(&nonstick.Error{Message: "no", Data: json.RawMessage(`{"code":7}`)}), "40",
			`44{"message":"no","data":{"code":7}}`, false,
		},
		{
			"refused, wrapped", refuse(fmt.Errorf("wrapped: %w", &nonstick.Error{Message: "no"})), "40/admin,",
			`44/admin,{"message":"no"}`, false,
		},
		{"failed", refuse(errors.New("secret")), "40", `44{"message":"Internal server error"}`, false},
		{
			"panics", func(context.Context, *nonstick.Socket) error { panic("secret") }, "40",
			`44{"message":"Internal server error"}`, false,
		},
		{"invalid namespace", nil, "40/none,", `44/none,{"message":"Invalid namespace"}`, false},
		{"invalid namespace, with auth", nil, `40/none,{"a":1}`, `44/none,{"message":"Invalid namespace"}`, false},
	} {
		for _, transport := range []string{"websocket", "polling"} {
			t.Run(c.name+"/"+transport, func(t *testing.T) {
				inWorld(t, func(t *testing.T, w *world) {
					s := w.server(func(s *nonstick.Server) {
						s.OnConnect(c.handler)
						s.Of("/admin").OnConnect(c.handler)
					})
					p := w.openOn(s, transport)
					p.send(c.frame)
					want := c.want
					if sockets := p.state().Sockets; len(sockets) == 1 {
						want = strings.Replace(want, "SID", string(sockets[0].ID), 1)
					}
					p.expect(want)
					if joined := len(p.state().Sockets) == 1; joined != c.joined {
						t.Errorf("joined: %v", joined)
					}
					p.expectOpen()
				})
			})
		}
	}
}

func (w *world) openOn(s *nonstick.Server, transport string) *peer {
	if transport == "polling" {
		return w.openPolling(s)
	}
	return w.open(s)
}

// The connect handler sees what the client sent.
func TestConnectSees(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		type login struct{ Name string }
		var auths []string
		s := w.server(func(s *nonstick.Server) {
			s.OnConnect(func(ctx context.Context, k *nonstick.Socket) error {
				a, err := nonstick.Auth[login](ctx, k)
				raw, _ := k.Auth(ctx)
				h, hErr := k.Handshake(ctx)
				auths = append(
					auths,
					fmt.Sprintf(
						"%s %v %v %s %v %d %s", raw, a, errors.Is(err, nonstick.ErrArgs), h.Query["who"], hErr,
						len(k.ID()), k.Namespace().Name(),
					),
				)
				return &nonstick.Error{Message: "again"}
			})
		})
		p := w.open(s)
		p.send("40", `40{"name":"Ann"}`, `40{"name":5}`)
		want := fmt.Sprint([]string{
			" {} false " + p.conn.ID + " <nil> 20 /",
			`{"name":"Ann"} {Ann} false ` + p.conn.ID + " <nil> 20 /",
			`{"name":5} {} true ` + p.conn.ID + " <nil> 20 /",
		})
		if got := fmt.Sprint(auths); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	})
}

// What a connect handler does takes effect when it accepts, after the client was told; else it never happened.
func TestConnectHandlerIsDeferred(t *testing.T) {
	for _, c := range []struct {
		name   string
		refuse bool
	}{{"accepts", false}, {"refuses", true}} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				s := w.server(func(s *nonstick.Server) {
					n := s.Namespace
					n.OnConnect(func(ctx context.Context, k *nonstick.Socket) error {
						if auth, _ := k.Auth(ctx); auth == nil {
							return k.Join(ctx, "watchers")
						}
						var rooms []string
						err := errors.Join(
							k.Emit(ctx, "one", 1),
							k.Join(ctx, "b", "a", "left"),
							k.Leave(ctx, "left"),
							k.SetData(ctx, "name", "Ann"),
							k.SetData(ctx, "gone", 1),
							k.DeleteData(ctx, "gone"),
							func() (err error) { rooms, err = k.Rooms(ctx); return err }(),
							k.Namespace().To("a").Emit(ctx, "two", rooms),
							k.To("watchers").Emit(ctx, "three", 3),
							k.Namespace().Emit(ctx, "four", 4),
						)
						if c.refuse {
							return &nonstick.Error{Message: "no"}
						}
						return err
					})
					n.OnDisconnect(func(context.Context, *nonstick.Socket, nonstick.Reason) error {
						t.Error("a disconnect handler ran")
						return nil
					})
				})
				watcher := w.join(s)
				p := w.open(s)
				p.send(`40{}`)
				if c.refuse {
					p.expect(`44{"message":"no"}`)
					watcher.expect()
					for m := range w.store.Members(t.Context(), "/", "a", sessionstore.Range{}) {
						t.Errorf("%+v is in the room", m)
					}
					if len(p.state().Sockets) != 0 {
						t.Error("a socket is left")
					}
					return
				}
				p.expect(
					`40{"sid":"`+string(p.state().Sockets[0].ID)+`"}`, `42["one",1]`, `42["two",["a","b"]]`,
					`42["four",4]`,
				)
				watcher.expect(`42["three",3]`, `42["four",4]`)
				k := p.state().Sockets[0]
				if got := w.kept(k); got != `[a b] map[name:"Ann"]` {
					t.Errorf("rooms and data: %s", got)
				}
			})
		})
	}
}

// What one POST carries is handled in order: joining, using, leaving, joining again.
func TestConnectAndMoreInOnePost(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s := w.server(typed)
		p := w.openPolling(s)
		p.send("40", `421["int",1]`, "41", "40", `422["int",2]`)
		got := p.take()
		if len(got) != 4 || !strings.HasPrefix(got[0], "40{") || got[1] != "431[1]" ||
			!strings.HasPrefix(got[2], "40{") ||
			got[3] != "432[2]" ||
			got[0] == got[2] {
			t.Errorf("got %q", got)
		}
		p.expectOpen()
	})
}

// What comes in the same POST behind the end of a namespace is ignored, whichever side ended it; what comes later ends
// the session. So does the reference.
func TestEventBehindTheEndOfItsNamespace(t *testing.T) {
	for _, end := range []string{"41/admin,", `42/admin,["kick",false]`} {
		for _, behind := range []string{`42/admin,["be","x"]`, "43/admin,1[]", "41/admin,"} {
			t.Run(end+" "+behind, func(t *testing.T) {
				inWorld(t, func(t *testing.T, w *world) {
					g := &goodbyes{}
					p := w.joinPolling(w.server(g.register))
					p.send("40/admin,")
					p.take()
					p.send(end, behind, `421["be","Ann"]`)
					if got := p.take(); got[len(got)-1] != "431[]" {
						t.Errorf("answers %q", got)
					}
					p.expectOpen()
					state := p.state()
					if _, there := state.Socket("/admin"); there || len(g.all()) != 1 {
						t.Errorf("still there: %v; %q", there, g.all())
					}
					p.send(behind)
					p.expectClosed("forced server close")
				})
			})
		}
	}
}

// A client that connects twice to one namespace breaks the protocol.
func TestConnectTwice(t *testing.T) {
	for _, transport := range []string{"websocket", "polling"} {
		for _, frame := range []string{"40", "40/admin,"} {
			t.Run(transport+"/"+frame, func(t *testing.T) {
				inWorld(t, func(t *testing.T, w *world) {
					asked := 0
					s := w.server(func(s *nonstick.Server) {
						for _, name := range []string{"/", "/admin"} {
							s.Of(name).OnConnect(func(context.Context, *nonstick.Socket) error { asked++; return nil })
						}
					})
					p := w.openOn(s, transport)
					p.send("40")
					p.send("40/admin,")
					p.expectOpen()
					p.send(frame)
					p.expectClosed("forced server close")
					if asked != 2 {
						t.Errorf("connect handlers ran %d times", asked)
					}
				})
			})
		}
	}
}

// Two CONNECTs that arrive at once at two instances: one wins, and the client that sent them is closed.
func TestConnectTwiceAtOnce(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var entered atomic.Int32
		register := func(s *nonstick.Server) {
			s.OnConnect(func(context.Context, *nonstick.Socket) error {
				entered.Add(1)
				time.Sleep(time.Second)
				return nil
			})
		}
		one, two := w.server(register), w.server(register)
		p := w.open(one)
		done := make(chan struct{})
		go func() { defer close(done); _, _ = one.Engine().Message(t.Context(), p.conn, "40") }()
		time.Sleep(time.Millisecond)
		_, _ = two.Engine().Message(t.Context(), p.conn, "40")
		<-done
		if n := entered.Load(); n != 2 {
			t.Fatalf("%d handlers ran: the test is not about what it says", n)
		}
		p.expectClosed("forced server close")
		for shard := range w.store.Shards() {
			for m := range w.store.NamespaceMembers(t.Context(), "/", shard, sessionstore.Range{}) {
				t.Errorf("%+v is left", m)
			}
		}
	})
}

// A session that joins nothing ends in time, unless that is switched off.
func TestConnectTimeout(t *testing.T) {
	for _, c := range []struct {
		name    string
		timeout time.Duration
		frames  []string
		want    sessionstore.State
	}{
		{"default", 0, nil, sessionstore.Closed},
		{"joined", 0, []string{"40"}, sessionstore.Open},
		{"joined and left", 0, []string{"40", "41"}, sessionstore.Open},
		{"refused", 0, []string{"40/none,"}, sessionstore.Closed},
		{"never", -1, nil, sessionstore.Open},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				s := w.server(func(s *nonstick.Server) { s.Lookup("/") }, func(g *nonstick.Config) {
					g.Options.ConnectTimeout, g.Options.PingInterval = c.timeout, time.Hour
				})
				p := w.open(s)
				p.send(c.frames...)
				ctx, cancel := context.WithCancel(t.Context())
				done := make(chan error, 1)
				go func() { done <- s.Engine().Sweep(ctx) }()
				time.Sleep(44 * time.Second)
				p.expectOpen()
				time.Sleep(6 * time.Second)
				cancel()
				<-done
				if got := p.state().State; got != c.want {
					t.Errorf("session is %s, want %s", got, c.want)
				}
			})
		})
	}
}

func TestOfPanics(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s := w.server(func(*nonstick.Server) {})
		if first, second := s.Of("/a"), s.Of("/a"); first != second {
			t.Error("a namespace is registered twice")
		}
		for _, name := range []string{"", "chat", "/" + strings.Repeat("x", sessionstore.MaxName)} {
			func() {
				defer func() {
					if recover() == nil {
						t.Errorf("no panic at a name of %d bytes", len(name))
					}
				}()
				s.Of(name)
			}()
		}
	})
}
