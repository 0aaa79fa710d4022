package storetest

import (
	"slices"
	"testing"
	"time"

	"github.com/nonstick-io/nonstick/sessionstore"
)

// transition is one call that is tried in every state: where it is allowed the session must afterwards be
// as apply says, everywhere else the call must be refused, say what it found, and change nothing.
type transition struct {
	name  string
	op    sessionstore.Op
	in    []string // the states in which it is allowed
	act   func(x *tester, read *sessionstore.Session) error
	apply func(s *sessionstore.Session)
}

var transitions = slices.Concat(
	closeTransitions, deliverTransitions, pollTransitions, upgradeTransitions, flushTransitions,
	outboxTransitions, numberTransitions,
)

// transitionTests returns one test for each transition, over all states.
func transitionTests() []test {
	var tests []test
	for _, tr := range transitions {
		tests = append(tests, test{tr.name, func(x *tester) {
			x.Parallel()
			x.Run("missing session", func(t *testing.T) { (&tester{T: t, store: x.store}).tryMissing(tr) })
			for _, st := range states {
				x.Run(st.name, func(t *testing.T) { (&tester{T: t, store: x.store}).try(tr, st) })
			}
		}})
	}
	return tests
}

func (x *tester) try(tr transition, st state) {
	id := st.build(x)
	before := x.get(id)
	err := tr.act(x, &before)
	want := before
	if slices.Contains(tr.in, st.name) {
		x.must(err)
		tr.apply(&want)
	} else {
		x.conflict(err, tr.op, before)
	}
	got := x.get(id)
	if want.State == sessionstore.Closed {
		got.Handler, want.Handler = sessionstore.Lease{}, sessionstore.Lease{} // not needed any more
	}
	x.same("the session afterwards", got, want)
}

func (x *tester) tryMissing(tr transition) {
	s := created(newSession(sessionstore.Polling))
	x.is(tr.act(x, &s), sessionstore.ErrNotFound)
	_, err := x.store.Get(x.Context(), s.ID, start)
	x.is(err, sessionstore.ErrNotFound)
}

func never(*sessionstore.Session) {}

// details are those of the closes of the tests.
var details = sessionstore.Details{Code: 1001, Description: "going away, ü"}

func closes(drain bool) func(s *sessionstore.Session) {
	return func(s *sessionstore.Session) {
		s.State, s.Reason, s.Details, s.Handler = sessionstore.Closing, "transport close", details, lease(me)
		s.Hold, s.Poll = sessionstore.Lease{}, sessionstore.Poll{}
		s.Candidate, s.Probed = sessionstore.Candidate{}, false
		s.Drain = drain && s.Transport == sessionstore.Polling
		if !s.Drain {
			s.Buffer, s.Given = nil, 0
		}
	}
}

func (x *tester) tryClose(r sessionstore.CloseRequest) error {
	_, err := x.store.Close(x.Context(), r)
	return err
}

var lateLease = sessionstore.Lease{Owner: other, Until: after(3 * leaseEnd)}

// connectedStates are the open ones whose connection is connA.
var connectedStates = []string{
	ws, held, heldEmpty, released, serial, serialHeld, numberedHeld, outboxFree, outboxHeld, outboxSent, outboxMoved,
}

var closeTransitions = []transition{
	{"Close", sessionstore.OpClose, openStates, func(x *tester, s *sessionstore.Session) error {
		return x.tryClose(closing(s.ID, false))
	}, closes(false)},
	{"Close with drain", sessionstore.OpClose, openStates, func(x *tester, s *sessionstore.Session) error {
		return x.tryClose(closing(s.ID, true))
	}, closes(true)},
	{"Close at the ping as read", sessionstore.OpClose, openStates, func(x *tester, s *sessionstore.Session) error {
		r := closing(s.ID, false)
		r.IfPingAt = s.PingAt
		return x.tryClose(r)
	}, closes(false)},
	{"Close at another ping", sessionstore.OpClose, nil, func(x *tester, s *sessionstore.Session) error {
		r := closing(s.ID, false)
		r.IfPingAt = after(-time.Second)
		return x.tryClose(r)
	}, never},
	{
		"Close at the end of its connection", sessionstore.OpClose, connectedStates,
		func(x *tester, s *sessionstore.Session) error {
			r := closing(s.ID, false)
			r.IfConn = connA
			return x.tryClose(r)
		},
		closes(false),
	},
	{
		"Close at the end of another connection", sessionstore.OpClose, nil,
		func(x *tester, s *sessionstore.Session) error {
			r := closing(s.ID, false)
			r.IfConn = connB
			return x.tryClose(r)
		},
		never,
	},
	{
		"TakeOver of an ended lease", sessionstore.OpTakeOver, closingStates,
		func(x *tester, s *sessionstore.Session) error {
			return x.store.TakeOver(x.Context(), s.ID, lateLease, "", after(leaseEnd+time.Second))
		},
		func(s *sessionstore.Session) { s.Handler = lateLease },
	},
	{"TakeOver of a live lease", sessionstore.OpTakeOver, nil, func(x *tester, s *sessionstore.Session) error {
		return x.store.TakeOver(x.Context(), s.ID, lateLease, "", after(leaseEnd-time.Second))
	}, never},
	{
		"TakeOver of a live lease that is handed over", sessionstore.OpTakeOver, closingStates,
		func(x *tester, s *sessionstore.Session) error {
			return x.store.TakeOver(x.Context(), s.ID, lateLease, me, after(leaseEnd-time.Second))
		},
		func(s *sessionstore.Session) { s.Handler = lateLease },
	},
	{
		"TakeOver of a live lease from another", sessionstore.OpTakeOver, nil,
		func(x *tester, s *sessionstore.Session) error {
			return x.store.TakeOver(x.Context(), s.ID, lateLease, other, after(leaseEnd-time.Second))
		},
		never,
	},
	{"Finish", sessionstore.OpFinish, closingStates, func(x *tester, s *sessionstore.Session) error {
		return x.store.Finish(x.Context(), s.ID, me, after(time.Hour))
	}, func(s *sessionstore.Session) { s.State, s.ExpiresAt = sessionstore.Closed, after(time.Hour) }},
	{"Finish by another", sessionstore.OpFinish, nil, func(x *tester, s *sessionstore.Session) error {
		return x.store.Finish(x.Context(), s.ID, other, after(time.Hour))
	}, never},
}

// delivered are the packets of the deliver transitions: constant, so that apply knows them.
var delivered = []sessionstore.Packet{
	{ID: "delivered-1", Frames: []string{"4hello", "bAAEC"}, Size: 11},
	{ID: "delivered-2", Frames: []string{"4é"}, Size: 3},
}

func deliverIn(limits sessionstore.BufferLimits) func(x *tester, s *sessionstore.Session) error {
	return func(x *tester, s *sessionstore.Session) error {
		return x.store.Deliver(x.Context(), s.ID, []sessionstore.Packet{
			{ID: delivered[0].ID, Frames: delivered[0].Frames}, {ID: delivered[1].ID, Frames: delivered[1].Frames},
		}, limits)
	}
}

func delivers(s *sessionstore.Session) { s.Buffer = slices.Concat(s.Buffer, delivered) }

// taken are limits for what is appended only if the client takes it.
func taken(at time.Time) sessionstore.BufferLimits {
	limits := wide
	limits.IfTaken = at
	return limits
}

// The states with and without packets in which a delivery is buffered.
var (
	emptyStates = []string{idle, parked, pinged, probed, heldEmpty}
	fullStates  = []string{buffered, given, allGiven, bound, held, serialHeld, numbered, numberedHeld}
)

// bufferedBytes is how much the two packets of the states hold.
const bufferedBytes = len(`42["first"]` + `451-["second",{"_placeholder":true,"num":0}]` + "bAAEC")

var deliverTransitions = []transition{
	{"Deliver", sessionstore.OpDeliver, slices.Concat(emptyStates, fullStates), deliverIn(wide), delivers},
	{
		"Deliver up to the limits", sessionstore.OpDeliver, slices.Concat(emptyStates, fullStates),
		deliverIn(sessionstore.BufferLimits{Packets: 4, Bytes: bufferedBytes + 14}), delivers,
	},
	{
		"Deliver one packet too many", sessionstore.OpDeliver, emptyStates,
		deliverIn(sessionstore.BufferLimits{Packets: 3, Bytes: 1 << 20}), delivers,
	},
	{
		"Deliver one byte too many", sessionstore.OpDeliver, emptyStates,
		deliverIn(sessionstore.BufferLimits{Packets: 100, Bytes: bufferedBytes + 13}), delivers,
	},
	{
		"Deliver what the client takes", sessionstore.OpDeliver,
		[]string{parked, probed},
		deliverIn(taken(after(0))),
		delivers,
	},
	{
		"Deliver what the client would have taken", sessionstore.OpDeliver, nil, deliverIn(taken(after(leaseEnd))),
		never,
	},
	{
		"Deliver too much of what the client takes", sessionstore.OpDeliver, nil,
		deliverIn(sessionstore.BufferLimits{Packets: 100, Bytes: 13, IfTaken: after(0)}), never,
	},
	{
		"Deliver what no buffer takes", sessionstore.OpDeliver, nil,
		deliverIn(sessionstore.BufferLimits{Packets: 100, Bytes: 13}), never,
	},
}

func acknowledge(s *sessionstore.Session) { s.Buffer, s.Given = s.Buffer[s.Given:], 0 }

var answerStates = slices.Concat(pollingStates, []string{closingDrain, closingGiven, closedDrain})

var pollTransitions = []transition{
	{"Answer all", sessionstore.OpAnswer, answerStates, func(x *tester, s *sessionstore.Session) error {
		return x.store.Answer(x.Context(), sessionstore.AnswerRequest{Read: s, T: "t9", Give: len(s.Pending())})
	}, func(s *sessionstore.Session) {
		acknowledge(s)
		s.Given, s.LastT, s.Poll = len(s.Buffer), "t9", sessionstore.Poll{}
	}},
	{"Answer a ping", sessionstore.OpAnswer, answerStates, func(x *tester, s *sessionstore.Session) error {
		return x.store.Answer(x.Context(), sessionstore.AnswerRequest{Read: s, T: "t9", Ping: true})
	}, func(s *sessionstore.Session) {
		acknowledge(s)
		s.LastT, s.Poll, s.Pinged = "t9", sessionstore.Poll{}, true
	}},
	{"Answer the end", sessionstore.OpAnswer, answerStates, func(x *tester, s *sessionstore.Session) error {
		return x.store.Answer(x.Context(), sessionstore.AnswerRequest{Read: s, T: "t9", EndDrain: true})
	}, func(s *sessionstore.Session) {
		acknowledge(s)
		s.LastT, s.Poll, s.Drain = "t9", sessionstore.Poll{}, false
	}},
	{
		"Park", sessionstore.OpPark,
		[]string{idle, allGiven, parked, pinged, probed},
		func(x *tester, s *sessionstore.Session) error {
			return x.store.Park(
				x.Context(),
				sessionstore.ParkRequest{Read: s, Poll: sessionstore.Poll{T: "t9", Until: after(time.Minute)}},
			)
		}, func(s *sessionstore.Session) {
			acknowledge(s)
			s.Poll = sessionstore.Poll{T: "t9", Until: after(time.Minute)}
		},
	},
	{"Pong", sessionstore.OpPong, pollingStates, func(x *tester, s *sessionstore.Session) error {
		return x.store.Pong(x.Context(), s.ID, after(50*time.Second))
	}, func(s *sessionstore.Session) { s.PingAt, s.Pinged = after(50*time.Second), false }},
}
