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

	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// Found is a socket as [Adapter.Fetch] reads it.
type Found struct {
	// Member names the socket and its session.
	sessionstore.Member
	// Rooms are those that it is in, sorted, without that of its own id.
	Rooms []sessionstore.Room
	// Data is the application's data: JSON values by key.
	Data        map[string]json.RawMessage
	ConnectedAt time.Time
}

// ErrPlace tells of a place that is none of [Adapter.FetchEach]. Nothing was read.
var ErrPlace = errors.New("adapter: invalid place to go on from")

// fetchAtOnce is how many sockets are read at a time. One may have half a megabyte of names of rooms, so this is what
// bounds the memory.
const fetchAtOnce = 32

// Fetch reads the selected sockets: one read of the store each and one for its rooms, at most limit of them, in the
// order in which they connected. Sockets that join or leave meanwhile may be missed.
func (a *Adapter) Fetch(ctx context.Context, sel Selection, limit int) ([]Found, error) {
	var found []Found
	_, err := a.FetchEach(ctx, sel, "", limit, func(r Found) bool {
		found = append(found, r)
		return true
	})
	slices.SortFunc(found, func(x, y Found) int { return x.ConnectedAt.Compare(y.ConnectedAt) })
	return found, err
}

// FetchEach reads the selected sockets as Fetch does, from a place on, and hands them to take one by one, until it
// has taken limit of them or take returns false, which means that it has not taken that one. If there are more, next
// is the place from which another call with the same selection goes on. The place is empty at the beginning, and text
// without spaces that callers only hand back. The order is always the same, so that a socket that is there all the
// time comes once.
//
// Errors: [ErrPlace], [ErrName] and [ErrParent]: nothing was read. Others say that not all sockets could be found, or
// tell of the first few that could not be read; next is where to go on all the same.
func (a *Adapter) FetchEach(
	ctx context.Context, sel Selection, from string, limit int, take func(Found) bool,
) (next string, err error) {
	if sel.Parent != "" {
		return "", ErrParent
	}
	at, err := parsePlace(from, sel.Namespace, a.store.Shards())
	if err != nil {
		return "", err
	}
	f := fetching{a: a, nsp: sel.Namespace, at: at, left: limit, take: take}
	var chunk []located
	for m, err := range a.walkFrom(ctx, sel, at) {
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
	a    *Adapter
	nsp  sessionstore.Namespace
	at   location // of the last socket that is done with
	left int      // how many may still be taken
	take func(Found) bool
	errs []error
}

// read reads sockets and hands them on. It reports false if one of them was not taken.
func (f *fetching) read(ctx context.Context, chunk []located) bool {
	sockets, errs := make([]Found, len(chunk)), make([]error, len(chunk))
	var group errgroup.Group
	for i := range chunk {
		group.Go(func() error {
			sockets[i], errs[i] = f.a.fetch(ctx, f.nsp, chunk[i].Member)
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
		case !errors.Is(err, delivery.ErrClosed) && len(f.errs) < maxErrors:
			f.errs = append(f.errs, fmt.Errorf("adapter: socket %s: %w", m.Socket, err))
		}
		f.at = m.location
	}
	return true
}

// location is where a socket is in the walk of [Adapter.walkFrom]: the shard of the namespace, and its id.
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
func parsePlace(s string, nsp sessionstore.Namespace, shards int) (location, error) {
	if s == "" {
		return location{}, nil
	}
	shard, id, _ := strings.Cut(s, ".")
	n, err := strconv.Atoi(shard)
	if err != nil || n < 0 || n >= shards || len(id) > socketIDLen && !isID(nsp, sessionstore.Room(id)) {
		return location{}, fmt.Errorf("%w: %.64q", ErrPlace, s)
	}
	return location{n, sessionstore.SocketID(id)}, nil
}

// walkFrom walks the selected behind a location. All sockets of a namespace come shard by shard, for to merge the
// shards would read all of them for the first few; others come in order of their ids.
func (a *Adapter) walkFrom(ctx context.Context, sel Selection, at location) iter.Seq2[located, error] {
	behind := sessionstore.Range{}
	if at.id != "" {
		behind.From = at.id + "\x00"
	}
	return func(yield func(located, error) bool) {
		if len(sel.Rooms)+len(sel.And)+len(sel.Except) > 0 {
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
				if err == nil && slices.Contains(sel.Skip, m.Socket) {
					continue
				}
				if !yield(located{m, location{shard, m.Socket}}, err) {
					return
				}
			}
			behind = sessionstore.Range{}
		}
	}
}

// FetchMember reads one socket with its data and rooms. [delivery.ErrClosed] if it has gone.
func (a *Adapter) FetchMember(
	ctx context.Context, nsp sessionstore.Namespace, m sessionstore.Member,
) (Found, error) {
	return a.fetch(ctx, nsp, m)
}

// fetch reads one socket with its data and rooms. delivery.ErrClosed if it has gone.
func (a *Adapter) fetch(
	ctx context.Context, nsp sessionstore.Namespace, m sessionstore.Member,
) (Found, error) {
	k, data, err := a.store.ReadSocket(ctx, nsp, m)
	if errors.Is(err, sessionstore.ErrNotFound) {
		return Found{}, delivery.ErrClosed
	}
	if err != nil {
		return Found{}, err
	}
	r := Found{Member: m, ConnectedAt: k.ConnectedAt, Data: make(map[string]json.RawMessage, len(data))}
	if r.Rooms, err = a.store.RoomsOf(ctx, k); err != nil {
		return Found{}, err
	}
	for name, value := range data {
		r.Data[name] = json.RawMessage(value)
	}
	return r, nil
}
