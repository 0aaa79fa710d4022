package boot

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/nonstick-io/nonstick/gateway/eventsout"
	"github.com/nonstick-io/nonstick/internal/again"
)

// The variables that say which events of sockets are told, and where.
const (
	eventsToVariable  = "NONSTICK_EVENTS_TO"
	eventsOutVariable = "NONSTICK_EVENTS_OUT"
	// defaultEventsOut is what is told unless that is said.
	defaultEventsOut = "connect,disconnect,join,leave"
	// maxEventsOut bounds that list, in bytes: all variables of a function have 4 KB.
	maxEventsOut = 240
)

// What one call takes: of each service ten messages, and 256 KB or more, of which what surrounds a message takes some.
const (
	batchMessages = 10
	batchBytes    = 192 << 10
	// batchesAtOnce is how many calls are made at a time where no order is kept.
	batchesAtOnce = 4
	// eventTime bounds one attempt, so that a connection that hangs leaves time for another.
	eventTime = time.Second
)

// eventsTo is the form of the ARN of a queue, a topic or an event bus.
var eventsTo = regexp.MustCompile(`^arn:(aws[a-z-]*):(?:(sqs|sns):([a-z0-9-]+):([0-9]{12}):([A-Za-z0-9_-]{1,75}` +
	`(?:[.]fifo)?)|(events):([a-z0-9-]+):[0-9]{12}:event-bus/[A-Za-z0-9._/-]{1,160})$`)

// Events reads which events of sockets are told, and where.
func (p *Parts) Events() eventsout.Config {
	arn := p.Env.Given(eventsToVariable, "off")
	list := p.Env.Given(eventsOutVariable, defaultEventsOut)
	what, err := eventsout.ParseWhat(list)
	if err == nil && len(list) > maxEventsOut {
		err = fmt.Errorf("want at most %d bytes", maxEventsOut)
	}
	if err != nil {
		p.Env.Fail(eventsOutVariable, "%v", err)
	}
	if arn == "off" {
		return eventsout.Config{}
	}
	m := eventsTo.FindStringSubmatch(arn)
	if m == nil {
		p.Env.Fail(eventsToVariable, "want off, or the ARN of a queue of SQS, a topic of SNS or an event bus")
		return eventsout.Config{}
	}
	return eventsout.Config{What: what, Sink: p.sink(arn, m)}
}

// sink makes the Sink of an ARN, by its parts.
func (p *Parts) sink(arn string, parts []string) eventsout.Sink {
	suffix := "amazonaws.com"
	if parts[1] == "aws-cn" {
		suffix = "amazonaws.com.cn"
	}
	at := func(name, variable, signs, region string) *service {
		endpoint := p.endpoint(variable)
		if endpoint == "" {
			endpoint = "https://" + signs + "." + region + "." + suffix
		}
		return newService(name, signs, endpoint, region, p.keys)
	}
	fifo := strings.HasSuffix(arn, ".fifo")
	region := parts[3]
	switch parts[2] {
	case "sqs":
		to := at("SQS", "SQS", "sqs", region)
		return &sink{fifo, sqsEvents{to, to.endpoint + "/" + parts[4] + "/" + parts[5], fifo}.send}
	case "sns":
		return &sink{fifo, snsEvents{at("SNS", "SNS", "sns", region), arn, fifo}.send}
	default:
		return &sink{false, busEvents{at("EventBridge", "EVENTBRIDGE", "events", parts[7]), arn}.send}
	}
}

// sink sends messages in batches.
type sink struct {
	ordered bool
	// send makes one call. If that was answered, each message that was not taken has its failure in the map, by its
	// index.
	send func(context.Context, []eventsout.Message) (failed map[int]failure, worth bool, err error)
}

// failure is why a service did not take a message of a batch.
type failure struct {
	err   error
	final bool // it will not take it another time
}

var _ eventsout.Sink = (*sink)(nil)

// Publish implements [eventsout.Sink].
func (s *sink) Publish(
	ctx context.Context, messages []eventsout.Message,
) (lost []eventsout.Message, err error) {
	var mu sync.Mutex
	var errs []error
	var group errgroup.Group
	group.SetLimit(batchesAtOnce)
	if s.ordered {
		group.SetLimit(1)
	}
	for len(messages) > 0 {
		n := batchOf(messages)
		batch := messages[:n]
		messages = messages[n:]
		group.Go(func() error {
			l, err := s.deliver(ctx, batch)
			mu.Lock()
			defer mu.Unlock()
			lost = append(lost, l...)
			if err != nil && len(errs) < batchesAtOnce {
				errs = append(errs, err)
			}
			return nil
		})
	}
	_ = group.Wait() // errs has the errors
	return lost, errors.Join(errs...)
}

// batchOf is how many of the messages go into one call.
func batchOf(messages []eventsout.Message) int {
	bytes := 0
	for i := range messages {
		bytes += len(messages[i].Body)
		if i == batchMessages || i > 0 && bytes > batchBytes {
			return i
		}
	}
	return len(messages)
}

// deliver sends a batch, and of it again what may be taken another time, as long as there is time.
func (s *sink) deliver(
	ctx context.Context, batch []eventsout.Message,
) (lost []eventsout.Message, err error) {
	var last error
	for tries := again.Unbounded(); tries.Next(ctx); {
		failed, worth, e := s.attempt(ctx, batch)
		if e != nil {
			if last = e; !worth {
				break
			}
			continue
		}
		var rest []eventsout.Message
		for i, m := range batch {
			f, no := failed[i]
			switch {
			case !no:
			case f.final:
				lost, err = append(lost, m), errors.Join(err, f.err)
			default:
				rest, last = append(rest, m), f.err
			}
		}
		if batch = rest; len(batch) == 0 {
			return lost, err
		}
	}
	return append(lost, batch...), errors.Join(err, last)
}

func (s *sink) attempt(
	ctx context.Context, batch []eventsout.Message,
) (failed map[int]failure, worth bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, eventTime)
	defer cancel()
	return s.send(ctx, batch)
}

// errBatch is an answer to a batch that says something else than what the service is known to say.
var errBatch = errors.New("boot: answer to a batch not understood")

// sqsEvents is a queue of SQS.
type sqsEvents struct {
	to   *service
	url  string
	fifo bool
}

func (q sqsEvents) send(
	ctx context.Context, batch []eventsout.Message,
) (failed map[int]failure, worth bool, err error) {
	type entry struct {
		ID    string `json:"Id"`
		Body  string `json:"MessageBody"`
		Group string `json:"MessageGroupId,omitempty"`
		Key   string `json:"MessageDeduplicationId,omitempty"`
	}
	in := struct {
		QueueURL string  `json:"QueueUrl"`
		Entries  []entry `json:"Entries"`
	}{QueueURL: q.url}
	for i, m := range batch {
		e := entry{ID: strconv.Itoa(i), Body: m.Body}
		if q.fifo {
			e.Group, e.Key = m.Group, m.ID
		}
		in.Entries = append(in.Entries, e)
	}
	body, err := json.Marshal(in)
	if err != nil {
		return nil, false, fmt.Errorf("boot: encode events: %w", err)
	}
	answer, worth, err := q.to.call(ctx, awsJSON("1.0", "AmazonSQS.SendMessageBatch"), body)
	if err != nil {
		return nil, worth, err
	}
	var out struct {
		Failed []struct {
			ID          string `json:"Id"`
			Code        string `json:"Code"`
			Message     string `json:"Message"`
			SenderFault bool   `json:"SenderFault"`
		} `json:"Failed"`
	}
	if err := json.Unmarshal(answer, &out); err != nil {
		return nil, true, fmt.Errorf("%w: %w", errBatch, err)
	}
	failed = map[int]failure{}
	for _, f := range out.Failed {
		i, err := strconv.Atoi(f.ID)
		if err != nil {
			return nil, true, fmt.Errorf("%w: message %q", errBatch, f.ID)
		}
		failed[i] = failure{fmt.Errorf("SQS did not take a message: %s: %s", f.Code, f.Message), f.SenderFault}
	}
	return failed, false, nil
}

// snsEvents is a topic of SNS, which speaks the query protocol.
type snsEvents struct {
	to   *service
	arn  string
	fifo bool
}

// What the answer to a batch says of messages that were not taken. It is XML, of which this needs so little that what
// reads XML, a third of a megabyte, is left out of the program.
var (
	snsFailed = regexp.MustCompile(`(?s)<Failed>(.*?)</Failed>`)
	snsMember = regexp.MustCompile(`(?s)<member>(.*?)</member>`)
	snsID     = regexp.MustCompile(`<Id>\s*([0-9]{1,3})\s*</Id>`)
)

func (t snsEvents) send(
	ctx context.Context, batch []eventsout.Message,
) (failed map[int]failure, worth bool, err error) {
	in := url.Values{"Action": {"PublishBatch"}, "Version": {"2010-03-31"}, "TopicArn": {t.arn}}
	for i, m := range batch {
		entry := "PublishBatchRequestEntries.member." + strconv.Itoa(i+1) + "."
		in.Set(entry+"Id", strconv.Itoa(i))
		in.Set(entry+"Message", m.Body)
		if t.fifo {
			in.Set(entry+"MessageGroupId", m.Group)
			in.Set(entry+"MessageDeduplicationId", m.ID)
		}
	}
	header := http.Header{"Content-Type": {"application/x-www-form-urlencoded; charset=utf-8"}}
	answer, worth, err := t.to.call(ctx, header, []byte(in.Encode()))
	if err != nil {
		return nil, worth, err
	}
	failed = map[int]failure{}
	list := snsFailed.FindSubmatch(answer)
	if list == nil {
		return failed, false, nil
	}
	for _, member := range snsMember.FindAllSubmatch(list[1], -1) {
		id := snsID.FindSubmatch(member[1])
		if id == nil {
			return nil, true, fmt.Errorf("%w: %s", errBatch, member[1])
		}
		i, _ := strconv.Atoi(string(id[1])) // few digits
		failed[i] = failure{
			fmt.Errorf("SNS did not take a message: %s", member[1]),
			bytes.Contains(member[1], []byte("<SenderFault>true</SenderFault>")),
		}
	}
	return failed, false, nil
}

// busEvents is an event bus of EventBridge.
type busEvents struct {
	to  *service
	arn string
}

// eventSource is the source of our events on a bus, by which rules find them.
const eventSource = "nonstick"

func (b busEvents) send(
	ctx context.Context, batch []eventsout.Message,
) (failed map[int]failure, worth bool, err error) {
	type entry struct {
		Bus        string `json:"EventBusName"`
		Source     string `json:"Source"`
		DetailType string `json:"DetailType"`
		Detail     string `json:"Detail"`
		Time       int64  `json:"Time"`
	}
	in := struct {
		Entries []entry `json:"Entries"`
	}{}
	for _, m := range batch {
		in.Entries = append(in.Entries, entry{b.arn, eventSource, string(m.Type), m.Body, m.Time.Unix()})
	}
	body, err := json.Marshal(in)
	if err != nil {
		return nil, false, fmt.Errorf("boot: encode events: %w", err)
	}
	answer, worth, err := b.to.call(ctx, awsJSON("1.1", "AWSEvents.PutEvents"), body)
	if err != nil {
		return nil, worth, err
	}
	var out struct {
		Entries []struct {
			ErrorCode    string `json:"ErrorCode"`
			ErrorMessage string `json:"ErrorMessage"`
		} `json:"Entries"`
	}
	if err := json.Unmarshal(answer, &out); err != nil {
		return nil, true, fmt.Errorf("%w: %w", errBatch, err)
	}
	if len(out.Entries) != len(batch) {
		return nil, true, fmt.Errorf("%w: %d entries for %d", errBatch, len(out.Entries), len(batch))
	}
	failed = map[int]failure{}
	for i, e := range out.Entries {
		if e.ErrorCode != "" {
			failed[i] = failure{
				fmt.Errorf("EventBridge did not take an event: %s: %s", e.ErrorCode, e.ErrorMessage),
				busRefuses[e.ErrorCode],
			}
		}
	}
	return failed, false, nil
}

// busRefuses are the codes of entries that EventBridge will not take another time.
var busRefuses = map[string]bool{
	"NotAuthorizedForSourceException": true, "NotAuthorizedForDetailTypeException": true, "MalformedDetail": true,
	"InvalidArgument": true, "InvalidAccountIdException": true,
}
