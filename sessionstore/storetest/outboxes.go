package storetest

import (
	"context"
	"fmt"
	"time"

	"github.com/nonstick-io/nonstick/sessionstore"
)

// outboxTests are those of outboxes beside their transitions, of which [transitionTests] tries each in every state.
var outboxTests = []test{
	{"create", createOutbox},
	{"the registration of a session that may carry some", tended},
	{"the handshake is the carrier's", outboxHandshake},
	{"the registration of an old client", oldClient},
	{"links", links},
	{"a link and a socket in one namespace", linkOrSocket},
	{"the rows of an outbox", outboxRows},
	{"the hold", outboxHold},
	{"repeats", outboxRepeats},
	{"late writes", outboxLate},
	{"a ping timeout of one that is away", closeAway},
	{"limits", outboxLimits},
	{"numbers of a carrier", carrierNumbers},
	{"what is sent once", sentOnce},
	{"bodies of what was sent", sentBodies},
	{"cancelled calls", cancelledOutboxes},
}

func createOutbox(x *tester) {
	for _, hold := range []sessionstore.Lease{{}, lease(me), onPolling} {
		n := newOutbox(hold)
		equal(x, "an outbox's id", n.ID.IsOutbox() && sessionstore.OutboxID(n.ID.PID()) == n.ID, true)
		x.must(x.store.Create(x.Context(), n))
		x.same("a new outbox", x.get(n.ID), created(n))
		if _, found := x.registration(n.ID); found {
			x.Error("an outbox is registered")
		}
		x.is(x.store.Create(x.Context(), newOutboxOf(n.ID)), sessionstore.ErrExists)
		x.same("the outbox afterwards", x.get(n.ID), created(n))
	}
}

// tended: the sweeper looks at the holds of a session that may carry outboxes, Serial or not.
func tended(x *tester) {
	for _, serial := range []bool{false, true} {
		n := newSession(sessionstore.Polling)
		n.Serial, n.Tend = serial, true
		x.must(x.store.Create(x.Context(), n))
		x.same("the session", x.get(n.ID), created(n))
		x.registered(sessionstore.Registration{Session: n.ID, PingAt: n.PingAt, LookAt: n.LookAt, Serial: true})
	}
}

// oldClient: what a session keeps of the version of its client.
func oldClient(x *tester) {
	for _, transport := range []sessionstore.Transport{sessionstore.Polling, sessionstore.WebSocket} {
		n := newSession(transport)
		n.Codec, n.ClientPings, n.Serial = "3b", true, true
		x.must(x.store.Create(x.Context(), n))
		x.same("the session", x.get(n.ID), created(n))
		row := sessionstore.Registration{
			Session: n.ID, PingAt: n.PingAt, LookAt: n.LookAt, Serial: true, ClientPings: true,
		}
		if transport == sessionstore.WebSocket {
			row.Conn, row.PingAt = connA, after(time.Second)
			x.must(x.store.Register(x.Context(), row))
		}
		x.registered(row)
		row.Conn, row.PingAt = connB, after(2*time.Second)
		x.must(x.store.Update(x.Context(), sessionstore.Registration{
			Session: n.ID, Conn: connB, PingAt: row.PingAt, LookAt: row.LookAt,
		}))
		x.registered(row)
		x.must(x.store.Beat(x.Context(), n.ID, after(3*time.Second)))
		x.must(x.store.Look(x.Context(), n.ID, after(time.Minute)))
		row.PingAt, row.LookAt = after(3*time.Second), after(time.Minute)
		x.registered(row)
		x.must(x.store.Expire(x.Context(), row, after(2*time.Minute)))
		row.Expired, row.LookAt = true, after(2*time.Minute)
		x.registered(row)
	}
	n := newSession(sessionstore.Polling)
	n.Codec, n.ClientPings, n.Serial = "3", true, true
	x.must(x.store.Create(x.Context(), n))
	x.bind(n.ID, connB)
	x.must(x.store.Probe(x.Context(), n.ID, connB))
	x.equalCodec(x.upgrade(n.ID, connB), n.Codec)
	x.equalCodec(x.get(n.ID), n.Codec)
}

func (x *tester) equalCodec(s sessionstore.Session, want string) {
	x.Helper()
	if s.Codec != want {
		x.Errorf("codec %q, want %q", s.Codec, want)
	}
}

// newOutboxOf is another outbox of the same id.
func newOutboxOf(id sessionstore.SessionID) sessionstore.NewSession {
	n := newOutbox(lease(other))
	n.ID, n.Carrier = id, nextCarrier
	return n
}

func outboxHandshake(x *tester) {
	is := func(id sessionstore.SessionID, want sessionstore.Handshake) {
		x.Helper()
		h, err := x.store.Handshake(x.Context(), id)
		x.must(err)
		equal(x, "the handshake", h, want)
	}
	none := func(id sessionstore.SessionID) {
		x.Helper()
		_, err := x.store.Handshake(x.Context(), id)
		x.is(err, sessionstore.ErrNotFound)
	}
	none(sessionstore.OutboxID(sessionstore.NewID()))

	polled := newSession(sessionstore.Polling)
	polled.Handshake.Address = "192.0.2.8"
	x.must(x.store.Create(x.Context(), polled))
	n := newOutbox(sessionstore.Lease{})
	n.Carrier = polled.ID
	x.must(x.store.Create(x.Context(), n))
	is(n.ID, polled.Handshake)

	x.must(x.store.Lose(x.Context(), n.ID, polled.ID, outboxOver, "transport close"))
	none(n.ID)

	socket := newSession(sessionstore.WebSocket)
	socket.Conn.ID = sessionstore.NewID()
	read := x.get(n.ID)
	_, err := x.store.Recover(x.Context(), sessionstore.RecoverRequest{
		Read: &read, Carrier: socket.ID, Conn: socket.Conn, Hold: lease(me), Now: start,
	})
	x.must(err)
	none(n.ID) // there is no such session
	x.must(x.store.Create(x.Context(), socket))
	row := newRow(socket.Conn)
	row.Session, row.Handshake = socket.ID, &socket.Handshake
	x.must(x.store.PutConnection(x.Context(), row))
	is(n.ID, socket.Handshake)

	x.close(n.ID, false)
	is(n.ID, socket.Handshake) // its disconnect handlers run
}

// link is the link of a session to an outbox.
func link(id, outbox sessionstore.SessionID, nsp sessionstore.Namespace) sessionstore.Socket {
	return sessionstore.Socket{
		ID: sessionstore.SocketID(sessionstore.NewID()), Session: id, Namespace: nsp, Outbox: outbox,
	}
}

// linked checks the rows of a session.
func (x *tester) linked(id sessionstore.SessionID, want ...sessionstore.Socket) {
	x.Helper()
	got := x.get(id)
	for _, k := range want {
		row := rowOf(&got, k.Namespace)
		equal(x, "the row of "+string(k.Namespace), canonSocket(row), canonSocket(k))
	}
	equal(x, "rows", len(got.Sockets), len(want))
}

func links(x *tester) {
	id, a, b := x.polling(), x.outbox(onPolling), x.outbox(onPolling)
	ka, kb := link(id, a, "/a"), link(id, b, "/b")
	x.must(x.store.Link(x.Context(), ka))
	kb.Parent = "p"
	more := kb // what else a socket may have is not kept
	more.HasAuth, more.HasData, more.Rooms = true, true, 2
	more.ConnectedAt, more.ExpiresAt = start, start
	x.must(x.store.Link(x.Context(), more))
	x.linked(id, ka, kb)
	x.must(x.store.Link(x.Context(), ka))
	x.linked(id, ka, kb)

	foreign, late := ka, ka
	foreign.ID, late.Outbox = kb.ID, b
	for _, k := range []sessionstore.Socket{foreign, late} {
		x.is(x.store.Link(x.Context(), k), sessionstore.ErrExists)
		x.must(x.store.Unlink(x.Context(), k))
		x.linked(id, ka, kb)
	}
	for range 2 {
		x.must(x.store.Unlink(x.Context(), ka))
		x.linked(id, kb)
	}
	x.must(x.store.Link(x.Context(), foreign))
	x.linked(id, foreign, kb)
	x.must(x.store.Unlink(x.Context(), link("none", a, "/a")))

	// The link is there before the session, and with another session.
	n := newSession(sessionstore.Polling)
	early := link(n.ID, a, "/a")
	x.must(x.store.Link(x.Context(), early))
	x.must(x.store.Create(x.Context(), n))
	x.linked(n.ID, early)
	x.linked(id, foreign, kb)
}

func linkOrSocket(x *tester) {
	id, nsp := x.polling(), freshNamespace()
	k := link(id, x.outbox(onPolling), nsp)
	x.must(x.store.Link(x.Context(), k))
	loser := newSocket(id, nsp, "r")
	loser.Auth = `{"a":1}`
	x.is(x.putSocket(loser, connA), sessionstore.ErrExists)
	x.linked(id, k)
	equal(x, "members", len(x.namespaceMembers(nsp)), 0)
	equal(x, "members of the room", x.ids(nsp, "r"), nil)

	x.must(x.store.Unlink(x.Context(), k))
	socket := x.put(newSocket(id, nsp, "r"))
	x.is(x.store.Link(x.Context(), k), sessionstore.ErrExists)
	x.must(x.store.Unlink(x.Context(), k))
	none := socket.Row() // a socket that is no link
	x.must(x.store.Unlink(x.Context(), none))
	x.linked(id, socket.Row())
	x.inRoom(nsp, "r", memberOf(socket, connA))
}

// outboxRows: a socket's rows are those of the outbox's session, whatever becomes of its carriers.
func outboxRows(x *tester) {
	id, nsp := x.outbox(sessionstore.Lease{}), freshNamespace()
	k := newSocket(id, nsp, "r")
	k.Auth, k.Data = `{"a":1}`, map[string]string{"k": "1"}
	x.must(x.putSocket(k, sessionstore.Connection{}))
	x.must(x.store.Lose(x.Context(), id, carrier, outboxOver, "transport close"))
	x.must(x.join(k, "s", sessionstore.Connection{}))
	x.must(x.setData(k, "k", "2"))
	k.Rooms, k.Data = append(k.Rooms, "s"), map[string]string{"k": "2"}
	x.sameSocket(k)
	x.inRoom(nsp, "r", memberOf(k, sessionstore.Connection{}))
	row, data, err := x.store.ReadSocket(x.Context(), nsp, memberOf(k, sessionstore.Connection{}))
	x.must(err)
	equal(x, "the socket", canonSocket(row), canonSocket(k.Row()))
	equal(x, "data", data, k.Data)

	x.close(id, false)
	_, err = x.remove(k)
	x.must(err)
	x.must(x.store.ClearSockets(x.Context(), id))
	equal(x, "members", len(x.namespaceMembers(nsp)), 0)
	x.finish(id)
	_, err = x.store.Get(x.Context(), id, after(time.Hour))
	x.is(err, sessionstore.ErrNotFound)
}

// outboxHold: an append takes the hold if there is none, and leaves it as it is otherwise: one with no end too.
func outboxHold(x *tester) {
	id := x.outbox(sessionstore.Lease{})
	enqueue := func(o sessionstore.Owner) sessionstore.Session {
		x.Helper()
		s, err := x.store.Enqueue(x.Context(), id, []sessionstore.Packet{packet("4a")}, wide, lease(o))
		x.must(err)
		x.same("the outbox that Enqueue returned", s, x.get(id))
		return s
	}
	holds := func(s sessionstore.Session, want sessionstore.Lease, seq, given int) {
		x.Helper()
		s = canon(s)
		equal(x, "the hold", s.Hold, want)
		equal(x, "the last number, and what was given", [2]int{s.Seq(), s.Given}, [2]int{seq, given})
	}
	holds(enqueue(me), lease(me), 1, 0)
	holds(enqueue(other), lease(me), 2, 0)
	x.must(x.sent(id, 2))
	holds(x.get(id), sessionstore.Lease{}, 2, 2)
	holds(enqueue(other), lease(other), 3, 2)
	x.must(x.store.Lose(x.Context(), id, carrier, outboxOver, "transport close"))
	holds(x.get(id), away, 3, 2)
	holds(enqueue(me), away, 4, 2)

	ending := onPolling // with the time that its caller has to bring the first entries
	ending.Until = after(leaseEnd)
	read := x.get(id)
	_, err := x.store.Recover(x.Context(), sessionstore.RecoverRequest{
		Read: &read, Carrier: nextCarrier, Hold: ending, Now: start,
	})
	x.must(err)
	holds(x.get(id), ending, 4, 2)
	holds(enqueue(me), ending, 5, 2)
	s, err := x.store.Switch(x.Context(), id, nextCarrier, connB, 4, lease(me))
	x.must(err)
	holds(s, lease(me), 5, 4)
	x.must(x.store.Renew(x.Context(), id, renewed))
	holds(x.get(id), renewed, 5, 4)
	x.must(x.sent(id, 5))
	holds(enqueue(other), lease(other), 6, 5)
}

// outboxRepeats: a call that was applied is refused when it comes again, and the refusal tells that.
func outboxRepeats(x *tester) {
	id := x.queued(x.outbox(onPolling))
	again := func(op sessionstore.Op, call func() error) sessionstore.Session {
		x.Helper()
		x.must(call())
		err := call()
		x.conflict(err, op, x.get(id))
		s, _ := sessionstore.Current(err)
		return s
	}
	s := again(sessionstore.OpSwitch, func() error {
		_, err := x.store.Switch(x.Context(), id, carrier, connA, 1, lease(me))
		return err
	})
	equal(x, "switched", s.Hold.Owner == me && s.Conn == connA && s.Given == 1, true)
	s = again(sessionstore.OpSent, func() error { return x.sent(id, 2) })
	equal(x, "sent", !s.Hold.Held() && s.Given == 2, true)
	s = again(sessionstore.OpLose, func() error {
		return x.store.Lose(x.Context(), id, carrier, outboxOver, "transport close")
	})
	equal(x, "lost", s.Carrier == "" && s.Hold.Owner == sessionstore.HoldAway && s.PingAt.Equal(outboxOver), true)
	read := x.get(id)
	s = again(sessionstore.OpTrim, func() error { return x.store.Trim(x.Context(), &read, 1) })
	equal(x, "trimmed", s.Trimmed, read.Trimmed+1)
	s = again(sessionstore.OpRecover, func() error {
		_, err := x.store.Recover(x.Context(), sessionstore.RecoverRequest{
			Read: &read, Carrier: nextCarrier, Hold: lease(me), Now: start,
		})
		return err
	})
	equal(x, "recovered", s.Carrier == nextCarrier && s.Moves == read.Moves+1, true)
	s = again(sessionstore.OpClose, func() error { return x.tryClose(closing(id, true)) })
	equal(x, "closed", s.Handler.Owner, me)
}

// outboxLate: what was sent before the outbox was recovered does nothing afterwards.
func outboxLate(x *tester) {
	id := x.queued(x.outbox(sessionstore.Lease{}))
	read := x.get(id)
	r := sessionstore.RecoverRequest{Read: &read, Carrier: nextCarrier, Conn: connB, Hold: lease(other), Now: start}
	before, err := x.store.Recover(x.Context(), r)
	x.must(err)
	x.same("the outbox as it was recovered", before, read)
	was := x.get(id)
	first := sessionstore.RecoverRequest{Read: &read, Carrier: "carrier-3", Hold: lease(me), Now: start}
	_, err = x.store.Recover(x.Context(), first)
	x.conflict(err, sessionstore.OpRecover, was)
	x.conflict(x.store.Lose(x.Context(), id, carrier, outboxOver, "late"), sessionstore.OpLose, was)
	x.conflict(x.sent(id, 2), sessionstore.OpSent, was)
	x.conflict(x.store.Renew(x.Context(), id, renewed), sessionstore.OpRenew, was)
	_, err = x.store.Switch(x.Context(), id, carrier, connA, 2, lease(me))
	x.conflict(err, sessionstore.OpSwitch, was)
	x.conflict(x.store.Trim(x.Context(), &read, 1), sessionstore.OpTrim, was) // the next carrier may need it
	x.same("the outbox", x.get(id), was)
	x.must(x.store.Trim(x.Context(), &was, 1))
	equal(x, "trimmed", x.get(id).Trimmed, 1)
}

// closeAway: the timer of a loss closes an outbox that is away since that loss, and no other.
func closeAway(x *tester) {
	id := x.sentOutbox()
	timeout := func(at time.Time) error {
		r := closing(id, false)
		r.IfPingAt = at
		return x.tryClose(r)
	}
	lose := func(c sessionstore.SessionID, over time.Time) {
		x.Helper()
		x.must(x.store.Lose(x.Context(), id, c, over, "transport close"))
	}
	x.conflict(timeout(outboxOver), sessionstore.OpClose, x.get(id))
	lose(carrier, outboxOver)
	read := x.get(id)
	_, err := x.store.Recover(x.Context(), sessionstore.RecoverRequest{
		Read: &read, Carrier: nextCarrier, Hold: onPolling, Now: start,
	})
	x.must(err)
	x.conflict(timeout(outboxOver), sessionstore.OpClose, x.get(id))
	lose(nextCarrier, outboxOver.Add(time.Millisecond))
	x.conflict(timeout(outboxOver), sessionstore.OpClose, x.get(id))
	x.must(timeout(outboxOver.Add(time.Millisecond)))
	equal(x, "state", x.get(id).State, sessionstore.Closing)
}

// outboxLimits: what was sent counts until it is trimmed.
func outboxLimits(x *tester) {
	id := x.outbox(sessionstore.Lease{})
	limits := sessionstore.BufferLimits{Packets: 3, Bytes: 100}
	enqueue := func(bytes int) error {
		_, err := x.store.Enqueue(
			x.Context(), id, []sessionstore.Packet{packet(body("x", bytes))}, limits, lease(me),
		)
		return err
	}
	full := func(bytes int) {
		x.Helper()
		err := enqueue(bytes)
		x.conflict(err, sessionstore.OpEnqueue, x.get(id))
		s, _ := sessionstore.Current(err)
		equal(x, "exceeded", limits.Exceeded(&s, []sessionstore.Packet{packet(body("x", bytes))}), true)
	}
	trim := func(n int) {
		x.Helper()
		read := x.get(id)
		x.must(x.store.Trim(x.Context(), &read, n))
	}
	x.must(enqueue(40))
	x.must(enqueue(30))
	x.must(x.sent(id, 2))
	full(31)
	x.must(enqueue(30))
	full(0)
	trim(1)
	full(41)
	x.must(enqueue(40))
	trim(2)
	x.must(enqueue(1))
	x.must(enqueue(1))
	full(1)
	s := x.get(id)
	equal(x, "the last number, trimmed, and given", [3]int{s.Seq(), s.Trimmed, s.Given}, [3]int{6, 3, 0})
}

// carrierNumbers: a carrier knows what it got of each outbox, on polling and while it is held, until the end.
func carrierNumbers(x *tester) {
	id, a, b := x.polling(), sessionstore.OutboxID(sessionstore.NewID()), sessionstore.OutboxID(sessionstore.NewID())
	var want []sessionstore.Packet
	bring := func(n sessionstore.Number, packets ...sessionstore.Packet) error {
		limits := wide
		limits.Number = n
		err := x.store.Deliver(x.Context(), id, packets, limits)
		if err == nil {
			want = append(want, packets...)
		}
		return err
	}
	numbers := func(na, nb int) {
		x.Helper()
		got := x.get(id)
		equal(x, "numbers", got.Numbers, map[sessionstore.SessionID]int{a: na, b: nb})
		x.holds(id, want)
	}
	if n := x.get(id).Numbers; n != nil {
		x.Errorf("numbers %v of a new session", n)
	}
	large := packet("4"+body("a", 5<<10), "b"+body("b", 5<<10))
	x.must(bring(sessionstore.Number{Outbox: a, From: -1, To: 0}, packet("40{}")))
	x.must(bring(sessionstore.Number{Outbox: b, From: 0, To: 2, First: true}, packet("4b"), large))
	numbers(0, 2)
	err := bring(sessionstore.Number{Outbox: a, From: 1, To: 2}, packet("4no"))
	x.conflict(err, sessionstore.OpDeliver, x.get(id))
	for i := range 60 { // more than a list takes
		x.must(bring(sessionstore.Number{Outbox: a, From: i, To: i + 1}, packet("4"+body(fmt.Sprint(i), 90))))
		x.is(bring(sessionstore.Number{Outbox: a, From: i, To: i + 1}, packet("4no")), sessionstore.ErrConflict)
	}
	numbers(60, 2)

	x.answer(id, "t1", 40)
	want = want[40:]
	x.answer(id, "t2", 0)
	numbers(60, 2)
	x.bind(id, connA)
	x.upgrade(id, connA)
	numbers(60, 2)
	x.must(bring(sessionstore.Number{Outbox: a, From: 60, To: 61}, packet("4held")))
	x.is(bring(sessionstore.Number{Outbox: a, From: 60, To: 61}, packet("4no")), sessionstore.ErrConflict)
	numbers(61, 2)
	x.must(x.store.Release(x.Context(), id, me, len(want)))
	want = nil
	numbers(61, 2)
	err = bring(sessionstore.Number{Outbox: a, From: 61, To: 62}, packet("4no"))
	x.conflict(err, sessionstore.OpDeliver, x.get(id)) // it is on WebSocket
	x.close(id, false)
	numbers(61, 2)
}

// sentOnce: what a packet says of itself stays with it, wherever it is kept.
func sentOnce(x *tester) {
	id := x.outbox(sessionstore.Lease{})
	var want []sessionstore.Packet
	add := func(sizes ...int) {
		x.Helper()
		var packets []sessionstore.Packet
		for _, n := range sizes {
			p := packet("4" + body(fmt.Sprint(len(want)), n))
			p.Once = (len(want)+len(packets))%3 == 1
			packets = append(packets, p)
		}
		x.enqueue(id, packets...)
		want = append(want, packets...)
	}
	add(10, 10, 10)
	for i, p := range x.get(id).Buffer {
		equal(x, "once", p.Once, want[i].Once)
	}
	add(10, 5<<10, 10)
	add(5<<10, 5<<10)
	x.holds(id, want)
	for range 60 {
		add(100)
	}
	x.holds(id, want)
	many := make([]int, 100)
	for i := range many {
		many[i] = 100
	}
	add(many...)
	x.holds(id, want)

	// And on polling.
	p := packet("4once")
	p.Once = true
	polled := x.polling()
	x.deliver(polled, p)
	x.holds(polled, []sessionstore.Packet{p})
}

// sentBodies: what was sent can be read again until it is trimmed, large and small, and by place.
func sentBodies(x *tester) {
	id := x.outbox(sessionstore.Lease{})
	var want []sessionstore.Packet
	for i := range 90 {
		p := packet("4" + body(fmt.Sprint(i), 60))
		if i%7 == 6 {
			p = packet("451-"+body(fmt.Sprint(i), 3<<10), "b"+body("b", 2<<10))
		}
		want = append(want, p)
		s := x.enqueue(id, p)
		x.must(x.sent(id, len(s.Buffer)))
	}
	s := x.get(id)
	equal(x, "given", s.Given, 90)
	x.holds(id, want)
	for _, from := range []int{0, 1, 37, 89, 90} {
		x.samePackets(x.bodies(id, s.Buffer[from:]), want[from:])
	}
	x.must(x.store.Lose(x.Context(), id, carrier, outboxOver, "transport close"))
	x.must(x.store.Trim(x.Context(), &s, 33))
	x.holds(id, want[33:])
	x.samePackets(x.bodies(id, s.Buffer[40:]), want[40:]) // as it was read before
	read := x.get(id)
	before, err := x.store.Recover(x.Context(), sessionstore.RecoverRequest{
		Read: &read, Carrier: nextCarrier, Hold: lease(me), Now: start,
	})
	x.must(err)
	equal(x, "trimmed, and given", [2]int{before.Trimmed, before.Given}, [2]int{33, 57})
	x.samePackets(x.bodies(id, before.Buffer[50-before.Trimmed:]), want[50:])
}

var outboxCalls = []call{
	{"Enqueue", func(ctx context.Context, s sessionstore.Store, read *sessionstore.Session) error {
		_, err := s.Enqueue(ctx, read.ID, []sessionstore.Packet{packet("4x")}, wide, lease(me))
		return err
	}},
	{"Link", func(ctx context.Context, s sessionstore.Store, read *sessionstore.Session) error {
		return s.Link(ctx, link(read.ID, numbers, "/"))
	}},
	{"Unlink", func(ctx context.Context, s sessionstore.Store, read *sessionstore.Session) error {
		return s.Unlink(ctx, read.Sockets[0])
	}},
	{"Recover", func(ctx context.Context, s sessionstore.Store, read *sessionstore.Session) error {
		_, err := s.Recover(ctx, sessionstore.RecoverRequest{Read: read, Carrier: nextCarrier, Now: start})
		return err
	}},
	{"Lose", func(ctx context.Context, s sessionstore.Store, read *sessionstore.Session) error {
		return s.Lose(ctx, read.ID, read.Carrier, outboxOver, "transport close")
	}},
	{"Trim", func(ctx context.Context, s sessionstore.Store, read *sessionstore.Session) error {
		return s.Trim(ctx, read, 1)
	}},
}

func cancelledOutboxes(x *tester) {
	ctx := x.cancelled()
	try := func(id sessionstore.SessionID, calls []call) {
		x.Helper()
		before := x.get(id)
		for _, c := range calls {
			read := before
			x.notSent(c.name, c.run(ctx, x.store, &read))
		}
		x.same("the session", x.get(id), before)
	}
	id := x.sentOutbox()
	x.must(x.store.Link(x.Context(), link(id, numbers, "/linked"))) // in its own session, to have all in one
	try(id, outboxCalls)
	try(x.queued(x.outbox(sessionstore.Lease{})), []call{
		{"Sent", func(ctx context.Context, s sessionstore.Store, read *sessionstore.Session) error {
			return s.Sent(ctx, read, me, 2)
		}},
	})
	try(x.outbox(onPolling), []call{
		{"Switch", func(ctx context.Context, s sessionstore.Store, read *sessionstore.Session) error {
			_, err := s.Switch(ctx, read.ID, carrier, connA, 0, lease(me))
			return err
		}},
	})
}

// rowOf is the row of a namespace as it is stored.
func rowOf(s *sessionstore.Session, nsp sessionstore.Namespace) sessionstore.Socket {
	for _, k := range s.Sockets {
		if k.Namespace == nsp {
			return k
		}
	}
	return sessionstore.Socket{}
}
