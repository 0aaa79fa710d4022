package memstore

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/nonstick-io/nonstick/sessionstore"
)

// roomKey names a room, or one shard of a namespace's members.
type roomKey struct {
	nsp   sessionstore.Namespace
	room  sessionstore.Room
	shard int // aRoom for a room
}

const aRoom = -1

type members = table[sessionstore.SocketID, sessionstore.Member]

// roomStripe is a part of the rooms.
type roomStripe struct {
	mu     sync.Mutex
	tables map[roomKey]*members
}

func (s *Store) roomStripe(k roomKey) *roomStripe {
	return &s.rooms[(hash(k.nsp)*31+hash(k.room)+uint32(k.shard))%stripes]
}

// memberKey is where the member row of a socket is in its namespace.
func (s *Store) memberKey(nsp sessionstore.Namespace, id sessionstore.SocketID) roomKey {
	return roomKey{nsp: nsp, shard: int(hash(id) % uint32(len(s.registry)))}
}

func inRoom(nsp sessionstore.Namespace, room sessionstore.Room) roomKey {
	return roomKey{nsp: nsp, room: room, shard: aRoom}
}

func (s *Store) putMember(k roomKey, m sessionstore.Member) {
	st := s.roomStripe(k)
	st.mu.Lock()
	defer st.mu.Unlock()
	st.table(k).put(m.Socket, m)
}

// table returns the rows of a room, made on demand. The caller holds the lock.
func (st *roomStripe) table(k roomKey) *members {
	t := st.tables[k]
	if t == nil {
		t = &members{}
		st.tables[k] = t
	}
	return t
}

func (s *Store) removeMember(k roomKey, id sessionstore.SocketID) {
	st := s.roomStripe(k)
	st.mu.Lock()
	defer st.mu.Unlock()
	t := st.tables[k]
	if t == nil {
		return
	}
	t.remove(id)
	if t.len() == 0 {
		delete(st.tables, k)
	}
}

// changeMember changes a row, or the one that is given if there is none of its socket and session. What is known of the
// socket's history stays in a row.
func (s *Store) changeMember(k roomKey, m sessionstore.Member, change func(*sessionstore.Member)) {
	st := s.roomStripe(k)
	st.mu.Lock()
	defer st.mu.Unlock()
	t := st.table(k)
	if was, ok := t.get(m.Socket); ok && was.Session == m.Session {
		m = was
	}
	change(&m)
	t.put(m.Socket, m)
}

// row returns the row of a socket in a room, if there is one.
func (s *Store) row(k roomKey, id sessionstore.SocketID) (sessionstore.Member, bool) {
	st := s.roomStripe(k)
	st.mu.Lock()
	defer st.mu.Unlock()
	t := st.tables[k]
	if t == nil {
		return sessionstore.Member{}, false
	}
	return t.get(id)
}

// hintMember sets the hint of a row that is there.
func (s *Store) hintMember(k roomKey, id sessionstore.SocketID, hint sessionstore.Connection) {
	st := s.roomStripe(k)
	st.mu.Lock()
	defer st.mu.Unlock()
	t := st.tables[k]
	if t == nil {
		return
	}
	if m, ok := t.get(id); ok {
		m.Hint = hint
		t.put(id, m)
	}
}

// Join implements [sessionstore.Rooms].
func (s *Store) Join(ctx context.Context, k sessionstore.Socket, room sessionstore.Room, hint sessionstore.Connection,
	limits sessionstore.SocketLimits,
) error {
	return s.join(ctx, k, room, limits, nil, func(m *sessionstore.Member) { m.Hint = hint })
}

// join puts a socket into a room, with a row as change has it. Unless, if given, is asked about a row that is there: it
// may keep the socket from joining.
func (s *Store) join(
	ctx context.Context, k sessionstore.Socket, room sessionstore.Room, limits sessionstore.SocketLimits,
	unless func(sessionstore.Member) bool, change func(*sessionstore.Member),
) error {
	if err := sessionstore.NotSent(ctx); err != nil {
		return err
	}
	s.wrote(sessionstore.OpJoin, 3)
	st := s.stripe(k.Session)
	st.mu.Lock()
	defer st.mu.Unlock()
	e, i := st.socket(k)
	if e == nil || e.sockets[i].Leaving.Held() {
		s.removeMember(inRoom(k.Namespace, room), k.ID)
		s.meter.Add(sessionstore.OpJoin, sessionstore.Usage{Writes: 2})
		return fmt.Errorf("join room: socket: %w", sessionstore.ErrNotFound)
	}
	if unless != nil {
		if m, there := s.row(inRoom(k.Namespace, room), k.ID); there && unless(m) {
			return fmt.Errorf("join room: member: %w", sessionstore.ErrExists)
		}
	}
	own := e.kept[k.ID]
	if _, there := own.rooms[room]; !there {
		if e.sockets[i].Rooms >= limits.Rooms {
			s.meter.Add(sessionstore.OpJoin, sessionstore.Usage{Writes: 2})
			return fmt.Errorf("join room: socket: %w", sessionstore.ErrTooManyRooms)
		}
		if own.rooms == nil {
			own.rooms = make(map[sessionstore.Room]struct{}, 1)
		}
		own.rooms[room] = struct{}{}
		own.bytes += weighRoom(string(room))
		st.settle(e)
		e.replace(i, func(row *sessionstore.Socket) { row.Rooms++ })
	}
	s.changeMember(inRoom(k.Namespace, room), sessionstore.Member{Socket: k.ID, Session: k.Session}, change)
	return nil
}

// Leave implements [sessionstore.Rooms].
func (s *Store) Leave(ctx context.Context, k sessionstore.Socket, room sessionstore.Room) error {
	if err := sessionstore.NotSent(ctx); err != nil {
		return err
	}
	s.wrote(sessionstore.OpLeave, 2)
	st := s.stripe(k.Session)
	st.mu.Lock()
	defer st.mu.Unlock()
	if e, i := st.socket(k); e != nil {
		own := e.kept[k.ID]
		if _, there := own.rooms[room]; there {
			delete(own.rooms, room)
			own.bytes -= weighRoom(string(room))
			st.settle(e)
			e.replace(i, func(row *sessionstore.Socket) { row.Rooms-- })
			s.meter.Add(sessionstore.OpLeave, sessionstore.Usage{Writes: 1})
		}
	}
	s.removeMember(inRoom(k.Namespace, room), k.ID)
	return nil
}

// RoomsOf implements [sessionstore.Rooms].
func (s *Store) RoomsOf(ctx context.Context, k sessionstore.Socket) ([]sessionstore.Room, error) {
	if err := sessionstore.NotSent(ctx); err != nil {
		return nil, err
	}
	if k.Rooms == 0 {
		return nil, nil
	}
	s.read(sessionstore.OpRoomsOf)
	var rooms []sessionstore.Room
	s.lookup(k, func(_ *entry, _ int, own *kept) { rooms = slices.Sorted(maps.Keys(own.rooms)) })
	return rooms, nil
}

// InRoom implements [sessionstore.Rooms].
func (s *Store) InRoom(ctx context.Context, k sessionstore.Socket, room sessionstore.Room) (bool, error) {
	if err := sessionstore.NotSent(ctx); err != nil {
		return false, err
	}
	if k.Rooms == 0 {
		return false, nil
	}
	s.read(sessionstore.OpInRoom)
	there := false
	s.lookup(k, func(_ *entry, _ int, own *kept) { _, there = own.rooms[room] })
	return there, nil
}

// Member implements [sessionstore.Rooms].
func (s *Store) Member(
	ctx context.Context, nsp sessionstore.Namespace, id sessionstore.SocketID,
) (sessionstore.Member, error) {
	if err := sessionstore.NotSent(ctx); err != nil {
		return sessionstore.Member{}, err
	}
	return s.member(s.memberKey(nsp, id), id, "read member")
}

// member reads a row of members.
func (s *Store) member(k roomKey, id sessionstore.SocketID, what string) (sessionstore.Member, error) {
	s.read(sessionstore.OpMember)
	m, ok := s.row(k, id)
	if !ok {
		return sessionstore.Member{}, fmt.Errorf("%s: %w", what, sessionstore.ErrNotFound)
	}
	return m, nil
}

// Members implements [sessionstore.Rooms].
func (s *Store) Members(
	ctx context.Context, nsp sessionstore.Namespace, room sessionstore.Room, ids sessionstore.Range,
) iter.Seq2[sessionstore.Member, error] {
	return s.walkMembers(ctx, inRoom(nsp, room), ids)
}

// NamespaceMembers implements [sessionstore.Rooms].
func (s *Store) NamespaceMembers(
	ctx context.Context, nsp sessionstore.Namespace, shard int, ids sessionstore.Range,
) iter.Seq2[sessionstore.Member, error] {
	return s.walkMembers(ctx, roomKey{nsp: nsp, shard: max(shard, 0)}, ids)
}

func (s *Store) walkMembers(
	ctx context.Context, k roomKey, ids sessionstore.Range,
) iter.Seq2[sessionstore.Member, error] {
	page := func(last sessionstore.SocketID, more bool) ([]sessionstore.Member, sessionstore.SocketID, bool) {
		st := s.roomStripe(k)
		st.mu.Lock()
		defer st.mu.Unlock()
		t := st.tables[k]
		if t == nil {
			return nil, last, false
		}
		if !more {
			last = ids.From
		}
		rows, last, further := t.page(last, more, walkChunk)
		if ids.To == "" {
			return rows, last, further
		}
		end, _ := slices.BinarySearchFunc(rows, ids.To, func(m sessionstore.Member, to sessionstore.SocketID) int {
			return strings.Compare(string(m.Socket), string(to))
		})
		return rows[:end], last, further && last < ids.To
	}
	return walk(ctx, s.meter, sessionstore.OpMembers, page)
}

// CountMembers implements [sessionstore.Rooms].
func (s *Store) CountMembers(
	ctx context.Context, nsp sessionstore.Namespace, room sessionstore.Room, most int,
) (int, error) {
	return s.countMembers(ctx, inRoom(nsp, room), most)
}

// CountNamespaceMembers implements [sessionstore.Rooms].
func (s *Store) CountNamespaceMembers(
	ctx context.Context, nsp sessionstore.Namespace, shard, most int,
) (int, error) {
	return s.countMembers(ctx, roomKey{nsp: nsp, shard: max(shard, 0)}, most)
}

func (s *Store) countMembers(ctx context.Context, k roomKey, most int) (int, error) {
	if err := sessionstore.NotSent(ctx); err != nil {
		return 0, fmt.Errorf("count members: %w", err)
	}
	st := s.roomStripe(k)
	st.mu.Lock()
	n := 0
	if t := st.tables[k]; t != nil {
		n = t.len()
	}
	st.mu.Unlock()
	if most > 0 {
		n = min(n, most)
	}
	s.meter.Add(sessionstore.OpMembers, sessionstore.Usage{Calls: 1, Reads: int64(max(1, (n+walkPage-1)/walkPage))})
	return n, nil
}

// RepairHint implements [sessionstore.Rooms].
func (s *Store) RepairHint(
	ctx context.Context, nsp sessionstore.Namespace, room sessionstore.Room, m sessionstore.Member,
) error {
	if err := sessionstore.NotSent(ctx); err != nil {
		return err
	}
	s.wrote(sessionstore.OpSetHint, 1)
	k := inRoom(nsp, room)
	if room == "" {
		k = s.memberKey(nsp, m.Socket)
	}
	s.hintMember(k, m.Socket, m.Hint)
	return nil
}

// Reap implements [sessionstore.Rooms].
func (s *Store) Reap(
	ctx context.Context, nsp sessionstore.Namespace, room sessionstore.Room, id sessionstore.SocketID,
) error {
	if err := sessionstore.NotSent(ctx); err != nil {
		return err
	}
	s.wrote(sessionstore.OpReap, 1)
	if room == "" {
		s.removeMember(s.memberKey(nsp, id), id)
	} else {
		s.removeMember(inRoom(nsp, room), id)
	}
	return nil
}
