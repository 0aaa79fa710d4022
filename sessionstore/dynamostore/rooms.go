package dynamostore

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/nonstick-io/nonstick/sessionstore"
)

// Join implements [sessionstore.Rooms].
func (s *Store) Join(ctx context.Context, k sessionstore.Socket, room sessionstore.Room, hint sessionstore.Connection) error {
	const op = sessionstore.OpJoin
	if err := s.begin(ctx, op); err != nil {
		return fmt.Errorf("join room: %w", err)
	}
	at := roomKey(k.Namespace, room, k.ID)
	if err := s.put(ctx, op, s.memberItem(at, k.Session, hint), ""); err != nil {
		return fmt.Errorf("join room: %w", err)
	}
	_, err := s.update(ctx, op, change{
		key: socketKey(k.Session, k.Namespace), condition: isSocket, update: "ADD #" + attrRooms + " :room",
		values: item{":id": str(k.ID), ":room": roomSet(room)},
	})
	if refused(err) == nil && !errors.Is(err, sessionstore.ErrTooLarge) {
		if err != nil {
			return fmt.Errorf("join room: socket: %w", partly(err))
		}
		return nil
	}
	// The socket is gone, or has no space for another room: it is surely not in this one.
	if _, err := s.remove(ctx, op, at, "", nil); err != nil {
		return fmt.Errorf("join room: take it back: %w", partly(err))
	}
	return lost(err, "join room: socket", sessionstore.ErrNotFound)
}

// Leave implements [sessionstore.Rooms].
func (s *Store) Leave(ctx context.Context, k sessionstore.Socket, room sessionstore.Room) error {
	const op = sessionstore.OpLeave
	if err := s.begin(ctx, op); err != nil {
		return fmt.Errorf("leave room: %w", err)
	}
	_, err := s.update(ctx, op, change{
		key: socketKey(k.Session, k.Namespace), condition: isSocket, update: "DELETE #" + attrRooms + " :room",
		values: item{":id": str(k.ID), ":room": roomSet(room)},
	})
	if err != nil && refused(err) == nil {
		return fmt.Errorf("leave room: socket: %w", err)
	}
	if _, err := s.remove(ctx, op, roomKey(k.Namespace, room, k.ID), "", nil); err != nil {
		return fmt.Errorf("leave room: %w", partly(err))
	}
	return nil
}

func memberOf(it item) sessionstore.Member {
	return sessionstore.Member{
		Socket:  sessionstore.SocketID(text(it, attrSK)),
		Session: sessionstore.SessionID(text(it, attrSession)),
		Hint:    connection(it, attrConn),
	}
}

// Member implements [sessionstore.Rooms].
func (s *Store) Member(ctx context.Context, nsp sessionstore.Namespace, id sessionstore.SocketID) (sessionstore.Member, error) {
	const op = sessionstore.OpMember
	if err := s.begin(ctx, op); err != nil {
		return sessionstore.Member{}, fmt.Errorf("read member: %w", err)
	}
	if id == "" || len(id) > maxKeyPart { // of a client's making, perhaps
		return sessionstore.Member{}, fmt.Errorf("read member: %w", sessionstore.ErrNotFound)
	}
	it, err := s.get(ctx, op, s.everybodyKey(nsp, id))
	if err == nil && it == nil {
		err = sessionstore.ErrNotFound
	}
	if err != nil {
		return sessionstore.Member{}, fmt.Errorf("read member: %w", err)
	}
	return memberOf(it), nil
}

// Members implements [sessionstore.Rooms]. It reads strongly consistent, so that whoever joined before is met.
func (s *Store) Members(
	ctx context.Context, nsp sessionstore.Namespace, room sessionstore.Room, ids sessionstore.Range,
) iter.Seq2[sessionstore.Member, error] {
	return s.members(ctx, "walk room", roomPK(nsp, room), ids)
}

// NamespaceMembers implements [sessionstore.Rooms]. It reads strongly consistent.
func (s *Store) NamespaceMembers(
	ctx context.Context, nsp sessionstore.Namespace, shard int, ids sessionstore.Range,
) iter.Seq2[sessionstore.Member, error] {
	return s.members(ctx, "walk namespace", namespacePK(nsp, shard), ids)
}

// members walks the member rows of a partition.
func (s *Store) members(ctx context.Context, what, pk string, ids sessionstore.Range) iter.Seq2[sessionstore.Member, error] {
	walked := rows(ctx, s, sessionstore.OpMembers, what, pk, within(ids), true, memberOf)
	if ids.To == "" {
		return walked
	}
	return func(yield func(sessionstore.Member, error) bool) {
		for m, err := range walked {
			if (err != nil || m.Socket != ids.To) && !yield(m, err) {
				return
			}
		}
	}
}

// Reap implements [sessionstore.Rooms].
func (s *Store) Reap(ctx context.Context, nsp sessionstore.Namespace, room sessionstore.Room, id sessionstore.SocketID) error {
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
