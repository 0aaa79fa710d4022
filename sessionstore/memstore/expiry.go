package memstore

import (
	"container/heap"
	"time"
)

// expiry is the time to live of one item.
type expiry struct {
	at    time.Time
	drop  func() // removes the item; called with the stripe's lock held
	index int    // in the queue; -1 when it has left it
}

// expiryQueue is a heap, the next to expire first. It is guarded by the stripe's lock.
type expiryQueue []*expiry

func (q expiryQueue) Len() int           { return len(q) }
func (q expiryQueue) Less(i, j int) bool { return q[i].at.Before(q[j].at) }

func (q expiryQueue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].index, q[j].index = i, j
}

// Push is for package heap.
func (q *expiryQueue) Push(x any) {
	e := x.(*expiry)
	e.index = len(*q)
	*q = append(*q, e)
}

// Pop is for package heap.
func (q *expiryQueue) Pop() any {
	old := *q
	e := old[len(old)-1]
	old[len(old)-1] = nil
	e.index = -1
	*q = old[:len(old)-1]
	return e
}

// expire arranges for drop to be called once at has passed. It returns nil for the zero time: never.
func (st *stripe) expire(at time.Time, drop func()) *expiry {
	if at.IsZero() {
		return nil
	}
	e := &expiry{at: at, drop: drop}
	heap.Push(&st.expiries, e)
	return e
}

// keep cancels an expiry, because the item has gone or been replaced.
func (st *stripe) keep(e *expiry) {
	if e != nil && e.index >= 0 {
		heap.Remove(&st.expiries, e.index)
	}
}

// sweep removes what has expired at now, at most limit items.
func (st *stripe) sweep(now time.Time, limit int) {
	for ; limit > 0 && len(st.expiries) > 0 && ended(st.expiries[0].at, now); limit-- {
		heap.Pop(&st.expiries).(*expiry).drop()
	}
}
