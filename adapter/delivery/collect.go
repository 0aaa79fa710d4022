package delivery

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nonstick-io/nonstick/internal/protocol"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// What is collected for one session is sent on at so many bytes and messages. In a buffer that is one entry, however
// many packets it has; a body that is stored apart takes as many.
const (
	maxCollectedBytes  = 256 << 10
	maxCollectedFrames = 4000
)

// Collects reports whether so many bytes in so many messages are collected for one session; false if they are too much
// for one entry of its buffer.
func Collects(bytes, frames int) bool {
	return bytes <= maxCollectedBytes && frames <= maxCollectedFrames
}

// Collection keeps packets for one session, to send them together: a handler may emit thousands. Whatever else this
// process delivers to the session takes along first what is collected, so packets arrive in the order in which they
// were emitted, by whichever way. Safe for concurrent use.
type Collection struct {
	d      *Delivery
	target Target

	turn chan struct{} // held while something is taken out and delivered, so that deliveries keep their order

	mu     sync.Mutex
	out    []collected
	bytes  int
	frames int
	ended  bool                     // nothing is kept any more
	boxes  []sessionstore.SessionID // outboxes that something is kept for, or was
}

// collected is a packet that is kept for a while.
type collected struct {
	sessionstore.Packet
	volatile bool
	outbox   sessionstore.SessionID // that it is for, in place of the session
}

// collections are those of a process, by session.
type collections struct {
	n  atomic.Int64 // of sessions, so that a delivery need not take the lock for each
	mu sync.RWMutex
	of map[sessionstore.SessionID][]*Collection
}

// get returns those of a session. The list is not changed in place.
func (c *collections) get(id sessionstore.SessionID) []*Collection {
	if c.n.Load() == 0 {
		return nil
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.of[id]
}

// has reports whether something is collected for a session.
func (c *collections) has(id sessionstore.SessionID) bool { return len(c.get(id)) > 0 }

func (c *collections) add(id sessionstore.SessionID, k *Collection) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.of == nil {
		c.of = make(map[sessionstore.SessionID][]*Collection)
	}
	list := c.of[id]
	c.of[id] = append(list[:len(list):len(list)], k)
	c.n.Store(int64(len(c.of)))
}

func (c *collections) remove(id sessionstore.SessionID, k *Collection) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var rest []*Collection
	for _, other := range c.of[id] {
		if other != k {
			rest = append(rest, other)
		}
	}
	if len(rest) == 0 {
		delete(c.of, id)
		c.n.Store(int64(len(c.of)))
		return
	}
	c.of[id] = rest
}

// Collect begins to collect for a session. The caller ends it with [Collection.End].
func (d *Delivery) Collect(t Target) *Collection {
	c := &Collection{d: d, target: t, turn: make(chan struct{}, 1)}
	d.collections.add(t.Session, c)
	return c
}

// Deliver keeps packets for later, volatile ones too, or delivers them at once if the collection has ended. It delivers
// what has been collected where that would become too much for one entry of a buffer. Errors are those of
// [Delivery.Deliver]; after [ErrPacketTooLarge] nothing was kept.
func (c *Collection) Deliver(
	ctx context.Context, t Target, packets []sessionstore.Packet,
) (sessionstore.Connection, error) {
	if err := c.d.check(packets); err != nil {
		return c.target.Hint, err
	}
	outbox := sessionstore.SessionID("")
	if t.Session.IsOutbox() {
		outbox = t.Session
		if err := c.d.checkOutbox(packets); err != nil {
			return c.target.Hint, err
		}
	}
	for _, p := range packets {
		if err := c.keep(ctx, collected{p, t.Volatile, outbox}); err != nil {
			return c.target.Hint, err
		}
	}
	return c.target.Hint, nil
}

func (c *Collection) keep(ctx context.Context, p collected) error {
	bytes := p.Bytes()
	if !c.fits(bytes, len(p.Frames)) {
		if err := c.Flush(ctx); err != nil {
			return err
		}
	}
	if c.add(p, bytes) {
		return nil
	}
	_, err := c.d.Deliver(ctx, p.to(c.target), []sessionstore.Packet{p.Packet})
	return err
}

// to returns where a packet goes whose collection is for a target.
func (p *collected) to(t Target) Target {
	t.Volatile = p.volatile
	if p.outbox != "" {
		t.Session, t.Hint = p.outbox, sessionstore.Connection{}
	}
	return t
}

// add keeps a packet, unless the collection has ended.
func (c *Collection) add(p collected, bytes int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.ended {
		c.out, c.bytes, c.frames = append(c.out, p), c.bytes+bytes, c.frames+len(p.Frames)
		if p.outbox != "" && !slices.Contains(c.boxes, p.outbox) {
			c.boxes = append(c.boxes, p.outbox)
			c.d.collections.add(p.outbox, c)
		}
	}
	return !c.ended
}

// Has reports whether something is kept for an outbox.
func (c *Collection) Has(outbox sessionstore.SessionID) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.ContainsFunc(c.out, func(p collected) bool { return p.outbox == outbox })
}

func (c *Collection) fits(bytes, frames int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.out) == 0 || Collects(c.bytes+bytes, c.frames+frames)
}

// Last takes the packet that was added last back out, if there is one and take agrees; otherwise it reports false.
func (c *Collection) Last(take func(sessionstore.Packet) bool) (sessionstore.Packet, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := len(c.out)
	if n == 0 || c.out[n-1].outbox != "" || !take(c.out[n-1].Packet) {
		return sessionstore.Packet{}, false
	}
	last := c.out[n-1]
	c.out = c.out[:n-1]
	return last.Packet, true
}

// Flush delivers what is collected. Errors are those of [Delivery.Deliver].
func (c *Collection) Flush(ctx context.Context) error { return c.flush(ctx, c.d, busyInAll) }

// End delivers what is collected, and ends the collection.
func (c *Collection) End(ctx context.Context) error {
	c.mu.Lock()
	c.ended = true
	ids := append([]sessionstore.SessionID{c.target.Session}, c.boxes...)
	c.mu.Unlock()
	defer func() {
		for _, id := range ids {
			c.d.collections.remove(id, c)
		}
	}()
	return c.Flush(ctx)
}

// flush delivers with the patience of d. If another caller pushes for longer than wait, the session is closed, as one
// whose client does not read; if that caller writes, it is the store that is slow, and nothing is delivered. What could
// not be delivered stays, for the owner of the collection to learn of.
func (c *Collection) flush(ctx context.Context, d *Delivery, wait time.Duration) error {
	if !c.await(wait) {
		if c.target.Hint.IsZero() {
			return fmt.Errorf("deliver what is collected: %w", ErrHeldUp)
		}
		return d.lost(ctx, c.target.Session, c.target.Hint, ErrBusy)
	}
	defer func() { <-c.turn }()
	packets := c.take()
	if len(packets) == 0 {
		return nil
	}
	var err error
	for len(packets) > 0 && err == nil {
		n := 0
		for n < len(packets) && packets[n].outbox == packets[0].outbox {
			n++
		}
		var rest []collected
		if packets[0].outbox != "" {
			rest, err = d.inRuns(ctx, packets[0].to(c.target), packets[:n])
		} else {
			rest, err = d.collected(ctx, c.target, packets[:n])
		}
		packets = append(rest, packets[n:]...)
	}
	c.putBack(packets)
	return err
}

// putBack keeps packets that were taken and not delivered, before those that came since.
func (c *Collection) putBack(packets []collected) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.out = append(packets, c.out...)
	for _, p := range packets {
		c.bytes, c.frames = c.bytes+p.Bytes(), c.frames+len(p.Frames)
	}
}

// await waits for the turn.
func (c *Collection) await(longest time.Duration) bool {
	select {
	case c.turn <- struct{}{}:
		return true
	default:
	}
	t := time.NewTimer(longest)
	defer t.Stop()
	select {
	case c.turn <- struct{}{}:
		return true
	case <-t.C:
		return false
	}
}

func (c *Collection) take() []collected {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := c.out
	c.out, c.bytes, c.frames = nil, 0, 0
	return out
}

// lead delivers what this process has collected for a session, before something else goes to it.
func (d *Delivery) lead(ctx context.Context, id sessionstore.SessionID) error {
	wait := busyInAll
	if d.patiently != nil { // one of many, for which the others do not wait
		wait = othersWait
	}
	for _, c := range d.collections.get(id) {
		if err := c.flush(ctx, d, wait); err != nil {
			return err
		}
	}
	return nil
}

// othersWait is how long a broadcast waits for another caller that is delivering to one of its members.
const othersWait = 1500 * time.Millisecond

// collected delivers packets that were collected, and returns those that were not delivered because of an error. For a
// buffer they become one entry. The volatile ones are in it if the client takes it at once; if not, they are dropped,
// which takes another write where there are others.
func (d *Delivery) collected(ctx context.Context, t Target, packets []collected) ([]collected, error) {
	isVolatile := func(p collected) bool { return p.volatile }
	mixed := slices.ContainsFunc(packets, isVolatile)
	if !t.Hint.IsZero() || mixed && d.serial.has(t.Session) {
		return d.inRuns(ctx, t, packets)
	}
	if mixed {
		rest, done, err := d.offerAll(ctx, t, packets)
		if done || err != nil {
			return rest, err
		}
		if packets = slices.DeleteFunc(slices.Clone(packets), isVolatile); len(packets) == 0 {
			return nil, nil
		}
	}
	if _, err := d.deliver(ctx, t, []sessionstore.Packet{oneEntry(packets)}); err != nil {
		return packets, err
	}
	return nil, nil
}

// offerAll delivers collected packets, the volatile ones too, if the client takes them at once. It is not done if these
// are to be dropped.
func (d *Delivery) offerAll(
	ctx context.Context, t Target, packets []collected,
) (rest []collected, done bool, err error) {
	if d.ending.has(t.Session) {
		return packets, false, fmt.Errorf("%w: %w", ErrClosed, ErrEnding)
	}
	entry := []sessionstore.Packet{oneEntry(packets)}
	action, _, err := d.offer(ctx, t.Session, entry)
	switch action {
	case protocol.DeliverDone:
		return nil, true, nil
	case protocol.DeliverGone:
		return packets, false, ErrClosed
	case protocol.DeliverPush, protocol.DeliverEnqueue: // it has moved to WebSocket
		rest, err = d.inRuns(ctx, t, packets)
		return rest, true, err
	case protocol.DeliverDoubt:
		if err = d.inDoubt(ctx, t.Session, entry, err); err == nil {
			return nil, true, nil
		}
		return packets, false, err
	case protocol.DeliverRepeat:
		return packets, false, fmt.Errorf("deliver: %w", err)
	default:
		return packets, false, nil
	}
}

// inRuns delivers collected packets by turns, volatile ones and others.
func (d *Delivery) inRuns(ctx context.Context, t Target, packets []collected) ([]collected, error) {
	for len(packets) > 0 {
		t.Volatile = packets[0].volatile
		n := 0
		var run []sessionstore.Packet
		for n < len(packets) && packets[n].volatile == t.Volatile {
			run = append(run, packets[n].Packet)
			n++
		}
		if t.Session.IsOutbox() {
			run = []sessionstore.Packet{oneEntry(packets[:n])}
		}
		if _, err := d.deliver(ctx, t, run); err != nil && !errors.Is(err, ErrDropped) {
			return packets, err
		}
		packets = packets[n:]
	}
	return nil, nil
}

// oneEntry puts packets together to one entry of a buffer.
func oneEntry(packets []collected) sessionstore.Packet {
	if len(packets) == 1 {
		return packets[0].Packet
	}
	one := sessionstore.Packet{ID: packets[0].ID}
	for _, p := range packets {
		one.Frames = append(one.Frames, p.Frames...)
	}
	return one
}
