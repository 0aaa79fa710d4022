package nonstick_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/nonstick-io/nonstick"
)

// late is what a program may try to set once clients are there.
var late = map[string]func(*nonstick.Namespace, *nonstick.Server){
	"an event": func(n *nonstick.Namespace, _ *nonstick.Server) {
		nonstick.On(
			n, "x",
			func(context.Context, *nonstick.Socket, nonstick.Args) error {
				return nil
			},
		)
	},
	"an acknowledgement": func(n *nonstick.Namespace, _ *nonstick.Server) {
		nonstick.OnReply(n, "x", func(context.Context, *nonstick.Socket, nonstick.Args, string) error { return nil })
	},
	"the connect handler":     func(n *nonstick.Namespace, _ *nonstick.Server) { n.OnConnect(nil) },
	"the disconnect handler":  func(n *nonstick.Namespace, _ *nonstick.Server) { n.OnDisconnect(nil) },
	"attachments":             func(_ *nonstick.Namespace, s *nonstick.Server) { s.AllowAttachments() },
	"a hook of requests":      func(_ *nonstick.Namespace, s *nonstick.Server) { s.OnConnectionError(nil) },
	"a hook of first answers": func(_ *nonstick.Namespace, s *nonstick.Server) { s.OnInitialHeaders(nil) },
	"a hook of answers":       func(_ *nonstick.Namespace, s *nonstick.Server) { s.OnHeaders(nil) },
	"a hook of upgrades":      func(_ *nonstick.Namespace, s *nonstick.Server) { s.OnUpgrade(nil) },
	"ids of sessions":         func(_ *nonstick.Namespace, s *nonstick.Server) { s.GenerateID(nil) },
	"a namespace":             func(_ *nonstick.Namespace, s *nonstick.Server) { s.Of("/new") },
}

// A handler that is set inside a connection fails that connection, with a line in the log, and nothing else.
func TestRegisteringInsideAConnection(t *testing.T) {
	for name, set := range late {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				s := w.server(func(s *nonstick.Server) {
					n := s.Namespace
					n.OnConnect(func(ctx context.Context, k *nonstick.Socket) error {
						if auth, err := k.Auth(ctx); auth != nil || err != nil {
							set(n, s)
						}
						return nil
					})
				})
				good := w.join(s)
				bad := w.open(s)
				bad.send(`40{"set":true}`)
				bad.expect(`44{"message":"Internal server error"}`)
				if log := w.log.String(); !strings.Contains(log, "register everything at start") {
					t.Errorf("log = %s", log)
				}
				good.expectOpen()
			})
		})
	}
}

// The same in an event, and outside of any handler.
func TestRegisteringLate(t *testing.T) {
	for name, set := range late {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				var err error
				s := w.server(func(s *nonstick.Server) {
					n := s.Namespace
					nonstick.On(n, "set", func(context.Context, *nonstick.Socket, nonstick.Args) error {
						set(n, s)
						return nil
					})
				})
				c := w.join(s)
				c.send(`421["set"]`)
				c.expect()
				c.expectOpen()
				if log := w.log.String(); !strings.Contains(log, "register everything at start") {
					t.Errorf("log = %s", log)
				}
				func() {
					defer func() { err, _ = recover().(error) }()
					set(s.Namespace, s) // a known namespace is found at any time
				}()
				if !errors.Is(err, nonstick.ErrServing) {
					t.Errorf("panic = %v, want ErrServing", err)
				}
			})
		})
	}
}

// Until the first request handlers may be set, and a namespace may be made again, which is the same. From then on only
// Lookup finds one.
func TestOfAndLookup(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s := w.server(func(*nonstick.Server) {})
		typed(s)
		admin := s.Of("/admin")
		if s.Of("/admin") != admin || s.Of("/") != s.Namespace {
			t.Error("a namespace was made twice")
		}
		w.join(s)
		if n, ok := s.Lookup("/admin"); !ok || n != admin {
			t.Errorf("Lookup of /admin: %v, %v", n, ok)
		}
		if n, ok := s.Lookup("/other"); ok || n != nil {
			t.Errorf("Lookup of /other: %v, %v", n, ok)
		}
		for _, name := range []string{"/admin", "/other"} {
			func() {
				defer func() {
					if err, ok := recover().(error); !ok || !errors.Is(err, nonstick.ErrServing) {
						t.Errorf("Of(%q) while it serves: %v", name, err)
					}
				}()
				s.Of(name)
			}()
		}
	})
}

// Setting handlers while clients come is a mistake, but never a race: it works, or it panics.
func TestRegisteringAtTheSameTime(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s := w.server(typed)
		c := w.open(s)
		var both sync.WaitGroup
		both.Go(func() {
			defer func() {
				if err, _ := recover().(error); err != nil && !errors.Is(err, nonstick.ErrServing) {
					t.Errorf("panic = %v", err)
				}
			}()
			for range 100 {
				for _, set := range late {
					set(s.Namespace, s)
				}
			}
		})
		both.Go(func() { c.send("40") })
		both.Wait()
	})
}

// use is everything that a socket can be asked to do.
var use = map[string]func(context.Context, *nonstick.Socket) error{
	"emit":  func(ctx context.Context, s *nonstick.Socket) error { return s.Emit(ctx, "x", 1) },
	"join":  func(ctx context.Context, s *nonstick.Socket) error { return s.Join(ctx, "r") },
	"leave": func(ctx context.Context, s *nonstick.Socket) error { return s.Leave(ctx, "r") },
	"set data": func(ctx context.Context, s *nonstick.Socket) error {
		return s.SetData(ctx, "k", 1)
	},
	"delete data": func(ctx context.Context, s *nonstick.Socket) error { return s.DeleteData(ctx, "k") },
	"disconnect":  func(ctx context.Context, s *nonstick.Socket) error { return s.Disconnect(ctx, false) },
	"close":       func(ctx context.Context, s *nonstick.Socket) error { return s.Disconnect(ctx, true) },
	"emit then": func(ctx context.Context, s *nonstick.Socket) error {
		return nonstick.EmitThen(ctx, s, "x", "then", "", 1)
	},
}

// A socket that was kept says so, whichever handler it came from, with the handler's context or another.
func TestKeptSocket(t *testing.T) {
	for name, f := range use {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				var kept []*nonstick.Socket
				var ctxs []context.Context
				keep := func(ctx context.Context, s *nonstick.Socket) {
					kept, ctxs = append(kept, s), append(ctxs, ctx)
				}
				s := w.server(func(s *nonstick.Server) { keepers(s.Namespace, keep) })
				w.open(s).send(`40{"deny":true}`)
				c := w.join(s)
				c.send(`421["keep"]`, `42["keep and panic"]`, `42["ask"]`)
				got := c.take()
				id, _, _ := strings.Cut(strings.TrimPrefix(got[len(got)-1], "42"), "[")
				c.send("43"+id+"[]", "41")
				if len(kept) != 6 {
					t.Fatalf("%d sockets kept, want 6", len(kept))
				}
				c.take()
				for i, k := range kept {
					for _, ctx := range []context.Context{ctxs[i], t.Context()} {
						if err := f(ctx, k); !errors.Is(err, nonstick.ErrHandlerReturned) {
							t.Errorf("socket %d: %v, want ErrHandlerReturned", i, err)
						}
					}
				}
				c.expect()
			})
		})
	}
}

// keepers sets handlers of every kind, which call keep.
func keepers(n *nonstick.Namespace, keep func(context.Context, *nonstick.Socket)) {
	n.OnConnect(func(ctx context.Context, s *nonstick.Socket) error {
		keep(ctx, s)
		if auth, err := s.Auth(ctx); auth != nil || err != nil {
			return errors.New("denied")
		}
		return nil
	})
	n.OnDisconnect(func(ctx context.Context, s *nonstick.Socket, _ nonstick.Reason) error {
		keep(ctx, s)
		return nil
	})
	nonstick.On(n, "keep", func(ctx context.Context, s *nonstick.Socket, _ nonstick.Args) error {
		keep(ctx, s)
		return nil
	})
	nonstick.On(n, "keep and panic", func(ctx context.Context, s *nonstick.Socket, _ nonstick.Args) error {
		keep(ctx, s)
		panic("asked to")
	})
	nonstick.On(n, "ask", func(ctx context.Context, s *nonstick.Socket, _ nonstick.Args) error {
		return nonstick.EmitThen(ctx, s, "q", "then", "")
	})
	nonstick.OnReply(
		n, "then", func(ctx context.Context, s *nonstick.Socket, _ nonstick.Args, _ json.RawMessage) error {
			keep(ctx, s)
			return nil
		},
	)
}

// What a goroutine emits to a room with the context of a handler that has returned reaches the own session too.
func TestBroadcastAfterTheHandler(t *testing.T) {
	inWorld(t, func(_ *testing.T, w *world) {
		var used context.Context
		s := w.server(func(s *nonstick.Server) {
			keepers(s.Namespace, func(ctx context.Context, _ *nonstick.Socket) { used = ctx })
		})
		c := w.join(s)
		other := w.join(s)
		c.send(`42["keep"]`)
		ctx := context.WithoutCancel(used)
		if err := s.Emit(ctx, "later", 1); err != nil {
			w.t.Fatal(err)
		}
		r, err := s.Socket(ctx, c.id)
		if err == nil {
			err = r.Emit(ctx, "by id", 2)
		}
		if err != nil {
			w.t.Fatal(err)
		}
		c.expect(`42["later",1]`, `42["by id",2]`)
		other.expect(`42["later",1]`)
	})
}
