package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/internal/again"
	"github.com/nonstick-io/nonstick/sessionstore"
)

const (
	// carrierAfter is when it is checked that the carrier of an outbox that was recovered is there.
	carrierAfter = time.Minute
	// loseTries is how often it is tried to give up a carrier, which is safe to repeat.
	loseTries = 6
)

// timeOutbox has an outbox looked at, at a time.
func (e *Engine) timeOutbox(
	ctx context.Context, id sessionstore.SessionID, keep time.Duration, at time.Time,
) error {
	t, err := delivery.OutboxTimer{Outbox: id, Keep: keep}.Due(at)
	if err == nil {
		err = e.store.PutTimer(ctx, t)
	}
	if err != nil {
		return fmt.Errorf("engine: timer of an outbox: %w", err)
	}
	return nil
}

// Watch has the carrier of an outbox looked at after a while, unless the caller has done what it is about to do: the
// instance may die before the two know of one another. Keep is how long the outbox waits for another carrier then.
func (e *Engine) Watch(
	ctx context.Context, id sessionstore.SessionID, keep time.Duration,
) (done func(context.Context), err error) {
	at := time.Now().Add(carrierAfter)
	if err := e.timeOutbox(ctx, id, keep, at); err != nil {
		return nil, err
	}
	return func(ctx context.Context) {
		if err := e.store.DeleteTimer(ctx, sessionstore.Timer{At: at, Name: string(id)}); err != nil {
			e.log.DebugContext(ctx, "timer of an outbox stays, and finds nothing to do", "error", err)
		}
	}, nil
}

// EndOutbox ends an outbox whose carrier has ended, or left the namespace, for a reason. It may be called again. What
// has another carrier already is left alone.
func (e *Engine) EndOutbox(
	ctx context.Context, id, carrier sessionstore.SessionID, reason string, details sessionstore.Details,
) error {
	if err := e.Lose(ctx, id, carrier, 0, reason); err != nil {
		return err
	}
	return e.CloseAway(ctx, id, details)
}

// CloseAway closes an outbox that has no carrier, before its time is over.
func (e *Engine) CloseAway(ctx context.Context, id sessionstore.SessionID, details sessionstore.Details) error {
	s, err := e.store.Get(ctx, id, time.Now())
	if errors.Is(err, sessionstore.ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("engine: end an outbox: %w", err)
	}
	if s.State != sessionstore.Open || s.Carrier != "" {
		return nil
	}
	err = e.closing.Close(ctx, id, s.Reason, delivery.CloseOptions{IfPingAt: s.PingAt, Details: details})
	if errors.Is(err, sessionstore.ErrConflict) { // it was recovered just now
		return nil
	}
	return err
}

// Lose tells an outbox that its carrier is gone for a reason: it waits for another for so long, and then it is closed.
// It may be called again. What has another carrier already is left alone.
func (e *Engine) Lose(
	ctx context.Context, id, carrier sessionstore.SessionID, keep time.Duration, reason string,
) error {
	over := time.Now().Add(keep).Truncate(time.Millisecond)
	if err := e.timeOutbox(ctx, id, keep, over); err != nil { // first: there is none that is away without its timer
		return err
	}
	var err error
	for tries := again.Times(loseTries); tries.Next(ctx); {
		err = e.store.Lose(ctx, id, carrier, over, reason)
		if err == nil || errors.Is(err, sessionstore.ErrConflict) || errors.Is(err, sessionstore.ErrNotFound) {
			return nil
		}
	}
	return fmt.Errorf("engine: lose a carrier: %w", err)
}

// outboxDue looks at an outbox. One that is away, and over, is closed, for the reason that its carrier was lost for. It
// is not done, and the timer comes again, until the outbox is closed or needs no look: the caller that finishes its end
// may die, and nothing else tells a sweeper of it.
func (e *Engine) outboxDue(ctx context.Context, t sessionstore.Timer) (done bool, err error) {
	var body delivery.OutboxTimer
	if err := json.Unmarshal([]byte(t.Body), &body); err != nil {
		return true, fmt.Errorf("engine: timer of an outbox: %w", err)
	}
	now := time.Now()
	s, err := e.store.Get(ctx, body.Outbox, now)
	if errors.Is(err, sessionstore.ErrNotFound) {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("engine: look at an outbox: %w", err)
	}
	switch {
	case s.State == sessionstore.Closed:
		return true, nil
	case s.State == sessionstore.Closing && s.Handler.Expired(now):
		return false, e.takeOver(ctx, &s, now)
	case s.State == sessionstore.Closing:
		return false, nil
	case s.Carrier != "":
		return e.lookAtCarrier(ctx, &s, body.Keep)
	case now.Before(s.PingAt): // it was lost again, and has another timer
		return true, nil
	}
	err = e.closing.Close(ctx, s.ID, s.Reason, delivery.CloseOptions{IfPingAt: s.PingAt})
	if errors.Is(err, sessionstore.ErrConflict) { // it was recovered just now
		return true, nil
	}
	return false, err
}

// lookAtCarrier gives up the carrier of an outbox if it has ended. It is not done while the carrier is ending.
func (e *Engine) lookAtCarrier(
	ctx context.Context, s *sessionstore.Session, keep time.Duration,
) (done bool, err error) {
	carrier, err := e.store.Get(ctx, s.Carrier, time.Now())
	switch {
	case errors.Is(err, sessionstore.ErrNotFound), err == nil && carrier.State == sessionstore.Closed:
		err = e.Lose(ctx, s.ID, s.Carrier, keep, delivery.ReasonTransportClose)
		return err == nil, err
	case err != nil:
		return false, fmt.Errorf("engine: look at a carrier: %w", err)
	case carrier.State == sessionstore.Closing:
		return false, nil
	case !links(&carrier, s.ID): // the caller that was to link them has died
		err = e.EndOutbox(ctx, s.ID, s.Carrier, delivery.ReasonTransportError, described("never connected"))
		return err == nil, err
	}
	return true, nil
}

// links reports whether a session knows that it carries an outbox.
func links(s *sessionstore.Session, outbox sessionstore.SessionID) bool {
	return slices.ContainsFunc(s.Sockets, func(k sessionstore.Socket) bool { return k.Outbox == outbox })
}

// tend looks after the outboxes that a session carries. It may close a session that is closing already: that has the
// sweeper look at it, should the caller that closes it have died before it announced that.
func (e *Engine) tend(ctx context.Context, s *sessionstore.Session) error {
	var errs []error
	for _, k := range s.Sockets {
		if k.Outbox != "" {
			errs = append(errs, e.delivery.Tend(ctx, k.Outbox, s))
		}
	}
	return errors.Join(errs...)
}
