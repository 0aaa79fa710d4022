package nonstick_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nonstick-io/nonstick"
	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/internal/pushtest"
	"github.com/nonstick-io/nonstick/sessionstore"
	"github.com/nonstick-io/nonstick/sessionstore/memstore"
)

// goodbyes collects what disconnect handlers, and hooks before them, were told: namespace, rooms, data and reason.
type goodbyes struct {
	mu    sync.Mutex
	list  []string
	rooms map[string][]string // of each socket, as the hook before saw them
}

func (g *goodbyes) all() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	list := slices.Clone(g.list)
	slices.Sort(list)
	return list
}

func (g *goodbyes) register(s *nonstick.Server) {
	for _, name := range []string{"/", "/admin"} {
		n := s.Of(name)
		n.OnDisconnecting(func(ctx context.Context, k *nonstick.Socket, _ nonstick.Reason) error {
			rooms, err := k.Rooms(ctx)
			g.mu.Lock()
			defer g.mu.Unlock()
			if g.rooms == nil {
				g.rooms = make(map[string][]string)
			}
			g.rooms[k.ID()] = rooms
			return err
		})
		n.OnDisconnect(func(ctx context.Context, k *nonstick.Socket, reason nonstick.Reason) error {
			who, _, err := nonstick.Data[string](ctx, k, "name")
			rooms, roomsErr := k.Rooms(ctx)
			_, handshakeErr := k.Handshake(ctx)
			g.mu.Lock()
			defer g.mu.Unlock()
			if handshakeErr != nil {
				g.list = append(g.list, handshakeErr.Error())
			}
			if len(rooms) > 0 {
				g.list = append(g.list, fmt.Sprintf("still in %v", rooms))
			}
			g.list = append(g.list, fmt.Sprintf("%s %v %s: %s", name, g.rooms[k.ID()], who, reason))
			return errors.Join(err, roomsErr)
		})
		nonstick.On(n, "be", func(ctx context.Context, k *nonstick.Socket, name string) error {
			return errors.Join(k.Join(ctx, "room"), k.SetData(ctx, "name", name))
		})
		nonstick.OnAck(n, "kick", func(ctx context.Context, k *nonstick.Socket, closeSession bool) (string, error) {
			err := errors.Join(k.Emit(ctx, "bye", 1), k.Disconnect(ctx, closeSession))
			if closeSession {
				return "kicked", err
			}
			late := []error{
				k.Join(ctx, "x"), k.Emit(ctx, "x", 1), k.SetData(ctx, "x", 1),
				k.Disconnect(ctx, false),
			}
			for _, e := range late {
				if !errors.Is(e, nonstick.ErrDisconnected) {
					return "", fmt.Errorf("after the disconnect: %w", e)
				}
			}
			return "kicked", err
		})
	}
}

// However a client leaves, the handler of each of its sockets runs once, with the reason; and nothing stays.
func TestDisconnectReasons(t *testing.T) {
	both := func(reason string) []string { return []string{"/ [room] Ann: " + reason, "/admin [] : " + reason} }
	for _, c := range []struct {
		name      string
		transport string
		leave     func(w *world, p *peer)
		want      []string
		open      bool // the session goes on
	}{
		{
			"client leaves the namespace", "websocket", func(_ *world, p *peer) { p.send("41") },
			[]string{"/ [room] Ann: client namespace disconnect"},
			true,
		},
		{
			"client leaves the namespace, by POST", "polling", func(_ *world, p *peer) { p.send("41") },
			[]string{"/ [room] Ann: client namespace disconnect"},
			true,
		},
		{
			"client leaves the namespace twice", "websocket", func(_ *world, p *peer) { p.send("41", "41") },
			[]string{"/ [room] Ann: client namespace disconnect", "/admin [] : forced server close"},
			false,
		},
		{
			"client leaves both", "websocket", func(_ *world, p *peer) { p.send("41", "41/admin,") },
			both("client namespace disconnect"), true,
		},
		{"connection ends", "websocket", func(w *world, p *peer) {
			for range 2 {
				if err := p.at.Engine().Disconnect(w.t.Context(), p.conn); err != nil {
					w.t.Error(err)
				}
			}
		}, both("transport close"), false},
		{"client closes", "polling", func(_ *world, p *peer) { p.send("1") }, both("transport close"), false},
		{"client closes", "websocket", func(_ *world, p *peer) { p.send("1") }, both("transport close"), false},
		{"client pings", "polling", func(_ *world, p *peer) { p.send("2") }, both("transport error"), false},
		{"bad payload", "polling", func(_ *world, p *peer) { p.send("x") }, both("parse error"), false},
		{"bad frame", "websocket", func(_ *world, p *peer) { p.send("x") }, both("parse error"), false},
		{"bad packet", "websocket", func(_ *world, p *peer) { p.send("4x") }, both("forced close"), false},
		{"broken order", "websocket", func(_ *world, p *peer) { p.send("40") }, both("forced server close"), false},
		{"push in doubt", "websocket", func(w *world, p *peer) {
			w.pusher.Answer(p.conn, pushtest.ErrLost)
			if err := p.at.Emit(w.t.Context(), "news", 1); err != nil {
				w.t.Error(err)
			}
		}, both("transport error"), false},
		{"push to a connection that is gone", "websocket", func(w *world, p *peer) {
			w.pusher.Answer(p.conn, delivery.ErrGone)
			if err := p.at.Emit(w.t.Context(), "news", 1); err != nil {
				w.t.Error(err)
			}
		}, both("transport close"), false},
		{"buffer full", "polling", func(w *world, p *peer) {
			for range 6 {
				_ = p.at.Emit(w.t.Context(), "news", 1)
			}
		}, both("buffer full"), false},
		{
			"ping timeout", "websocket", func(w *world, p *peer) { w.sweepFor(p.at, 50*time.Second) },
			both("ping timeout"), false,
		},
		{
			"ping timeout", "polling", func(w *world, p *peer) { w.sweepFor(p.at, 50*time.Second) },
			both("ping timeout"), false,
		},
		{"server disconnects the socket", "websocket", func(_ *world, p *peer) {
			p.send(`421["kick",false]`)
			p.expect(`42["bye",1]`, "41", `431["kicked"]`)
			p.send("40/admin,") // that one is still joined
		}, []string{"/ [room] Ann: server namespace disconnect", "/admin [] : forced server close"}, false},
		{"server disconnects the socket", "polling", func(_ *world, p *peer) {
			p.send(`421["kick",false]`)
			p.expect(`42["bye",1]`, "41", `431["kicked"]`)
		}, []string{"/ [room] Ann: server namespace disconnect"}, true},
		{"server closes the session", "websocket", func(_ *world, p *peer) {
			p.send(`421["kick",true]`)
			p.expect(`42["bye",1]`, `431["kicked"]`, "41", "41/admin,")
		}, both("server namespace disconnect"), false},
		{"server closes the session", "polling", func(_ *world, p *peer) {
			p.send(`421["kick",true]`, `422["kick",true]`)
			p.expect(`42["bye",1]`, `431["kicked"]`, "41", "41/admin,")
			p.expect("6", "1")
		}, both("server namespace disconnect"), false},
	} {
		t.Run(c.name+"/"+c.transport, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				g := &goodbyes{}
				s := w.server(g.register, func(c *nonstick.Config) { c.Options.Limits.Buffer.Packets = 5 })
				p := w.joinOn(s, c.transport)
				p.send("40/admin,")
				p.take()
				p.send(`42["be","Ann"]`)
				c.leave(w, p)
				if got := g.all(); !slices.Equal(got, c.want) {
					t.Errorf("got  %q\nwant %q", got, c.want)
				}
				if open := p.state().State == sessionstore.Open; open != c.open {
					t.Errorf("open: %v", open)
				}
				w.expectNobody("/")
				if !c.open {
					w.expectNobody("/admin")
				}
			})
		})
	}
}

// expectNobody fails the test if the namespace or its room has a member.
func (w *world) expectNobody(nsp sessionstore.Namespace) {
	w.t.Helper()
	for shard := range w.store.Shards() {
		for m := range w.store.NamespaceMembers(w.t.Context(), nsp, shard, sessionstore.Range{}) {
			w.t.Errorf("%s: %+v is left", nsp, m)
		}
	}
	for m := range w.store.Members(w.t.Context(), nsp, "room", sessionstore.Range{}) {
		w.t.Errorf("%s, room: %+v is left", nsp, m)
	}
}

func (w *world) sweepFor(s *nonstick.Server, d time.Duration) {
	ctx, cancel := context.WithTimeout(w.t.Context(), d)
	defer cancel()
	if err := s.Engine().Sweep(ctx); err != nil {
		w.t.Error(err)
	}
}

// A socket that left may join again, as a new one.
func TestRejoin(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		g := &goodbyes{}
		p := w.join(w.server(g.register))
		first := p.id
		p.send(`42["be","Ann"]`, "41", "40")
		p.connected()
		k := p.state().Sockets[0]
		if p.id == first || string(k.ID) != p.id || k.Rooms > 0 || k.HasData {
			t.Errorf("the new socket %+v, before %s", k, first)
		}
	})
}

// What a disconnect handler may do: reach the others, not its own socket.
func TestDisconnectHandlerEmits(t *testing.T) {
	for _, how := range []string{"41", "1"} {
		inWorld(t, func(t *testing.T, w *world) {
			s := w.server(func(s *nonstick.Server) {
				n := s.Namespace
				n.OnConnect(func(ctx context.Context, k *nonstick.Socket) error { return k.Join(ctx, "room") })
				n.OnDisconnect(func(ctx context.Context, k *nonstick.Socket, _ nonstick.Reason) error {
					own, err := n.Socket(ctx, k.ID())
					if err == nil {
						err = own.Emit(ctx, "x", 1)
					}
					if !errors.Is(err, nonstick.ErrDisconnected) ||
						!errors.Is(k.Emit(ctx, "x", 1), nonstick.ErrDisconnected) {
						t.Errorf("an emit to oneself: %v", err)
					}
					return errors.Join(
						n.Emit(ctx, "all", 1), n.To("room").Emit(ctx, "room", 2),
						k.To("room").Emit(ctx, "others", 3),
					)
				})
			})
			other, p := w.join(s), w.join(s)
			p.send(how)
			p.expect()
			other.expect(`42["all",1]`, `42["room",2]`, `42["others",3]`)
			if log := w.log.String(); log != "" {
				t.Errorf("log: %s", log)
			}
		})
	}
}

// A disconnect handler that fails or panics is logged, and keeps nothing from going on.
func TestDisconnectHandlerFails(t *testing.T) {
	for _, panics := range []bool{false, true} {
		inWorld(t, func(t *testing.T, w *world) {
			s := w.server(func(s *nonstick.Server) {
				s.OnDisconnect(func(context.Context, *nonstick.Socket, nonstick.Reason) error {
					if panics {
						panic("secret")
					}
					return errors.New("secret")
				})
			})
			p := w.join(s)
			p.send("1")
			p.expectClosed("transport close")
			w.expectNobody("/")
			if log := w.log.String(); !strings.Contains(log, "secret") {
				t.Errorf("log: %s", log)
			}
		})
	}
}

// API Gateway hands a DISCONNECT and the end of its connection over at the same time, and clients send both at once:
// the handler runs once all the same, and the session is closed no sooner than it has.
func TestDisconnectHandlerRunsOnce(t *testing.T) {
	const slow = time.Second
	end := func(w *world, p *peer) error { return p.at.Engine().Disconnect(w.t.Context(), p.conn) }
	leave := func(w *world, p *peer) error {
		_, err := p.at.Engine().Message(w.t.Context(), p.conn, "41")
		return err
	}
	for _, c := range []struct {
		name   string
		both   [2]func(*world, *peer) error
		reason string
		open   bool // the session goes on
	}{
		{
			"DISCONNECT, then the end of the connection",
			[2]func(*world, *peer) error{leave, end},
			"client namespace disconnect", false,
		},
		{"DISCONNECT twice", [2]func(*world, *peer) error{leave, leave}, "client namespace disconnect", true},
		{"the end of the connection twice", [2]func(*world, *peer) error{end, end}, "transport close", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				var mu sync.Mutex
				var runs []string
				s := w.server(func(s *nonstick.Server) {
					s.OnDisconnect(func(_ context.Context, _ *nonstick.Socket, reason nonstick.Reason) error {
						time.Sleep(slow)
						mu.Lock()
						defer mu.Unlock()
						runs = append(runs, string(reason))
						return nil
					})
				}, func(c *nonstick.Config) { c.Unordered = true })
				p := w.join(s)
				var all sync.WaitGroup
				for i, act := range c.both {
					all.Go(func() {
						time.Sleep(time.Duration(i) * slow / 10)
						if err := act(w, p); err != nil {
							t.Error(err)
						}
					})
				}
				all.Wait()
				if !slices.Equal(runs, []string{c.reason}) {
					t.Errorf("runs = %q, want one for %q", runs, c.reason)
				}
				if open := p.state().State == sessionstore.Open; open != c.open {
					t.Errorf("open: %v", open)
				}
				w.expectNobody("/")
			})
		})
	}
}

// An instance dies in the handler that a DISCONNECT brought about: the caller that ends the session waits until its
// time is up, and then runs the handler again.
func TestDisconnectHandlerAfterADeath(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		const dead = 10 * time.Minute
		var runs atomic.Int32
		s := w.server(func(s *nonstick.Server) {
			s.OnDisconnect(func(context.Context, *nonstick.Socket, nonstick.Reason) error {
				if runs.Add(1) == 1 {
					time.Sleep(dead) // what it does afterwards is harmless
				}
				return nil
			})
		}, func(c *nonstick.Config) { c.Unordered = true })
		p := w.join(s)
		var dying sync.WaitGroup
		dying.Go(func() { _, _ = p.at.Engine().Message(w.t.Context(), p.conn, "41") })
		time.Sleep(time.Millisecond)
		if err := p.at.Engine().Disconnect(w.t.Context(), p.conn); err != nil {
			t.Errorf("disconnect: %v", err)
		}
		if state := p.state().State; runs.Load() != 2 || state != sessionstore.Closed {
			t.Errorf("%d runs, state %v, want two and closed", runs.Load(), state)
		}
		w.expectNobody("/")
		dying.Wait()
	})
}

// A socket whose session closes while it connects has its disconnect handler run with all that it was to keep.
func TestClosedDuringConnect(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var p *peer
		var left []string
		s := w.server(func(s *nonstick.Server) {
			n := s.Namespace
			n.OnConnect(func(ctx context.Context, k *nonstick.Socket) error {
				lease := sessionstore.Lease{Owner: "x", Until: time.Now().Add(time.Minute)}
				_, err := w.store.Close(ctx, sessionstore.CloseRequest{Session: p.sid, Reason: "test", Handler: lease})
				return errors.Join(err, w.store.Finish(ctx, p.sid, "x", time.Now().Add(time.Minute)),
					k.Join(ctx, "b", "a"), k.SetData(ctx, "name", "Ann"))
			})
			see := func(ctx context.Context, k *nonstick.Socket, reason nonstick.Reason) error {
				auth, err := k.Auth(ctx)
				rooms, roomsErr := k.Rooms(ctx)
				in, inErr := k.InRoom(ctx, "a")
				name, _, dataErr := nonstick.Data[string](ctx, k, "name")
				left = append(left, fmt.Sprintf("%s %s %v %v %s", reason, auth, rooms, in, name))
				if err := k.Join(ctx, "c"); !errors.Is(err, nonstick.ErrDisconnected) {
					t.Errorf("join: %v", err)
				}
				return errors.Join(err, roomsErr, inErr, dataErr)
			}
			n.OnDisconnecting(see)
			n.OnDisconnect(see)
		})
		p = w.open(s)
		_ = p.try(`40{"x":1}`) // refused in one way or another: its session is closed
		if want := []string{`test {"x":1} [a b] true Ann`, `test {"x":1} [] false Ann`}; !slices.Equal(left, want) {
			t.Errorf("left %q, want %q", left, want)
		}
		for m := range w.store.Members(t.Context(), "/", "a", sessionstore.Range{}) {
			t.Errorf("%+v is in the room", m)
		}
	})
}

// beforePut is a store that calls back before each socket it puts.
type beforePut struct {
	*memstore.Store
	call func()
}

func (s *beforePut) PutSocket(
	ctx context.Context, k sessionstore.NewSocket, hint sessionstore.Connection, limits sessionstore.SocketLimits,
) error {
	s.call()
	return s.Store.PutSocket(ctx, k, hint, limits)
}

// The end of a recoverable socket is told once, too, if its session closes just before it is stored: whether its outbox
// waits for another session then, or has been closed already, with no socket in it.
func TestRecoverableClosedDuringConnect(t *testing.T) {
	for _, reason := range []string{"transport close", "server namespace disconnect"} {
		t.Run(reason, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				var n notes
				var p *peer
				store := &beforePut{Store: w.store}
				s := w.server(lastingApp(&n), recovering, func(c *nonstick.Config) { c.Store = store })
				store.call = func() {
					if err := p.at.Engine().Fail(w.t.Context(), p.sid, reason); err != nil {
						t.Errorf("close: %v", err)
					}
				}
				p = w.open(s)
				_ = p.try("40") // its session is closed
				n.expect(t, "connect false", "disconnecting [room] Ann: "+reason, "disconnect: "+reason)
				w.expectNobody("/")
				for m := range w.store.Members(t.Context(), "/", "room", sessionstore.Range{}) {
					t.Errorf("%+v is in the room", m)
				}
				time.Sleep(2 * keep)
				w.sweep(s, 3*time.Second)
				n.expect(t)
			})
		})
	}
}

// Hooks of a socket that is about to leave see it in its rooms, as others do; the handler behind them sees it in none.
func TestOnDisconnecting(t *testing.T) {
	for _, how := range []string{"41", "1"} {
		inWorld(t, func(t *testing.T, w *world) {
			var n notes
			s := w.server(func(s *nonstick.Server) {
				s.OnConnect(func(ctx context.Context, k *nonstick.Socket) error { return k.Join(ctx, "a", "b") })
				s.OnDisconnecting(func(ctx context.Context, k *nonstick.Socket, reason nonstick.Reason) error {
					rooms, err := k.Rooms(ctx)
					members := 0
					for range w.store.Members(ctx, "/", "a", sessionstore.Range{}) {
						members++
					}
					n.add("%v, %d in a, %s", rooms, members, reason)
					for _, err := range []error{k.Emit(ctx, "x"), k.Join(ctx, "x"), k.Disconnect(ctx, false)} {
						if !errors.Is(err, nonstick.ErrDisconnected) {
							t.Errorf("in a hook: %v", err)
						}
					}
					return errors.Join(err, k.To(rooms...).Emit(ctx, "leaves", rooms))
				})
				s.OnDisconnecting(func(context.Context, *nonstick.Socket, nonstick.Reason) error {
					n.add("fails")
					return errors.New("log this")
				})
				s.OnDisconnecting(func(context.Context, *nonstick.Socket, nonstick.Reason) error {
					n.add("panics")
					panic("and this")
				})
				s.OnDisconnect(func(ctx context.Context, k *nonstick.Socket, reason nonstick.Reason) error {
					rooms, err := k.Rooms(ctx)
					in, inErr := k.InRoom(ctx, "a")
					n.add("%v %v, %s", rooms, in, reason)
					return errors.Join(err, inErr)
				})
			})
			other, p := w.join(s), w.join(s)
			p.send(how)
			reason := map[string]string{"41": "client namespace disconnect", "1": "transport close"}[how]
			n.expect(t, "[a b], 2 in a, "+reason, "fails", "panics", "[] false, "+reason)
			other.expect(`42["leaves",["a","b"]]`)
			p.expect()
			for _, text := range []string{"log this", "and this"} {
				if !strings.Contains(w.log.String(), text) {
					t.Errorf("the log does not have %q", text)
				}
			}
		})
	}
}

// A hook alone has the end of a socket claimed, too: it runs once, though two instances are told of the end.
func TestOnDisconnectingAlone(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var runs atomic.Int32
		app := func(s *nonstick.Server) {
			s.OnDisconnecting(func(context.Context, *nonstick.Socket, nonstick.Reason) error {
				runs.Add(1)
				time.Sleep(time.Second)
				return nil
			})
		}
		p := w.join(w.server(app))
		var all sync.WaitGroup
		for range 3 {
			s := w.server(app)
			all.Go(func() {
				if err := s.Engine().Disconnect(t.Context(), p.conn); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if n := runs.Load(); n != 1 {
			t.Errorf("the hook ran %d times", n)
		}
		w.expectNobody("/")
	})
}

// Of devices that leave at once, each on an instance of its own, the last finds the room empty: none of them meets
// another that has left before it.
func TestLastDeviceLeaves(t *testing.T) {
	const devices = 3
	for _, how := range []string{"41", "1"} {
		for round := range 20 {
			inWorld(t, func(t *testing.T, w *world) {
				var mu sync.Mutex
				var last []int
				var begun sync.WaitGroup
				begun.Add(devices)
				app := func(s *nonstick.Server) {
					s.OnConnect(func(ctx context.Context, k *nonstick.Socket) error { return k.Join(ctx, "ann") })
					s.OnDisconnecting(func(context.Context, *nonstick.Socket, nonstick.Reason) error {
						begun.Done()
						begun.Wait() // here each of them is in the room
						return nil
					})
					s.OnDisconnect(func(ctx context.Context, _ *nonstick.Socket, _ nonstick.Reason) error {
						left := 0
						for _, err := range w.store.Members(ctx, "/", "ann", sessionstore.Range{}) {
							if left++; err != nil {
								return err
							}
						}
						mu.Lock()
						defer mu.Unlock()
						last = append(last, left)
						return nil
					})
				}
				peers := make([]*peer, devices)
				for i := range peers {
					peers[i] = w.join(w.server(app))
				}
				var all sync.WaitGroup
				for _, p := range peers {
					all.Go(func() { _ = p.try(how) })
				}
				all.Wait()
				if len(last) != devices || !slices.Contains(last, 0) {
					t.Errorf("round %d, %q: the devices found %v others", round, how, last)
				}
			})
		}
	}
}

// A hook whose time is up is run again, and after its tries the socket goes without it.
func TestOnDisconnectingTakesTooLong(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var n notes
		s := w.server(func(s *nonstick.Server) {
			s.OnDisconnecting(func(ctx context.Context, k *nonstick.Socket, _ nonstick.Reason) error {
				rooms, _ := k.Rooms(ctx)
				n.add("hook %v", rooms)
				<-ctx.Done()
				return ctx.Err()
			})
			s.OnDisconnect(func(context.Context, *nonstick.Socket, nonstick.Reason) error {
				n.add("handler")
				return nil
			})
			s.OnConnect(func(ctx context.Context, k *nonstick.Socket) error { return k.Join(ctx, "room") })
		})
		p := w.join(s)
		p.send("1")
		n.expect(t, "hook [room]", "hook [room]")
		p.expectClosed("transport close")
		w.expectNobody("/")
		if !strings.Contains(w.log.String(), "given up") {
			t.Errorf("log: %s", w.log)
		}
	})
}

// A handler closes the connection: what waits arrives first, or is given up; on WebSocket and on polling, where it
// waits for the next GET.
func TestClose(t *testing.T) {
	for _, discard := range []bool{false, true} {
		for _, transport := range []string{"websocket", "polling"} {
			t.Run(fmt.Sprint(transport, " discard ", discard), func(t *testing.T) {
				inWorld(t, func(t *testing.T, w *world) {
					var reason nonstick.Reason
					p := w.joinOn(w.server(func(s *nonstick.Server) {
						nonstick.On(s, "close", func(ctx context.Context, k *nonstick.Socket, _ nonstick.Args) error {
							err := errors.Join(k.Emit(ctx, "last"), k.Close(ctx, discard))
							if again := k.Close(ctx, discard); !errors.Is(again, nonstick.ErrDisconnected) {
								t.Errorf("again: %v", again)
							}
							return err
						})
						s.OnDisconnect(func(_ context.Context, _ *nonstick.Socket, r nonstick.Reason) error {
							reason = r
							return nil
						})
					}), transport)
					p.send(`42["close"]`)
					want := `42["last"]`
					if discard {
						want = ""
					}
					if transport == "polling" {
						body, err := p.tryGet(t.Context())
						if got := strings.Contains(body, `42["last"]`); got == discard {
							t.Errorf("the GET got %q, %v", body, err)
						}
					} else if got := strings.Join(p.take(), " "); got != want {
						t.Errorf("got %q, want %q", got, want)
					}
					p.expectClosed("forced close")
					if reason != nonstick.ReasonForcedClose {
						t.Errorf("reason %q", reason)
					}
				})
			})
		}
	}
}

// A disconnect handler is told what broke, on whichever instance it runs; a socket whose session goes on has nothing to
// tell.
func TestDisconnectDetails(t *testing.T) {
	post := func(frames ...string) func(*world, *peer) { return func(_ *world, p *peer) { p.send(frames...) } }
	for _, c := range []struct {
		name      string
		transport string
		leave     func(w *world, p *peer)
		want      string // reason, code, and the beginning of the description
	}{
		{"bad payload", "polling", post("x"), "parse error 0 engineio: parse error: unknown packet type"},
		{"bad frame", "websocket", post("x"), "parse error 0 engineio: parse error: unknown packet type"},
		{"no packet", "websocket", post("4x"), "forced close 0 socketio: "},
		{"no packet", "polling", post("4x"), "forced close 0 socketio: "},
		{"reserved event", "websocket", post(`42["disconnect"]`), "forced close 0 socketio: "},
		{"attachment without a packet", "websocket", post("bAA=="), "forced close 0 "},
		{"second CONNECT", "websocket", post("40"), `forced server close 0 a client connected to "/" twice`},
		{"second CONNECT", "polling", post("40"), `forced server close 0 a client connected to "/" twice`},
		{
			"event for a namespace not joined", "websocket", post(`42/admin,["x"]`),
			`forced server close 0 a client sent EVENT to "/admin", which it has not joined`,
		},
		{"CONNECT_ERROR", "polling", post("44{}"), "forced server close 0 a client sent CONNECT_ERROR"},
		{"close packet", "polling", post("1"), "transport close 0 the client sent a close packet"},
		{"ping", "polling", post("2"), "transport error 0 invalid heartbeat direction"},
		{"ping", "websocket", post("2"), "transport error 0 invalid heartbeat direction"},
		{"a handler that panics", "websocket", post(`42["panics"]`), ""},
		{"leaves the namespace", "websocket", post("41"), "client namespace disconnect 0 "},
		{"overlap", "polling", func(w *world, p *peer) {
			done := make(chan struct{})
			go func() { defer close(done); _, _ = p.tryGet(w.t.Context()) }()
			synctest.Wait()
			if _, err := p.tryGet(w.t.Context()); err == nil {
				w.t.Error("the second GET was served")
			}
			<-done
		}, "transport error 0 overlapping requests"},
		{"WebSocket closed", "websocket", func(w *world, p *peer) {
			d := sessionstore.Details{Code: 4001, Description: strings.Repeat("bye ", 100)}
			if err := p.at.Engine().DisconnectFor(w.t.Context(), p.conn, d); err != nil {
				w.t.Error(err)
			}
		}, "transport close 4001 bye bye "},
		{"push in doubt", "websocket", func(w *world, p *peer) {
			w.pusher.Answer(p.conn, pushtest.ErrLost)
			if err := p.at.Emit(w.t.Context(), "news", 1); err != nil {
				w.t.Error(err)
			}
		}, "transport error 0 push: "},
		{"ping timeout", "websocket", func(w *world, p *peer) { w.sweepFor(p.at, 50*time.Second) }, "ping timeout 0 "},
		{"shutdown", "polling", func(w *world, p *peer) {
			if _, err := p.at.Shutdown(w.t.Context(), 0); err != nil {
				w.t.Error(err)
			}
		}, "server shutting down 0 "},
	} {
		t.Run(c.name+"/"+c.transport, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				var before, told []string
				note := func(list *[]string) func(context.Context, *nonstick.Socket, nonstick.Reason) error {
					return func(_ context.Context, k *nonstick.Socket, reason nonstick.Reason) error {
						d := k.DisconnectDetails()
						if len(d.Description) > sessionstore.MaxDetails {
							t.Errorf("a description of %d bytes", len(d.Description))
						}
						*list = append(*list, fmt.Sprintf("%s %d %s", reason, d.Code, d.Description))
						return nil
					}
				}
				s := w.server(func(s *nonstick.Server) {
					s.Of("/admin")
					s.OnDisconnecting(note(&before))
					s.OnDisconnect(note(&told))
					nonstick.On(s, "panics", func(context.Context, *nonstick.Socket, nonstick.Args) error {
						panic("bug")
					})
				})
				p := w.joinOn(s, c.transport)
				c.leave(w, p)
				if c.want == "" { // an event's handler ends no session
					p.expectOpen()
					return
				}
				if !slices.Equal(before, told) || len(told) != 1 || !strings.HasPrefix(told[0], c.want) {
					t.Errorf("got  %q, and %q before\nwant %q", told, before, c.want)
				}
			})
		})
	}
}
