package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/nonstick-io/nonstick/sessionstore"
)

// fetchAtOnce is how many sockets are read at a time.
const fetchAtOnce = 16

// FetchSockets reads the sockets selected, with their rooms and data: one read of the store each, at most limit of
// them. Who joins or leaves meanwhile may be missed.
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
		group.Go(func() error { return r.read(ctx) })
	}
	if err := errors.Join(group.Wait(), readErr); err != nil {
		return nil, fmt.Errorf("gateway: fetch sockets: %w", err)
	}
	there := found[:0]
	for _, r := range found {
		if r.row.ID == r.member.Socket {
			there = append(there, r)
		}
	}
	return there, nil
}

// read fills in the socket's row; it stays empty if the socket has left.
func (r *RemoteSocket) read(ctx context.Context) error {
	s, err := r.nsp.server.store.Get(ctx, r.member.Session, time.Now())
	if errors.Is(err, sessionstore.ErrNotFound) {
		return nil
	}
	if err == nil && s.State == sessionstore.Open {
		r.row, _ = s.Socket(r.nsp.name)
	}
	return err
}

// Holder is what has data of a socket: a [*Socket], or a [*RemoteSocket] that was fetched.
type Holder interface{ data() map[string]string }

func (s *Socket) data() map[string]string       { return s.row.Data }
func (r *RemoteSocket) data() map[string]string { return r.row.Data }

// Data returns what is kept for a socket under a key; false if nothing is. The error is of encoding/json.
func Data[T any](h Holder, key string) (v T, ok bool, err error) {
	raw, ok := h.data()[key]
	if !ok {
		return v, false, nil
	}
	if err := json.Unmarshal([]byte(raw), &v); err != nil {
		return v, true, fmt.Errorf("gateway: data %q: %w", key, err)
	}
	return v, true, nil
}
