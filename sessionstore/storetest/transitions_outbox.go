package storetest

import (
	"maps"
	"slices"
	"time"

	"github.com/nonstick-io/nonstick/sessionstore"
)

const (
	// carrier is the carrier of the outboxes of the tests, if they have one, and nextCarrier another.
	carrier     sessionstore.SessionID = "carrier"
	nextCarrier sessionstore.SessionID = "carrier-2"
	// numbers is the outbox of which the carriers of the tests have got entries.
	numbers sessionstore.SessionID = "~numbers"
)

var (
	onPolling = sessionstore.Lease{Owner: sessionstore.HoldPolling}
	away      = sessionstore.Lease{Owner: sessionstore.HoldAway}
	// outboxOver is when the outboxes that are away are over.
	outboxOver = after(time.Minute)
)

func newOutbox(hold sessionstore.Lease) sessionstore.NewSession {
	n := sessionstore.NewSession{
		ID: sessionstore.OutboxID(sessionstore.NewID()), Transport: sessionstore.Outbox, Conn: connA, Serial: true,
		Carrier: carrier, Hold: hold, CreatedAt: start,
	}
	if hold.Lasting() {
		n.Conn = sessionstore.Connection{}
	}
	return n
}

func (x *tester) outbox(hold sessionstore.Lease) sessionstore.SessionID {
	x.Helper()
	n := newOutbox(hold)
	x.must(x.store.Create(x.Context(), n))
	return n.ID
}

// enqueue appends to an outbox as me, and returns it as it is then.
func (x *tester) enqueue(id sessionstore.SessionID, packets ...sessionstore.Packet) sessionstore.Session {
	x.Helper()
	s, err := x.store.Enqueue(x.Context(), id, packets, wide, lease(me))
	x.must(err)
	return s
}

func (x *tester) queued(id sessionstore.SessionID) sessionstore.SessionID {
	x.Helper()
	x.enqueue(id, twoPackets()...)
	return id
}

// sent says as me that n entries were sent of an outbox of which none was trimmed.
func (x *tester) sent(id sessionstore.SessionID, n int) error {
	return x.store.Sent(x.Context(), &sessionstore.Session{ID: id}, me, n)
}

func (x *tester) sentOutbox() sessionstore.SessionID {
	x.Helper()
	id := x.queued(x.outbox(sessionstore.Lease{}))
	x.must(x.sent(id, 2))
	return id
}

// numbered is a carrier that has got entry 3 of the outbox numbers.
func (x *tester) numbered() sessionstore.SessionID {
	x.Helper()
	id := x.polling()
	limits := wide
	limits.Number = sessionstore.Number{Outbox: numbers, From: 0, To: 3, First: true}
	x.must(x.store.Deliver(x.Context(), id, twoPackets(), limits))
	return id
}

// recoverBy is a request that is allowed in every state of an open outbox, but for what change makes of it.
func recoverBy(change func(*sessionstore.RecoverRequest)) func(x *tester, s *sessionstore.Session) error {
	return func(x *tester, s *sessionstore.Session) error {
		r := sessionstore.RecoverRequest{
			Read: &sessionstore.Session{ID: s.ID, Moves: s.Moves}, Carrier: nextCarrier, Conn: connB,
			Hold: lease(other), Now: outboxOver.Add(-time.Millisecond),
		}
		change(&r)
		before, err := x.store.Recover(x.Context(), r)
		if err == nil {
			x.same("the outbox as Recover found it", before, *s)
		}
		return err
	}
}

func recovers(s *sessionstore.Session) {
	s.Carrier, s.Conn, s.Hold, s.PingAt = nextCarrier, connB, lease(other), time.Time{}
	s.Moves++
}

func loseBy(from sessionstore.SessionID) func(x *tester, s *sessionstore.Session) error {
	return func(x *tester, s *sessionstore.Session) error {
		return x.store.Lose(x.Context(), s.ID, from, after(2*time.Minute+7*time.Millisecond), "ping timeout")
	}
}

func switchBy(
	from sessionstore.SessionID, sent int, apply func(*sessionstore.Session),
) func(x *tester, s *sessionstore.Session) error {
	return func(x *tester, s *sessionstore.Session) error {
		got, err := x.store.Switch(x.Context(), s.ID, from, connB, sent, lease(other))
		if err == nil {
			want := *s
			apply(&want)
			x.same("the outbox as Switch left it", got, want)
		}
		return err
	}
}

func switches(given int) func(*sessionstore.Session) {
	return func(s *sessionstore.Session) { s.Conn, s.Hold, s.Given = connB, lease(other), given }
}

// sentOff says that all was sent, and off entries more than there are.
func sentOff(o sessionstore.Owner, off int) func(x *tester, s *sessionstore.Session) error {
	return func(x *tester, s *sessionstore.Session) error {
		return x.store.Sent(x.Context(), s, o, len(s.Buffer)+off)
	}
}

// sentAfter says that all was sent of an outbox that was read when off entries more were trimmed.
func sentAfter(off int) func(x *tester, s *sessionstore.Session) error {
	return func(x *tester, s *sessionstore.Session) error {
		return x.store.Sent(x.Context(), &sessionstore.Session{ID: s.ID, Trimmed: s.Trimmed + off}, me, len(s.Buffer))
	}
}

// trimBy removes n entries of an outbox that was read when off entries more were trimmed.
func trimBy(n, off int) func(x *tester, s *sessionstore.Session) error {
	return func(x *tester, s *sessionstore.Session) error {
		read := *s
		read.Trimmed += off
		return x.store.Trim(x.Context(), &read, n)
	}
}

func trims(n int) func(*sessionstore.Session) {
	return func(s *sessionstore.Session) {
		n := min(n, len(s.Buffer))
		s.Buffer, s.Trimmed, s.Given = s.Buffer[n:], s.Trimmed+n, max(s.Given-n, 0)
	}
}

// carriedStates are those of outboxes that carrier carries.
var carriedStates = []string{outboxSent, outboxFree, outboxHeld, outboxPolling, outboxMoved}

var outboxTransitions = []transition{
	{
		"Recover", sessionstore.OpRecover, outboxStates, recoverBy(func(*sessionstore.RecoverRequest) {}), recovers,
	},
	{
		"Recover to polling", sessionstore.OpRecover, outboxStates, recoverBy(func(r *sessionstore.RecoverRequest) {
			r.Conn, r.Hold = sessionstore.Connection{}, onPolling
		}), func(s *sessionstore.Session) {
			recovers(s)
			s.Conn, s.Hold = sessionstore.Connection{}, onPolling
		},
	},
	{
		"Recover when it may be over", sessionstore.OpRecover, without(outboxStates, outboxAway),
		recoverBy(func(r *sessionstore.RecoverRequest) { r.Now = outboxOver }), recovers,
	},
	{
		"Recover what was recovered since", sessionstore.OpRecover, nil,
		recoverBy(func(r *sessionstore.RecoverRequest) { r.Read.Moves-- }), never,
	},
	{
		"Recover with moves to come", sessionstore.OpRecover, nil,
		recoverBy(func(r *sessionstore.RecoverRequest) { r.Read.Moves++ }), never,
	},
	{"Lose", sessionstore.OpLose, carriedStates, loseBy(carrier), func(s *sessionstore.Session) {
		s.Carrier, s.Conn, s.Hold = "", sessionstore.Connection{}, away
		s.PingAt, s.Reason = after(2*time.Minute+7*time.Millisecond), "ping timeout"
	}},
	{"Lose by another carrier", sessionstore.OpLose, nil, loseBy(nextCarrier), never},
	{"Lose by no carrier", sessionstore.OpLose, nil, loseBy(""), never},
	{
		"Switch", sessionstore.OpSwitch, []string{outboxPolling}, switchBy(carrier, 1, switches(1)), switches(1),
	},
	{
		"Switch with nothing sent", sessionstore.OpSwitch,
		[]string{outboxPolling},
		switchBy(carrier, 0, switches(0)),
		switches(0),
	},
	{
		"Switch with all sent", sessionstore.OpSwitch,
		[]string{outboxPolling},
		switchBy(carrier, 2, switches(2)),
		switches(2),
	},
	{"Switch by another carrier", sessionstore.OpSwitch, nil, switchBy(nextCarrier, 1, never), never},
	{"Switch by no carrier", sessionstore.OpSwitch, nil, switchBy("", 1, never), never},
	{
		"Sent", sessionstore.OpSent,
		[]string{outboxHeld, outboxMoved},
		sentOff(me, 0),
		func(s *sessionstore.Session) { s.Hold, s.Given = sessionstore.Lease{}, len(s.Buffer) },
	},
	{"Sent by another", sessionstore.OpSent, nil, sentOff(other, 0), never},
	{"Sent by no owner", sessionstore.OpSent, nil, sentOff("", 0), never},
	{"Sent of more than there is", sessionstore.OpSent, nil, sentOff(me, 1), never},
	{"Sent of less than there is", sessionstore.OpSent, nil, sentOff(me, -1), never},
	{"Sent of what was trimmed since", sessionstore.OpSent, nil, sentAfter(-1), never},
	{"Sent of what is to be trimmed", sessionstore.OpSent, nil, sentAfter(1), never},
	{"Trim", sessionstore.OpTrim, []string{
		outboxSent, outboxFree, outboxHeld, outboxPolling, outboxAway, outboxMoved,
	}, trimBy(1, 0), trims(1)},
	{"Trim all", sessionstore.OpTrim, outboxStates, trimBy(2, 0), trims(2)},
	{"Trim none", sessionstore.OpTrim, outboxStates, trimBy(0, 0), never},
	{"Trim more than was read", sessionstore.OpTrim, outboxStates, trimBy(3, 0), trims(2)},
	{"Trim what was trimmed since", sessionstore.OpTrim, nil, trimBy(1, -1), never},
	{"Trim what is to be trimmed", sessionstore.OpTrim, nil, trimBy(1, 1), never},
}

// without returns states but for one.
func without(names []string, name string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(n string) bool { return n == name })
}

// bring is a delivery of an entry of an outbox.
func bring(limits sessionstore.BufferLimits, n sessionstore.Number) func(x *tester, s *sessionstore.Session) error {
	limits.Number = n
	return deliverIn(limits)
}

// brings is what it makes of a carrier.
func brings(o sessionstore.SessionID, to int) func(*sessionstore.Session) {
	return func(s *sessionstore.Session) {
		delivers(s)
		numberIn(s, o, to)
	}
}

func numberIn(s *sessionstore.Session, o sessionstore.SessionID, to int) {
	s.Numbers = maps.Clone(s.Numbers)
	if s.Numbers == nil {
		s.Numbers = make(map[sessionstore.SessionID]int)
	}
	s.Numbers[o] = to
}

var (
	// numberStates are those of carriers that have got entry 3 of the outbox numbers; the other ones that take a
	// delivery by number have got none. A serial session on WebSocket takes none.
	numberStates = []string{numbered, numberedHeld}
	newStates    = without(slices.Concat(emptyStates, without(without(fullStates, numbered), numberedHeld)), serialHeld)
)

func enqueueByNumber(n sessionstore.Number) func(x *tester, s *sessionstore.Session) error {
	limits := wide
	limits.Number = n
	return enqueueIn(limits)
}

var numberTransitions = []transition{
	{
		"Deliver the first by number", sessionstore.OpDeliver, newStates,
		bring(wide, sessionstore.Number{Outbox: numbers, From: -1, To: 0}), brings(numbers, 0),
	},
	{
		"Deliver the next by number", sessionstore.OpDeliver, numberStates,
		bring(wide, sessionstore.Number{Outbox: numbers, From: 3, To: 5}), brings(numbers, 5),
	},
	{
		"Deliver the first or the next by number", sessionstore.OpDeliver, slices.Concat(newStates, numberStates),
		bring(wide, sessionstore.Number{Outbox: numbers, From: 3, To: 4, First: true}), brings(numbers, 4),
	},
	{
		"Deliver the first or another by number", sessionstore.OpDeliver, newStates,
		bring(wide, sessionstore.Number{Outbox: numbers, From: 0, To: 4, First: true}), brings(numbers, 4),
	},
	{
		"Deliver the first of another outbox", sessionstore.OpDeliver, slices.Concat(newStates, numberStates),
		bring(wide, sessionstore.Number{Outbox: "~others", From: -1, To: 1}), brings("~others", 1),
	},
	{
		"Deliver by number again", sessionstore.OpDeliver, nil,
		bring(wide, sessionstore.Number{Outbox: numbers, From: 2, To: 3}), never,
	},
	{
		"Deliver by number too early", sessionstore.OpDeliver, nil,
		bring(wide, sessionstore.Number{Outbox: numbers, From: 4, To: 5}), never,
	},
	{
		"Deliver by number after none", sessionstore.OpDeliver, nil,
		bring(wide, sessionstore.Number{Outbox: numbers, From: 0, To: 1}), never,
	},
	{
		"Deliver by the number of another outbox", sessionstore.OpDeliver, nil,
		bring(wide, sessionstore.Number{Outbox: "~others", From: 3, To: 4}), never,
	},
	{
		"Deliver by number above the limits", sessionstore.OpDeliver, nil,
		bring(
			sessionstore.BufferLimits{Packets: 1, Bytes: 1 << 20},
			sessionstore.Number{Outbox: numbers, From: 3, To: 4, First: true},
		), never,
	},
	{
		"Deliver by number what the client takes", sessionstore.OpDeliver,
		[]string{parked, probed},
		bring(taken(start), sessionstore.Number{Outbox: numbers, From: 0, To: 1, First: true}), brings(numbers, 1),
	},
	{
		"Enqueue the first by number", sessionstore.OpEnqueue, append([]string{serial, serialHeld}, outboxStates...),
		enqueueByNumber(sessionstore.Number{Outbox: numbers, From: -1, To: 1}),
		func(s *sessionstore.Session) {
			enqueues(s)
			numberIn(s, numbers, 1)
		},
	},
	{
		"Enqueue another by number", sessionstore.OpEnqueue, nil,
		enqueueByNumber(sessionstore.Number{Outbox: numbers, From: 1, To: 2}), never,
	},
}
