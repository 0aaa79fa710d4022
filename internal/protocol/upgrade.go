package protocol

import (
	"errors"

	"github.com/nonstick-io/nonstick/internal/engineio"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// BindAction is what to do with a WebSocket that came with the id of a session.
type BindAction string

// What may be done after Bind.
const (
	BindDone    BindAction = "bound"
	BindUnknown BindAction = "unknown session" // an error, and its row is removed
	BindClose   BindAction = "open and close"  // a stock client wants it to open first
	BindFail    BindAction = "fail"            // the store did
)

// Bind decides what to do after Bind returned err.
func Bind(err error) BindAction {
	s, refused := sessionstore.Current(err)
	switch {
	case err == nil:
		return BindDone
	case errors.Is(err, sessionstore.ErrNotFound), refused && s.State != sessionstore.Open && !s.Drain:
		return BindUnknown
	case errors.Is(err, sessionstore.ErrConflict):
		return BindClose
	default:
		return BindFail
	}
}

// ProbeAction is what to do with "2probe".
type ProbeAction string

// What may be done after Probe.
const (
	ProbeAnswer ProbeAction = "3probe"
	ProbeRefuse ProbeAction = "close the WebSocket"
	ProbeFail   ProbeAction = "close the WebSocket: the store failed"
)

// Probe decides what to do after Probe returned err.
func Probe(err error) ProbeAction {
	switch {
	case err == nil:
		return ProbeAnswer
	case errors.Is(err, sessionstore.ErrConflict), errors.Is(err, sessionstore.ErrNotFound):
		return ProbeRefuse
	default:
		return ProbeFail
	}
}

// UpgradeAction is what to do with "5".
type UpgradeAction string

// What may be done after Upgrade.
const (
	UpgradeFlush   UpgradeAction = "flush"
	UpgradeApplied UpgradeAction = "flush: an earlier call was applied" // the session is that of the refusal
	UpgradeRefuse  UpgradeAction = "close the WebSocket"
	UpgradeRepeat  UpgradeAction = "repeat" // it is applied once, and its owner tells
)

// Upgrade decides what to do after Upgrade returned err.
func Upgrade(err error, mine sessionstore.Owner) UpgradeAction {
	cur, refused := sessionstore.Current(err)
	switch {
	case err == nil:
		return UpgradeFlush
	case refused && cur.Hold.Owner == mine:
		return UpgradeApplied
	case refused, errors.Is(err, sessionstore.ErrNotFound):
		return UpgradeRefuse
	default:
		return UpgradeRepeat
	}
}

// CandidateAction is what to do with a frame of a candidate.
type CandidateAction string

// What may be done with a frame of a candidate.
const (
	CandidateProbe   CandidateAction = "probe"
	CandidateUpgrade CandidateAction = "upgrade"
	CandidateWait    CandidateAction = "wait for the upgrade" // a text frame that may have overtaken it
	CandidateWaitBin CandidateAction = "wait for the upgrade, as an attachment"
	CandidateAbort   CandidateAction = "abort" // the upgrade; the session goes on by polling
)

// Candidate decides about a frame of a WebSocket that wants to take over from polling.
func Candidate(frame string, probed bool) CandidateAction {
	p, err := engineio.Decode(frame)
	switch {
	case err != nil:
		return CandidateAbort
	case frame == engineio.ProbePing:
		return CandidateProbe
	case p.Type == engineio.Upgrade: // whatever comes with it
		return CandidateUpgrade
	case p.Type == engineio.Message && probed && p.Binary:
		return CandidateWaitBin
	case p.Type == engineio.Message && probed:
		return CandidateWait
	default:
		return CandidateAbort
	}
}
