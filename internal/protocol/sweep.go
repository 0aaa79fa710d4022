package protocol

import (
	"errors"
	"time"

	"github.com/nonstick-io/nonstick/sessionstore"
)

// Attempt is what a sweeper knows of a ping that has not been answered. There is none for a session whose pong has
// come.
type Attempt struct {
	PingAt   time.Time // of the row: which ping it is
	First    time.Time // when it was first tried
	Next     time.Time // when it is tried again
	Pushed   time.Time // when the platform took it; no earlier than PingAt
	Recorded bool      // the row says so too
	Pushing  bool
}

// RowState is what decides about a row of the registry that a sweeper walks over.
type RowState struct {
	Row     sessionstore.Registration
	Attempt Attempt // the zero value if there is none
	// Trust is the moment before which pings are no reason to end a session: the sweeper has stalled.
	Trust time.Time
	// Early is how much earlier than due a ping goes out.
	Early                     time.Duration
	PingInterval, PingTimeout time.Duration
	Now                       time.Time
}

// PingVerb is what to do about a ping.
type PingVerb string

// What may be done about a ping.
const (
	PingNone   PingVerb = "nothing"
	PingPush   PingVerb = "push"
	PingRecord PingVerb = "record" // tells the next sweeper when it was pushed
	PingExpire PingVerb = "expire"
)

// RowAction is what to do about a row.
type RowAction struct {
	Look bool // reads the session, see [Look]
	Ping PingVerb
	// Attempt is what is known of the ping from now on; the zero value is nothing.
	Attempt Attempt
}

// recordAfter is when the next sweeper is told of a ping that is not answered; sooner where the ping timeout is short.
const recordAfter = 5 * time.Second

// PingTries is how often a ping that could not be pushed is tried within the ping timeout.
const PingTries = 8

// Row decides about a row.
func Row(r RowState) RowAction {
	a := RowAction{Look: LookDue(r.Row, r.Now), Ping: PingNone, Attempt: r.Attempt}
	switch {
	case r.Row.Expired: // its LookAt tells when
	case r.Row.ClientPings && !r.Row.Conn.IsZero():
		a.Attempt = Attempt{}
		if TimedOut(latest(r.Row.PingAt, r.Trust), r.PingTimeout, r.Now) {
			a.Ping = PingExpire
		}
	case !r.Row.Conn.IsZero():
		a.Ping, a.Attempt = rowPing(r)
	case TimedOut(latest(r.Row.PingAt, r.Trust), r.PingTimeout, r.Now): // a stall may have held up its GETs
		a.Look = true
	}
	return a
}

// rowPing decides about the ping of a WebSocket. A session is ended only if it was pinged: by this sweeper, or by
// another that has recorded it. Its ping timeout counts from the push.
func rowPing(r RowState) (PingVerb, Attempt) {
	a := r.Attempt
	if a.Pushing {
		return PingNone, a
	}
	if r.Now.Add(r.Early).Before(r.Row.PingAt) {
		return PingNone, Attempt{}
	}
	if !a.PingAt.Equal(r.Row.PingAt) {
		a = Attempt{PingAt: r.Row.PingAt}
	}
	if a.Pushed.IsZero() && !r.Row.PingedAt.Before(r.Row.PingAt) {
		a.Pushed, a.Recorded = r.Row.PingedAt, true
	}
	if !a.Pushed.IsZero() && a.Pushed.Before(r.Trust) {
		a.Pushed, a.Recorded, a.Next = time.Time{}, false, time.Time{}
	}
	return pingVerb(r, a), a
}

func pingVerb(r RowState, a Attempt) PingVerb {
	pushed := !a.Pushed.IsZero()
	switch {
	case pushed && TimedOut(a.Pushed, r.PingTimeout, r.Now):
		return PingExpire
	case pushed && !a.Recorded && r.Now.Sub(a.Pushed) >= min(recordAfter, r.PingTimeout/PingTries):
		return PingRecord
	case pushed:
		return PingNone
	case !a.First.IsZero() && r.Now.Sub(a.First) >= r.PingInterval+r.PingTimeout:
		return PingExpire // the platform has refused it for so long that the client has given up by itself
	case !r.Now.Before(a.Next):
		return PingPush
	default:
		return PingNone
	}
}

// PingedAction is what to do after the push of a ping.
type PingedAction string

// What may be done after the push of a ping.
const (
	PingedTaken PingedAction = "taken" // the ping timeout counts from now
	PingedEnds  PingedAction = "close" // the connection is gone
	PingedLater PingedAction = "later" // tries again: a client may be pinged twice, and one that is busy is alive
)

// Pinged decides what to do after the push of a ping returned err.
func Pinged(err error) PingedAction {
	switch {
	case err == nil:
		return PingedTaken
	case errors.Is(err, ErrGone):
		return PingedEnds
	default:
		return PingedLater
	}
}

// LookDue reports whether it is time to look at the session of a row.
func LookDue(r sessionstore.Registration, now time.Time) bool {
	return !r.LookAt.IsZero() && !now.Before(r.LookAt)
}

// LookState is what decides about a session that a sweeper looks at.
type LookState struct {
	Session *sessionstore.Session // as it was read; nil if there is none
	Row     sessionstore.Registration
	// ConnectBy is when a session without a namespace is closed; zero for never.
	ConnectBy   time.Time
	PingTimeout time.Duration
	Now         time.Time
}

// LookVerb is what to do about a session.
type LookVerb string

// What may be done about a session.
const (
	LookUnregister LookVerb = "remove the row"
	LookTakeOver   LookVerb = "take over"           // the end of a session whose closer died
	LookDeadHold   LookVerb = "close: dead hold"    // the caller that flushed has died
	LookEnded      LookVerb = "close: ended"        // the row is marked: its connection is gone, or its time was up
	LookTimeOut    LookVerb = "close: ping timeout" // unless a pong came
	LookUnjoined   LookVerb = "close: no namespace"
	LookAbort      LookVerb = "abort and cut the candidate" // and then as LookOn
	LookUpgraded   LookVerb = "write connection and hints"  // the caller that upgraded died before it had
	LookOn         LookVerb = "look again"
)

// LookAction is what to do about a session.
type LookAction struct {
	Do LookVerb
	// Beat says that the row does not know when the next ping of a polling session is due.
	Beat bool
	// At is when to look again; zero if there is no need.
	At time.Time
}

// Look decides about a session, by the deadlines that have passed.
func Look(l LookState) LookAction {
	s := l.Session
	switch {
	case s == nil, s.State == sessionstore.Closed:
		return LookAction{Do: LookUnregister}
	case s.State == sessionstore.Closing && s.Handler.Expired(l.Now):
		return LookAction{Do: LookTakeOver}
	case s.State == sessionstore.Closing:
		return LookAction{Do: LookOn, At: s.Handler.Until}
	}
	polling := s.Transport == sessionstore.Polling
	unjoined := len(s.Sockets) == 0 && !l.ConnectBy.IsZero()
	switch {
	case s.Hold.Expired(l.Now):
		return LookAction{Do: LookDeadHold}
	case l.Row.Expired:
		return LookAction{Do: LookEnded}
	case polling && TimedOut(s.PingAt, l.PingTimeout, l.Now):
		return LookAction{Do: LookTimeOut}
	case unjoined && LookDue(l.Row, l.Now) && !l.Now.Before(l.ConnectBy):
		return LookAction{Do: LookUnjoined}
	case !s.Candidate.Conn.IsZero() && !l.Now.Before(s.Candidate.Until):
		return LookAction{Do: LookAbort, Beat: l.unknownBeat(), At: NextLook(s, l.ConnectBy, l.Now)}
	case !polling && l.Row.Conn.IsZero():
		return LookAction{Do: LookUpgraded}
	default:
		return LookAction{Do: LookOn, Beat: l.unknownBeat(), At: NextLook(s, l.ConnectBy, l.Now)}
	}
}

func (l LookState) unknownBeat() bool {
	return l.Session.Transport == sessionstore.Polling && !l.Session.PingAt.Equal(l.Row.PingAt)
}

// NextLook returns the next deadline of an open session that is still to come: of its candidate, of its hold, and of
// the connect timeout as long as it has joined no namespace. Zero if there is none.
func NextLook(s *sessionstore.Session, connectBy, now time.Time) time.Time {
	deadlines := []time.Time{s.Candidate.Until, s.Hold.Until}
	if len(s.Sockets) == 0 {
		deadlines = append(deadlines, connectBy)
	}
	var next time.Time
	for _, t := range deadlines {
		if t.After(now) && (next.IsZero() || t.Before(next)) {
			next = t
		}
	}
	return next
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
