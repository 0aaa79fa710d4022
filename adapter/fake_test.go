package adapter_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nonstick-io/nonstick/adapter"
	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/internal/pushtest"
	"github.com/nonstick-io/nonstick/sessionstore"
	"github.com/nonstick-io/nonstick/sessionstore/memstore"
)

// errNoAnswer is an error in doubt: the store may have done what it was asked.
var errNoAnswer = errors.New("no answer")

// fault is what a call of the store is answered with, and whether it was done all the same.
type fault struct {
	err  error
	done bool
}

// faultyStore is a store in memory whose next calls fail as told.
type faultyStore struct {
	*memstore.Store
	after func() // called when a faulty call has been done
	paged bool   // of packets that are read with their session only their places are known

	mu     sync.Mutex
	faults map[sessionstore.Op][]fault
	closes []sessionstore.CloseRequest
}

// fail takes the next fault of an operation and runs the call unless that forbids it.
func (s *faultyStore) fail(op sessionstore.Op, call func() error) error {
	f, ok := s.next(op)
	if !ok {
		return call()
	}
	if f.done {
		_ = call() // its answer is lost
		if s.after != nil {
			s.after()
		}
	}
	return f.err
}

func (s *faultyStore) next(op sessionstore.Op) (fault, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.faults[op]) == 0 {
		return fault{}, false
	}
	f := s.faults[op][0]
	s.faults[op] = s.faults[op][1:]
	return f, true
}

func (s *faultyStore) Deliver(
	ctx context.Context, id sessionstore.SessionID, p []sessionstore.Packet, l sessionstore.BufferLimits,
) error {
	return s.fail(sessionstore.OpDeliver, func() error { return s.Store.Deliver(ctx, id, p, l) })
}

func (s *faultyStore) Claim(
	ctx context.Context, name string, l sessionstore.Lease, from sessionstore.Owner, now time.Time,
) error {
	return s.fail(sessionstore.OpClaim, func() error { return s.Store.Claim(ctx, name, l, from, now) })
}

func (s *faultyStore) Get(
	ctx context.Context, id sessionstore.SessionID, now time.Time,
) (k sessionstore.Session, err error) {
	err = s.fail(sessionstore.OpGet, func() error { k, err = s.Store.Get(ctx, id, now); return err })
	if s.paged {
		places := make([]sessionstore.Packet, len(k.Buffer))
		for i, p := range k.Buffer {
			places[i] = sessionstore.Packet{Size: p.Size, Page: sessionstore.Page{ID: string(id), At: i}}
		}
		k.Buffer = places
	}
	return k, err
}

func (s *faultyStore) Bodies(
	ctx context.Context, id sessionstore.SessionID, packets []sessionstore.Packet,
) ([]sessionstore.Packet, error) {
	if !s.paged {
		return s.Store.Bodies(ctx, id, packets)
	}
	k, err := s.Store.Get(ctx, id, time.Now())
	whole := make([]sessionstore.Packet, len(packets))
	for i, p := range packets {
		whole[i] = k.Buffer[p.Page.At]
	}
	return whole, err
}

func (s *faultyStore) Close(ctx context.Context, r sessionstore.CloseRequest) (k sessionstore.Session, err error) {
	s.mu.Lock()
	s.closes = append(s.closes, r)
	s.mu.Unlock()
	err = s.fail(sessionstore.OpClose, func() error { k, err = s.Store.Close(ctx, r); return err })
	return k, err
}

func (s *faultyStore) ReadSocket(
	ctx context.Context, nsp sessionstore.Namespace, m sessionstore.Member,
) (k sessionstore.Socket, data map[string]string, err error) {
	err = s.fail(sessionstore.OpReadSocket, func() error { k, data, err = s.Store.ReadSocket(ctx, nsp, m); return err })
	return k, data, err
}

func (s *faultyStore) RepairHint(
	ctx context.Context, nsp sessionstore.Namespace, room sessionstore.Room, m sessionstore.Member,
) error {
	return s.fail(sessionstore.OpSetHint, func() error { return s.Store.RepairHint(ctx, nsp, room, m) })
}

func (s *faultyStore) SetHint(ctx context.Context, k sessionstore.Socket, hint sessionstore.Connection) error {
	return s.fail(sessionstore.OpSetHint, func() error { return s.Store.SetHint(ctx, k, hint) })
}

// Members fails after two members if the operation has a fault.
func (s *faultyStore) Members(
	ctx context.Context, nsp sessionstore.Namespace, room sessionstore.Room, ids sessionstore.Range,
) iter.Seq2[sessionstore.Member, error] {
	f, ok := s.next(sessionstore.OpMembers)
	if !ok {
		return s.Store.Members(ctx, nsp, room, ids)
	}
	return func(yield func(sessionstore.Member, error) bool) {
		n := 0
		for m, err := range s.Store.Members(ctx, nsp, room, ids) {
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

// world is a store with sessions and an adapter over it.
type world struct {
	t        *testing.T
	store    *faultyStore
	pusher   *pushtest.Pusher
	closing  *delivery.Closing
	delivery *delivery.Delivery
	adapter  *adapter.Adapter
	n        int

	mu       sync.Mutex
	finished []sessionstore.Session
}

// inWorld runs a test in a bubble of its own time.
func inWorld(t *testing.T, limits delivery.Limits, f func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, pusher: pushtest.New()}
		w.store = &faultyStore{Store: memstore.New(memstore.Options{}), faults: map[sessionstore.Op][]fault{}}
		w.closing = &delivery.Closing{Sessions: w.store, Pusher: w.pusher, Finish: w.finish}
		w.delivery = delivery.New(w.store, w.pusher, w.closing, limits)
		w.adapter = adapter.New(w.store, w.delivery, adapter.Options{})
		f(t, w)
	})
}

func (w *world) finish(ctx context.Context, old sessionstore.Session, lease sessionstore.Lease) error {
	w.mu.Lock()
	w.finished = append(w.finished, old)
	w.mu.Unlock()
	return w.store.Finish(ctx, old.ID, lease.Owner, time.Now().Add(time.Minute))
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func conn(name string) sessionstore.Connection {
	return sessionstore.Connection{ID: name, Endpoint: "http://127.0.0.1"}
}

// polling makes a session on polling.
func (w *world) polling(id sessionstore.SessionID) sessionstore.SessionID {
	w.t.Helper()
	now := time.Now()
	w.must(
		w.store.Create(
			w.t.Context(),
			sessionstore.NewSession{
				ID: id, Transport: sessionstore.Polling, CreatedAt: now, PingAt: now.Add(time.Minute),
			},
		),
	)
	return id
}

// webSocket makes a session on the connection of the same name.
func (w *world) webSocket(id sessionstore.SessionID) sessionstore.SessionID {
	w.t.Helper()
	now := time.Now()
	w.must(w.store.Create(w.t.Context(), sessionstore.NewSession{
		ID: id, Transport: sessionstore.WebSocket, Conn: conn(string(id)), CreatedAt: now, PingAt: now.Add(time.Minute),
	}))
	return id
}

// held makes a session that has been upgraded and is being flushed to.
func (w *world) held(id sessionstore.SessionID) sessionstore.SessionID {
	w.t.Helper()
	w.polling(id)
	now := time.Now()
	c := conn(string(id))
	w.must(w.store.Bind(w.t.Context(), id, sessionstore.Candidate{Conn: c, Until: now.Add(time.Minute)}, now))
	_, err := w.store.Upgrade(w.t.Context(), id, c, sessionstore.Lease{Owner: "flusher", Until: now.Add(time.Minute)})
	w.must(err)
	return id
}

// session reads a session, whatever faults are left.
func (w *world) session(id sessionstore.SessionID) sessionstore.Session {
	w.t.Helper()
	s, err := w.store.Store.Get(context.Background(), id, time.Now())
	w.must(err)
	return s
}

// buffered returns the frames in a session's buffer.
func (w *world) buffered(id sessionstore.SessionID) string {
	w.t.Helper()
	var frames []string
	for _, p := range w.session(id).Buffer {
		frames = append(frames, p.Frames...)
	}
	return strings.Join(frames, " ")
}

// pushed returns the frames that a session's connection was sent since the last call.
func (w *world) pushed(id sessionstore.SessionID) string {
	return strings.Join(w.pusher.Take(conn(string(id))), " ")
}

// packet makes a packet of frames, with an id of its own.
func (w *world) packet(frames ...string) sessionstore.Packet {
	w.n++
	return sessionstore.Packet{ID: sessionstore.PacketID(fmt.Sprint("p", w.n)), Frames: frames}
}
