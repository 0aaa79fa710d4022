package emitting

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/nonstick-io/nonstick/adapter"
	"github.com/nonstick-io/nonstick/functions/internal/boot"
)

// fanout delivers broadcasts that were queued.
type fanout struct {
	emitter *adapter.Emitter
	metrics *boot.Metrics
	log     *slog.Logger
	queue   returner // nil without one
}

// returner lets a message be delivered again after d.
type returner interface {
	Return(ctx context.Context, receipt string, d time.Duration) error
}

const (
	// returnTime bounds the return of a message, for which an invocation has little time left.
	returnTime = 300 * time.Millisecond
	// longestReturn is the longest pause before a part comes again. It doubles from two seconds on, so that an outage of the table does
	// not use up the deliveries that the queue allows.
	longestReturn = 128 * time.Second
)

// Fanout makes the fanout function.
func Fanout(p *boot.Parts) boot.Handler {
	f := &fanout{emitter: newEmitter(p, adapter.Options{Logger: p.Log}), metrics: p.Metrics, log: p.Log}
	const queue = "NONSTICK_FANOUT_QUEUE"
	if p.Env.Text(queue, "") != "" {
		f.queue = p.Queue(queue)
	}
	return boot.SQS(f.serve)
}

// errAgain says that some of a broadcast is left.
var errAgain = errors.New("emitting: a part of a broadcast is left")

// serve takes a batch of a FIFO queue. The first part that has to come again takes those behind it along, or they would overtake it. A message that
// is no part comes again until it is among the dead letters, and holds nothing up.
func (f *fanout) serve(ctx context.Context, messages []events.SQSMessage) events.SQSEventResponse {
	res := events.SQSEventResponse{BatchItemFailures: []events.SQSBatchItemFailure{}}
	for i := range messages {
		further, err := f.part(ctx, &messages[i])
		if err == nil {
			continue
		}
		f.metrics.Add(boot.EmitsFailed, 1)
		f.log.ErrorContext(ctx, "broadcast failed", "message", messages[i].MessageId, "err", err)
		switch {
		case errors.Is(err, errAgain):
			after := pauseOf(&messages[i])
			if further { // it wants for nothing but time
				after = 0
			}
			f.giveBack(ctx, messages[i:], after)
			res.BatchItemFailures = append(res.BatchItemFailures, boot.Failed(messages[i:]...)...)
			return res
		case errors.Is(err, boot.ErrMalformed):
			f.giveBack(ctx, messages[i:i+1], 0) // to the dead letters, soon
			res.BatchItemFailures = append(res.BatchItemFailures, boot.Failed(messages[i])...)
		}
	}
	return res
}

// pauseOf is how long a message waits whose part could not be begun, by how often it was delivered.
func pauseOf(m *events.SQSMessage) time.Duration {
	n, err := strconv.Atoi(m.Attributes["ApproximateReceiveCount"])
	if err != nil || n < 1 {
		n = 1
	}
	return min(time.Second<<min(n, 10), longestReturn)
}

// giveBack has messages come again after a time. Until they do their group stands still, and the visibility timeout of the queue is long,
// for the sake of a function that is throttled.
func (f *fanout) giveBack(ctx context.Context, messages []events.SQSMessage, after time.Duration) {
	if f.queue == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), returnTime)
	defer cancel()
	for i := range messages {
		if err := f.queue.Return(ctx, messages[i].ReceiptHandle, after); err != nil {
			f.log.WarnContext(ctx, "message comes again later", "message", messages[i].MessageId, "err", err)
			return
		}
	}
}

// part delivers what a message says. Further reports whether it came to anybody. The error matches errAgain if some of it is left, and
// boot.ErrMalformed if it is nothing to be delivered.
func (f *fanout) part(ctx context.Context, m *events.SQSMessage) (further bool, err error) {
	p, err := adapter.ParsePart(m.Body)
	if err != nil {
		return false, boot.Malformed(err)
	}
	result, err := f.emitter.Carry(ctx, p)
	f.metrics.Add(boot.Recipients, result.Delivered)
	further = result.Delivered+result.Gone+result.Failed > 0
	switch {
	case errors.Is(err, adapter.ErrUnfinished):
		return further, fmt.Errorf("%w: %w", errAgain, err)
	case errors.Is(err, adapter.ErrName), errors.Is(err, adapter.ErrPacketTooLarge):
		return further, boot.Malformed(err)
	default:
		return further, err
	}
}
