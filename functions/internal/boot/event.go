package boot

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"

	"github.com/aws/aws-lambda-go/events"
)

// ErrEvent says that a function was invoked with an event that it does not serve. The text says what came, and what
// is wanted.
var ErrEvent = errors.New("boot: event not served")

// ErrMalformed says that a message of a queue makes no sense. The queue delivers it again, as it does what fails, until
// its redrive policy moves it to the dead letters, where an operator can look at it.
var ErrMalformed = errors.New("boot: malformed message, left to the dead letters")

// Failed names messages that a queue is to deliver again.
func Failed(messages ...events.SQSMessage) []events.SQSBatchItemFailure {
	failed := make([]events.SQSBatchItemFailure, len(messages))
	for i := range messages {
		failed[i].ItemIdentifier = messages[i].MessageId
	}
	return failed
}

// Malformed returns err as one that matches [ErrMalformed].
func Malformed(err error) error { return fmt.Errorf("%w: %w", ErrMalformed, err) }

// The kinds of events, as [Kind] names them.
const (
	KindHTTP         = "an event of an HTTP API in payload format 2.0"
	KindHTTP1        = "an event of an HTTP API in payload format 1.0"
	KindREST         = "an event of a REST API"
	KindALB          = "an event of an Application Load Balancer"
	KindFunctionURL  = "an event of a function URL"
	KindWebSocket    = "an event of a WebSocket API"
	KindSQS          = "a batch of an SQS queue"
	KindEventBridge  = "an event of EventBridge"
	kindRecords      = "records of "
	kindUnknown      = "an event of an unknown kind"
	functionURLHost  = ".lambda-url."
	sourceSQS        = "aws:sqs"
	payloadFormat    = "2.0"
	payloadFormatOld = "1.0"
)

// shape is what tells events apart.
type shape struct {
	Version    json.RawMessage `json:"version"`
	HTTPMethod json.RawMessage `json:"httpMethod"`
	DetailType json.RawMessage `json:"detail-type"`
	Records    []struct {
		EventSource string `json:"eventSource"` // SNS begins it with a capital, which encoding/json does not mind
	} `json:"Records"`
	RequestContext struct {
		ELB          json.RawMessage `json:"elb"`
		ConnectionID string          `json:"connectionId"`
		DomainName   string          `json:"domainName"`
		HTTP         struct {
			Method string `json:"method"`
		} `json:"http"`
	} `json:"requestContext"`
}

// Kind says what an event is, in words for a log.
func Kind(payload []byte) string {
	var s shape
	if json.Unmarshal(payload, &s) != nil {
		return kindUnknown
	}
	context := &s.RequestContext
	switch version := strings.Trim(string(s.Version), `"`); {
	case len(s.Records) > 0 && s.Records[0].EventSource == sourceSQS:
		return KindSQS
	case len(s.Records) > 0:
		return kindRecords + fmt.Sprintf("%.64q", s.Records[0].EventSource)
	case context.ConnectionID != "":
		return KindWebSocket
	case context.ELB != nil:
		return KindALB
	case version == payloadFormat && context.HTTP.Method != "" && strings.Contains(context.DomainName, functionURLHost):
		return KindFunctionURL
	case version == payloadFormat && context.HTTP.Method != "":
		return KindHTTP
	case version == payloadFormatOld && s.HTTPMethod != nil:
		return KindHTTP1
	case s.HTTPMethod != nil:
		return KindREST
	case s.DetailType != nil:
		return KindEventBridge
	default:
		return kindUnknown
	}
}

// NotServed is the error of an event that is not of the kind wanted. It matches [ErrEvent].
func NotServed(payload []byte, want string) error {
	return fmt.Errorf("%w: got %s, want %s", ErrEvent, Kind(payload), want)
}

// HTTP makes a handler of a function that serves an HTTP API. Any other event is answered with status 500, as all
// kinds of APIs understand it, and said to the log in one line.
func HTTP(
	log *slog.Logger,
	f func(context.Context, events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error),
) Handler {
	return func(ctx context.Context, payload []byte) ([]byte, error) {
		var e events.APIGatewayV2HTTPRequest
		err := json.Unmarshal(payload, &e)
		c := &e.RequestContext
		if err != nil || e.Version != payloadFormat || c.HTTP.Method == "" ||
			strings.Contains(c.DomainName, functionURLHost) {
			log.ErrorContext(ctx, "event not served", "error", NotServed(payload, KindHTTP))
			return Encode(events.APIGatewayV2HTTPResponse{
				StatusCode: http.StatusInternalServerError,
				Headers:    map[string]string{"Content-Type": "application/json"},
				Body:       `{"message":"Internal Server Error"}`,
			})
		}
		res, err := f(ctx, e)
		if err != nil {
			return nil, err
		}
		return Encode(res)
	}
}

// FromSQS reports whether records are a batch of a queue.
func FromSQS(records []events.SQSMessage) bool {
	return len(records) > 0 && records[0].EventSource == sourceSQS
}

// SQS makes a handler of a function that a queue invokes, which answers which of the messages the queue is to deliver
// again. Any other event is an error that matches [ErrEvent].
func SQS(f func(context.Context, []events.SQSMessage) events.SQSEventResponse) Handler {
	return func(ctx context.Context, payload []byte) ([]byte, error) {
		var e events.SQSEvent
		if err := json.Unmarshal(payload, &e); err != nil || !FromSQS(e.Records) {
			return nil, NotServed(payload, KindSQS)
		}
		return Encode(f(ctx, e.Records))
	}
}
