// Package protocol decides what docs/protocol.md says: each rule is a pure function from what was read or refused, the
// time and the options to a named action. It reads no clock and no store, and does nothing: package engine and package
// delivery do what it says, by a switch over the action.
//
// Its tests are the tables of docs/protocol.md.
package protocol

import (
	"time"

	"github.com/nonstick-io/nonstick/sessionstore"
)

// Rules are the decisions that the simulation replaces, one or another, to see that a schedule catches what comes of
// it. An engine and a delivery make them by this table, and all others by a call of the function. There is one set.
type Rules struct {
	Names func(t, opened string, now time.Time) bool
	Get   func(GetState) GetAction

	Deliver  func(err error, packets []sessionstore.Packet, limits sessionstore.BufferLimits) DeliverAction
	Enqueued func(hold sessionstore.Lease, mine sessionstore.Owner, now time.Time) FlushAction
	Push     func(error) PushAction
	Skip     func(given int) int
	Released func(cur *sessionstore.Session, mine sessionstore.Owner) FlushAction

	Carry    func(hold sessionstore.Lease, mine sessionstore.Owner, now time.Time) CarryAction
	Numbered func(error, *sessionstore.Session, sessionstore.Number) (action NumberAction, got int)
	Resumes  func(outbox *sessionstore.Session, offset string, now time.Time) (ResumeAction, Offset)
	// Recovered and Follows are of a client that comes back while another does.
	Recovered func(error, *sessionstore.RecoverRequest) RecoverAction
	Follows   func(s, other *sessionstore.Session) bool
	Welcome   func(answer, missed []sessionstore.Packet) []sessionstore.Packet

	Open   func(error) OpenAction
	Row    func(RowState) RowAction
	Pinged func(error) PingedAction
	Look   func(LookState) LookAction
}

// sound are the rules of docs/protocol.md.
var sound = Rules{
	Names: Names, Get: Get, Deliver: Deliver, Enqueued: Enqueued, Push: Push, Skip: Skip, Released: Released,
	Carry: Carry, Numbered: Numbered, Resumes: Resumes, Recovered: Recovered, Follows: Follows,
	Welcome: Welcome,
	Open:    Open, Row: Row, Pinged: Pinged, Look: Look,
}

// Sound returns the rules of docs/protocol.md.
func Sound() Rules { return sound }

// Breaker is a store that comes with rules of its own. It is for the simulation alone, which breaks them one by one;
// no program has one, and no other module can.
type Breaker interface{ BrokenRules() *Rules }

// Of returns the rules for what works on a store.
func Of(store any) *Rules {
	if b, ok := store.(Breaker); ok {
		return b.BrokenRules()
	}
	return &sound
}
