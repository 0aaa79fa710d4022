package adapter

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/internal/socketio"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// Join puts the selected sockets into rooms. Delivered counts those that are in all of them; one that is in
// as many as it may be fails with sessionstore.ErrTooManyRooms.
func (a *Adapter) Join(ctx context.Context, sel Selection, rooms ...string) (Result, error) {
	if err := checkRooms(rooms); err != nil {
		return Result{}, err
	}
	return a.each(ctx, sel, func(ctx context.Context, nsp sessionstore.Namespace, m sessionstore.Member) error {
		s, k, err := a.read(ctx, nsp, m)
		if err != nil {
			return err
		}
		for _, r := range rooms { // joining again costs no more than to look
			if r == string(k.ID) {
				continue
			}
			err := a.store.Join(ctx, k, sessionstore.Room(r), s.Hint(), a.delivery.Limits().Socket)
			if errors.Is(err, sessionstore.ErrNotFound) {
				return delivery.ErrClosed
			}
			if err != nil {
				return fmt.Errorf("join room %q: %w", r, err)
			}
		}
		return nil
	})
}

// Leave takes the selected sockets out of rooms. Delivered counts those that are in none of them any more.
func (a *Adapter) Leave(ctx context.Context, sel Selection, rooms ...string) (Result, error) {
	if err := checkRooms(rooms); err != nil {
		return Result{}, err
	}
	return a.each(ctx, sel, func(ctx context.Context, nsp sessionstore.Namespace, m sessionstore.Member) error {
		k := sessionstore.Socket{ID: m.Socket, Session: m.Session, Namespace: nsp}
		for _, r := range rooms {
			if err := a.store.Leave(ctx, k, sessionstore.Room(r)); err != nil {
				return fmt.Errorf("leave room %q: %w", r, err)
			}
		}
		return nil
	})
}

// Disconnect ends the selected sockets: each client is told, and does not come back by itself. The session ends with
// them, unless they are recoverable, because their disconnect handlers run where sessions are finished. So sockets of
// the same clients in other namespaces are cut off too, but connect again by themselves; with closeSession they are
// told not to. Delivered counts the sessions that were open until then.
func (a *Adapter) Disconnect(ctx context.Context, sel Selection, closeSession bool) (Result, error) {
	return a.each(ctx, sel, func(ctx context.Context, nsp sessionstore.Namespace, m sessionstore.Member) error {
		s, k, err := a.read(ctx, nsp, m)
		if err != nil {
			return err
		}
		if s.ID.IsOutbox() {
			err := a.disconnectOutbox(ctx, s, k)
			if closeSession && s.Carrier != "" {
				err = errors.Join(err, a.disconnectCarrier(ctx, &s))
			}
			return err
		}
		told := []sessionstore.Socket{k}
		if closeSession {
			told = s.Sockets
		}
		return a.disconnect(ctx, &s, told)
	})
}

// outboxTries is how often a recoverable socket is told to leave whose client comes back meanwhile.
const outboxTries = 4

// disconnectOutbox says goodbye to a recoverable socket, then ends it: on condition that the session which its client
// was told on still carries it, for another would go on with a socket that is gone.
func (a *Adapter) disconnectOutbox(ctx context.Context, s sessionstore.Session, k sessionstore.Socket) error {
	closing := a.delivery.Closing()
	for range outboxTries {
		o, untold := delivery.CloseOptions{IfCarrier: s.Carrier}, ""
		if s.Carrier == "" {
			o.IfPingAt = s.PingAt
		} else {
			bye := a.NewPacket(ctx, socketio.Packet{Type: socketio.Disconnect, Namespace: string(k.Namespace)})
			last := sessionstore.Packet{ID: bye.id, Frames: bye.frames}
			now, why, err := a.delivery.Farewell(ctx, s.ID, s.Carrier, last)
			if err != nil || now.State != sessionstore.Open {
				return err
			}
			if now.Carrier != s.Carrier {
				s = now
				continue
			}
			untold = why
		}
		err := closing.Close(ctx, s.ID, delivery.ReasonServerDisconnect, o)
		if now, refused := sessionstore.Current(err); refused && now.State == sessionstore.Open {
			s = now
			continue
		}
		if untold != "" { // or its client would not come to know
			details := sessionstore.Details{Description: untold}
			err = errors.Join(err, closing.Close(
				ctx, s.Carrier, delivery.ReasonTransportError, delivery.CloseOptions{Details: details},
			))
		}
		return err
	}
	return closing.Close(ctx, s.ID, delivery.ReasonForcedServer, delivery.CloseOptions{}) // its carrier, too
}

// disconnectCarrier ends the session that carries an outbox which was disconnected, and tells its other sockets.
func (a *Adapter) disconnectCarrier(ctx context.Context, outbox *sessionstore.Session) error {
	s, err := a.store.Get(ctx, outbox.Carrier, time.Now())
	if errors.Is(err, sessionstore.ErrNotFound) || err == nil && s.State != sessionstore.Open {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read session: %w", err)
	}
	for _, k := range s.Sockets {
		if k = k.Home(); k.Session == outbox.ID {
			continue
		}
		bye := a.NewPacket(ctx, socketio.Packet{Type: socketio.Disconnect, Namespace: string(k.Namespace)})
		to := sessionstore.Member{Socket: k.ID, Session: k.Session}
		if k.Session == s.ID {
			to.Hint = s.Hint()
		}
		if _, sendErr := Send(ctx, a.delivery, to, bye); !errors.Is(sendErr, delivery.ErrClosed) {
			err = errors.Join(err, sendErr)
		}
	}
	options := delivery.CloseOptions{Drain: true}
	return errors.Join(err, a.delivery.Closing().Close(ctx, s.ID, delivery.ReasonServerDisconnect, options))
}

// disconnect says goodbye to sockets of a session, then closes it.
func (a *Adapter) disconnect(ctx context.Context, s *sessionstore.Session, sockets []sessionstore.Socket) error {
	packets := make([]*Packet, len(sockets))
	for i, k := range sockets {
		packets[i] = a.NewPacket(ctx, socketio.Packet{Type: socketio.Disconnect, Namespace: string(k.Namespace)})
	}
	_, err := Send(ctx, a.delivery, sessionstore.Member{Session: s.ID, Hint: s.Hint()}, packets...)
	if errors.Is(err, delivery.ErrClosed) {
		return err
	}
	options := delivery.CloseOptions{Drain: true}
	return errors.Join(err, a.delivery.Closing().Close(ctx, s.ID, delivery.ReasonServerDisconnect, options))
}

// read reads a member's session and socket. delivery.ErrClosed if either has gone.
func (a *Adapter) read(
	ctx context.Context, nsp sessionstore.Namespace, m sessionstore.Member,
) (sessionstore.Session, sessionstore.Socket, error) {
	s, err := a.store.Get(ctx, m.Session, time.Now())
	if errors.Is(err, sessionstore.ErrNotFound) {
		return s, sessionstore.Socket{}, delivery.ErrClosed
	}
	if err != nil {
		return s, sessionstore.Socket{}, fmt.Errorf("read session: %w", err)
	}
	k, ok := s.Socket(nsp)
	if !ok || k.ID != m.Socket || s.State != sessionstore.Open {
		return s, k, delivery.ErrClosed
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
func (a *Adapter) each(
	ctx context.Context, sel Selection,
	do func(context.Context, sessionstore.Namespace, sessionstore.Member) error,
) (Result, error) {
	if sel.Parent != "" {
		return a.inChildren(ctx, sel, func(ctx context.Context, child Selection) (Result, error) {
			return a.each(ctx, child, do)
		})
	}
	t := tally{}
	var group errgroup.Group
	group.SetLimit(fanOut)
	var readErr error
	for m, err := range a.Select(ctx, sel) {
		if err != nil {
			readErr = fmt.Errorf("adapter: find sockets: %w", err)
			break
		}
		group.Go(func() error { t.count(m, do(ctx, sel.Namespace, m)); return nil })
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
	case errors.Is(err, delivery.ErrClosed):
		t.result.Gone++
	default:
		t.result.Failed++
		if len(t.errs) < maxErrors {
			t.errs = append(t.errs, fmt.Errorf("adapter: socket %s: %w", m.Socket, err))
		}
	}
}
