package memstore

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/nonstick-io/nonstick/sessionstore"
)

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

// lookup calls f with the rows of this very socket's session, and with what the socket keeps, under their lock. It
// reports false and does not call f if the socket is gone.
func (s *Store) lookup(k sessionstore.Socket, f func(e *entry, i int, own *kept)) bool {
	st := s.stripe(k.Session)
	st.mu.Lock()
	defer st.mu.Unlock()
	e, i := st.socket(k)
	if e == nil {
		return false
	}
	f(e, i, e.kept[k.ID])
	return true
}

// replace changes a copy of a socket's row, in a copy of the rows.
func (e *entry) replace(i int, change func(*sessionstore.Socket)) {
	e.sockets = slices.Clone(e.sockets)
	change(&e.sockets[i])
}

// PutSocket implements [sessionstore.Sockets].
func (s *Store) PutSocket(ctx context.Context, n sessionstore.NewSocket, hint sessionstore.Connection,
	limits sessionstore.SocketLimits,
) error {
	if err := sessionstore.NotSent(ctx); err != nil {
		return err
	}
	n.Rooms = slices.Compact(slices.Sorted(slices.Values(n.Rooms)))
	if err := limits.Check(&n); err != nil {
		return fmt.Errorf("put socket: %w", err)
	}
	if s.full() {
		return fmt.Errorf("put socket: %w", sessionstore.ErrFull)
	}
	k := n.Row()
	s.wrote(sessionstore.OpPutSocket, 2+writesOf(&k))
	st := s.stripe(k.Session)
	st.mu.Lock()
	defer st.mu.Unlock()
	e := st.entry(k.Session)
	i, found := e.find(k.Namespace)
	if found {
		return fmt.Errorf("put socket: %w", sessionstore.ErrExists)
	}
	own := &kept{nsp: k.Namespace, auth: n.Auth, data: maps.Clone(n.Data), bytes: len(n.Auth) + weighData(n.Data)}
	m := sessionstore.Member{Socket: k.ID, Session: k.Session, Hint: hint}
	s.putMember(s.memberKey(k.Namespace, k.ID), m)
	for _, room := range n.Rooms {
		if own.rooms == nil {
			own.rooms = make(map[sessionstore.Room]struct{}, len(n.Rooms))
		}
		own.rooms[room] = struct{}{}
		own.bytes += weighRoom(string(room))
		s.putMember(inRoom(k.Namespace, room), m)
	}
	e.sockets = slices.Insert(slices.Clip(e.sockets), i, k)
	if e.kept == nil {
		e.kept = make(map[sessionstore.SocketID]*kept, 1)
	}
	e.kept[k.ID] = own
	st.settle(e)
	return nil
}

// writesOf is how many items a table has for what a socket keeps, and for its membership of rooms.
func writesOf(k *sessionstore.Socket) int {
	n := 2 * k.Rooms
	if k.HasAuth {
		n++
	}
	if k.HasData {
		n++
	}
	return n
}

// RemoveSocket implements [sessionstore.Sockets].
func (s *Store) RemoveSocket(ctx context.Context, k sessionstore.Socket) (sessionstore.Socket, error) {
	const op = sessionstore.OpRemoveSocket
	if err := sessionstore.NotSent(ctx); err != nil {
		return sessionstore.Socket{}, err
	}
	s.wrote(op, 2)
	st := s.stripe(k.Session)
	st.mu.Lock()
	defer st.mu.Unlock()
	e, i := st.socket(k)
	if e == nil {
		s.removeMember(s.memberKey(k.Namespace, k.ID), k.ID)
		s.meter.Add(op, sessionstore.Usage{Reads: 1})
		return sessionstore.Socket{}, fmt.Errorf("remove socket: %w", sessionstore.ErrNotFound)
	}
	row := e.sockets[i]
	s.removeRows(k.ID, e.kept[k.ID])
	delete(e.kept, k.ID)
	u := sessionstore.Usage{Writes: int64(writesOf(&row))}
	if row.Rooms > 0 {
		u.Reads = 1
	}
	s.meter.Add(op, u)
	e.sockets = slices.Delete(slices.Clone(e.sockets), i, i+1)
	st.tidy(k.Session, e)
	return row, nil
}

// ClaimSocket implements [sessionstore.Sockets].
func (s *Store) ClaimSocket(
	ctx context.Context, k sessionstore.Socket, lease sessionstore.Lease, from sessionstore.Owner, now time.Time,
) (row sessionstore.Socket, err error) {
	if err := sessionstore.NotSent(ctx); err != nil {
		return row, err
	}
	s.wrote(sessionstore.OpClaimSocket, 1)
	err = sessionstore.ErrNotFound
	s.lookup(k, func(e *entry, i int, _ *kept) {
		old := e.sockets[i].Leaving
		if old.Held() && !old.Expired(now) && old.Owner != lease.Owner && old.Owner != from {
			err = &sessionstore.HeldError{Lease: old}
			return
		}
		e.replace(i, func(row *sessionstore.Socket) { row.Leaving = lease })
		row, err = e.sockets[i], nil
	})
	if err != nil {
		return row, fmt.Errorf("claim socket: %w", err)
	}
	return row, nil
}

// SetExpiry implements [sessionstore.Sockets].
func (s *Store) SetExpiry(ctx context.Context, k sessionstore.Socket, at time.Time) error {
	if err := sessionstore.NotSent(ctx); err != nil {
		return err
	}
	s.wrote(sessionstore.OpSetExpiry, 1)
	if !s.lookup(k, func(e *entry, i int, _ *kept) {
		e.replace(i, func(row *sessionstore.Socket) { row.ExpiresAt = inMillis(at) })
	}) {
		return fmt.Errorf("set expiry: %w", sessionstore.ErrNotFound)
	}
	return nil
}

// inMillis is a time as precise as a table keeps it.
func inMillis(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return time.UnixMilli(t.UnixMilli())
}

// Vacate implements [sessionstore.Sockets].
func (s *Store) Vacate(ctx context.Context, k sessionstore.Socket) error {
	const op = sessionstore.OpVacate
	if err := sessionstore.NotSent(ctx); err != nil {
		return err
	}
	s.wrote(op, 1)
	if k.Rooms > 0 {
		s.meter.Add(op, sessionstore.Usage{Reads: 1})
	}
	st := s.stripe(k.Session)
	st.mu.Lock()
	defer st.mu.Unlock()
	s.removeMember(s.memberKey(k.Namespace, k.ID), k.ID)
	e, i := st.socket(k)
	if e == nil {
		return nil
	}
	own := e.kept[k.ID]
	s.meter.Add(op, sessionstore.Usage{Writes: int64(2 * len(own.rooms))})
	s.removeRows(k.ID, own)
	for room := range own.rooms {
		own.bytes -= weighRoom(string(room))
	}
	own.rooms = nil
	e.replace(i, func(row *sessionstore.Socket) { row.Rooms = 0 })
	st.settle(e)
	return nil
}

// DropSocket implements [sessionstore.Sockets].
func (s *Store) DropSocket(ctx context.Context, k sessionstore.Socket) error {
	const op = sessionstore.OpDropSocket
	if err := sessionstore.NotSent(ctx); err != nil {
		return err
	}
	s.wrote(op, 1)
	st := s.stripe(k.Session)
	st.mu.Lock()
	defer st.mu.Unlock()
	e, i := st.socket(k)
	if e == nil {
		return fmt.Errorf("drop socket: %w", sessionstore.ErrNotFound)
	}
	row := e.sockets[i]
	row.Rooms = 0
	s.meter.Add(op, sessionstore.Usage{Writes: int64(writesOf(&row))})
	s.removeRows(k.ID, e.kept[k.ID])
	delete(e.kept, k.ID)
	e.sockets = slices.Delete(slices.Clone(e.sockets), i, i+1)
	st.tidy(k.Session, e)
	return nil
}

// removeRows removes a socket from its namespace and rooms.
func (s *Store) removeRows(id sessionstore.SocketID, k *kept) {
	s.removeMember(s.memberKey(k.nsp, id), id)
	for room := range k.rooms {
		s.removeMember(inRoom(k.nsp, room), id)
	}
}

// ClearSockets implements [sessionstore.Sockets]. There is nothing to remove: a socket's rows go in one step.
func (s *Store) ClearSockets(ctx context.Context, _ sessionstore.SessionID) error {
	if err := sessionstore.NotSent(ctx); err != nil {
		return err
	}
	s.read(sessionstore.OpClearSockets)
	return nil
}

// ReadSocket implements [sessionstore.Sockets].
func (s *Store) ReadSocket(
	ctx context.Context, nsp sessionstore.Namespace, m sessionstore.Member,
) (sessionstore.Socket, map[string]string, error) {
	if err := sessionstore.NotSent(ctx); err != nil {
		return sessionstore.Socket{}, nil, err
	}
	s.read(sessionstore.OpReadSocket)
	var row sessionstore.Socket
	var data map[string]string
	open := false
	s.lookup(sessionstore.Socket{ID: m.Socket, Session: m.Session, Namespace: nsp}, func(e *entry, i int, own *kept) {
		row, data, open = e.sockets[i], own.data, e.session.State == sessionstore.Open
	})
	if !open {
		return sessionstore.Socket{}, nil, fmt.Errorf("read socket: %w", sessionstore.ErrNotFound)
	}
	return row, data, nil
}

// Auth implements [sessionstore.Sockets].
func (s *Store) Auth(ctx context.Context, k sessionstore.Socket) (string, error) {
	if err := sessionstore.NotSent(ctx); err != nil {
		return "", err
	}
	if !k.HasAuth {
		return "", nil
	}
	s.read(sessionstore.OpAuth)
	var auth string
	if !s.lookup(k, func(_ *entry, _ int, own *kept) { auth = own.auth }) {
		return "", fmt.Errorf("read auth: %w", sessionstore.ErrNotFound)
	}
	return auth, nil
}

// Data implements [sessionstore.Sockets].
func (s *Store) Data(ctx context.Context, k sessionstore.Socket) (map[string]string, error) {
	if err := sessionstore.NotSent(ctx); err != nil {
		return nil, err
	}
	if !k.HasData {
		return nil, nil
	}
	s.read(sessionstore.OpData)
	var data map[string]string
	s.lookup(k, func(_ *entry, _ int, own *kept) { data = own.data })
	return data, nil
}

// SetData implements [sessionstore.Sockets].
func (s *Store) SetData(
	ctx context.Context, k sessionstore.Socket, key, value string,
	limits sessionstore.SocketLimits,
) error {
	const op = sessionstore.OpSetData
	if err := sessionstore.NotSent(ctx); err != nil {
		return err
	}
	if err := limits.CheckData(map[string]string{key: value}); err != nil {
		return fmt.Errorf("set data: %w", err)
	}
	s.wrote(op, 1)
	if k.HasData {
		s.meter.Add(op, sessionstore.Usage{Reads: 1})
	} else {
		s.meter.Add(op, sessionstore.Usage{Writes: 1})
	}
	if err := s.changeData(&k, nil, key, value, limits); err != nil {
		return fmt.Errorf("set data: socket: %w", err)
	}
	return nil
}

// SwapData implements [sessionstore.Sockets].
func (s *Store) SwapData(
	ctx context.Context, k sessionstore.Socket, key, old, value string,
	limits sessionstore.SocketLimits,
) error {
	if err := sessionstore.NotSent(ctx); err != nil {
		return err
	}
	if err := limits.CheckData(map[string]string{key: value}); err != nil {
		return fmt.Errorf("swap data: %w", err)
	}
	if k.HasData || old != "" || value == "" {
		s.wrote(sessionstore.OpSwapData, 1)
	} else {
		s.wrote(sessionstore.OpSwapData, 2)
	}
	if err := s.changeData(&k, &old, key, value, limits); err != nil {
		return fmt.Errorf("swap data: socket: %w", err)
	}
	return nil
}

// changeData sets one key of a socket's data, if it has the old value or old is nil.
func (s *Store) changeData(
	k *sessionstore.Socket, old *string, key, value string, limits sessionstore.SocketLimits,
) error {
	st := s.stripe(k.Session)
	st.mu.Lock()
	defer st.mu.Unlock()
	e, i := st.socket(*k)
	if e == nil {
		return sessionstore.ErrNotFound
	}
	own := e.kept[k.ID]
	if old != nil && own.data[key] != *old {
		return &sessionstore.ChangedError{Data: own.data}
	}
	data := maps.Clone(own.data)
	if data == nil {
		data = make(map[string]string, 1)
	}
	if data[key] = value; value == "" {
		delete(data, key)
	} else if err := limits.CheckData(data); err != nil {
		return err
	}
	own.bytes += weighData(data) - weighData(own.data)
	own.data = data
	st.settle(e)
	if !e.sockets[i].HasData {
		e.replace(i, func(row *sessionstore.Socket) { row.HasData = true })
	}
	return nil
}

// SetHint implements [sessionstore.Sockets].
func (s *Store) SetHint(ctx context.Context, k sessionstore.Socket, hint sessionstore.Connection) error {
	const op = sessionstore.OpSetHint
	if err := sessionstore.NotSent(ctx); err != nil {
		return err
	}
	s.wrote(op, 1)
	s.hintMember(s.memberKey(k.Namespace, k.ID), k.ID, hint)
	if k.Rooms == 0 {
		return nil
	}
	s.meter.Add(op, sessionstore.Usage{Reads: 1})
	s.lookup(k, func(_ *entry, _ int, own *kept) {
		s.meter.Add(op, sessionstore.Usage{Writes: int64(len(own.rooms))})
		for room := range own.rooms {
			s.hintMember(inRoom(k.Namespace, room), k.ID, hint)
		}
	})
	return nil
}
