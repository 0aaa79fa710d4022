package boot

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

func TestQueue(t *testing.T) {
	throttled := `{"__type":"com.amazonaws.sqs#RequestThrottled","message":"slow down"}`
	tests := []struct {
		name     string
		answers  []int // status codes, one by one; the last for all that follow
		body     string
		attempts int32
		ok       bool
	}{
		{"taken", []int{200}, `{"MessageId":"1"}`, 1, true},
		{"taken at last", []int{500, 503, 200}, `{}`, 3, true},
		{"throttled", []int{400, 200}, throttled, 2, true},
		{"no such queue", []int{400}, `{"__type":"com.amazonaws.sqs#QueueDoesNotExist"}`, 1, false},
		{"forbidden", []int{403}, `{}`, 1, false},
		{"broken", []int{500}, `{}`, sendAttempts, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var attempts atomic.Int32
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				n := int(attempts.Add(1))
				checkCall(t, r)
				w.WriteHeader(tt.answers[min(n, len(tt.answers))-1])
				_, _ = io.WriteString(w, tt.body)
			}))
			defer s.Close()
			q, err := newQueue(
				s.URL+"/123456789012/queue", "", "eu-central-1",
				aws.Credentials{AccessKeyID: "key", SecretAccessKey: "secret", SessionToken: "token"},
			)
			if err != nil {
				t.Fatal(err)
			}
			err = q.Send(t.Context(), `{"a":"é"}`)
			if (err == nil) != tt.ok || err != nil && !errors.Is(err, ErrNotSent) || attempts.Load() != tt.attempts {
				t.Errorf("error %v after %d attempts, want %d", err, attempts.Load(), tt.attempts)
			}
		})
	}
}

// The error of a message that is not sent says what SQS said, in words: which right is missing, for one.
func TestRefusal(t *testing.T) {
	const denied = "User: arn:aws:sts::123456789012:assumed-role/R/F is not authorized to perform: sqs:sendmessage " +
		"on resource: arn:aws:sqs:eu-central-1:123456789012:queue because no identity-based policy allows the " +
		"sqs:sendmessage action"
	for _, tt := range []struct{ name, answer, want string }{
		{
			"a right is missing",
			`{"__type":"com.amazon.coral.service#AccessDeniedException","Message":"` + denied + `"}`,
			"SQS answered 403 Forbidden: AccessDeniedException: " + denied,
		},
		{
			"key in lower case", `{"__type":"com.amazonaws.sqs#QueueDoesNotExist","message":"none"}`,
			"SQS answered 403 Forbidden: QueueDoesNotExist: none",
		},
		{"no message", `{"__type":"sqs#X"}`, `SQS answered 403 Forbidden: {"__type":"sqs#X"}`},
		{"another program", "<html>", "SQS answered 403 Forbidden: <html>"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(http.StatusForbidden)
				_, _ = io.WriteString(w, tt.answer)
			}))
			defer s.Close()
			q, err := newQueue(s.URL+"/123456789012/queue", "", "eu-central-1", aws.Credentials{
				AccessKeyID: "key", SecretAccessKey: "secret",
			})
			if err != nil {
				t.Fatal(err)
			}
			if err := q.Send(t.Context(), "x"); err == nil || !strings.HasSuffix(err.Error(), tt.want) {
				t.Errorf("error = %v\nwant    %s", err, tt.want)
			}
		})
	}
}

// checkCall checks a call as SQS would read it.
func checkCall(t *testing.T, r *http.Request) {
	t.Helper()
	var in struct {
		QueueURL string `json:"QueueUrl"`
		Body     string `json:"MessageBody"`
	}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		t.Error(err)
	}
	if !strings.HasSuffix(in.QueueURL, "/123456789012/queue") || in.Body != `{"a":"é"}` {
		t.Errorf("sent %+v", in)
	}
	if r.URL.Path != "/" || r.Header.Get("X-Amz-Target") != "AmazonSQS.SendMessage" ||
		r.Header.Get("X-Amz-Security-Token") != "token" ||
		!strings.Contains(r.Header.Get("Authorization"), "/eu-central-1/sqs/aws4_request") {
		t.Errorf("path %s, headers %v", r.URL.Path, r.Header)
	}
}

func TestSendLater(t *testing.T) {
	var got call
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if err := json.NewDecoder(r.Body).Decode(&got); err != nil {
			t.Error(err)
		}
	}))
	defer s.Close()
	q, err := newQueue(s.URL+"/1/q", "", "eu-central-1", aws.Credentials{AccessKeyID: "key", SecretAccessKey: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	if err := q.SendLater(
		t.Context(), "x", 17*time.Second,
	); err != nil ||
		got != (call{QueueURL: s.URL + "/1/q", Body: "x", Delay: 17}) {
		t.Errorf("sent %+v, %v", got, err)
	}
}

func TestQueueElsewhere(t *testing.T) {
	var called atomic.Bool
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { called.Store(true) }))
	defer s.Close()
	q, err := newQueue(
		"https://sqs.eu-central-1.amazonaws.com/1/q", s.URL, "eu-central-1",
		aws.Credentials{AccessKeyID: "key", SecretAccessKey: "secret"},
	)
	if err != nil {
		t.Fatal(err)
	}
	if err := q.Send(t.Context(), "x"); err != nil || !called.Load() {
		t.Errorf("error %v, called: %v", err, called.Load())
	}
	s.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := q.Send(ctx, "x"); !errors.Is(err, ErrNotSent) {
		t.Errorf("error %v", err)
	}
}

// A message that is returned can be delivered again when that is wanted.
func TestQueueReturn(t *testing.T) {
	var got map[string]any
	status := http.StatusOK
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if target := r.Header.Get("X-Amz-Target"); target != "AmazonSQS.ChangeMessageVisibility" {
			t.Errorf("called %s", target)
		}
		got = nil
		if err := json.NewDecoder(r.Body).Decode(&got); err != nil {
			t.Error(err)
		}
		w.WriteHeader(status)
	}))
	defer s.Close()
	q, err := newQueue(s.URL+"/1/q", "", "eu-central-1", aws.Credentials{AccessKeyID: "key", SecretAccessKey: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	if err := q.Return(t.Context(), "receipt", 4*time.Second); err != nil {
		t.Error(err)
	}
	if got["ReceiptHandle"] != "receipt" || got["VisibilityTimeout"] != 4.0 || got["QueueUrl"] != s.URL+"/1/q" {
		t.Errorf("sent %v", got)
	}
	status = http.StatusBadRequest
	if err := q.Return(t.Context(), "receipt", 0); err == nil {
		t.Error("a refusal is no error")
	}
}

// A message goes on with the trace of the invocation that sends it.
func TestQueueTrace(t *testing.T) {
	const trace = "Root=1-5759e988-bd862e3fe1be46a994272793;Lineage=1:5d1f9c41:0"
	got := make(chan string, 1)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got <- r.Header.Get("X-Amzn-Trace-Id")
		_, _ = io.WriteString(w, "{}")
	}))
	defer s.Close()
	q, err := newQueue(s.URL+"/1/q", "", "eu-central-1", aws.Credentials{AccessKeyID: "key", SecretAccessKey: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"", trace} {
		ctx := context.WithValue(t.Context(), traceKey, want) //nolint:staticcheck,revive // as aws-lambda-go does
		if err := q.Send(ctx, "x"); err != nil {
			t.Fatal(err)
		}
		if g := <-got; g != want {
			t.Errorf("sent with the trace %q, want %q", g, want)
		}
	}
}
