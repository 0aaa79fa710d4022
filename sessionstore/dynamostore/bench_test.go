package dynamostore_test

import (
	"context"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/nonstick-io/nonstick/internal/benchtest"
	"github.com/nonstick-io/nonstick/sessionstore"
	"github.com/nonstick-io/nonstick/sessionstore/dynamostore"
	"github.com/nonstick-io/nonstick/sessionstore/storetest"
)

// BenchmarkStore is each transition of a session, one call of the store each, against DynamoDB Local. Most of the
// time is that program's: what tells of ours are allocations, reads, writes and units of capacity.
func BenchmarkStore(b *testing.B) {
	meter := &sessionstore.Meter{}
	store := dynamostore.New(newTable(b), dynamostore.Options{Table: table, Meter: meter})
	storetest.Benchmark(
		b, 50,
		func(*testing.B) sessionstore.Store { return store },
		func(b *testing.B) storetest.Counter { return benchtest.Count(b, meter, nil) },
	)
}

// BenchmarkMembers1000 walks a room of 1,000.
func BenchmarkMembers1000(b *testing.B) {
	const members = 1000
	meter := &sessionstore.Meter{}
	store := dynamostore.New(newTable(b), dynamostore.Options{Table: table, Meter: meter})
	if err := fill(b.Context(), store, members); err != nil {
		b.Fatal(err)
	}
	c := benchtest.Count(b, meter, nil)
	for b.Loop() {
		n := 0
		for _, err := range store.Members(b.Context(), "/", "r", sessionstore.Range{}) {
			if err != nil {
				b.Fatal(err)
			}
			n++
		}
		if n != members {
			b.Fatalf("%d members, want %d", n, members)
		}
	}
	c.Report()
}

// fill puts sockets into a room, several at a time.
func fill(ctx context.Context, store sessionstore.Store, members int) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(16)
	for range members {
		group.Go(func() error {
			k := sessionstore.NewSocket{
				ID: sessionstore.SocketID(sessionstore.NewID()), Session: newID(), Namespace: "/",
				Rooms: []sessionstore.Room{"r"},
			}
			return store.PutSocket(ctx, k, conn, wideSocket)
		})
	}
	return group.Wait()
}
