package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/internal/again"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// End is what remains to do for a session that was closed and whose connections were cut: its disconnect handlers,
// its rooms, its rows. Or, with a Reason, a session that is still to be closed, see [delivery.Ending], whose JSON it
// reads. It is encoded as JSON in a queue.
type End struct {
	Session sessionstore.SessionID `json:"session"`
	// Owner has the session's handler lease until Until.
	Owner sessionstore.Owner `json:"owner"`
	Until time.Time          `json:"until"`
	// Conns are the connections whose rows are to be removed.
	Conns []sessionstore.Connection `json:"conns,omitempty"`
	// Step counts how often the end was handed over because one go was not enough for it.
	Step int `json:"step,omitempty"`
	// Reason, unless empty, is why the session is still to be closed; Doubtful is a connection to cut whichever caller
	// closes it.
	Reason   string                  `json:"reason,omitempty"`
	Doubtful sessionstore.Connection `json:"doubtful,omitzero"`
	// Details say more than the Reason.
	Details sessionstore.Details `json:"details,omitzero"`

	turn string // the namespace whose turn it was given back for, in a [Pool]
}

// Ends takes the ends of sessions from the callers that close them, which a slow disconnect handler would hold up. What
// takes them calls [Engine.Finish] for each. An end may come twice, for an owner does each part of it once. One that is
// lost does no harm either: the sweeper hands it over anew when its lease is over. But the sweeper knows nothing of a
// session that is still to be closed: a queue keeps those, and a process loses them only with itself.
type Ends interface {
	// HandOver takes an end and returns at once. After an error the end is left to the sweeper.
	HandOver(ctx context.Context, end End) error
}

// ErrUnfinished is a [Handler]'s word that the end of a session, or what a timer asks for, needs another go: what it
// did is not done again, and the rest is handed over.
var ErrUnfinished = errors.New("engine: unfinished: it needs another go")

const (
	// closedFor is how long the item of a closed session stays, to answer late requests and GETs that drain it.
	closedFor = 60 * time.Second
	// finishTime bounds one go at an end, so that the lease outlives it.
	finishTime = 25 * time.Second
	// leastFinish is what a lease has to leave for a go; else it is renewed first.
	leastFinish = 20 * time.Second
	// renewTime bounds the write that renews it.
	renewTime = 3 * time.Second
	// maxSteps bounds the goes at an end before it is left to the sweeper, which comes when the lease is over.
	maxSteps = 100
)

// closed is what the winner of a close still has to see to.
func (e *Engine) closed(ctx context.Context, old sessionstore.Session, lease sessionstore.Lease) error {
	end := End{Session: old.ID, Owner: lease.Owner, Until: lease.Until}
	for _, conn := range []sessionstore.Connection{old.Conn, old.Candidate.Conn} {
		if !conn.IsZero() && !old.ID.IsOutbox() { // whose connection is its carrier's
			end.Conns = append(end.Conns, conn)
		}
	}
	if e.ends == nil {
		return e.Finish(context.WithoutCancel(ctx), end)
	}
	return e.handOver(ctx, end)
}

// later takes a close that has taken too long for its caller.
func (e *Engine) later(ctx context.Context, c delivery.Ending) error {
	return e.ends.HandOver(ctx, End{
		Session: c.Session, Owner: c.Owner, Reason: c.Reason, Doubtful: c.Doubtful, Details: c.Details,
	})
}

// finishClose closes a session, trying until it succeeds: a push to it has failed, and no other caller knows.
func (e *Engine) finishClose(ctx context.Context, end End) error {
	ctx, cancel := context.WithTimeout(ctx, finishTime)
	defer cancel()
	var err error
	for tries := again.Unbounded(); tries.Next(ctx); {
		err = e.closing.Resume(
			ctx, delivery.Ending{
				Session: end.Session, Owner: end.Owner, Reason: end.Reason, Doubtful: end.Doubtful,
				Details: end.Details,
			},
		)
		if err == nil {
			return nil
		}
	}
	handing, cancel := context.WithTimeout(context.WithoutCancel(ctx), renewTime)
	defer cancel()
	if end.Step++; end.Step <= maxSteps && e.ends != nil {
		handed := e.ends.HandOver(handing, end)
		if handed == nil {
			e.log.WarnContext(
				ctx, "a session cannot be closed yet", "session", NameInLog(end.Session), "reason", end.Reason,
				"error", err,
			)
			return nil
		}
		err = errors.Join(err, handed)
	}
	return fmt.Errorf("engine: close a session: %w", err)
}

// handOver hands an end over. If that fails, the sweeper does it when the lease is over.
func (e *Engine) handOver(ctx context.Context, end End) error {
	err := e.ends.HandOver(ctx, end)
	if err == nil {
		return nil
	}
	e.log.WarnContext(
		ctx, "end of a session not handed over, left to the sweeper", "session", NameInLog(end.Session), "error", err,
	)
	return e.lookAgain(ctx, end.Session, end.Until)
}

// Finish does what remains of the end of a session: closes it, if that is still to be done; runs the disconnect
// handlers, removes the rows, writes closed. Where that takes longer than one go may, the rest is handed over, or done
// in place if there is nothing to hand it to. It returns nil if another is at it. After an error the sweeper sees to
// the rest.
func (e *Engine) Finish(ctx context.Context, end End) error {
	if end.Reason != "" {
		return e.finishClose(ctx, end)
	}
	for {
		err := e.finish(ctx, &end)
		if crowded, ok := errors.AsType[*CrowdedError](err); ok {
			crowded.end = end
			return crowded
		}
		if !errors.Is(err, ErrUnfinished) {
			return err
		}
		if end.Step++; end.Step > maxSteps {
			return err
		}
		handing, cancel := context.WithTimeout(context.WithoutCancel(ctx), renewTime)
		mine, err := e.renew(handing, &end)
		if mine && err == nil && e.ends != nil {
			err = e.handOver(handing, end)
			mine = false
		}
		cancel()
		if !mine || err != nil {
			return err
		}
		if ctx.Err() != nil {
			return fmt.Errorf("engine: finish: %w", ctx.Err())
		}
	}
}

// renew takes a new lease for an end. It is not mine if another has it by now.
func (e *Engine) renew(ctx context.Context, end *End) (mine bool, err error) {
	now := time.Now()
	lease := sessionstore.Lease{
		Owner: sessionstore.Owner(sessionstore.NewID()), Until: delivery.LeaseUntil(context.WithoutCancel(ctx), now),
	}
	err = e.store.TakeOver(ctx, end.Session, lease, end.Owner, now)
	if errors.Is(err, sessionstore.ErrConflict) || errors.Is(err, sessionstore.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("engine: renew the lease of an end: %w", err)
	}
	end.Owner, end.Until = lease.Owner, lease.Until
	return true, nil
}

// finish is one go. The registry's row goes last, for it is what the sweeper would find an unfinished close by.
func (e *Engine) finish(ctx context.Context, end *End) error {
	now := time.Now()
	if end.Until.Sub(now) < leastFinish+delivery.LeaseMargin {
		if mine, err := e.renew(ctx, end); !mine || err != nil {
			return err
		}
	}
	ctx, cancel := context.WithDeadline(ctx, earlier(end.Until.Add(-delivery.LeaseMargin), now.Add(finishTime)))
	defer cancel()
	s, err := e.store.Get(ctx, end.Session, now)
	if errors.Is(err, sessionstore.ErrNotFound) ||
		err == nil && (s.State != sessionstore.Closing || s.Handler.Owner != end.Owner) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("engine: finish: %w", err)
	}
	if err := e.handler.Closed(ctx, s); err != nil {
		return err
	}
	for _, conn := range end.Conns {
		if err := e.store.DeleteConnection(ctx, conn); err != nil {
			return fmt.Errorf("engine: finish: %w", err)
		}
	}
	if err := e.store.ClearSockets(ctx, s.ID); err != nil {
		if ctx.Err() != nil {
			err = ErrUnfinished // what was removed is not met by the next go
		}
		return fmt.Errorf("engine: finish: %w", err)
	}
	if s.Partial != nil {
		if err := e.store.DeletePartial(ctx, s.ID); err != nil {
			return fmt.Errorf("engine: finish: %w", err)
		}
	}
	if err := e.store.Finish(ctx, s.ID, end.Owner, time.Now().Add(closedFor)); err != nil {
		return fmt.Errorf("engine: finish: %w", err)
	}
	if s.ID.IsOutbox() {
		return nil
	}
	if err := e.store.Unregister(ctx, s.ID); err != nil {
		return fmt.Errorf("engine: finish: %w", err)
	}
	return nil
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
