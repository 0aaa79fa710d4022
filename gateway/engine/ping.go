package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nonstick-io/nonstick/internal/engineio"
	"github.com/nonstick-io/nonstick/internal/protocol"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// attempt is what a sweeper knows of a ping that has not been answered.
type attempt struct {
	protocol.Attempt
	walk uint32 // in which the row was last met
}

// ping pushes a ping, once and beside the walk. The walk waits for room among those that were pushed just now, but
// not for pushes that are slow.
func (s *shard) ping(ctx context.Context, r sessionstore.Registration) {
	if s.w.pings.full() {
		return
	}
	s.change(r, func(a *attempt, now time.Time) {
		a.Pushing = true
		if a.First.IsZero() {
			a.First = now
		}
	})
	if !s.w.pings.start(ctx, func() { s.push(ctx, r) }) {
		s.change(r, func(a *attempt, _ time.Time) { a.Pushing = false })
	}
	if r.Serial {
		s.w.later(ctx, r.Session, func(ctx context.Context) error { return s.e.deadHold(ctx, r) })
	}
}

// change changes an attempt. One that was forgotten meanwhile stays so.
func (s *shard) change(r sessionstore.Registration, f func(a *attempt, now time.Time)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a, ok := s.attempts[r.Session]; ok && a.PingAt.Equal(r.PingAt) {
		f(&a, time.Now())
		s.attempts[r.Session] = a
	}
}

// push makes one try.
func (s *shard) push(ctx context.Context, r sessionstore.Registration) {
	err := s.e.pingOnce(context.WithoutCancel(ctx), r.Conn, engineio.PingFrame)
	action := s.e.rules.Pinged(err)
	var late time.Duration
	s.change(r, func(a *attempt, now time.Time) {
		a.Pushing = false
		late = now.Sub(r.PingAt)
		if action != protocol.PingedTaken {
			a.Next = now.Add(s.e.opts.PingTimeout / protocol.PingTries)
			return
		}
		a.Pushed = r.PingAt
		if late > 0 {
			a.Pushed = now
		}
	})
	switch action {
	case protocol.PingedTaken:
		s.e.hooks.pinged(max(late, 0))
	case protocol.PingedEnds:
		gone := sessionstore.Registration{
			Session: r.Session, Conn: r.Conn, PingAt: r.PingAt, LookAt: r.LookAt, Expired: true,
		}
		s.w.later(ctx, r.Session, func(ctx context.Context) error { return s.e.look(ctx, gone) })
	case protocol.PingedLater:
		s.e.log.DebugContext(ctx, "ping not pushed", "session", NameInLog(r.Session), "error", err)
	}
}

// pingOnce pushes a ping to a connection, or what does the same for its client, in one try that is given little time.
func (e *Engine) pingOnce(ctx context.Context, conn sessionstore.Connection, frame string) error {
	ctx, cancel := context.WithTimeout(ctx, min(longestPush, e.opts.PingTimeout/unpingedAfter))
	defer cancel()
	return e.pusher.Push(ctx, conn, frame)
}

// record tells the next sweeper of a ping that is not answered. So few clients take so long that it costs next to
// nothing.
func (s *shard) record(ctx context.Context, r sessionstore.Registration, pushed time.Time) error {
	err := s.e.store.Pinged(ctx, r, pushed)
	if err != nil && !errors.Is(err, sessionstore.ErrNotFound) {
		return fmt.Errorf("engine: record ping: %w", err)
	}
	s.change(r, func(a *attempt, _ time.Time) { a.Recorded = true })
	return nil
}

// tidy forgets the attempts of sessions that the last walk has not met.
func (s *shard) tidy() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, a := range s.attempts {
		if a.walk != s.walks && !a.Pushing {
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
