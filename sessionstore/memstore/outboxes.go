package memstore

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/nonstick-io/nonstick/sessionstore"
)

// Link implements [sessionstore.Outboxes].
func (s *Store) Link(ctx context.Context, k sessionstore.Socket) error {
	if err := sessionstore.NotSent(ctx); err != nil {
		return err
	}
	if s.full() {
		return fmt.Errorf("link outbox: %w", sessionstore.ErrFull)
	}
	s.wrote(sessionstore.OpLink, 1)
	st := s.stripe(k.Session)
	st.mu.Lock()
	defer st.mu.Unlock()
	e := st.entry(k.Session)
	i, found := e.find(k.Namespace)
	if found {
		if is := e.sockets[i]; is.ID == k.ID && is.Outbox == k.Outbox {
			return nil
		}
		return fmt.Errorf("link outbox: %w", sessionstore.ErrExists)
	}
	row := sessionstore.Socket{
		ID: k.ID, Session: k.Session, Namespace: k.Namespace, Outbox: k.Outbox, Parent: k.Parent,
	}
	e.sockets = slices.Insert(slices.Clip(e.sockets), i, row)
	st.settle(e)
	return nil
}

// Unlink implements [sessionstore.Outboxes].
func (s *Store) Unlink(ctx context.Context, k sessionstore.Socket) error {
	if err := sessionstore.NotSent(ctx); err != nil {
		return err
	}
	s.wrote(sessionstore.OpUnlink, 1)
	st := s.stripe(k.Session)
	st.mu.Lock()
	defer st.mu.Unlock()
	e := st.entries[k.Session]
	if e == nil {
		return nil
	}
	i, found := e.find(k.Namespace)
	if found && e.sockets[i].ID == k.ID && e.sockets[i].Outbox == k.Outbox && k.Outbox != "" {
		e.sockets = slices.Delete(slices.Clone(e.sockets), i, i+1)
		st.tidy(k.Session, e)
	}
	return nil
}

// isOutbox reports whether a session is an open outbox.
func (e *entry) isOutbox() bool {
	return e.session.State == sessionstore.Open && e.session.Transport == sessionstore.Outbox
}

// Recover implements [sessionstore.Outboxes].
func (s *Store) Recover(ctx context.Context, r sessionstore.RecoverRequest) (sessionstore.Session, error) {
	var before sessionstore.Session
	err := s.transition(ctx, sessionstore.OpRecover, r.Read.ID, func(e *entry) bool {
		v := &e.session
		return e.isOutbox() && v.Moves == r.Read.Moves && !ended(v.PingAt, r.Now)
	}, func(e *entry) {
		before = e.view()
		v := &e.session
		v.Carrier, v.Conn, v.Hold, v.PingAt = r.Carrier, r.Conn, r.Hold, time.Time{}
		v.Moves++
	})
	return before, err
}

// Lose implements [sessionstore.Outboxes].
func (s *Store) Lose(ctx context.Context, id, carrier sessionstore.SessionID, over time.Time, reason string) error {
	return s.transition(ctx, sessionstore.OpLose, id, func(e *entry) bool {
		return e.isOutbox() && carrier != "" && e.session.Carrier == carrier
	}, func(e *entry) {
		v := &e.session
		v.Carrier, v.Conn, v.PingAt, v.Reason = "", sessionstore.Connection{}, over, reason
		v.Hold = sessionstore.Lease{Owner: sessionstore.HoldAway}
	})
}

// Switch implements [sessionstore.Outboxes].
func (s *Store) Switch(
	ctx context.Context, id, carrier sessionstore.SessionID, conn sessionstore.Connection, sent int,
	hold sessionstore.Lease,
) (sessionstore.Session, error) {
	var after sessionstore.Session
	err := s.transition(ctx, sessionstore.OpSwitch, id, func(e *entry) bool {
		return e.isOutbox() && carrier != "" && e.session.Carrier == carrier &&
			e.session.Hold.Owner == sessionstore.HoldPolling
	}, func(e *entry) {
		v := &e.session
		v.Conn, v.Hold, v.Given = conn, hold, min(max(sent-v.Trimmed, 0), len(v.Buffer))
		after = e.view()
	})
	return after, err
}

// Sent implements [sessionstore.Outboxes].
func (s *Store) Sent(ctx context.Context, read *sessionstore.Session, owner sessionstore.Owner, n int) error {
	return s.transition(ctx, sessionstore.OpSent, read.ID, func(e *entry) bool {
		return e.isOutbox() && e.heldBy(owner) && e.session.Trimmed == read.Trimmed && len(e.session.Buffer) == n
	}, func(e *entry) {
		e.session.Hold, e.session.Given = sessionstore.Lease{}, n
	})
}

// Trim implements [sessionstore.Outboxes].
func (s *Store) Trim(ctx context.Context, read *sessionstore.Session, n int) error {
	n = min(max(n, 0), len(read.Buffer))
	return s.transition(ctx, sessionstore.OpTrim, read.ID, func(e *entry) bool {
		return e.isOutbox() && e.session.Trimmed == read.Trimmed && e.session.Moves == read.Moves
	}, func(e *entry) {
		v := &e.session
		given := v.Given
		v.Given = n
		e.acknowledge()
		v.Trimmed, v.Given = v.Trimmed+n, max(given-n, 0)
	})
}

// number notes what a carrier has got of an outbox. Readers share the map, so it is replaced.
func (e *entry) number(n sessionstore.Number) {
	if n.Outbox == "" {
		return
	}
	numbers := maps.Clone(e.session.Numbers)
	if numbers == nil {
		numbers = make(map[sessionstore.SessionID]int, 1)
	}
	numbers[n.Outbox] = n.To
	if n.PartTo > 0 {
		numbers[n.Outbox.Part()] = n.PartTo
	} else {
		delete(numbers, n.Outbox.Part())
	}
	e.session.Numbers = numbers
}
