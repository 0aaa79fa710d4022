package dynamostore

import (
	"context"
	"fmt"
	"maps"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/nonstick-io/nonstick/sessionstore"
)

func (s *Store) dataItem(k *sessionstore.Socket, data map[string]string, version int) item {
	it := s.keptItem(dataKey(k), k)
	values := make(item, len(data))
	for name, value := range data {
		values["."+name] = str(value)
	}
	it[attrData] = &types.AttributeValueMemberM{Value: values}
	it[attrVersion] = num(version)
	return it
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

// dataTries bounds the repeats of a change whose data another caller changed meanwhile. Each conflict means that
// another caller's write succeeded.
const dataTries = 40

// SetData implements [sessionstore.Sockets]. The data are one item with a version: read, and written on condition of
// it, because no expression of DynamoDB can add up what the values take.
func (s *Store) SetData(
	ctx context.Context, k sessionstore.Socket, name, value string, limits sessionstore.SocketLimits,
) error {
	const op = sessionstore.OpSetData
	if err := s.begin(ctx, op); err != nil {
		return fmt.Errorf("set data: socket: %w", err)
	}
	if err := limits.CheckData(map[string]string{name: value}); err != nil {
		return fmt.Errorf("set data: %w", err)
	}
	var cur item
	var err error
	if k.HasData || value == "" {
		cur, err = s.get(ctx, op, dataKey(&k))
	}
	for try := 0; err == nil && try < dataTries; try++ {
		if cur == nil {
			err = s.firstData(ctx, &k, name, value)
		} else {
			err = s.changeData(ctx, &k, cur, name, value, limits)
		}
		r := refused(err)
		if r == nil {
			break
		}
		cur, err = r.found, nil
		if try == dataTries-1 {
			err = fmt.Errorf("%w: %d changes at once", sessionstore.ErrThrottled, dataTries)
		}
	}
	if err != nil {
		return fmt.Errorf("set data: socket: %w", err)
	}
	return nil
}

// firstData says in the socket's row that there is data, which shows that the row is there, and puts the data.
func (s *Store) firstData(ctx context.Context, k *sessionstore.Socket, name, value string) error {
	const op = sessionstore.OpSetData
	c := change{
		key: socketKey(k.Session, k.Namespace), condition: isSocket, values: item{":id": str(k.ID), ":yes": yes()},
		update: "SET #" + attrHasData + " = :yes",
	}
	if _, err := s.update(ctx, op, c); refused(err) != nil {
		return sessionstore.ErrNotFound
	} else if err != nil {
		return err
	}
	if value == "" {
		return nil
	}
	err := s.put(ctx, op, s.dataItem(k, map[string]string{name: value}, 1), absent)
	if refused(err) != nil {
		return err
	}
	return partly(err)
}

// changeData writes one key of the data as read. A refusal has the data as they are.
func (s *Store) changeData(
	ctx context.Context, k *sessionstore.Socket, cur item, name, value string, limits sessionstore.SocketLimits,
) error {
	data := dataOf(cur)
	if data[name] == value {
		if _, there := data[name]; there == (value != "") {
			return nil
		}
	}
	const path = "#" + attrData + ".#key"
	c := change{
		key: dataKey(k), names: map[string]string{"#key": "." + name},
		condition: "#" + attrVersion + " = :was",
		values:    item{":was": num(int(number(cur, attrVersion))), ":next": num(int(number(cur, attrVersion)) + 1)},
		update:    "SET #" + attrVersion + " = :next",
	}
	if value == "" {
		c.update += " REMOVE " + path
	} else {
		after := maps.Clone(data)
		if after == nil {
			after = make(map[string]string, 1)
		}
		after[name] = value
		if err := limits.CheckData(after); err != nil {
			return err
		}
		c.update += ", " + path + " = :value"
		c.values[":value"] = str(value)
	}
	_, err := s.update(ctx, sessionstore.OpSetData, c)
	return err
}
