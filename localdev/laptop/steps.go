package laptop

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/nonstick-io/nonstick/gateway/apigw"
	"github.com/nonstick-io/nonstick/gateway/engine"
	"github.com/nonstick-io/nonstick/localdev/emulator"
)

// stepAttempts and stepPause are how often, and how far apart, a step that failed is delivered again.
const (
	stepAttempts = 3
	stepPause    = 100 * time.Millisecond
)

// stepQueue is the queue of steps: it delivers them to a handler as soon as the $connect that put them in has
// returned.
type stepQueue struct {
	// handler is set once, before the first request: it needs the queue to be made.
	handler *apigw.Handler
	log     *slog.Logger
}

var _ apigw.Queue = (*stepQueue)(nil)

var errNoConnect = errors.New("laptop: a step can be queued during $connect only")

// Enqueue implements [apigw.Queue].
func (q *stepQueue) Enqueue(ctx context.Context, step engine.Step) error {
	if !emulator.AfterConnect(ctx, func(ctx context.Context) { q.deliver(ctx, step) }) {
		return errNoConnect
	}
	return nil
}

// deliver gives the step to the handler until it succeeds, a few times at most.
func (q *stepQueue) deliver(ctx context.Context, step engine.Step) {
	var err error
	for range stepAttempts {
		if err = q.handler.Step(ctx, step); err == nil {
			return
		}
		select {
		case <-time.After(stepPause):
		case <-ctx.Done():
		}
	}
	q.log.Error("step failed", "conn", step.Conn.ID, "error", err)
}
