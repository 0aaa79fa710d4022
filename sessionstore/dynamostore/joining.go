package dynamostore

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/nonstick-io/nonstick/sessionstore"
)

// JoinLater implements [sessionstore.Histories].
func (s *Store) JoinLater(
	ctx context.Context, k sessionstore.Socket, room sessionstore.Room, joining sessionstore.Lease,
	limits sessionstore.SocketLimits,
) error {
	return s.join(ctx, k, room, limits, func(ctx context.Context, op sessionstore.Op, at key) error {
		u := s.memberChange(k.Session)
		u.put(attrJoining, str(joining.Owner))
		u.put(attrJoiningEnds, millis(joining.Until))
		u.values[":owner"] = str(joining.Owner)
		_, err := s.update(ctx, op, change{
			key: at, update: u.String(), condition: absent + " OR #" + attrJoining + " = :owner", values: u.values,
		})
		if refused(err) != nil {
			err = sessionstore.ErrExists
		}
		return err
	})
}

// Joined implements [sessionstore.Histories].
func (s *Store) Joined(
	ctx context.Context, k sessionstore.Socket, room sessionstore.Room, owner sessionstore.Owner, rewound int,
) error {
	const op = sessionstore.OpJoin
	if err := s.begin(ctx, op); err != nil {
		return fmt.Errorf("joined room: %w", err)
	}
	u := &clauses{values: item{":owner": str(owner)}}
	u.put(attrRewound, num(rewound))
	u.remove(attrJoining)
	u.remove(attrJoiningEnds)
	_, err := s.update(ctx, op, change{
		key: roomKey(k.Namespace, room, k.ID), update: u.String(), condition: "#" + attrJoining + " = :owner",
		values: u.values,
	})
	if err != nil {
		return lost(err, "joined room", sessionstore.ErrNotFound)
	}
	return nil
}

// RoomMember implements [sessionstore.Histories].
func (s *Store) RoomMember(
	ctx context.Context, nsp sessionstore.Namespace, room sessionstore.Room, id sessionstore.SocketID,
) (sessionstore.Member, error) {
	const what = "read member of a room"
	if err := s.begin(ctx, sessionstore.OpMember); err != nil {
		return sessionstore.Member{}, fmt.Errorf("%s: %w", what, err)
	}
	return s.member(ctx, roomKey(nsp, room, id), what)
}

// PutKeeping implements [sessionstore.Histories].
func (s *Store) PutKeeping(
	ctx context.Context, nsp sessionstore.Namespace, k sessionstore.Keeping, until time.Time,
) error {
	const op, what = sessionstore.OpKeeping, "put keeping"
	if err := s.begin(ctx, op); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	b, err := json.Marshal(k)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	it := keepingKey(nsp).item()
	it[attrKeeping], it[attrExpiresAt], it[attrTTL] = str(string(b)), millis(until), seconds(until)
	if err := s.put(ctx, op, it, ""); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// Keeping implements [sessionstore.Histories].
func (s *Store) Keeping(
	ctx context.Context, nsp sessionstore.Namespace, now time.Time,
) (sessionstore.Keeping, error) {
	const op, what = sessionstore.OpKeeping, "keeping of a namespace"
	var k sessionstore.Keeping
	if err := s.begin(ctx, op); err != nil {
		return k, fmt.Errorf("%s: %w", what, err)
	}
	it, err := s.get(ctx, op, keepingKey(nsp))
	if err == nil && (it == nil || ended(moment(it, attrExpiresAt), now)) {
		err = sessionstore.ErrNotFound
	}
	if err == nil {
		err = json.Unmarshal([]byte(text(it, attrKeeping)), &k)
	}
	if err != nil {
		return k, fmt.Errorf("%s: %w", what, err)
	}
	return k, nil
}
