package emitting

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/aws/aws-lambda-go/events"

	"github.com/nonstick-io/nonstick/adapter"
	"github.com/nonstick-io/nonstick/functions/internal/boot"
)

// fanout delivers broadcasts that were queued.
type fanout struct {
	emitter *adapter.Emitter
	metrics *boot.Metrics
	log     *slog.Logger
}

// Fanout makes the fanout function.
func Fanout(p *boot.Parts) boot.Handler {
	f := &fanout{emitter: newEmitter(p, adapter.Options{Logger: p.Log}), metrics: p.Metrics, log: p.Log}
	return boot.SQS(f.serve)
}

// errAgain says that some of a broadcast is left.
var errAgain = errors.New("emitting: a part of a broadcast is left")

// serve takes a batch of a FIFO queue. The first part that has to come again takes those behind it along, or they would overtake it. A message that
// is no part comes again until it is among the dead letters, and holds nothing up.
func (f *fanout) serve(ctx context.Context, messages []events.SQSMessage) events.SQSEventResponse {
	res := events.SQSEventResponse{BatchItemFailures: []events.SQSBatchItemFailure{}}
	for i := range messages {
		err := f.part(ctx, &messages[i])
		if err == nil {
			continue
		}
		f.metrics.Add(boot.EmitsFailed, 1)
		f.log.ErrorContext(ctx, "broadcast failed", "message", messages[i].MessageId, "err", err)
		switch {
		case errors.Is(err, errAgain):
			res.BatchItemFailures = append(res.BatchItemFailures, boot.Failed(messages[i:]...)...)
			return res
		case errors.Is(err, boot.ErrMalformed):
			res.BatchItemFailures = append(res.BatchItemFailures, boot.Failed(messages[i])...)
		}
	}
	return res
}

// part delivers what a message says. The error matches errAgain if some of it is left, and boot.ErrMalformed if it is nothing to be delivered.
func (f *fanout) part(ctx context.Context, m *events.SQSMessage) error {
	p, err := adapter.ParsePart(m.Body)
	if err != nil {
		return boot.Malformed(err)
	}
	result, err := f.emitter.Carry(ctx, p)
	f.metrics.Add(boot.Recipients, result.Delivered)
	switch {
	case errors.Is(err, adapter.ErrUnfinished):
		return fmt.Errorf("%w: %w", errAgain, err)
	case errors.Is(err, adapter.ErrName), errors.Is(err, adapter.ErrPacketTooLarge):
		return boot.Malformed(err)
	default:
		return err
	}
}
