package adapter

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"

	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/internal/again"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// dataTries bounds how often a change of a socket's data is tried while others change the same key.
const dataTries = 32

// UpdateData changes one key of a socket's data by a function, which gets the JSON that is there, or nil if none is,
// and returns the next, or nil to remove it. While others change the same key the function is called again, with what
// they have set. The data may be those that were read before; nil means that they are to be read. It returns the data
// as they are then (1 read, none if data is given, and 1 write).
//
// Errors: that of the function, [delivery.ErrClosed] if the socket has left, sessionstore.ErrTooLarge above the limits,
// sessionstore.ErrConflict if others were always faster.
func (a *Adapter) UpdateData(
	ctx context.Context, k sessionstore.Socket, data map[string]string, key string,
	update func(old json.RawMessage) (json.RawMessage, error),
) (map[string]string, error) {
	if data == nil {
		var err error
		if data, err = a.store.Data(ctx, k); err != nil {
			return nil, fmt.Errorf("adapter: update data %q: %w", key, err)
		}
	}
	var err error
	for tries := again.Times(dataTries); tries.Next(ctx); {
		var next json.RawMessage
		if next, err = update(JSONOf(data, key)); err != nil {
			return data, err
		}
		value := string(next)
		err = a.store.SwapData(ctx, k, key, data[key], value, a.delivery.Limits().Socket)
		if errors.Is(err, sessionstore.ErrNotFound) {
			return data, delivery.ErrClosed
		}
		current, changed := sessionstore.CurrentData(err)
		if changed {
			data = current
			continue
		}
		if err != nil {
			break
		}
		return WithKey(data, key, value), nil
	}
	return data, fmt.Errorf("adapter: update data %q: %w", key, err)
}

// WithKey is data with one key set, or removed if the value is empty. What was read is shared, so it is a copy.
func WithKey(data map[string]string, key, value string) map[string]string {
	data = maps.Clone(data)
	if data == nil {
		data = make(map[string]string, 1)
	}
	if data[key] = value; value == "" {
		delete(data, key)
	}
	return data
}

// JSONOf returns the JSON under a key of a socket's data; nil if there is none.
func JSONOf(data map[string]string, key string) json.RawMessage {
	if data[key] == "" {
		return nil
	}
	return json.RawMessage(data[key])
}
