package emitting

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/aws/aws-lambda-go/events"

	"github.com/nonstick-io/nonstick/functions/internal/boot"
)

// The sources of records, as the platform names them.
const (
	fromSQS = "aws:sqs"
	fromSNS = "aws:sns"
)

// maxEnvelopes is how deep a request may be wrapped: a queue subscribed to a topic that gets a bus's events.
const maxEnvelopes = 3

// errAgain makes the platform invoke the function once more.
var errAgain = errors.New("emitting: nothing was done, to be tried again")

// record is a message of SQS or SNS.
type record struct {
	EventSource string `json:"eventSource"` // SNS begins it with a capital, which encoding/json does not mind
	MessageID   string `json:"messageId"`
	Body        string `json:"body"`
	SNS         struct {
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
	var e envelope
	if err := json.Unmarshal(payload, &e); err != nil {
		return boot.Encode(f.carryOut(ctx, payload, "")) // it tells what is wrong
	}
	switch {
	case len(e.Records) > 0 && e.Records[0].EventSource == fromSQS:
		return boot.Encode(f.queued(ctx, e.Records))
	case len(e.Records) > 0 && e.Records[0].EventSource == fromSNS:
		return nil, f.published(ctx, e.Records)
	case len(e.Records) > 0:
		f.log.ErrorContext(ctx, "records of an unknown source", "source", e.Records[0].EventSource)
		return nil, nil
	case e.DetailType != "":
		if f.message(ctx, e.Detail, e.ID) {
			return nil, errAgain
		}
		return nil, nil
	default:
		return boot.Encode(f.carryOut(ctx, payload, ""))
	}
}

// message carries out a request that came as a message; the id is its key, for messages may come twice. It
// reports whether it should come again.
func (f *emit) message(ctx context.Context, body []byte, id string) (again bool) {
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
		f.log.ErrorContext(ctx, "emit failed", "message", id, "errors", fmt.Sprint(a.Errors), "again", a.again)
	}
	return a.again
}

// queued takes a batch of a queue.
func (f *emit) queued(ctx context.Context, records []record) events.SQSEventResponse {
	res := events.SQSEventResponse{BatchItemFailures: []events.SQSBatchItemFailure{}}
	for i := range records {
		if f.message(ctx, []byte(records[i].Body), records[i].MessageID) {
			res.BatchItemFailures = append(res.BatchItemFailures, events.SQSBatchItemFailure{ItemIdentifier: records[i].MessageID})
		}
	}
	return res
}

// published takes what a topic delivers. If some of it is to come again, all of it does, and the keys see to it that the
// rest is not done twice.
func (f *emit) published(ctx context.Context, records []record) error {
	var err error
	for i := range records {
		if f.message(ctx, []byte(records[i].SNS.Message), records[i].SNS.MessageID) {
			err = errAgain
		}
	}
	return err
}
