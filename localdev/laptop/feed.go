//go:build unix

package laptop

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/aws/aws-lambda-go/events"

	"github.com/nonstick-io/nonstick/localdev/lambda"
	"github.com/nonstick-io/nonstick/localdev/proxy"
	"github.com/nonstick-io/nonstick/localdev/queue"
)

// feed connects queues and schedules to functions.
func (s *stack) feed() {
	s.service.sweeps = append(s.service.sweeps, s.moveDeadLetters)
	for _, t := range s.templates {
		for _, m := range t.Mappings {
			mapping := queue.Mapping{
				Queue: m.Queue, Function: m.Function, Batch: m.Batch, Window: m.Window, Partial: m.Partial,
				Concurrency: m.Concurrency,
			}
			s.service.sweeps = append(s.service.sweeps, func(ctx context.Context) error {
				return s.queues.Feed(ctx, mapping, s.call, s.log)
			})
		}
		for _, x := range t.Schedules {
			schedule := queue.Schedule{Name: x.Name, Function: x.Function, Every: x.Every, Input: x.Input}
			s.service.sweeps = append(s.service.sweeps, func(ctx context.Context) error {
				schedule.Run(ctx, s.callLater, s.log)
				return nil
			})
		}
	}
}

// moveDeadLetters carries out StartMessageMoveTask.
func (s *stack) moveDeadLetters(ctx context.Context) error {
	s.queues.Move(ctx)
	return nil
}

// call calls a function for a queue.
func (s *stack) call(ctx context.Context, function string, event []byte) ([]byte, error) {
	res, err := s.functions.Invoke(ctx, lambda.Call{Function: function, Payload: event, Trace: traceOf(event)})
	switch {
	case errors.Is(err, lambda.ErrThrottled):
		return nil, queue.ErrThrottled
	case err != nil:
		return nil, err
	case res.FunctionError != "":
		return nil, fmt.Errorf("%w: request %s: %s", proxy.ErrFunction, res.RequestID, res.Payload)
	}
	return res.Payload, nil
}

// traceOf is the trace of the first message in a batch that has one.
func traceOf(event []byte) string {
	var e events.SQSEvent
	if json.Unmarshal(event, &e) != nil {
		return "" // it was made here
	}
	for i := range e.Records {
		if trace := e.Records[i].Attributes["AWSTraceHeader"]; trace != "" {
			return trace
		}
	}
	return ""
}

// callLater calls a function for a schedule, which does not wait for it.
func (s *stack) callLater(_ context.Context, function string, event []byte) ([]byte, error) {
	//nolint:contextcheck // the call outlives the request
	return nil, s.functions.InvokeAsync(lambda.Call{Function: function, Payload: event})
}
