package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/internal/again"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// Lateness is how much later than the frame after it a frame of a WebSocket is expected to be handled, at most, where
// frames of one connection may be handled at once. What overtook another waits for so long.
const Lateness = time.Second

// Why a frame that overtook another waits no more.
var (
	// ErrCrowded: another frame of the session waits for the like already. One at a time may, or a client could keep
	// all instances busy with small frames.
	ErrCrowded = errors.New("engine: another frame waits already")
	// ErrNeverCame: what the frame waited for has not come.
	ErrNeverCame = errors.New("engine: what it waits for has not come")
)

// Wait is what a frame that overtook another waits for. For each of them one frame of a session may wait: a client
// that is honest sends a packet with its attachment right behind the upgrade packet, or while it joins a namespace
// again.
type Wait string

// What frames wait for.
const (
	// WaitUpgrade and WaitUpgradeBinary are for the upgrade packet, of a text frame and of an attachment.
	WaitUpgrade       Wait = "upgrade"
	WaitUpgradeBinary Wait = "upgrade/b"
	// WaitHeader is for the packet that an attachment is of.
	WaitHeader Wait = "header"
	// WaitLeave is for the end of a namespace that is joined again.
	WaitLeave Wait = "leave"
)

// Overtaken reads the session again until it is as a frame that overtook another needs it, and returns it as it is
// then. It costs two writes and a read for each look. Errors: [ErrCrowded], [ErrNeverCame] after patience or if the
// session is not open any more.
func (e *Engine) Overtaken(
	ctx context.Context, id sessionstore.SessionID, what Wait, patience time.Duration,
	ready func(*sessionstore.Session) bool,
) (sessionstore.Session, error) {
	place, now := "waits/"+string(id)+"/"+string(what), time.Now()
	me := sessionstore.Owner(sessionstore.NewID())
	err := e.store.Claim(
		ctx, place, sessionstore.Lease{Owner: me, Until: now.Add(patience + delivery.LeaseMargin)}, "", now,
	)
	if errors.Is(err, sessionstore.ErrExists) {
		return sessionstore.Session{}, ErrCrowded
	}
	if err != nil {
		return sessionstore.Session{}, fmt.Errorf("engine: wait for an overtaken frame: %w", err)
	}
	defer func() {
		now := time.Now()
		over := now.Add(-delivery.LeaseMargin) // for an instance whose clock is slow, too
		// If it fails, no other frame can wait until the lease has ended.
		_ = e.store.Claim(context.WithoutCancel(ctx), place, sessionstore.Lease{Owner: me, Until: over}, "", now)
	}()
	return e.readUntil(ctx, id, patience, ready)
}

// readUntil is Overtaken without the place.
func (e *Engine) readUntil(
	ctx context.Context, id sessionstore.SessionID, patience time.Duration, ready func(*sessionstore.Session) bool,
) (sessionstore.Session, error) {
	for tries := again.Until(time.Now().Add(patience)).Paused(); tries.Next(ctx); {
		s, err := e.store.Get(ctx, id, time.Now())
		switch {
		case err != nil && !sessionstore.InDoubt(err) && !errors.Is(err, sessionstore.ErrThrottled):
			return s, fmt.Errorf("%w: %w", ErrNeverCame, err)
		case err == nil && s.State != sessionstore.Open:
			return s, ErrNeverCame
		case err == nil && ready(&s):
			return s, nil
		}
	}
	return sessionstore.Session{}, ErrNeverCame
}
