package boot

import (
	"context"
	"errors"

	"github.com/nonstick-io/nonstick/adapter"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// countingPusher counts what becomes of pushes.
type countingPusher struct {
	adapter.Pusher
	metrics *Metrics
}

// Push implements [adapter.Pusher].
func (p countingPusher) Push(ctx context.Context, conn sessionstore.Connection, frame string) error {
	err := p.Pusher.Push(ctx, conn, frame)
	p.metrics.Add(Pushes, 1)
	switch {
	case err == nil, errors.Is(err, adapter.ErrFrameTooLarge):
	case errors.Is(err, adapter.ErrGone):
		p.metrics.Add(PushesGone, 1)
	case errors.Is(err, adapter.ErrBusy):
		p.metrics.Add(PushesBusy, 1)
	default:
		p.metrics.Add(PushesInDoubt, 1)
	}
	return err
}
