package queue

import (
	"context"
	"crypto/md5" //nolint:gosec // the protocol asks for it
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"
)

// Why an operation was refused.
var (
	ErrNotFound = errors.New("queue: no such queue")
	ErrInvalid  = errors.New("queue: invalid parameter")
	ErrTooLarge = errors.New("queue: message too large")
	ErrReceipt  = errors.New("queue: no such receipt handle")
)

// Limits of the service.
const (
	MaxMessage = 1 << 20 // bytes, of a body and its attributes
	MaxBatch   = 10      // messages of a send or receive
	MaxDelay   = 15 * time.Minute
	maxVisible = 12 * time.Hour
	maxWait    = 20 * time.Second
	dedupTime  = 5 * time.Minute
)

// Spec is a queue as it is configured.
type Spec struct {
	Name string
	FIFO bool
	// GroupDedup: a deduplication id counts within its message's group, not within the queue.
	GroupDedup bool
	// Latency, if given, is how long a message takes until it can be delivered; of a group it holds up those behind it.
	Latency func() time.Duration
	// ContentDedup: messages of a FIFO queue without a deduplication id have their body's hash.
	ContentDedup bool
	// Visibility, Delay and Retention default to 0, 0 and 4 days.
	Visibility, Delay, Retention time.Duration
	// DeadLetters is the queue that takes a message instead of its delivery number MaxReceives + 1.
	DeadLetters string
	MaxReceives int
}

// Message is a message to be sent.
type Message struct {
	Body       string
	Attributes map[string]Attribute
	// Group and Dedup are of FIFO queues.
	Group, Dedup string
	// Delay overrides the queue's; nil: the queue's.
	Delay *time.Duration
}

// Attribute is a message attribute, of type String, Number or Binary, maybe with a suffix.
type Attribute struct {
	Type   string
	String string
	Binary []byte
}

// Sent says what became of a message that was sent.
type Sent struct {
	ID       string
	Sequence string // of FIFO queues
}

// Received is a delivery.
type Received struct {
	Message
	ID, Receipt, Sequence string
	SentAt, FirstAt       time.Time
	Receives              int
	// DeadFrom is the queue that gave it up, of a dead letter.
	DeadFrom string
}

// entry is a message in a queue.
type entry struct {
	Message
	id, sequence, receipt string
	sent, first, visible  time.Time
	receives              int
	deadFrom              string
}

// Queue is one queue. Safe for concurrent use.
type Queue struct {
	spec Spec
	dead *Queue

	mu       sync.Mutex
	entries  []*entry // in the order of sending
	sequence uint64
	dedup    map[dedupKey]remembered
	used     []dedupUse    // in the order of time
	changed  chan struct{} // closed, and made anew, when something may have become visible
	sentEver int64
	died     int64
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

// Spec returns the configuration.
func (q *Queue) Spec() Spec { return q.spec }

// Send adds a message. To a FIFO queue it does so once for a deduplication id, within 5 minutes.
func (q *Queue) Send(m Message) (Sent, error) {
	if err := q.check(&m); err != nil {
		return Sent{}, fmt.Errorf("send to %s: %w", q.spec.Name, err)
	}
	now := time.Now()
	delay := q.spec.Delay
	if m.Delay != nil {
		delay = *m.Delay
	}
	if q.spec.Latency != nil {
		delay += q.spec.Latency()
	}
	key := dedupKey{id: m.Dedup}
	if q.spec.GroupDedup {
		key.group = m.Group
	}
	q.mu.Lock()
	defer q.mu.Unlock()
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

// notify wakes those who wait. The caller holds mu.
func (q *Queue) notify() {
	close(q.changed)
	q.changed = make(chan struct{})
}

// check judges a message, and gives it its deduplication id.
func (q *Queue) check(m *Message) error {
	size := len(m.Body)
	for k, a := range m.Attributes {
		size += len(k) + len(a.Type) + len(a.String) + len(a.Binary)
	}
	switch {
	case m.Body == "":
		return fmt.Errorf("the body is empty: %w", ErrInvalid)
	case size > MaxMessage:
		return fmt.Errorf("%d bytes: %w", size, ErrTooLarge)
	case m.Delay != nil && (*m.Delay < 0 || *m.Delay > MaxDelay):
		return fmt.Errorf("DelaySeconds must be 0 to 900: %w", ErrInvalid)
	case !q.spec.FIFO && m.Dedup != "":
		return fmt.Errorf("MessageDeduplicationId is of FIFO queues: %w", ErrInvalid)
	case !q.spec.FIFO:
		return nil
	case m.Delay != nil && *m.Delay > 0:
		return fmt.Errorf("DelaySeconds cannot be given for a message of a FIFO queue: %w", ErrInvalid)
	case m.Group == "":
		return fmt.Errorf("a FIFO queue needs a MessageGroupId: %w", ErrInvalid)
	case m.Dedup == "" && !q.spec.ContentDedup:
		return fmt.Errorf("a FIFO queue needs a MessageDeduplicationId or ContentBasedDeduplication: %w", ErrInvalid)
	case m.Dedup == "":
		sum := sha256.Sum256([]byte(m.Body))
		m.Dedup = hex.EncodeToString(sum[:])
	}
	return nil
}

// Receive returns up to limit messages, and hides them for the visibility timeout; nil means the queue's. It waits
// up to wait for the first of them, or until ctx ends. Of a FIFO queue's group nothing is delivered while a message
// of it is hidden.
func (q *Queue) Receive(ctx context.Context, limit int, visibility *time.Duration, wait time.Duration) []Received {
	hide := q.spec.Visibility
	if visibility != nil {
		hide = *visibility
	}
	end := time.Now().Add(wait)
	for {
		now := time.Now()
		got, next, changed := q.take(now, limit, hide)
		if len(got) > 0 || !now.Before(end) || ctx.Err() != nil {
			return got
		}
		if next.IsZero() || next.After(end) {
			next = end
		}
		timer := time.NewTimer(time.Until(next))
		select {
		case <-changed:
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

// take delivers what is visible. It returns also when something hidden becomes visible, or zero, and what closes
// when there is something new.
func (q *Queue) take(now time.Time, limit int, hide time.Duration) (got []Received, next time.Time, changed <-chan struct{}) {
	var dead []*entry
	q.mu.Lock()
	q.expire(now)
	blocked := map[string]bool{}
	if q.spec.FIFO {
		for _, e := range q.entries {
			if e.visible.After(now) && e.receives > 0 {
				blocked[e.Group] = true
			}
		}
	}
	q.entries = slices.DeleteFunc(q.entries, func(e *entry) bool {
		switch {
		case e.visible.After(now):
			if next.IsZero() || e.visible.Before(next) {
				next = e.visible
			}
			if q.spec.FIFO {
				blocked[e.Group] = true // what is delayed holds up what follows
			}
			return false
		case len(got) == limit, q.spec.FIFO && blocked[e.Group]:
			return false
		case q.dead != nil && e.receives >= q.spec.MaxReceives:
			dead = append(dead, e)
			return true
		}
		got = append(got, q.hide(e, now, hide))
		return false
	})
	q.died += int64(len(dead))
	changed = q.changed
	q.mu.Unlock()
	for _, e := range dead {
		q.dead.bury(e, q.spec.Name)
	}
	return got, next, changed
}

// hide makes a delivery of an entry. The caller holds mu.
func (q *Queue) hide(e *entry, now time.Time, hide time.Duration) Received {
	e.receives++
	if e.first.IsZero() {
		e.first = now
	}
	e.visible = now.Add(hide)
	e.receipt = newID()
	return Received{
		Message: e.Message, ID: e.id, Receipt: e.receipt, Sequence: e.sequence,
		SentAt: e.sent, FirstAt: e.first, Receives: e.receives, DeadFrom: e.deadFrom,
	}
}

// bury takes a dead letter.
func (q *Queue) bury(e *entry, from string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	e.visible, e.receipt, e.receives, e.deadFrom = time.Time{}, "", 0, from
	q.add(e)
}

// expire drops what is too old. The caller holds mu.
func (q *Queue) expire(now time.Time) {
	q.entries = slices.DeleteFunc(q.entries, func(e *entry) bool { return now.Sub(e.sent) > q.spec.Retention })
}

// Delete removes the message that a receipt is of. A receipt of an earlier delivery does nothing, as on a standard
// queue of the service.
func (q *Queue) Delete(receipt string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := len(q.entries)
	q.entries = slices.DeleteFunc(q.entries, func(e *entry) bool { return receipt != "" && e.receipt == receipt })
	if len(q.entries) < n {
		q.notify() // the next of its group
	}
}

// Hide changes how long from now a delivered message stays hidden; 0 gives it back.
func (q *Queue) Hide(receipt string, d time.Duration) error {
	if d < 0 || d > maxVisible {
		return fmt.Errorf("VisibilityTimeout must be 0 to 43200: %w", ErrInvalid)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, e := range q.entries {
		if receipt != "" && e.receipt == receipt {
			e.visible = time.Now().Add(d)
			q.notify()
			return nil
		}
	}
	return ErrReceipt
}

// Purge removes all messages.
func (q *Queue) Purge() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.entries = nil
}

// Stats are the counts of a queue.
type Stats struct {
	Queue   string `json:"queue"`
	Visible int    `json:"visible"`
	Hidden  int    `json:"hidden"`  // delivered, and neither deleted nor back
	Delayed int    `json:"delayed"` // not delivered yet
	Sent    int64  `json:"sent"`    // since the start, dead letters included
	Dead    int64  `json:"dead"`    // that became dead letters
}

// Stats returns the counts.
func (q *Queue) Stats() Stats {
	now := time.Now()
	q.mu.Lock()
	defer q.mu.Unlock()
	q.expire(now)
	s := Stats{Queue: q.spec.Name, Sent: q.sentEver, Dead: q.died}
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
