package delivery

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nonstick-io/nonstick/internal/again"
	"github.com/nonstick-io/nonstick/internal/protocol"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// ErrDropped says that a volatile packet was not delivered, because the client could not take it at that moment. The
// session stays.
var ErrDropped = errors.New("delivery: the client cannot take a volatile packet now")

// offer appends packets to the buffer on condition that the client takes them at once: one write, whether or not it
// does. The action is done, dropped or whatever else there is to do, and conn that of a push.
func (d *Delivery) offer(
	ctx context.Context, id sessionstore.SessionID, packets []sessionstore.Packet,
) (action protocol.DeliverAction, conn sessionstore.Connection, err error) {
	limits := d.limits.Buffer
	for tries := again.Times(storeTries); tries.Next(ctx); {
		limits.IfTaken = time.Now()
		err = d.store.Deliver(ctx, id, packets, limits)
		if action = protocol.DeliverVolatile(err); action != protocol.DeliverRepeat {
			break
		}
	}
	cur, _ := sessionstore.Current(err)
	return action, cur.Conn, err
}

// bufferVolatile is buffer for packets that are dropped if the client does not take them now.
func (d *Delivery) bufferVolatile(
	ctx context.Context, id sessionstore.SessionID, packets []sessionstore.Packet,
) (sessionstore.Connection, error) {
	none := sessionstore.Connection{}
	if d.serial.has(id) {
		return none, d.enqueueVolatile(ctx, id, packets)
	}
	action, conn, err := d.offer(ctx, id, packets)
	switch action {
	case protocol.DeliverDone:
		return none, nil
	case protocol.DeliverDropped:
		return none, ErrDropped
	case protocol.DeliverPush:
		return conn, d.pushVolatile(ctx, id, conn, packets)
	case protocol.DeliverEnqueue:
		d.serial.add(id, forever)
		return none, d.enqueueVolatile(ctx, id, packets)
	case protocol.DeliverDoubt:
		return none, d.inDoubt(ctx, id, packets, err)
	case protocol.DeliverRepeat:
		return none, fmt.Errorf("deliver: %w", err)
	default:
		return none, d.refused(ctx, id, action)
	}
}

// enqueueVolatile is enqueue for packets that are dropped if another caller is pushing, or the connection is busy.
func (d *Delivery) enqueueVolatile(
	ctx context.Context, id sessionstore.SessionID, packets []sessionstore.Packet,
) error {
	hold, limits := NewHold(), d.limits.Buffer
	var err error
	for tries := again.Times(storeTries); tries.Next(ctx); {
		limits.IfTaken = time.Now()
		var s sessionstore.Session
		s, err = d.store.Enqueue(ctx, id, packets, limits, hold)
		switch action := protocol.DeliverVolatile(err); action {
		case protocol.DeliverDone:
			return d.flushVolatile(ctx, s, hold, len(packets))
		case protocol.DeliverDropped, protocol.DeliverEnqueue: // another caller has the hold, or had it
			return ErrDropped
		case protocol.DeliverDoubt:
			return d.enqueueInDoubt(ctx, id, packets, hold, err)
		case protocol.DeliverRepeat:
		default:
			return d.refused(ctx, id, action)
		}
	}
	return fmt.Errorf("deliver: %w", err)
}

// flushVolatile pushes a buffer that begins with n volatile packets.
func (d *Delivery) flushVolatile(ctx context.Context, s sessionstore.Session, hold sessionstore.Lease, n int) error {
	dropped, done, err := d.flush(ctx, s, hold, n)
	switch {
	case err != nil:
		return err
	case !done:
		return ErrClosed
	case dropped > 0:
		return ErrDropped
	default:
		return nil
	}
}

// pushVolatile is push for packets that are dropped if the connection is busy: each is tried once.
func (d *Delivery) pushVolatile(
	ctx context.Context, id sessionstore.SessionID, conn sessionstore.Connection, packets []sessionstore.Packet,
) error {
	dropped := false
	for i := range packets {
		err := d.impatient().push(ctx, id, conn, packets[i:i+1])
		if err != nil && !errors.Is(err, ErrDropped) {
			return err
		}
		dropped = dropped || err != nil
	}
	if dropped {
		return ErrDropped
	}
	return nil
}

// impatient returns d with pushes that are dropped, in place of being repeated, where the first of a delivery finds the
// connection busy. A later one may not be left out: the client has a part of what belongs together.
func (d *Delivery) impatient() *Delivery {
	one, begun := *d, false
	one.patiently = func(ctx context.Context, push Try) error {
		if begun {
			return d.patiently(ctx, push)
		}
		refused := false
		err := d.patiently(ctx, func(ctx context.Context) (bool, error) {
			busy, err := push(ctx)
			refused = busy
			return false, err
		})
		if refused {
			return fmt.Errorf("%w: %w", ErrDropped, err)
		}
		begun = true
		return err
	}
	return &one
}
