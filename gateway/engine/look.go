package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/internal/protocol"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// deadHold closes a serial session whose flusher died: no other caller may ever meet its hold. It looks after the
// outboxes of the session, too.
func (e *Engine) deadHold(ctx context.Context, r sessionstore.Registration) error {
	now := time.Now()
	s, err := e.store.Get(ctx, r.Session, now)
	if err != nil && !errors.Is(err, sessionstore.ErrNotFound) {
		return fmt.Errorf("engine: look at hold: %w", err)
	}
	l := protocol.LookState{Session: &s, Row: r, PingTimeout: e.opts.PingTimeout, Now: now}
	if err != nil {
		return nil
	}
	if e.rules.Look(l).Do != protocol.LookDeadHold {
		return e.tend(ctx, &s)
	}
	return e.closing.Close(ctx, r.Session, delivery.ReasonTransportError, delivery.CloseOptions{Doubtful: r.Conn})
}

// expire decides the ping timeout of a WebSocket: a write on the row as it was read, so that a pong is either
// before it or does not count.
func (e *Engine) expire(ctx context.Context, r sessionstore.Registration) error {
	err := e.store.Expire(ctx, r, delivery.LeaseUntil(context.WithoutCancel(ctx), time.Now()))
	if errors.Is(err, sessionstore.ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("engine: expire: %w", err)
	}
	return e.closing.Close(ctx, r.Session, delivery.ReasonPingTimeout, delivery.CloseOptions{Doubtful: r.Conn})
}

// look reads a session and acts on every deadline that has passed.
func (e *Engine) look(ctx context.Context, r sessionstore.Registration) error {
	now := time.Now()
	s, err := e.store.Get(ctx, r.Session, now)
	l := protocol.LookState{Row: r, PingTimeout: e.opts.PingTimeout, Now: now}
	switch {
	case err == nil:
		l.Session, l.ConnectBy = &s, e.connectBy(s.CreatedAt)
	case !errors.Is(err, sessionstore.ErrNotFound):
		return fmt.Errorf("engine: look: %w", err)
	}
	return e.looked(ctx, l, e.rules.Look(l))
}

// looked does what was decided about a session.
func (e *Engine) looked(ctx context.Context, l protocol.LookState, action protocol.LookAction) error {
	s, id := l.Session, l.Row.Session
	switch action.Do {
	case protocol.LookUnregister:
		return e.store.Unregister(ctx, id)
	case protocol.LookTakeOver:
		return e.takeOver(ctx, s, l.Now)
	case protocol.LookDeadHold:
		return e.closing.Close(ctx, id, delivery.ReasonTransportError, delivery.CloseOptions{Doubtful: s.Conn})
	case protocol.LookEnded:
		return e.closing.Close(ctx, id, delivery.ReasonTransportClose, delivery.CloseOptions{Doubtful: l.Row.Conn})
	case protocol.LookTimeOut:
		return e.pollTimeout(ctx, s)
	case protocol.LookUnjoined:
		return e.close(ctx, id, delivery.ReasonForcedServer, "no namespace was joined in time")
	case protocol.LookUpgraded:
		return e.upgraded(ctx, id)
	case protocol.LookAbort:
		if err := errors.Join(e.abort(ctx, id, s.Candidate.Conn), e.refuse(ctx, s.Candidate.Conn)); err != nil {
			return err
		}
	case protocol.LookOn:
	}
	if action.Beat {
		if err := e.beat(ctx, id, s.PingAt); err != nil {
			return fmt.Errorf("engine: look: %w", err)
		}
	}
	return e.lookAgain(ctx, id, action.At)
}

// takeOver finishes a close whose winner died.
func (e *Engine) takeOver(ctx context.Context, s *sessionstore.Session, now time.Time) error {
	lease := sessionstore.Lease{
		Owner: sessionstore.Owner(sessionstore.NewID()), Until: delivery.LeaseUntil(context.WithoutCancel(ctx), now),
	}
	err := e.store.TakeOver(ctx, s.ID, lease, "", now)
	if errors.Is(err, sessionstore.ErrConflict) || errors.Is(err, sessionstore.ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("engine: take over: %w", err)
	}
	e.hooks.takenOver()
	if s.ID.IsOutbox() {
		if err := e.closing.CloseCarrier(ctx, s, s.Reason, s.Details); err != nil {
			return err // it is not finished before, and taken over again
		}
	} else if !s.Conn.IsZero() {
		err = e.refuse(ctx, s.Conn)
	}
	return errors.Join(err, e.closed(ctx, *s, lease))
}

// pollTimeout closes a polling session unless its pong came meanwhile.
func (e *Engine) pollTimeout(ctx context.Context, s *sessionstore.Session) error {
	err := e.closing.Close(ctx, s.ID, delivery.ReasonPingTimeout, delivery.CloseOptions{IfPingAt: s.PingAt})
	if errors.Is(err, sessionstore.ErrConflict) {
		return nil
	}
	return err
}

func (e *Engine) lookAgain(ctx context.Context, id sessionstore.SessionID, at time.Time) error {
	if err := e.store.Look(ctx, id, at); err != nil && !errors.Is(err, sessionstore.ErrNotFound) {
		return fmt.Errorf("engine: look: %w", err)
	}
	return nil
}

// Joined tells the sweeper that a session without a socket has had one, so that its connect timeout is over.
func (e *Engine) Joined(ctx context.Context, s *sessionstore.Session) error {
	if by := e.connectBy(s.CreatedAt); by.IsZero() || time.Now().After(by) {
		return nil
	}
	return e.lookAgain(ctx, s.ID, s.Candidate.Until)
}
