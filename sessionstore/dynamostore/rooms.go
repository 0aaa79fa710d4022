package dynamostore

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"

	"github.com/nonstick-io/nonstick/sessionstore"
)

// Join implements [sessionstore.Rooms]. The session's row of the room comes first, so that whatever a crash leaves is
// found by the session's partition; the socket's row comes last, because only its condition is exact: a socket that is
// being removed has no row, and the caller that removes it reads its rooms afterwards.
func (s *Store) Join(ctx context.Context, k sessionstore.Socket, room sessionstore.Room, hint sessionstore.Connection,
	limits sessionstore.SocketLimits,
) error {
	return s.join(ctx, k, room, limits, func(ctx context.Context, op sessionstore.Op, at key) error {
		if k.Session.IsOutbox() { // whose row may know of its history
			u := s.memberChange(k.Session)
			u.remove(attrConn)
			_, err := s.update(ctx, op, change{key: at, update: u.String(), values: u.values})
			return err
		}
		return s.put(ctx, op, s.memberItem(at, k.Session, hint), "")
	})
}

// memberChange is an update that makes a member row.
func (s *Store) memberChange(id sessionstore.SessionID) *clauses {
	u := &clauses{values: item{}}
	u.put(attrSession, str(id))
	u.put(attrTTL, seconds(s.rowsEnd()))
	return u
}

// join puts a socket into a room; its member row is written by put.
func (s *Store) join(ctx context.Context, k sessionstore.Socket, room sessionstore.Room,
	limits sessionstore.SocketLimits, put func(context.Context, sessionstore.Op, key) error,
) error {
	const op = sessionstore.OpJoin
	if err := s.begin(ctx, op); err != nil {
		return fmt.Errorf("join room: %w", err)
	}
	ctx = patient(ctx)
	there, err := s.putOver(ctx, op, s.keptItem(keptRoomKey(&k, room), &k))
	if err != nil {
		return fmt.Errorf("join room: %w", err)
	}
	err = put(ctx, op, roomKey(k.Namespace, room, k.ID))
	exists := errors.Is(err, sessionstore.ErrExists)
	switch {
	case err == nil, exists && !there:
	case exists: // nothing has been written that was not there
		return fmt.Errorf("join room: member: %w", err)
	case there || sessionstore.InDoubt(err):
		return fmt.Errorf("join room: member: %w", partly(err))
	default:
		if _, e := s.remove(ctx, op, keptRoomKey(&k, room), "", nil); e != nil {
			return fmt.Errorf("join room: member: %w", partly(err))
		}
		return fmt.Errorf("join room: member: %w", err) // as if nothing had been written
	}
	c := change{
		key: socketKey(k.Session, k.Namespace), condition: isSocket + " AND attribute_not_exists(#" + attrLease + ")",
		values: item{":id": str(k.ID), ":n": num(1)},
	}
	switch {
	case there: // counted already
		c.values[":n"] = num(0)
	case exists: // the call that has put the row takes the room for counted
	default:
		c.condition += " AND #" + attrRoomCount + " < :most"
		c.values[":most"] = num(limits.Rooms)
	}
	c.update = "ADD #" + attrRoomCount + " :n"
	_, err = s.update(ctx, op, c)
	r := refused(err)
	if r == nil {
		if err != nil {
			return fmt.Errorf("join room: socket: %w", partly(err))
		}
		if exists {
			return fmt.Errorf("join room: member: %w", sessionstore.ErrExists)
		}
		return nil
	}
	if err := s.takeBack(ctx, op, &k, room); err != nil {
		return fmt.Errorf("join room: take it back: %w", partly(err))
	}
	if text(r.found, attrID) == string(k.ID) && !leaseOf(r.found, attrLease, attrLeaseEnds).Held() {
		return fmt.Errorf("join room: socket: %w", sessionstore.ErrTooManyRooms)
	}
	return fmt.Errorf("join room: socket: %w", sessionstore.ErrNotFound)
}

// takeBack removes the two rows of a join, or of a leave. The member row goes first, for a later removal finds it by
// the other row.
func (s *Store) takeBack(
	ctx context.Context, op sessionstore.Op, k *sessionstore.Socket, room sessionstore.Room,
) error {
	if _, err := s.remove(ctx, op, roomKey(k.Namespace, room, k.ID), "", nil); err != nil {
		return err
	}
	_, err := s.remove(ctx, op, keptRoomKey(k, room), "", nil)
	return err
}

// Leave implements [sessionstore.Rooms].
func (s *Store) Leave(ctx context.Context, k sessionstore.Socket, room sessionstore.Room) error {
	const op = sessionstore.OpLeave
	if err := s.begin(ctx, op); err != nil {
		return fmt.Errorf("leave room: %w", err)
	}
	ctx = patient(ctx)
	if _, err := s.remove(ctx, op, roomKey(k.Namespace, room, k.ID), "", nil); err != nil {
		return fmt.Errorf("leave room: %w", err)
	}
	_, err := s.remove(ctx, op, keptRoomKey(&k, room), present, nil)
	if refused(err) != nil {
		return nil // it was not in the room, so it is not counted
	}
	if err != nil {
		return fmt.Errorf("leave room: session: %w", partly(err))
	}
	_, err = s.update(ctx, op, change{
		key: socketKey(k.Session, k.Namespace), condition: isSocket + " AND #" + attrRoomCount + " > :none",
		update: "ADD #" + attrRoomCount + " :less", values: item{":id": str(k.ID), ":none": num(0), ":less": num(-1)},
	})
	if err != nil && refused(err) == nil {
		return fmt.Errorf("leave room: socket: %w", partly(err))
	}
	return nil
}

// RoomsOf implements [sessionstore.Rooms].
func (s *Store) RoomsOf(ctx context.Context, k sessionstore.Socket) ([]sessionstore.Room, error) {
	const op = sessionstore.OpRoomsOf
	if err := s.begin(ctx, op); err != nil {
		return nil, fmt.Errorf("read rooms: %w", err)
	}
	rooms, err := s.roomsOf(ctx, op, &k)
	if err != nil {
		return nil, fmt.Errorf("read rooms: %w", err)
	}
	return rooms, nil
}

func (s *Store) roomsOf(ctx context.Context, op sessionstore.Op, k *sessionstore.Socket) ([]sessionstore.Room, error) {
	if k.Rooms == 0 {
		return nil, nil
	}
	prefix := keptRooms(k.ID)
	var rooms []sessionstore.Room
	for it, err := range s.walk(ctx, op, sessionPK(k.Session), beginningWith(prefix), true) {
		if err != nil {
			return nil, err
		}
		rooms = append(rooms, sessionstore.Room(strings.TrimPrefix(text(it, attrSK), prefix)))
	}
	return rooms, nil
}

// InRoom implements [sessionstore.Rooms].
func (s *Store) InRoom(ctx context.Context, k sessionstore.Socket, room sessionstore.Room) (bool, error) {
	const op = sessionstore.OpInRoom
	if err := s.begin(ctx, op); err != nil {
		return false, fmt.Errorf("read room: %w", err)
	}
	if k.Rooms == 0 || len(room) > sessionstore.MaxName { // of a client's making, perhaps
		return false, nil
	}
	it, err := s.get(ctx, op, keptRoomKey(&k, room))
	if err != nil {
		return false, fmt.Errorf("read room: %w", err)
	}
	return it != nil, nil
}

func memberOf(it item) sessionstore.Member {
	return sessionstore.Member{
		Socket:  sessionstore.SocketID(text(it, attrSK)),
		Session: sessionstore.SessionID(text(it, attrSession)),
		Hint:    connection(it, attrConn),
		Rewound: int(number(it, attrRewound)),
		Joining: leaseOf(it, attrJoining, attrJoiningEnds),
	}
}

// Member implements [sessionstore.Rooms].
func (s *Store) Member(
	ctx context.Context, nsp sessionstore.Namespace, id sessionstore.SocketID,
) (sessionstore.Member, error) {
	if err := s.begin(ctx, sessionstore.OpMember); err != nil {
		return sessionstore.Member{}, fmt.Errorf("read member: %w", err)
	}
	if id == "" || len(id) > maxKeyPart { // of a client's making, perhaps
		return sessionstore.Member{}, fmt.Errorf("read member: %w", sessionstore.ErrNotFound)
	}
	return s.member(ctx, s.everybodyKey(nsp, id), "read member")
}

// member reads a row of members.
func (s *Store) member(ctx context.Context, at key, what string) (sessionstore.Member, error) {
	it, err := s.get(ctx, sessionstore.OpMember, at)
	if err == nil && it == nil {
		err = sessionstore.ErrNotFound
	}
	if err != nil {
		return sessionstore.Member{}, fmt.Errorf("%s: %w", what, err)
	}
	return memberOf(it), nil
}

// Members implements [sessionstore.Rooms]. It reads strongly consistent, so that a socket that joined before is met.
func (s *Store) Members(
	ctx context.Context, nsp sessionstore.Namespace, room sessionstore.Room, ids sessionstore.Range,
) iter.Seq2[sessionstore.Member, error] {
	return s.members(ctx, walkRoom, roomPK(nsp, room), ids)
}

const walkRoom = "walk room"

// NamespaceMembers implements [sessionstore.Rooms]. It reads strongly consistent.
func (s *Store) NamespaceMembers(
	ctx context.Context, nsp sessionstore.Namespace, shard int, ids sessionstore.Range,
) iter.Seq2[sessionstore.Member, error] {
	return s.members(ctx, "walk namespace", namespacePK(nsp, shard), ids)
}

// members walks the member rows of a partition.
func (s *Store) members(
	ctx context.Context, what, pk string, ids sessionstore.Range,
) iter.Seq2[sessionstore.Member, error] {
	walked := rows(ctx, s, sessionstore.OpMembers, what, pk, within(ids), true, memberOf)
	if ids.From != "" && ids.To == "" {
		return walked
	}
	return func(yield func(sessionstore.Member, error) bool) {
		for m, err := range walked {
			if err == nil && (m.Socket == skMark || m.Socket == ids.To && ids.To != "") {
				continue
			}
			if !yield(m, err) {
				return
			}
		}
	}
}

// CountMembers implements [sessionstore.Rooms].
func (s *Store) CountMembers(
	ctx context.Context, nsp sessionstore.Namespace, room sessionstore.Room, most int,
) (int, error) {
	return s.countMembers(ctx, roomPK(nsp, room), behindMark(), most)
}

// CountNamespaceMembers implements [sessionstore.Rooms].
func (s *Store) CountNamespaceMembers(
	ctx context.Context, nsp sessionstore.Namespace, shard, most int,
) (int, error) {
	return s.countMembers(ctx, namespacePK(nsp, shard), sortKeys{}, most)
}

func (s *Store) countMembers(ctx context.Context, pk string, keys sortKeys, most int) (int, error) {
	n, err := s.count(ctx, sessionstore.OpMembers, pk, keys, most, true)
	if err != nil {
		return 0, fmt.Errorf("count members: %w", err)
	}
	return n, nil
}

// RepairHint implements [sessionstore.Rooms].
func (s *Store) RepairHint(
	ctx context.Context, nsp sessionstore.Namespace, room sessionstore.Room, m sessionstore.Member,
) error {
	const op = sessionstore.OpSetHint
	if err := s.begin(ctx, op); err != nil {
		return fmt.Errorf("repair hint: %w", err)
	}
	c := hintChange(m.Hint)
	if c.key = roomKey(nsp, room, m.Socket); room == "" {
		c.key = s.everybodyKey(nsp, m.Socket)
	}
	if _, err := s.update(ctx, op, c); err != nil && refused(err) == nil {
		return fmt.Errorf("repair hint: %w", err)
	}
	return nil
}

// Reap implements [sessionstore.Rooms].
func (s *Store) Reap(
	ctx context.Context, nsp sessionstore.Namespace, room sessionstore.Room, id sessionstore.SocketID,
) error {
	const op = sessionstore.OpReap
	if err := s.begin(ctx, op); err != nil {
		return fmt.Errorf("reap member: %w", err)
	}
	at := roomKey(nsp, room, id)
	if room == "" {
		at = s.everybodyKey(nsp, id)
	}
	if _, err := s.remove(ctx, op, at, "", nil); err != nil {
		return fmt.Errorf("reap member: %w", err)
	}
	return nil
}
