package adapter

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/nonstick-io/nonstick/sessionstore"
)

// RemoteSocket is a socket as [Emission.Fetch] reads it.
type RemoteSocket struct {
	ID sessionstore.SocketID
	// Rooms are those that it is in, sorted, without that of its own id.
	Rooms []sessionstore.Room
	// Data is the application's data: JSON values by key.
	Data        map[string]json.RawMessage
	ConnectedAt time.Time
}

// ErrPlace tells of a place that is none of [Emission.FetchEach]. Nothing was read.
var ErrPlace = errors.New("adapter: invalid place to go on from")

// fetchAtOnce is how many sockets are read at a time. One may have half a megabyte of names of rooms, so this is what
// bounds the memory.
const fetchAtOnce = 32

// Fetch reads the selected sockets: one read of the store each and one for its rooms, at most limit of them, in the
// order in which they connected. Who joins or leaves meanwhile may be missed.
func (b Emission) Fetch(ctx context.Context, limit int) ([]RemoteSocket, error) {
	var found []RemoteSocket
	_, err := b.FetchEach(ctx, "", limit, func(r RemoteSocket) bool {
		found = append(found, r)
		return true
	})
	slices.SortFunc(found, func(x, y RemoteSocket) int { return x.ConnectedAt.Compare(y.ConnectedAt) })
	return found, err
}

// FetchEach reads the selected sockets as Fetch does, from a place on, and hands them to take one by one, until it
// has taken limit of them or take returns false, which means that it has not taken that one. If there are more, next
// is the place from which another call with the same selection goes on. The place is empty at the beginning, and text
// without spaces that callers only hand back. The order is always the same, so that a socket that is there all the
// time comes once.
//
// Errors: [ErrPlace] and [ErrName]: nothing was read. Others say that not all sockets could be found, or tell of the
// first few that could not be read; next is where to go on all the same.
func (b Emission) FetchEach(
	ctx context.Context, from string, limit int, take func(RemoteSocket) bool,
) (next string, err error) {
	at, err := parsePlace(from, b.e.store.Shards())
	if err = errors.Join(b.err, err); err != nil {
		return "", err
	}
	f := fetching{b: b, at: at, left: limit, take: take}
	var chunk []located
	for m, err := range b.walkFrom(ctx, at) {
		if err != nil {
			f.read(ctx, chunk)
			return f.at.String(), errors.Join(append(f.errs, fmt.Errorf("adapter: find sockets: %w", err))...)
		}
		if len(chunk) == min(fetchAtOnce, f.left) {
			if !f.read(ctx, chunk) || f.left == 0 {
				return f.at.String(), errors.Join(f.errs...)
			}
			chunk = chunk[:0]
		}
		chunk = append(chunk, m)
	}
	if !f.read(ctx, chunk) {
		next = f.at.String()
	}
	return next, errors.Join(f.errs...)
}

// fetching is one call of FetchEach.
type fetching struct {
	b    Emission
	at   location // of the last socket that is done with
	left int      // how many may still be taken
	take func(RemoteSocket) bool
	errs []error
}

// read reads sockets and hands them on. It reports false if one of them was not taken.
func (f *fetching) read(ctx context.Context, chunk []located) bool {
	sockets, errs := make([]RemoteSocket, len(chunk)), make([]error, len(chunk))
	var group errgroup.Group
	for i := range chunk {
		group.Go(func() error {
			sockets[i], errs[i] = f.b.fetch(ctx, chunk[i].Member)
			return nil
		})
	}
	_ = group.Wait() // errs has the errors
	for i, m := range chunk {
		switch err := errs[i]; {
		case err == nil && !f.take(sockets[i]):
			return false
		case err == nil:
			f.left--
		case !errors.Is(err, ErrClosed) && len(f.errs) < maxErrors:
			f.errs = append(f.errs, fmt.Errorf("adapter: socket %s: %w", m.Socket, err))
		}
		f.at = m.location
	}
	return true
}

// location is where a socket is in the walk of [Emission.walkFrom]: the shard of the namespace, and its id.
type location struct {
	shard int
	id    sessionstore.SocketID
}

// located is a member and its location.
type located struct {
	sessionstore.Member
	location
}

// String returns the location as [parsePlace] reads it.
func (l location) String() string { return strconv.Itoa(l.shard) + "." + string(l.id) }

// parsePlace reads where to go on. The error matches [ErrPlace].
func parsePlace(s string, shards int) (location, error) {
	if s == "" {
		return location{}, nil
	}
	shard, id, _ := strings.Cut(s, ".")
	n, err := strconv.Atoi(shard)
	if err != nil || n < 0 || n >= shards || len(id) > socketIDLen {
		return location{}, fmt.Errorf("%w: %.64q", ErrPlace, s)
	}
	return location{n, sessionstore.SocketID(id)}, nil
}

// walkFrom walks the selected behind a location. Everybody in a namespace comes shard by shard, for to merge the
// shards would read all of them for the first few; others come in order of their ids.
func (b Emission) walkFrom(ctx context.Context, at location) iter.Seq2[located, error] {
	a, sel := b.e.adapter, b.sel
	behind := sessionstore.Range{}
	if at.id != "" {
		behind.From = at.id + "\x00"
	}
	return func(yield func(located, error) bool) {
		if len(sel.Rooms) > 0 || len(sel.Except) > 0 {
			all, _ := a.members(ctx, sel, behind)
			for m, err := range all {
				if !yield(located{m, location{0, m.Socket}}, err) {
					return
				}
			}
			return
		}
		for shard := at.shard; shard < a.store.Shards(); shard++ {
			for m, err := range a.store.NamespaceMembers(ctx, sel.Namespace, shard, behind) {
				if !yield(located{m, location{shard, m.Socket}}, err) {
					return
				}
			}
			behind = sessionstore.Range{}
		}
	}
}

// fetch reads one socket with its data and rooms. ErrClosed if it has gone.
func (b Emission) fetch(ctx context.Context, m sessionstore.Member) (RemoteSocket, error) {
	k, data, err := b.e.store.ReadSocket(ctx, b.sel.Namespace, m)
	if errors.Is(err, sessionstore.ErrNotFound) {
		return RemoteSocket{}, ErrClosed
	}
	if err != nil {
		return RemoteSocket{}, err
	}
	r := RemoteSocket{ID: k.ID, ConnectedAt: k.ConnectedAt, Data: make(map[string]json.RawMessage, len(data))}
	if r.Rooms, err = b.e.store.RoomsOf(ctx, k); err != nil {
		return RemoteSocket{}, err
	}
	for name, value := range data {
		r.Data[name] = json.RawMessage(value)
	}
	return r, nil
}
