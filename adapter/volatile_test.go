package adapter_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nonstick-io/nonstick/adapter"
	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/internal/socketio"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// park has the client of a polling session wait for an answer.
func (w *world) park(id sessionstore.SessionID) {
	w.T.Helper()
	s := w.Session(id)
	poll := sessionstore.Poll{T: "t1", Until: time.Now().Add(time.Minute)}
	w.Must(w.Store.Park(w.T.Context(), sessionstore.ParkRequest{Read: &s, Poll: poll}))
}

// eventFor is a packet of an event to the main namespace.
func eventFor(t *testing.T, name string, volatile bool) *adapter.Packet {
	t.Helper()
	p := adapter.NewPacket(t.Context(), socketio.JSON, socketio.Packet{
		Type: socketio.Event, Namespace: "/", Data: socketio.EventData(name, []byte("[]")),
	})
	p.Volatile = volatile
	return p
}

// A volatile broadcast reaches those that can take it, tells how many could not, waits for none of them, ends none, and
// leaves nothing behind for them.
func TestVolatileBroadcast(t *testing.T) {
	inWorld(t, delivery.Limits{}, func(t *testing.T, w *world) {
		hall(w)
		w.park("V")
		w.park("X")
		w.Pusher.AnswerAlways(conn("B"), delivery.ErrBusy)
		w.Pusher.AnswerAlways(conn("C"), delivery.ErrGone)
		begun := time.Now()
		all := adapter.Selection{Namespace: nsp}
		r, err := w.adapter.Broadcast(t.Context(), all, eventFor(t, "x", true))
		// On WebSocket A, D and E take it, of those that poll V and X; W, Y, Z and B cannot, and C is gone.
		if want := (adapter.Result{Delivered: 5, Dropped: 4, Gone: 1}); r != want || err != nil {
			t.Errorf("%+v, %v, want %+v", r, err, want)
		}
		if got := w.reached(`42["x"]`); got != "ADEVX" {
			t.Errorf("reached %q", got)
		}
		if took := time.Since(begun); took > 0 {
			t.Errorf("it waited %s", took)
		}
		for _, name := range strings.Split("ABDEVWXYZ", "") {
			if s := w.Session(sessionstore.SessionID(name)); s.State != sessionstore.Open {
				t.Errorf("%s is %s", name, s.State)
			}
		}
		// What V and X have not got yet is in the way of the next.
		r, err = w.adapter.Broadcast(t.Context(), all, eventFor(t, "y", true))
		if want := (adapter.Result{Delivered: 3, Dropped: 6}); r != want || err != nil {
			t.Errorf("again: %+v, %v, want %+v", r, err, want)
		}
	})
}

// With a volatile packet a broadcast takes as many writes and pushes as with another.
func TestVolatileBroadcastCosts(t *testing.T) {
	inWorld(t, delivery.Limits{}, func(t *testing.T, w *world) {
		meter := w.metered()
		w.adapter = adapter.New(w.Store, w.Delivery, adapter.Options{})
		hall(w)
		w.park("V")
		spend := func(p *adapter.Packet) string {
			before, pushes := meter.Total(), w.Pusher.Pushes()
			_, err := w.adapter.Broadcast(t.Context(), adapter.Selection{Namespace: nsp}, p)
			w.Must(err)
			u := meter.Total().Sub(before)
			return fmt.Sprint(u.Reads, " reads, ", u.Writes, " writes, ", w.Pusher.Pushes()-pushes, " pushes")
		}
		if volatile, ordinary := spend(eventFor(t, "x", true)), spend(eventFor(t, "x", false)); volatile != ordinary {
			t.Errorf("a volatile event took %s, another %s", volatile, ordinary)
		}
	})
}

// Through the queue a packet is as volatile as directly.
func TestVolatileThroughTheQueue(t *testing.T) {
	inCrowd(t, func(t *testing.T, c *crowd) {
		for i, id := range c.ids {
			if i%3 == 0 {
				c.park(id)
			}
		}
		r, err := c.adapter.Broadcast(t.Context(), adapter.Selection{Namespace: nsp}, eventFor(t, "x", true))
		if err != nil || !r.Queued {
			t.Fatalf("%+v, %v", r, err)
		}
		if r := c.carry(); r.Delivered != crowdSize/3 || r.Dropped != crowdSize-crowdSize/3 {
			t.Errorf("%+v", r)
		}
		c.expect(func(i int) string { return []string{"4x", "", ""}[i%3] })
	})
}

// To the children of a parent it is as volatile, and what was dropped is counted over all of them.
func TestVolatileToAParent(t *testing.T) {
	inWorld(t, delivery.Limits{}, func(t *testing.T, w *world) {
		for i := range 3 {
			child := sessionstore.Namespace(fmt.Sprint("/tenant-", i))
			_, err := w.Store.PutChild(
				t.Context(), "tenants", sessionstore.Child{Name: child, Put: "x", SeenAt: time.Now()},
			)
			w.Must(err)
			id := sessionstore.SessionID(fmt.Sprint("T", i))
			w.Polling(id)
			k := sessionstore.NewSocket{ID: socketID(id), Session: id, Namespace: child}
			w.Must(w.Store.PutSocket(
				t.Context(), k, sessionstore.Connection{}, delivery.Limits{}.WithDefaults().Socket,
			))
		}
		w.park("T1")
		r, err := w.adapter.Broadcast(t.Context(), adapter.Selection{Parent: "tenants"}, eventFor(t, "x", true))
		if want := (adapter.Result{Delivered: 1, Dropped: 2}); r != want || err != nil {
			t.Errorf("%+v, %v, want %+v", r, err, want)
		}
	})
}

// A carrier that dies leaves it in doubt which clients have the packet. With a volatile one none of them is cut off for
// that, and none gets it twice.
func TestVolatilePartInDoubt(t *testing.T) {
	for _, volatile := range []bool{true, false} {
		t.Run(fmt.Sprint("volatile ", volatile), func(t *testing.T) {
			inCrowd(t, func(t *testing.T, c *crowd) {
				for _, id := range c.ids {
					c.park(id)
				}
				p := eventFor(t, "x", volatile)
				_, err := c.adapter.Broadcast(t.Context(), adapter.Selection{Namespace: nsp}, p)
				c.Must(err)
				for _, bodies := range c.queue.groups { // of which some have no members
					part, err := adapter.ParsePart(bodies[0])
					c.Must(err)
					// The first carrier records what it begins, and dies before it delivers.
					now := time.Now()
					lease := sessionstore.Lease{Owner: "dead||~", Until: now.Add(time.Hour)}
					c.Must(c.Store.Claim(t.Context(), "part#"+part.Key(), lease, "", now))
					_, err = c.adapter.Carry(t.Context(), c.Store, part)
					c.Must(err)
				}
				closed := 0
				for _, id := range c.ids {
					if c.Session(id).State != sessionstore.Open {
						closed++
					}
				}
				if (closed > 0) == volatile {
					t.Errorf("%d clients were cut off", closed)
				}
				for i, got := range c.got() {
					if got != "" {
						t.Errorf("socket %d got %q", i, got)
					}
				}
			})
		})
	}
}
