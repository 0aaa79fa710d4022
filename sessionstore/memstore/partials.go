package memstore

import (
	"context"
	"fmt"
	"slices"

	"github.com/nonstick-io/nonstick/sessionstore"
)

// PutPartial implements [sessionstore.Partials].
func (s *Store) PutPartial(ctx context.Context, id sessionstore.SessionID, p sessionstore.Partial) error {
	if err := sessionstore.NotSent(ctx); err != nil {
		return err
	}
	s.wrote(sessionstore.OpPartial, 1)
	st := s.stripe(id)
	st.mu.Lock()
	defer st.mu.Unlock()
	e := st.entry(id)
	if e.partial != nil {
		return fmt.Errorf("put partial packet: %w", sessionstore.ErrExists)
	}
	e.partial = &p
	return nil
}

// AddAttachments implements [sessionstore.Partials].
func (s *Store) AddAttachments(ctx context.Context, id sessionstore.SessionID, attachments []string) (sessionstore.Partial, error) {
	if err := sessionstore.NotSent(ctx); err != nil {
		return sessionstore.Partial{}, err
	}
	s.wrote(sessionstore.OpPartial, 1)
	st := s.stripe(id)
	st.mu.Lock()
	defer st.mu.Unlock()
	e := st.entries[id]
	if e == nil || e.partial == nil {
		return sessionstore.Partial{}, fmt.Errorf("add attachments: partial packet: %w", sessionstore.ErrNotFound)
	}
	p := *e.partial
	p.Attachments = slices.Clip(slices.Concat(p.Attachments, attachments))
	e.partial = &p
	return p, nil
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
		e.partial = nil
		st.tidy(id, e)
	}
	return nil
}
