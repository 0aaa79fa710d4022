package memstore

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/nonstick-io/nonstick/sessionstore"
)

// partial is a partial packet and its time to live.
type partial struct {
	sessionstore.Partial // replaced, never changed in place: readers share it

	expiry *expiry
}

// live returns the partial packet of an entry as it is at now, or nil.
func (e *entry) live(now time.Time) *sessionstore.Partial {
	if e == nil || e.partial == nil || ended(e.partial.Deadline, now) {
		return nil
	}
	p := e.partial.Partial
	return &p
}

// setPartial replaces the partial packet of an entry. The caller holds the lock.
func (st *stripe) setPartial(id sessionstore.SessionID, e *entry, p *sessionstore.Partial) {
	if e.partial != nil {
		st.keep(e.partial.expiry)
		e.partial = nil
	}
	if p == nil {
		st.tidy(id, e)
		return
	}
	e.partial = &partial{Partial: *p}
	e.partial.expiry = st.expire(p.Deadline, func() {
		e.partial = nil
		st.tidy(id, e)
	})
	st.settle(e)
}

// PutPartial implements [sessionstore.Partials].
func (s *Store) PutPartial(
	ctx context.Context, id sessionstore.SessionID, p sessionstore.Partial, now time.Time,
) error {
	if err := sessionstore.NotSent(ctx); err != nil {
		return err
	}
	if err := p.Check(); err != nil {
		return fmt.Errorf("put partial packet: %w", err)
	}
	st := s.stripe(id)
	st.mu.Lock()
	defer st.mu.Unlock()
	st.sweep(now, sweepAtRead)
	e := st.entry(id)
	if old := e.live(now); old != nil {
		s.wrote(sessionstore.OpPartial, 2)
		old.Count = old.Want + 1
		st.setPartial(id, e, old)
		return fmt.Errorf("put partial packet: %w", sessionstore.ErrExists)
	}
	s.wrote(sessionstore.OpPartial, 1)
	p.Packets = slices.Clone(p.Packets)
	for i := range p.Packets {
		p.Packets[i].Frames, p.Packets[i].Size = slices.Clone(p.Packets[i].Frames), p.Packets[i].Bytes()
	}
	st.setPartial(id, e, &p)
	return nil
}

// AddAttachments implements [sessionstore.Partials].
func (s *Store) AddAttachments(
	ctx context.Context, id sessionstore.SessionID, p sessionstore.Partial, more sessionstore.Packet,
) (sessionstore.Partial, error) {
	if err := sessionstore.NotSent(ctx); err != nil {
		return sessionstore.Partial{}, err
	}
	more.Frames, more.Size = slices.Clone(more.Frames), more.Bytes()
	p.Packets = append(slices.Clip(p.Packets), more)
	if err := p.Check(); err != nil {
		return sessionstore.Partial{}, fmt.Errorf("add attachments: %w", err)
	}
	s.wrote(sessionstore.OpPartial, 1)
	st := s.stripe(id)
	st.mu.Lock()
	defer st.mu.Unlock()
	e := st.entries[id]
	if !e.has(p) {
		return sessionstore.Partial{}, fmt.Errorf("add attachments: partial packet: %w", sessionstore.ErrNotFound)
	}
	p.Count += len(more.Frames)
	st.setPartial(id, e, &p)
	return p, nil
}

// has reports whether an entry has a partial packet with its count.
func (e *entry) has(p sessionstore.Partial) bool {
	return e != nil && e.partial != nil && e.partial.ID() == p.ID() && e.partial.Count == p.Count
}

// CountAttachment implements [sessionstore.Partials].
func (s *Store) CountAttachment(
	ctx context.Context, id sessionstore.SessionID, now time.Time,
) (sessionstore.Partial, error) {
	if err := sessionstore.NotSent(ctx); err != nil {
		return sessionstore.Partial{}, err
	}
	s.wrote(sessionstore.OpPartial, 1)
	st := s.stripe(id)
	st.mu.Lock()
	defer st.mu.Unlock()
	e := st.entries[id]
	p := e.live(now)
	if p == nil {
		return sessionstore.Partial{}, fmt.Errorf("count attachment: partial packet: %w", sessionstore.ErrNotFound)
	}
	p.Count++
	st.setPartial(id, e, p)
	if p.Count > p.Want {
		return sessionstore.Partial{}, fmt.Errorf("count attachment: %w", sessionstore.ErrSpoilt)
	}
	return *p, nil
}

// TakePartial implements [sessionstore.Partials].
func (s *Store) TakePartial(ctx context.Context, id sessionstore.SessionID, p sessionstore.Partial) error {
	if err := sessionstore.NotSent(ctx); err != nil {
		return err
	}
	s.wrote(sessionstore.OpPartial, 1)
	st := s.stripe(id)
	st.mu.Lock()
	defer st.mu.Unlock()
	e := st.entries[id]
	if !e.has(p) {
		return fmt.Errorf("take partial packet: %w", sessionstore.ErrNotFound)
	}
	st.setPartial(id, e, nil)
	return nil
}

// DeletePartial implements [sessionstore.Partials].
func (s *Store) DeletePartial(ctx context.Context, id sessionstore.SessionID) error {
	if err := sessionstore.NotSent(ctx); err != nil {
		return err
	}
	s.wrote(sessionstore.OpPartial, 1)
	st := s.stripe(id)
	st.mu.Lock()
	defer st.mu.Unlock()
	if e := st.entries[id]; e != nil {
		st.setPartial(id, e, nil)
	}
	return nil
}
