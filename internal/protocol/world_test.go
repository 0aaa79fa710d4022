package protocol_test

import (
	"errors"
	"time"

	"github.com/nonstick-io/nonstick/sessionstore"
)

// The times and names of the tables.
const (
	interval = 25 * time.Second
	timeout  = 20 * time.Second
	me       = sessionstore.Owner("me")
	another  = sessionstore.Owner("another")
	mine     = "PggDzUx.7" // names of GETs
	theirs   = "PggDzUx.9"
)

var (
	now     = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	ws      = sessionstore.Connection{ID: "ws", Endpoint: "e"}
	otherWS = sessionstore.Connection{ID: "other", Endpoint: "e"}

	// errDoubt leaves open whether a write was applied.
	errDoubt = errors.New("no answer")
)

// polling is an open session on polling whose next ping is due in ten seconds, with changes.
func polling(changes ...func(*sessionstore.Session)) *sessionstore.Session {
	s := &sessionstore.Session{
		ID: "s", State: sessionstore.Open, Transport: sessionstore.Polling, PingAt: now.Add(10 * time.Second),
		LastT: "PggDzUx.5", CreatedAt: now.Add(-time.Minute),
	}
	for _, change := range changes {
		change(s)
	}
	return s
}

// upgraded is an open session on WebSocket, with changes.
func upgraded(changes ...func(*sessionstore.Session)) *sessionstore.Session {
	return polling(append([]func(*sessionstore.Session){
		func(s *sessionstore.Session) { s.Transport, s.Conn = sessionstore.WebSocket, ws },
	}, changes...)...)
}

func state(st sessionstore.State) func(*sessionstore.Session) {
	return func(s *sessionstore.Session) { s.State = st }
}

func drain(s *sessionstore.Session) { s.State, s.Drain = sessionstore.Closed, true }

// buffer has entries wait, of which the first were given.
func buffer(entries, given int) func(*sessionstore.Session) {
	return func(s *sessionstore.Session) {
		s.Buffer = make([]sessionstore.Packet, entries)
		for i := range s.Buffer {
			s.Buffer[i].Frames = []string{"4x"}
		}
		s.Given = given
	}
}

func held(by sessionstore.Owner, until time.Time) func(*sessionstore.Session) {
	return func(s *sessionstore.Session) { s.Hold = sessionstore.Lease{Owner: by, Until: until} }
}

func handled(by sessionstore.Owner, until time.Time) func(*sessionstore.Session) {
	return func(s *sessionstore.Session) { s.Handler = sessionstore.Lease{Owner: by, Until: until} }
}

func parked(t string, until time.Time) func(*sessionstore.Session) {
	return func(s *sessionstore.Session) { s.Poll = sessionstore.Poll{T: t, Until: until} }
}

func candidate(conn sessionstore.Connection, until time.Time) func(*sessionstore.Session) {
	return func(s *sessionstore.Session) { s.Candidate = sessionstore.Candidate{Conn: conn, Until: until} }
}

func probed(s *sessionstore.Session) { s.Probed = true }

func elsewhere(s *sessionstore.Session) { s.Conn = otherWS }

func serial(s *sessionstore.Session) { s.Serial = true }

func pinged(s *sessionstore.Session) { s.Pinged = true }

func joined(s *sessionstore.Session) { s.Sockets = []sessionstore.Socket{{Namespace: "/"}} }

func last(t string) func(*sessionstore.Session) {
	return func(s *sessionstore.Session) { s.LastT = t }
}

// pingDue has the ping have been due for so long.
func pingDue(since time.Duration) func(*sessionstore.Session) {
	return func(s *sessionstore.Session) { s.PingAt = now.Add(-since) }
}

// refusal is the error of a write that was refused by a session as it is.
func refusal(s *sessionstore.Session) error { return &sessionstore.ConflictError{Session: *s} }
