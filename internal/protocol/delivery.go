package protocol

import (
	"errors"
	"time"

	"github.com/nonstick-io/nonstick/sessionstore"
)

// DeliverAction is what to do after Deliver or Enqueue.
type DeliverAction string

// What may be done after Deliver or Enqueue.
const (
	DeliverDone    DeliverAction = "done"                  // it was applied; after Enqueue, see Enqueued
	DeliverGone    DeliverAction = "gone"                  // the session is not open
	DeliverPush    DeliverAction = "push"                  // to the connection that the refusal names
	DeliverEnqueue DeliverAction = "enqueue"               // the session is serial and on WebSocket
	DeliverFull    DeliverAction = "close: full"           // the client fetches too slowly
	DeliverWrong   DeliverAction = "refused without cause" // by a store that breaks its contract
	DeliverDoubt   DeliverAction = "in doubt"              // see Doubt
	DeliverRepeat  DeliverAction = "repeat"                // it was certainly not applied
	DeliverDropped DeliverAction = "drop"                  // the client cannot take the volatile packet now
)

// Deliver decides what to do after Deliver returned err.
func Deliver(err error, packets []sessionstore.Packet, limits sessionstore.BufferLimits) DeliverAction {
	cur, refused := sessionstore.Current(err)
	if !refused || cur.State != sessionstore.Open || cur.Transport != sessionstore.WebSocket {
		return Enqueue(err, packets, limits)
	}
	switch {
	case cur.Serial:
		return DeliverEnqueue
	case !cur.Hold.Held():
		return DeliverPush
	default:
		return Enqueue(err, packets, limits)
	}
}

// DeliverVolatile decides what to do after a Deliver or an Enqueue returned err that was to append only what the client
// takes at once.
func DeliverVolatile(err error) DeliverAction {
	cur, refused := sessionstore.Current(err)
	switch {
	case !refused:
		return Enqueue(err, nil, sessionstore.BufferLimits{})
	case cur.State != sessionstore.Open:
		return DeliverGone
	case cur.Transport != sessionstore.WebSocket || cur.Hold.Held():
		return DeliverDropped
	case cur.Serial:
		return DeliverEnqueue
	default:
		return DeliverPush
	}
}

// Enqueue decides what to do after Enqueue returned err.
func Enqueue(err error, packets []sessionstore.Packet, limits sessionstore.BufferLimits) DeliverAction {
	cur, refused := sessionstore.Current(err)
	switch {
	case err == nil:
		return DeliverDone
	case refused && cur.State != sessionstore.Open, errors.Is(err, sessionstore.ErrNotFound):
		return DeliverGone
	case refused && limits.Exceeded(&cur, packets):
		return DeliverFull
	case refused:
		return DeliverWrong
	case sessionstore.InDoubt(err):
		return DeliverDoubt
	default:
		return DeliverRepeat
	}
}

// DoubtAction is what to do about a session to which a packet may have been delivered or not.
type DoubtAction string

// What may be done about a doubt.
const (
	DoubtDone  DoubtAction = "done"
	DoubtGone  DoubtAction = "gone"
	DoubtClose DoubtAction = "close" // before the error is returned
)

// Doubt decides after a delivery in doubt, by the session as it was read: whether it is open, and whether the packet
// waits in its buffer. If it does not, it may have come and gone, or may yet come.
func Doubt(open, waits bool) DoubtAction {
	switch {
	case !open:
		return DoubtGone
	case waits:
		return DoubtDone
	default:
		return DoubtClose
	}
}

// The errors of a push that tell what became of it. Package delivery exports them.
var (
	ErrGone = errors.New("delivery: connection is gone")
	ErrBusy = errors.New("delivery: connection is busy")
)

// PushAction is what to do after a push.
type PushAction string

// What may be done after a push. What ends the session is never repeated, and the next frame is not tried.
const (
	PushOn        PushAction = "go on"           // with the next frame
	PushRepeat    PushAction = "wait and repeat" // in place, bounded; then it is as if in doubt
	PushCloseGone PushAction = "close: gone"     // the client has left
	PushCut       PushAction = "close: in doubt" // and cut the connection
)

// Push decides what to do after a push returned err. What is no clear success is in doubt, unless it says otherwise.
func Push(err error) PushAction {
	switch {
	case err == nil:
		return PushOn
	case errors.Is(err, ErrBusy):
		return PushRepeat
	case errors.Is(err, ErrGone):
		return PushCloseGone
	default:
		return PushCut
	}
}

// FlushAction is what to do for the caller that appended, or that wanted to release the hold.
type FlushAction string

// What may be done in a flush.
const (
	FlushPush      FlushAction = "push"             // the hold is the caller's: it pushes the rest
	FlushDone      FlushAction = "done"             // nothing; another caller has the hold, or none is left
	FlushOver      FlushAction = "over"             // the session is not open
	FlushCloseDead FlushAction = "close: dead hold" // the caller that had the hold has died
)

// Enqueued decides what to do after Enqueue was applied, by the hold of the session that it returned.
func Enqueued(hold sessionstore.Lease, mine sessionstore.Owner, now time.Time) FlushAction {
	switch {
	case hold.Owner == mine:
		return FlushPush
	case hold.Expired(now):
		return FlushCloseDead
	default:
		return FlushDone
	}
}

// Skip returns how many of the first entries of the buffer the flush of an upgrade does not push: those that were given
// to the last GET, which "5" acknowledges as the next GET would.
func Skip(given int) int { return given }

// Released decides what to do after Release, by the session that its refusal told, or that was read after a doubt; nil
// if it was applied.
func Released(cur *sessionstore.Session, mine sessionstore.Owner) FlushAction {
	switch {
	case cur == nil:
		return FlushDone
	case cur.State != sessionstore.Open:
		return FlushOver
	case cur.Hold.Owner == mine: // something was appended meanwhile
		return FlushPush
	default: // an earlier release was applied, and the next holder may be at work
		return FlushDone
	}
}
