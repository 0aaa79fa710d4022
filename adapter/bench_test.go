package adapter_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/nonstick-io/nonstick/adapter"
	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/sessionstore"
	"github.com/nonstick-io/nonstick/sessionstore/memstore"
)

// taker takes every push at once.
type taker struct{}

func (taker) Push(context.Context, sessionstore.Connection, string) error { return nil }
func (taker) Close(context.Context, sessionstore.Connection) error        { return nil }

// BenchmarkBroadcast emits to rooms of WebSockets whose pushes take no time: what is left is the broadcast's own work.
func BenchmarkBroadcast(b *testing.B) {
	for _, n := range []int{1, 10, 100, 1000} {
		b.Run(fmt.Sprintf("members=%d", n), func(b *testing.B) {
			store := memstore.New(memstore.Options{})
			d := delivery.New(
				store, taker{}, &delivery.Closing{Sessions: store, Pusher: taker{}}, delivery.Limits{},
			)
			a := adapter.New(store, d, adapter.Options{})
			for i := range n {
				id := sessionstore.SessionID(fmt.Sprintf("s%d", i))
				k := sessionstore.NewSocket{
					ID: socketID(id), Session: id, Namespace: nsp, Rooms: []sessionstore.Room{"a"},
				}
				now := time.Now()
				create := sessionstore.NewSession{
					ID: id, Transport: sessionstore.WebSocket, Conn: conn(string(id)), CreatedAt: now,
					PingAt: now.Add(time.Hour),
				}
				if err := store.Create(b.Context(), create); err != nil {
					b.Fatal(err)
				}
				if err := store.PutSocket(
					b.Context(), k, conn(string(id)), delivery.Limits{}.WithDefaults().Socket,
				); err != nil {
					b.Fatal(err)
				}
			}
			sel := adapter.Selection{Namespace: nsp, Rooms: []sessionstore.Room{"a"}}
			p := sessionstore.Packet{ID: "p", Frames: []string{`42["news",1]`}}
			b.ReportAllocs()
			for b.Loop() {
				if r, err := a.Broadcast(b.Context(), sel, p, nil); err != nil || r.Delivered != n {
					b.Fatal(r, err)
				}
			}
		})
	}
}
