package memstore_test

import (
	"errors"
	"testing"
	"time"

	"github.com/nonstick-io/nonstick/sessionstore"
	"github.com/nonstick-io/nonstick/sessionstore/memstore"
	"github.com/nonstick-io/nonstick/sessionstore/storetest"
)

func TestConformance(t *testing.T) {
	storetest.Run(t, func(t *testing.T) sessionstore.Store { return counted(t, memstore.New(memstore.Options{})) })
}

func TestConformanceOneShard(t *testing.T) {
	storetest.Run(
		t, func(t *testing.T) sessionstore.Store { return counted(t, memstore.New(memstore.Options{Shards: 1})) },
	)
}

// counted checks in the end that the store has kept count of what it holds.
func counted(t *testing.T, s *memstore.Store) *memstore.Store {
	t.Helper()
	t.Cleanup(func() {
		if got, want := s.Bytes(), s.Recount(); got != want {
			t.Errorf("holds %d bytes, and counts %d", want, got)
		}
	})
	return s
}

func TestChangedOfNoSession(t *testing.T) {
	s := memstore.New(memstore.Options{})
	select {
	case <-s.Changed("none"):
	default:
		t.Error("the channel of a session that does not exist is open")
	}
}

func TestExpiryWakes(t *testing.T) {
	s, _, k := metered(t)
	_, err := s.Close(
		t.Context(),
		sessionstore.CloseRequest{Session: k.Session, Handler: sessionstore.Lease{Owner: "me", Until: start}},
	)
	if err = errors.Join(err, s.Finish(t.Context(), k.Session, "me", start.Add(time.Second))); err != nil {
		t.Fatal(err)
	}
	c := s.Changed(k.Session)
	if _, err := s.Get(t.Context(), k.Session, start.Add(time.Minute)); !errors.Is(err, sessionstore.ErrNotFound) {
		t.Errorf("error %v", err)
	}
	select {
	case <-c:
	default:
		t.Error("still waiting for a session that has gone")
	}
}

func TestShards(t *testing.T) {
	if n := memstore.New(memstore.Options{}).Shards(); n != memstore.DefaultShards {
		t.Errorf("%d shards by default", n)
	}
	s := memstore.New(memstore.Options{Shards: 3})
	if n := s.Shards(); n != 3 {
		t.Errorf("%d shards, want 3", n)
	}
	for _, shard := range []int{-1, 3} {
		if err := s.LeaseShard(
			t.Context(), shard, sessionstore.Lease{Owner: "me"}, start,
		); !errors.Is(
			err, sessionstore.ErrNotFound,
		) {
			t.Errorf("lease of shard %d: %v", shard, err)
		}
		for r, err := range s.Registrations(t.Context(), shard) {
			t.Errorf("shard %d has %+v, %v", shard, r, err)
		}
	}
}
