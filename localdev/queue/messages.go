package queue

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"
)

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
	MessageGroupId         *string //nolint:revive // as on the wire
	MessageDeduplicationId *string //nolint:revive // as on the wire
}

type sendOutput struct {
	ID                     string `json:"Id,omitempty"`
	MessageID              string `json:"MessageId"`
	MD5OfMessageBody       string
	MD5OfMessageAttributes string `json:",omitempty"`
	SequenceNumber         string `json:",omitempty"`
}

// message is what is to be sent.
func (in *sendInput) message() (Message, error) {
	m := Message{Body: in.MessageBody, Attributes: map[string]Attribute{}}
	for _, id := range []struct {
		name  string
		given *string
		to    *string
	}{
		{"MessageGroupId", in.MessageGroupId, &m.Group},
		{"MessageDeduplicationId", in.MessageDeduplicationId, &m.Dedup},
	} {
		switch {
		case id.given == nil:
		case *id.given == "":
			return m, badID("", id.name)
		default:
			*id.to = *id.given
		}
	}
	if in.DelaySeconds != nil {
		d := time.Duration(*in.DelaySeconds) * time.Second
		m.Delay = &d
	}
	for k, a := range in.MessageAttributes {
		m.Attributes[k] = Attribute{Type: a.DataType, String: a.StringValue, Binary: a.BinaryValue}
	}
	return m, nil
}

// queue finds the queue of a request.
func (qs *Queues) queue(url string) (*Queue, error) {
	if url == "" {
		return nil, missing("QueueUrl")
	}
	return qs.Get(url)
}

func (qs *Queues) send(ctx context.Context, in sendInput) (sendOutput, error) {
	q, err := qs.queue(in.QueueUrl)
	if err != nil {
		return sendOutput{}, err
	}
	m, err := in.message()
	if err != nil {
		return sendOutput{}, err
	}
	m.Trace, _ = ctx.Value(traceKey{}).(string)
	sent, err := q.Send(m)
	return sendOutput{
		ID: in.ID, MessageID: sent.ID, MD5OfMessageBody: bodyMD5(m.Body),
		MD5OfMessageAttributes: attributesMD5(m.Attributes), SequenceNumber: sent.Sequence,
	}, err
}

type receiveInput struct {
	QueueUrl                    string //nolint:revive // as on the wire
	MaxNumberOfMessages         *int
	VisibilityTimeout           *int
	WaitTimeSeconds             int
	AttributeNames              []string
	MessageSystemAttributeNames []string
	MessageAttributeNames       []string
}

type receivedMessage struct {
	MessageID              string `json:"MessageId"`
	ReceiptHandle          string
	Body                   string
	MD5OfBody              string
	MD5OfMessageAttributes string                    `json:",omitempty"`
	Attributes             map[string]string         `json:",omitempty"`
	MessageAttributes      map[string]attributeValue `json:",omitempty"`
}

type receiveOutput struct {
	Messages []receivedMessage `json:",omitempty"`
}

// times reads what a receiver wants, and judges it.
func (in *receiveInput) times() (limit int, visibility *time.Duration, wait time.Duration, err error) {
	limit, wait = 1, time.Duration(in.WaitTimeSeconds)*time.Second
	if in.MaxNumberOfMessages != nil {
		limit = *in.MaxNumberOfMessages
	}
	if in.VisibilityTimeout != nil {
		d := time.Duration(*in.VisibilityTimeout) * time.Second
		visibility = &d
	}
	switch {
	case limit < 1 || limit > maxBatch:
		err = badValue(itoa(limit), "MaxNumberOfMessages", "Must be between 1 and 10, if provided.")
	case wait < 0 || wait > maxWait:
		err = badValue(itoa(in.WaitTimeSeconds), "WaitTimeSeconds", "Must be >= 0 and <= 20, if provided.")
	case visibility != nil && (*visibility < 0 || *visibility > maxVisible):
		err = badValue(itoa(*in.VisibilityTimeout), "VisibilityTimeout", "Must be between 0 and 43200, if provided.")
	}
	return limit, visibility, wait, err
}

func (qs *Queues) receive(ctx context.Context, in receiveInput) (receiveOutput, error) {
	q, err := qs.queue(in.QueueUrl)
	if err != nil {
		return receiveOutput{}, err
	}
	limit, visibility, wait, err := in.times()
	if err != nil {
		return receiveOutput{}, err
	}
	var out receiveOutput
	asked := slices.Concat(in.AttributeNames, in.MessageSystemAttributeNames)
	q.count(1, 0)
	for _, m := range q.Receive(ctx, limit, visibility, wait) {
		r := receivedMessage{
			MessageID: m.ID, ReceiptHandle: m.Receipt, Body: m.Body, MD5OfBody: bodyMD5(m.Body),
			Attributes: qs.system(m), MessageAttributes: map[string]attributeValue{},
		}
		maps.DeleteFunc(r.Attributes, func(k, _ string) bool { return !wanted(asked, k) })
		given := maps.Clone(m.Attributes)
		maps.DeleteFunc(given, func(k string, _ Attribute) bool { return !wanted(in.MessageAttributeNames, k) })
		for k, a := range given {
			r.MessageAttributes[k] = attributeValue{DataType: a.Type, StringValue: a.String, BinaryValue: a.Binary}
		}
		r.MD5OfMessageAttributes = attributesMD5(given)
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
	ID                string `json:"Id"`
	ReceiptHandle     string
	VisibilityTimeout *int
}

func (qs *Queues) remove(in receiptInput) (any, error) {
	q, err := qs.queue(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	if in.ReceiptHandle == "" {
		return nil, missing("ReceiptHandle")
	}
	q.count(1, 0)
	return struct{}{}, q.Delete(in.ReceiptHandle)
}

func (qs *Queues) change(in receiptInput) (any, error) {
	q, err := qs.queue(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	switch {
	case in.ReceiptHandle == "":
		return nil, missing("ReceiptHandle")
	case in.VisibilityTimeout == nil:
		return nil, missing("VisibilityTimeout")
	}
	q.count(1, 0)
	return struct{}{}, q.Hide(in.ReceiptHandle, time.Duration(*in.VisibilityTimeout)*time.Second)
}

// failure is an entry of a batch that was refused.
type failure struct {
	ID          string `json:"Id"`
	SenderFault bool
	Code        string
	Message     string
}

func failed(id string, err error) failure {
	e := asAPI(err)
	return failure{ID: id, SenderFault: true, Code: e.code, Message: e.message}
}

// batchOutput is what became of the entries of a batch.
type batchOutput struct {
	Successful []sendOutput
	Failed     []failure `json:",omitempty"`
}

// checkBatch judges the ids of a batch's entries. Of is how the query protocol calls an entry.
func checkBatch(ids []string, of string) error {
	switch {
	case len(ids) == 0:
		return emptyBatch.says("There should be at least one %s in the request.", of)
	case len(ids) > maxBatch:
		return tooMany.says("Maximum number of entries per request are %d. You have sent %d.", maxBatch, len(ids))
	}
	seen := map[string]bool{}
	for _, id := range ids {
		if !validEntryID(id) {
			return badEntryID.says(
				"A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 letters long.",
			)
		}
		if seen[id] {
			return repeatedEntry.says("Id %s repeated.", id)
		}
		seen[id] = true
	}
	return nil
}

func validEntryID(id string) bool {
	return id != "" && len(id) <= 80 && !strings.ContainsFunc(id, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && r != '-' && r != '_'
	})
}

type sendBatchInput struct {
	QueueUrl string //nolint:revive // as on the wire
	Entries  []sendInput
}

func (qs *Queues) sendBatch(ctx context.Context, in sendBatchInput) (any, error) {
	q, err := qs.queue(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	ids, size := make([]string, 0, len(in.Entries)), 0
	for _, e := range in.Entries {
		ids = append(ids, e.ID)
		m, _ := e.message() // an id that is wrong is the entry's failure, below
		size += m.size()
	}
	if err := checkBatch(ids, "SendMessageBatchRequestEntry"); err != nil {
		return nil, err
	}
	if size > maxMessage {
		return nil, batchTooLong.says(
			"Batch requests cannot be longer than %d bytes. You have sent %d bytes.", maxMessage, size,
		)
	}
	if err := checkBatchFIFO(q.configured(), in.Entries); err != nil {
		return nil, err
	}
	out := batchOutput{Successful: []sendOutput{}}
	for _, e := range in.Entries {
		e.QueueUrl = in.QueueUrl
		sent, err := qs.send(ctx, e)
		if err != nil {
			out.Failed = append(out.Failed, failed(e.ID, err))
			continue
		}
		out.Successful = append(out.Successful, sent)
	}
	return out, nil
}

// checkBatchFIFO judges what fails a whole batch, and not its entry alone, as recorded on AWS.
func checkBatchFIFO(s Spec, entries []sendInput) error {
	for _, e := range entries {
		switch {
		case !s.FIFO:
		case e.MessageGroupId == nil:
			return invalid.says("The request must contain the parameter MessageGroupId.")
		case e.MessageDeduplicationId == nil && !s.ContentDedup:
			return invalid.says(
				"The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly",
			)
		}
	}
	return nil
}

type receiptBatchInput struct {
	QueueUrl string //nolint:revive // as on the wire
	Entries  []receiptInput
}

func (qs *Queues) removeBatch(in receiptBatchInput) (any, error) {
	return qs.eachReceipt(in, "DeleteMessageBatchRequestEntry", qs.remove)
}

func (qs *Queues) changeBatch(in receiptBatchInput) (any, error) {
	return qs.eachReceipt(in, "ChangeMessageVisibilityBatchRequestEntry", qs.change)
}

// done is an entry of a batch that was carried out.
type done struct {
	ID string `json:"Id"`
}

// eachReceipt does something for each entry of a batch.
func (qs *Queues) eachReceipt(in receiptBatchInput, of string, do func(receiptInput) (any, error)) (any, error) {
	if _, err := qs.queue(in.QueueUrl); err != nil {
		return nil, err
	}
	ids := make([]string, 0, len(in.Entries))
	for _, e := range in.Entries {
		ids = append(ids, e.ID)
	}
	if err := checkBatch(ids, of); err != nil {
		return nil, err
	}
	out := struct {
		Successful []done
		Failed     []failure `json:",omitempty"`
	}{Successful: []done{}}
	for _, e := range in.Entries {
		e.QueueUrl = in.QueueUrl
		if _, err := do(e); err != nil {
			out.Failed = append(out.Failed, failed(e.ID, err))
			continue
		}
		out.Successful = append(out.Successful, done{e.ID})
	}
	return out, nil
}
