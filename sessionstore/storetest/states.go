package storetest

import (
	"slices"
	"time"

	"github.com/nonstick-io/nonstick/sessionstore"
)

// state is a state of a session in which transitions are tried.
type state struct {
	name  string
	build func(x *tester) sessionstore.SessionID
}

// The states. In each, connA is the candidate or the connection if there is one, and me holds the leases.
const (
	idle          = "polling, idle"
	buffered      = "polling, two packets"
	given         = "polling, one packet of two given"
	allGiven      = "polling, all packets given"
	parked        = "polling, parked"
	pinged        = "polling, pinged"
	bound         = "polling, candidate"
	probed        = "polling, probed and parked"
	ws            = "websocket"
	held          = "websocket, held with packets"
	heldEmpty     = "websocket, held without packets"
	released      = "websocket, released"
	serial        = "serial websocket"
	serialHeld    = "serial websocket, held with packets"
	closingPlain  = "closing"
	closingDrain  = "closing, draining"
	closingGiven  = "closing, draining, all packets given"
	closingSocket = "closing, was websocket"
	closed        = "closed"
	closedDrain   = "closed, draining"
	numbered      = "polling, two packets, numbers"
	numberedHeld  = "websocket, held with packets, numbers"
	outboxFree    = "outbox"
	outboxHeld    = "outbox, held with packets"
	outboxSent    = "outbox, two packets sent"
	outboxPolling = "outbox, on polling, two packets"
	outboxAway    = "outbox, away, two packets"
	outboxMoved   = "outbox, recovered and trimmed, held with a packet"
	outboxClosing = "outbox, closing"
	outboxClosed  = "outbox, closed"
)

var states = []state{
	{idle, (*tester).polling},
	{buffered, (*tester).buffered},
	{given, func(x *tester) sessionstore.SessionID { return x.given(1) }},
	{allGiven, func(x *tester) sessionstore.SessionID { return x.given(2) }},
	{parked, func(x *tester) sessionstore.SessionID {
		id := x.given(2)
		x.park(id, "t2")
		return id
	}},
	{pinged, func(x *tester) sessionstore.SessionID {
		id := x.polling()
		s := x.get(id)
		x.must(x.store.Answer(x.Context(), sessionstore.AnswerRequest{Read: &s, T: "t1", Ping: true}))
		return id
	}},
	{bound, func(x *tester) sessionstore.SessionID { return x.bound(x.given(1)) }},
	{probed, func(x *tester) sessionstore.SessionID {
		id := x.bound(x.polling())
		x.must(x.store.Probe(x.Context(), id, connA))
		x.park(id, "t2")
		return id
	}},
	{ws, (*tester).websocket},
	{held, (*tester).held},
	{heldEmpty, func(x *tester) sessionstore.SessionID {
		id := x.bound(x.polling())
		x.upgrade(id, connA)
		return id
	}},
	{released, func(x *tester) sessionstore.SessionID {
		id := x.held()
		x.must(x.store.Release(x.Context(), id, me, 2))
		return id
	}},
	{serial, (*tester).serial},
	{serialHeld, func(x *tester) sessionstore.SessionID {
		id := x.serial()
		_, err := x.store.Enqueue(x.Context(), id, twoPackets(), wide, lease(me))
		x.must(err)
		return id
	}},
	{closingPlain, func(x *tester) sessionstore.SessionID { return x.closed(x.bound(x.given(1)), false, false) }},
	{closingDrain, func(x *tester) sessionstore.SessionID { return x.closed(x.given(1), true, false) }},
	{closingGiven, func(x *tester) sessionstore.SessionID { return x.closed(x.given(2), true, false) }},
	{closingSocket, func(x *tester) sessionstore.SessionID { return x.closed(x.held(), true, false) }},
	{closed, func(x *tester) sessionstore.SessionID { return x.closed(x.websocket(), false, true) }},
	{closedDrain, func(x *tester) sessionstore.SessionID { return x.closed(x.buffered(), true, true) }},
	{numbered, (*tester).numbered},
	{numberedHeld, func(x *tester) sessionstore.SessionID {
		id := x.bound(x.numbered())
		x.upgrade(id, connA)
		return id
	}},
	{outboxFree, func(x *tester) sessionstore.SessionID { return x.outbox(sessionstore.Lease{}) }},
	{outboxHeld, func(x *tester) sessionstore.SessionID { return x.queued(x.outbox(sessionstore.Lease{})) }},
	{outboxSent, (*tester).sentOutbox},
	{outboxPolling, func(x *tester) sessionstore.SessionID { return x.queued(x.outbox(onPolling)) }},
	{outboxAway, func(x *tester) sessionstore.SessionID {
		id := x.sentOutbox()
		x.must(x.store.Lose(x.Context(), id, carrier, outboxOver, "transport close"))
		return id
	}},
	{outboxMoved, func(x *tester) sessionstore.SessionID {
		id := x.sentOutbox()
		read := x.get(id)
		x.must(x.store.Trim(x.Context(), &read, 1))
		_, err := x.store.Recover(x.Context(), sessionstore.RecoverRequest{
			Read: &read, Carrier: carrier, Conn: connA, Hold: lease(me), Now: start,
		})
		x.must(err)
		return id
	}},
	{outboxClosing, func(x *tester) sessionstore.SessionID { return x.closed(x.sentOutbox(), true, false) }},
	{outboxClosed, func(x *tester) sessionstore.SessionID { return x.closed(x.sentOutbox(), false, true) }},
}

// openStates and pollingStates are those of the states that their names say; the latter are open.
var (
	pollingStates = []string{idle, buffered, given, allGiven, parked, pinged, bound, probed, numbered}
	openStates    = slices.Concat(
		[]string{ws, held, heldEmpty, released, serial, serialHeld, numberedHeld}, pollingStates, outboxStates,
	)
	closingStates = []string{closingPlain, closingDrain, closingGiven, closingSocket, outboxClosing}
	// outboxStates are those of outboxes that are open.
	outboxStates = []string{outboxFree, outboxHeld, outboxSent, outboxPolling, outboxAway, outboxMoved}
)

func (x *tester) serial() sessionstore.SessionID {
	n := newSession(sessionstore.WebSocket)
	n.Serial = true
	x.must(x.store.Create(x.Context(), n))
	return n.ID
}

func (x *tester) buffered() sessionstore.SessionID {
	id := x.polling()
	x.deliver(id, twoPackets()...)
	return id
}

func twoPackets() []sessionstore.Packet {
	return []sessionstore.Packet{packet(`42["first"]`), packet(`451-["second",{"_placeholder":true,"num":0}]`, "bAAEC")}
}

func (x *tester) given(n int) sessionstore.SessionID {
	id := x.buffered()
	x.answer(id, "t1", n)
	return id
}

func (x *tester) park(id sessionstore.SessionID, t string) {
	s := x.get(id)
	p := sessionstore.Poll{T: t, Until: after(leaseEnd)}
	x.must(x.store.Park(x.Context(), sessionstore.ParkRequest{Read: &s, Poll: p}))
}

func (x *tester) bound(id sessionstore.SessionID) sessionstore.SessionID {
	x.bind(id, connA)
	return id
}

func (x *tester) held() sessionstore.SessionID {
	id := x.bound(x.given(1))
	x.upgrade(id, connA)
	return id
}

func (x *tester) closed(id sessionstore.SessionID, drain, finished bool) sessionstore.SessionID {
	x.close(id, drain)
	if finished {
		x.must(x.store.Finish(x.Context(), id, me, after(time.Hour)))
	}
	return id
}
