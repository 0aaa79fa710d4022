package memstore

import (
	"context"
	"fmt"
	"iter"
	"sync"
	"time"

	"github.com/nonstick-io/nonstick/sessionstore"
)

// sweepAtLease bounds how many expired items of one stripe a shard's lease removes.
const sweepAtLease = 10_000

// registryShard is a part of the registry, and the lease of the caller that walks it.
type registryShard struct {
	mu    sync.Mutex
	rows  table[sessionstore.SessionID, sessionstore.Registration]
	lease sessionstore.Lease
}

// Shards implements [sessionstore.Registry].
func (s *Store) Shards() int { return len(s.registry) }

func (s *Store) registryShard(id sessionstore.SessionID) *registryShard {
	return &s.registry[hash(id)%uint32(len(s.registry))]
}

// register puts a row; it reports false if there is one that must stay.
func (s *Store) register(r sessionstore.Registration, replace bool) bool {
	sh := s.registryShard(r.Session)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if _, ok := sh.rows.get(r.Session); ok && !replace {
		return false
	}
	r.Expired = false
	sh.rows.put(r.Session, r)
	return true
}

// Register implements [sessionstore.Registry].
func (s *Store) Register(ctx context.Context, r sessionstore.Registration) error {
	if err := sessionstore.NotSent(ctx); err != nil {
		return err
	}
	s.wrote(sessionstore.OpRegister, 1)
	if !s.register(r, false) {
		return fmt.Errorf("register session: %w", sessionstore.ErrExists)
	}
	return nil
}

// updateRow is one conditional write of a row.
func (s *Store) updateRow(ctx context.Context, op sessionstore.Op, id sessionstore.SessionID,
	allowed func(*sessionstore.Registration) bool, apply func(*sessionstore.Registration),
) error {
	if err := sessionstore.NotSent(ctx); err != nil {
		return err
	}
	s.wrote(op, 1)
	sh := s.registryShard(id)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	r, ok := sh.rows.get(id)
	if !ok || !allowed(&r) {
		return fmt.Errorf("%s: registration: %w", op, sessionstore.ErrNotFound)
	}
	apply(&r)
	sh.rows.put(id, r)
	return nil
}

func unexpired(r *sessionstore.Registration) bool { return !r.Expired }

// Update implements [sessionstore.Registry].
func (s *Store) Update(ctx context.Context, r sessionstore.Registration) error {
	return s.updateRow(ctx, sessionstore.OpUpdate, r.Session, unexpired, func(row *sessionstore.Registration) {
		row.Conn, row.PingAt, row.LookAt = r.Conn, r.PingAt, r.LookAt
	})
}

// Look implements [sessionstore.Registry].
func (s *Store) Look(ctx context.Context, id sessionstore.SessionID, at time.Time) error {
	there := func(*sessionstore.Registration) bool { return true }
	return s.updateRow(ctx, sessionstore.OpLook, id, there, func(row *sessionstore.Registration) {
		row.LookAt = at
	})
}

// Beat implements [sessionstore.Registry].
func (s *Store) Beat(ctx context.Context, id sessionstore.SessionID, pingAt time.Time) error {
	return s.updateRow(ctx, sessionstore.OpBeat, id, unexpired, func(row *sessionstore.Registration) {
		row.PingAt = pingAt
	})
}

// Expire implements [sessionstore.Registry].
func (s *Store) Expire(ctx context.Context, r sessionstore.Registration, lookAt time.Time) error {
	asRead := func(row *sessionstore.Registration) bool { return row.PingAt.Equal(r.PingAt) && row.Conn == r.Conn }
	return s.updateRow(ctx, sessionstore.OpExpire, r.Session, asRead, func(row *sessionstore.Registration) {
		row.Expired, row.LookAt = true, lookAt
	})
}

// Pinged implements [sessionstore.Registry].
func (s *Store) Pinged(ctx context.Context, r sessionstore.Registration, at time.Time) error {
	asRead := func(row *sessionstore.Registration) bool {
		return row.PingAt.Equal(r.PingAt) && row.Conn == r.Conn && !row.Expired
	}
	return s.updateRow(ctx, sessionstore.OpPinged, r.Session, asRead, func(row *sessionstore.Registration) {
		row.PingedAt = at
	})
}

// Unregister implements [sessionstore.Registry].
func (s *Store) Unregister(ctx context.Context, id sessionstore.SessionID) error {
	if err := sessionstore.NotSent(ctx); err != nil {
		return err
	}
	s.wrote(sessionstore.OpUnregister, 1)
	sh := s.registryShard(id)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.rows.remove(id)
	return nil
}

// Registrations implements [sessionstore.Registry], in order of session ids.
func (s *Store) Registrations(ctx context.Context, shard int) iter.Seq2[sessionstore.Registration, error] {
	page := func(last sessionstore.SessionID, more bool) ([]sessionstore.Registration, sessionstore.SessionID, bool) {
		if shard < 0 || shard >= len(s.registry) {
			return nil, last, false
		}
		sh := &s.registry[shard]
		sh.mu.Lock()
		defer sh.mu.Unlock()
		return sh.rows.page(last, more, walkChunk)
	}
	return walk(ctx, s.meter, sessionstore.OpRegistrations, page)
}

// CountRegistrations implements [sessionstore.Registry].
func (s *Store) CountRegistrations(ctx context.Context, shard int) (int, error) {
	if err := sessionstore.NotSent(ctx); err != nil {
		return 0, fmt.Errorf("count registrations: %w", err)
	}
	n := 0
	if shard >= 0 && shard < len(s.registry) {
		sh := &s.registry[shard]
		sh.mu.Lock()
		n = sh.rows.len()
		sh.mu.Unlock()
	}
	s.meter.Add(
		sessionstore.OpCountRegistrations,
		sessionstore.Usage{Calls: 1, Reads: int64(max(1, (n+walkPage-1)/walkPage))},
	)
	return n, nil
}

// LeaseShard implements [sessionstore.Registry]. It also removes what has expired at now in the shard's
// share of the store.
func (s *Store) LeaseShard(ctx context.Context, shard int, lease sessionstore.Lease, now time.Time) error {
	if err := sessionstore.NotSent(ctx); err != nil {
		return err
	}
	s.wrote(sessionstore.OpLeaseShard, 1)
	if shard < 0 || shard >= len(s.registry) {
		return fmt.Errorf("lease shard %d of %d: %w", shard, len(s.registry), sessionstore.ErrNotFound)
	}
	if !s.registry[shard].take(lease, now) {
		return fmt.Errorf("lease shard %d: %w", shard, sessionstore.ErrExists)
	}
	for i := shard; i < stripes; i += len(s.registry) {
		st := &s.sessions[i]
		st.mu.Lock()
		st.sweep(now, sweepAtLease)
		st.mu.Unlock()
	}
	return nil
}

func (sh *registryShard) take(lease sessionstore.Lease, now time.Time) bool {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.lease.Held() && !sh.lease.Expired(now) && sh.lease.Owner != lease.Owner {
		return false
	}
	sh.lease = lease
	return true
}
