package boot

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"
)

// others are events of each kind, as the platform sends them, in short.
var others = map[string]string{
	KindHTTP1: `{"version":"1.0","resource":"/{proxy+}","path":"/socket.io/","httpMethod":"GET","headers":{"Host":"h"},
		"multiValueHeaders":{},
		"queryStringParameters":{"EIO":"4"},"body":null,
		"requestContext":{"stage":"$default","httpMethod":"GET","identity":{"sourceIp":"192.0.2.7"}}}`,
	KindREST: `{"resource":"/socket.io","path":"/socket.io/","httpMethod":"GET","headers":null,
		"requestContext":{"stage":"prod","authorizer":"x","httpMethod":"GET"},"body":null}`,
	KindALB: `{
		"requestContext":{"elb":{"targetGroupArn":"arn:aws:elasticloadbalancing:eu-central-1:1:targetgroup/t/1"}},
		"httpMethod":"GET","path":"/socket.io/","queryStringParameters":{"EIO":"4"},"headers":{"host":"h"},
		"body":"","isBase64Encoded":false}`,
	KindFunctionURL: `{"version":"2.0","routeKey":"$default","rawPath":"/socket.io/",
		"rawQueryString":"EIO=4&transport=polling","headers":{},"requestContext":{
		"domainName":"abc.lambda-url.eu-central-1.on.aws","stage":"$default",
		"http":{"method":"GET","path":"/socket.io/"}}}`,
	KindWebSocket: `{"requestContext":{"eventType":"MESSAGE","connectionId":"c","routeKey":"$default",
		"stage":"prod"},"body":"3"}`,
	KindSQS:                         `{"Records":[{"messageId":"1","eventSource":"aws:sqs","body":"{}"}]}`,
	KindEventBridge:                 `{"version":"0","id":"1","detail-type":"x","source":"y","detail":{}}`,
	kindRecords + `"aws:sns"`:       `{"Records":[{"EventSource":"aws:sns","Sns":{"Message":"x"}}]}`,
	kindRecords + `"aws:s3"`:        `{"Records":[{"eventSource":"aws:s3","s3":{}}]}`,
	kindUnknown:                     `{"order":7}`,
	kindUnknown + " that is a list": `[1]`,
}

// httpEvent is an event of an HTTP API.
const httpEvent = `{"version":"2.0","routeKey":"$default","rawPath":"/prod/socket.io/","headers":{},
	"requestContext":{"domainName":"h","http":{"method":"GET"},"stage":"prod"}}`

func TestKind(t *testing.T) {
	if got := Kind([]byte(httpEvent)); got != KindHTTP {
		t.Errorf("an HTTP API's is %s", got)
	}
	for want, event := range others {
		want = strings.TrimSuffix(want, " that is a list")
		if got := Kind([]byte(event)); got != want {
			t.Errorf("got %s, want %s: %s", got, want, event)
		}
	}
}

// Any event but one of the HTTP API is answered 500, with one line in the log that says what came and what is wanted.
func TestHTTP(t *testing.T) {
	log := &strings.Builder{}
	h := HTTP(
		slog.New(slog.NewTextHandler(log, nil)),
		func(_ context.Context, e events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error) {
			if e.RawPath == "/fail" {
				return events.APIGatewayV2HTTPResponse{}, errors.New("broken")
			}
			return events.APIGatewayV2HTTPResponse{StatusCode: 200, Body: e.RawPath}, nil
		},
	)
	status := func(event string) int {
		answer, err := h(t.Context(), []byte(event))
		var res events.APIGatewayV2HTTPResponse
		if err != nil || json.Unmarshal(answer, &res) != nil {
			t.Fatalf("%s, %v", answer, err)
		}
		return res.StatusCode
	}
	if got := status(httpEvent); got != 200 || log.Len() != 0 {
		t.Errorf("status %d, log %s", got, log)
	}
	for kind, event := range others {
		log.Reset()
		got := status(event)
		kind = strings.ReplaceAll(strings.TrimSuffix(kind, " that is a list"), `"`, `\"`)
		if lines := strings.Count(
			log.String(), "\n",
		); got != 500 || lines != 1 ||
			!strings.Contains(log.String(), "got "+kind+", want "+KindHTTP) {
			t.Errorf("%s: status %d, log %s", kind, got, log)
		}
	}
	if _, err := h(t.Context(), []byte(strings.Replace(httpEvent, "/prod/socket.io/", "/fail", 1))); err == nil {
		t.Error("what fails is no error")
	}
}

func TestSQS(t *testing.T) {
	h := SQS(func(_ context.Context, m []events.SQSMessage) events.SQSEventResponse {
		return events.SQSEventResponse{BatchItemFailures: Failed(m...)}
	})
	if answer, err := h(
		t.Context(), []byte(others[KindSQS]),
	); err != nil ||
		string(answer) != `{"batchItemFailures":[{"itemIdentifier":"1"}]}` {
		t.Errorf("%s, %v", answer, err)
	}
	for kind, event := range others {
		if kind == KindSQS {
			continue
		}
		if _, err := h(
			t.Context(), []byte(event),
		); !errors.Is(err, ErrEvent) ||
			!strings.Contains(err.Error(), "want "+KindSQS) {
			t.Errorf("%s: %v", kind, err)
		}
	}
	if _, err := h(t.Context(), []byte(`{"Records":[]}`)); !errors.Is(err, ErrEvent) {
		t.Errorf("no message: %v", err)
	}
}
