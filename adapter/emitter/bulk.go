package emitter

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/sessionstore"
)

const (
	// bulkFrom is how many packets to one session leave at once, each by itself.
	bulkFrom = 32
	// bulkTime is how long a packet is kept at most.
	bulkTime = 100 * time.Millisecond
)

// Bulk puts together what is sent to single sessions that poll. A handler may emit thousands of packets to one other
// socket: each would be an entry of its client's buffer, which takes a thousand. Safe for concurrent use.
type Bulk struct {
	d   *delivery.Delivery
	log *slog.Logger

	mu sync.Mutex
	to map[sessionstore.SessionID]*parcel
}

// parcel is what goes to one session.
type parcel struct {
	sent       int // packets that left at once
	collection *delivery.Collection
	limit      *time.Timer
}

// NewBulk returns a Bulk. Its owner calls [Bulk.Flush] whenever a handler has returned.
func NewBulk(d *delivery.Delivery, log *slog.Logger) *Bulk { return &Bulk{d: d, log: log} }

// Deliver delivers packets to a session, or keeps them for a moment. They arrive in order, also with what is
// delivered to the session by other ways. The error may be of packets that were kept before.
func (b *Bulk) Deliver(
	ctx context.Context, t delivery.Target, packets []sessionstore.Packet,
) (sessionstore.Connection, error) {
	if c := b.collection(t); c != nil { //nolint:contextcheck // its timer may outlive the call
		return c.Deliver(ctx, t, packets)
	}
	return b.d.Deliver(ctx, t, packets)
}

// collection counts a packet, and returns what collects it; nil if it is to leave at once.
func (b *Bulk) collection(t delivery.Target) *delivery.Collection {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.to == nil {
		b.to = make(map[sessionstore.SessionID]*parcel)
	}
	p := b.to[t.Session]
	if p == nil {
		p = &parcel{}
		p.limit = time.AfterFunc(bulkTime, func() {
			b.flush(context.Background(), t.Session)
		})
		b.to[t.Session] = p
	}
	if p.sent++; p.sent <= bulkFrom {
		return nil
	}
	if p.collection == nil {
		p.collection = b.d.Collect(t)
	}
	return p.collection
}

// Flush delivers what is kept. What goes wrong is logged.
func (b *Bulk) Flush(ctx context.Context) {
	b.mu.Lock()
	ids := make([]sessionstore.SessionID, 0, len(b.to))
	for id := range b.to {
		ids = append(ids, id)
	}
	b.mu.Unlock()
	for _, id := range ids {
		b.flush(ctx, id)
	}
}

// flush delivers what is kept for a session.
func (b *Bulk) flush(ctx context.Context, id sessionstore.SessionID) {
	b.mu.Lock()
	p := b.to[id]
	delete(b.to, id)
	b.mu.Unlock()
	if p == nil {
		return
	}
	p.limit.Stop()
	if p.collection == nil {
		return
	}
	if err := p.collection.End(ctx); err != nil && !errors.Is(err, delivery.ErrClosed) {
		b.log.ErrorContext(ctx, "emit to another socket failed", "error", err)
	}
}
