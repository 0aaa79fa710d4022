package deliverytest

import (
	"context"
	"errors"
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/nonstick-io/nonstick/sessionstore"
	"github.com/nonstick-io/nonstick/sessionstore/memstore"
)

// ErrNoAnswer is an error in doubt: the store may have done what it was asked.
var ErrNoAnswer = errors.New("deliverytest: no answer")

// Fault is what a call of a [Store] is answered with, and whether it was done all the same.
type Fault struct {
	err  error
	done bool
}

// NotDone answers a call with an error and leaves it at that.
func NotDone(err error) Fault { return Fault{err: err} }

// Done does what is asked, and answers with an error all the same.
func Done(err error) Fault { return Fault{err: err, done: true} }

// Store is a store in memory whose next calls fail as told. Safe for concurrent use.
type Store struct {
	*memstore.Store
	// AfterDone, unless nil, is called when a call whose fault is [Done] has been done. Set it before the first call.
	AfterDone func()
	// Paged says that a session is read with the places of its packets, and not with their bodies, as a store does
	// that keeps them in pages. Set it before the first call that reads.
	Paged bool

	mu     sync.Mutex
	faults map[sessionstore.Op][]Fault
	closes []sessionstore.CloseRequest
}

// NewStore returns an empty store without faults.
func NewStore() *Store {
	return &Store{Store: memstore.New(memstore.Options{}), faults: make(map[sessionstore.Op][]Fault)}
}

// Fail sets what the next calls of an operation are answered with, one by one; without faults they all work again.
// The operations that can fail are those that have a method below.
func (s *Store) Fail(op sessionstore.Op, faults ...Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults[op] = slices.Clone(faults)
}

// Closes returns the requests to close a session so far, those that failed as well.
func (s *Store) Closes() []sessionstore.CloseRequest {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.closes)
}

// fail takes the next fault of an operation and runs the call unless that forbids it.
func (s *Store) fail(op sessionstore.Op, call func() error) error {
	f, ok := s.next(op)
	if !ok {
		return call()
	}
	if f.done {
		_ = call() // its answer is lost
		if s.AfterDone != nil {
			s.AfterDone()
		}
	}
	return f.err
}

func (s *Store) next(op sessionstore.Op) (Fault, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.faults[op]) == 0 {
		return Fault{}, false
	}
	f := s.faults[op][0]
	s.faults[op] = s.faults[op][1:]
	return f, true
}

// Deliver fails as [sessionstore.OpDeliver].
func (s *Store) Deliver(
	ctx context.Context, id sessionstore.SessionID, p []sessionstore.Packet, l sessionstore.BufferLimits,
) error {
	return s.fail(sessionstore.OpDeliver, func() error { return s.Store.Deliver(ctx, id, p, l) })
}

// Enqueue fails as [sessionstore.OpEnqueue].
func (s *Store) Enqueue(
	ctx context.Context, id sessionstore.SessionID, p []sessionstore.Packet, l sessionstore.BufferLimits,
	hold sessionstore.Lease,
) (k sessionstore.Session, err error) {
	err = s.fail(sessionstore.OpEnqueue, func() error { k, err = s.Store.Enqueue(ctx, id, p, l, hold); return err })
	return k, err
}

// Release fails as [sessionstore.OpRelease].
func (s *Store) Release(ctx context.Context, id sessionstore.SessionID, o sessionstore.Owner, n int) error {
	return s.fail(sessionstore.OpRelease, func() error { return s.Store.Release(ctx, id, o, n) })
}

// Sent fails as [sessionstore.OpSent].
func (s *Store) Sent(ctx context.Context, read *sessionstore.Session, o sessionstore.Owner, n int) error {
	return s.fail(sessionstore.OpSent, func() error { return s.Store.Sent(ctx, read, o, n) })
}

// Switch fails as [sessionstore.OpSwitch].
func (s *Store) Switch(
	ctx context.Context, id, carrier sessionstore.SessionID, conn sessionstore.Connection, sent int,
	hold sessionstore.Lease,
) (k sessionstore.Session, err error) {
	err = s.fail(sessionstore.OpSwitch, func() error {
		k, err = s.Store.Switch(ctx, id, carrier, conn, sent, hold)
		return err
	})
	return k, err
}

// Recover fails as [sessionstore.OpRecover].
func (s *Store) Recover(
	ctx context.Context, r sessionstore.RecoverRequest,
) (k sessionstore.Session, err error) {
	err = s.fail(sessionstore.OpRecover, func() error { k, err = s.Store.Recover(ctx, r); return err })
	return k, err
}

// Trim fails as [sessionstore.OpTrim].
func (s *Store) Trim(ctx context.Context, read *sessionstore.Session, n int) error {
	return s.fail(sessionstore.OpTrim, func() error { return s.Store.Trim(ctx, read, n) })
}

// Renew fails as [sessionstore.OpRenew].
func (s *Store) Renew(ctx context.Context, id sessionstore.SessionID, hold sessionstore.Lease) error {
	return s.fail(sessionstore.OpRenew, func() error { return s.Store.Renew(ctx, id, hold) })
}

// Claim fails as [sessionstore.OpClaim].
func (s *Store) Claim(
	ctx context.Context, name string, l sessionstore.Lease, from sessionstore.Owner, now time.Time,
) error {
	return s.fail(sessionstore.OpClaim, func() error { return s.Store.Claim(ctx, name, l, from, now) })
}

// Get fails as [sessionstore.OpGet].
func (s *Store) Get(
	ctx context.Context, id sessionstore.SessionID, now time.Time,
) (k sessionstore.Session, err error) {
	err = s.fail(sessionstore.OpGet, func() error { k, err = s.Store.Get(ctx, id, now); return err })
	if s.Paged {
		places := make([]sessionstore.Packet, len(k.Buffer))
		for i, p := range k.Buffer {
			places[i] = sessionstore.Packet{Size: p.Size, Page: sessionstore.Page{ID: string(id), At: i}}
		}
		k.Buffer = places
	}
	return k, err
}

// Bodies reads the bodies of packets, by their places if the store is Paged.
func (s *Store) Bodies(
	ctx context.Context, id sessionstore.SessionID, packets []sessionstore.Packet,
) ([]sessionstore.Packet, error) {
	if !s.Paged {
		return s.Store.Bodies(ctx, id, packets)
	}
	k, err := s.Store.Get(ctx, id, time.Now())
	whole := make([]sessionstore.Packet, len(packets))
	for i, p := range packets {
		whole[i] = k.Buffer[p.Page.At]
	}
	return whole, err
}

// Close fails as [sessionstore.OpClose] and keeps the request for Closes.
func (s *Store) Close(ctx context.Context, r sessionstore.CloseRequest) (k sessionstore.Session, err error) {
	s.mu.Lock()
	s.closes = append(s.closes, r)
	s.mu.Unlock()
	err = s.fail(sessionstore.OpClose, func() error { k, err = s.Store.Close(ctx, r); return err })
	return k, err
}

// ReadSocket fails as [sessionstore.OpReadSocket].
func (s *Store) ReadSocket(
	ctx context.Context, nsp sessionstore.Namespace, m sessionstore.Member,
) (k sessionstore.Socket, data map[string]string, err error) {
	err = s.fail(sessionstore.OpReadSocket, func() error { k, data, err = s.Store.ReadSocket(ctx, nsp, m); return err })
	return k, data, err
}

// RepairHint fails as [sessionstore.OpSetHint].
func (s *Store) RepairHint(
	ctx context.Context, nsp sessionstore.Namespace, room sessionstore.Room, m sessionstore.Member,
) error {
	return s.fail(sessionstore.OpSetHint, func() error { return s.Store.RepairHint(ctx, nsp, room, m) })
}

// SetHint fails as [sessionstore.OpSetHint].
func (s *Store) SetHint(ctx context.Context, k sessionstore.Socket, hint sessionstore.Connection) error {
	return s.fail(sessionstore.OpSetHint, func() error { return s.Store.SetHint(ctx, k, hint) })
}

// Members fails after two members if [sessionstore.OpMembers] has a fault.
func (s *Store) Members(
	ctx context.Context, nsp sessionstore.Namespace, room sessionstore.Room, ids sessionstore.Range,
) iter.Seq2[sessionstore.Member, error] {
	return s.members(s.Store.Members(ctx, nsp, room, ids))
}

// Unmarked fails as Members.
func (s *Store) Unmarked(
	ctx context.Context, nsp sessionstore.Namespace, room sessionstore.Room,
) iter.Seq2[sessionstore.Member, error] {
	return s.members(s.Store.Unmarked(ctx, nsp, room))
}

func (s *Store) members(walk iter.Seq2[sessionstore.Member, error]) iter.Seq2[sessionstore.Member, error] {
	f, ok := s.next(sessionstore.OpMembers)
	if !ok {
		return walk
	}
	return func(yield func(sessionstore.Member, error) bool) {
		n := 0
		for m, err := range walk {
			if n++; n > 2 {
				yield(sessionstore.Member{}, f.err)
				return
			}
			if !yield(m, err) {
				return
			}
		}
	}
}
