package queue

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Target is how the header X-Amz-Target of a request to SQS begins.
const Target = "AmazonSQS."

// maxRequest is the greatest request, in bytes: a batch of messages, in JSON.
const maxRequest = 8 << 20

func itoa(n int) string { return strconv.Itoa(n) }

// ServeHTTP is the API of SQS (AWS JSON 1.0), as far as senders and receivers use it. Requests must carry a
// signature, which is not verified.
func (qs *Queues) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !strings.HasPrefix(r.Header.Get("Authorization"), "AWS4-") {
		writeError(w, http.StatusForbidden, "MissingAuthenticationToken", "", "Missing Authentication Token")
		return
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxRequest))
	if err != nil {
		writeError(w, http.StatusBadRequest, "SerializationException", "", "the body could not be read")
		return
	}
	action := strings.TrimPrefix(r.Header.Get("X-Amz-Target"), Target)
	answer, err := qs.act(r.Context(), action, body)
	if err != nil {
		refuse(w, err)
		return
	}
	writeJSON(w, http.StatusOK, answer)
}

var (
	errAction = errors.New("queue: this operation is not emulated")
	errJSON   = errors.New("queue: the request is no JSON of this operation")
)

// act does an operation.
func (qs *Queues) act(ctx context.Context, action string, body []byte) (any, error) {
	switch action {
	case "SendMessage":
		return perform(body, func(in sendInput) (any, error) { return qs.send(in) })
	case "SendMessageBatch":
		return perform(body, qs.sendBatch)
	case "ReceiveMessage":
		return perform(body, func(in receiveInput) (any, error) { return qs.receive(ctx, in) })
	case "DeleteMessage":
		return perform(body, qs.remove)
	case "DeleteMessageBatch":
		return perform(body, qs.removeBatch)
	case "ChangeMessageVisibility":
		return perform(body, qs.change)
	case "GetQueueUrl":
		return perform(body, qs.getURL)
	case "GetQueueAttributes":
		return perform(body, qs.getAttributes)
	case "ListQueues":
		return perform(body, qs.list)
	case "PurgeQueue":
		return perform(body, qs.purge)
	default:
		return nil, fmt.Errorf("%s: %w", action, errAction)
	}
}

func perform[In any](body []byte, do func(In) (any, error)) (any, error) {
	var in In
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, fmt.Errorf("%w: %w", errJSON, err)
	}
	return do(in)
}

// attributeValue is a message attribute on the wire.
type attributeValue struct {
	DataType    string
	StringValue string `json:",omitempty"`
	BinaryValue []byte `json:",omitempty"`
}

type sendInput struct {
	QueueUrl               string //nolint:revive // as on the wire
	ID                     string `json:"Id"`
	MessageBody            string
	DelaySeconds           *int
	MessageAttributes      map[string]attributeValue
	MessageGroupId         string //nolint:revive // as on the wire
	MessageDeduplicationId string //nolint:revive // as on the wire
}

type sendOutput struct {
	ID                     string `json:"Id,omitempty"`
	MessageID              string `json:"MessageId"`
	MD5OfMessageBody       string
	MD5OfMessageAttributes string `json:",omitempty"`
	SequenceNumber         string `json:",omitempty"`
}

func (qs *Queues) send(in sendInput) (sendOutput, error) {
	q, err := qs.Get(in.QueueUrl)
	if err != nil {
		return sendOutput{}, err
	}
	m := Message{Body: in.MessageBody, Group: in.MessageGroupId, Dedup: in.MessageDeduplicationId, Attributes: map[string]Attribute{}}
	if in.DelaySeconds != nil {
		d := time.Duration(*in.DelaySeconds) * time.Second
		m.Delay = &d
	}
	for k, a := range in.MessageAttributes {
		m.Attributes[k] = Attribute{Type: a.DataType, String: a.StringValue, Binary: a.BinaryValue}
	}
	sent, err := q.Send(m)
	return sendOutput{
		ID: in.ID, MessageID: sent.ID, MD5OfMessageBody: bodyMD5(m.Body), MD5OfMessageAttributes: attributesMD5(m.Attributes), SequenceNumber: sent.Sequence,
	}, err
}

// failure is an entry of a batch that was refused.
type failure struct {
	ID          string `json:"Id"`
	SenderFault bool
	Code        string
	Message     string
}

func failed(id string, err error) failure {
	_, code, _ := errorOf(err)
	return failure{ID: id, SenderFault: true, Code: code, Message: err.Error()}
}

type sendBatchOutput struct {
	Successful []sendOutput
	Failed     []failure `json:",omitempty"`
}

func (qs *Queues) sendBatch(in struct {
	QueueUrl string //nolint:revive // as on the wire
	Entries  []sendInput
},
) (any, error) {
	if _, err := qs.Get(in.QueueUrl); err != nil {
		return nil, err
	}
	ids, size := map[string]bool{}, 0
	for _, e := range in.Entries {
		ids[e.ID] = true
		size += len(e.MessageBody)
	}
	if len(in.Entries) == 0 || len(in.Entries) > MaxBatch || len(ids) < len(in.Entries) || size > MaxMessage {
		return nil, fmt.Errorf("a batch has 1 to 10 entries with ids of their own, and 1 MiB at most: %w", ErrInvalid)
	}
	out := sendBatchOutput{Successful: []sendOutput{}}
	for _, e := range in.Entries {
		e.QueueUrl = in.QueueUrl
		sent, err := qs.send(e)
		if err != nil {
			out.Failed = append(out.Failed, failed(e.ID, err))
			continue
		}
		out.Successful = append(out.Successful, sent)
	}
	return out, nil
}

type receiveInput struct {
	QueueUrl                    string //nolint:revive // as on the wire
	MaxNumberOfMessages         int
	VisibilityTimeout           *int
	WaitTimeSeconds             int
	AttributeNames              []string
	MessageSystemAttributeNames []string
	MessageAttributeNames       []string
}

type receivedMessage struct {
	MessageID         string `json:"MessageId"`
	ReceiptHandle     string
	Body              string
	MD5OfBody         string
	Attributes        map[string]string         `json:",omitempty"`
	MessageAttributes map[string]attributeValue `json:",omitempty"`
}

type receiveOutput struct {
	Messages []receivedMessage `json:",omitempty"`
}

func (qs *Queues) receive(ctx context.Context, in receiveInput) (receiveOutput, error) {
	q, err := qs.Get(in.QueueUrl)
	if err != nil {
		return receiveOutput{}, err
	}
	limit, wait := cmp.Or(in.MaxNumberOfMessages, 1), time.Duration(in.WaitTimeSeconds)*time.Second
	if limit < 1 || limit > MaxBatch || wait < 0 || wait > maxWait {
		return receiveOutput{}, fmt.Errorf("MaxNumberOfMessages must be 1 to 10, WaitTimeSeconds 0 to 20: %w", ErrInvalid)
	}
	var visibility *time.Duration
	if in.VisibilityTimeout != nil {
		d := time.Duration(*in.VisibilityTimeout) * time.Second
		visibility = &d
	}
	var out receiveOutput
	asked := slices.Concat(in.AttributeNames, in.MessageSystemAttributeNames)
	for _, m := range q.Receive(ctx, limit, visibility, wait) {
		r := receivedMessage{
			MessageID: m.ID, ReceiptHandle: m.Receipt, Body: m.Body, MD5OfBody: bodyMD5(m.Body),
			Attributes: qs.system(m), MessageAttributes: map[string]attributeValue{},
		}
		maps.DeleteFunc(r.Attributes, func(k, _ string) bool { return !wanted(asked, k) })
		for k, a := range m.Attributes {
			if wanted(in.MessageAttributeNames, k) {
				r.MessageAttributes[k] = attributeValue{DataType: a.Type, StringValue: a.String, BinaryValue: a.Binary}
			}
		}
		out.Messages = append(out.Messages, r)
	}
	return out, nil
}

// wanted reports whether a list of names asks for one of them: by itself, by "All", or by a beginning as "a.*".
func wanted(asked []string, name string) bool {
	return slices.ContainsFunc(asked, func(a string) bool {
		prefix, pattern := strings.CutSuffix(a, ".*")
		return a == name || a == "All" || pattern && strings.HasPrefix(name, prefix)
	})
}

type receiptInput struct {
	QueueUrl          string //nolint:revive // as on the wire
	ReceiptHandle     string
	VisibilityTimeout int
}

func (qs *Queues) remove(in receiptInput) (any, error) {
	q, err := qs.Get(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	q.Delete(in.ReceiptHandle)
	return struct{}{}, nil
}

func (qs *Queues) removeBatch(in struct {
	QueueUrl string //nolint:revive // as on the wire
	Entries  []struct {
		ID            string `json:"Id"`
		ReceiptHandle string
	}
},
) (any, error) {
	q, err := qs.Get(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	type done struct {
		ID string `json:"Id"`
	}
	out := struct{ Successful []done }{[]done{}}
	for _, e := range in.Entries {
		q.Delete(e.ReceiptHandle)
		out.Successful = append(out.Successful, done{e.ID})
	}
	return out, nil
}

func (qs *Queues) change(in receiptInput) (any, error) {
	q, err := qs.Get(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	return struct{}{}, q.Hide(in.ReceiptHandle, time.Duration(in.VisibilityTimeout)*time.Second)
}

func (qs *Queues) getURL(in struct{ QueueName string }) (any, error) {
	if _, err := qs.Get(in.QueueName); err != nil {
		return nil, err
	}
	return struct {
		QueueURL string `json:"QueueUrl"`
	}{qs.URL(in.QueueName)}, nil
}

func (qs *Queues) list(in struct{ QueueNamePrefix string }) (any, error) {
	out := struct {
		QueueURLs []string `json:"QueueUrls"`
	}{[]string{}}
	for _, q := range qs.all {
		if strings.HasPrefix(q.spec.Name, in.QueueNamePrefix) {
			out.QueueURLs = append(out.QueueURLs, qs.URL(q.spec.Name))
		}
	}
	return out, nil
}

func (qs *Queues) purge(in receiptInput) (any, error) {
	q, err := qs.Get(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	q.Purge()
	return struct{}{}, nil
}

func (qs *Queues) getAttributes(in struct {
	QueueUrl       string //nolint:revive // as on the wire
	AttributeNames []string
},
) (any, error) {
	q, err := qs.Get(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	s, c := q.spec, q.Stats()
	seconds := func(d time.Duration) string { return itoa(int(d / time.Second)) }
	all := map[string]string{
		"QueueArn": qs.arn(s.Name), "ApproximateNumberOfMessages": itoa(c.Visible), "ApproximateNumberOfMessagesNotVisible": itoa(c.Hidden),
		"ApproximateNumberOfMessagesDelayed": itoa(c.Delayed), "VisibilityTimeout": seconds(s.Visibility), "DelaySeconds": seconds(s.Delay),
		"MessageRetentionPeriod": seconds(s.Retention), "MaximumMessageSize": itoa(MaxMessage),
	}
	if s.FIFO {
		all["FifoQueue"], all["ContentBasedDeduplication"] = "true", strconv.FormatBool(s.ContentDedup)
	}
	if s.DeadLetters != "" {
		all["RedrivePolicy"] = fmt.Sprintf(`{"deadLetterTargetArn":%q,"maxReceiveCount":%d}`, qs.arn(s.DeadLetters), s.MaxReceives)
	}
	maps.DeleteFunc(all, func(k, _ string) bool { return !wanted(in.AttributeNames, k) })
	return struct{ Attributes map[string]string }{all}, nil
}
