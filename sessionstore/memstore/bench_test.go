package memstore_test

import (
	"sync/atomic"
	"testing"

	"github.com/nonstick-io/nonstick/internal/benchtest"
	"github.com/nonstick-io/nonstick/sessionstore"
	"github.com/nonstick-io/nonstick/sessionstore/memstore"
	"github.com/nonstick-io/nonstick/sessionstore/storetest"
)

// BenchmarkStore is each transition of a session, one call of the store each.
func BenchmarkStore(b *testing.B) {
	meter := &sessionstore.Meter{}
	storetest.Benchmark(
		b, 500,
		func(*testing.B) sessionstore.Store { return memstore.New(memstore.Options{Meter: meter}) },
		func(b *testing.B) storetest.Counter { return benchtest.Count(b, meter, nil) },
	)
}

func benchStore(b *testing.B, sessions int) (*memstore.Store, []sessionstore.SessionID) {
	b.Helper()
	s := memstore.New(memstore.Options{Meter: &sessionstore.Meter{}})
	ids := make([]sessionstore.SessionID, sessions)
	for i := range ids {
		ids[i] = sessionstore.SessionID(sessionstore.NewID())
		k := sessionstore.NewSocket{
			ID: sessionstore.SocketID(sessionstore.NewID()), Session: ids[i], Namespace: "/",
			Rooms: []sessionstore.Room{"r"},
		}
		if err := s.Create(
			b.Context(), sessionstore.NewSession{ID: ids[i], Transport: sessionstore.Polling},
		); err != nil {
			b.Fatal(err)
		}
		if err := s.PutSocket(b.Context(), k, conn, wideSocket); err != nil {
			b.Fatal(err)
		}
	}
	return s, ids
}

// BenchmarkGetParallel reads sessions from all processors at once.
func BenchmarkGetParallel(b *testing.B) {
	s, ids := benchStore(b, 1000)
	var n atomic.Uint64
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := s.Get(b.Context(), ids[n.Add(1)%1000], start); err != nil {
				b.Error(err)
			}
		}
	})
}

// BenchmarkMembers10000 walks a room of 10,000 of which one left and one joined since.
func BenchmarkMembers10000(b *testing.B) {
	s, ids := benchStore(b, 10_000)
	session, err := s.Get(b.Context(), ids[0], start)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := s.Leave(b.Context(), session.Sockets[0], "r"); err != nil {
			b.Fatal(err)
		}
		if err := s.Join(b.Context(), session.Sockets[0], "r", conn, wideSocket); err != nil {
			b.Fatal(err)
		}
		if err := drainAll(s.Members(b.Context(), "/", "r", sessionstore.Range{})); err != nil {
			b.Fatal(err)
		}
	}
}
