package queue

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"
)

// client is the SDK's own, which verifies the checksums of what it sends and receives.
func client(t *testing.T, specs ...Spec) (*sqs.Client, *Queues) {
	t.Helper()
	var qs *Queues
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { qs.ServeHTTP(w, r) }))
	t.Cleanup(server.Close)
	qs, err := New(Config{Base: server.URL, Region: "local", Queues: specs})
	if err != nil {
		t.Fatal(err)
	}
	return sqs.New(sqs.Options{
		Region: "local", BaseEndpoint: &server.URL, Retryer: aws.NopRetryer{},
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "local", SecretAccessKey: "local"}, nil
		}),
	}), qs
}

func urlOf(t *testing.T, c *sqs.Client, name string) *string {
	t.Helper()
	out, err := c.GetQueueUrl(t.Context(), &sqs.GetQueueUrlInput{QueueName: &name})
	if err != nil {
		t.Fatal(err)
	}
	return out.QueueUrl
}

func TestSDK(t *testing.T) {
	c, _ := client(t, Spec{Name: "q", Visibility: 30e9, DeadLetters: "dead", MaxReceives: 5}, Spec{Name: "dead"})
	q := urlOf(t, c, "q")
	sent, err := c.SendMessage(
		t.Context(),
		&sqs.SendMessageInput{
			QueueUrl: q, MessageBody: new("hello"),
			MessageAttributes: map[string]types.MessageAttributeValue{
				"s": {
					DataType: new("String"), StringValue: new("x"),
				},
				"b": {DataType: new("Binary"), BinaryValue: []byte{1, 2}},
			},
		},
	)
	if err != nil {
		t.Fatal(err)
	}
	got, err := c.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{
		QueueUrl: q, WaitTimeSeconds: 1, MessageAttributeNames: []string{"All"},
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{
			types.MessageSystemAttributeNameApproximateReceiveCount,
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	m := got.Messages[0]
	if *m.MessageId != *sent.MessageId || *m.Body != "hello" || m.Attributes["ApproximateReceiveCount"] != "1" ||
		len(m.Attributes) != 1 ||
		*m.MessageAttributes["s"].StringValue != "x" ||
		string(m.MessageAttributes["b"].BinaryValue) != "\x01\x02" {
		t.Errorf("received %+v", m)
	}
	attributes, err := c.GetQueueAttributes(
		t.Context(),
		&sqs.GetQueueAttributesInput{
			QueueUrl: q, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameAll},
		},
	)
	if err != nil {
		t.Fatal(err)
	}
	if a := attributes.Attributes; a["ApproximateNumberOfMessagesNotVisible"] != "1" ||
		a["QueueArn"] != "arn:aws:sqs:local:000000000000:q" ||
		a["VisibilityTimeout"] != "30" ||
		!strings.Contains(a["RedrivePolicy"], `"maxReceiveCount":5`) {
		t.Errorf("attributes = %v", a)
	}
	if _, err := c.ChangeMessageVisibility(
		t.Context(),
		&sqs.ChangeMessageVisibilityInput{QueueUrl: q, ReceiptHandle: m.ReceiptHandle, VisibilityTimeout: 0},
	); err != nil {
		t.Fatal(err)
	}
	again, err := c.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: q})
	if err != nil || len(again.Messages) != 1 {
		t.Fatalf("received %+v, %v, want it again", again, err)
	}
	if _, err := c.DeleteMessage(
		t.Context(), &sqs.DeleteMessageInput{QueueUrl: q, ReceiptHandle: again.Messages[0].ReceiptHandle},
	); err != nil {
		t.Fatal(err)
	}
	list, err := c.ListQueues(t.Context(), &sqs.ListQueuesInput{QueueNamePrefix: new("d")})
	if err != nil || len(list.QueueUrls) != 1 || !strings.HasSuffix(list.QueueUrls[0], "/dead") {
		t.Errorf("queues = %+v, %v", list, err)
	}
}

// Dead letters are moved back by the SDK's calls.
func TestSDKMovesDeadLetters(t *testing.T) {
	c, qs := client(t, Spec{Name: "q", DeadLetters: "dead", MaxReceives: 1}, Spec{Name: "dead"})
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		qs.Move(ctx)
	}()
	defer func() {
		stop()
		<-ended
	}()
	q := urlOf(t, c, "q")
	if _, err := c.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: q, MessageBody: new("x")}); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time it is dead
		if _, err := c.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: q}); err != nil {
			t.Fatal(err)
		}
	}
	started, err := c.StartMessageMoveTask(
		ctx, &sqs.StartMessageMoveTaskInput{SourceArn: new(deadARN), DestinationArn: new(qs.arn("q"))},
	)
	if err != nil || *started.TaskHandle == "" {
		t.Fatalf("started %+v, %v", started, err)
	}
	got, err := c.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: q, WaitTimeSeconds: 10})
	if err != nil || len(got.Messages) != 1 || *got.Messages[0].Body != "x" {
		t.Fatalf("received %+v, %v", got, err)
	}
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		list, err := c.ListMessageMoveTasks(ctx, &sqs.ListMessageMoveTasksInput{SourceArn: new(deadARN)})
		if err != nil || len(list.Results) != 1 || time.Now().After(end) {
			t.Fatalf("tasks = %+v, %v", list, err)
		}
		if r := list.Results[0]; *r.Status == moveCompleted {
			if r.ApproximateNumberOfMessagesMoved != 1 || *r.ApproximateNumberOfMessagesToMove != 1 ||
				r.StartedTimestamp == 0 ||
				r.TaskHandle != nil {
				t.Errorf("task = %+v", r)
			}
			return
		}
	}
}

func TestSDKBatches(t *testing.T) {
	c, _ := client(t, Spec{Name: "q.fifo", FIFO: true, Visibility: 30e9})
	q := urlOf(t, c, "q.fifo")
	entry := func(id, group string) types.SendMessageBatchRequestEntry {
		e := types.SendMessageBatchRequestEntry{Id: &id, MessageBody: &id, MessageDeduplicationId: &id}
		if group != "" {
			e.MessageGroupId = &group
		}
		return e
	}
	out, err := c.SendMessageBatch(
		t.Context(),
		&sqs.SendMessageBatchInput{
			QueueUrl: q,
			Entries:  []types.SendMessageBatchRequestEntry{entry("1", "g"), entry("2", "a group"), entry("3", "g")},
		},
	)
	if err != nil || len(out.Successful) != 2 || len(out.Failed) != 1 || *out.Failed[0].Id != "2" ||
		*out.Failed[0].Code != "InvalidParameterValue" ||
		*out.Successful[1].SequenceNumber == "" {
		t.Fatalf("sent %+v, %v", out, err)
	}
	got, err := c.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: q, MaxNumberOfMessages: 10})
	if err != nil || len(got.Messages) != 2 || *got.Messages[0].Body != "1" || *got.Messages[1].Body != "3" {
		t.Fatalf("received %+v, %v", got, err)
	}
	var done []types.DeleteMessageBatchRequestEntry
	for _, m := range got.Messages {
		done = append(done, types.DeleteMessageBatchRequestEntry{Id: m.MessageId, ReceiptHandle: m.ReceiptHandle})
	}
	if out, err := c.DeleteMessageBatch(
		t.Context(), &sqs.DeleteMessageBatchInput{QueueUrl: q, Entries: done},
	); err != nil ||
		len(out.Successful) != 2 {
		t.Errorf("deleted %+v, %v", out, err)
	}
	if _, err := c.SendMessageBatch(
		t.Context(),
		&sqs.SendMessageBatchInput{
			QueueUrl: q, Entries: []types.SendMessageBatchRequestEntry{entry("1", "g"), entry("1", "g")},
		},
	); err == nil {
		t.Error("two entries of one id were taken")
	}
}

func TestSDKErrors(t *testing.T) {
	c, _ := client(t, Spec{Name: "q"})
	q := urlOf(t, c, "q")
	_, err := c.GetQueueUrl(t.Context(), &sqs.GetQueueUrlInput{QueueName: new("other")})
	if _, ok := errors.AsType[*types.QueueDoesNotExist](err); !ok {
		t.Errorf("unknown queue: %v", err)
	}
	_, err = c.ChangeMessageVisibility(
		t.Context(), &sqs.ChangeMessageVisibilityInput{QueueUrl: q, ReceiptHandle: new("x")},
	)
	if _, ok := errors.AsType[*types.ReceiptHandleIsInvalid](err); !ok {
		t.Errorf("unknown receipt: %v", err)
	}
	for name, in := range map[string]*sqs.SendMessageInput{
		"too large": {QueueUrl: q, MessageBody: new(strings.Repeat("x", maxMessage+1))},
		"delay":     {QueueUrl: q, MessageBody: new("x"), DelaySeconds: 901},
	} {
		_, err := c.SendMessage(t.Context(), in)
		if api, ok := errors.AsType[smithy.APIError](err); !ok || api.ErrorCode() != "InvalidParameterValue" {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err = c.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: new("new")})
	if _, ok := errors.AsType[*types.UnsupportedOperation](err); !ok {
		t.Errorf("not emulated: %v", err)
	}
}

func TestUnsignedIsRefused(t *testing.T) {
	_, qs := client(t, Spec{Name: "q"})
	w := httptest.NewRecorder()
	r := httptest.NewRequest("POST", "/", strings.NewReader(`{"QueueUrl":"q","MessageBody":"a"}`))
	r.Header.Set("X-Amz-Target", "AmazonSQS.SendMessage")
	qs.ServeHTTP(w, r)
	if w.Code != 403 || qs.all[0].Stats().Sent != 0 {
		t.Errorf("status = %d, %+v", w.Code, qs.all[0].Stats())
	}
}
