package storetest

import (
	"slices"
	"time"

	"github.com/nonstick-io/nonstick/sessionstore"
)

// candidateStates are those in which connA may upgrade.
var candidateStates = []string{bound, probed}

var freeStates = []string{idle, buffered, given, allGiven, parked, pinged, numbered}

func bindAt(c sessionstore.Candidate, now time.Time) func(x *tester, s *sessionstore.Session) error {
	return func(x *tester, s *sessionstore.Session) error { return x.store.Bind(x.Context(), s.ID, c, now) }
}

func binds(s *sessionstore.Session) {
	if s.Candidate.Conn != lateCandidate.Conn {
		s.Candidate, s.Probed = lateCandidate, false
	}
}

var lateCandidate = sessionstore.Candidate{Conn: connB, Until: after(3 * leaseEnd)}

// sameCandidate is the candidate of the states, once more.
var sameCandidate = sessionstore.Candidate{Conn: connA, Until: after(leaseEnd)}

func upgradeBy(c sessionstore.Connection) func(x *tester, s *sessionstore.Session) error {
	return func(x *tester, s *sessionstore.Session) error {
		_, err := x.store.Upgrade(x.Context(), s.ID, c, lease(me))
		return err
	}
}

func probeBy(c sessionstore.Connection) func(x *tester, s *sessionstore.Session) error {
	return func(x *tester, s *sessionstore.Session) error { return x.store.Probe(x.Context(), s.ID, c) }
}

func abortBy(c sessionstore.Connection) func(x *tester, s *sessionstore.Session) error {
	return func(x *tester, s *sessionstore.Session) error { return x.store.Abort(x.Context(), s.ID, c) }
}

var upgradeTransitions = []transition{
	{"Bind", sessionstore.OpBind, freeStates, bindAt(lateCandidate, start), binds},
	{
		"Bind after the candidate's time", sessionstore.OpBind, pollingStates,
		bindAt(lateCandidate, after(leaseEnd+time.Second)), binds,
	},
	{
		"Bind the candidate again", sessionstore.OpBind, pollingStates, bindAt(sameCandidate, start),
		func(s *sessionstore.Session) {
			s.Candidate = sameCandidate // and Probed stays: the probe may have come since
		},
	},
	{"Probe", sessionstore.OpProbe, candidateStates, probeBy(connA), func(s *sessionstore.Session) { s.Probed = true }},
	{"Probe by another endpoint", sessionstore.OpProbe, nil, probeBy(connB), never},
	{"Probe by no connection", sessionstore.OpProbe, nil, probeBy(sessionstore.Connection{}), never},
	{"Upgrade", sessionstore.OpUpgrade, candidateStates, upgradeBy(connA), func(s *sessionstore.Session) {
		s.Transport, s.Conn, s.Hold = sessionstore.WebSocket, connA, lease(me)
		// and Probed stays, for a GET that is parked
		s.Candidate, s.Poll = sessionstore.Candidate{}, sessionstore.Poll{}
	}},
	{"Upgrade by another endpoint", sessionstore.OpUpgrade, nil, upgradeBy(connB), never},
	{"Upgrade by no connection", sessionstore.OpUpgrade, nil, upgradeBy(sessionstore.Connection{}), never},
	{"Abort", sessionstore.OpAbort, candidateStates, abortBy(connA), func(s *sessionstore.Session) {
		s.Candidate, s.Probed = sessionstore.Candidate{}, false
	}},
	{"Abort by another endpoint", sessionstore.OpAbort, nil, abortBy(connB), never},
	{"Abort by no connection", sessionstore.OpAbort, nil, abortBy(sessionstore.Connection{}), never},
}

// heldStates are those in which me holds the buffer back.
var heldStates = []string{held, heldEmpty, serialHeld, numberedHeld}

// releaseOff releases as if the buffer had off entries more than it has.
func releaseOff(o sessionstore.Owner, off int) func(x *tester, s *sessionstore.Session) error {
	return func(x *tester, s *sessionstore.Session) error {
		return x.store.Release(x.Context(), s.ID, o, len(s.Buffer)+off)
	}
}

var renewed = sessionstore.Lease{Owner: me, Until: after(2 * leaseEnd)}

func renewBy(o sessionstore.Owner) func(x *tester, s *sessionstore.Session) error {
	return func(x *tester, s *sessionstore.Session) error {
		return x.store.Renew(x.Context(), s.ID, sessionstore.Lease{Owner: o, Until: renewed.Until})
	}
}

// queued is what Enqueue appends in the transitions.
var queued = packet(`42["queued"]`)

func enqueueIn(limits sessionstore.BufferLimits) func(x *tester, s *sessionstore.Session) error {
	return func(x *tester, s *sessionstore.Session) error {
		_, err := x.store.Enqueue(x.Context(), s.ID, []sessionstore.Packet{queued}, limits, lease(other))
		return err
	}
}

func enqueues(s *sessionstore.Session) {
	p := queued
	p.Size = p.Bytes()
	s.Buffer = append(slices.Clip(s.Buffer), p)
	if !s.Hold.Held() {
		s.Hold = lease(other)
	}
}

var flushTransitions = []transition{
	{
		"Enqueue", sessionstore.OpEnqueue, append([]string{serial, serialHeld}, outboxStates...), enqueueIn(wide),
		enqueues,
	},
	{
		"Enqueue what the client takes", sessionstore.OpEnqueue,
		[]string{serial, outboxFree, outboxSent},
		enqueueIn(taken(after(0))),
		enqueues,
	},
	{
		"Enqueue above the limits", sessionstore.OpEnqueue, nil,
		enqueueIn(sessionstore.BufferLimits{Packets: 0, Bytes: 1 << 20}), never,
	},
	{
		"Renew", sessionstore.OpRenew, append([]string{outboxHeld, outboxMoved}, heldStates...), renewBy(me),
		func(s *sessionstore.Session) { s.Hold = renewed },
	},
	{"Renew by another", sessionstore.OpRenew, nil, renewBy(other), never},
	{"Release", sessionstore.OpRelease, heldStates, releaseOff(me, 0), func(s *sessionstore.Session) {
		s.Hold, s.Buffer, s.Given = sessionstore.Lease{}, nil, 0
	}},
	{"Release by another", sessionstore.OpRelease, nil, releaseOff(other, 0), never},
	{"Release of more than there is", sessionstore.OpRelease, nil, releaseOff(me, 1), never},
	{"Release of one", sessionstore.OpRelease, nil, func(x *tester, s *sessionstore.Session) error {
		return x.store.Release(x.Context(), s.ID, me, 1)
	}, never},
	{"Release of none", sessionstore.OpRelease, []string{heldEmpty}, func(x *tester, s *sessionstore.Session) error {
		return x.store.Release(x.Context(), s.ID, me, 0)
	}, func(s *sessionstore.Session) { s.Hold = sessionstore.Lease{} }},
}
