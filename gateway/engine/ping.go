package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/internal/engineio"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// attempt is what a sweeper knows of a ping that has not been answered. There is none for a session whose pong has
// come.
type attempt struct {
	pingAt   time.Time // of the row: which ping it is
	first    time.Time // when it was first tried
	next     time.Time // when it is tried again
	pushed   time.Time // when the platform took it; no earlier than pingAt
	recorded bool      // the row says so too
	pushing  bool
	walk     uint32 // in which the row was last met
}

// heartbeat pings a WebSocket, or ends it. A session is ended only if it was pinged: by this sweeper, or by another
// that has recorded it. Its ping timeout counts from the push.
func (s *shard) heartbeat(ctx context.Context, r sessionstore.Registration, now time.Time) {
	a, due := s.attempt(r, now)
	switch {
	case !due:
	case !a.pushed.IsZero() && s.e.timedOut(a.pushed, now):
		s.w.later(ctx, r.Session, func(ctx context.Context) error { return s.e.expire(ctx, r) })
	case !a.pushed.IsZero():
		if !a.recorded && now.Sub(a.pushed) >= min(recordAfter, s.e.opts.PingTimeout/pingTries) {
			s.w.later(ctx, r.Session, func(ctx context.Context) error { return s.record(ctx, r, a.pushed) })
		}
	case !a.first.IsZero() && now.Sub(a.first) >= s.e.opts.PingInterval+s.e.opts.PingTimeout:
		// The platform has refused all its pings for so long that the client has given up by itself.
		s.w.later(ctx, r.Session, func(ctx context.Context) error { return s.e.expire(ctx, r) })
	case !now.Before(a.next):
		s.ping(ctx, r)
	}
}

// attempt returns what is known of a row's ping, if that is due by half a tick from now: so it is on time in the
// middle, and no time is lost that the client's own clock, or the connect timeout, counts.
func (s *shard) attempt(r sessionstore.Registration, now time.Time) (a attempt, due bool) {
	due = !now.Add(s.e.sweepTick() / 2).Before(r.PingAt)
	s.mu.Lock()
	defer s.mu.Unlock()
	a = s.attempts[r.Session]
	if a.pushing {
		a.walk = s.walks
		s.attempts[r.Session] = a
		return a, false
	}
	if !due {
		delete(s.attempts, r.Session)
		return a, false
	}
	if !a.pingAt.Equal(r.PingAt) {
		a = attempt{pingAt: r.PingAt}
	}
	if a.pushed.IsZero() && !r.PingedAt.Before(r.PingAt) {
		a.pushed, a.recorded = r.PingedAt, true
	}
	if !a.pushed.IsZero() && a.pushed.Before(s.trust) {
		a.pushed, a.recorded, a.next = time.Time{}, false, time.Time{}
	}
	a.walk = s.walks
	s.attempts[r.Session] = a
	return a, true
}

// ping pushes a ping, once and beside the walk. The walk waits for room among those that were pushed just now, but
// not for pushes that are slow.
func (s *shard) ping(ctx context.Context, r sessionstore.Registration) {
	if s.w.pings.full() {
		return
	}
	s.change(r, func(a *attempt, now time.Time) {
		a.pushing = true
		if a.first.IsZero() {
			a.first = now
		}
	})
	if !s.w.pings.start(ctx, func() { s.push(ctx, r) }) {
		s.change(r, func(a *attempt, _ time.Time) { a.pushing = false })
	}
	if r.Serial {
		s.w.later(ctx, r.Session, func(ctx context.Context) error { return s.e.deadHold(ctx, r) })
	}
}

// change changes an attempt. One that was forgotten meanwhile stays so.
func (s *shard) change(r sessionstore.Registration, f func(a *attempt, now time.Time)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a, ok := s.attempts[r.Session]; ok && a.pingAt.Equal(r.PingAt) {
		f(&a, time.Now())
		s.attempts[r.Session] = a
	}
}

// push makes one try. A ping that was not taken, or of which nobody knows, is tried again later: a client may be
// pinged twice. A connection that is busy is no reason to end a session, for it is there.
func (s *shard) push(ctx context.Context, r sessionstore.Registration) {
	o := &s.e.opts
	err := s.e.pingOnce(context.WithoutCancel(ctx), r.Conn)
	var late time.Duration
	s.change(r, func(a *attempt, now time.Time) {
		a.pushing = false
		late = now.Sub(r.PingAt)
		if err == nil {
			a.pushed = r.PingAt
			if late > 0 {
				a.pushed = now
			}
			return
		}
		a.next = now.Add(o.PingTimeout / pingTries)
	})
	switch {
	case err == nil:
		s.e.hooks.pinged(max(late, 0))
	case errors.Is(err, delivery.ErrGone):
		gone := sessionstore.Registration{
			Session: r.Session, Conn: r.Conn, PingAt: r.PingAt, LookAt: r.LookAt, Expired: true,
		}
		s.w.later(ctx, r.Session, func(ctx context.Context) error { return s.e.look(ctx, gone) })
	default:
		s.e.log.DebugContext(ctx, "ping not pushed", "session", NameInLog(r.Session), "error", err)
	}
}

// pingOnce pushes a ping to a connection, in one try that is given little time.
func (e *Engine) pingOnce(ctx context.Context, conn sessionstore.Connection) error {
	ctx, cancel := context.WithTimeout(ctx, min(longestPush, e.opts.PingTimeout/unpingedAfter))
	defer cancel()
	return e.pusher.Push(ctx, conn, engineio.PingFrame)
}

// record tells the next sweeper of a ping that is not answered. So few clients take so long that it costs next to
// nothing.
func (s *shard) record(ctx context.Context, r sessionstore.Registration, pushed time.Time) error {
	err := s.e.store.Pinged(ctx, r, pushed)
	if err != nil && !errors.Is(err, sessionstore.ErrNotFound) {
		return fmt.Errorf("engine: record ping: %w", err)
	}
	s.change(r, func(a *attempt, _ time.Time) { a.recorded = true })
	return nil
}

// tidy forgets the attempts of sessions that the last walk has not met.
func (s *shard) tidy() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, a := range s.attempts {
		if a.walk != s.walks && !a.pushing {
			delete(s.attempts, id)
		}
	}
}

// forget forgets all attempts: the shard is another's.
func (s *shard) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.attempts)
}
