package dynamostore

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/nonstick-io/nonstick/sessionstore"
)

// PutConnection implements [sessionstore.Connections].
func (s *Store) PutConnection(ctx context.Context, r sessionstore.ConnectionRow) error {
	const op = sessionstore.OpPutConnection
	if err := s.begin(ctx, op); err != nil {
		return fmt.Errorf("put connection: %w", err)
	}
	if err := r.Handshake.Check(); err != nil {
		return fmt.Errorf("put connection: %w", err)
	}
	it := connectionKey(r.Conn).item()
	it[attrSession] = str(r.Session)
	if !r.ExpiresAt.IsZero() {
		it[attrTTL] = seconds(r.ExpiresAt)
	}
	if r.Handshake != nil {
		encoded, err := json.Marshal(r.Handshake)
		if err != nil {
			return fmt.Errorf("put connection: encode handshake: %w", err)
		}
		it[attrHandshake] = str(string(encoded))
	}
	if err := s.put(ctx, op, it, ""); err != nil {
		return fmt.Errorf("put connection: %w", err)
	}
	return nil
}

// Connection implements [sessionstore.Connections].
func (s *Store) Connection(ctx context.Context, c sessionstore.Connection) (sessionstore.ConnectionRow, error) {
	const op = sessionstore.OpConnection
	if err := s.begin(ctx, op); err != nil {
		return sessionstore.ConnectionRow{}, fmt.Errorf("read connection: %w", err)
	}
	it, err := s.get(ctx, op, connectionKey(c))
	if err == nil && it == nil {
		err = sessionstore.ErrNotFound
	}
	if err != nil {
		return sessionstore.ConnectionRow{}, fmt.Errorf("read connection: %w", err)
	}
	r := sessionstore.ConnectionRow{
		Conn: c, Session: sessionstore.SessionID(text(it, attrSession)), ExpiresAt: expiry(it),
	}
	if encoded := text(it, attrHandshake); encoded != "" {
		r.Handshake = new(sessionstore.Handshake)
		if err := json.Unmarshal([]byte(encoded), r.Handshake); err != nil {
			return sessionstore.ConnectionRow{}, fmt.Errorf("read connection: decode handshake: %w", err)
		}
	}
	return r, nil
}

// DeleteConnection implements [sessionstore.Connections].
func (s *Store) DeleteConnection(ctx context.Context, c sessionstore.Connection) error {
	const op = sessionstore.OpDeleteConnection
	if err := s.begin(ctx, op); err != nil {
		return fmt.Errorf("delete connection: %w", err)
	}
	if _, err := s.remove(ctx, op, connectionKey(c), "", nil); err != nil {
		return fmt.Errorf("delete connection: %w", err)
	}
	return nil
}
