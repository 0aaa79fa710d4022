package costs

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/nonstick-io/nonstick/adapter/emitter"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// TestCounting holds what it takes to count sockets, however many they are: a room is one read, a namespace one of each
// shard, and to know whether there is any takes the least that a table reads.
func TestCounting(t *testing.T) {
	const members = 200
	type question func(context.Context, emitter.Selection) (int, error)
	count := func(ctx context.Context, s emitter.Selection) (int, error) { return s.Count(ctx) }
	some := func(ctx context.Context, s emitter.Selection) (int, error) {
		found, err := s.Any(ctx)
		return map[bool]int{true: 1}[found], err
	}
	for _, s := range stores {
		t.Run(s.name, func(t *testing.T) {
			w := newWorld(t, s.make)
			for i := range members {
				id := sessionstore.SessionID(sessionstore.NewID())
				k := sessionstore.NewSocket{
					ID: sessionstore.SocketID(sessionstore.NewID()), Session: id, Namespace: "/counted",
					Rooms: []sessionstore.Room{"all", "half"}[:1+i%2],
				}
				w.must(w.store.PutSocket(t.Context(), k, sessionstore.Connection{}, limits.Socket))
			}
			all := emitter.New(w.store, w.pusher, emitter.Options{}).Of("/counted").Selection
			shards := int64(w.store.Shards())
			for _, c := range []struct {
				name  string
				of    emitter.Selection
				ask   question
				want  int
				reads int64
				rru   float64 // at most
			}{
				{"a room", all.To("all"), count, members, 1, 10},
				{"an empty room", all.To("none"), count, 0, 1, 1},
				{"the namespace", all, count, members, shards, 2 * float64(shards)},
				{"two rooms at once", all.To("all").And("half"), count, members / 2, 2, 20},
				{"any of a room", all.To("all"), some, 1, 1, 1},
				{"any of an empty room", all.To("none"), some, 0, 1, 1},
				{"any of the namespace", all.To(), some, 1, 1, 1},
			} {
				n := 0
				got := w.spend(func() {
					var err error
					n, err = c.ask(t.Context(), c.of)
					w.must(err)
				})
				if n != c.want || got.reads != c.reads || got.rru > c.rru || got.writes > 0 {
					t.Errorf(
						"%s: %d, want %d; %d reads, want %d; %g units, at most %g; %d writes\n%s", c.name, n, c.want,
						got.reads, c.reads, got.rru, c.rru, got.writes, got.calls,
					)
				}
				t.Log(fmt.Sprint(c.name, ": ", got.reads, " reads, ", got.rru, " units"))
			}
		})
	}
}

// TestVolatile holds that a volatile event costs no more than another, whether or not its client can take it.
func TestVolatile(t *testing.T) {
	for _, s := range stores {
		t.Run(s.name, func(t *testing.T) {
			w := newWorld(t, s.make)
			for _, parked := range []bool{true, false} {
				cost := func(volatile bool) spent {
					c := w.polling()
					c.send("40")
					c.get()
					session := c.state()
					k, _ := session.Socket("/")
					if parked {
						poll := sessionstore.Poll{T: "t", Until: time.Now().Add(time.Minute)}
						w.must(w.store.Park(t.Context(), sessionstore.ParkRequest{Read: &session, Poll: poll}))
					}
					to := emitter.New(w.store, w.pusher, emitter.Options{}).To(string(k.ID))
					if volatile {
						to = to.Volatile()
					}
					got := w.spend(func() { w.must(to.Emit(t.Context(), "tick", 1)) })
					session = c.state()
					if waits, want := len(session.Pending()) > 0, parked || !volatile; waits != want {
						t.Errorf("parked %v, volatile %v: it waits: %v", parked, volatile, waits)
					}
					return got
				}
				volatile, ordinary := cost(true), cost(false)
				if volatile.reads > ordinary.reads || volatile.rru > ordinary.rru ||
					volatile.writes > ordinary.writes || volatile.wru > ordinary.wru {
					t.Errorf("parked %v: volatile %+v, ordinary %+v", parked, volatile, ordinary)
				}
				t.Logf("parked %v: %d reads, %d writes, %g and %g units; ordinary %d, %d, %g and %g", parked,
					volatile.reads, volatile.writes, volatile.rru, volatile.wru, ordinary.reads, ordinary.writes,
					ordinary.rru, ordinary.wru)
			}
		})
	}
}
