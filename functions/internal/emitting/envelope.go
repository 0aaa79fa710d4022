package emitting

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambdacontext"

	"github.com/nonstick-io/nonstick/functions/internal/boot"
)

// The sources of records, as the platform names them.
const (
	fromSQS = "aws:sqs"
	fromSNS = "aws:sns"
)

// maxEnvelopes is how deep a request may be wrapped: a queue subscribed to a topic that gets a bus's events.
const maxEnvelopes = 3

// errFailed makes the platform invoke the function once more with messages that are in the log, and in the end hand
// them to where the failed ones go.
var errFailed = errors.New("emitting: messages failed")

// The types of errors that callers of the function are told.
const (
	failedForGood = "InvalidRequest" // it would not help to ask again
	failed        = "EmitFailed"
)

// record is a message of SQS or SNS.
type record struct {
	EventSource string `json:"eventSource"` // SNS begins it with a capital, which encoding/json does not mind
	MessageID   string `json:"messageId"`
	Body        string `json:"body"`
	Attributes  struct {
		Group string `json:"MessageGroupId"` // of a FIFO queue
	} `json:"attributes"`
	SNS struct {
		MessageID string `json:"MessageId"`
		Message   string `json:"Message"`
	} `json:"Sns"`
}

// envelope is how a request may be wrapped.
type envelope struct {
	Records []record `json:"Records"`
	// Of a bus, EventBridge.
	ID         string          `json:"id"`
	DetailType string          `json:"detail-type"`
	Detail     json.RawMessage `json:"detail"`
	// Of a topic, SNS, in the body of another message.
	Type      string `json:"Type"`
	MessageID string `json:"MessageId"`
	Message   string `json:"Message"`
}

// serve takes a request as it is and answers it, or requests wrapped by SQS, SNS or EventBridge, to which there is no
// answer but whether to deliver them again.
func (f *emit) serve(ctx context.Context, payload []byte) ([]byte, error) {
	told := f.events.Batch()
	defer told.End(ctx)
	ctx = told.In(ctx)
	var e envelope
	if err := json.Unmarshal(payload, &e); err != nil {
		return f.direct(ctx, payload) // it tells what is wrong
	}
	switch {
	case len(e.Records) > 0 && e.Records[0].EventSource == fromSQS:
		return boot.Encode(f.queued(ctx, e.Records))
	case len(e.Records) > 0 && e.Records[0].EventSource == fromSNS:
		return nil, f.published(ctx, e.Records)
	case len(e.Records) > 0:
		return nil, boot.NotServed(payload, "a request, or one by SQS, SNS or EventBridge")
	case e.DetailType != "":
		if !f.message(ctx, e.Detail, e.ID) {
			return nil, errFailed
		}
		return nil, nil
	default:
		return f.direct(ctx, payload)
	}
}

// direct answers a caller that invokes the function with a request. What fails is an error of the function: a caller
// that invokes it asynchronously sees no answer, and it is by errors that the platform tries again, which the id of the
// invocation keeps from doing anything twice, and tells a destination in the end. The error's text is the answer.
func (f *emit) direct(ctx context.Context, payload []byte) ([]byte, error) {
	a := f.carryOut(ctx, payload, invocationID(ctx))
	if a.OK {
		return boot.Encode(a)
	}
	text, err := boot.Encode(a.withoutSockets())
	if err != nil {
		return nil, err
	}
	kind := failed
	if a.invalid {
		kind = failedForGood
	}
	return nil, &boot.TypedError{Type: kind, Message: string(text)}
}

// invocationID names an invocation, and the repetitions of an asynchronous one.
func invocationID(ctx context.Context) string {
	if c, ok := lambdacontext.FromContext(ctx); ok {
		return c.AwsRequestID
	}
	return ""
}

// message carries out a request that came as a message, once for its id, for messages may come twice. It reports
// whether all is well. What is not comes again, until the queue moves it to its dead letters.
func (f *emit) message(ctx context.Context, body []byte, id string) (ok bool) {
	for range maxEnvelopes {
		var e envelope
		if err := json.Unmarshal(body, &e); err != nil {
			break
		}
		switch {
		case e.Type == "Notification" && e.Message != "":
			body, id = []byte(e.Message), e.MessageID
		case e.DetailType != "":
			body, id = e.Detail, e.ID
		}
	}
	a := f.carryOut(ctx, body, id)
	if !a.OK {
		f.log.ErrorContext(ctx, "emit failed", "message", id, "errors", fmt.Sprint(a.allErrors()))
	}
	return a.OK
}

// queued takes a batch of a queue. What is behind a message that failed, in its group of a FIFO queue, waits for it.
func (f *emit) queued(ctx context.Context, records []record) events.SQSEventResponse {
	res := events.SQSEventResponse{BatchItemFailures: []events.SQSBatchItemFailure{}}
	blocked := map[string]bool{}
	for i := range records {
		m := &records[i]
		if group := m.Attributes.Group; blocked[group] || !f.message(ctx, []byte(m.Body), m.MessageID) {
			res.BatchItemFailures = append(
				res.BatchItemFailures, events.SQSBatchItemFailure{ItemIdentifier: m.MessageID},
			)
			blocked[group] = group != ""
		}
	}
	return res
}

// published takes what a topic delivers. If some of it failed, all of it comes again, and the ids see to it that the
// rest is not done twice.
func (f *emit) published(ctx context.Context, records []record) error {
	var err error
	for i := range records {
		if !f.message(ctx, []byte(records[i].SNS.Message), records[i].SNS.MessageID) {
			err = errFailed
		}
	}
	return err
}
