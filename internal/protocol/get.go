package protocol

import (
	"time"

	"github.com/nonstick-io/nonstick/internal/engineio"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// Names reports whether t, the client's cache buster, names a GET across its copies: only if it is of a form that never
// repeats, and is not that of the handshake.
func Names(t, opened string, now time.Time) bool { return engineio.Unique(t, now) && t != opened }

// GetState is what decides about a GET.
type GetState struct {
	Session *sessionstore.Session // as it was read
	T       string                // names the GET
	Began   time.Time
	// Deadline is when the GET is answered at the latest.
	Deadline time.Time
	Parked   bool
	// Unprobed says that the GET has read the session before a probe.
	Unprobed bool
	// Passed says that another GET was answered since this one first read the session.
	Passed bool
	// ClientClosed says that it was the client that closed the session.
	ClientClosed bool
	PingTimeout  time.Duration
	Now          time.Time
}

// GetVerb is what to do for a GET.
type GetVerb string

// What may be done for a GET. What writes is done again from the reading on, if the write is refused or in doubt.
const (
	GetUnknown      GetVerb = "unknown session"       // an error, as is a bad request and an overlap
	GetBad          GetVerb = "bad request"           //
	GetOverlap      GetVerb = "overlap"               // which the other GET deals with
	GetCloseOverlap GetVerb = "overlap, and close"    // closes the session first
	GetTimeOut      GetVerb = "ping timeout"          // closes the session, unless a pong came, and reads again
	GetTell         GetVerb = "tell"                  // answers with Say, without a write
	GetRepeat       GetVerb = "repeat"                // answers with the entries that were given, without a write
	GetAnswer       GetVerb = "answer"                // writes the answer Say, which carries no entries
	GetEndDrain     GetVerb = "answer, and end drain" // the same for the last answer of a closed session
	GetGive         GetVerb = "give"                  // writes an answer with as many entries as go into one
	GetPark         GetVerb = "park"                  // takes the poll lease, and waits
	GetWait         GetVerb = "wait"                  // has it, and waits
)

// GetAction is what to do for a GET, and what it is told if that is no entry of the buffer.
type GetAction struct {
	Do  GetVerb
	Say string
}

// What a GET of a session that is over is told.
var sayEnd = engineio.EncodePayload([]string{engineio.NoopFrame, engineio.CloseFrame})

// Get decides about a GET by the first rule that fits.
func Get(g GetState) GetAction {
	s := g.Session
	switch {
	case s.State != sessionstore.Open:
		return getEnded(g)
	case s.Transport == sessionstore.WebSocket:
		return getUpgraded(g)
	case TimedOut(s.PingAt, g.PingTimeout, g.Now): // by the stored time, whether or not a sweeper has come by
		return GetAction{Do: GetTimeOut}
	case s.LastT == g.T:
		return getRepeated(s)
	case g.Passed:
		return GetAction{GetTell, engineio.NoopFrame}
	case g.Parked && s.Poll.T != g.T:
		return GetAction{Do: GetOverlap}
	case s.Poll.Live(g.Now) && s.Poll.T != g.T:
		return GetAction{Do: GetCloseOverlap}
	case g.pingDue():
		return GetAction{GetAnswer, engineio.PingFrame}
	case len(s.Pending()) > 0:
		return GetAction{Do: GetGive}
	case g.Probing() && !g.Now.Before(g.releaseAt()), !g.Now.Before(g.Deadline):
		return GetAction{GetAnswer, engineio.NoopFrame}
	case g.Parked:
		return GetAction{Do: GetWait}
	default:
		return GetAction{Do: GetPark}
	}
}

// getEnded decides about a GET of a session that is closing or closed. A parked one is told to end; a new one is
// refused, unless a server's close left packets to fetch.
func getEnded(g GetState) GetAction {
	s := g.Session
	switch {
	case s.LastT == g.T:
		return getRepeated(s)
	case s.Drain && g.Passed:
		return GetAction{GetTell, engineio.NoopFrame}
	case s.Drain && len(s.Pending()) > 0:
		return GetAction{Do: GetGive}
	case s.Drain && g.Parked:
		return GetAction{GetEndDrain, engineio.CloseFrame}
	case s.Drain:
		return GetAction{GetEndDrain, sayEnd}
	case g.Parked && g.ClientClosed:
		return GetAction{GetTell, engineio.NoopFrame}
	case g.Parked:
		return GetAction{GetTell, engineio.CloseFrame}
	default:
		return GetAction{Do: GetUnknown}
	}
}

// getUpgraded decides about a GET that finds the session on WebSocket. One that was parked when the probe came is let
// go. One that began later is none of a client that upgrades: that waits for its last answer before it sends "5".
func getUpgraded(g GetState) GetAction {
	switch {
	case !g.Parked:
		return GetAction{Do: GetBad}
	case !g.Session.Probed: // "5" came without a probe, which let this GET go on
		return GetAction{GetTell, engineio.CloseFrame}
	case g.Unprobed:
		return GetAction{GetTell, engineio.NoopFrame}
	default:
		return GetAction{Do: GetBad}
	}
}

// getRepeated decides about a GET that was answered before.
func getRepeated(s *sessionstore.Session) GetAction {
	switch {
	case s.Given > 0:
		return GetAction{Do: GetRepeat}
	case s.State != sessionstore.Open:
		return GetAction{GetTell, sayEnd}
	case s.Pinged:
		return GetAction{GetTell, engineio.PingFrame}
	default:
		return GetAction{GetTell, engineio.NoopFrame}
	}
}

// pingDue reports whether the answer is to be the ping, which goes alone. Packets go first for a while, but not so long
// that steady traffic costs the client its time to answer.
func (g GetState) pingDue() bool {
	if engineio.Codec(g.Session.Codec).ClientPings() {
		return false
	}
	due := g.Session.PingAt
	if len(g.Session.Pending()) > 0 {
		due = due.Add(g.PingTimeout / 4)
	}
	return !g.Session.Pinged && !g.Now.Before(due)
}

// Probing reports whether a probe waits for the GET.
func (g GetState) Probing() bool { return g.Session.Probed && g.Now.Before(g.Session.Candidate.Until) }

// ProbePause is how long a GET waits that came after a probe: its client has not had the answer to the probe, and
// would send one GET after the other until then.
const ProbePause = 50 * time.Millisecond

// releaseAt is when a probe ends the GET: at once if the GET was there before it.
func (g GetState) releaseAt() time.Time {
	if g.Unprobed {
		return g.Began
	}
	return g.Began.Add(ProbePause)
}

// Turn is when a GET that waits has something to do though nothing changes.
func (g GetState) Turn() time.Time {
	turn := g.Deadline
	switch at := g.Session.PingAt; {
	case engineio.Codec(g.Session.Codec).ClientPings():
		if at = at.Add(g.PingTimeout); at.Before(turn) {
			turn = at
		}
	case !g.Session.Pinged && at.Before(turn):
		turn = at
	}
	if at := g.releaseAt(); g.Session.Probed && at.Before(turn) {
		turn = at
	}
	return turn
}

// TimedOut reports whether a client had its time to answer a ping.
func TimedOut(pingAt time.Time, timeout time.Duration, now time.Time) bool {
	return !now.Before(pingAt.Add(timeout))
}
