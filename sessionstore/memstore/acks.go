package memstore

import (
	"context"
	"fmt"
	"time"

	"github.com/nonstick-io/nonstick/sessionstore"
)

// ack is an acknowledgement's row and its time to live.
type ack struct {
	row    sessionstore.Ack
	bytes  int
	expiry *expiry
}

// PutAck implements [sessionstore.Acks].
func (s *Store) PutAck(ctx context.Context, a sessionstore.Ack, now time.Time) error {
	if err := sessionstore.NotSent(ctx); err != nil {
		return err
	}
	if len(a.State) > sessionstore.MaxAckState {
		return fmt.Errorf("put acknowledgement: state of %d bytes: %w", len(a.State), sessionstore.ErrTooLarge)
	}
	s.wrote(sessionstore.OpAck, 1)
	st := s.stripe(a.Session)
	st.mu.Lock()
	defer st.mu.Unlock()
	e := st.entry(a.Session)
	if old := e.acks[sessionstore.AckPlace(a.ID)]; old != nil {
		if old.row.Continuation != "" || !ended(old.row.ExpiresAt, now) {
			return fmt.Errorf("put acknowledgement: %w", sessionstore.ErrExists)
		}
		st.removeAck(a.Session, old.row.ID)
		e = st.entry(a.Session)
	}
	if e.acks == nil {
		e.acks = make(map[uint64]*ack, 1)
	}
	n := ackWeight + len(a.State)
	e.ackBytes += n
	ends := a.ExpiresAt
	if a.Continuation != "" && !ends.IsZero() {
		ends = ends.Add(sessionstore.AckKept)
	}
	e.acks[sessionstore.AckPlace(a.ID)] = &ack{
		row: a, bytes: n, expiry: st.expire(ends, func() { st.removeAck(a.Session, a.ID) }),
	}
	st.settle(e)
	e.wake()
	return nil
}

// PendingAcks implements [sessionstore.Acks].
func (s *Store) PendingAcks(ctx context.Context, id sessionstore.SessionID, now time.Time) ([]uint64, error) {
	if err := sessionstore.NotSent(ctx); err != nil {
		return nil, err
	}
	s.read(sessionstore.OpAck)
	st := s.stripe(id)
	st.mu.Lock()
	defer st.mu.Unlock()
	e := st.entries[id]
	if e == nil {
		return nil, nil
	}
	var ids []uint64
	for _, k := range e.acks {
		if k.row.Answer == nil && !ended(k.row.ExpiresAt, now) {
			ids = append(ids, k.row.ID)
		}
	}
	return ids, nil
}

// AnswerAck implements [sessionstore.Acks].
func (s *Store) AnswerAck(ctx context.Context, a sessionstore.Ack, now time.Time) (sessionstore.Ack, error) {
	if err := sessionstore.NotSent(ctx); err != nil {
		return sessionstore.Ack{}, err
	}
	s.wrote(sessionstore.OpAck, 1)
	st := s.stripe(a.Session)
	st.mu.Lock()
	defer st.mu.Unlock()
	k, err := st.ack(a.Session, a.ID)
	if err != nil || k.row.Answer != nil || k.row.Continuation != a.Continuation || ended(k.row.ExpiresAt, now) {
		return sessionstore.Ack{}, fmt.Errorf("answer acknowledgement: %w", sessionstore.ErrNotFound)
	}
	k.row.Answer = a.Answer
	if k.row.Continuation == "" {
		k.row.ExpiresAt = now.Add(sessionstore.AckRead)
	}
	for _, frame := range a.Answer {
		k.bytes += len(frame)
		st.entries[a.Session].ackBytes += len(frame)
	}
	st.settle(st.entries[a.Session])
	if k.row.Continuation != "" {
		st.removeAck(a.Session, a.ID)
	} else {
		st.entries[a.Session].wake()
	}
	return k.row, nil
}

// Ack implements [sessionstore.Acks].
func (s *Store) Ack(ctx context.Context, id sessionstore.SessionID, n uint64) (sessionstore.Ack, error) {
	if err := sessionstore.NotSent(ctx); err != nil {
		return sessionstore.Ack{}, err
	}
	s.read(sessionstore.OpAck)
	st := s.stripe(id)
	st.mu.Lock()
	defer st.mu.Unlock()
	k, err := st.ack(id, n)
	if err != nil {
		return sessionstore.Ack{}, err
	}
	return k.row, nil
}

// DeleteAck implements [sessionstore.Acks].
func (s *Store) DeleteAck(ctx context.Context, id sessionstore.SessionID, n uint64) error {
	if err := sessionstore.NotSent(ctx); err != nil {
		return err
	}
	s.wrote(sessionstore.OpAck, 1)
	st := s.stripe(id)
	st.mu.Lock()
	defer st.mu.Unlock()
	st.removeAck(id, n)
	return nil
}

func (st *stripe) ack(id sessionstore.SessionID, n uint64) (*ack, error) {
	if e := st.entries[id]; e != nil {
		if k := e.acks[sessionstore.AckPlace(n)]; k != nil && k.row.ID == n {
			return k, nil
		}
	}
	return nil, fmt.Errorf("read acknowledgement: %w", sessionstore.ErrNotFound)
}

// removeAck removes an acknowledgement, if it is there, and its time to live.
func (st *stripe) removeAck(id sessionstore.SessionID, n uint64) {
	k, err := st.ack(id, n)
	if err != nil {
		return
	}
	st.keep(k.expiry)
	e := st.entries[id]
	delete(e.acks, sessionstore.AckPlace(n))
	e.ackBytes -= k.bytes
	e.wake()
	st.tidy(id, e)
}
