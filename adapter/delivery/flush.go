package delivery

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nonstick-io/nonstick/internal/again"
	"github.com/nonstick-io/nonstick/internal/engineio"
	"github.com/nonstick-io/nonstick/internal/protocol"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// errLeaseOver: the caller that meets a hold past its time closes the session, so its holder must not push on.
var errLeaseOver = errors.New("delivery: the hold ended before the flush did")

// clockSkew is how much the clocks of two instances may differ.
const clockSkew = 500 * time.Millisecond

// flusher pushes the buffer of a session on WebSocket that it holds back.
type flusher struct {
	d      *Delivery
	id     sessionstore.SessionID
	conn   sessionstore.Connection
	codec  engineio.Codec
	hold   sessionstore.Lease
	pushed int // entries of the buffer that the client has: those that its last GET carried, and those pushed

	volatile int // so many of the first entries are dropped if the connection is busy
	dropped  int
}

// holdTime is how long a hold lasts unless it is renewed. Much shorter than an invocation may be, because until then no
// caller notices that its holder has died, and what is for the session waits.
const holdTime = 2 * LeaseMargin

// NewHold returns a lease for a flush.
func NewHold() sessionstore.Lease {
	return sessionstore.Lease{Owner: sessionstore.Owner(sessionstore.NewID()), Until: time.Now().Add(holdTime)}
}

// Flush pushes the buffer of a session on WebSocket, in order, for the holder of hold, and lets deliveries through
// again. What is appended meanwhile makes the release fail, and is pushed next. It reports false if the session
// closed meanwhile; after an error it has been closed.
func (d *Delivery) Flush(ctx context.Context, s sessionstore.Session, hold sessionstore.Lease) (bool, error) {
	_, done, err := d.flush(ctx, s, hold, 0)
	return done, err
}

// flush is Flush of a buffer that begins with so many volatile packets. It returns how many of these were dropped.
func (d *Delivery) flush(
	ctx context.Context, s sessionstore.Session, hold sessionstore.Lease, volatile int,
) (dropped int, done bool, err error) {
	d = d.patient()
	f := &flusher{
		d: d, id: s.ID, conn: s.Conn, codec: engineio.Codec(s.Codec), hold: hold, pushed: d.rules.Skip(s.Given),
		volatile: volatile,
	}
	for {
		if err := f.push(ctx, s.Buffer[min(f.pushed, len(s.Buffer)):]); err != nil {
			return f.dropped, false, d.lost(ctx, s.ID, s.Conn, err)
		}
		cur, err := f.release(ctx)
		if err != nil {
			return f.dropped, false, d.lost(ctx, s.ID, s.Conn, err)
		}
		action := d.rules.Released(cur, hold.Owner)
		if action != protocol.FlushPush {
			return f.dropped, action == protocol.FlushDone, nil
		}
		s = *cur
	}
}

// release gives the hold back. If that is refused or in doubt, it returns the session as it is instead.
func (f *flusher) release(ctx context.Context) (*sessionstore.Session, error) {
	return f.settle(ctx, f.d.store.Release(ctx, f.id, f.hold.Owner, f.pushed))
}

// settle is what is known after a hold was given back: nil if it was, else the session as it is.
func (f *flusher) settle(ctx context.Context, err error) (*sessionstore.Session, error) {
	if err == nil {
		return nil, nil
	}
	if cur, refused := sessionstore.Current(err); refused {
		return &cur, nil
	}
	if errors.Is(err, sessionstore.ErrNotFound) {
		return &sessionstore.Session{State: sessionstore.Closed}, nil
	}
	cur, err := f.d.readAgain(context.WithoutCancel(ctx), f.id)
	if errors.Is(err, sessionstore.ErrNotFound) {
		return &sessionstore.Session{State: sessionstore.Closed}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("release: %w", err)
	}
	return &cur, nil
}

func (f *flusher) push(ctx context.Context, packets []sessionstore.Packet) error {
	packets, err := f.d.store.Bodies(ctx, f.id, packets)
	if err != nil {
		return fmt.Errorf("flush: %w", err)
	}
	for _, p := range packets {
		d := f.d
		if f.pushed < f.volatile {
			d = d.impatient()
		}
		switch err := f.pushEntry(ctx, d, p.Frames); {
		case errors.Is(err, ErrDropped):
			f.dropped++
		case err != nil:
			return err
		}
		f.pushed++
	}
	return nil
}

func (f *flusher) pushEntry(ctx context.Context, d *Delivery, frames []string) error {
	for _, frame := range frames {
		if err := f.keep(ctx); err != nil {
			return err
		}
		if err := d.Push(ctx, f.conn, f.codec.Encode(frame)); err != nil {
			return err
		}
	}
	return nil
}

// keep renews the hold when it comes near its end, and compares the clock before each push.
func (f *flusher) keep(ctx context.Context) error {
	now := time.Now()
	if now.Before(f.hold.Until.Add(-LeaseMargin / 2)) {
		return nil
	}
	renewed := sessionstore.Lease{Owner: f.hold.Owner, Until: now.Add(holdTime)}
	if err := f.d.store.Renew(ctx, f.id, renewed); err == nil {
		f.hold = renewed
		return nil
	}
	if now.Before(f.hold.Until.Add(-clockSkew)) {
		return nil
	}
	return errLeaseOver
}

// enqueue delivers to a serial session on WebSocket: it appends, and pushes if no other caller is pushing.
func (d *Delivery) enqueue(ctx context.Context, id sessionstore.SessionID, packets []sessionstore.Packet) error {
	hold := NewHold()
	var err error
	for tries := again.Times(storeTries); tries.Next(ctx); {
		var s sessionstore.Session
		s, err = d.store.Enqueue(ctx, id, packets, d.limits.Buffer, hold)
		switch action := protocol.Enqueue(err, packets, d.limits.Buffer); action {
		case protocol.DeliverDone:
			return d.enqueued(ctx, s, hold)
		case protocol.DeliverDoubt:
			return d.enqueueInDoubt(ctx, id, packets, hold, err)
		case protocol.DeliverRepeat:
		default:
			return d.refused(ctx, id, action)
		}
	}
	return fmt.Errorf("deliver: %w", err)
}

// enqueued goes on after the append: by a push if the hold is ours. A hold past its time means a dead flusher:
// the caller that meets it closes the session.
func (d *Delivery) enqueued(ctx context.Context, s sessionstore.Session, hold sessionstore.Lease) error {
	switch d.rules.Enqueued(s.Hold, hold.Owner, time.Now()) {
	case protocol.FlushPush:
		done, err := d.Flush(ctx, s, hold)
		if err == nil && !done {
			err = ErrClosed
		}
		return err
	case protocol.FlushCloseDead:
		return errors.Join(ErrClosed, d.close(ctx, s.ID, ReasonTransportError, s.Conn, diedInDelivery))
	default:
		return nil
	}
}

// enqueueInDoubt settles an append that may have happened, as inDoubt does.
func (d *Delivery) enqueueInDoubt(
	ctx context.Context, id sessionstore.SessionID, packets []sessionstore.Packet, hold sessionstore.Lease,
	cause error,
) error {
	return d.appendInDoubt(ctx, id, packets, cause, func(ctx context.Context, s sessionstore.Session) error {
		return d.enqueued(ctx, s, hold)
	})
}

// appendInDoubt settles an Enqueue that may have happened: it goes on if the packets are in the buffer, and closes the
// session if it is unknown whether they will be.
func (d *Delivery) appendInDoubt(
	ctx context.Context, id sessionstore.SessionID, packets []sessionstore.Packet, cause error,
	goOn func(ctx context.Context, s sessionstore.Session) error,
) error {
	ctx = context.WithoutCancel(ctx)
	s, waits, err := d.waiting(ctx, id, packets[len(packets)-1].ID)
	switch protocol.Doubt(!errors.Is(err, ErrClosed), waits) {
	case protocol.DoubtGone:
		return ErrClosed
	case protocol.DoubtDone:
		return goOn(ctx, s)
	case protocol.DoubtClose:
	}
	err = d.close(ctx, id, ReasonTransportError, s.Conn, "deliver: "+cause.Error())
	return errors.Join(fmt.Errorf("deliver: %w", cause), err)
}
