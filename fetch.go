package nonstick

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/nonstick-io/nonstick/sessionstore"
)

// fetchAtOnce is how many sockets are read at a time.
const fetchAtOnce = 16

// FetchSockets reads the sockets selected, with their data: one read of the store each, at most limit of them. Who
// joins or leaves meanwhile may be missed.
func (b Broadcast) FetchSockets(ctx context.Context, limit int) ([]*RemoteSocket, error) {
	if b.err != nil {
		return nil, b.err
	}
	var found []*RemoteSocket
	var group errgroup.Group
	group.SetLimit(fetchAtOnce)
	sel := b.selection()
	var readErr error
	for m, err := range b.nsp.server.adapter.Select(ctx, sel) {
		if err != nil {
			readErr = err
			break
		}
		if len(found) == limit {
			break
		}
		r := &RemoteSocket{nsp: b.nsp, member: m}
		found = append(found, r)
		group.Go(func() error { _, err := r.fetch(ctx); return err })
	}
	if err := errors.Join(group.Wait(), readErr); err != nil {
		return nil, fmt.Errorf("nonstick: fetch sockets: %w", err)
	}
	there := found[:0]
	for _, r := range found {
		if r.read {
			there = append(there, r)
		}
	}
	return there, nil
}

// fetch reads the socket's row and data, once. It reports false if the socket has left.
func (r *RemoteSocket) fetch(ctx context.Context) (bool, error) {
	if r.read {
		return true, nil
	}
	row, data, err := r.nsp.server.store.ReadSocket(ctx, r.nsp.name, r.member)
	if errors.Is(err, sessionstore.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	r.row, r.kept, r.read = row, data, true
	return true, nil
}

// Rooms reads the rooms that the socket is in, sorted, without that of its own id. [ErrDisconnected] if it has left.
func (r *RemoteSocket) Rooms(ctx context.Context) ([]string, error) {
	there, err := r.fetch(ctx)
	if err == nil && !there {
		return nil, ErrDisconnected
	}
	var rooms []sessionstore.Room
	if err == nil {
		rooms, err = r.nsp.server.store.RoomsOf(ctx, r.row)
	}
	if err != nil {
		return nil, fmt.Errorf("nonstick: rooms: %w", err)
	}
	return roomNames(rooms), nil
}

// Holder is what has data of a socket: a [*Socket] or a [*RemoteSocket].
type Holder interface {
	data(ctx context.Context) (map[string]string, error)
}

// data are those of when the socket was read first.
func (r *RemoteSocket) data(ctx context.Context) (map[string]string, error) {
	if _, err := r.fetch(ctx); err != nil {
		return nil, fmt.Errorf("nonstick: data: %w", err)
	}
	return r.kept, nil
}

// Data returns what is kept for a socket under a key; false if nothing is. All keys are read at once, when the first is
// asked for (a socket that was fetched has them already). The error is of encoding/json or of the store.
func Data[T any](ctx context.Context, h Holder, key string) (v T, ok bool, err error) {
	data, err := h.data(ctx)
	if err != nil {
		return v, false, err
	}
	raw, ok := data[key]
	if !ok {
		return v, false, nil
	}
	if err := json.Unmarshal([]byte(raw), &v); err != nil {
		return v, true, fmt.Errorf("nonstick: data %q: %w", key, err)
	}
	return v, true, nil
}
