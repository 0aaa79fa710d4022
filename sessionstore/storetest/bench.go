package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/nonstick-io/nonstick/sessionstore"
)

// Counter counts what a benchmark spends, beside its time.
type Counter interface {
	// Aside runs f without its time and costs.
	Aside(f func())
	// Report is called when the benchmark has ended.
	Report()
}

// benchmark is one call of a store. Its session is open, on polling, with a socket in the room "room" of the main
// namespace.
type benchmark struct {
	name string
	// ready, unless nil, changes the session before the call.
	ready func(x *bench, id sessionstore.SessionID)
	// again says that the call leaves the session as it was, so that one will do for all iterations.
	again bool
	run   func(x *bench, s *sessionstore.Session) error
}

// bench is a benchmark of a store.
type bench struct {
	*testing.B
	store sessionstore.Store
}

func (x *bench) must(err error) {
	if err != nil {
		x.Helper()
		x.Fatalf("unexpected error: %v", err)
	}
}

// Benchmark measures single calls of a store, one benchmark for each. Sessions are made ready beside the time, up to
// batch of them at once, from a store that newStore returns: one in memory should be a new one every time, so that it
// does not grow; one behind a network may be the same. The Counter that count returns counts from that moment on.
func Benchmark(
	b *testing.B, batch int, newStore func(b *testing.B) sessionstore.Store, count func(b *testing.B) Counter,
) {
	for _, m := range benchmarks {
		b.Run(m.name, func(b *testing.B) {
			x := &bench{B: b}
			var sessions []sessionstore.Session
			n := 1
			c := count(b)
			for b.Loop() {
				if len(sessions) == 0 {
					c.Aside(func() {
						x.store = newStore(b)
						sessions = x.sessions(m, n)
					})
					n = min(2*n, batch) // a benchmark that runs once needs one
				}
				if err := m.run(x, &sessions[0]); err != nil {
					b.Fatal(err)
				}
				if !m.again {
					sessions = sessions[1:]
				}
			}
			c.Report()
		})
	}
}

// sessions makes sessions ready.
func (x *bench) sessions(m benchmark, n int) []sessionstore.Session {
	x.Helper()
	if m.again {
		n = 1
	}
	made := make([]sessionstore.Session, n)
	for i := range made {
		s := newSession(sessionstore.Polling)
		x.must(x.store.Create(x.Context(), s))
		x.must(x.store.PutSocket(x.Context(), newSocket(s.ID, "/", "room"), sessionstore.Connection{}, benchLimits))
		if m.ready != nil {
			m.ready(x, s.ID)
		}
		var err error
		made[i], err = x.store.Get(x.Context(), s.ID, start)
		x.must(err)
	}
	return made
}

// What benchmarks may make a store keep.
var benchLimits = sessionstore.SocketLimits{Auth: 1 << 10, Data: 1 << 10, Rooms: 100}

func news() []sessionstore.Packet { return []sessionstore.Packet{packet(`42["news",1]`)} }

func benchBound(x *bench, id sessionstore.SessionID) {
	x.Helper()
	x.must(x.store.Bind(
		x.Context(), id, sessionstore.Candidate{Conn: connA, Until: after(leaseEnd)}, start,
	))
}

func benchUpgraded(x *bench, id sessionstore.SessionID) {
	benchBound(x, id)
	_, err := x.store.Upgrade(x.Context(), id, connA, lease(me))
	x.must(err)
}

func benchClosed(x *bench, id sessionstore.SessionID) {
	x.Helper()
	_, err := x.store.Close(x.Context(), closing(id, false))
	x.must(err)
}

func benchDelivered(x *bench, id sessionstore.SessionID) {
	x.Helper()
	x.must(x.store.Deliver(x.Context(), id, news(), wide))
}

// benchAck is an acknowledgement that the session owes.
func benchAck(id sessionstore.SessionID) sessionstore.Ack {
	return sessionstore.Ack{Session: id, Namespace: "/", ID: 7, ExpiresAt: after(time.Minute)}
}

var benchmarks = []benchmark{
	{name: "Create", run: func(x *bench, _ *sessionstore.Session) error {
		return x.store.Create(x.Context(), newSession(sessionstore.Polling))
	}},
	{name: "Get", again: true, run: func(x *bench, s *sessionstore.Session) error {
		_, err := x.store.Get(x.Context(), s.ID, start)
		return err
	}},
	{name: "Connection", again: true, ready: func(x *bench, id sessionstore.SessionID) {
		x.must(x.store.PutConnection(x.Context(), sessionstore.ConnectionRow{Conn: connA, Session: id}))
	}, run: func(x *bench, _ *sessionstore.Session) error {
		_, err := x.store.Connection(x.Context(), connA)
		return err
	}},
	{name: "Deliver", run: func(x *bench, s *sessionstore.Session) error {
		return x.store.Deliver(x.Context(), s.ID, news(), wide)
	}},
	{name: "Answer", ready: benchDelivered, run: func(x *bench, s *sessionstore.Session) error {
		return x.store.Answer(x.Context(), sessionstore.AnswerRequest{Read: s, T: "t", Give: 1})
	}},
	{name: "Park", run: func(x *bench, s *sessionstore.Session) error {
		return x.store.Park(x.Context(), sessionstore.ParkRequest{
			Read: s, Poll: sessionstore.Poll{T: "t", Until: after(leaseEnd)},
		})
	}},
	{name: "Pong", again: true, run: func(x *bench, s *sessionstore.Session) error {
		return x.store.Pong(x.Context(), s.ID, start)
	}},
	{name: "Beat", again: true, run: func(x *bench, s *sessionstore.Session) error {
		return x.store.Beat(x.Context(), s.ID, start)
	}},
	{name: "Bind", run: func(x *bench, s *sessionstore.Session) error {
		return x.store.Bind(x.Context(), s.ID, sessionstore.Candidate{Conn: connA, Until: after(leaseEnd)}, start)
	}},
	{name: "Probe", ready: benchBound, run: func(x *bench, s *sessionstore.Session) error {
		return x.store.Probe(x.Context(), s.ID, connA)
	}},
	{name: "Upgrade", ready: benchBound, run: func(x *bench, s *sessionstore.Session) error {
		_, err := x.store.Upgrade(x.Context(), s.ID, connA, lease(me))
		return err
	}},
	{name: "Release", ready: benchUpgraded, run: func(x *bench, s *sessionstore.Session) error {
		return x.store.Release(x.Context(), s.ID, me, 0)
	}},
	{name: "PutSocket", run: func(x *bench, s *sessionstore.Session) error {
		return x.store.PutSocket(x.Context(), newSocket(s.ID, "/chat"), connA, benchLimits)
	}},
	{name: "SetData", run: func(x *bench, s *sessionstore.Session) error {
		return x.store.SetData(x.Context(), s.Sockets[0], "name", `"Ann"`, benchLimits)
	}},
	{name: "SwapData", run: func(x *bench, s *sessionstore.Session) error {
		return x.store.SwapData(x.Context(), s.Sockets[0], "name", "", `"Ann"`, benchLimits)
	}},
	{name: "Join", run: func(x *bench, s *sessionstore.Session) error {
		return x.store.Join(x.Context(), s.Sockets[0], "joined", connA, benchLimits)
	}},
	{name: "Leave", run: func(x *bench, s *sessionstore.Session) error {
		return x.store.Leave(x.Context(), s.Sockets[0], "room")
	}},
	{name: "Members", again: true, ready: benchMembers, run: func(x *bench, _ *sessionstore.Session) error {
		n := 0
		for _, err := range x.store.Members(x.Context(), "/", "many", sessionstore.Range{}) {
			if err != nil {
				return err
			}
			n++
		}
		if n != many {
			return fmt.Errorf("%d members, want %d", n, many)
		}
		return nil
	}},
	{name: "PutAck", run: func(x *bench, s *sessionstore.Session) error {
		return x.store.PutAck(x.Context(), benchAck(s.ID), start)
	}},
	{name: "AnswerAck", ready: func(x *bench, id sessionstore.SessionID) {
		x.must(x.store.PutAck(x.Context(), benchAck(id), start))
	}, run: func(x *bench, s *sessionstore.Session) error {
		a := benchAck(s.ID)
		a.Answer = []string{"437[1]"}
		_, err := x.store.AnswerAck(x.Context(), a, start)
		return err
	}},
	{name: "Claim", again: true, run: func(x *bench, s *sessionstore.Session) error {
		return x.store.Claim(x.Context(), string(s.ID), lease(me), me, start)
	}},
	{name: "Close", run: func(x *bench, s *sessionstore.Session) error {
		_, err := x.store.Close(x.Context(), closing(s.ID, false))
		return err
	}},
	{name: "Finish", ready: benchClosed, run: func(x *bench, s *sessionstore.Session) error {
		return x.store.Finish(x.Context(), s.ID, me, after(time.Hour))
	}},
	{name: "RemoveSocket", run: func(x *bench, s *sessionstore.Session) error {
		_, err := x.store.RemoveSocket(x.Context(), s.Sockets[0])
		return err
	}},
}

// many is how many sockets are in the room "many".
const many = 100

// benchMembers puts sockets into one room.
func benchMembers(x *bench, _ sessionstore.SessionID) {
	x.Helper()
	for range many {
		id := sessionstore.SessionID(sessionstore.NewID())
		x.must(x.store.PutSocket(x.Context(), newSocket(id, "/", "many"), connA, benchLimits))
	}
}
