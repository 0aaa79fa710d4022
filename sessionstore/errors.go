package sessionstore

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Errors that callers branch on. Match them with errors.Is.
var (
	// ErrNotFound: the item does not exist or has expired.
	ErrNotFound = errors.New("sessionstore: not found")
	// ErrExists: an item with that key is there already.
	ErrExists = errors.New("sessionstore: exists already")
	// ErrConflict: the condition of a write failed, so nothing was written. See [ConflictError].
	ErrConflict = errors.New("sessionstore: condition failed")
	// ErrThrottled: the store refused the call for its rate; nothing was written. Before a store returns it for a join
	// or a leave, it repeats the call as long as the context has time: all members of a room are one partition of a
	// table.
	ErrThrottled = errors.New("sessionstore: throttled")
	// ErrUnavailable: the call never reached the store; nothing was written.
	ErrUnavailable = errors.New("sessionstore: unavailable")
	// ErrTooLarge: the value is above a limit of the store; nothing was written.
	ErrTooLarge = errors.New("sessionstore: too large")
	// ErrSpoilt: more has come for a partial packet than it wants; it was counted, and no caller can take the packet.
	ErrSpoilt = errors.New("sessionstore: partial packet spoilt")
	// ErrFull: the store has no room for another session or socket; nothing was written.
	ErrFull = errors.New("sessionstore: full")
	// ErrTooManyRooms: the socket is in as many rooms as it may be; it joined no other.
	ErrTooManyRooms = errors.New("sessionstore: too many rooms")
)

// ConflictError is a write that was not applied because the session was in another state. It matches
// [ErrConflict].
type ConflictError struct {
	// Op is the transition that was refused.
	Op Op
	// Session is the session item as the refused write found it. Its Sockets and Partial are not filled.
	Session Session
}

// Error says which transition was refused and in which state the session was.
func (e *ConflictError) Error() string {
	return fmt.Sprintf(
		"sessionstore: %s: condition failed (session %s on %s)", e.Op, e.Session.State, e.Session.Transport,
	)
}

// Is makes a ConflictError match [ErrConflict].
func (e *ConflictError) Is(target error) bool { return target == ErrConflict }

// Current returns the session that a refused write found, if err is such a refusal.
func Current(err error) (Session, bool) {
	var c *ConflictError
	if errors.As(err, &c) {
		return c.Session, true
	}
	return Session{}, false
}

// ChangedError is a swap of a socket's data that was not applied because the key had another value than the old one of
// the call. It matches [ErrConflict].
type ChangedError struct {
	// Data are all data of the socket as the refused write found them, JSON values by key; empty if there are none.
	Data map[string]string
}

// Error says that the value was another, and not which: values are not for logs.
func (*ChangedError) Error() string {
	return "sessionstore: swap data: condition failed (the key has another value)"
}

// Is makes a ChangedError match [ErrConflict].
func (*ChangedError) Is(target error) bool { return target == ErrConflict }

// CurrentData returns the data that a refused swap found, if err is such a refusal.
func CurrentData(err error) (map[string]string, bool) {
	var c *ChangedError
	if errors.As(err, &c) {
		return c.Data, true
	}
	return nil, false
}

// HeldError is a claim that was refused because another owner has the lease. It matches [ErrExists].
type HeldError struct {
	// Lease is the one that the refused claim found.
	Lease Lease
}

// Error says until when the lease is held.
func (e *HeldError) Error() string {
	return fmt.Sprintf("sessionstore: claim: held until %s", e.Lease.Until.UTC().Format(time.RFC3339Nano))
}

// Is makes a HeldError match [ErrExists].
func (e *HeldError) Is(target error) bool { return target == ErrExists }

// Holder returns the lease that a refused claim found, if err is such a refusal.
func Holder(err error) (Lease, bool) {
	var h *HeldError
	if errors.As(err, &h) {
		return h.Lease, true
	}
	return Lease{}, false
}

// InDoubt reports whether err leaves open if the write was, or will yet be, applied.
func InDoubt(err error) bool {
	if err == nil {
		return false
	}
	for _, certain := range []error{
		ErrNotFound, ErrExists, ErrConflict, ErrThrottled, ErrUnavailable, ErrTooLarge, ErrSpoilt, ErrTooManyRooms,
		ErrFull,
	} {
		if errors.Is(err, certain) {
			return false
		}
	}
	return true
}

// NotSent returns ctx's error as a certain one if ctx has already ended, so that a store can refuse a
// call before sending anything. It returns nil while ctx is alive.
func NotSent(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return nil
}
