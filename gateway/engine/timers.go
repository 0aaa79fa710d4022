package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// TimerHandler is a [Handler] that has something done at times.
type TimerHandler interface {
	// Timed reports whether there is anything that may have to be done at a time; if not, no sweeper looks.
	Timed() bool
	// Due does what a timer asks for, whose time has come: once, and again only if the instance died that called it. An
	// error is logged.
	Due(ctx context.Context, t sessionstore.Timer) error
}

// timers has done what is due in a shard of the timers.
func (s *shard) timers(ctx context.Context) error {
	h, ok := s.e.handler.(TimerHandler)
	if !ok || s.number >= sessionstore.TimerShards(s.e.store.Shards()) || !h.Timed() {
		return nil
	}
	for t, err := range s.e.store.DueTimers(ctx, s.number, time.Now()) {
		if err != nil {
			return fmt.Errorf("engine: walk timers: %w", err)
		}
		if ctx.Err() != nil {
			return nil
		}
		name := sessionstore.SessionID("timer#" + t.Name) // beside sessions, whose ids have no #
		s.w.later(ctx, name, func(ctx context.Context) error { return s.e.due(ctx, h, t) })
	}
	return nil
}

// due does what a timer asks for, unless another sweeper does, and removes it. Sweepers of one name may look at the
// same time, so a claim sees to it that it is done once.
func (e *Engine) due(ctx context.Context, h TimerHandler, t sessionstore.Timer) error {
	now := time.Now()
	lease := sessionstore.Lease{Owner: sessionstore.Owner(sessionstore.NewID()), Until: delivery.LeaseUntil(ctx, now)}
	err := e.store.Claim(ctx, "timer#"+t.Name, lease, "", now)
	if _, held := sessionstore.Holder(err); held {
		return nil
	}
	if err != nil {
		return fmt.Errorf("engine: claim timer: %w", err)
	}
	err = h.Due(ctx, t)
	if gone := e.store.DeleteTimer(context.WithoutCancel(ctx), t); gone != nil {
		err = errors.Join(err, fmt.Errorf("engine: timer not removed: %w", gone))
	}
	return err
}
