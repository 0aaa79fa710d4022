package dynamostore

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/nonstick-io/nonstick/sessionstore"
)

func (s *Store) socketItem(k *sessionstore.Socket) item {
	it := socketKey(k.Session, k.Namespace).item()
	it[attrID] = str(k.ID)
	if k.HasAuth {
		it[attrHasAuth] = yes()
	}
	if k.HasData {
		it[attrHasData] = yes()
	}
	it[attrRoomCount] = num(k.Rooms) // there even if 0: it is counted up
	with(it, attrParent, k.Parent)
	withTime(it, attrCreatedAt, k.ConnectedAt)
	withTime(it, attrExpiresAt, k.ExpiresAt)
	it[attrTTL] = seconds(s.rowsEnd())
	return it
}

func socketOf(id sessionstore.SessionID, it item) sessionstore.Socket {
	return sessionstore.Socket{
		ID:          sessionstore.SocketID(text(it, attrID)),
		Session:     id,
		Namespace:   sessionstore.Namespace(strings.TrimPrefix(text(it, attrSK), skSocket)),
		HasAuth:     flag(it, attrHasAuth),
		HasData:     flag(it, attrHasData),
		Rooms:       int(number(it, attrRoomCount)),
		Parent:      text(it, attrParent),
		Leaving:     leaseOf(it, attrLease, attrLeaseEnds),
		ConnectedAt: moment(it, attrCreatedAt),
		ExpiresAt:   moment(it, attrExpiresAt),
		Outbox:      sessionstore.SessionID(text(it, attrOutbox)),
	}
}

// isSocket is the condition that the row is that of this very socket, and not of the next in its place.
const isSocket = "#" + attrID + " = :id"

func (s *Store) everybodyKey(nsp sessionstore.Namespace, id sessionstore.SocketID) key {
	return key{namespacePK(nsp, shardOf(s, id)), string(id)}
}

func roomKey(nsp sessionstore.Namespace, room sessionstore.Room, id sessionstore.SocketID) key {
	return key{roomPK(nsp, room), string(id)}
}

func (s *Store) memberItem(at key, id sessionstore.SessionID, hint sessionstore.Connection) item {
	it := at.item()
	it[attrSession] = str(id)
	with(it, attrConn, hint.String())
	it[attrTTL] = seconds(s.rowsEnd())
	return it
}

// keptItem is an item of what a socket keeps. It knows its namespace, so that it can be removed without the socket's
// row.
func (s *Store) keptItem(at key, k *sessionstore.Socket) item {
	it := at.item()
	it[attrNamespace] = str(k.Namespace)
	it[attrTTL] = seconds(s.rowsEnd())
	return it
}

// PutSocket implements [sessionstore.Sockets]. What a socket keeps is put before its member rows, and its own row last,
// so that whatever a crash leaves is found by the session's partition. The loser of a race takes back its rows.
func (s *Store) PutSocket(ctx context.Context, n sessionstore.NewSocket, hint sessionstore.Connection,
	limits sessionstore.SocketLimits,
) error {
	const op = sessionstore.OpPutSocket
	if err := s.begin(ctx, op); err != nil {
		return fmt.Errorf("put socket: %w", err)
	}
	ctx = patient(ctx)
	n.Rooms = slices.Compact(slices.Sorted(slices.Values(n.Rooms)))
	if err := limits.Check(&n); err != nil {
		return fmt.Errorf("put socket: %w", err)
	}
	k := n.Row()
	if err := s.writeInTurn(ctx, op, s.keptWrites(&n, &k), s.memberWrites(&n, &k, hint)); err != nil {
		return fmt.Errorf("put socket: members: %w", err)
	}
	err := s.put(ctx, op, s.socketItem(&k), absent)
	if r := refused(err); r != nil {
		if text(r.found, attrID) != string(k.ID) { // else it is this socket, put before
			_ = s.removeKept(ctx, op, k) // what stays goes with the session, see ClearSockets
		}
		return fmt.Errorf("put socket: %w", sessionstore.ErrExists)
	}
	if err != nil {
		return fmt.Errorf("put socket: %w", partly(err))
	}
	return nil
}

func (s *Store) keptWrites(n *sessionstore.NewSocket, k *sessionstore.Socket) []types.WriteRequest {
	var writes []types.WriteRequest
	if k.HasAuth {
		it := s.keptItem(authKey(k), k)
		it[attrAuth] = str(n.Auth)
		writes = append(writes, putRequest(it))
	}
	if k.HasData {
		writes = append(writes, putRequest(s.dataItem(k, n.Data)))
	}
	for _, room := range n.Rooms {
		writes = append(writes, putRequest(s.keptItem(keptRoomKey(k, room), k)))
	}
	return writes
}

func (s *Store) memberWrites(
	n *sessionstore.NewSocket, k *sessionstore.Socket, hint sessionstore.Connection,
) []types.WriteRequest {
	writes := []types.WriteRequest{putRequest(s.memberItem(s.everybodyKey(k.Namespace, k.ID), k.Session, hint))}
	for _, room := range n.Rooms {
		writes = append(writes, putRequest(s.memberItem(roomKey(k.Namespace, room, k.ID), k.Session, hint)))
	}
	return writes
}

// writeInTurn makes the second writes after the first; in one call if there are few, where a crash can come between the
// items of a call alone.
func (s *Store) writeInTurn(ctx context.Context, op sessionstore.Op, first, second []types.WriteRequest) error {
	if len(first)+len(second) <= batchWrites {
		return s.writeAll(ctx, op, append(first, second...))
	}
	if err := s.writeAll(ctx, op, first); err != nil {
		return err
	}
	return partly(s.writeAll(ctx, op, second))
}

// RemoveSocket implements [sessionstore.Sockets].
func (s *Store) RemoveSocket(ctx context.Context, k sessionstore.Socket) (sessionstore.Socket, error) {
	const op = sessionstore.OpRemoveSocket
	if err := s.begin(ctx, op); err != nil {
		return sessionstore.Socket{}, fmt.Errorf("remove socket: %w", err)
	}
	ctx = patient(ctx)
	it, err := s.remove(ctx, op, socketKey(k.Session, k.Namespace), isSocket, item{":id": str(k.ID)})
	if refused(err) != nil {
		k.Rooms = 1 // that may be left is not known
		if err := s.removeKept(ctx, op, k); err != nil {
			return sessionstore.Socket{}, fmt.Errorf("remove socket: rows: %w", err)
		}
		return sessionstore.Socket{}, fmt.Errorf("remove socket: %w", sessionstore.ErrNotFound)
	}
	if err != nil {
		return sessionstore.Socket{}, fmt.Errorf("remove socket: %w", err)
	}
	it[attrSK] = str(skSocket + string(k.Namespace))
	row := socketOf(k.Session, it)
	if err := s.removeKept(ctx, op, row); err != nil {
		return row, fmt.Errorf("remove socket: rows: %w", partly(err))
	}
	return row, nil
}

// ClaimSocket implements [sessionstore.Sockets].
func (s *Store) ClaimSocket(
	ctx context.Context, k sessionstore.Socket, lease sessionstore.Lease, from sessionstore.Owner, now time.Time,
) (sessionstore.Socket, error) {
	const op = sessionstore.OpClaimSocket
	if err := s.begin(ctx, op); err != nil {
		return k, fmt.Errorf("claim socket: %w", err)
	}
	if from == "" {
		from = lease.Owner
	}
	it, err := s.update(ctx, op, change{
		key: socketKey(k.Session, k.Namespace), update: "SET " + setLease, returns: types.ReturnValueAllNew,
		condition: isSocket + " AND (attribute_not_exists(#" + attrLease + ") OR #" + attrLeaseEnds + " <= :now OR #" +
			attrLease + " IN (:owner, :from))",
		values: item{
			":id": str(k.ID), ":owner": str(lease.Owner), ":from": str(from), ":until": millis(lease.Until),
			":now": millis(now),
		},
	})
	if r := refused(err); r != nil {
		err = sessionstore.ErrNotFound
		if text(r.found, attrID) == string(k.ID) {
			err = &sessionstore.HeldError{Lease: leaseOf(r.found, attrLease, attrLeaseEnds)}
		}
	}
	if err != nil {
		return k, fmt.Errorf("claim socket: %w", err)
	}
	return socketOf(k.Session, it), nil
}

// Vacate implements [sessionstore.Sockets].
func (s *Store) Vacate(ctx context.Context, k sessionstore.Socket) error {
	const op = sessionstore.OpVacate
	if err := s.begin(ctx, op); err != nil {
		return fmt.Errorf("vacate: %w", err)
	}
	ctx = patient(ctx)
	k.HasAuth, k.HasData = false, false // these stay
	if err := s.removeKept(ctx, op, k); err != nil {
		return fmt.Errorf("vacate: %w", err)
	}
	return nil
}

// SetExpiry implements [sessionstore.Sockets].
func (s *Store) SetExpiry(ctx context.Context, k sessionstore.Socket, at time.Time) error {
	const op = sessionstore.OpSetExpiry
	if err := s.begin(ctx, op); err != nil {
		return fmt.Errorf("set expiry: %w", err)
	}
	c := change{
		key: socketKey(k.Session, k.Namespace), condition: isSocket, update: "REMOVE #" + attrExpiresAt,
		values: item{":id": str(k.ID)},
	}
	if !at.IsZero() {
		c.update, c.values[":at"] = "SET #"+attrExpiresAt+" = :at", millis(at)
	}
	if _, err := s.update(ctx, op, c); err != nil {
		return lost(err, "set expiry", sessionstore.ErrNotFound)
	}
	return nil
}

// DropSocket implements [sessionstore.Sockets]. The row goes last, for it is what the rest is found by; data may have
// come since it was read.
func (s *Store) DropSocket(ctx context.Context, k sessionstore.Socket) error {
	const op = sessionstore.OpDropSocket
	if err := s.begin(ctx, op); err != nil {
		return fmt.Errorf("drop socket: %w", err)
	}
	if err := s.writeAll(ctx, op, keptDeletes(&k, k.HasAuth, k.HasData)); err != nil {
		return fmt.Errorf("drop socket: %w", err)
	}
	it, err := s.remove(ctx, op, socketKey(k.Session, k.Namespace), isSocket, item{":id": str(k.ID)})
	if refused(err) != nil {
		return fmt.Errorf("drop socket: %w", sessionstore.ErrNotFound)
	}
	if err != nil {
		return fmt.Errorf("drop socket: %w", partly(err))
	}
	late := keptDeletes(&k, false, !k.HasData && flag(it, attrHasData))
	if err := s.writeAll(ctx, op, late); err != nil {
		return fmt.Errorf("drop socket: %w", partly(err))
	}
	return nil
}

// keptDeletes removes auth and data of a socket.
func keptDeletes(k *sessionstore.Socket, auth, data bool) []types.WriteRequest {
	var writes []types.WriteRequest
	if auth {
		writes = append(writes, deleteRequest(authKey(k)))
	}
	if data {
		writes = append(writes, deleteRequest(dataKey(k)))
	}
	return writes
}

// removeKept removes the member row of a socket and what it keeps: as its row says.
func (s *Store) removeKept(ctx context.Context, op sessionstore.Op, k sessionstore.Socket) error {
	writes := []types.WriteRequest{deleteRequest(s.everybodyKey(k.Namespace, k.ID))}
	writes = append(writes, keptDeletes(&k, k.HasAuth, k.HasData)...)
	if err := s.writeAll(ctx, op, writes); err != nil || k.Rooms == 0 {
		return err
	}
	return s.clear(ctx, op, k.Session, keptRooms(k.ID))
}

// clearStep is how many items of what sockets keep are removed before the walk goes on.
const clearStep = 200

// ClearSockets implements [sessionstore.Sockets].
func (s *Store) ClearSockets(ctx context.Context, id sessionstore.SessionID) error {
	const op = sessionstore.OpClearSockets
	if err := s.begin(ctx, op); err != nil {
		return fmt.Errorf("clear sockets: %w", err)
	}
	if err := s.clear(patient(ctx), op, id, skKept); err != nil {
		return fmt.Errorf("clear sockets: %w", err)
	}
	return nil
}

// clear removes what sockets of a session keep under keys with a prefix, and the member rows that belong to it. What
// has been removed is not met again by the next call, should this one not come to its end.
func (s *Store) clear(ctx context.Context, op sessionstore.Op, id sessionstore.SessionID, prefix string) error {
	var members, kept []types.WriteRequest
	met := make(map[key]bool)
	step := func() error {
		err := s.writeAll(ctx, op, members)
		if err == nil {
			err = s.writeAll(ctx, op, kept) // last, for they are what the member rows are found by
		}
		members, kept = nil, nil
		return err
	}
	for it, err := range s.walk(ctx, op, sessionPK(id), beginningWith(prefix), true) {
		if err != nil {
			return err
		}
		sk := text(it, attrSK)
		nsp := sessionstore.Namespace(text(it, attrNamespace))
		socket, room := keptBy(sk, id, nsp)
		at := s.everybodyKey(nsp, socket)
		if strings.Contains(sk, keptRoom) {
			at = roomKey(nsp, room, socket)
		}
		if !met[at] {
			met[at] = true // a call takes each key once
			members = append(members, deleteRequest(at))
		}
		kept = append(kept, deleteRequest(key{sessionPK(id), sk}))
		if len(kept) == clearStep {
			if err := step(); err != nil {
				return err
			}
		}
	}
	return step()
}

// ReadSocket implements [sessionstore.Sockets].
func (s *Store) ReadSocket(
	ctx context.Context, nsp sessionstore.Namespace, m sessionstore.Member,
) (sessionstore.Socket, map[string]string, error) {
	const op = sessionstore.OpReadSocket
	if err := s.begin(ctx, op); err != nil {
		return sessionstore.Socket{}, nil, fmt.Errorf("read socket: %w", err)
	}
	at := socketKey(m.Session, nsp)
	data := dataKey(&sessionstore.Socket{ID: m.Socket, Session: m.Session})
	session := sessionKey(m.Session)
	found, err := s.getAll(ctx, op, []key{session, at, data})
	if err == nil &&
		(text(found[at], attrID) != string(m.Socket) || text(found[session], attrState) != string(sessionstore.Open)) {
		err = sessionstore.ErrNotFound
	}
	if err != nil {
		return sessionstore.Socket{}, nil, fmt.Errorf("read socket: %w", err)
	}
	return socketOf(m.Session, found[at]), dataOf(found[data]), nil
}

// Auth implements [sessionstore.Sockets].
func (s *Store) Auth(ctx context.Context, k sessionstore.Socket) (string, error) {
	const op = sessionstore.OpAuth
	if err := s.begin(ctx, op); err != nil {
		return "", fmt.Errorf("read auth: %w", err)
	}
	if !k.HasAuth {
		return "", nil
	}
	it, err := s.get(ctx, op, authKey(&k))
	if err == nil && it == nil {
		err = sessionstore.ErrNotFound
	}
	if err != nil {
		return "", fmt.Errorf("read auth: %w", err)
	}
	return text(it, attrAuth), nil
}

// SetHint implements [sessionstore.Sockets].
func (s *Store) SetHint(ctx context.Context, k sessionstore.Socket, hint sessionstore.Connection) error {
	const op = sessionstore.OpSetHint
	if err := s.begin(ctx, op); err != nil {
		return fmt.Errorf("set hint: %w", err)
	}
	c := hintChange(hint)
	keys := []key{s.everybodyKey(k.Namespace, k.ID)}
	rooms, err := s.roomsOf(ctx, op, &k)
	if err != nil {
		return fmt.Errorf("set hint: %w", err)
	}
	for _, room := range rooms {
		keys = append(keys, roomKey(k.Namespace, room, k.ID))
	}
	err = each(len(keys), func(i int) error {
		one := c
		one.key = keys[i]
		_, err := s.update(ctx, op, one)
		if refused(err) != nil {
			return nil // the row is gone
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("set hint: %w", err)
	}
	return nil
}

// hintChange is the change of a member row that is there.
func hintChange(hint sessionstore.Connection) change {
	if hint.IsZero() {
		return change{update: "REMOVE #" + attrConn, condition: present}
	}
	return change{
		update: "SET #" + attrConn + " = :hint", condition: present, values: item{":hint": str(hint.String())},
	}
}
