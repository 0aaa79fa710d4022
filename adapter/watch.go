package adapter

import (
	"context"
	"errors"
	"fmt"

	"github.com/nonstick-io/nonstick/sessionstore"
)

// Move is a socket that has come into a room, or left it.
type Move struct {
	// Socket is the row as far as the caller that made the move knew it: Session, Namespace and ID.
	Socket sessionstore.Socket
	Room   sessionstore.Room
	Left   bool
	// Reason is why the socket has disconnected, where it left the room for that.
	Reason string
	// Edge says that the room was empty before the socket came, or is after it left. Of several moves at once each may
	// be one. It is not looked for unless [Interest] says so.
	Edge bool
}

// Interest is what a [Watcher] wants to know of the moves of a socket. Nothing costs nothing.
type Interest struct {
	// Joins and Leaves: moves that change something (1 read before each; none if the socket is in no room).
	Joins, Leaves bool
	// Creates: also whether a room was empty before a join (1 read, and another behind the join if there was one other
	// socket in it). Deletes: whether it is after a leave (1 read).
	Creates, Deletes bool
}

// in reports whether joins are of interest at all, out whether leaves are.
func (i Interest) in() bool  { return i.Joins || i.Creates }
func (i Interest) out() bool { return i.Leaves || i.Deletes }

// Watcher is told of sockets that come into rooms and leave them. Safe for concurrent use.
type Watcher interface {
	// Interest says what it is to be told of.
	Interest(s sessionstore.Socket) Interest
	// Moved is told of a move that was made just now, by this instance. The error is not nil if it could not be read
	// whether the move is an edge.
	Moved(ctx context.Context, m Move, err error)
}

// Watch returns a store whose Join and Leave tell a watcher. What changes nothing is not told; a move that may have
// been made, or not, is, and its error says the rest to the caller.
func Watch(s sessionstore.Store, w Watcher) sessionstore.Store { return &watched{s, w} }

type watched struct {
	sessionstore.Store
	watcher Watcher
}

// Join implements [sessionstore.Rooms].
func (w *watched) Join(
	ctx context.Context, s sessionstore.Socket, room sessionstore.Room, hint sessionstore.Connection,
	limits sessionstore.SocketLimits,
) error {
	return w.join(ctx, s, room, func() error { return w.Store.Join(ctx, s, room, hint, limits) })
}

// JoinLater implements [sessionstore.Histories].
func (w *watched) JoinLater(
	ctx context.Context, s sessionstore.Socket, room sessionstore.Room, joining sessionstore.Lease,
	limits sessionstore.SocketLimits,
) error {
	return w.join(ctx, s, room, func() error { return w.Store.JoinLater(ctx, s, room, joining, limits) })
}

func (w *watched) join(
	ctx context.Context, s sessionstore.Socket, room sessionstore.Room, join func() error,
) error {
	in := w.watcher.Interest(s)
	if !in.in() {
		return join()
	}
	e, err := Before(ctx, w.Store, in, s.Namespace, room)
	was := false
	if err == nil && !e.empty {
		was, err = w.InRoom(ctx, s, room)
	}
	if err != nil {
		return fmt.Errorf("join room: %w", err)
	}
	err = join()
	if !was && made(err) {
		edge, doubt := e.After(ctx)
		w.watcher.Moved(ctx, Move{Socket: s, Room: room, Edge: edge}, doubt)
	}
	return err
}

// Leave implements [sessionstore.Rooms].
func (w *watched) Leave(ctx context.Context, s sessionstore.Socket, room sessionstore.Room) error {
	in := w.watcher.Interest(s)
	if !in.out() {
		return w.Store.Leave(ctx, s, room)
	}
	asked := s
	asked.Rooms = max(s.Rooms, 1) // the caller need not have read the row
	was, err := w.InRoom(ctx, asked, room)
	if err != nil {
		return fmt.Errorf("leave room: %w", err)
	}
	err = w.Store.Leave(ctx, s, room)
	if was && made(err) {
		edge, doubt := Emptied(ctx, w.Store, in, s.Namespace, room)
		w.watcher.Moved(ctx, Move{Socket: s, Room: room, Left: true, Edge: edge}, doubt)
	}
	return err
}

// made reports whether a move was made, or may have been.
func made(err error) bool { return err == nil || sessionstore.InDoubt(err) }

// errEdge says that it is not known whether a room was empty.
var errEdge = errors.New("adapter: whether the room was empty is not known")

// Entrance is a room as it was before a socket came into it.
type Entrance struct {
	store sessionstore.Rooms
	nsp   sessionstore.Namespace
	room  sessionstore.Room
	// empty, or with one socket: which may leave before the other comes
	empty, single bool
}

// Before looks at a room that a socket is about to come into, if it is of interest whether that creates it.
func Before(
	ctx context.Context, store sessionstore.Rooms, in Interest, nsp sessionstore.Namespace, room sessionstore.Room,
) (Entrance, error) {
	e := Entrance{store: store, nsp: nsp, room: room}
	if !in.Creates {
		return e, nil
	}
	n, err := store.CountMembers(ctx, nsp, room, 2)
	e.empty, e.single = err == nil && n == 0, n == 1
	return e, err
}

// After reports whether the socket that has come in since created the room. It was empty before that, or the only
// socket in it has left since. So of several that come into an empty room at once each creates it, and the first does
// in any case, but for this: one socket leaves and two others come, all within a few milliseconds.
func (e *Entrance) After(ctx context.Context) (bool, error) {
	if !e.single {
		return e.empty, nil
	}
	n, err := e.store.CountMembers(ctx, e.nsp, e.room, 2)
	if err != nil {
		return false, fmt.Errorf("%w: %w", errEdge, err)
	}
	return n == 1, nil
}

// Emptied reports whether a room is empty that a socket has left, if that is of interest. Of several that leave it at
// once the last finds it empty, and others may.
func Emptied(
	ctx context.Context, store sessionstore.Rooms, in Interest, nsp sessionstore.Namespace, room sessionstore.Room,
) (bool, error) {
	if !in.Deletes {
		return false, nil
	}
	n, err := store.CountMembers(ctx, nsp, room, 1)
	if err != nil {
		return false, fmt.Errorf("%w: %w", errEdge, err)
	}
	return n == 0, nil
}
