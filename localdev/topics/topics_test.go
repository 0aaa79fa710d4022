package topics

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	bridge "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sns/types"
	"github.com/aws/smithy-go"
)

const (
	topic  = "arn:aws:sns:us-east-1:000000000000:t"
	fifo   = "arn:aws:sns:us-east-1:000000000000:t.fifo"
	bus    = "arn:aws:events:us-east-1:000000000000:event-bus/b"
	denied = "arn:aws:sns:us-east-1:000000000000:denied"
)

// world is a server of topics, and real clients of both services.
type world struct {
	*Topics
	url string
	sns *sns.Client
	bus *eventbridge.Client
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{Topics: New(Config{
		ARNs: []string{topic, fifo, bus, denied},
		Authorize: func(_ *http.Request, action, arn string) error {
			if arn == denied || action != "sns:Publish" && action != "events:PutEvents" {
				return errors.New("User: me is not authorized")
			}
			return nil
		},
	})}
	s := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if !Serves(r) {
			t.Errorf("%s %s, %v: not served", r.Method, r.URL, r.Header)
		}
		w.ServeHTTP(rw, r)
	}))
	t.Cleanup(s.Close)
	c := aws.Config{
		Region: "us-east-1", BaseEndpoint: aws.String(s.URL), RetryMaxAttempts: 1,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "key", SecretAccessKey: "secret"}, nil
		}),
	}
	w.url, w.sns, w.bus = s.URL, sns.NewFromConfig(c), eventbridge.NewFromConfig(c)
	return w
}

// published are the messages, without their times.
func (w *world) published() []Message {
	all := w.Messages()
	for i := range all {
		all[i].At = time.Time{}
	}
	return all
}

func TestSDKPublishes(t *testing.T) {
	w := newWorld(t)
	one, err := w.sns.Publish(t.Context(), &sns.PublishInput{TopicArn: aws.String(topic), Message: aws.String("ü <1>")})
	if err != nil || aws.ToString(one.MessageId) == "" {
		t.Fatal(one, err)
	}
	entry := func(id, group string) types.PublishBatchRequestEntry {
		return types.PublishBatchRequestEntry{
			Id: aws.String(id), Message: aws.String("m" + id), MessageGroupId: aws.String(group),
			MessageDeduplicationId: aws.String("k" + id),
		}
	}
	many, err := w.sns.PublishBatch(t.Context(), &sns.PublishBatchInput{
		TopicArn:                   aws.String(fifo),
		PublishBatchRequestEntries: []types.PublishBatchRequestEntry{entry("a", "g"), entry("b", ""), entry("c", "g")},
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(many.Successful) != 2 || len(many.Failed) != 1 || aws.ToString(many.Failed[0].Id) != "b" ||
		!many.Failed[0].SenderFault {
		t.Errorf("answer %+v", many)
	}
	want := []Message{
		{To: topic, Body: "ü <1>"},
		{To: fifo, Body: "ma", Group: "g", Key: "ka"},
		{To: fifo, Body: "mc", Group: "g", Key: "kc"},
	}
	if got := w.published(); !slices.Equal(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestSDKPutsEvents(t *testing.T) {
	w := newWorld(t)
	entry := func(source, detail string) bridge.PutEventsRequestEntry {
		return bridge.PutEventsRequestEntry{
			EventBusName: aws.String(bus), Source: aws.String(source), DetailType: aws.String("join"),
			Detail: aws.String(detail), Time: aws.Time(time.Unix(1.7e9, 0)),
		}
	}
	out, err := w.bus.PutEvents(t.Context(), &eventbridge.PutEventsInput{
		Entries: []bridge.PutEventsRequestEntry{entry("s", `{"a":1}`), entry("s", `{`), entry("", `{}`)},
	})
	if err != nil {
		t.Fatal(err)
	}
	if out.FailedEntryCount != 2 || len(out.Entries) != 3 || aws.ToString(out.Entries[0].EventId) == "" ||
		aws.ToString(out.Entries[1].ErrorCode) != "MalformedDetail" ||
		aws.ToString(out.Entries[2].ErrorCode) != "InvalidArgument" {
		b, _ := json.Marshal(out)
		t.Errorf("answer %s", b)
	}
	want := []Message{{To: bus, Body: `{"a":1}`, Source: "s", DetailType: "join"}}
	if got := w.published(); !slices.Equal(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

// What is refused is refused in the words of the service, and nothing of it is kept.
func TestRefusals(t *testing.T) {
	w := newWorld(t)
	publish := func(arn string) error {
		_, err := w.sns.Publish(t.Context(), &sns.PublishInput{TopicArn: aws.String(arn), Message: aws.String("m")})
		return err
	}
	batch := func(n, size int) error {
		in := &sns.PublishBatchInput{
			TopicArn: aws.String(topic), PublishBatchRequestEntries: []types.PublishBatchRequestEntry{},
		}
		for i := range n {
			in.PublishBatchRequestEntries = append(in.PublishBatchRequestEntries, types.PublishBatchRequestEntry{
				Id: aws.String(fmt.Sprint("i", i)), Message: aws.String(strings.Repeat("x", size)),
			})
		}
		_, err := w.sns.PublishBatch(t.Context(), in)
		return err
	}
	put := func(arn string, n, size int) error {
		in := &eventbridge.PutEventsInput{}
		for range n {
			in.Entries = append(in.Entries, bridge.PutEventsRequestEntry{
				EventBusName: aws.String(arn), Source: aws.String("s"), DetailType: aws.String("t"),
				Detail: aws.String(`"` + strings.Repeat("x", size) + `"`),
			})
		}
		_, err := w.bus.PutEvents(t.Context(), in)
		return err
	}
	_, list := w.bus.ListEventBuses(t.Context(), &eventbridge.ListEventBusesInput{})
	_, topics := w.sns.ListTopics(t.Context(), &sns.ListTopicsInput{})
	for _, tt := range []struct {
		name string
		err  error
		code string
	}{
		{"no right", publish(denied), "AccessDenied"},
		{"no such topic", publish(topic + "2"), "NotFound"},
		{"no entry", batch(0, 1), "EmptyBatchRequest"},
		{"11 entries", batch(11, 1), "TooManyEntriesInBatchRequest"},
		{"too many bytes", batch(2, maxBytes/2+1), "BatchRequestTooLong"},
		{"another operation of SNS", topics, "NotFound"},
		{"no right to a bus", put(denied, 1, 1), "AccessDeniedException"},
		{"no such bus", put(bus+"2", 1, 1), "ResourceNotFoundException"},
		{"11 events", put(bus, 11, 1), "ValidationException"},
		{"too many bytes of events", put(bus, 2, maxBytes/2), "ValidationException"},
		{"another operation of EventBridge", list, "ValidationException"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e, ok := errors.AsType[smithy.APIError](tt.err)
			if !ok || e.ErrorCode() != tt.code {
				t.Errorf("error %v, want %s", tt.err, tt.code)
			}
		})
	}
	if got := w.Messages(); len(got) > 0 {
		t.Errorf("kept %v", got)
	}
}

// A request without a signature is refused, whatever it asks for.
func TestUnsigned(t *testing.T) {
	w := New(Config{ARNs: []string{topic, bus}})
	for _, r := range []*http.Request{
		httptest.NewRequest(http.MethodPost, "/", strings.NewReader(url.Values{
			"Action": {"Publish"}, "TopicArn": {topic}, "Message": {"m"},
		}.Encode())),
		httptest.NewRequest(http.MethodPost, "/", strings.NewReader(
			`{"Entries":[{"EventBusName":"`+bus+`","Source":"s","DetailType":"t","Detail":"{}"}]}`,
		)),
	} {
		if r.ContentLength > 100 {
			r.Header.Set("X-Amz-Target", "AWSEvents.PutEvents")
		}
		res := httptest.NewRecorder()
		w.ServeHTTP(res, r)
		if res.Code < http.StatusBadRequest || len(w.Messages()) > 0 {
			t.Errorf("answer %d, kept %v", res.Code, w.Messages())
		}
	}
}

// The last messages are kept, so that a program that publishes for long takes no more memory.
func TestKeepsTheLast(t *testing.T) {
	w := New(Config{})
	for i := range maxKept + 5 {
		w.keep(Message{Body: fmt.Sprint(i)})
	}
	if got := w.Messages(); len(got) != maxKept || got[0].Body != "5" {
		t.Errorf("%d messages from %q", len(got), got[0].Body)
	}
}
