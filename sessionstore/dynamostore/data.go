package dynamostore

import (
	"context"
	"fmt"
	"maps"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/nonstick-io/nonstick/sessionstore"
)

func (s *Store) dataItem(k *sessionstore.Socket, data map[string]string) item {
	it := s.keptItem(dataKey(k), k)
	values := make(item, len(data))
	size := 0
	for name, value := range data {
		name, value = asStored(name), asStored(value)
		values["."+name] = str(value)
		size += dataSize(name, value)
	}
	it[attrData] = &types.AttributeValueMemberM{Value: values}
	it[attrDataSize] = num(size)
	return it
}

// asStored is text as DynamoDB keeps it: what it takes from the text of a caller later must be what it counted before.
func asStored(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

// dataSize is what a key counts in the size of the data; 0 for one that is not there.
func dataSize(name, value string) int {
	if value == "" {
		return 0
	}
	return len(name) + len(value)
}

func dataOf(it item) map[string]string {
	m, ok := it[attrData].(*types.AttributeValueMemberM)
	if !ok || len(m.Value) == 0 {
		return nil
	}
	data := make(map[string]string, len(m.Value))
	for name := range m.Value {
		data[strings.TrimPrefix(name, ".")] = text(m.Value, name)
	}
	return data
}

// Data implements [sessionstore.Sockets].
func (s *Store) Data(ctx context.Context, k sessionstore.Socket) (map[string]string, error) {
	const op = sessionstore.OpData
	if err := s.begin(ctx, op); err != nil {
		return nil, fmt.Errorf("read data: %w", err)
	}
	if !k.HasData {
		return nil, nil
	}
	it, err := s.get(ctx, op, dataKey(&k))
	if err != nil {
		return nil, fmt.Errorf("read data: %w", err)
	}
	return dataOf(it), nil
}

// dataTries bounds the repeats of a change whose key another caller changed meanwhile. Each conflict means that
// another caller's write succeeded.
const dataTries = 40

// dataSwap is one key of a socket's data, and what it is to become. A value is empty where the key is not there.
type dataSwap struct {
	op         sessionstore.Op
	socket     *sessionstore.Socket
	name       string
	old, value string
	limits     sessionstore.SocketLimits
}

// SetData implements [sessionstore.Sockets]. It is a swap of what it reads, because no expression of DynamoDB can tell
// how long a value is that the data are to lose.
func (s *Store) SetData(
	ctx context.Context, k sessionstore.Socket, name, value string, limits sessionstore.SocketLimits,
) error {
	const op = sessionstore.OpSetData
	if err := s.begin(ctx, op); err != nil {
		return fmt.Errorf("set data: socket: %w", err)
	}
	w := &dataSwap{op: op, socket: &k, name: asStored(name), value: asStored(value), limits: limits}
	if err := limits.CheckData(map[string]string{w.name: w.value}); err != nil {
		return fmt.Errorf("set data: %w", err)
	}
	if err := s.setData(ctx, w); err != nil {
		return fmt.Errorf("set data: socket: %w", err)
	}
	return nil
}

func (s *Store) setData(ctx context.Context, w *dataSwap) (err error) {
	var cur item
	if w.socket.HasData || w.value == "" {
		cur, err = s.get(ctx, w.op, dataKey(w.socket))
	}
	for try := 0; err == nil && try < dataTries; try++ {
		if cur == nil {
			err = s.firstData(ctx, w)
		} else {
			err = s.changeData(ctx, w, dataOf(cur))
		}
		r := refused(err)
		if r == nil {
			return err
		}
		cur, err = r.found, nil
	}
	if err == nil {
		err = fmt.Errorf("%w: %d changes at once", sessionstore.ErrThrottled, dataTries)
	}
	return err
}

// changeData swaps the key's value as read. A refusal has the data as they are.
func (s *Store) changeData(ctx context.Context, w *dataSwap, data map[string]string) error {
	if w.old = data[w.name]; w.old == w.value {
		return nil
	}
	if w.value != "" {
		after := maps.Clone(data)
		if after == nil {
			after = make(map[string]string, 1)
		}
		after[w.name] = w.value
		if err := w.limits.CheckData(after); err != nil {
			return err
		}
	}
	return s.swap(ctx, w)
}

// SwapData implements [sessionstore.Sockets]. The data are one item, which has their size: it becomes larger by what is
// known of the old value and the new one, so that both conditions are those of one write.
func (s *Store) SwapData(
	ctx context.Context, k sessionstore.Socket, name, old, value string, limits sessionstore.SocketLimits,
) error {
	const op = sessionstore.OpSwapData
	if err := s.begin(ctx, op); err != nil {
		return fmt.Errorf("swap data: socket: %w", err)
	}
	w := &dataSwap{
		op: op, socket: &k, name: asStored(name), old: asStored(old), value: asStored(value), limits: limits,
	}
	if err := limits.CheckData(map[string]string{w.name: w.value}); err != nil {
		return fmt.Errorf("swap data: %w", err)
	}
	if err := s.swapData(ctx, w); err != nil {
		return fmt.Errorf("swap data: socket: %w", err)
	}
	return nil
}

func (s *Store) swapData(ctx context.Context, w *dataSwap) error {
	if w.socket.HasData || w.old != "" || w.value == "" {
		err := s.swap(ctx, w)
		switch r := refused(err); {
		case r == nil:
			return err
		case r.found != nil:
			return w.lost(r.found)
		case w.old != "":
			return s.noData(ctx, w)
		}
	}
	err := s.firstData(ctx, w)
	if refused(err) == nil {
		return err
	}
	err = s.swap(ctx, w) // there are data after all
	switch r := refused(err); {
	case r == nil:
		return err
	case r.found != nil:
		return w.lost(r.found)
	default:
		return sessionstore.ErrNotFound // they went with their socket
	}
}

// lost says why a swap was refused, by the data that it found.
func (w *dataSwap) lost(found item) error {
	if data := dataOf(found); data[w.name] != w.old {
		return &sessionstore.ChangedError{Data: data}
	}
	size := number(found, attrDataSize) + int64(w.grows())
	return fmt.Errorf("data of %d bytes: %w", size, sessionstore.ErrTooLarge)
}

// noData is the error of a swap that found no data: the socket has none, or is gone.
func (s *Store) noData(ctx context.Context, w *dataSwap) error {
	row, err := s.get(ctx, w.op, socketKey(w.socket.Session, w.socket.Namespace))
	switch {
	case err != nil:
		return err
	case text(row, attrID) != string(w.socket.ID):
		return sessionstore.ErrNotFound
	default:
		return &sessionstore.ChangedError{}
	}
}

// firstData says in the socket's row that there is data, which shows that the row is there, and puts the data. To
// remove a key from data that are not there is to see that the row is.
func (s *Store) firstData(ctx context.Context, w *dataSwap) error {
	k := w.socket
	c := change{
		key: socketKey(k.Session, k.Namespace), condition: isSocket, values: item{":id": str(k.ID), ":yes": yes()},
		update: "SET #" + attrHasData + " = :yes",
	}
	if _, err := s.update(ctx, w.op, c); refused(err) != nil {
		return sessionstore.ErrNotFound
	} else if err != nil {
		return err
	}
	if w.value == "" {
		return nil
	}
	err := s.put(ctx, w.op, s.dataItem(k, map[string]string{w.name: w.value}), absent)
	if refused(err) != nil {
		return err
	}
	return partly(err)
}

// grows is by how many bytes the swap makes the data larger.
func (w *dataSwap) grows() int { return dataSize(w.name, w.value) - dataSize(w.name, w.old) }

// swap changes a key of the data if it has the old value and the data stay within the limits. A refusal has the data
// as they are.
func (s *Store) swap(ctx context.Context, w *dataSwap) error {
	const path = "#" + attrData + ".#key"
	grows := w.grows()
	c := change{
		key: dataKey(w.socket), names: map[string]string{"#key": "." + w.name},
		condition: present + " AND attribute_not_exists(" + path + ")",
		update:    "SET #" + attrDataSize + " = #" + attrDataSize + " + :grows",
		values:    item{":grows": num(grows)},
	}
	if w.old != "" {
		c.condition = path + " = :old"
		c.values[":old"] = str(w.old)
	}
	if w.value == "" {
		c.update += " REMOVE " + path
	} else {
		c.condition += " AND #" + attrDataSize + " <= :room"
		c.update += ", " + path + " = :value"
		c.values[":room"] = num(min(w.limits.Data, sessionstore.MaxKept) - grows)
		c.values[":value"] = str(w.value)
	}
	_, err := s.update(ctx, w.op, c)
	return err
}
