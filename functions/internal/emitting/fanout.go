package emitting

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/nonstick-io/nonstick/adapter"
	"github.com/nonstick-io/nonstick/functions/internal/boot"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// partLife is how long it is remembered that a part was delivered: longer than its queue keeps it.
const partLife = 2 * time.Hour

// fanout delivers broadcasts that were queued.
type fanout struct {
	emitter *adapter.Emitter
	claims  sessionstore.Claims
	metrics *boot.Metrics
	log     *slog.Logger
}

// Fanout makes the fanout function.
func Fanout(p *boot.Parts) boot.Handler {
	f := &fanout{emitter: newEmitter(p, boot.Fanout{}), claims: p.Store, metrics: p.Metrics, log: p.Log}
	return boot.JSON(f.serve)
}

// serve takes a batch of a FIFO queue. The first message that has to come again takes those behind it along, or they would
// overtake it.
func (f *fanout) serve(ctx context.Context, e events.SQSEvent) (events.SQSEventResponse, error) {
	res := events.SQSEventResponse{BatchItemFailures: []events.SQSBatchItemFailure{}}
	for i := range e.Records {
		if err := f.part(ctx, &e.Records[i]); err == nil {
			continue
		} else if !errors.Is(err, errAgain) {
			f.log.ErrorContext(ctx, "broadcast failed", "message", e.Records[i].MessageId, "err", err)
			continue
		}
		for _, m := range e.Records[i:] {
			res.BatchItemFailures = append(res.BatchItemFailures, events.SQSBatchItemFailure{ItemIdentifier: m.MessageId})
		}
		break
	}
	return res, nil
}

// part delivers what a message says, once: queues may deliver it again. The error matches errAgain if nothing was done.
func (f *fanout) part(ctx context.Context, m *events.SQSMessage) error {
	p, err := adapter.ParsePart(m.Body)
	if err != nil {
		return err
	}
	c := claim{claims: f.claims, name: "fanout#" + p.Key()}
	first, err := c.take(ctx, partLife)
	if err != nil {
		return fmt.Errorf("%w: %w", errAgain, err)
	}
	if !first {
		return nil
	}
	result, err := f.emitter.Carry(ctx, p)
	f.metrics.Add(boot.Recipients, result.Delivered)
	mistake := errors.Is(err, adapter.ErrName) || errors.Is(err, adapter.ErrPacketTooLarge)
	if err == nil || mistake || result != (adapter.Result{}) {
		return err
	}
	if e := c.giveBack(ctx); e != nil {
		return errors.Join(err, e)
	}
	return fmt.Errorf("%w: %w", errAgain, err)
}
