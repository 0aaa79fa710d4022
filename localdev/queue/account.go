package queue

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

func (qs *Queues) getURL(in struct{ QueueName string }) (any, error) {
	if in.QueueName == "" {
		return nil, missing("QueueName")
	}
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
		if name := q.configured().Name; strings.HasPrefix(name, in.QueueNamePrefix) {
			out.QueueURLs = append(out.QueueURLs, qs.URL(name))
		}
	}
	return out, nil
}

type queueInput struct {
	QueueUrl string //nolint:revive // as on the wire
}

func (qs *Queues) purge(in queueInput) (any, error) {
	q, err := qs.queue(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	return struct{}{}, q.Purge()
}

// otherAttributes are those that queues have on AWS and not here: they may be asked for, and are left out.
var otherAttributes = []string{
	"CreatedTimestamp", "LastModifiedTimestamp", "Policy", "ReceiveMessageWaitTimeSeconds", "KmsMasterKeyId",
	"KmsDataKeyReusePeriodSeconds", "SqsManagedSseEnabled", "RedriveAllowPolicy", "RedrivePolicy", "FifoQueue",
	"ContentBasedDeduplication", "DeduplicationScope", "FifoThroughputLimit",
}

func (qs *Queues) getAttributes(in struct {
	QueueUrl       string //nolint:revive // as on the wire
	AttributeNames []string
},
) (any, error) {
	q, err := qs.queue(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	s, c := q.configured(), q.Stats()
	all := map[string]string{
		"QueueArn": qs.arn(
			s.Name,
		),
		"ApproximateNumberOfMessages":           itoa(c.Visible),
		"ApproximateNumberOfMessagesNotVisible": itoa(c.Hidden),
		"ApproximateNumberOfMessagesDelayed": itoa(
			c.Delayed,
		),
		"VisibilityTimeout": seconds(s.Visibility), "DelaySeconds": seconds(s.Delay),
		"MessageRetentionPeriod": seconds(s.Retention), "MaximumMessageSize": itoa(maxMessage),
	}
	if s.FIFO {
		all["FifoQueue"], all["ContentBasedDeduplication"] = "true", strconv.FormatBool(s.ContentDedup)
		all["DeduplicationScope"] = map[bool]string{true: "messageGroup", false: "queue"}[s.GroupDedup]
	}
	if s.DeadLetters != "" {
		all["RedrivePolicy"] = fmt.Sprintf(
			`{"deadLetterTargetArn":%q,"maxReceiveCount":%d}`, qs.arn(s.DeadLetters), s.MaxReceives,
		)
	}
	for _, name := range in.AttributeNames {
		if _, ok := all[name]; !ok && name != "All" && !slices.Contains(otherAttributes, name) {
			return nil, badName.says("Unknown Attribute %s.", name)
		}
	}
	maps.DeleteFunc(all, func(k, _ string) bool { return !wanted(in.AttributeNames, k) })
	return struct{ Attributes map[string]string }{all}, nil
}

// setAttributes changes the times of a queue. What else a queue is, is said by the template.
func (qs *Queues) setAttributes(in struct {
	QueueUrl   string //nolint:revive // as on the wire
	Attributes map[string]string
},
) (any, error) {
	q, err := qs.queue(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	if in.Attributes == nil {
		return nil, missing("Attributes")
	}
	s := q.configured()
	times := map[string]struct {
		to          *time.Duration
		least, most int
	}{
		"VisibilityTimeout": {
			&s.Visibility, 0, 43_200,
		},
		"DelaySeconds": {&s.Delay, 0, 900}, "MessageRetentionPeriod": {&s.Retention, 60, 1_209_600},
	}
	for _, name := range slices.Sorted(maps.Keys(in.Attributes)) {
		t, ok := times[name]
		n, err := strconv.Atoi(in.Attributes[name])
		switch {
		case name == "FifoQueue" && s.FIFO:
			return nil, badAttribute.says(
				"Invalid value for the parameter FifoQueue. Reason: Modifying queue type is not supported.",
			)
		case !ok &&
			(name == "MaximumMessageSize" || slices.Contains(otherAttributes, name) && (s.FIFO || name != "FifoQueue")):
			return nil, unsupported.says("localdev does not emulate changes of %s: the template says what it is", name)
		case !ok:
			return nil, badName.says("Unknown Attribute %s.", name)
		case err != nil || n < t.least || n > t.most:
			return nil, badAttribute.says("Invalid value for the parameter %s.", name)
		}
		*t.to = time.Duration(n) * time.Second
	}
	q.retime(s)
	return struct{}{}, nil
}

// retime gives a queue other times.
func (q *Queue) retime(s Spec) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.spec.Visibility, q.spec.Delay, q.spec.Retention = s.Visibility, s.Delay, s.Retention
}
