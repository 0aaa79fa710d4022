package emitter

import (
	"context"
	"iter"

	"github.com/nonstick-io/nonstick/internal/socketio"
)

// Count counts the sockets selected. A room is counted by one read of the store, a namespace by one for each of its 16
// shards (more with more than some 8,000 sockets); of a socket's own selections that socket takes one more. Several
// rooms, And and Except are walked. A socket that joins or leaves meanwhile may be counted or not.
func (s Selection) Count(ctx context.Context) (int, error) {
	if err := s.mistake(); err != nil {
		return 0, err
	}
	n, err := s.via.Adapter.Count(ctx, s.sel)
	return n, wrapped("count", err)
}

// Any reports whether any socket is selected. It reads as little as it can: a row of a room, which is the cheapest read
// there is; of a namespace, up to a row of each shard.
func (s Selection) Any(ctx context.Context) (bool, error) {
	if err := s.mistake(); err != nil {
		return false, err
	}
	found, err := s.via.Adapter.Any(ctx, s.sel)
	return found, wrapped("any", err)
}

// IDs walks the ids of the sockets selected, each once, as allSockets of Socket.IO does. It reads what an emit reads,
// and nothing of the sockets themselves; in memory is a page at a time. An error is the last thing that it yields:
// [adapter.ErrParent] from a parent, or of the store.
func (s Selection) IDs(ctx context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		if err := s.mistake(); err != nil {
			yield("", err)
			return
		}
		for id, err := range s.via.Adapter.IDs(ctx, s.sel) {
			if !yield(string(id), wrapped("ids", err)) {
				return
			}
		}
	}
}

// All walks the sockets selected with their rooms and data, each once: two reads of the store each, as
// [Selection.Fetch], but with no limit, and no more than 32 of them in memory. An error is the last thing that it
// yields: [adapter.ErrParent] from a parent, that the walk broke off, or of the first few sockets that could not be
// read; those that could come before it. A socket that joins or leaves meanwhile may be missed.
func (s Selection) All(ctx context.Context) iter.Seq2[*RemoteSocket, error] {
	return func(yield func(*RemoteSocket, error) bool) {
		if err := s.mistake(); err != nil {
			yield(nil, err)
			return
		}
		for found, err := range s.via.Adapter.All(ctx, s.sel) {
			if err != nil {
				yield(nil, wrapped("all", err))
				return
			}
			k := RemoteSocket{via: s.via, nsp: s.sel.Namespace, member: found.Member, found: &found}
			if !yield(&k, nil) {
				return
			}
		}
	}
}

// main is all sockets of the main namespace.
func (e *Emitter) main() Selection { return e.Of(socketio.MainNamespace).Selection }

// Count counts the sockets of the main namespace, see [Selection.Count].
func (e *Emitter) Count(ctx context.Context) (int, error) { return e.main().Count(ctx) }

// Any reports whether the main namespace has a socket, see [Selection.Any].
func (e *Emitter) Any(ctx context.Context) (bool, error) { return e.main().Any(ctx) }

// IDs walks the ids of all sockets of the main namespace, see [Selection.IDs].
func (e *Emitter) IDs(ctx context.Context) iter.Seq2[string, error] { return e.main().IDs(ctx) }

// All walks all sockets of the main namespace, see [Selection.All].
func (e *Emitter) All(ctx context.Context) iter.Seq2[*RemoteSocket, error] { return e.main().All(ctx) }

// ClientsCount counts the sessions of the server, see [adapter.Adapter.ClientsCount].
func (e *Emitter) ClientsCount(ctx context.Context) (int, error) {
	return e.via.Adapter.ClientsCount(ctx)
}
