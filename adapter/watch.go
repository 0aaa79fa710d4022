package adapter

import (
	"context"
	"fmt"

	"github.com/nonstick-io/nonstick/sessionstore"
)

// Move is a socket that has come into a room, or left it.
type Move struct {
	Namespace sessionstore.Namespace
	Socket    sessionstore.SocketID
	Session   sessionstore.SessionID
	Room      sessionstore.Room
	Left      bool
	// Reason is why the socket has disconnected, where it left the room for that.
	Reason string
}

// Interest is what a [Watcher] is told of a namespace. Each costs a read for a join or a leave, see [Watch].
type Interest struct{ Joins, Leaves bool }

// Watcher is told of sockets that come into rooms and leave them. Safe for concurrent use.
type Watcher interface {
	// Interest says what it is to be told of.
	Interest(nsp sessionstore.Namespace) Interest
	// Moved is told of a move that was made just now, by this instance.
	Moved(ctx context.Context, m Move)
}

// Watch returns a store whose Join and Leave tell a watcher. Each asks first whether the socket is in the room (1 read;
// none if its row says that it is in no room), for what changes nothing is not told. A join that may have been applied,
// or not, is told: its error says the rest to the caller.
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
	if !w.watcher.Interest(s.Namespace).Joins {
		return w.Store.Join(ctx, s, room, hint, limits)
	}
	was, err := w.InRoom(ctx, s, room)
	if err != nil {
		return fmt.Errorf("join room: %w", err)
	}
	err = w.Store.Join(ctx, s, room, hint, limits)
	if !was && (err == nil || sessionstore.InDoubt(err)) {
		w.watcher.Moved(ctx, Move{Namespace: s.Namespace, Socket: s.ID, Session: s.Session, Room: room})
	}
	return err
}

// Leave implements [sessionstore.Rooms].
func (w *watched) Leave(ctx context.Context, s sessionstore.Socket, room sessionstore.Room) error {
	if !w.watcher.Interest(s.Namespace).Leaves {
		return w.Store.Leave(ctx, s, room)
	}
	asked := s
	asked.Rooms = max(s.Rooms, 1) // the caller need not have read the row
	was, err := w.InRoom(ctx, asked, room)
	if err != nil {
		return fmt.Errorf("leave room: %w", err)
	}
	err = w.Store.Leave(ctx, s, room)
	if was && (err == nil || sessionstore.InDoubt(err)) {
		w.watcher.Moved(ctx, Move{Namespace: s.Namespace, Socket: s.ID, Session: s.Session, Room: room, Left: true})
	}
	return err
}
