package emitting

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/aws/aws-lambda-go/events"

	"github.com/nonstick-io/nonstick/adapter"
	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/adapter/emitter"
	"github.com/nonstick-io/nonstick/functions/internal/boot"
)

// fanout delivers broadcasts that were queued.
type fanout struct {
	emitter *emitter.Emitter
	metrics *boot.Metrics
	log     *slog.Logger
	again   boot.Again
}

// Fanout makes the fanout function.
func Fanout(p *boot.Parts) boot.Handler {
	f := &fanout{
		emitter: newEmitter(p, p.Store, adapter.Options{Parser: boot.Parser(p.Env), Logger: p.Log}),
		metrics: p.Metrics, log: p.Log,
		again: p.Again("NONSTICK_FANOUT_QUEUE"),
	}
	return boot.SQS(f.serve)
}

// errAgain says that some of a broadcast is left.
var errAgain = errors.New("emitting: a part of a broadcast is left")

// serve takes a batch of a FIFO queue. The first part that has to come again takes those behind it along, or they
// would overtake it. A message that is no part comes again until it is among the dead letters, and holds nothing up.
func (f *fanout) serve(ctx context.Context, messages []events.SQSMessage) events.SQSEventResponse {
	res := events.SQSEventResponse{BatchItemFailures: []events.SQSBatchItemFailure{}}
	for i := range messages {
		further, err := f.part(ctx, &messages[i])
		if err == nil {
			continue
		}
		f.metrics.Add(boot.EmitsFailed, 1)
		f.log.ErrorContext(ctx, "broadcast failed", "message", messages[i].MessageId, "error", err)
		switch {
		case errors.Is(err, errAgain):
			after := boot.Pause(&messages[i])
			if further { // it wants for nothing but time
				after = 0
			}
			f.again.In(ctx, after, messages[i:]...)
			res.BatchItemFailures = append(res.BatchItemFailures, boot.Failed(messages[i:]...)...)
			return res
		case errors.Is(err, boot.ErrMalformed):
			f.again.In(ctx, 0, messages[i]) // to the dead letters, soon
			res.BatchItemFailures = append(res.BatchItemFailures, boot.Failed(messages[i])...)
		}
	}
	return res
}

// part delivers what a message says. Further reports whether it reached any socket. The error matches errAgain if some
// of it is left, and boot.ErrMalformed if it is nothing to be delivered.
func (f *fanout) part(ctx context.Context, m *events.SQSMessage) (further bool, err error) {
	p, err := adapter.ParsePart(m.Body)
	if err != nil {
		return false, boot.Malformed(err)
	}
	result, err := f.emitter.Carry(ctx, p)
	f.metrics.Add(boot.Recipients, result.Delivered)
	further = result.Delivered+result.Gone+result.Failed+result.Dropped > 0
	switch {
	case errors.Is(err, adapter.ErrUnfinished):
		return further, fmt.Errorf("%w: %w", errAgain, err)
	case errors.Is(err, adapter.ErrName), errors.Is(err, delivery.ErrPacketTooLarge):
		return further, boot.Malformed(err)
	default:
		return further, err
	}
}
