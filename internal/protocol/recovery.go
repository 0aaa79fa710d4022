package protocol

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nonstick-io/nonstick/sessionstore"
)

// CarryAction is what to do after an Enqueue to an outbox was applied.
type CarryAction string

// What may be done about what was appended to an outbox.
const (
	CarryPush      CarryAction = "push"             // the hold is the caller's: it pushes to the carrier
	CarryNumber    CarryAction = "append by number" // to the buffer of the carrier, which polls
	CarryWaits     CarryAction = "waits"            // there is no carrier
	CarryDone      CarryAction = "done"             // another caller has the hold, and pushes
	CarryCloseDead CarryAction = "close: dead hold" // the caller that had the hold has died
)

// Carry decides about what was appended to an outbox, by its hold.
func Carry(hold sessionstore.Lease, mine sessionstore.Owner, now time.Time) CarryAction {
	switch {
	case hold.Owner == mine:
		return CarryPush
	case hold.Owner == sessionstore.HoldPolling:
		return CarryNumber
	case hold.Owner == sessionstore.HoldAway:
		return CarryWaits
	case hold.Expired(now):
		return CarryCloseDead
	default:
		return CarryDone
	}
}

// NumberAction is what to do after an append to the buffer of a carrier, on condition of a number.
type NumberAction string

// What may be done after such an append.
const (
	NumberDone   NumberAction = "done"        // it, or another caller, has brought it
	NumberLost   NumberAction = "lost"        // the carrier is not open: the next one brings it
	NumberLeave  NumberAction = "leave it"    // the caller that recovers the outbox brings it
	NumberBehind NumberAction = "bring more"  // the carrier has less than was thought
	NumberSwitch NumberAction = "switch"      // the carrier is on WebSocket
	NumberFull   NumberAction = "close: full" // its client fetches too slowly
	NumberRepeat NumberAction = "repeat"      // it was not applied, or may have been: the number tells
	NumberCut    NumberAction = "close"       // the store breaks its contract
)

// Numbered decides what to do after Deliver returned err, for an outbox as it was when its last entry had the number
// to. got is what the carrier has.
func Numbered(err error, outbox *sessionstore.Session, n sessionstore.Number) (action NumberAction, got int) {
	cur, refused := sessionstore.Current(err)
	if !refused {
		switch {
		case err == nil:
			return NumberDone, n.To
		case errors.Is(err, sessionstore.ErrNotFound):
			return NumberLost, 0
		default:
			return NumberRepeat, 0
		}
	}
	got, has := cur.Numbers[outbox.ID]
	switch {
	case cur.State != sessionstore.Open:
		return NumberLost, got
	case !has && n.From >= 0 && outbox.Moves > 0:
		return NumberLeave, got
	case has && (got >= n.To || n.From < 0):
		return NumberDone, got
	case cur.Transport == sessionstore.WebSocket && (cur.Serial || !cur.Hold.Held()):
		return NumberSwitch, got
	case !n.Meets(&cur):
		return NumberBehind, got
	default:
		return NumberFull, got
	}
}

// Offset is a place in an outbox: behind so many packets of the entry with that number, or behind all of it if Packets
// is 0.
type Offset struct {
	Entry, Packets int
}

// MaxOffset is the most bytes of an offset as it is sent to clients.
const MaxOffset = 64

// Encode returns the offset as the clients of an outbox get it: it names the outbox, for a client keeps the offset of
// an earlier one.
func (o Offset) Encode(outbox sessionstore.SessionID) string {
	b := make([]byte, 0, MaxOffset)
	b = strconv.AppendInt(b, int64(o.Entry), 36)
	if o.Packets > 0 {
		b = append(b, ':')
		b = strconv.AppendInt(b, int64(o.Packets), 36)
	}
	b = append(b, '.')
	return string(appendTag(b, outbox))
}

// appendTag appends what tells the offsets of an outbox from those of others. It is public, and the pid is not.
func appendTag(b []byte, outbox sessionstore.SessionID) []byte {
	h := uint64(14695981039346656037) // FNV-1a
	for i := range len(outbox) {
		h = (h ^ uint64(outbox[i])) * 1099511628211
	}
	return strconv.AppendUint(b, h, 36)
}

// ResumeAction is what to do about a client that wants to recover an outbox.
type ResumeAction string

// What may be done about a client that comes back.
const (
	Resume    ResumeAction = "resume"
	ResumeNew ResumeAction = "tell it that it is new" // what it missed cannot be sent again whole
)

// Resumes decides about a client that comes back with an offset, by the outbox as it was read. No offset, or that of
// another outbox, says that nothing of this one has arrived.
func Resumes(outbox *sessionstore.Session, text string, now time.Time) (ResumeAction, Offset) {
	at, mine := parseOffset(outbox.ID, text)
	switch {
	case outbox.State != sessionstore.Open, outbox.Transport != sessionstore.Outbox:
		return ResumeNew, at
	case !outbox.PingAt.IsZero() && !now.Before(outbox.PingAt): // it is over
		return ResumeNew, at
	case !mine:
		at = Offset{}
	}
	if mine && (at.Entry > outbox.Seq() || at.Entry < 0 || at.Packets < 0) || !Retained(outbox, at) {
		return ResumeNew, at
	}
	return Resume, at
}

// RecoverAction is what to do after a Recover.
type RecoverAction string

// What may be done after a Recover.
const (
	RecoverDone    RecoverAction = "done"
	RecoverApplied RecoverAction = "it was applied" // by an earlier try
	RecoverRepeat  RecoverAction = "repeat"         // it was not applied, or may have been: a refusal would tell
	RecoverAgain   RecoverAction = "once more"      // as it is now: it was recovered meanwhile, and is away again
	RecoverCompare RecoverAction = "compare"        // another session took it meanwhile: see Follows
	RecoverNew     RecoverAction = "tell it that it is new"
)

// Recovered decides what to do after Recover returned err.
func Recovered(err error, r *sessionstore.RecoverRequest) RecoverAction {
	cur, refused := sessionstore.Current(err)
	switch {
	case err == nil:
		return RecoverDone
	case errors.Is(err, sessionstore.ErrNotFound):
		return RecoverNew
	case !refused:
		return RecoverRepeat
	case cur.State != sessionstore.Open || cur.Moves == r.Read.Moves: // or it is over
		return RecoverNew
	case cur.Carrier == r.Carrier && cur.Moves == r.Read.Moves+1:
		return RecoverApplied
	case cur.Carrier == "":
		return RecoverAgain
	default:
		return RecoverCompare
	}
}

// Follows reports whether a session may take an outbox from another one: of two connections of one client it is the
// later one that is there, whichever CONNECT was handled first.
func Follows(s, other *sessionstore.Session) bool {
	return other.State != sessionstore.Open || !s.CreatedAt.Before(other.CreatedAt)
}

// Welcome returns what a client gets that comes back, in order: the answer to its CONNECT, then what it missed. The
// other way round, one that loses its connection between the two would keep what it missed for its next answer, and get
// it again with that.
func Welcome(answer, missed []sessionstore.Packet) []sessionstore.Packet {
	return slices.Concat(answer, missed)
}

// Retained reports whether an outbox still has all that comes behind an offset.
func Retained(outbox *sessionstore.Session, at Offset) bool {
	if at.Packets > 0 {
		return at.Entry > outbox.Trimmed
	}
	return at.Entry >= outbox.Trimmed
}

// parseOffset reads an offset; mine is false unless it is one of the outbox. What has its tag and is none counts as one
// that is below any.
func parseOffset(outbox sessionstore.SessionID, text string) (at Offset, mine bool) {
	place, tag, _ := strings.Cut(text, ".")
	if len(text) > MaxOffset || tag != string(appendTag(nil, outbox)) {
		return Offset{}, false
	}
	entry, packets, several := strings.Cut(place, ":")
	n, err := strconv.ParseInt(entry, 36, 32)
	at.Entry = int(n)
	if err == nil && several {
		n, err = strconv.ParseInt(packets, 36, 32)
		at.Packets = int(n)
	}
	if err != nil || at.Encode(outbox) != text {
		return Offset{Entry: -1}, true
	}
	return at, true
}
