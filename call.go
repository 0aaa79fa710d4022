package nonstick

import (
	"context"
	"slices"
	"time"

	"github.com/nonstick-io/nonstick/adapter/emitter"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// call is the handler that a context was made for. It bounds waits, and refuses those that would never end. When and in
// which order packets leave does not depend on it.
type call struct {
	socket *Socket
	// deadline is when the platform ends the handler; zero if it does not.
	deadline time.Time
}

type callKey struct{}

func withCall(ctx context.Context, s *Socket) context.Context {
	c := &call{socket: s}
	c.deadline, _ = ctx.Deadline()
	return context.WithValue(ctx, callKey{}, c)
}

// callOf returns nil outside of handlers, and for the context of a handler that has returned.
func callOf(ctx context.Context) *call {
	c, _ := ctx.Value(callKey{}).(*call)
	if c != nil && c.socket.returned.Load() {
		return nil
	}
	return c
}

// answerMargin is what is left of the platform's time to a handler whose wait has ended in vain, but for calls that
// have little of it: a quarter of that.
const answerMargin = 3 * time.Second

// mayAsk bounds the wait for acknowledgements, and refuses one that the handler itself holds up.
func mayAsk(
	ctx context.Context, ids ...sessionstore.SessionID,
) (context.Context, context.CancelFunc, error) {
	if c := callOf(ctx); c != nil && slices.Contains(ids, c.socket.row.Session) {
		return nil, nil, ErrAckOwnSession
	}
	ctx, cancel := context.WithDeadline(ctx, ackDeadline(ctx, time.Now()))
	return ctx, cancel, nil
}

// ackDeadline is when the wait for an acknowledgement ends. The deadline of a handler's context is the platform's,
// and says nothing of how long its caller wants to wait.
func ackDeadline(ctx context.Context, now time.Time) time.Time {
	deadline, set := ctx.Deadline()
	c := callOf(ctx)
	if c == nil || c.deadline.IsZero() {
		if !set {
			deadline = now.Add(emitter.AckWait)
		}
		return deadline
	}
	if !set || deadline.Equal(c.deadline) {
		deadline = now.Add(emitter.AckWait)
	}
	if last := c.deadline.Add(-min(answerMargin, c.deadline.Sub(now)/4)); last.Before(deadline) {
		return last
	}
	return deadline
}
