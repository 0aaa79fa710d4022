package memstore

import (
	"context"
	"fmt"

	"github.com/nonstick-io/nonstick/sessionstore"
)

// connection is a connection's row and its time to live.
type connection struct {
	row    sessionstore.ConnectionRow
	expiry *expiry
}

func (s *Store) connectionStripe(c sessionstore.Connection) *stripe {
	return &s.sessions[hash(c.ID)%stripes]
}

// PutConnection implements [sessionstore.Connections].
func (s *Store) PutConnection(ctx context.Context, r sessionstore.ConnectionRow) error {
	if err := sessionstore.NotSent(ctx); err != nil {
		return err
	}
	if err := r.Handshake.Check(); err != nil {
		return fmt.Errorf("put connection: %w", err)
	}
	s.wrote(sessionstore.OpPutConnection, 1)
	st := s.connectionStripe(r.Conn)
	st.mu.Lock()
	defer st.mu.Unlock()
	st.removeConnection(r.Conn)
	st.connections[r.Conn] = &connection{
		row:    r,
		expiry: st.expire(r.ExpiresAt, func() { st.removeConnection(r.Conn) }),
	}
	st.heldBytes.Add(weighConnection(r))
	return nil
}

// Connection implements [sessionstore.Connections].
func (s *Store) Connection(ctx context.Context, c sessionstore.Connection) (sessionstore.ConnectionRow, error) {
	if err := sessionstore.NotSent(ctx); err != nil {
		return sessionstore.ConnectionRow{}, err
	}
	s.read(sessionstore.OpConnection)
	row, ok := s.connection(c)
	if !ok {
		return row, fmt.Errorf("read connection: %w", sessionstore.ErrNotFound)
	}
	return row, nil
}

// connection returns the row of a connection, and whether there is one.
func (s *Store) connection(c sessionstore.Connection) (sessionstore.ConnectionRow, bool) {
	st := s.connectionStripe(c)
	st.mu.Lock()
	defer st.mu.Unlock()
	k := st.connections[c]
	if k == nil {
		return sessionstore.ConnectionRow{}, false
	}
	return k.row, true
}

// DeleteConnection implements [sessionstore.Connections].
func (s *Store) DeleteConnection(ctx context.Context, c sessionstore.Connection) error {
	if err := sessionstore.NotSent(ctx); err != nil {
		return err
	}
	s.wrote(sessionstore.OpDeleteConnection, 1)
	st := s.connectionStripe(c)
	st.mu.Lock()
	defer st.mu.Unlock()
	st.removeConnection(c)
	return nil
}

func (st *stripe) removeConnection(c sessionstore.Connection) {
	if k := st.connections[c]; k != nil {
		st.keep(k.expiry)
		delete(st.connections, c)
		st.heldBytes.Add(-weighConnection(k.row))
	}
}

func weighConnection(r sessionstore.ConnectionRow) int64 {
	return int64(connectionWeight + r.Handshake.Bytes())
}
