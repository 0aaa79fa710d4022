package nonstick_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nonstick-io/nonstick"
	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/adapter/emitter"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// spent is what an operation cost.
type spent struct {
	reads, writes, pushes int64
	calls                 string // by operation, for the reader who has to find out why
}

// spend measures what f costs: calls of the store, without the sweeper's own, and pushes.
func (w *world) spend(f func()) spent {
	before := map[sessionstore.Op]sessionstore.Usage{}
	w.meter.Each(func(op sessionstore.Op, u sessionstore.Usage) { before[op] = u })
	total, pushes := w.meter.Total(), w.pusher.Pushes()
	f()
	u := w.meter.Total().Sub(total)
	s := spent{reads: u.Reads, writes: u.Writes, pushes: int64(w.pusher.Pushes() - pushes)}
	var calls []string
	w.meter.Each(func(op sessionstore.Op, u sessionstore.Usage) {
		if d := u.Sub(
			before[op],
		); d.Calls > 0 && op != sessionstore.OpRegistrations &&
			op != sessionstore.OpLeaseShard {
			calls = append(calls, fmt.Sprintf("%dx %s (%dr %dw)", d.Calls, op, d.Reads, d.Writes))
		}
	})
	s.calls = strings.Join(calls, ", ")
	return s
}

// budgetApp has the handlers whose cost is measured.
func budgetApp(s *nonstick.Server) {
	n := s.Namespace
	s.OfPattern("tenants", tenant)
	nonstick.OnAck(
		n, "echo",
		func(_ context.Context, _ *nonstick.Socket, a nonstick.Args) (nonstick.Args, error) { return a, nil },
	)
	nonstick.On(n, "join", func(ctx context.Context, s *nonstick.Socket, room string) error {
		return s.Join(ctx, room)
	})
	nonstick.On(n, "leave", func(ctx context.Context, s *nonstick.Socket, room string) error {
		return s.Leave(ctx, room)
	})
	nonstick.On(n, "cast", func(ctx context.Context, s *nonstick.Socket, room string) error {
		return s.To(room).Emit(ctx, "news", 1)
	})
}

// What each operation may cost at most. Rooms: 3, members: 20.
var budgets = []struct {
	name                  string
	reads, writes, pushes int64
	run                   func(t *testing.T, w *world, s *nonstick.Server) spent
}{
	{"WebSocket event with acknowledgement, warm", 1, 0, 0, func(_ *testing.T, w *world, s *nonstick.Server) spent {
		c := w.join(s)
		return w.spend(func() { c.send(`421["echo",1]`); c.expect(`431[1]`) })
	}},
	{"WebSocket event with acknowledgement, cold", 2, 0, 0, func(_ *testing.T, w *world, s *nonstick.Server) spent {
		c := w.join(s)
		c.at = w.server(budgetApp)
		return w.spend(func() { c.send(`421["echo",1]`); c.expect(`431[1]`) })
	}},
	{"WebSocket connect, open and CONNECT", 2, 5, 1, func(_ *testing.T, w *world, s *nonstick.Server) spent {
		return w.spend(func() { w.join(s) })
	}},
	// Besides: the child is listed, and if it is new the children are counted.
	{"the same, into a new child of a parent", 2 + 1, 5 + 1, 1, joinChild(false, false)},
	{"the same, into one that is new to the instance", 2, 5 + 1, 1, joinChild(true, false)},
	{"the same, into one that the instance has seen", 2, 5, 1, joinChild(true, true)},
	{
		"broadcast to 3 children of a parent, of 2 WebSockets each", 1 + 3*16, 0, 6,
		func(t *testing.T, w *world, s *nonstick.Server) spent {
			for i := range 6 {
				w.open(s).joinIn(fmt.Sprintf("/tenant-%d", i%3), "")
			}
			e := emitter.New(w.store, w.pusher, emitter.Options{})
			return w.spend(func() {
				if err := e.Parent("tenants").Emit(t.Context(), "news", 1); err != nil {
					t.Error(err)
				}
			})
		},
	},
	// Session, handshake, registry, socket, member; and the answer to CONNECT is a delivery.
	{"polling handshake and CONNECT", 2, 5 + 1, 0, func(_ *testing.T, w *world, s *nonstick.Server) spent {
		return w.spend(func() { w.openPolling(s).send("40") })
	}},
	{"upgrade with 3 rooms", 4, 8 + 3, 0, func(_ *testing.T, w *world, s *nonstick.Server) spent {
		c := w.joinPolling(s)
		c.send(`42["join","a"]`, `42["join","b"]`, `42["join","c"]`)
		return w.spend(c.upgrade)
	}},
	{"GET with packets waiting", 1, 1, 0, func(_ *testing.T, w *world, s *nonstick.Server) spent {
		c := w.joinPolling(s)
		c.send(`421["echo",1]`)
		return w.spend(func() { c.expect(`431[1]`) })
	}},
	// A store that wakes the GET also wakes it for its own parking, so it reads 1 + 2 times. One write is the delivery.
	{"GET parked, answered by a packet", 1 + 2, 2 + 1, 0, func(t *testing.T, w *world, s *nonstick.Server) spent {
		c := w.joinPolling(s)
		return w.spend(func() { w.parkedGet(t, c, func() { w.emitTo(t, s, c) }) })
	}},
	{"deliver to a polling session", 0, 1, 0, func(t *testing.T, w *world, s *nonstick.Server) spent {
		c := w.joinPolling(s)
		k, err := s.Socket(t.Context(), c.id)
		if err != nil {
			t.Fatal(err)
		}
		return w.spend(func() {
			if err := k.Emit(t.Context(), "news", 1); err != nil {
				t.Error(err)
			}
		})
	}},
	{
		"deliver to a WebSocket whose server allows attachments", 0, 2, 2,
		func(t *testing.T, w *world, s *nonstick.Server) spent {
			s.AllowAttachments()
			c := w.join(s)
			packet := func(id sessionstore.PacketID) []sessionstore.Packet {
				return []sessionstore.Packet{
					{ID: id, Frames: []string{`451-["news",{"_placeholder":true,"num":0}]`, "bAA=="}},
				}
			}
			deliver := func(id sessionstore.PacketID) {
				if _, err := s.Engine().
					Delivery().
					Deliver(t.Context(), delivery.Target{Session: c.sid}, packet(id)); err != nil {
					t.Error(err)
				}
			}
			deliver("first") // which learns how the session is reached
			return w.spend(func() { deliver("second") })
		},
	},
	{
		"event that broadcasts to 20 WebSockets in a room", 1 + 1, 0, 20,
		func(_ *testing.T, w *world, s *nonstick.Server) spent {
			for range 20 {
				w.join(s).send(`42["join","a"]`)
			}
			c := w.join(s)
			return w.spend(func() { c.send(`42["cast","a"]`) })
		},
	},
	{"broadcast to 20 WebSockets of a namespace", 16, 0, 20, func(t *testing.T, w *world, s *nonstick.Server) spent {
		for range 20 {
			w.join(s)
		}
		return w.spend(func() {
			if err := s.Emit(t.Context(), "news", 1); err != nil {
				t.Error(err)
			}
		})
	}},
	{"event that joins", 1, 3, 0, func(_ *testing.T, w *world, s *nonstick.Server) spent {
		c := w.join(s)
		return w.spend(func() { c.send(`42["join","a"]`) })
	}},
	{"event that leaves", 1, 3, 0, func(_ *testing.T, w *world, s *nonstick.Server) spent {
		c := w.join(s)
		c.send(`42["join","a"]`)
		return w.spend(func() { c.send(`42["leave","a"]`) })
	}},
	{"ping and pong on WebSocket", 0, 1, 1, func(t *testing.T, w *world, s *nonstick.Server) spent {
		c := w.join(s)
		return w.spend(func() {
			w.sweepUntilPing(t, s, c)
			c.send("3")
		})
	}},
	{"ping and pong on polling", 2, 3, 0, func(_ *testing.T, w *world, s *nonstick.Server) spent {
		c := w.joinPolling(s)
		time.Sleep(25 * time.Second)
		return w.spend(func() { c.expect("2"); c.send("3") })
	}},
	// Session and outbox are read beside it, in case that a caller died between them.
	{"the same with recovery, WebSocket", 2, 1, 1, func(t *testing.T, w *world, _ *nonstick.Server) spent {
		s := w.server(budgetApp, func(c *nonstick.Config) { c.Recovery = keep })
		c := w.join(s)
		return w.spend(func() {
			w.sweepUntilPing(t, s, c)
			c.send("3")
		})
	}},
	{"the same with recovery, polling", 2 + 1, 3, 0, func(_ *testing.T, w *world, _ *nonstick.Server) spent {
		c := w.joinPolling(w.server(budgetApp, func(c *nonstick.Config) { c.Recovery = keep }))
		time.Sleep(25 * time.Second)
		return w.spend(func() { c.expect("2"); c.send("3") })
	}},
	// Nothing of its rooms is touched.
	{"loss of a recoverable WebSocket with 3 rooms", 2, 7, 0, func(t *testing.T, w *world, _ *nonstick.Server) spent {
		return disconnectWithRooms(t, w, w.server(budgetApp, recovering))
	}},
	{"disconnect of a WebSocket with 3 rooms", 1 + 2, 6 + 2*3, 0, disconnectWithRooms},
	{
		"the same with a disconnect handler", 1 + 2, 6 + 2*3 + 1, 0,
		func(t *testing.T, w *world, s *nonstick.Server) spent {
			s.OnDisconnect(func(context.Context, *nonstick.Socket, nonstick.Reason) error { return nil })
			return disconnectWithRooms(t, w, s)
		},
	},
}

// joinChild is a WebSocket that joins a child of a parent: one that has a socket or not, at an instance that let that
// in or not.
func joinChild(there, seen bool) func(t *testing.T, w *world, s *nonstick.Server) spent {
	return func(_ *testing.T, w *world, s *nonstick.Server) spent {
		if there {
			w.open(s).joinIn("/tenant-1", "")
		}
		if !seen {
			s = w.server(budgetApp)
		}
		return w.spend(func() { w.open(s).send("40/tenant-1,") })
	}
}

// disconnectWithRooms is the end of a WebSocket whose socket is in three rooms.
func disconnectWithRooms(t *testing.T, w *world, s *nonstick.Server) spent {
	t.Helper()
	c := w.join(s)
	c.send(`42["join","a"]`)
	c.send(`42["join","b"]`)
	c.send(`42["join","c"]`)
	return w.spend(func() {
		if err := s.Engine().Disconnect(t.Context(), c.conn); err != nil {
			t.Error(err)
		}
	})
}

// TestBudget holds the costs of docs/architecture.md: they are the same on every machine.
func TestBudget(t *testing.T) {
	var table strings.Builder
	fmt.Fprintf(&table, "\n%-50s %8s %8s %8s\n", "operation (spent/budget)", "reads", "writes", "pushes")
	for _, b := range budgets {
		t.Run(b.name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				got := b.run(t, w, w.server(budgetApp))
				fmt.Fprintf(
					&table, "%-50s %8s %8s %8s\n", b.name, of(got.reads, b.reads), of(got.writes, b.writes),
					of(got.pushes, b.pushes),
				)
				if got.reads > b.reads || got.writes > b.writes || got.pushes > b.pushes {
					t.Errorf("spent %d reads, %d writes, %d pushes: above %d, %d, %d\n%s",
						got.reads, got.writes, got.pushes, b.reads, b.writes, b.pushes, got.calls)
				}
				if got.pushes < b.pushes {
					t.Errorf("%d pushes, want %d: the operation did not happen", got.pushes, b.pushes)
				}
			})
		})
	}
	t.Log(table.String())
}

func of(spent, budget int64) string { return fmt.Sprintf("%d/%d", spent, budget) }

// parkedGet parks a GET, has something happen, and waits for the answer.
func (w *world) parkedGet(t *testing.T, c *peer, happen func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		if body, err := c.tryGet(t.Context()); err != nil || body != `42["news",1]` {
			t.Errorf("parked GET: %q, %v", body, err)
		}
	}()
	synctest.Wait()
	happen()
	<-done
}

// emitTo delivers to a polling client without reading anything, as a broadcast whose rows are known does.
func (w *world) emitTo(t *testing.T, s *nonstick.Server, c *peer) {
	t.Helper()
	p := sessionstore.Packet{ID: "news", Frames: []string{`42["news",1]`}}
	if _, err := s.Engine().
		Delivery().
		Deliver(t.Context(), delivery.Target{Session: c.sid}, []sessionstore.Packet{p}); err != nil {
		t.Error(err)
	}
}

// sweepUntilPing runs the sweeper until the client has been sent its ping.
func (w *world) sweepUntilPing(t *testing.T, s *nonstick.Server, c *peer) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- s.Engine().Sweep(ctx) }()
	time.Sleep(27 * time.Second) // a ping that is not answered within a few seconds costs another write
	c.expect("2")
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
