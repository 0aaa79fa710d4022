package dynamostore

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/nonstick-io/nonstick/sessionstore"
)

func (s *Store) socketItem(k sessionstore.Socket) item {
	it := socketKey(k.Session, k.Namespace).item()
	it[attrID] = str(k.ID)
	with(it, attrAuth, k.Auth)
	if len(k.Rooms) > 0 {
		it[attrRooms] = roomSet(k.Rooms...)
	}
	data := make(item, len(k.Data))
	for name, value := range k.Data {
		data["."+name] = str(value)
	}
	it[attrData] = &types.AttributeValueMemberM{Value: data} // there even if empty: a key is set by its path
	withTime(it, attrCreatedAt, k.ConnectedAt)
	it[attrTTL] = seconds(s.rowsEnd())
	return it
}

func roomSet(rooms ...sessionstore.Room) types.AttributeValue {
	names := make([]string, len(rooms))
	for i, r := range rooms {
		names[i] = string(r)
	}
	return &types.AttributeValueMemberSS{Value: names}
}

func socketOf(id sessionstore.SessionID, it item) sessionstore.Socket {
	k := sessionstore.Socket{
		ID:          sessionstore.SocketID(text(it, attrID)),
		Session:     id,
		Namespace:   sessionstore.Namespace(strings.TrimPrefix(text(it, attrSK), skSocket)),
		Auth:        text(it, attrAuth),
		ConnectedAt: moment(it, attrCreatedAt),
	}
	if set, ok := it[attrRooms].(*types.AttributeValueMemberSS); ok {
		k.Rooms = make([]sessionstore.Room, len(set.Value))
		for i, r := range set.Value {
			k.Rooms[i] = sessionstore.Room(r)
		}
		slices.Sort(k.Rooms)
	}
	if data, ok := it[attrData].(*types.AttributeValueMemberM); ok && len(data.Value) > 0 {
		k.Data = make(map[string]string, len(data.Value))
		for name := range data.Value {
			k.Data[strings.TrimPrefix(name, ".")] = text(data.Value, name)
		}
	}
	return k
}

// isSocket is the condition that the row is that of this very socket, and not of the next in its place.
const isSocket = "#" + attrID + " = :id"

func (s *Store) everybodyKey(nsp sessionstore.Namespace, id sessionstore.SocketID) key {
	return key{namespacePK(nsp, shardOf(s, id)), string(id)}
}

func roomKey(nsp sessionstore.Namespace, room sessionstore.Room, id sessionstore.SocketID) key {
	return key{roomPK(nsp, room), string(id)}
}

// memberKeys are the keys of a socket's rows in its namespace and in rooms.
func (s *Store) memberKeys(k sessionstore.Socket) []key {
	keys := []key{s.everybodyKey(k.Namespace, k.ID)}
	for _, room := range k.Rooms {
		keys = append(keys, roomKey(k.Namespace, room, k.ID))
	}
	return keys
}

func (s *Store) memberItem(at key, id sessionstore.SessionID, hint sessionstore.Connection) item {
	it := at.item()
	it[attrSession] = str(id)
	with(it, attrConn, hint.String())
	it[attrTTL] = seconds(s.rowsEnd())
	return it
}

// PutSocket implements [sessionstore.Sockets]. The loser of a race takes back its rows.
func (s *Store) PutSocket(ctx context.Context, k sessionstore.Socket, hint sessionstore.Connection) error {
	const op = sessionstore.OpPutSocket
	if err := s.begin(ctx, op); err != nil {
		return fmt.Errorf("put socket: %w", err)
	}
	k.Rooms = slices.Compact(slices.Sorted(slices.Values(k.Rooms)))
	var writes []types.WriteRequest
	for _, at := range s.memberKeys(k) {
		writes = append(writes, putRequest(s.memberItem(at, k.Session, hint)))
	}
	if err := s.writeAll(ctx, op, writes); err != nil {
		return fmt.Errorf("put socket: members: %w", err)
	}
	err := s.put(ctx, op, s.socketItem(k), absent)
	if r := refused(err); r != nil {
		if text(r.found, attrID) != string(k.ID) { // else it is this socket, put before
			_ = s.removeMembers(ctx, op, k) // what stays is an orphan, for emits to reap
		}
		return fmt.Errorf("put socket: %w", sessionstore.ErrExists)
	}
	if err != nil {
		return fmt.Errorf("put socket: %w", partly(err))
	}
	return nil
}

func (s *Store) removeMembers(ctx context.Context, op sessionstore.Op, k sessionstore.Socket) error {
	var writes []types.WriteRequest
	for _, at := range s.memberKeys(k) {
		writes = append(writes, deleteRequest(at))
	}
	return s.writeAll(ctx, op, writes)
}

// RemoveSocket implements [sessionstore.Sockets]. The socket's row goes first, so that no join can follow. If
// it returns the row with an error, member rows may be left, for emits to reap.
func (s *Store) RemoveSocket(ctx context.Context, k sessionstore.Socket) (sessionstore.Socket, error) {
	const op = sessionstore.OpRemoveSocket
	if err := s.begin(ctx, op); err != nil {
		return sessionstore.Socket{}, fmt.Errorf("remove socket: %w", err)
	}
	it, err := s.remove(ctx, op, socketKey(k.Session, k.Namespace), isSocket, item{":id": str(k.ID)})
	if refused(err) != nil {
		k.Rooms = nil
		if err := s.removeMembers(ctx, op, k); err != nil {
			return sessionstore.Socket{}, fmt.Errorf("remove socket: member: %w", err)
		}
		return sessionstore.Socket{}, fmt.Errorf("remove socket: %w", sessionstore.ErrNotFound)
	}
	if err != nil {
		return sessionstore.Socket{}, fmt.Errorf("remove socket: %w", err)
	}
	it[attrSK] = str(skSocket + string(k.Namespace))
	row := socketOf(k.Session, it)
	if err := s.removeMembers(ctx, op, row); err != nil {
		return row, fmt.Errorf("remove socket: members: %w", partly(err))
	}
	return row, nil
}

// maxDataKey is what DynamoDB takes as the name of an attribute in an expression, less the dot.
const maxDataKey = 254

// SetData implements [sessionstore.Sockets]. The limits are 400 KB for the socket's item and 254 bytes for a key.
func (s *Store) SetData(ctx context.Context, k sessionstore.Socket, name, value string) error {
	const op = sessionstore.OpSetData
	if err := s.begin(ctx, op); err != nil {
		return fmt.Errorf("set data: socket: %w", err)
	}
	if len(name) > maxDataKey {
		return fmt.Errorf("set data: key of %d bytes: %w", len(name), sessionstore.ErrTooLarge)
	}
	const path = "#" + attrData + ".#key"
	c := change{
		key: socketKey(k.Session, k.Namespace), condition: isSocket, values: item{":id": str(k.ID)},
		names: map[string]string{"#key": "." + name},
	}
	if value == "" {
		c.update = "REMOVE " + path
	} else {
		c.update = "SET " + path + " = :value"
		c.values[":value"] = str(value)
	}
	if _, err := s.update(ctx, op, c); err != nil {
		return lost(err, "set data: socket", sessionstore.ErrNotFound)
	}
	return nil
}

// SetHint implements [sessionstore.Sockets].
func (s *Store) SetHint(ctx context.Context, k sessionstore.Socket, hint sessionstore.Connection) error {
	const op = sessionstore.OpSetHint
	if err := s.begin(ctx, op); err != nil {
		return fmt.Errorf("set hint: %w", err)
	}
	c := change{update: "REMOVE #" + attrConn, condition: present}
	if !hint.IsZero() {
		c.update = "SET #" + attrConn + " = :hint"
		c.values = item{":hint": str(hint.String())}
	}
	keys := s.memberKeys(k)
	err := each(len(keys), func(i int) error {
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
