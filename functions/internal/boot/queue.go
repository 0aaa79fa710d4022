package boot

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/nonstick-io/nonstick/internal/again"
)

// ErrNotSent says that a message may not have reached its queue.
var ErrNotSent = errors.New("boot: message not sent")

const (
	// sendTime bounds one attempt to send a message.
	sendTime = 3 * time.Second
	// sendAttempts is how often a message is tried. One that was sent twice is harmless: the caller that receives it
	// has to claim it.
	sendAttempts = 3
)

// Queue sends messages to one queue of SQS. It speaks the few calls that are needed by itself: a client of the SDK
// would double what the functions take to load for it. Safe for concurrent use.
type Queue struct {
	url string // the queue
	to  *service
}

// newQueue returns the queue of a URL. An empty endpoint means that of the URL.
func newQueue(queueURL, endpoint, region string, keys aws.Credentials) (*Queue, error) {
	u, err := url.Parse(queueURL)
	if err != nil {
		return nil, fmt.Errorf("parse the queue's URL: %w", err)
	}
	if endpoint == "" {
		endpoint = u.Scheme + "://" + u.Host
	}
	return &Queue{url: queueURL, to: newService("SQS", "sqs", endpoint, region, keys)}, nil
}

// call is SQS's SendMessage.
type call struct {
	QueueURL string `json:"QueueUrl"`
	Body     string `json:"MessageBody"`
	Delay    int    `json:"DelaySeconds,omitempty"`
	Group    string `json:"MessageGroupId,omitempty"`
	Key      string `json:"MessageDeduplicationId,omitempty"`
}

// Send sends a message, and tries again while that may help. The error matches [ErrNotSent].
func (q *Queue) Send(ctx context.Context, message string) error {
	return q.patiently(ctx, call{QueueURL: q.url, Body: message})
}

// SendLater is Send for a message that is to arrive after d, in whole seconds up to 15 minutes.
func (q *Queue) SendLater(ctx context.Context, message string, d time.Duration) error {
	return q.patiently(ctx, call{QueueURL: q.url, Body: message, Delay: int(d / time.Second)})
}

// Delete removes messages that were received, up to ten, by their receipt handles. Removing what is gone is no error.
func (q *Queue) Delete(ctx context.Context, receipts []string) error {
	type entry struct {
		ID            string `json:"Id"`
		ReceiptHandle string `json:"ReceiptHandle"`
	}
	c := struct {
		QueueURL string  `json:"QueueUrl"`
		Entries  []entry `json:"Entries"`
	}{QueueURL: q.url}
	for i, r := range receipts {
		c.Entries = append(c.Entries, entry{strconv.Itoa(i), r})
	}
	body, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("boot: delete messages: encode: %w", err)
	}
	if _, err := q.send(ctx, "DeleteMessageBatch", body); err != nil {
		return fmt.Errorf("boot: delete messages: %w", err)
	}
	return nil
}

// Return lets a message that was received be delivered again after d, in whole seconds, and not only when its
// visibility timeout has passed.
func (q *Queue) Return(ctx context.Context, receipt string, d time.Duration) error {
	body, err := json.Marshal(struct {
		QueueURL          string `json:"QueueUrl"`
		ReceiptHandle     string `json:"ReceiptHandle"`
		VisibilityTimeout int    `json:"VisibilityTimeout"`
	}{q.url, receipt, int(d / time.Second)})
	if err != nil {
		return fmt.Errorf("boot: return message: encode: %w", err)
	}
	if _, err := q.send(ctx, "ChangeMessageVisibility", body); err != nil {
		return fmt.Errorf("boot: return message: %w", err)
	}
	return nil
}

func (q *Queue) patiently(ctx context.Context, c call) error {
	body, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("%w: encode: %w", ErrNotSent, err)
	}
	for tries := again.Times(sendAttempts); tries.Next(ctx); {
		var worth bool
		if worth, err = q.send(ctx, "SendMessage", body); err == nil {
			return nil
		}
		if !worth {
			break
		}
	}
	return fmt.Errorf("%w: %w", ErrNotSent, err)
}

// send makes one attempt. It is worth another one if that may succeed.
func (q *Queue) send(ctx context.Context, action string, body []byte) (worth bool, err error) {
	_, worth, err = q.to.call(ctx, awsJSON("1.0", "AmazonSQS."+action), body)
	return worth, err
}
