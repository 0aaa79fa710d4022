package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nonstick-io/nonstick/adapter"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// errLeaseOver: whoever meets a hold past its time closes the session, so its holder must not push on.
var errLeaseOver = errors.New("engine: the hold ended before the flush did")

// clockSkew is how much the clocks of two instances may differ.
const clockSkew = 500 * time.Millisecond

// flusher pushes what is in the buffer of a session that has just been upgraded.
type flusher struct {
	e      *Engine
	id     sessionstore.SessionID
	conn   sessionstore.Connection
	hold   sessionstore.Lease
	pushed int // entries of the buffer that the client has: those that its last GET carried, and those pushed
}

// flush pushes the buffer of an upgraded session in order and lets deliveries through again. What was appended
// meanwhile makes the release fail, and is pushed next.
func (e *Engine) flush(ctx context.Context, s sessionstore.Session, hold sessionstore.Lease) error {
	f := &flusher{e: e, id: s.ID, conn: s.Conn, hold: hold, pushed: s.Given}
	pause := adapter.NewPause()
	for {
		if err := f.push(ctx, s.Buffer[min(f.pushed, len(s.Buffer)):]); err != nil {
			return e.dropped(ctx, s.ID, s.Conn, err)
		}
		err := e.store.Release(ctx, s.ID, hold.Owner, f.pushed)
		if err == nil {
			break
		}
		cur, known := sessionstore.Current(err)
		if !known && sessionstore.InDoubt(err) || errors.Is(err, sessionstore.ErrThrottled) || errors.Is(err, sessionstore.ErrUnavailable) {
			pause.Wait(ctx)
			if cur, err = f.read(ctx); err != nil {
				return e.dropped(ctx, s.ID, s.Conn, err)
			}
			known = true
		}
		if known && cur.State == sessionstore.Open && cur.Hold.Owner == hold.Owner {
			s = cur
			continue
		}
		if known && cur.State == sessionstore.Open && !cur.Hold.Held() {
			break // a release of ours in doubt was applied
		}
		return e.refuse(ctx, s.Conn) // closed meanwhile
	}
	return e.upgraded(ctx, s.ID)
}

func (f *flusher) push(ctx context.Context, packets []sessionstore.Packet) error {
	packets, err := f.e.store.Bodies(ctx, f.id, packets)
	if err != nil {
		return fmt.Errorf("engine: flush: %w", err)
	}
	for _, p := range packets {
		for _, frame := range p.Frames {
			if err := f.keep(ctx); err != nil {
				return err
			}
			if err := f.e.delivery.Push(ctx, f.conn, frame); err != nil {
				return fmt.Errorf("engine: flush: %w", err)
			}
		}
		f.pushed++
	}
	return nil
}

// keep renews the hold when it comes near its end, and compares the clock before each push.
func (f *flusher) keep(ctx context.Context) error {
	now := time.Now()
	if now.Before(f.hold.Until.Add(-leaseMargin / 2)) {
		return nil
	}
	renewed := sessionstore.Lease{Owner: f.hold.Owner, Until: now.Add(2 * leaseMargin)}
	if err := f.e.store.Renew(ctx, f.id, renewed); err == nil {
		f.hold = renewed
		return nil
	}
	if now.Before(f.hold.Until.Add(-clockSkew)) {
		return nil
	}
	return errLeaseOver
}

func (f *flusher) read(ctx context.Context) (s sessionstore.Session, err error) {
	pause := adapter.NewPause()
	for range upgradeRepeats {
		if s, err = f.e.store.Get(ctx, f.id, time.Now()); err == nil {
			return s, nil
		}
		pause.Wait(ctx)
	}
	return s, fmt.Errorf("engine: flush: %w", err)
}

// upgraded writes the connection where deliverers and the sweeper look for it. Until then they find the session
// by its buffer, whose refusal tells the connection.
func (e *Engine) upgraded(ctx context.Context, id sessionstore.SessionID) error {
	s, err := e.store.Get(ctx, id, time.Now())
	if errors.Is(err, sessionstore.ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("engine: upgrade: %w", err)
	}
	if s.Hint().IsZero() {
		return nil
	}
	r := sessionstore.Registration{Session: id, Conn: s.Conn, PingAt: s.PingAt}
	if len(s.Sockets) == 0 {
		r.LookAt = e.connectBy(s.CreatedAt)
	}
	if err := e.store.Update(ctx, r); err != nil && !errors.Is(err, sessionstore.ErrNotFound) {
		return fmt.Errorf("engine: upgrade: %w", err)
	}
	for _, k := range s.Sockets {
		if err := e.store.SetHint(ctx, k, s.Conn); err != nil {
			return fmt.Errorf("engine: upgrade: %w", err)
		}
	}
	return nil
}
