package memstore

import (
	"context"
	"time"

	"github.com/nonstick-io/nonstick/sessionstore"
)

// onPolling reports whether the session is open and on polling, where an upgrade can begin.
func (e *entry) onPolling() bool {
	return e.session.State == sessionstore.Open && e.session.Transport == sessionstore.Polling
}

// isCandidate reports whether conn may take the session's transport over.
func (e *entry) isCandidate(conn sessionstore.Connection) bool {
	return e.onPolling() && !conn.IsZero() && e.session.Candidate.Conn == conn
}

// Pong implements [sessionstore.Polls].
func (s *Store) Pong(ctx context.Context, id sessionstore.SessionID, pingAt time.Time) error {
	return s.transition(ctx, sessionstore.OpPong, id, (*entry).onPolling, func(e *entry) {
		e.session.PingAt, e.session.Pinged = pingAt, false
	})
}

// Bind implements [sessionstore.Upgrades].
func (s *Store) Bind(ctx context.Context, id sessionstore.SessionID, c sessionstore.Candidate, now time.Time) error {
	free := func(e *entry) bool {
		old := e.session.Candidate
		return old.Conn.IsZero() || !now.Before(old.Until)
	}
	return s.transition(ctx, sessionstore.OpBind, id, func(e *entry) bool {
		return e.onPolling() && (free(e) || e.session.Candidate.Conn == c.Conn)
	}, func(e *entry) {
		if free(e) {
			e.session.Candidate, e.session.Probed = c, false
		}
	})
}

// Probe implements [sessionstore.Upgrades].
func (s *Store) Probe(ctx context.Context, id sessionstore.SessionID, conn sessionstore.Connection) error {
	return s.transition(
		ctx, sessionstore.OpProbe, id, func(e *entry) bool { return e.isCandidate(conn) },
		func(e *entry) {
			e.session.Probed = true
		},
	)
}

// Upgrade implements [sessionstore.Upgrades].
func (s *Store) Upgrade(ctx context.Context, id sessionstore.SessionID, conn sessionstore.Connection,
	hold sessionstore.Lease,
) (sessionstore.Session, error) {
	var after sessionstore.Session
	err := s.transition(
		ctx, sessionstore.OpUpgrade, id, func(e *entry) bool { return e.isCandidate(conn) },
		func(e *entry) {
			v := &e.session
			v.Transport, v.Conn, v.Hold = sessionstore.WebSocket, conn, hold
			v.Candidate, v.Poll = sessionstore.Candidate{}, sessionstore.Poll{}
			after = e.view()
		},
	)
	return after, err
}

// Abort implements [sessionstore.Upgrades].
func (s *Store) Abort(ctx context.Context, id sessionstore.SessionID, conn sessionstore.Connection) error {
	return s.transition(
		ctx, sessionstore.OpAbort, id, func(e *entry) bool { return e.isCandidate(conn) },
		func(e *entry) {
			e.session.Candidate, e.session.Probed = sessionstore.Candidate{}, false
		},
	)
}

// heldBy reports whether owner holds the buffer back.
func (e *entry) heldBy(owner sessionstore.Owner) bool {
	return owner != "" && e.session.Hold.Owner == owner
}

// Renew implements [sessionstore.Flushes].
func (s *Store) Renew(ctx context.Context, id sessionstore.SessionID, hold sessionstore.Lease) error {
	return s.transition(
		ctx, sessionstore.OpRenew, id, func(e *entry) bool { return e.heldBy(hold.Owner) },
		func(e *entry) {
			e.session.Hold.Until = hold.Until
		},
	)
}

// Release implements [sessionstore.Flushes].
func (s *Store) Release(ctx context.Context, id sessionstore.SessionID, owner sessionstore.Owner, n int) error {
	return s.transition(ctx, sessionstore.OpRelease, id, func(e *entry) bool {
		v := &e.session
		return v.State == sessionstore.Open && v.Transport == sessionstore.WebSocket && e.heldBy(owner) &&
			len(v.Buffer) == n
	}, func(e *entry) {
		e.session.Hold = sessionstore.Lease{}
		e.clearBuffer()
	})
}
