package nonstick

import (
	"context"
	"fmt"

	"github.com/nonstick-io/nonstick/adapter"
	"github.com/nonstick-io/nonstick/gateway/eventsout"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// watcher is the server as the joins and leaves of sockets see it.
type watcher struct{ *Server }

var _ adapter.Watcher = watcher{}

// Interest implements [adapter.Watcher].
func (s watcher) Interest(nsp sessionstore.Namespace) adapter.Interest { return s.events.Interest(nsp) }

// Moved implements [adapter.Watcher].
func (s watcher) Moved(ctx context.Context, m adapter.Move) { s.events.Moved(ctx, m) }

// tellConnect tells of a socket that has been stored, and of the rooms that its connect handler put it into.
func (s *Server) tellConnect(ctx context.Context, socket *Socket) {
	if s.events == nil {
		return
	}
	row := socket.row
	s.events.Tell(ctx, eventsout.Event{
		ID: string(row.ID) + "-connect", Type: eventsout.Connect, Namespace: row.Namespace, Socket: row.ID,
		Session: row.Session,
	})
	for _, room := range socket.entry.Rooms {
		s.events.Moved(ctx, adapter.Move{Namespace: row.Namespace, Socket: row.ID, Session: row.Session, Room: room})
	}
}

// tellEvent tells of an event of a client that was not refused.
func (s *Server) tellEvent(ctx context.Context, row sessionstore.Socket, name string, args Args) {
	if !s.events.WantsEvent(name) {
		return
	}
	s.events.Tell(ctx, eventsout.Event{
		Type: eventsout.ClientEvent, Namespace: row.Namespace, Socket: row.ID, Session: row.Session, Name: name,
		Data: args.JSON, Attachments: len(args.Attachments),
	})
}

// tellsEnds reports whether there is something to tell when a socket leaves.
func (s *Server) tellsEnds() bool {
	return s.events.Wants(eventsout.Disconnect) || s.events.Wants(eventsout.Leave)
}

// roomsLeft reads the rooms that a socket leaves at its end, if that is told.
func (s *Server) roomsLeft(ctx context.Context, row sessionstore.Socket) ([]sessionstore.Room, error) {
	if !s.events.Wants(eventsout.Leave) {
		return nil, nil
	}
	rooms, err := s.store.RoomsOf(ctx, row)
	if err != nil {
		return nil, fmt.Errorf("nonstick: rooms of a socket that leaves: %w", err)
	}
	return rooms, nil
}

// tellEnd tells that a socket leaves its rooms and its namespace. It does so before the rows are gone, for an instance
// that takes over finds no rooms; the ids are the same there.
func (s *Server) tellEnd(
	ctx context.Context, row sessionstore.Socket, rooms []sessionstore.Room, reason string,
) {
	all := make([]eventsout.Event, 0, len(rooms)+1)
	e := eventsout.Event{Type: eventsout.Leave, Namespace: row.Namespace, Socket: row.ID, Session: row.Session}
	e.Reason = reason
	for _, room := range rooms {
		e.Room, e.ID = room, eventsout.EndID(row.ID, room)
		all = append(all, e)
	}
	e.Type, e.Room, e.ID = eventsout.Disconnect, "", eventsout.EndID(row.ID, "")
	s.events.TellNow(ctx, append(all, e)...)
}
