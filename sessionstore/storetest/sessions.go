package storetest

import (
	"slices"
	"strings"
	"time"

	"github.com/nonstick-io/nonstick/sessionstore"
)

var sessionTests = []test{
	{"create polling", createPolling},
	{"create websocket", createWebSocket},
	{"create twice", createTwice},
	{"create over one that is not registered", createOver},
	{"get none", getNone},
	{"get sockets and partial", getWhole},
	{"handshake", handshake},
	{"handshake of a WebSocket", handshakeOfWebSocket},
	{"handshake after the upgrade", handshakeAfterUpgrade},
	{"times as read", timesAsRead},
	{"a large handshake", largeHandshake},
	{"close returns the session before", closeReturns},
	{"a lost close tells the winner", closeLost},
	{"finish", finish},
	{"drain", drain},
	{"expiry", sessionExpiry},
}

func createPolling(x *tester) {
	n := newSession(sessionstore.Polling)
	x.must(x.store.Create(x.Context(), n))
	x.same("the session", x.get(n.ID), created(n))
	r, found := x.registration(n.ID)
	if !found {
		x.Fatal("no registration")
	}
	x.sameRegistration(r, sessionstore.Registration{Session: n.ID, PingAt: n.PingAt, LookAt: n.LookAt})
	x.is(x.store.Register(x.Context(), sessionstore.Registration{Session: n.ID}), sessionstore.ErrExists)
}

func createWebSocket(x *tester) {
	n := newSession(sessionstore.WebSocket)
	x.must(x.store.Create(x.Context(), n))
	x.same("the session", x.get(n.ID), created(n))
	if r, found := x.registration(n.ID); found {
		x.Errorf("registered before the open step: %+v", r)
	}
	x.hasHandshake(n.ID, nil) // it goes with the connection row
}

func createTwice(x *tester) {
	for _, transport := range []sessionstore.Transport{sessionstore.Polling, sessionstore.WebSocket} {
		n := newSession(sessionstore.Polling)
		x.must(x.store.Create(x.Context(), n))
		x.deliver(n.ID, packet("4a"))
		before := x.get(n.ID)

		again := newSession(transport)
		again.ID = n.ID
		again.CreatedAt, again.LookAt = after(time.Minute), after(time.Hour)
		again.Handshake.URL = "/another"
		x.is(x.store.Create(x.Context(), again), sessionstore.ErrExists)

		x.same("the session", x.get(n.ID), before)
		h, err := x.store.Handshake(x.Context(), n.ID)
		x.must(err)
		equal(x, "the URL of the handshake", h.URL, n.Handshake.URL)
		r, _ := x.registration(n.ID)
		x.sameRegistration(r, sessionstore.Registration{Session: n.ID, PingAt: n.PingAt, LookAt: n.LookAt})
	}
}

// createOver creates sessions over one that has no registration yet, or none any more: on WebSocket before its open
// step, and one that has closed.
func createOver(x *tester) {
	ws := newSession(sessionstore.WebSocket)
	x.must(x.store.Create(x.Context(), ws))
	again := newSession(sessionstore.Polling)
	again.ID = ws.ID
	x.is(x.store.Create(x.Context(), again), sessionstore.ErrExists)
	x.same("the session", x.get(ws.ID), created(ws))
	x.hasHandshake(ws.ID, nil)
	if r, found := x.registration(ws.ID); found {
		x.Errorf("registered: %+v", r)
	}
	x.must(x.store.Register(x.Context(), sessionstore.Registration{Session: ws.ID}))

	old := newSession(sessionstore.Polling)
	x.must(x.store.Create(x.Context(), old))
	lease := sessionstore.Lease{Owner: me, Until: after(leaseEnd)}
	_, err := x.store.Close(x.Context(), sessionstore.CloseRequest{Session: old.ID, Reason: "x", Handler: lease})
	x.must(err)
	x.must(x.store.Finish(x.Context(), old.ID, me, after(time.Hour)))
	x.must(x.store.Unregister(x.Context(), old.ID))
	before := x.get(old.ID)
	for _, transport := range []sessionstore.Transport{sessionstore.Polling, sessionstore.WebSocket} {
		again := newSession(transport)
		again.ID = old.ID
		x.is(x.store.Create(x.Context(), again), sessionstore.ErrExists)
		x.same("the session", x.get(old.ID), before)
		x.hasHandshake(old.ID, nil)
		if r, found := x.registration(old.ID); found {
			x.Errorf("registered: %+v", r)
		}
	}
}

func getNone(x *tester) {
	id := sessionstore.SessionID(sessionstore.NewID())
	_, err := x.store.Get(x.Context(), id, start)
	x.is(err, sessionstore.ErrNotFound)
	_, err = x.store.Handshake(x.Context(), id)
	x.is(err, sessionstore.ErrNotFound)

	// What belongs to a session does not make one.
	x.put(newSocket(id, "/"))
	_, err = x.store.Get(x.Context(), id, start)
	x.is(err, sessionstore.ErrNotFound)
}

func getWhole(x *tester) {
	id, neighbour := x.polling(), x.polling()
	a := x.put(newSocket(id, "/"))
	b := newSocket(id, "/chat", "r1", "r2")
	b.Auth, b.Data = `{"token":"é"}`, map[string]string{"name": `"x"`}
	x.put(b)
	p := newPartial(1)
	x.must(x.store.PutPartial(x.Context(), id, p, start))
	x.put(newSocket(neighbour, "/"))

	got := x.get(id)
	want := got
	want.Sockets, want.Partial = []sessionstore.Socket{a.Row(), b.Row()}, &p
	x.same("the session", got, want)
	if k, ok := got.Socket("/chat"); !ok || k.ID != b.ID {
		x.Errorf("socket of /chat: %v %v", k, ok)
	}
	if n := len(x.get(neighbour).Sockets); n != 1 {
		x.Errorf("the neighbour has %d sockets", n)
	}
}

func handshake(x *tester) {
	n := newSession(sessionstore.Polling)
	x.must(x.store.Create(x.Context(), n))
	x.hasHandshake(n.ID, &n.Handshake)
}

// hasHandshake checks what a session's handshake is read as; none if want is nil.
func (x *tester) hasHandshake(id sessionstore.SessionID, want *sessionstore.Handshake) {
	x.Helper()
	got, err := x.store.Handshake(x.Context(), id)
	if want == nil {
		x.is(err, sessionstore.ErrNotFound)
		return
	}
	x.must(err)
	got.Time = got.Time.UTC()
	equal(x, "the handshake", got, *want)
}

// handshakeOfWebSocket: it is read by the session's id, though it is kept with the connection.
func handshakeOfWebSocket(x *tester) {
	n := newSession(sessionstore.WebSocket)
	n.Conn = sessionstore.Connection{ID: sessionstore.NewID(), Endpoint: connA.Endpoint}
	n.Handshake.URL = "/socket.io/?EIO=4&transport=websocket"
	x.must(x.store.Create(x.Context(), n))
	x.hasHandshake(n.ID, nil) // the row has yet to come
	row := sessionstore.ConnectionRow{Conn: n.Conn, Session: n.ID, Handshake: &n.Handshake, ExpiresAt: after(time.Hour)}
	x.must(x.store.PutConnection(x.Context(), row))
	x.hasHandshake(n.ID, &n.Handshake)
	x.close(n.ID, false)
	x.hasHandshake(n.ID, &n.Handshake) // its disconnect handlers may ask for it
	x.must(x.store.DeleteConnection(x.Context(), n.Conn))
	x.hasHandshake(n.ID, nil)
	x.finish(n.ID)
	x.hasHandshake(n.ID, nil)

	row.Session = sessionstore.SessionID(sessionstore.NewID()) // the connection's id is another session's by now
	x.must(x.store.PutConnection(x.Context(), row))
	x.hasHandshake(n.ID, nil)
	x.hasHandshake(row.Session, nil) // a connection's row does not make a session
	x.hasHandshake(sessionstore.SessionID(strings.Repeat("x", 5000)), nil)
	x.hasHandshake("", nil)
}

// handshakeAfterUpgrade: the session began on polling, and its connection's row has none.
func handshakeAfterUpgrade(x *tester) {
	n := newSession(sessionstore.Polling)
	x.must(x.store.Create(x.Context(), n))
	conn := sessionstore.Connection{ID: sessionstore.NewID(), Endpoint: connA.Endpoint}
	other := newSession(sessionstore.WebSocket).Handshake
	other.URL = "/another"
	row := sessionstore.ConnectionRow{Conn: conn, Session: n.ID, ExpiresAt: after(time.Hour)}
	for _, own := range []*sessionstore.Handshake{nil, &other} {
		row.Handshake = own
		x.must(x.store.PutConnection(x.Context(), row))
		x.hasHandshake(n.ID, &n.Handshake)
	}
	x.bind(n.ID, conn)
	x.upgrade(n.ID, conn)
	x.hasHandshake(n.ID, &n.Handshake)
	x.close(n.ID, false)
	x.hasHandshake(n.ID, &n.Handshake)
	row.Handshake = nil
	x.must(x.store.PutConnection(x.Context(), row))
	x.finish(n.ID)
	x.hasHandshake(n.ID, nil)
}

// largeHandshake: what a request brings along has a limit, with and without a connection's row.
func largeHandshake(x *tester) {
	for above := range 2 {
		n := newSession(sessionstore.Polling)
		n.Handshake.Query["q"] = ""
		n.Handshake.Query["q"] = strings.Repeat("\x01", sessionstore.MaxHandshake-n.Handshake.Bytes()+above)
		row := newRow(sessionstore.Connection{ID: string(n.ID)})
		row.Handshake = &n.Handshake
		errs := []error{x.store.Create(x.Context(), n), x.store.PutConnection(x.Context(), row)}
		if above > 0 {
			x.is(errs[0], sessionstore.ErrTooLarge)
			x.is(errs[1], sessionstore.ErrTooLarge)
			_, err := x.store.Get(x.Context(), n.ID, start)
			x.is(err, sessionstore.ErrNotFound)
			_, err = x.store.Connection(x.Context(), row.Conn)
			x.is(err, sessionstore.ErrNotFound)
			continue
		}
		x.must(errs[0])
		x.must(errs[1])
		got, err := x.store.Handshake(x.Context(), n.ID)
		x.must(err)
		equal(x, "the query", got.Query, n.Handshake.Query)
	}
}

// timesAsRead: a time that was read must match as a condition, whatever precision the store keeps.
func timesAsRead(x *tester) {
	n := newSession(sessionstore.Polling)
	n.PingAt = after(25*time.Second + 123_456_789)
	x.must(x.store.Create(x.Context(), n))
	r := closing(n.ID, false)
	r.IfPingAt = x.get(n.ID).PingAt
	if d := n.PingAt.Sub(r.IfPingAt).Abs(); d >= time.Millisecond {
		x.Errorf("PingAt is off by %v", d)
	}
	x.must(x.tryClose(r))
}

func closeReturns(x *tester) {
	for _, drain := range []bool{false, true} {
		id := x.bound(x.given(1))
		x.put(newSocket(id, "/"))
		before := x.get(id)
		got := x.close(id, drain)
		got.Sockets, before.Sockets = nil, nil // filled by Get only
		x.same("the session before", got, before)
	}
}

func closeLost(x *tester) {
	id := x.polling()
	x.close(id, false)
	r := closing(id, false)
	r.Reason, r.Handler = "ping timeout", lease(other)
	_, err := x.store.Close(x.Context(), r)
	x.is(err, sessionstore.ErrConflict)
	now, ok := sessionstore.Current(err)
	if !ok || now.State != sessionstore.Closing || now.Reason != "transport close" || now.Handler.Owner != me {
		x.Errorf("the loser learned %v %+v", ok, now)
	}
}

func finish(x *tester) {
	id := x.polling()
	x.close(id, false)
	x.must(x.store.TakeOver(x.Context(), id, lateLease, "", after(leaseEnd+time.Second)))
	err := x.store.Finish(x.Context(), id, me, after(time.Hour))
	x.conflict(err, sessionstore.OpFinish, x.get(id)) // the lease went to another
	x.must(x.store.Finish(x.Context(), id, other, after(time.Hour)))
	_, err = x.store.Handshake(x.Context(), id)
	x.is(err, sessionstore.ErrNotFound)
	if s := x.get(id); s.State != sessionstore.Closed || s.Reason != "transport close" || s.Details != details {
		x.Errorf("finished: %+v", s)
	}
}

// drain: the GETs after the close fetch what is left, and then the end.
func drain(x *tester) {
	id := x.given(1)
	x.close(id, true)
	x.finish(id)

	var got []string
	for i, want := range []int{1, 0} {
		s := x.get(id)
		if !s.Drain || len(s.Pending()) != want {
			x.Fatalf("GET %d finds drain %v and %d packets", i, s.Drain, len(s.Pending()))
		}
		for _, p := range x.bodies(id, s.Pending()) {
			got = append(got, p.Frames...)
		}
		r := sessionstore.AnswerRequest{Read: &s, T: sessionstore.NewID(), Give: want, EndDrain: want == 0}
		x.must(x.store.Answer(x.Context(), r))
	}
	if !slices.Equal(got, []string{`451-["second",{"_placeholder":true,"num":0}]`, "bAAEC"}) {
		x.Errorf("drained %q", got)
	}
	s := x.get(id)
	err := x.store.Answer(x.Context(), sessionstore.AnswerRequest{Read: &s, T: "later"})
	x.conflict(err, sessionstore.OpAnswer, s)
}

func sessionExpiry(x *tester) {
	id := x.polling()
	if _, err := x.store.Get(x.Context(), id, after(100*24*time.Hour)); err != nil {
		x.Errorf("an open session has no time to live: %v", err)
	}
	x.close(id, false)
	x.finish(id)
	if _, err := x.store.Get(x.Context(), id, after(time.Hour-time.Second)); err != nil {
		x.Errorf("before its time: %v", err)
	}
	_, err := x.store.Get(x.Context(), id, after(time.Hour+time.Second))
	x.is(err, sessionstore.ErrNotFound)
}
