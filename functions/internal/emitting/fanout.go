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
	return boot.JSON(f.serve)
}

// serve takes a batch of a FIFO queue. The first message that has to come again takes those behind it along, or they would
// overtake it.
func (f *fanout) serve(ctx context.Context, e events.SQSEvent) (events.SQSEventResponse, error) {
	res := events.SQSEventResponse{BatchItemFailures: []events.SQSBatchItemFailure{}}
	for i := range e.Records {
		err := f.part(ctx, &e.Records[i])
		if err != nil {
			f.log.ErrorContext(ctx, "broadcast failed", "message", e.Records[i].MessageId, "err", err, "again", errors.Is(err, errAgain))
		}
		if !errors.Is(err, errAgain) {
			continue
		}
		for _, m := range e.Records[i:] {
			res.BatchItemFailures = append(res.BatchItemFailures, events.SQSBatchItemFailure{ItemIdentifier: m.MessageId})
		}
		break
	}
	return res, nil
}

// part delivers what a message says. The error matches errAgain if some of it is left.
func (f *fanout) part(ctx context.Context, m *events.SQSMessage) error {
	p, err := adapter.ParsePart(m.Body)
	if err != nil {
		return err
	}
	result, err := f.emitter.Carry(ctx, p)
	f.metrics.Add(boot.Recipients, result.Delivered)
	if errors.Is(err, adapter.ErrUnfinished) {
		return fmt.Errorf("%w: %w", errAgain, err)
	}
	return err
}
