package engine

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/internal/again"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// TimerHandler is a [Handler] that has something done at times.
type TimerHandler interface {
	// Timed reports whether there is anything that may have to be done at a time; if not, no sweeper looks.
	Timed() bool
	// Due does what a timer asks for, whose time has come: once, and again only if the instance died that called it, or
	// if it returned an error that matches [ErrUnfinished]. An error is logged.
	Due(ctx context.Context, t sessionstore.Timer) error
}

// Timed reports whether anything may have to be done at a time: sweepers look for it then.
func (e *Engine) Timed() bool {
	h, ok := e.handler.(TimerHandler)
	return e.carries.Load() || ok && h.Timed()
}

// timers has done what is due in a shard of the timers.
func (s *shard) timers(ctx context.Context) error {
	h, _ := s.e.handler.(TimerHandler)
	if s.number >= sessionstore.TimerShards(s.e.store.Shards()) || !s.e.Timed() {
		return nil
	}
	for t, err := range s.e.store.DueTimers(ctx, s.number, time.Now()) {
		if err != nil {
			return fmt.Errorf("engine: walk timers: %w", err)
		}
		if ctx.Err() != nil {
			return nil
		}
		id := sessionstore.SessionID(timerClaim(&t)) // beside sessions, whose ids have no #
		s.w.later(ctx, id, func(ctx context.Context) error { return s.e.due(ctx, h, t) })
	}
	return nil
}

// timerClaim is the name of a timer's claim. One that comes again under its name at another time is another: it does
// not wait for the end of the claim before.
func timerClaim(t *sessionstore.Timer) string {
	return "timer#" + strconv.FormatInt(t.At.UnixMilli(), 10) + "#" + t.Name
}

// removeTries is how often it is tried to remove a timer: one that stays is done once more when its claim ends.
const removeTries = 4

// due does what a timer asks for, unless another sweeper does, and removes it. Sweepers of one name may look at the
// same time, so a claim sees to it that it is done once.
func (e *Engine) due(ctx context.Context, h TimerHandler, t sessionstore.Timer) error {
	now := time.Now()
	name := timerClaim(&t)
	lease := sessionstore.Lease{Owner: sessionstore.Owner(sessionstore.NewID()), Until: delivery.LeaseUntil(ctx, now)}
	err := e.store.Claim(ctx, name, lease, "", now)
	if _, held := sessionstore.Holder(err); held {
		return nil
	}
	if err != nil {
		return fmt.Errorf("engine: claim timer: %w", err)
	}
	done := true
	switch {
	case t.Kind == delivery.KindOutbox:
		done, err = e.outboxDue(ctx, t)
	case h != nil:
		err = h.Due(ctx, t)
		done = !errors.Is(err, ErrUnfinished)
	}
	ctx = context.WithoutCancel(ctx)
	if !done {
		lease.Until = now
		if kept := e.store.Claim(ctx, name, lease, "", now); kept != nil {
			err = errors.Join(err, fmt.Errorf("engine: timer not given back: %w", kept)) // its lease ends
		}
		return err
	}
	var stays error
	for tries := again.Times(removeTries); tries.Next(ctx); {
		if stays = e.store.DeleteTimer(ctx, t); stays == nil {
			return err
		}
	}
	return errors.Join(err, fmt.Errorf("engine: timer not removed: %w", stays))
}
