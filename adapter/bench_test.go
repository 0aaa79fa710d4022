package adapter_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/nonstick-io/nonstick/adapter"
	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/internal/benchtest"
	"github.com/nonstick-io/nonstick/sessionstore"
	"github.com/nonstick-io/nonstick/sessionstore/memstore"
)

// benchWorld is an adapter over a store in memory, with pushes that take no time.
type benchWorld struct {
	*testing.B
	meter   *sessionstore.Meter
	pusher  *benchtest.Pusher
	store   *memstore.Store
	adapter *adapter.Adapter
}

func newBenchWorld(b *testing.B) *benchWorld {
	w := &benchWorld{B: b, meter: &sessionstore.Meter{}, pusher: &benchtest.Pusher{}}
	w.store = memstore.New(memstore.Options{Meter: w.meter})
	d := delivery.New(
		w.store, w.pusher, &delivery.Closing{Sessions: w.store, Pusher: w.pusher}, delivery.Limits{},
	)
	w.adapter = adapter.New(w.store, d, adapter.Options{})
	return w
}

func (w *benchWorld) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// members makes sessions of n sockets in the room "a".
func (w *benchWorld) members(n int, transport sessionstore.Transport) []sessionstore.SessionID {
	w.Helper()
	ids := make([]sessionstore.SessionID, n)
	now := time.Now()
	for i := range ids {
		ids[i] = sessionstore.SessionID(fmt.Sprint("s", i))
		s := sessionstore.NewSession{ID: ids[i], Transport: transport, CreatedAt: now, PingAt: now.Add(time.Hour)}
		if transport == sessionstore.WebSocket {
			s.Conn = conn(string(ids[i]))
		}
		w.must(w.store.Create(w.Context(), s))
		k := sessionstore.NewSocket{
			ID: socketID(ids[i]), Session: ids[i], Namespace: nsp, Rooms: []sessionstore.Room{"a"},
		}
		w.must(w.store.PutSocket(w.Context(), k, s.Conn, delivery.Limits{}.WithDefaults().Socket))
	}
	return ids
}

// fetch empties the buffers, as the clients' GETs do.
func (w *benchWorld) fetch(ids []sessionstore.SessionID) {
	w.Helper()
	for _, id := range ids {
		for range 2 { // the second says that the first has come
			s, err := w.store.Get(w.Context(), id, time.Now())
			w.must(err)
			w.must(w.store.Answer(w.Context(), sessionstore.AnswerRequest{Read: &s, T: "t", Give: len(s.Pending())}))
		}
	}
}

// fetched is after how many broadcasts the clients on polling fetch.
const fetched = 8

// BenchmarkBroadcast emits to the members of a room, over WebSocket or into the buffers of polling sessions. Pushes
// take no time: what is left is the broadcast's own work.
func BenchmarkBroadcast(b *testing.B) {
	for _, transport := range []sessionstore.Transport{sessionstore.WebSocket, sessionstore.Polling} {
		for _, n := range []int{1, 10, 500} {
			b.Run(fmt.Sprintf("%s/members=%d", transport, n), func(b *testing.B) {
				w := newBenchWorld(b)
				ids := w.members(n, transport)
				sel := adapter.Selection{Namespace: nsp, Rooms: []sessionstore.Room{"a"}}
				p := sessionstore.Packet{ID: "p", Frames: []string{`42["news",1]`}}
				c := benchtest.Count(b, w.meter, w.pusher)
				for i := 0; b.Loop(); i++ {
					if transport == sessionstore.Polling && i%fetched == 0 {
						c.Aside(func() { w.fetch(ids) })
					}
					if r, err := w.adapter.Broadcast(b.Context(), sel, adapter.PacketOf(p)); err != nil ||
						r.Delivered != n {
						b.Fatal(r, err)
					}
				}
				c.Report()
			})
		}
	}
}

// BenchmarkNamespace emits to 500 sockets of a namespace, which are found in its shards.
func BenchmarkNamespace(b *testing.B) {
	const n = 500
	w := newBenchWorld(b)
	w.members(n, sessionstore.WebSocket)
	p := sessionstore.Packet{ID: "p", Frames: []string{`42["news",1]`}}
	c := benchtest.Count(b, w.meter, w.pusher)
	for b.Loop() {
		r, err := w.adapter.Broadcast(b.Context(), adapter.Selection{Namespace: nsp}, adapter.PacketOf(p))
		if err != nil || r.Delivered != n {
			b.Fatal(r, err)
		}
	}
	c.Report()
}

// BenchmarkJoinLeave has 10 selected sockets, one of each of their sessions, join another room and leave it.
func BenchmarkJoinLeave(b *testing.B) {
	const n = 10
	w := newBenchWorld(b)
	w.members(n, sessionstore.WebSocket)
	sel := adapter.Selection{Namespace: nsp, Rooms: []sessionstore.Room{"a"}}
	c := benchtest.Count(b, w.meter, w.pusher)
	for b.Loop() {
		if r, err := w.adapter.Join(b.Context(), sel, "b"); err != nil || r.Delivered != n {
			b.Fatal(r, err)
		}
		if r, err := w.adapter.Leave(b.Context(), sel, "b"); err != nil || r.Delivered != n {
			b.Fatal(r, err)
		}
	}
	c.Report()
}

// BenchmarkFetch reads 100 sockets of a room.
func BenchmarkFetch(b *testing.B) {
	const n = 100
	w := newBenchWorld(b)
	w.members(n, sessionstore.WebSocket)
	sel := adapter.Selection{Namespace: nsp, Rooms: []sessionstore.Room{"a"}}
	c := benchtest.Count(b, w.meter, w.pusher)
	for b.Loop() {
		if found, err := w.adapter.Fetch(b.Context(), sel, n); err != nil || len(found) != n {
			b.Fatal(len(found), err)
		}
	}
	c.Report()
}
