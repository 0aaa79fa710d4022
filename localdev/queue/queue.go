package queue

import (
	"crypto/md5" //nolint:gosec // the protocol asks for it
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"strconv"
	"sync"
	"time"
)

// Limits of the service:
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html
const (
	maxMessage = 1 << 20 // bytes, of a body and its attributes
	maxBatch   = 10      // messages of a send or receive
	maxDelay   = 15 * time.Minute
	maxVisible = 12 * time.Hour
	maxWait    = 20 * time.Second
	dedupTime  = 5 * time.Minute
	purgeTime  = time.Minute // between two purges of a queue
)

// Spec is a queue as it is configured. The names of the attributes that SQS has for the fields stand in brackets.
type Spec struct {
	// Name is unique among the queues; that of a FIFO queue ends in .fifo on AWS, which is not checked here.
	Name string
	// FIFO [FifoQueue]: messages of a group come in order, one delivery at a time, and duplicates within 5 minutes are
	// dropped.
	FIFO bool
	// GroupDedup [DeduplicationScope: messageGroup]: a deduplication id counts within its message's group, not within
	// the queue.
	GroupDedup bool
	// Latency, unless nil, is how long a message takes until it can be delivered; in a group it holds up those behind
	// it. It is called once for each message. The service has no such setting.
	Latency func() time.Duration
	// ContentDedup [ContentBasedDeduplication]: messages of a FIFO queue without a deduplication id have their body's
	// hash.
	ContentDedup bool
	// Visibility [VisibilityTimeout] is how long a delivered message is hidden, at most 12 h; Delay [DelaySeconds] how
	// long a new one is, at most 15 min. Zero means none, unlike the service's 30 s of visibility.
	Visibility, Delay time.Duration
	// Retention [MessageRetentionPeriod] is how long a message is kept; zero means 4 days.
	Retention time.Duration
	// DeadLetters is the name of the queue that takes a message instead of its delivery number MaxReceives + 1
	// [RedrivePolicy]; empty: none.
	DeadLetters string
	// MaxReceives is at least 1 where DeadLetters is given, and means nothing elsewhere.
	MaxReceives int
}

// Message is a message to be sent.
type Message struct {
	// Body has 1 byte to 1 MiB, attributes included, of characters that XML has.
	Body string
	// Attributes are the message's own, by their names, at most 10.
	Attributes map[string]Attribute
	// Group is the group of a FIFO queue's message [MessageGroupId], which needs one; Dedup its deduplication id
	// [MessageDeduplicationId], needed unless [Spec].ContentDedup holds. Each has 128 characters at most.
	Group, Dedup string
	// Delay overrides the queue's, 0 to 15 min, on standard queues alone; nil: the queue's.
	Delay *time.Duration
	// Trace is what the message belongs to, as X-Ray and Lambda's detection of loops know it; empty: nothing.
	Trace string
}

// Attribute is a message attribute. Its type is String, Number or Binary, maybe with a suffix of one's own after a dot;
// one of Binary has its value in the field of that name, the others in String.
type Attribute struct {
	Type   string // not empty
	String string // of String and Number; not empty
	Binary []byte // of Binary; not empty
}

// Sent says what became of a message that was sent.
type Sent struct {
	ID       string // of the message; that of a duplicate is the first one's
	Sequence string // SequenceNumber, of FIFO queues; else empty
}

// Received is a delivery.
type Received struct {
	Message
	// ID is the message's, and Receipt the delivery's [ReceiptHandle]; Sequence is as in [Sent].
	ID, Receipt, Sequence string
	// SentAt is when the message was sent, FirstAt when it was delivered first.
	SentAt, FirstAt time.Time
	// Receives counts the deliveries, this one included [ApproximateReceiveCount].
	Receives int
	// DeadFrom is the name of the queue that gave a dead letter up; of other messages it is empty.
	DeadFrom string
}

// entry is a message in a queue.
type entry struct {
	Message
	id, sequence, receipt string
	sent, first, visible  time.Time
	taken                 time.Time // when it was delivered last
	receives              int
	deadFrom              string
}

// Queue is one queue. Safe for concurrent use.
type Queue struct {
	dead *Queue

	mu       sync.Mutex
	spec     Spec     // its times may change
	entries  []*entry // in the order of sending
	sequence uint64
	dedup    map[dedupKey]remembered
	used     []dedupUse    // in the order of time
	changed  chan struct{} // closed, and made anew, when something may have become visible
	sentEver int64
	requests int64 // see Stats
	died     int64
	purged   time.Time
}

// dedupKey is where a deduplication id counts.
type dedupKey struct{ group, id string }

// dedupUse is when one was used.
type dedupUse struct {
	key dedupKey
	at  time.Time
}

// remembered is a deduplication id that was used.
type remembered struct {
	sent Sent
	at   time.Time
}

func newQueue(s Spec) *Queue {
	if s.Retention == 0 {
		s.Retention = 4 * 24 * time.Hour
	}
	return &Queue{spec: s, dedup: map[dedupKey]remembered{}, changed: make(chan struct{})}
}

// configured returns the configuration.
func (q *Queue) configured() Spec {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.spec
}

// Send adds a message. To a FIFO queue it does so once for a deduplication id, within 5 minutes: a duplicate is told
// what became of the first one. Errors: of [ErrInvalid] and [ErrTooLarge].
func (q *Queue) Send(m Message) (Sent, error) {
	if err := q.check(&m); err != nil {
		return Sent{}, fmt.Errorf("send to %s: %w", q.spec.Name, err)
	}
	q.count(1, len(m.Body))
	q.mu.Lock()
	defer q.mu.Unlock()
	now := time.Now()
	delay := q.spec.Delay
	if m.Delay != nil && (!q.spec.FIFO || *m.Delay > 0) {
		delay = *m.Delay
	}
	if q.spec.Latency != nil {
		delay += q.spec.Latency()
	}
	key := dedupKey{id: m.Dedup}
	if q.spec.GroupDedup {
		key.group = m.Group
	}
	if q.spec.FIFO {
		q.forget(now)
		if r, ok := q.dedup[key]; ok {
			return r.sent, nil
		}
	}
	e := &entry{Message: m, id: newID(), sent: now, visible: now.Add(delay)}
	q.add(e)
	sent := Sent{ID: e.id, Sequence: e.sequence}
	if q.spec.FIFO {
		q.dedup[key] = remembered{sent, now}
		q.used = append(q.used, dedupUse{key, now})
	}
	return sent, nil
}

// forget drops deduplication ids that count no more. The caller holds mu.
func (q *Queue) forget(now time.Time) {
	for len(q.used) > 0 && now.Sub(q.used[0].at) > dedupTime {
		delete(q.dedup, q.used[0].key)
		q.used = q.used[1:]
	}
}

// add appends an entry. The caller holds mu.
func (q *Queue) add(e *entry) {
	q.sentEver++
	if q.spec.FIFO {
		q.sequence++
		e.sequence = fmt.Sprintf("%020d", q.sequence)
	}
	q.entries = append(q.entries, e)
	q.notify()
}

// notify wakes the receivers that wait. The caller holds mu.
func (q *Queue) notify() {
	close(q.changed)
	q.changed = make(chan struct{})
}

// Purge removes all messages, hidden ones too, at most once a minute; sooner it fails with an error of [ErrInvalid], as
// SQS does with PurgeQueueInProgress.
func (q *Queue) Purge() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if time.Since(q.purged) < purgeTime {
		return purgeInProgress.says("Only one PurgeQueue operation on %s is allowed every 60 seconds.", q.spec.Name)
	}
	q.purged, q.entries = time.Now(), nil
	return nil
}

// Stats are the counts of a queue.
type Stats struct {
	Queue   string `json:"queue"`   // name
	Visible int    `json:"visible"` // can be received
	Hidden  int    `json:"hidden"`  // delivered, and neither deleted nor back
	Delayed int    `json:"delayed"` // not delivered yet
	Sent    int64  `json:"sent"`    // since the start, dead letters included
	Dead    int64  `json:"dead"`    // that became dead letters
	// Requests is what SQS bills: calls, each begun 64 KB as one; of what feeds a function, two for each batch. What
	// Lambda asks in vain is not among them: at least 15 a minute for each queue.
	Requests int64 `json:"requests"`
	FIFO     bool  `json:"fifo"`
}

// requestUnit is what SQS counts as one request, in bytes.
const requestUnit = 64 << 10

// count counts requests with so many bytes in all.
func (q *Queue) count(requests, size int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.requests += int64(max(requests, (size+requestUnit-1)/requestUnit))
}

// Stats returns the counts.
func (q *Queue) Stats() Stats {
	now := time.Now()
	q.mu.Lock()
	defer q.mu.Unlock()
	q.expire(now)
	s := Stats{Queue: q.spec.Name, Sent: q.sentEver, Dead: q.died, Requests: q.requests, FIFO: q.spec.FIFO}
	for _, e := range q.entries {
		switch {
		case !e.visible.After(now):
			s.Visible++
		case e.receives > 0:
			s.Hidden++
		default:
			s.Delayed++
		}
	}
	return s
}

// newID returns a random UUID.
func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand aborts the program instead
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// bodyMD5 is the checksum that clients verify.
func bodyMD5(s string) string {
	sum := md5.Sum([]byte(s)) //nolint:gosec // the protocol asks for it
	return hex.EncodeToString(sum[:])
}

// millis is a time as messages tell it.
func millis(t time.Time) string { return strconv.FormatInt(t.UnixMilli(), 10) }
