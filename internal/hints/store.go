package hints

import (
	"context"
	"time"

	"github.com/nonstick-io/nonstick/sessionstore"
)

// Deliver implements [sessionstore.Buffers].
func (s *Store) Deliver(
	ctx context.Context, id sessionstore.SessionID, packets []sessionstore.Packet, limits sessionstore.BufferLimits,
) error {
	err := s.Store.Deliver(ctx, id, packets, limits)
	s.tell(id, err)
	return err
}

// Close implements [sessionstore.Sessions].
func (s *Store) Close(ctx context.Context, r sessionstore.CloseRequest) (sessionstore.Session, error) {
	old, err := s.Store.Close(ctx, r)
	s.tell(r.Session, err)
	return old, err
}

// Probe implements [sessionstore.Upgrades].
func (s *Store) Probe(ctx context.Context, id sessionstore.SessionID, conn sessionstore.Connection) error {
	err := s.Store.Probe(ctx, id, conn)
	s.tell(id, err)
	return err
}

// Upgrade implements [sessionstore.Upgrades].
func (s *Store) Upgrade(
	ctx context.Context, id sessionstore.SessionID, conn sessionstore.Connection, hold sessionstore.Lease,
) (sessionstore.Session, error) {
	now, err := s.Store.Upgrade(ctx, id, conn, hold)
	s.tell(id, err)
	return now, err
}

// AnswerAck implements [sessionstore.Acks].
func (s *Store) AnswerAck(
	ctx context.Context, a sessionstore.Ack, now time.Time,
) (sessionstore.Ack, error) {
	answered, err := s.Store.AnswerAck(ctx, a, now)
	s.tell(a.Session, err)
	return answered, err
}
