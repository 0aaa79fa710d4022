package memstore_test

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/nonstick-io/nonstick/sessionstore"
	"github.com/nonstick-io/nonstick/sessionstore/memstore"
)

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

func BenchmarkGet(b *testing.B) {
	s, ids := benchStore(b, 1000)
	var n atomic.Uint64
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := s.Get(b.Context(), ids[n.Add(1)%1000], start); err != nil {
				b.Error(err)
			}
		}
	})
}

// BenchmarkPoll is a delivery and the GET that fetches it.
func BenchmarkPoll(b *testing.B) {
	s, ids := benchStore(b, 1000)
	packets := []sessionstore.Packet{{ID: "p", Frames: []string{`42["hello"]`}}}
	b.ReportAllocs()
	for i := range b.N {
		id := ids[i%1000]
		if err := s.Deliver(b.Context(), id, packets, wide); err != nil {
			b.Fatal(err)
		}
		read, err := s.Get(b.Context(), id, start)
		if err != nil {
			b.Fatal(err)
		}
		if err := s.Answer(
			b.Context(), sessionstore.AnswerRequest{Read: &read, T: "t", Give: len(read.Pending())},
		); err != nil {
			b.Fatal(err)
		}
	}
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

// BenchmarkJoin is the cost of one join, in a room that ends with as many members as there are runs.
func BenchmarkJoin(b *testing.B) {
	s := memstore.New(memstore.Options{})
	for i := range b.N {
		id := fmt.Sprint(i)
		k := sessionstore.NewSocket{ID: sessionstore.SocketID(id), Session: sessionstore.SessionID(id), Namespace: "/"}
		if err := s.PutSocket(b.Context(), k, conn, wideSocket); err != nil {
			b.Fatal(err)
		}
		if err := s.Join(b.Context(), k.Row(), "r", conn, wideSocket); err != nil {
			b.Fatal(err)
		}
	}
}
