package memstore

import (
	"context"
	"fmt"
	"iter"
	"sync"

	"github.com/nonstick-io/nonstick/sessionstore"
)

// children are the children of each parent.
type children struct {
	mu     sync.Mutex
	tables map[string]*table[sessionstore.Namespace, childRow]
}

// childRow is a child and the call that made its row.
type childRow struct {
	sessionstore.Child
	first sessionstore.Owner
}

func weighChild(parent string, name sessionstore.Namespace) int64 {
	return int64(childWeight + len(parent) + len(name))
}

// checkChild refuses names that are no keys.
func checkChild(parent string, name sessionstore.Namespace) error {
	if len(parent) > sessionstore.MaxParentName {
		return fmt.Errorf("parent of %d bytes: %w", len(parent), sessionstore.ErrTooLarge)
	}
	if len(name) > sessionstore.MaxName {
		return fmt.Errorf("name of %d bytes: %w", len(name), sessionstore.ErrTooLarge)
	}
	return nil
}

// PutChild implements [sessionstore.Children].
func (s *Store) PutChild(ctx context.Context, parent string, c sessionstore.Child) (first bool, err error) {
	if err := sessionstore.NotSent(ctx); err != nil {
		return false, err
	}
	s.wrote(sessionstore.OpChild, 1)
	if err := checkChild(parent, c.Name); err != nil {
		return false, fmt.Errorf("put child: %w", err)
	}
	s.children.mu.Lock()
	defer s.children.mu.Unlock()
	t := s.children.tables[parent]
	if t == nil {
		t = &table[sessionstore.Namespace, childRow]{}
	}
	row, there := t.get(c.Name)
	if !there {
		if s.full() {
			return false, fmt.Errorf("put child: %w", sessionstore.ErrFull)
		}
		row.first = c.Put
		s.heldBytes.Add(weighChild(parent, c.Name))
	}
	row.Child = c
	t.put(c.Name, row)
	if s.children.tables == nil {
		s.children.tables = make(map[string]*table[sessionstore.Namespace, childRow])
	}
	s.children.tables[parent] = t
	return row.first == c.Put, nil
}

// CountChildren implements [sessionstore.Children].
func (s *Store) CountChildren(ctx context.Context, parent string) (int, error) {
	if err := sessionstore.NotSent(ctx); err != nil {
		return 0, err
	}
	s.read(sessionstore.OpChild)
	s.children.mu.Lock()
	defer s.children.mu.Unlock()
	if t := s.children.tables[parent]; t != nil {
		return t.len(), nil
	}
	return 0, nil
}

// Children implements [sessionstore.Children].
func (s *Store) Children(ctx context.Context, parent string) iter.Seq2[sessionstore.Child, error] {
	page := func(last sessionstore.Namespace, more bool) ([]sessionstore.Child, sessionstore.Namespace, bool) {
		s.children.mu.Lock()
		defer s.children.mu.Unlock()
		t := s.children.tables[parent]
		if t == nil {
			return nil, last, false
		}
		rows, last, further := t.page(last, more, walkChunk)
		found := make([]sessionstore.Child, len(rows))
		for i := range rows {
			found[i] = rows[i].Child
		}
		return found, last, further
	}
	return walk(ctx, s.meter, sessionstore.OpChild, page)
}

// RemoveChild implements [sessionstore.Children].
func (s *Store) RemoveChild(ctx context.Context, parent string, c sessionstore.Child) error {
	if err := sessionstore.NotSent(ctx); err != nil {
		return err
	}
	s.wrote(sessionstore.OpChild, 1)
	if err := checkChild(parent, c.Name); err != nil {
		return fmt.Errorf("remove child: %w", err)
	}
	s.children.mu.Lock()
	defer s.children.mu.Unlock()
	t := s.children.tables[parent]
	if t == nil {
		return fmt.Errorf("remove child: %w", sessionstore.ErrNotFound)
	}
	if row, there := t.get(c.Name); !there || row.Put != c.Put {
		return fmt.Errorf("remove child: %w", sessionstore.ErrNotFound)
	}
	t.remove(c.Name)
	s.heldBytes.Add(-weighChild(parent, c.Name))
	if t.len() == 0 {
		delete(s.children.tables, parent)
	}
	return nil
}
