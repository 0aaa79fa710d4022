package nonstick_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nonstick-io/nonstick"
	"github.com/nonstick-io/nonstick/gateway/eventsout"
)

// outside is a service that events are told to.
type outside struct {
	mu     sync.Mutex
	calls  int
	got    []eventsout.Message
	before func() // called by each Publish
}

func (o *outside) Publish(_ context.Context, messages []eventsout.Message) ([]eventsout.Message, error) {
	if o.before != nil {
		o.before()
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.calls++
	o.got = append(o.got, messages...)
	return nil, nil
}

// take returns what was told since the last take: type, namespace, socket, room or event, reason.
func (o *outside) take(t *testing.T) (all []string) {
	t.Helper()
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, m := range o.got {
		var b struct{ Type, Namespace, Socket, Room, Reason, Event string }
		if err := json.Unmarshal([]byte(m.Body), &b); err != nil {
			t.Error(err)
		}
		all = append(all, strings.Join(strings.Fields(fmt.Sprint(
			b.Type, " ", b.Namespace, " ", b.Socket, " ", b.Room+b.Event, " ", b.Reason,
		)), " "))
	}
	o.got, o.calls = nil, 0
	return all
}

// telling has a server tell events.
func telling(t *testing.T, o *outside, list string) func(*nonstick.Config) {
	t.Helper()
	what, err := eventsout.ParseWhat(list)
	if err != nil {
		t.Fatal(err)
	}
	return func(c *nonstick.Config) { c.Events = eventsout.Config{Sink: o, What: what} }
}

const everything = "connect,disconnect,join,leave,event:*"

// eventsApp is an application whose sockets are in a room from the start.
func eventsApp(s *nonstick.Server) {
	s.OnConnect(func(ctx context.Context, s *nonstick.Socket) error { return s.Join(ctx, "hall") })
	s.UseEvent(func(_ context.Context, _ *nonstick.Socket, event string, _ nonstick.Args) error {
		if event == "refused" {
			return errors.New("no")
		}
		return nil
	})
	nonstick.On(s, "fails", func(context.Context, *nonstick.Socket, nonstick.Args) error { return errors.New("no") })
	nonstick.On(s, "join", func(ctx context.Context, s *nonstick.Socket, room string) error {
		return s.Join(ctx, room)
	})
	nonstick.On(s, "leave", func(ctx context.Context, s *nonstick.Socket, room string) error {
		return s.Leave(ctx, room)
	})
	nonstick.OnAck(s, "all in", func(ctx context.Context, s *nonstick.Socket, room string) (bool, error) {
		return true, s.Namespace().Join(ctx, room)
	})
	s.OfPattern("tenants", tenant)
}

func same(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: told %q\nwant %q", what, got, want)
	}
}

// TestEventsOut is the life of sockets on several instances, as another service is told of it.
func TestEventsOut(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		o := &outside{}
		one, two := w.server(eventsApp, telling(t, o, everything)), w.server(eventsApp, telling(t, o, everything))
		a := w.join(one)
		same(t, "connect", o.take(t), "connect / "+a.id, "join / "+a.id+" hall")
		a.at = two
		a.send(`42["join","a"]`)
		same(t, "join", o.take(t), "join / "+a.id+" a", "event / "+a.id+" join")
		a.send(`42["join","a"]`)
		same(t, "join again", o.take(t), "event / "+a.id+" join")
		a.send(`42["leave","a"]`, `42["leave","a"]`, `42["refused"]`, `42["fails"]`, `42["unhandled"]`)
		same(
			t, "leave", o.take(t), "leave / "+a.id+" a", "event / "+a.id+" leave", "event / "+a.id+" leave",
			"event / "+a.id+" unhandled",
		)
		b := w.joinPolling(one)
		o.take(t)
		b.send(`42["join","b"]`, `42["join","c"]`, "41")
		got := o.take(t)
		same(
			t, "one POST", got[:4], "join / "+b.id+" b", "event / "+b.id+" join", "join / "+b.id+" c",
			"event / "+b.id+" join",
		)
		const client = " client namespace disconnect"
		same(
			t, "the end in it", got[4:], "leave / "+b.id+" b"+client, "leave / "+b.id+" c"+client,
			"leave / "+b.id+" hall"+client, "disconnect / "+b.id+client,
		)
		a.send(`421["all in","d"]`)
		same(t, "a selection", o.take(t), "join / "+a.id+" d", "event / "+a.id+" all in")
		if err := two.In("d").Leave(t.Context(), "d"); err != nil {
			t.Fatal(err)
		}
		same(t, "the program", o.take(t), "leave / "+a.id+" d")
		if err := one.Engine().Disconnect(t.Context(), a.conn); err != nil {
			t.Fatal(err)
		}
		same(
			t, "a cut", o.take(t), "leave / "+a.id+" hall transport close", "disconnect / "+a.id+" transport close",
		)
		w.open(one).joinIn("/tenant-1", "")
		if got := o.take(t); len(got) != 1 || !strings.HasPrefix(got[0], "connect /tenant-1 ") {
			t.Errorf("a child of a parent: told %q", got)
		}
		w.expectNobody("/")
	})
}

// One request is told by one call, before it is answered.
func TestEventsOutBeforeTheAnswer(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		o := &outside{}
		s := w.server(eventsApp, telling(t, o, everything))
		c := w.joinPolling(s)
		o.take(t)
		calls := 0
		o.before = func() {
			calls++
			state := c.state()
			if n := len(state.Pending()); n != 0 {
				t.Errorf("%d packets wait for the client before its events are told", n)
			}
		}
		c.send(`42["join","a"]`, `421["all in","b"]`)
		if calls != 1 {
			t.Errorf("%d calls", calls)
		}
		c.expect("431[true]")
	})
}

// An end whose instance died is told again with the same ids, and each room has been told, though the next instance
// finds none.
func TestEventsOutAfterADeath(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		o := &outside{}
		var runs atomic.Int32
		s := w.server(func(s *nonstick.Server) {
			eventsApp(s)
			s.OnDisconnect(func(context.Context, *nonstick.Socket, nonstick.Reason) error {
				if runs.Add(1) == 1 {
					time.Sleep(10 * time.Minute)
				}
				return nil
			})
		}, func(c *nonstick.Config) { c.Unordered = true }, telling(t, o, everything))
		p := w.join(s)
		o.take(t)
		var dying sync.WaitGroup
		dying.Go(func() { _, _ = s.Engine().Message(t.Context(), p.conn, "41") })
		time.Sleep(time.Millisecond)
		if err := s.Engine().Disconnect(t.Context(), p.conn); err != nil {
			t.Error(err)
		}
		ids := map[string]int{}
		for _, m := range o.got {
			ids[m.ID]++
		}
		end := eventsout.EndID("", "")
		if len(ids) != 2 || ids[p.id+end] != 2 || runs.Load() != 2 {
			t.Errorf("told %v by %d runs", ids, runs.Load())
		}
		dying.Wait()
	})
}

// What is not told costs nothing, and what is told one read for a join or a leave, and one for the end.
func TestEventsOutCosts(t *testing.T) {
	for _, tt := range []struct {
		list                     string
		first, join, leave, ends int64 // reads beside those without
	}{
		{"", 0, 0, 0, 0},
		{"connect,event:join", 0, 0, 0, 0},
		{"disconnect", 0, 0, 0, 0},
		{"join", 0, 1, 0, 0},
		{"leave", 0, 0, 1, 1},
		{everything, 0, 1, 1, 1},
	} {
		t.Run(tt.list, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				change := func(*nonstick.Config) {}
				if tt.list != "" {
					change = telling(t, &outside{}, tt.list)
				}
				s := w.server(budgetApp, change)
				c := w.join(s)
				for _, step := range []struct {
					frame string
					reads int64
				}{{"a", tt.first}, {"b", tt.join}, {"a", tt.join}} {
					got := w.spend(func() { c.send(`42["join","` + step.frame + `"]`) })
					if got.reads != 1+step.reads || got.writes > 3 {
						t.Errorf("join %s: %d reads, %d writes: %s", step.frame, got.reads, got.writes, got.calls)
					}
				}
				got := w.spend(func() { c.send(`42["leave","a"]`) })
				if got.reads != 1+tt.leave || got.writes > 3 {
					t.Errorf("leave: %d reads, %d writes: %s", got.reads, got.writes, got.calls)
				}
				got = w.spend(func() {
					if err := s.Engine().Disconnect(t.Context(), c.conn); err != nil {
						t.Error(err)
					}
				})
				if got.reads != 3+tt.ends {
					t.Errorf("end: %d reads, %d writes: %s", got.reads, got.writes, got.calls)
				}
			})
		})
	}
}

// heard are what hooks of rooms were told, on all instances.
type heard struct {
	mu   sync.Mutex
	list []string
}

func (h *heard) add(words ...string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.list = append(h.list, strings.Join(words, " "))
	return nil
}

func (h *heard) take() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	list := h.list
	h.list = nil
	return list
}

// member and room are hooks.
func (h *heard) member(what string) func(context.Context, *nonstick.Namespace, string, string) error {
	return func(_ context.Context, n *nonstick.Namespace, room, id string) error {
		return h.add(what, n.Name(), room, id)
	}
}

func (h *heard) room(what string) func(context.Context, *nonstick.Namespace, string) error {
	return func(_ context.Context, n *nonstick.Namespace, room string) error { return h.add(what, n.Name(), room) }
}

func (h *heard) on(n *nonstick.Namespace) {
	n.OnCreateRoom(h.room("create"))
	n.OnJoinRoom(h.member("join"))
	n.OnLeaveRoom(h.member("leave"))
	n.OnDeleteRoom(h.room("delete"))
}

// TestRoomHooks is what hooks of rooms are told of sockets on several instances.
func TestRoomHooks(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		h := &heard{}
		app := func(s *nonstick.Server) {
			eventsApp(s)
			h.on(s.Namespace)
			s.OnDisconnecting(func(_ context.Context, s *nonstick.Socket, _ nonstick.Reason) error {
				return h.add("disconnecting", s.ID())
			})
			s.OnDisconnect(func(_ context.Context, s *nonstick.Socket, _ nonstick.Reason) error {
				return h.add("disconnect", s.ID())
			})
			s.OnConnected(func(_ context.Context, s *nonstick.Socket) error { return h.add("connected", s.ID()) })
			tenants := s.OfPattern("rooms", roomy)
			h.on(tenants)
			tenants.OnConnect(func(ctx context.Context, s *nonstick.Socket) error { return s.Join(ctx, "a") })
		}
		one, two := w.server(app), w.server(app)
		a := w.join(one)
		same(t, "connect", h.take(), "create / hall", "join / hall "+a.id, "connected "+a.id)
		b := w.joinPolling(two)
		same(t, "the second", h.take(), "join / hall "+b.id, "connected "+b.id)
		a.at = two
		a.send(`42["join","r"]`, `42["join","r"]`, `42["leave","r"]`, `42["leave","r"]`, `42["leave","none"]`)
		same(
			t, "one socket", h.take(), "create / r", "join / r "+a.id, "leave / r "+a.id, "delete / r",
		)
		k, err := one.Socket(t.Context(), b.id)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(k.Join(t.Context(), "r"), one.In("hall").Join(t.Context(), "r")); err != nil {
			t.Fatal(err)
		}
		same(t, "from the program", h.take(), "create / r", "join / r "+b.id, "join / r "+a.id)
		b.send("41")
		same(
			t, "leaves the namespace", h.take(), "disconnecting "+b.id, "leave / hall "+b.id, "leave / r "+b.id,
			"disconnect "+b.id,
		)
		if err := one.Engine().Disconnect(t.Context(), a.conn); err != nil {
			t.Fatal(err)
		}
		same(
			t, "cut", h.take(), "disconnecting "+a.id, "leave / hall "+a.id, "delete / hall", "leave / r "+a.id,
			"delete / r", "disconnect "+a.id,
		)
		c := w.open(one)
		c.joinIn("/rooms-1", "")
		got := h.take()
		if len(got) != 2 || got[0] != "create /rooms-1 a" || !strings.HasPrefix(got[1], "join /rooms-1 a ") {
			t.Errorf("a child of a parent: told %q", got)
		}
		child, _ := two.Lookup("/rooms-1")
		if err := child.Leave(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
		if got := h.take(); len(got) != 2 || got[1] != "delete /rooms-1 a" {
			t.Errorf("a child of a parent: told %q", got)
		}
	})
}

var roomy = regexp.MustCompile(`^/rooms-\d+$`)

// A hook of a connect handler's room comes behind the answer to CONNECT, and before the hooks of connected sockets;
// what it emits to the room reaches the socket.
func TestRoomHooksBehindTheAnswer(t *testing.T) {
	for name, join := range map[string]func(*world, *nonstick.Server) *peer{
		"WebSocket": (*world).join, "polling": (*world).joinPolling,
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				s := w.server(func(s *nonstick.Server) {
					eventsApp(s)
					s.OnJoinRoom(func(ctx context.Context, n *nonstick.Namespace, room, _ string) error {
						return n.To(room).Emit(ctx, "joined")
					})
					s.OnConnected(func(ctx context.Context, s *nonstick.Socket) error {
						return s.Emit(ctx, "connected")
					})
				})
				c := join(w, s)
				if got := c.got; !slices.Equal(got, []string{`42["joined"]`, `42["connected"]`}) {
					t.Errorf("behind the answer: %q", got)
				}
			})
		})
	}
}

// A socket that is refused was in no room.
func TestRoomHooksOfARefusedSocket(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		h := &heard{}
		s := w.server(func(s *nonstick.Server) {
			h.on(s.Namespace)
			s.OnConnect(func(ctx context.Context, s *nonstick.Socket) error {
				return errors.Join(s.Join(ctx, "a"), &nonstick.Error{Message: "no"})
			})
		})
		c := w.open(s)
		c.send("40")
		c.expect(`44{"message":"no"}`)
		same(t, "refused", h.take())
	})
}

// What goes wrong in a hook is in the log, and stops neither the others nor the move nor the end of the socket.
func TestRoomHooksFail(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		h := &heard{}
		s := w.server(func(s *nonstick.Server) {
			s.OnJoinRoom(func(context.Context, *nonstick.Namespace, string, string) error { return errors.New("sad") })
			s.OnCreateRoom(func(context.Context, *nonstick.Namespace, string) error { panic("very sad") })
			s.OnLeaveRoom(func(context.Context, *nonstick.Namespace, string, string) error { panic("in pieces") })
			h.on(s.Namespace)
			eventsApp(s)
		})
		c := w.join(s)
		c.send(`42["join","a"]`)
		c.at = s
		h.take()
		c.send("41")
		same(
			t, "end", h.take(), "leave / a "+c.id, "delete / a", "leave / hall "+c.id, "delete / hall",
		)
		for _, want := range []string{"sad", "very sad", "in pieces", "hook of a room failed", "room=hall"} {
			if !strings.Contains(w.log.String(), want) {
				t.Errorf("the log does not say %q", want)
			}
		}
		w.expectNobody("/")
	})
}

// A hook that takes all the time of the end of a socket leaves the disconnect handler another try.
func TestRoomHooksTakeTooLong(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var handled, hooked int
		s := w.server(func(s *nonstick.Server) {
			s.OnConnect(func(ctx context.Context, s *nonstick.Socket) error { return s.Join(ctx, "a") })
			s.OnLeaveRoom(func(ctx context.Context, _ *nonstick.Namespace, _, _ string) error {
				hooked++
				<-ctx.Done()
				return ctx.Err()
			})
			s.OnDisconnect(func(ctx context.Context, _ *nonstick.Socket, _ nonstick.Reason) error {
				if handled++; ctx.Err() != nil {
					t.Error("the handler has no time")
				}
				return nil
			})
		})
		c := w.join(s)
		if err := s.Engine().Disconnect(t.Context(), c.conn); err != nil {
			t.Error(err)
		}
		if handled != 1 || hooked != 1 {
			t.Errorf("%d hooks, %d handlers", hooked, handled)
		}
		w.expectNobody("/")
	})
}
