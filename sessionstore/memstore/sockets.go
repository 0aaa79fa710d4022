package memstore

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/nonstick-io/nonstick/sessionstore"
)

// maxSocket is the greatest size of a socket's row in bytes, that of an item of a DynamoDB table.
const maxSocket = 400 << 10

// find returns where a namespace's socket is in e.sockets, or would be.
func (e *entry) find(nsp sessionstore.Namespace) (int, bool) {
	return slices.BinarySearchFunc(e.sockets, nsp, func(k sessionstore.Socket, nsp sessionstore.Namespace) int {
		switch {
		case k.Namespace < nsp:
			return -1
		case k.Namespace > nsp:
			return 1
		default:
			return 0
		}
	})
}

// socket finds the row of this very socket; nil if it is gone, or another has come in its place.
func (st *stripe) socket(k sessionstore.Socket) (*entry, int) {
	e := st.entries[k.Session]
	if e == nil {
		return nil, 0
	}
	i, found := e.find(k.Namespace)
	if !found || e.sockets[i].ID != k.ID {
		return nil, 0
	}
	return e, i
}

// replace changes a copy of a socket's row, in a copy of the rows.
func (e *entry) replace(i int, change func(*sessionstore.Socket)) {
	e.sockets = slices.Clone(e.sockets)
	change(&e.sockets[i])
}

// PutSocket implements [sessionstore.Sockets].
func (s *Store) PutSocket(ctx context.Context, k sessionstore.Socket, hint sessionstore.Connection) error {
	if err := sessionstore.NotSent(ctx); err != nil {
		return err
	}
	k.Rooms = slices.Compact(slices.Sorted(slices.Values(k.Rooms)))
	s.wrote(sessionstore.OpPutSocket, 2+len(k.Rooms))
	st := s.stripe(k.Session)
	st.mu.Lock()
	defer st.mu.Unlock()
	e := st.entry(k.Session)
	i, found := e.find(k.Namespace)
	if found {
		return fmt.Errorf("put socket: %w", sessionstore.ErrExists)
	}
	m := sessionstore.Member{Socket: k.ID, Session: k.Session, Hint: hint}
	s.putMember(s.everybody(k.Namespace, k.ID), m)
	for _, room := range k.Rooms {
		s.putMember(inRoom(k.Namespace, room), m)
	}
	e.sockets = slices.Insert(slices.Clip(e.sockets), i, k)
	return nil
}

// RemoveSocket implements [sessionstore.Sockets].
func (s *Store) RemoveSocket(ctx context.Context, k sessionstore.Socket) (sessionstore.Socket, error) {
	if err := sessionstore.NotSent(ctx); err != nil {
		return sessionstore.Socket{}, err
	}
	s.wrote(sessionstore.OpRemoveSocket, 2)
	st := s.stripe(k.Session)
	st.mu.Lock()
	defer st.mu.Unlock()
	e, i := st.socket(k)
	if e == nil {
		s.removeMember(s.everybody(k.Namespace, k.ID), k.ID)
		return sessionstore.Socket{}, fmt.Errorf("remove socket: %w", sessionstore.ErrNotFound)
	}
	row := e.sockets[i]
	s.removeRows(&row)
	s.meter.Add(sessionstore.OpRemoveSocket, sessionstore.Usage{Writes: int64(len(row.Rooms))})
	e.sockets = slices.Delete(slices.Clone(e.sockets), i, i+1)
	st.tidy(k.Session, e)
	return row, nil
}

// removeRows removes a socket from its namespace and rooms.
func (s *Store) removeRows(k *sessionstore.Socket) {
	s.removeMember(s.everybody(k.Namespace, k.ID), k.ID)
	for _, room := range k.Rooms {
		s.removeMember(inRoom(k.Namespace, room), k.ID)
	}
}

// SetData implements [sessionstore.Sockets]. The limit is that of an item of a DynamoDB table, 400 KB.
func (s *Store) SetData(ctx context.Context, k sessionstore.Socket, key, value string) error {
	if err := sessionstore.NotSent(ctx); err != nil {
		return err
	}
	s.wrote(sessionstore.OpSetData, 1)
	st := s.stripe(k.Session)
	st.mu.Lock()
	defer st.mu.Unlock()
	e, i := st.socket(k)
	if e == nil {
		return fmt.Errorf("set data: socket: %w", sessionstore.ErrNotFound)
	}
	data := maps.Clone(e.sockets[i].Data)
	if value == "" {
		delete(data, key)
	} else {
		if data == nil {
			data = make(map[string]string, 1)
		}
		data[key] = value
	}
	if value != "" && size(&e.sockets[i], data) > maxSocket {
		return fmt.Errorf("set data: socket: %w", sessionstore.ErrTooLarge)
	}
	e.replace(i, func(row *sessionstore.Socket) { row.Data = data })
	return nil
}

// size is roughly what a socket's row with this data takes in a table.
func size(k *sessionstore.Socket, data map[string]string) int {
	n := len(k.ID) + len(k.Session) + len(k.Namespace) + len(k.Auth)
	for _, room := range k.Rooms {
		n += len(room)
	}
	for key, value := range data {
		n += len(key) + len(value)
	}
	return n
}

// SetHint implements [sessionstore.Sockets].
func (s *Store) SetHint(ctx context.Context, k sessionstore.Socket, hint sessionstore.Connection) error {
	if err := sessionstore.NotSent(ctx); err != nil {
		return err
	}
	s.wrote(sessionstore.OpSetHint, 1+len(k.Rooms))
	s.hintMember(s.everybody(k.Namespace, k.ID), k.ID, hint)
	for _, room := range k.Rooms {
		s.hintMember(inRoom(k.Namespace, room), k.ID, hint)
	}
	return nil
}
