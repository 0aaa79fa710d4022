package queue

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-lambda-go/events"
)

// Call calls a function with an event in JSON, and returns its answer. Its error matches [ErrThrottled] if the function
// did not get to see the event; any other error says that the call failed. It is called concurrently, with a context
// that does not end. For functions of package lambda it is a few lines around Platform.Invoke.
type Call func(ctx context.Context, function string, event []byte) (answer []byte, err error)

// ErrThrottled is what a [Call] returns if the function was not called, for want of concurrency. The messages stay
// hidden and the call is tried again, which counts as no delivery.
var ErrThrottled = errors.New("queue: function throttled")

// Mapping is a queue that feeds a function, an event source mapping. The names of Lambda's parameters stand in
// brackets.
type Mapping struct {
	// Queue and Function are names; the function is the one that [Call] is called with.
	Queue, Function string
	// Batch [BatchSize] is the most messages of a call, at least 1. The service takes 10,000, of FIFO queues 10.
	Batch int
	// Window [MaximumBatchingWindowInSeconds] is how long a call waits until its batch is full; 0: it does not.
	Window time.Duration
	// Partial [ReportBatchItemFailures]: the answer names the messages that failed, which alone come again.
	Partial bool
	// Concurrency [MaximumConcurrency] is the most calls at a time, on AWS 2 or more. 0: it begins with 5, and grows by
	// 300 a minute, up to 1,250, while all of them are busy.
	Concurrency int
}

// A mapping without a limit of its own begins with startConcurrency calls at a time. While all of them are under way it
// gets one more every growthPause, which is 300 a minute, up to maxConcurrency.
const (
	startConcurrency = 5
	maxConcurrency   = 1250
	growthPause      = 200 * time.Millisecond
)

// The pauses before a throttled call is tried again.
const (
	firstRetry = 50 * time.Millisecond
	lastRetry  = 5 * time.Second
)

// Feed delivers messages of a queue to a function until ctx ends, and returns nil when all its calls have ended, which
// ctx does not cut short. What a call took without an error is deleted; what failed comes again when its visibility
// timeout is over. The log gets failed calls; nil discards them. The error is [ErrNotFound], at once.
//
// How the service does it: https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html
func (qs *Queues) Feed(ctx context.Context, m Mapping, call Call, log *slog.Logger) error {
	q, err := qs.Get(m.Queue)
	if err != nil {
		return err
	}
	f := feeder{Mapping: m, queues: qs, queue: q, call: call, log: orDiscard(log)}
	var all sync.WaitGroup
	defer all.Wait()
	if m.Concurrency > 0 {
		for range m.Concurrency {
			all.Go(func() { f.poll(ctx) })
		}
		return nil
	}
	for range startConcurrency {
		all.Go(func() { f.poll(ctx) })
	}
	tick := time.NewTicker(growthPause)
	defer tick.Stop()
	for pollers := int64(startConcurrency); ; {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if f.busy.Load() == pollers && pollers < maxConcurrency {
			pollers++
			all.Go(func() { f.poll(ctx) })
		}
	}
}

// feeder is a mapping at work.
type feeder struct {
	Mapping
	queues *Queues
	queue  *Queue
	call   Call
	log    *slog.Logger
	busy   atomic.Int64 // calls under way
}

// poll delivers batches, one at a time.
func (f *feeder) poll(ctx context.Context) {
	for ctx.Err() == nil {
		batch := f.batch(ctx)
		if len(batch) > 0 {
			f.busy.Add(1)
			f.deliver(ctx, batch)
			f.busy.Add(-1)
		}
	}
}

// batch collects messages: what is there, and what comes within the window.
func (f *feeder) batch(ctx context.Context) []Received {
	batch := f.queue.Receive(ctx, min(f.Batch, maxBatch), nil, maxWait)
	if len(batch) == 0 || f.Window == 0 {
		return batch
	}
	for end := time.Now().Add(f.Window); len(batch) < f.Batch && ctx.Err() == nil; {
		left := time.Until(end)
		if left <= 0 {
			break
		}
		batch = append(batch, f.queue.Receive(ctx, min(f.Batch-len(batch), maxBatch), nil, left)...)
	}
	return batch
}

// deliver calls the function, and deletes what it is done with. What it is not comes again after its visibility
// timeout.
func (f *feeder) deliver(ctx context.Context, batch []Received) {
	event, err := json.Marshal(f.event(batch))
	if err != nil {
		panic(err) // strings always marshal
	}
	// A call that is under way when ctx ends is seen through.
	f.queue.count(1, len(event)) // ReceiveMessage
	answer, err := f.insist(ctx, event)
	if ctx.Err() != nil && err != nil {
		return // the queue ends here, and no receiver will see them again
	}
	if err != nil {
		f.log.Warn(
			"messages will come again", "queue", f.Queue, "function", f.Function, "messages", len(batch), "error", err,
		)
		return
	}
	failed, ok := f.failed(answer, batch)
	if !ok {
		f.log.Warn(
			"answer names no messages of the batch, all will come again", "queue", f.Queue, "function", f.Function,
		)
		return
	}
	if len(failed) < len(batch) {
		f.queue.count(1, 0) // DeleteMessageBatch
	}
	for _, m := range batch {
		if failed[m.ID] {
			continue
		}
		if err := f.queue.Delete(m.Receipt); err != nil {
			f.log.Warn(
				"a message was handled too late and will come again", "queue", f.Queue, "function", f.Function, "error",
				err,
			)
		}
	}
}

// insist calls the function, again after throttles as long as the messages are hidden.
func (f *feeder) insist(ctx context.Context, event []byte) ([]byte, error) {
	end := time.Now().Add(f.queue.configured().Visibility)
	pause := firstRetry
	for {
		answer, err := f.call(context.WithoutCancel(ctx), f.Function, event)
		if !errors.Is(err, ErrThrottled) || time.Now().Add(pause).After(end) {
			return answer, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(pause):
		}
		pause = min(2*pause, lastRetry)
	}
}

// failed reads which messages a function could not handle. It reports false if all of them count as failed.
func (f *feeder) failed(answer []byte, batch []Received) (map[string]bool, bool) {
	failed := map[string]bool{}
	if !f.Partial || len(answer) == 0 || string(answer) == "null" {
		return failed, true
	}
	var r struct {
		Failures []struct {
			ID string `json:"itemIdentifier"`
		} `json:"batchItemFailures"`
	}
	if json.Unmarshal(answer, &r) != nil {
		return nil, false
	}
	known := map[string]bool{}
	for _, m := range batch {
		known[m.ID] = true
	}
	for _, x := range r.Failures {
		if !known[x.ID] {
			return nil, false
		}
		failed[x.ID] = true
	}
	return failed, true
}

// event is the batch as a function gets it.
func (f *feeder) event(batch []Received) events.SQSEvent {
	e := events.SQSEvent{}
	for _, m := range batch {
		e.Records = append(e.Records, events.SQSMessage{
			MessageId: m.ID, ReceiptHandle: m.Receipt, Body: m.Body, Md5OfBody: bodyMD5(m.Body),
			Attributes: f.queues.system(m),
			MessageAttributes: eventAttributes(
				m.Attributes,
			),
			EventSource: "aws:sqs", EventSourceARN: f.queues.arn(f.Queue), AWSRegion: f.queues.region,
		})
	}
	return e
}

func eventAttributes(from map[string]Attribute) map[string]events.SQSMessageAttribute {
	to := map[string]events.SQSMessageAttribute{}
	for k, a := range from {
		v := events.SQSMessageAttribute{
			DataType: a.Type, BinaryValue: a.Binary, StringListValues: []string{}, BinaryListValues: [][]byte{},
		}
		if a.Binary == nil {
			v.StringValue = &a.String
		}
		to[k] = v
	}
	return to
}

// system are the attributes that the service gives a delivery.
func (qs *Queues) system(m Received) map[string]string {
	a := map[string]string{
		"ApproximateReceiveCount": itoa(m.Receives), "SentTimestamp": millis(m.SentAt),
		"ApproximateFirstReceiveTimestamp": millis(m.FirstAt), "SenderId": Account,
	}
	if m.Group != "" {
		a["MessageGroupId"] = m.Group
	}
	if m.Sequence != "" {
		a["SequenceNumber"], a["MessageDeduplicationId"] = m.Sequence, m.Dedup
	}
	if m.Trace != "" {
		a[traceAttribute] = m.Trace
	}
	if m.DeadFrom != "" {
		a["DeadLetterQueueSourceArn"] = qs.arn(m.DeadFrom)
	}
	return a
}
