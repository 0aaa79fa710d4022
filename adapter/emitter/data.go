package emitter

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// Holder is what has data of a socket: a socket whose event is handled, or a [*RemoteSocket].
type Holder interface {
	// DataJSON returns the JSON that is kept under a key; false if none is.
	DataJSON(ctx context.Context, key string) (json.RawMessage, bool, error)
	// UpdateJSON changes what is kept under a key by a function, which gets nil if there is none, and returns nil to
	// remove it. It is compare and set: while others change the same key, the function is called again with what they
	// have set.
	UpdateJSON(ctx context.Context, key string, update func(old json.RawMessage) (json.RawMessage, error)) error
}

var _ Holder = (*RemoteSocket)(nil)

// Data returns what is kept for a socket under a key; false if nothing is. All keys are read at once, when the first is
// asked for (a socket that was fetched has them already). The error is of encoding/json or of the store.
func Data[T any](ctx context.Context, of Holder, key string) (v T, ok bool, err error) {
	raw, ok, err := of.DataJSON(ctx, key)
	if err != nil || !ok {
		return v, false, err
	}
	if err := json.Unmarshal(raw, &v); err != nil {
		return v, true, fmt.Errorf("nonstick: data %q: %w", key, err)
	}
	return v, true, nil
}

// UpdateData changes what is kept for a socket under a key by a function, which gets the value that is there, or the
// zero value, and returns the next. It is atomic: while other handlers, on any instance, change the same key, the
// function is called again with what they have set. It returns the value that was set. The error is that of the
// function, of encoding/json or of the store.
func UpdateData[T any](
	ctx context.Context, of Holder, key string, update func(old T, ok bool) (T, error),
) (v T, err error) {
	err = of.UpdateJSON(ctx, key, func(raw json.RawMessage) (json.RawMessage, error) {
		var old T
		if raw != nil {
			if err := json.Unmarshal(raw, &old); err != nil {
				return nil, fmt.Errorf("nonstick: data %q: %w", key, err)
			}
		}
		var err error
		if v, err = update(old, raw != nil); err != nil {
			return nil, err
		}
		return json.Marshal(v)
	})
	return v, err
}

// Number is what [AddData] adds.
type Number interface {
	~int | ~int32 | ~int64 | ~uint | ~uint32 | ~uint64 | ~float32 | ~float64
}

// AddData adds to the number that is kept for a socket under a key, 0 if there is none, and returns the sum. It is
// atomic, see [UpdateData].
func AddData[N Number](ctx context.Context, of Holder, key string, delta N) (N, error) {
	return UpdateData(ctx, of, key, func(old N, _ bool) (N, error) { return old + delta, nil })
}

// DataJSON returns the JSON that is kept for the socket under a key; false if none is. See [Data] for a typed one.
func (r *RemoteSocket) DataJSON(ctx context.Context, key string) (json.RawMessage, bool, error) {
	found, err := r.read(ctx)
	if err != nil {
		return nil, false, err
	}
	v, ok := found.Data[key]
	return v, ok, nil
}

// errEmptyKey refuses data without a key.
var errEmptyKey = errors.New("nonstick: data: empty key")

// SetData keeps a value for the socket under a key, encoded by encoding/json, whatever was there: its next handlers
// see it. [ErrDisconnected] if the socket has left; sessionstore.ErrTooLarge if all its keys and values together
// would be above the limit.
func (r *RemoteSocket) SetData(ctx context.Context, key string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("nonstick: set data %q: %w", key, err)
	}
	if key == "" {
		return errEmptyKey
	}
	k := sessionstore.Socket{ID: r.member.Socket, Session: r.member.Session, Namespace: r.nsp, HasData: true}
	err = r.via.Store.SetData(ctx, k, key, string(b), r.via.Adapter.Delivery().Limits().Socket)
	if errors.Is(err, sessionstore.ErrNotFound) {
		return ErrDisconnected
	}
	r.found = nil
	return wrapped("set data", err)
}

// UpdateJSON changes what is kept for the socket under a key by a function, see [UpdateData].
func (r *RemoteSocket) UpdateJSON(
	ctx context.Context, key string, update func(old json.RawMessage) (json.RawMessage, error),
) error {
	if key == "" {
		return errEmptyKey
	}
	k := sessionstore.Socket{ID: r.member.Socket, Session: r.member.Session, Namespace: r.nsp, HasData: true}
	_, err := r.via.Adapter.UpdateData(ctx, k, nil, key, update)
	r.found = nil
	if errors.Is(err, delivery.ErrClosed) {
		return ErrDisconnected
	}
	return err
}
