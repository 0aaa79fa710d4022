package adapter

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/nonstick-io/nonstick/gateway/engineio"
	"github.com/nonstick-io/nonstick/gateway/socketio"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// SocketsJoin puts the selected sockets into rooms. Delivered counts those that are in all of them; one that is in
// as many as it may be fails with sessionstore.ErrTooManyRooms.
func (b Emission) SocketsJoin(ctx context.Context, rooms ...string) (Result, error) {
	return b.each(ctx, checkRooms(rooms), func(ctx context.Context, m sessionstore.Member) error {
		s, k, err := b.read(ctx, m)
		if err != nil {
			return err
		}
		for _, r := range rooms { // joining again costs no more than to look
			if r == string(k.ID) {
				continue
			}
			err := b.e.store.Join(ctx, k, sessionstore.Room(r), s.Hint(), b.e.limits.Socket)
			if errors.Is(err, sessionstore.ErrNotFound) {
				return ErrClosed
			}
			if err != nil {
				return fmt.Errorf("join room %q: %w", r, err)
			}
		}
		return nil
	})
}

// SocketsLeave takes the selected sockets out of rooms. Delivered counts those that are in none of them any more.
func (b Emission) SocketsLeave(ctx context.Context, rooms ...string) (Result, error) {
	return b.each(ctx, checkRooms(rooms), func(ctx context.Context, m sessionstore.Member) error {
		k := sessionstore.Socket{ID: m.Socket, Session: m.Session, Namespace: b.sel.Namespace}
		for _, r := range rooms {
			if err := b.e.store.Leave(ctx, k, sessionstore.Room(r)); err != nil {
				return fmt.Errorf("leave room %q: %w", r, err)
			}
		}
		return nil
	})
}

// DisconnectSockets ends the selected sockets: each client is told, and does not come back by itself. The session ends
// with them, because their disconnect handlers run where sessions are finished. So sockets of the same clients in other
// namespaces are cut off too, but connect again by themselves; with closeSession they are told not to.
// Delivered counts the sessions that were open until then.
func (b Emission) DisconnectSockets(ctx context.Context, closeSession bool) (Result, error) {
	return b.each(ctx, nil, func(ctx context.Context, m sessionstore.Member) error {
		s, k, err := b.read(ctx, m)
		if err != nil {
			return err
		}
		told := []sessionstore.Socket{k}
		if closeSession {
			told = s.Sockets
		}
		return b.e.disconnect(ctx, &s, told)
	})
}

// disconnect says goodbye to sockets of a session, then closes it.
func (e *Emitter) disconnect(ctx context.Context, s *sessionstore.Session, sockets []sessionstore.Socket) error {
	packets := make([]sessionstore.Packet, len(sockets))
	for i, k := range sockets {
		bye := socketio.Packet{Type: socketio.Disconnect, Namespace: string(k.Namespace)}
		packets[i] = sessionstore.Packet{
			ID: sessionstore.PacketID(sessionstore.NewID()), Frames: []string{engineio.EncodeMessage(bye.Encode())},
		}
	}
	_, err := e.delivery.Deliver(ctx, Target{Session: s.ID, Hint: s.Hint()}, packets)
	if errors.Is(err, ErrClosed) {
		return err
	}
	return errors.Join(err, e.closing.Close(ctx, s.ID, ReasonServerDisconnect, CloseOptions{Drain: true}))
}

// read reads a member's session and socket. ErrClosed if either has gone.
func (b Emission) read(ctx context.Context, m sessionstore.Member) (sessionstore.Session, sessionstore.Socket, error) {
	s, err := b.e.store.Get(ctx, m.Session, time.Now())
	if errors.Is(err, sessionstore.ErrNotFound) {
		return s, sessionstore.Socket{}, ErrClosed
	}
	if err != nil {
		return s, sessionstore.Socket{}, fmt.Errorf("read session: %w", err)
	}
	k, ok := s.Socket(b.sel.Namespace)
	if !ok || k.ID != m.Socket || s.State != sessionstore.Open {
		return s, k, ErrClosed
	}
	return s, k, nil
}

func checkRooms(rooms []string) error {
	for _, r := range rooms {
		if err := CheckRoom(r); err != nil {
			return err
		}
	}
	return nil
}

// each does something with every socket selected, several at a time, and counts how it went.
func (b Emission) each(
	ctx context.Context, mistake error, do func(context.Context, sessionstore.Member) error,
) (Result, error) {
	if err := errors.Join(b.err, mistake); err != nil {
		return Result{}, err
	}
	t := tally{}
	var group errgroup.Group
	group.SetLimit(fanOut)
	var readErr error
	for m, err := range b.e.adapter.Select(ctx, b.sel) {
		if err != nil {
			readErr = fmt.Errorf("adapter: find sockets: %w", err)
			break
		}
		group.Go(func() error { t.count(m, do(ctx, m)); return nil })
	}
	_ = group.Wait() // t has the errors
	return t.result, errors.Join(append(t.errs, readErr)...)
}

// tally counts what became of sockets.
type tally struct {
	mu     sync.Mutex
	result Result
	errs   []error
}

func (t *tally) count(m sessionstore.Member, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case err == nil:
		t.result.Delivered++
	case errors.Is(err, ErrClosed):
		t.result.Gone++
	default:
		t.result.Failed++
		if len(t.errs) < maxErrors {
			t.errs = append(t.errs, fmt.Errorf("adapter: socket %s: %w", m.Socket, err))
		}
	}
}
