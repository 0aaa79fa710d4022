package nonstick

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/nonstick-io/nonstick/adapter"
	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/adapter/emitter"
)

// Data returns what is kept for a socket under a key; false if nothing is. All keys are read at once, when the first is
// asked for (a socket that was fetched has them already). The error is of encoding/json or of the store.
func Data[T any](ctx context.Context, of Holder, key string) (v T, ok bool, err error) {
	return emitter.Data[T](ctx, of, key)
}

// UpdateData changes what is kept for a socket under a key by a function, which gets the value that is there, or the
// zero value, and returns the next. It is atomic: while other handlers, on any instance, change the same key, the
// function is called again with what they have set. It returns the value that was set. The error is that of the
// function, of encoding/json or of the store.
func UpdateData[T any](ctx context.Context, of Holder, key string, update func(old T, ok bool) (T, error)) (T, error) {
	return emitter.UpdateData(ctx, of, key, update)
}

// Number is what [AddData] adds.
type Number = emitter.Number

// AddData adds to the number that is kept for a socket under a key, 0 if there is none, and returns the sum: a score
// loses no points, whatever other handlers do. See [UpdateData].
func AddData[N Number](ctx context.Context, of Holder, key string, delta N) (N, error) {
	return emitter.AddData(ctx, of, key, delta)
}

// DataJSON returns the JSON that is kept under a key; false if none is. See [Data] for a typed one.
func (s *Socket) DataJSON(ctx context.Context, key string) (json.RawMessage, bool, error) {
	data, err := s.data(ctx)
	if err != nil {
		return nil, false, err
	}
	v, ok := data[key]
	return json.RawMessage(v), ok, nil
}

// SetData keeps a value for the socket under a key, encoded by encoding/json, in the store: handlers of later events
// see it, wherever they run. An empty key is refused; [ErrTooLarge] if all keys and values together are above the
// limit, or a key above sessionstore.MaxDataKey bytes. The error is of encoding/json or of the store.
func (s *Socket) SetData(ctx context.Context, key string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("nonstick: set data %q: %w", key, err)
	}
	return s.setData(ctx, key, string(b))
}

// DeleteData forgets what is kept under a key.
func (s *Socket) DeleteData(ctx context.Context, key string) error { return s.setData(ctx, key, "") }

var errEmptyKey = errors.New("nonstick: set data: empty key")

func (s *Socket) setData(ctx context.Context, key, value string) error {
	if err := s.inHandler(); err != nil {
		return err
	}
	if key == "" {
		return errEmptyKey
	}
	var err error
	switch s.phase {
	case disconnected:
		return ErrDisconnected
	case connected:
		err = s.nsp.server.store.SetData(ctx, s.row, key, value, s.nsp.server.limits.Socket)
		if err == nil && !s.row.HasData {
			s.row.HasData, s.changed = true, true
		}
	case connecting:
		err = s.setOwn(key, value)
	}
	if err != nil {
		s.forget()
		return fmt.Errorf("nonstick: set data %q: %w", key, withLimit(err))
	}
	if s.read && s.entry == nil {
		s.kept = adapter.WithKey(s.kept, key, value)
	}
	return nil
}

// UpdateJSON changes what is kept under a key by a function, see [UpdateData]. [ErrDisconnected] if the socket has
// left.
func (s *Socket) UpdateJSON(
	ctx context.Context, key string, update func(old json.RawMessage) (json.RawMessage, error),
) error {
	if err := s.inHandler(); err != nil {
		return err
	}
	if key == "" {
		return errEmptyKey
	}
	var err error
	switch s.phase {
	case disconnected:
		return ErrDisconnected
	case connected:
		err = s.update(ctx, key, update)
	case connecting:
		var next json.RawMessage
		if next, err = update(adapter.JSONOf(s.entry.Data, key)); err == nil {
			err = s.setOwn(key, string(next))
		}
	}
	return withLimit(err)
}

// update changes data in the store.
func (s *Socket) update(
	ctx context.Context, key string, change func(old json.RawMessage) (json.RawMessage, error),
) error {
	var known map[string]string
	if s.read {
		known = s.kept
	}
	now, err := s.nsp.server.via.Adapter.UpdateData(ctx, s.row, known, key, change)
	if errors.Is(err, delivery.ErrClosed) {
		return ErrDisconnected
	}
	if err != nil {
		s.forget()
		return err
	}
	s.kept, s.read = now, true
	if !s.row.HasData {
		s.row.HasData, s.changed = true, true
	}
	return nil
}

// forget has the data read again: after an error they may have been changed all the same.
func (s *Socket) forget() { s.kept, s.read = nil, false }

// setOwn changes the data that will be stored with the socket.
func (s *Socket) setOwn(key, value string) error {
	data := adapter.WithKey(s.entry.Data, key, value)
	if err := s.nsp.server.limits.Socket.CheckData(data); err != nil {
		return err
	}
	s.entry.Data = data
	return nil
}

// data reads what is kept for the socket, once for each handler.
func (s *Socket) data(ctx context.Context) (map[string]string, error) {
	if s.entry != nil {
		return s.entry.Data, nil
	}
	if !s.read {
		kept, err := s.nsp.server.store.Data(ctx, s.row)
		if err != nil {
			return nil, fmt.Errorf("nonstick: data: %w", err)
		}
		s.kept, s.read = kept, true
	}
	return s.kept, nil
}
