package boot

import (
	"context"
	"errors"

	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// countingPusher counts what becomes of pushes.
type countingPusher struct {
	delivery.Pusher
	metrics *Metrics
}

// Push implements [delivery.Pusher].
func (p countingPusher) Push(ctx context.Context, conn sessionstore.Connection, frame string) error {
	err := p.Pusher.Push(ctx, conn, frame)
	p.metrics.Add(Pushes, 1)
	switch {
	case err == nil, errors.Is(err, delivery.ErrFrameTooLarge):
	case errors.Is(err, delivery.ErrGone):
		p.metrics.Add(PushesGone, 1)
	case errors.Is(err, delivery.ErrBusy):
		p.metrics.Add(PushesBusy, 1)
	default:
		p.metrics.Add(PushesInDoubt, 1)
	}
	return err
}
