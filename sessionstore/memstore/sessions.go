package memstore

import (
	"context"
	"fmt"
	"time"

	"github.com/nonstick-io/nonstick/sessionstore"
)

// Create implements [sessionstore.Sessions].
func (s *Store) Create(ctx context.Context, n sessionstore.NewSession) error {
	if err := sessionstore.NotSent(ctx); err != nil {
		return err
	}
	if s.full() {
		return fmt.Errorf("create session: %w", sessionstore.ErrFull)
	}
	if err := n.Handshake.Check(); err != nil {
		return fmt.Errorf("create session: %w", err)
	}
	polling := n.Transport == sessionstore.Polling
	if polling {
		s.wrote(sessionstore.OpCreate, 3)
	} else {
		s.wrote(sessionstore.OpCreate, 1)
	}
	if err := s.create(n, polling); err != nil {
		return err
	}
	if polling {
		s.register(sessionstore.Registration{
			Session: n.ID, PingAt: n.PingAt, LookAt: n.LookAt, Serial: n.Serial || n.Tend,
			ClientPings: n.ClientPings,
		}, true)
	}
	return nil
}

func (s *Store) create(n sessionstore.NewSession, polling bool) error {
	st := s.stripe(n.ID)
	st.mu.Lock()
	defer st.mu.Unlock()
	e := st.entry(n.ID)
	if e.exists {
		return fmt.Errorf("create session: %w", sessionstore.ErrExists)
	}
	e.exists = true
	e.session = sessionstore.Session{
		ID: n.ID, State: sessionstore.Open, Transport: n.Transport, Conn: n.Conn,
		PingAt: n.PingAt, CreatedAt: n.CreatedAt, Serial: n.Serial, OpenedT: n.OpenedT,
		Codec: n.Codec, Carrier: n.Carrier, Hold: n.Hold,
	}
	if polling {
		e.handshake, e.handshakeBytes = &n.Handshake, n.Handshake.Bytes()
	}
	st.settle(e)
	e.wake()
	return nil
}

// Get implements [sessionstore.Sessions].
func (s *Store) Get(ctx context.Context, id sessionstore.SessionID, now time.Time) (sessionstore.Session, error) {
	if err := sessionstore.NotSent(ctx); err != nil {
		return sessionstore.Session{}, err
	}
	s.read(sessionstore.OpGet)
	st := s.stripe(id)
	st.mu.Lock()
	defer st.mu.Unlock()
	st.sweep(now, sweepAtRead)
	e := st.entries[id]
	if e == nil || !e.exists || ended(e.session.ExpiresAt, now) {
		return sessionstore.Session{}, fmt.Errorf("get session: %w", sessionstore.ErrNotFound)
	}
	v := e.view()
	v.Sockets = e.sockets
	v.Partial = e.live(now)
	return v, nil
}

// Handshake implements [sessionstore.Sessions].
func (s *Store) Handshake(ctx context.Context, id sessionstore.SessionID) (sessionstore.Handshake, error) {
	if err := sessionstore.NotSent(ctx); err != nil {
		return sessionstore.Handshake{}, err
	}
	s.read(sessionstore.OpHandshake)
	if id.IsOutbox() {
		if id = s.carrier(id); id != "" {
			s.meter.Add(sessionstore.OpHandshake, sessionstore.Usage{Reads: 1})
		}
	}
	h, conn := s.handshake(id)
	if h == nil && !conn.IsZero() {
		s.meter.Add(sessionstore.OpHandshake, sessionstore.Usage{Reads: 1})
		if row, ok := s.connection(conn); ok && row.Session == id {
			h = row.Handshake
		}
	}
	if h == nil {
		return sessionstore.Handshake{}, fmt.Errorf("read handshake: %w", sessionstore.ErrNotFound)
	}
	return *h, nil
}

// carrier returns the carrier of an outbox, or nothing.
func (s *Store) carrier(id sessionstore.SessionID) sessionstore.SessionID {
	st := s.stripe(id)
	st.mu.Lock()
	defer st.mu.Unlock()
	if e := st.entries[id]; e != nil {
		return e.session.Carrier
	}
	return ""
}

// handshake returns a session's handshake, or the connection whose row may have it.
func (s *Store) handshake(id sessionstore.SessionID) (*sessionstore.Handshake, sessionstore.Connection) {
	st := s.stripe(id)
	st.mu.Lock()
	defer st.mu.Unlock()
	e := st.entries[id]
	if e == nil {
		return nil, sessionstore.Connection{}
	}
	return e.handshake, e.session.Conn
}

// Close implements [sessionstore.Sessions].
func (s *Store) Close(ctx context.Context, r sessionstore.CloseRequest) (sessionstore.Session, error) {
	var before sessionstore.Session
	err := s.transition(ctx, sessionstore.OpClose, r.Session, func(e *entry) bool {
		return e.session.State == sessionstore.Open &&
			(r.IfPingAt.IsZero() || e.session.PingAt.Equal(r.IfPingAt)) &&
			(r.IfConn.IsZero() || e.session.Conn == r.IfConn) &&
			(r.IfCarrier == "" || e.session.Carrier == r.IfCarrier)
	}, func(e *entry) {
		before = e.view()
		v := &e.session
		v.State, v.Reason, v.Details, v.Handler = sessionstore.Closing, r.Reason, r.Details, r.Handler
		v.Hold, v.Poll = sessionstore.Lease{}, sessionstore.Poll{}
		v.Candidate, v.Probed = sessionstore.Candidate{}, false
		v.Drain = r.Drain && v.Transport == sessionstore.Polling
		if !v.Drain {
			e.clearBuffer()
		}
	})
	return before, err
}

// TakeOver implements [sessionstore.Sessions].
func (s *Store) TakeOver(
	ctx context.Context, id sessionstore.SessionID, handler sessionstore.Lease, from sessionstore.Owner,
	now time.Time,
) error {
	return s.transition(ctx, sessionstore.OpTakeOver, id, func(e *entry) bool {
		old := e.session.Handler
		return e.session.State == sessionstore.Closing && (!now.Before(old.Until) || from != "" && old.Owner == from)
	}, func(e *entry) {
		e.session.Handler = handler
	})
}

// Finish implements [sessionstore.Sessions].
func (s *Store) Finish(
	ctx context.Context, id sessionstore.SessionID, owner sessionstore.Owner, expiresAt time.Time,
) error {
	return s.transition(ctx, sessionstore.OpFinish, id, func(e *entry) bool {
		return e.session.State == sessionstore.Closing && owner != "" && e.session.Handler.Owner == owner
	}, func(e *entry) {
		e.session.State = sessionstore.Closed
		e.session.ExpiresAt = expiresAt
		if e.handshake != nil {
			e.handshake = nil
			s.meter.Add(sessionstore.OpFinish, sessionstore.Usage{Writes: 1})
		}
		st := s.stripe(id)
		e.expiry = st.expire(expiresAt, func() { s.forget(st, id) })
	})
}

// forget removes an expired session with its partial packet and whatever sockets an instance left behind
// when it died. Acknowledgements have their own time to live. The caller holds the lock.
func (s *Store) forget(st *stripe, id sessionstore.SessionID) {
	e := st.entries[id]
	e.wake()
	for id, k := range e.kept {
		s.removeRows(id, k)
	}
	st.setPartial(id, e, nil)
	*e = entry{acks: e.acks, ackBytes: e.ackBytes, weight: e.weight}
	st.tidy(id, e)
}
