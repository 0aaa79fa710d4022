package boot

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

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
	// maxAnswer bounds what is read of an answer.
	maxAnswer = 4 << 10
)

// Calls go on with the trace of the invocation that makes them, as those of AWS's own clients do: X-Ray puts the two
// together by it, and Lambda finds functions that call themselves.
const (
	traceHeader = "X-Amzn-Trace-Id"
	traceKey    = "x-amzn-trace-id" // by which aws-lambda-go puts it into a context
)

// Queue sends messages to one queue of SQS. It speaks the one call that is needed by itself: a client of the SDK would
// double what the functions take to load for it. Safe for concurrent use.
type Queue struct {
	url      string // the queue
	endpoint string // where calls go
	region   string
	keys     aws.Credentials
	client   *http.Client
	signer   *v4.Signer
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
	return &Queue{
		url: queueURL, endpoint: endpoint, region: region, keys: keys, signer: v4.NewSigner(),
		client: &http.Client{Timeout: sendTime, Transport: &http.Transport{
			Proxy:               http.ProxyFromEnvironment,
			DialContext:         (&net.Dialer{Timeout: 2 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
			TLSHandshakeTimeout: 2 * time.Second,
			MaxIdleConnsPerHost: 16,
			IdleConnTimeout:     60 * time.Second,
		}},
	}, nil
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
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, q.endpoint+"/", bytes.NewReader(body))
	if err != nil {
		return false, fmt.Errorf("make request: %w", err)
	}
	req.Header.Set("Content-Type", "application/x-amz-json-1.0")
	req.Header.Set("X-Amz-Target", "AmazonSQS."+action)
	if trace, ok := ctx.Value(traceKey).(string); ok && trace != "" {
		req.Header.Set(traceHeader, trace)
	}
	sum := sha256.Sum256(body)
	if err := q.signer.SignHTTP(ctx, q.keys, req, hex.EncodeToString(sum[:]), "sqs", q.region, time.Now()); err != nil {
		return false, fmt.Errorf("sign request: %w", err)
	}
	res, err := q.client.Do(req)
	if err != nil {
		return true, err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return true, fmt.Errorf("read answer: %w", err)
	}
	if res.StatusCode == http.StatusOK {
		return false, nil
	}
	return retryable(res.StatusCode, answer), fmt.Errorf("SQS answered %s: %s", res.Status, refusal(answer))
}

// refusal is what an answer says, for logs: the name of the exception and its message. An answer that is not one of SQS
// is returned as it is.
func refusal(answer []byte) string {
	var e struct {
		Type    string `json:"__type"`
		Message string `json:"message"` // for want of a right it is "Message", which is taken too
	}
	if json.Unmarshal(answer, &e) != nil || e.Message == "" {
		return string(answer)
	}
	return e.Type[strings.LastIndexByte(e.Type, '#')+1:] + ": " + e.Message
}

// retryable reports whether an answer is about the moment, and not about the message.
func retryable(status int, answer []byte) bool {
	return status >= http.StatusInternalServerError || status == http.StatusTooManyRequests ||
		bytes.Contains(answer, []byte("Throttl"))
}
