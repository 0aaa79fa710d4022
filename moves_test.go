package nonstick_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
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
