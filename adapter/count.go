package adapter

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"

	"golang.org/x/sync/errgroup"

	"github.com/nonstick-io/nonstick/sessionstore"
)

// Count counts the selected sockets. A room is counted by one read of the store, a namespace by one for each of its
// shards, and one more for each further 1 MB of rows, which is some 8,000 members; that a socket is skipped takes one
// more. Any other selection is walked. Sockets that join or leave meanwhile may be counted or not. Of a parent it is
// the sum of its children.
func (a *Adapter) Count(ctx context.Context, sel Selection) (int, error) {
	if sel.Parent != "" {
		sum, err := a.inChildren(ctx, sel, func(ctx context.Context, child Selection) (Result, error) {
			n, err := a.Count(ctx, child)
			return Result{Delivered: n}, err
		})
		return sum.Delivered, err
	}
	n, err := a.count(ctx, sel)
	if err != nil {
		return 0, fmt.Errorf("adapter: count sockets: %w", err)
	}
	return n, nil
}

func (a *Adapter) count(ctx context.Context, sel Selection) (int, error) {
	room, single := sel.single()
	if !single {
		return length(a.Select(ctx, sel))
	}
	n, err := a.countIn(ctx, sel.Namespace, room)
	for _, id := range sel.Skip {
		if err != nil {
			return 0, err
		}
		var in bool
		if in, err = a.has(ctx, sel.Namespace, room, id); in {
			n--
		}
	}
	return max(n, 0), err // one that is skipped may have joined since the others were counted
}

// single reports whether the selection is of one room, or of a namespace, when the room is empty; but for the sockets
// that are skipped.
func (s Selection) single() (sessionstore.Room, bool) {
	switch {
	case len(s.Except) > 0 || len(s.Rooms)+len(s.And) > 1:
		return "", false
	case len(s.Rooms) == 1:
		return s.Rooms[0], true
	case len(s.And) == 1:
		return s.And[0], true
	default:
		return "", true
	}
}

// countIn counts the sockets of a room, or of the namespace.
func (a *Adapter) countIn(ctx context.Context, nsp sessionstore.Namespace, room sessionstore.Room) (int, error) {
	if room == "" {
		return a.countShards(ctx, nsp)
	}
	n, err := a.store.CountMembers(ctx, nsp, room, 0)
	if err != nil || !isID(nsp, room) {
		return n, err
	}
	id := sessionstore.SocketID(room)
	own, err := a.has(ctx, nsp, "", id)
	if err != nil || !own {
		return n, err
	}
	members, err := length(a.store.Members(ctx, nsp, room, only(id)))
	return n + 1 - members, err
}

func (a *Adapter) countShards(ctx context.Context, nsp sessionstore.Namespace) (int, error) {
	return a.sumShards(ctx, func(ctx context.Context, shard int) (int, error) {
		return a.store.CountNamespaceMembers(ctx, nsp, shard, 0)
	})
}

// sumShards adds up what is counted in each shard.
func (a *Adapter) sumShards(ctx context.Context, count func(ctx context.Context, shard int) (int, error)) (int, error) {
	counts := make([]int, a.store.Shards())
	group, ctx := errgroup.WithContext(ctx)
	for shard := range counts {
		group.Go(func() (err error) {
			counts[shard], err = count(ctx, shard)
			return err
		})
	}
	err := group.Wait()
	sum := 0
	for _, n := range counts {
		sum += n
	}
	return sum, err
}

// ClientsCount counts the sessions of the server: its clients, whatever they have joined. It takes a read for each
// shard of the registry, and one more for each further 1 MB of rows there, which is some 5,000 sessions. One that has
// just begun or ended may be counted or not.
func (a *Adapter) ClientsCount(ctx context.Context) (int, error) {
	n, err := a.sumShards(ctx, a.store.CountRegistrations)
	if err != nil {
		return 0, fmt.Errorf("adapter: count clients: %w", err)
	}
	return n, nil
}

// has reports whether a socket is in a room, or in the namespace.
func (a *Adapter) has(
	ctx context.Context, nsp sessionstore.Namespace, room sessionstore.Room, id sessionstore.SocketID,
) (bool, error) {
	if room != "" {
		n, err := length(merge(a.inRoom(ctx, nsp, room, only(id))))
		return n > 0, err
	}
	_, err := a.store.Member(ctx, nsp, id)
	if errors.Is(err, sessionstore.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// only is the range of one socket.
func only(id sessionstore.SocketID) sessionstore.Range {
	return sessionstore.Range{From: id, To: id + "\x00"}
}

func length(all members) (n int, err error) {
	for _, err := range all {
		if err != nil {
			return 0, err
		}
		n++
	}
	return n, nil
}

// Any reports whether a socket is selected. It reads as little as it can: of a room, or of several, one row each until
// there is one; of a namespace one row of a shard after the other. Any other selection is walked up to its first
// socket. The children of a parent are asked one after the other.
func (a *Adapter) Any(ctx context.Context, sel Selection) (bool, error) {
	found, err := a.any(ctx, sel)
	if err != nil {
		return false, fmt.Errorf("adapter: find a socket: %w", err)
	}
	return found, nil
}

func (a *Adapter) any(ctx context.Context, sel Selection) (bool, error) {
	switch {
	case sel.Parent != "":
		return a.anyInChildren(ctx, sel)
	case len(sel.Except) == 0 && len(sel.And) == 0 && len(sel.Rooms) > 1:
		return a.anyRoom(ctx, sel)
	}
	if room, single := sel.single(); single {
		return a.anyIn(ctx, sel, room)
	}
	return first(a.Select(ctx, sel))
}

func (a *Adapter) anyRoom(ctx context.Context, sel Selection) (bool, error) {
	for _, r := range sel.Rooms {
		if found, err := a.anyIn(ctx, sel, r); found || err != nil {
			return found, err
		}
	}
	return false, nil
}

func (a *Adapter) anyInChildren(ctx context.Context, sel Selection) (bool, error) {
	for c, err := range a.store.Children(ctx, sel.Parent) {
		if err != nil {
			return false, err
		}
		in := sel
		in.Parent, in.Namespace = "", c.Name
		if found, err := a.any(ctx, in); found || err != nil {
			return found, err
		}
	}
	return false, nil
}

// anyIn reports whether there is a socket in a room, or in the namespace, besides those that are skipped. One row more
// than these have tells; if there are not so many, they are walked.
func (a *Adapter) anyIn(ctx context.Context, sel Selection, room sessionstore.Room) (bool, error) {
	enough := len(sel.Skip) + 1
	sel = Selection{Namespace: sel.Namespace, Skip: sel.Skip}
	if room != "" {
		sel.Rooms = []sessionstore.Room{room}
		n, err := a.store.CountMembers(ctx, sel.Namespace, room, enough)
		if err != nil || n == enough || n == 0 && !isID(sel.Namespace, room) {
			return n == enough, err
		}
		return first(a.Select(ctx, sel))
	}
	for shard := range a.store.Shards() {
		n, err := a.store.CountNamespaceMembers(ctx, sel.Namespace, shard, enough)
		if err != nil || n == enough {
			return err == nil, err
		}
		if n == 0 {
			continue
		}
		shard := a.store.NamespaceMembers(ctx, sel.Namespace, shard, sessionstore.Range{})
		if found, err := first(except(shard, sel.skipped())); found || err != nil {
			return found, err
		}
	}
	return false, nil
}

// first reports whether a walk has anything.
func first(all members) (bool, error) {
	for _, err := range all {
		return err == nil, err
	}
	return false, nil
}

// IDs walks the ids of the selected sockets, each once, page by page. It reads what a broadcast reads, and nothing of
// the sockets themselves. An error is the last that it yields: [ErrParent], or of the store.
func (a *Adapter) IDs(ctx context.Context, sel Selection) iter.Seq2[sessionstore.SocketID, error] {
	return func(yield func(sessionstore.SocketID, error) bool) {
		if sel.Parent != "" {
			yield("", ErrParent)
			return
		}
		for m, err := range a.Select(ctx, sel) {
			if err != nil {
				yield("", fmt.Errorf("adapter: find sockets: %w", err))
				return
			}
			if !yield(m.Socket, nil) {
				return
			}
		}
	}
}

// All walks the selected sockets, reading each as [Adapter.Fetch] does, and keeps no more than 32 of them in memory. A
// socket that cannot be read does not stop it. An error is the last that it yields: see [Adapter.FetchEach].
func (a *Adapter) All(ctx context.Context, sel Selection) iter.Seq2[Found, error] {
	return func(yield func(Found, error) bool) {
		left := false
		_, err := a.FetchEach(ctx, sel, "", math.MaxInt, func(f Found) bool {
			left = left || !yield(f, nil)
			return !left
		})
		if err != nil && !left {
			yield(Found{}, err)
		}
	}
}
