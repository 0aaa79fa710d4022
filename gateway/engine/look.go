package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// deadHold closes a serial session whose flusher died: nobody else may ever meet its hold.
func (e *Engine) deadHold(ctx context.Context, r sessionstore.Registration) error {
	now := time.Now()
	s, err := e.store.Get(ctx, r.Session, now)
	if err != nil && !errors.Is(err, sessionstore.ErrNotFound) {
		return fmt.Errorf("engine: look at hold: %w", err)
	}
	if s.State != sessionstore.Open || !s.Hold.Expired(now) {
		return nil
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
	switch {
	case errors.Is(err, sessionstore.ErrNotFound):
		return e.store.Unregister(ctx, r.Session)
	case err != nil:
		return fmt.Errorf("engine: look: %w", err)
	case s.State == sessionstore.Closed:
		return e.store.Unregister(ctx, r.Session)
	case s.State == sessionstore.Closing:
		return e.takeOver(ctx, &s, now)
	}
	return e.lookOpen(ctx, r, &s, now)
}

// takeOver finishes a close whose winner died.
func (e *Engine) takeOver(ctx context.Context, s *sessionstore.Session, now time.Time) error {
	if !s.Handler.Expired(now) {
		return e.lookAgain(ctx, s.ID, s.Handler.Until)
	}
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
	if !s.Conn.IsZero() {
		err = e.refuse(ctx, s.Conn)
	}
	e.hooks.takenOver()
	return errors.Join(err, e.closed(ctx, *s, lease))
}

// lookOpen acts on the deadlines of an open session.
func (e *Engine) lookOpen(
	ctx context.Context, r sessionstore.Registration, s *sessionstore.Session, now time.Time,
) error {
	polling := s.Transport == sessionstore.Polling
	connectBy := e.connectBy(s.CreatedAt)
	unjoined := len(s.Sockets) == 0 && !connectBy.IsZero()
	switch {
	case s.Hold.Expired(now):
		return e.closing.Close(ctx, s.ID, delivery.ReasonTransportError, delivery.CloseOptions{Doubtful: s.Conn})
	case r.Expired:
		return e.closing.Close(ctx, s.ID, delivery.ReasonTransportClose, delivery.CloseOptions{Doubtful: r.Conn})
	case polling && e.timedOut(s.PingAt, now):
		return e.pollTimeout(ctx, s)
	case unjoined && e.lookDue(r, now) && !now.Before(connectBy):
		return e.Close(ctx, s.ID, delivery.ReasonForcedServer)
	case !s.Candidate.Conn.IsZero() && !now.Before(s.Candidate.Until):
		if err := errors.Join(e.abort(ctx, s.ID, s.Candidate.Conn), e.refuse(ctx, s.Candidate.Conn)); err != nil {
			return err
		}
		s.Candidate = sessionstore.Candidate{}
	case !polling && r.Conn.IsZero(): // who upgraded it died before writing where it is
		return e.upgraded(ctx, s.ID)
	}
	if polling && !s.PingAt.Equal(r.PingAt) {
		if err := e.beat(ctx, s.ID, s.PingAt); err != nil {
			return fmt.Errorf("engine: look: %w", err)
		}
	}
	return e.lookAgain(ctx, s.ID, earliest(connectBy, s.Candidate.Until, s.Hold.Until, unjoined, now))
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

// earliest returns the next deadline that is still to come; zero if there is none.
func earliest(connectBy, candidate, hold time.Time, unjoined bool, now time.Time) time.Time {
	var next time.Time
	for _, t := range []time.Time{candidate, hold} {
		if t.After(now) && (next.IsZero() || t.Before(next)) {
			next = t
		}
	}
	if unjoined && connectBy.After(now) && (next.IsZero() || connectBy.Before(next)) {
		next = connectBy
	}
	return next
}

// Joined tells the sweeper that a session without a socket has had one, so that its connect timeout is over.
func (e *Engine) Joined(ctx context.Context, s *sessionstore.Session) error {
	if by := e.connectBy(s.CreatedAt); by.IsZero() || time.Now().After(by) {
		return nil
	}
	return e.lookAgain(ctx, s.ID, s.Candidate.Until)
}
