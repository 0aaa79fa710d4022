package simulation

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"
)

// fifo is a FIFO queue as that of SQS, with what invokes a function for its batches: messages of one group come in
// the order in which they were sent; while one of them is being handled, or is hidden because its function died, no
// other of the group is delivered. What a function neither died over nor gave back is deleted.
type fifo[T any] struct {
	w    *world
	name string
	// hidden is for how long a message that was delivered is not delivered again: its visibility timeout.
	hidden time.Duration
	// life is how long a function may take.
	life    time.Duration
	batch   int
	mutants fifoMutants
	// delivers is told of each batch.
	delivers func([]entry[T])

	mu      sync.Mutex
	entries []*entry[T] // in the order of sending
	keys    map[string]bool
	sent    int
	busy    int           // batches that are being handled
	changed chan struct{} // closed, and made anew, when something may have become visible
}

// mostBatches is how many batches of a queue are handled at a time.
const mostBatches = 4

// fifoMutants are rules of the queue, or of its function, that are broken.
type fifoMutants struct {
	ungrouped   bool // a group does not wait for what is being handled
	failedIsOut bool // what a function gives back is deleted
}

// entry is a message in a queue.
type entry[T any] struct {
	id, group string
	body      T
	sent      int       // its place in the queue
	visible   time.Time // from when on it may be delivered
	receives  int
}

func newFIFO[T any](w *world, name string, hidden, life time.Duration, batch int) *fifo[T] {
	return &fifo[T]{
		w: w, name: name, hidden: hidden, life: life, batch: batch, delivers: func([]entry[T]) {},
		keys: map[string]bool{}, changed: make(chan struct{}),
	}
}

// send puts a message into the queue, once for each key, and returns its place.
func (q *fifo[T]) send(group, key string, body T) int {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.keys[key] {
		return 0
	}
	q.keys[key] = true
	q.sent++
	q.entries = append(q.entries, &entry[T]{id: fmt.Sprint(q.name, q.sent), group: group, body: body, sent: q.sent})
	q.notify()
	return q.sent
}

// notify wakes the receivers that wait. The queue is locked.
func (q *fifo[T]) notify() {
	close(q.changed)
	q.changed = make(chan struct{})
}

// remove takes messages out of the queue.
func (q *fifo[T]) remove(gone func(*entry[T]) bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.entries = slices.DeleteFunc(q.entries, gone)
	q.notify()
}

// left is how many messages are in the queue.
func (q *fifo[T]) left() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.entries)
}

// deliverable lists what may be delivered now. If that is nothing, it says what to wait for. The queue is locked.
func (q *fifo[T]) deliverable() (list []*entry[T], next time.Time) {
	now := time.Now()
	next = now.Add(time.Hour)
	if q.busy == mostBatches {
		return nil, next
	}
	blocked := map[string]bool{}
	for _, e := range q.entries {
		switch {
		case e.visible.After(now):
			blocked[e.group] = !q.mutants.ungrouped
			if e.visible.Before(next) {
				next = e.visible
			}
		case !blocked[e.group] && len(list) < q.batch:
			list = append(list, e)
		}
	}
	return list, next
}

// take delivers a batch: copies, as of this delivery.
func (q *fifo[T]) take() (batch []entry[T]) {
	q.mu.Lock()
	defer q.mu.Unlock()
	list, _ := q.deliverable()
	if len(list) > 0 {
		q.busy++
	}
	for _, e := range list {
		e.receives++
		e.visible = time.Now().Add(q.hidden)
		batch = append(batch, *e)
	}
	return batch
}

// await waits until something may be delivered.
func (q *fifo[T]) await(ctx context.Context) {
	for ctx.Err() == nil {
		q.mu.Lock()
		list, next := q.deliverable()
		changed := q.changed
		q.mu.Unlock()
		if len(list) > 0 {
			return
		}
		t := time.NewTimer(time.Until(next))
		select {
		case <-changed:
		case <-t.C:
		case <-ctx.Done():
		}
		t.Stop()
	}
}

// run invokes a function for batches, several at a time. The function returns the ids of the messages that are to
// come again; lost is told of a batch whose function died.
func (q *fifo[T]) run(ctx context.Context, serve func(context.Context, []entry[T]) []string, lost func([]entry[T])) {
	q.w.spawn(ctx, q.name+", poller", func(ctx context.Context, _ *proc) {
		for ctx.Err() == nil {
			q.await(ctx)
			q.w.at(ctx, "Receive", kindOther)
			if batch := q.take(); len(batch) > 0 {
				q.delivers(batch)
				q.invoke(ctx, batch, serve, lost)
			}
		}
	})
}

// invoke has a process handle a batch.
func (q *fifo[T]) invoke(
	ctx context.Context, batch []entry[T], serve func(context.Context, []entry[T]) []string, lost func([]entry[T]),
) {
	var again []string
	returned := false
	ended := q.w.spawn(ctx, q.name+", batch", func(ctx context.Context, p *proc) {
		ctx, cancel := context.WithTimeout(ctx, q.life)
		defer cancel()
		defer time.AfterFunc(q.life+time.Millisecond, func() { q.w.ruined(p) }).Stop()
		again = serve(ctx, batch)
		q.w.at(ctx, "returns", kindReturn)
		returned = !p.crashed.Load()
	})
	q.w.wg.Go(func() {
		<-ended
		if !returned {
			lost(batch)
		}
		q.mu.Lock()
		q.busy--
		q.mu.Unlock()
		q.remove(func(e *entry[T]) bool {
			of := func(d entry[T]) bool { return d.id == e.id && d.receives == e.receives }
			return returned && slices.ContainsFunc(batch, of) &&
				(q.mutants.failedIsOut || !slices.Contains(again, e.id))
		})
	})
}
