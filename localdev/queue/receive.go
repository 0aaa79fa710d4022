package queue

import (
	"context"
	"encoding/base64"
	"slices"
	"strings"
	"time"
)

// Receive returns up to limit messages, and hides them for the visibility timeout; nil means the queue's. It waits
// up to wait for the first of them, or until ctx ends, and returns none if there was none. Of a FIFO queue's group
// nothing is delivered while a message of it is hidden. The service takes limits of 1 to 10 and waits up to 20 s;
// here both may be more.
func (q *Queue) Receive(ctx context.Context, limit int, visibility *time.Duration, wait time.Duration) []Received {
	hide := q.configured().Visibility
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
func (q *Queue) take(
	now time.Time, limit int, hide time.Duration,
) (got []Received, next time.Time, changed <-chan struct{}) {
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
	e.taken, e.visible = now, now.Add(hide)
	e.receipt = q.newReceipt(e.id)
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

// Delete removes the message that a receipt is of. On a standard queue a receipt of an earlier delivery does nothing,
// as on the service; on a FIFO queue it has expired, and so has one whose visibility timeout is over. One of a
// message that is gone does nothing. Errors: of [ErrReceipt], and of [ErrInvalid] if it has expired.
func (q *Queue) Delete(receipt string) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	id, err := q.messageOf(receipt)
	if err != nil {
		return err
	}
	for i, e := range q.entries {
		if e.id != id {
			continue
		}
		current := e.receipt == receipt
		if q.spec.FIFO && (!current || !e.visible.After(time.Now())) {
			return badValue(receipt, "ReceiptHandle", "The receipt handle has expired.")
		}
		if current {
			q.entries = slices.Delete(q.entries, i, i+1)
			q.notify() // the next of its group
		}
		return nil
	}
	return nil
}

// Hide changes how long from now a delivered message stays hidden; 0 gives it back. In all it is hidden for 12 hours
// at most. Errors: of [ErrReceipt], [ErrInvalid] and [ErrNotInFlight].
func (q *Queue) Hide(receipt string, d time.Duration) error {
	if d < 0 || d > maxVisible {
		return badValue(seconds(d), "VisibilityTimeout", "Must be between 0 and 43200, if provided.")
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	id, err := q.messageOf(receipt)
	if err != nil {
		return err
	}
	now := time.Now()
	for _, e := range q.entries {
		switch {
		case e.id != id:
			continue
		case !e.visible.After(now):
			return notInFlight.says("The specified message isn't in flight.")
		case e.receipt != receipt:
		case now.Add(d).Sub(e.taken) > maxVisible:
			return badValue(
				seconds(d), "VisibilityTimeout",
				"Total VisibilityTimeout for the message is beyond the limit [43200 seconds]",
			)
		default:
			e.visible = now.Add(d)
			q.notify()
			return nil
		}
	}
	return badValue(
		receipt, "ReceiptHandle", "Message does not exist or is not available for visibility timeout change.",
	)
}

// newReceipt is a receipt of a delivery: of what queue and message it is can be read from it. The caller holds mu.
func (q *Queue) newReceipt(id string) string {
	return base64.StdEncoding.EncodeToString([]byte(q.spec.Name + " " + id + " " + newID()))
}

// messageOf is the id of the message that a receipt is of. The caller holds mu.
func (q *Queue) messageOf(receipt string) (string, error) {
	text, err := base64.StdEncoding.DecodeString(receipt)
	parts := strings.Split(string(text), " ")
	if err != nil || len(parts) != 3 || parts[0] != q.spec.Name {
		return "", badReceipt.says("The input receipt handle \"%s\" is not a valid receipt handle.", receipt)
	}
	return parts[1], nil
}
