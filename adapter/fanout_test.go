package adapter_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/nonstick-io/nonstick/adapter"
	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/internal/deliverytest"
	"github.com/nonstick-io/nonstick/internal/socketio"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// fifo is a FIFO queue that behaves as one of SQS.
type fifo struct {
	mu     sync.Mutex
	keys   map[string]bool
	groups map[string][]string
	fail   int // how many messages are refused
}

var errFull = errors.New("the queue takes nothing")

func (q *fifo) Send(_ context.Context, m adapter.FanoutMessage) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.fail > 0 {
		q.fail--
		return errFull
	}
	if q.keys[m.Key] {
		return nil
	}
	q.keys[m.Key] = true
	q.groups[m.Group] = append(q.groups[m.Group], m.Body)
	return nil
}

// take removes the first message of a group by chance.
func (q *fifo) take(dice *rand.Rand) (body string, ok bool) {
	var names []string
	for name, bodies := range q.groups {
		if len(bodies) > 0 {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return "", false
	}
	slices.Sort(names)
	name := names[dice.IntN(len(names))]
	body, q.groups[name] = q.groups[name][0], q.groups[name][1:]
	return body, true
}

// crowd is a world with many sockets on polling, in the namespace and by turns in the rooms a and b, and a queue.
type crowd struct {
	*world
	queue *fifo
	ids   []sessionstore.SessionID // those of the sockets are the same
}

const (
	crowdSize  = 60
	crowdLarge = 20
)

func inCrowd(t *testing.T, f func(t *testing.T, c *crowd)) {
	t.Helper()
	inWorld(t, delivery.Limits{}, func(t *testing.T, w *world) {
		c := &crowd{world: w, queue: &fifo{keys: map[string]bool{}, groups: map[string][]string{}}}
		w.adapter = adapter.New(w.Store, w.Delivery, adapter.Options{Fanout: c.queue, Large: crowdLarge})
		for i := range crowdSize {
			id := sessionstore.SessionID(sessionstore.NewID())
			w.Polling(id)
			k := sessionstore.NewSocket{
				ID: sessionstore.SocketID(id), Session: id, Namespace: nsp, Rooms: []sessionstore.Room{"a"},
			}
			if i%2 == 0 {
				k.Rooms = []sessionstore.Room{"a", "b"}
			}
			if i == 0 {
				k.Rooms = append(k.Rooms, "first")
			}
			none := sessionstore.Connection{}
			w.Must(w.Store.PutSocket(t.Context(), k, none, delivery.Limits{}.WithDefaults().Socket))
			c.ids = append(c.ids, id)
		}
		f(t, c)
	})
}

// carry delivers what is queued, group by group in an order by chance.
func (c *crowd) carry() (sum adapter.Result) {
	c.T.Helper()
	dice := rand.New(rand.NewPCG(1, 1))
	for {
		body, ok := c.queue.take(dice)
		if !ok {
			return sum
		}
		p, err := adapter.ParsePart(body)
		c.Must(err)
		r, err := c.adapter.Carry(c.T.Context(), c.Store, p)
		c.Must(err)
		sum.Delivered += r.Delivered
		sum.Dropped += r.Dropped
	}
}

// got are the frames that each socket got.
func (c *crowd) got() []string {
	all := make([]string, len(c.ids))
	for i, id := range c.ids {
		all[i] = eventNames(c.Buffered(id))
	}
	return all
}

// expect checks what each socket got; want is called with its number.
func (c *crowd) expect(want func(i int) string) {
	c.T.Helper()
	for i, got := range c.got() {
		if got != want(i) {
			c.T.Errorf("socket %d got %q, want %q", i, got, want(i))
		}
	}
}

var eventFrame = regexp.MustCompile(`42\["(\w+)"\]`)

// eventNames shortens the frames of events without arguments.
func eventNames(frames string) string { return eventFrame.ReplaceAllString(frames, "4$1") }

var events int

// event is an event without arguments.
func event(name string) *adapter.Packet {
	events++
	return adapter.EventOf(sessionstore.PacketID(fmt.Sprint("event", events)), string(nsp), name)
}

func even(i int) bool { return i%2 == 0 }

func TestLargeBroadcasts(t *testing.T) {
	for _, k := range []struct {
		name          string
		rooms, except []sessionstore.Room
		reached       func(i int) bool
	}{
		{"everybody", nil, nil, func(int) bool { return true }},
		{"a room", []sessionstore.Room{"b"}, nil, even},
		{"two rooms, each socket once", []sessionstore.Room{"b", "a"}, nil, func(int) bool { return true }},
		{"everybody except a room", nil, []sessionstore.Room{"b"}, func(i int) bool { return !even(i) }},
		{
			"a room except another",
			[]sessionstore.Room{"a"},
			[]sessionstore.Room{"first", "none"},
			func(i int) bool { return i != 0 },
		},
	} {
		t.Run(k.name, func(t *testing.T) {
			inCrowd(t, func(t *testing.T, c *crowd) {
				sel := adapter.Selection{Namespace: nsp, Rooms: k.rooms, Except: k.except}
				r, err := c.adapter.Broadcast(t.Context(), sel, event("x"))
				if err != nil || r != (adapter.Result{Queued: true}) {
					t.Fatalf("%+v, %v", r, err)
				}
				c.expect(func(int) string { return "" })
				n := 0
				for i := range crowdSize {
					if k.reached(i) {
						n++
					}
				}
				if sum := c.carry(); sum.Delivered != n {
					t.Errorf("delivered to %d, want %d", sum.Delivered, n)
				}
				c.expect(func(i int) string {
					if k.reached(i) {
						return "4x"
					}
					return ""
				})
			})
		})
	}
}

// What one socket gets of queued broadcasts comes in their order, whichever rooms they were for.
func TestOrderOfLargeBroadcasts(t *testing.T) {
	inCrowd(t, func(t *testing.T, c *crowd) {
		rooms := [][]sessionstore.Room{nil, {"a"}, {"b"}, {"a", "b"}}
		want := make([]string, crowdSize)
		for n := range 20 {
			frame := fmt.Sprint("4", n)
			to := rooms[n%len(rooms)]
			if _, err := c.adapter.Broadcast(
				t.Context(), adapter.Selection{Namespace: nsp, Rooms: to}, event(frame[1:]),
			); err != nil {
				t.Fatal(err)
			}
			for i := range want {
				if even(i) || !slices.Equal(to, []sessionstore.Room{"b"}) {
					want[i] = strings.TrimSpace(want[i] + " " + frame)
				}
			}
		}
		c.carry()
		c.expect(func(i int) string { return want[i] })
	})
}

// One caller's emits to few arrive behind those to many that were queued before, if it asks for that.
func TestInOrder(t *testing.T) {
	for _, k := range []struct {
		name    string
		inOrder bool
		queued  int
		first   string // what the one socket has before the queue is worked off
	}{
		{"in order", true, 16 + 1, ""},
		{"each by itself", false, 16, "4one"},
	} {
		t.Run(k.name, func(t *testing.T) {
			inCrowd(t, func(t *testing.T, c *crowd) {
				a := c.adapter
				if k.inOrder {
					a = a.InOrder()
				}
				one := adapter.Selection{Namespace: nsp, Rooms: []sessionstore.Room{"first"}}
				nobody := adapter.Selection{Namespace: nsp, Rooms: []sessionstore.Room{"none"}}
				other := adapter.Selection{Namespace: "/other", Rooms: []sessionstore.Room{"none"}}
				for _, b := range []struct {
					sel   adapter.Selection
					frame string
				}{
					{one, "4before"},
					{adapter.Selection{Namespace: nsp}, "4all"},
					{one, "4one"},
					{nobody, "4none"},
					{other, "4other"},
				} {
					if _, err := a.Broadcast(t.Context(), b.sel, event(b.frame[1:])); err != nil {
						t.Fatal(err)
					}
				}
				if got, want := eventNames(c.Buffered(c.ids[0])), strings.TrimSpace("4before "+k.first); got != want {
					t.Errorf("got %q, want %q", got, want)
				}
				if n := len(c.queue.keys); n != k.queued {
					t.Errorf("%d messages are queued, want %d", n, k.queued)
				}
				c.carry()
				want := "4before 4all 4one"
				if !k.inOrder {
					want = "4before 4one 4all"
				}
				if got := eventNames(c.Buffered(c.ids[0])); got != want {
					t.Errorf("got %q, want %q", got, want)
				}
				if got := eventNames(c.Buffered(c.ids[1])); got != "4all" {
					t.Errorf("another got %q", got)
				}
			})
		})
	}
}

// Up to the limit the caller that emits a broadcast delivers it.
func TestLimitOfLargeBroadcasts(t *testing.T) {
	inCrowd(t, func(t *testing.T, c *crowd) {
		var few []sessionstore.Room
		for _, id := range c.ids[:crowdLarge] {
			few = append(few, sessionstore.Room(id))
		}
		sel := adapter.Selection{Namespace: nsp, Rooms: few}
		if r, err := c.adapter.Broadcast(
			t.Context(), sel, event("x"),
		); err != nil ||
			r != (adapter.Result{Delivered: crowdLarge}) {
			t.Errorf("%+v, %v", r, err)
		}
		sel.Rooms = append(sel.Rooms, sessionstore.Room(c.ids[crowdLarge]))
		if r, err := c.adapter.Broadcast(
			t.Context(), sel, event("y"),
		); err != nil ||
			r != (adapter.Result{Queued: true}) {
			t.Errorf("one more: %+v, %v", r, err)
		}
		sel.Rooms = []sessionstore.Room{"none"}
		if r, err := c.adapter.Broadcast(t.Context(), sel, event("z")); err != nil || r != (adapter.Result{}) {
			t.Errorf("nobody: %+v, %v", r, err)
		}
	})
}

// collector is a way that collects.
type collector struct{ frames []string }

func (c *collector) Deliver(
	_ context.Context, t delivery.Target, packets []sessionstore.Packet,
) (sessionstore.Connection, error) {
	for _, p := range packets {
		c.frames = append(c.frames, p.Frames...)
	}
	return t.Hint, nil
}

// The copy of the caller's own session is the caller's, and no part of what is queued.
func TestOwnCopyOfLargeBroadcast(t *testing.T) {
	for _, k := range []struct {
		name  string
		sel   adapter.Selection
		own   int // number of the caller's socket
		taken int
	}{
		{"selected", adapter.Selection{Rooms: []sessionstore.Room{"a"}}, 3, 1},
		{"not selected", adapter.Selection{Rooms: []sessionstore.Room{"b"}}, 3, 0},
		{"left out", adapter.Selection{Except: []sessionstore.Room{"first"}}, 0, 0},
	} {
		t.Run(k.name, func(t *testing.T) {
			inCrowd(t, func(t *testing.T, c *crowd) {
				own := &collector{}
				by := c.adapter.By(adapter.Caller{
					Session: c.ids[k.own], Socket: sessionstore.SocketID(c.ids[k.own]), Way: own,
				})
				k.sel.Namespace, k.sel.Skip = nsp, []sessionstore.SocketID{sessionstore.SocketID(c.ids[4])}
				r, err := by.Broadcast(t.Context(), k.sel, event("x"))
				if err != nil || r != (adapter.Result{Delivered: k.taken, Queued: true}) || len(own.frames) != k.taken {
					t.Errorf("%+v, %v; taken %q", r, err, own.frames)
				}
				c.carry()
				if got := c.got(); got[k.own] != "" || got[4] != "" || got[2] != "4x" {
					t.Errorf("own got %q, the one left out %q, another %q", got[k.own], got[4], got[2])
				}
			})
		})
	}
}

// What the queue does not take is an error, and nothing that may be tried again: the other parts are on their way.
func TestFanoutFails(t *testing.T) {
	inCrowd(t, func(t *testing.T, c *crowd) {
		c.queue.fail = 3
		r, err := c.adapter.Broadcast(t.Context(), adapter.Selection{Namespace: nsp}, event("x"))
		if !errors.Is(err, errFull) || !strings.Contains(err.Error(), "3 of 16") || !r.Queued {
			t.Errorf("%+v, %v", r, err)
		}
		if sum := c.carry(); sum.Delivered == 0 || sum.Delivered >= crowdSize {
			t.Errorf("delivered to %d", sum.Delivered)
		}
	})
}

// A walk that fails before it is known how many there are delivers to those it met.
func TestLargeBroadcastUnread(t *testing.T) {
	inCrowd(t, func(t *testing.T, c *crowd) {
		c.Store.Fail(sessionstore.OpMembers, deliverytest.NotDone(deliverytest.ErrNoAnswer))
		r, err := c.adapter.Broadcast(
			t.Context(), adapter.Selection{Namespace: nsp, Rooms: []sessionstore.Room{"a"}}, event("x"),
		)
		if !errors.Is(err, deliverytest.ErrNoAnswer) || r != (adapter.Result{Delivered: 2}) {
			t.Errorf("%+v, %v", r, err)
		}
	})
}

// A packet that no message has space for is delivered by the caller that emits it.
func TestLargePacketToManySockets(t *testing.T) {
	inCrowd(t, func(t *testing.T, c *crowd) {
		large := bytes.Repeat([]byte{'a'}, 90<<10) // three of them are above the size of a message
		p := adapter.NewPacket(t.Context(), socketio.JSON, socketio.Packet{
			Type: socketio.Event, Namespace: string(nsp), Data: []byte(`["x"]`),
			Attachments: [][]byte{large, large, large},
		})
		r, err := c.adapter.Broadcast(t.Context(), adapter.Selection{Namespace: nsp}, p)
		if err != nil || r != (adapter.Result{Delivered: crowdSize}) {
			t.Errorf("%+v, %v", r, err)
		}
	})
}

func TestParsePart(t *testing.T) {
	for _, body := range []string{
		``, `{`, `[]`, `{}`,
		`{"namespace":"/","range":0,"packet":{"id":"","type":2,"data":["x"]}}`,
		`{"namespace":"/","range":-1,"packet":{"id":"p","type":2,"data":["x"]}}`,
		`{"namespace":"/","range":16,"packet":{"id":"p","type":2,"data":["x"]}}`,
		`{"namespace":"/","range":0}`, `{"namespace":"/","range":0,"packet":{"id":"p","type":2}}`,
	} {
		if p, err := adapter.ParsePart(body); !errors.Is(err, adapter.ErrPart) {
			t.Errorf("%s: %+v, %v", body, p, err)
		}
	}
}
