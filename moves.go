package nonstick

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/nonstick-io/nonstick/adapter"
	"github.com/nonstick-io/nonstick/gateway/eventsout"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// roomHooks are those of rooms and their members.
type roomHooks struct {
	create, remove []func(ctx context.Context, n *Namespace, room string) error
	join, leave    []func(ctx context.Context, n *Namespace, room, id string) error
}

func (h *roomHooks) interest() adapter.Interest {
	return adapter.Interest{
		Joins: len(h.join) > 0, Leaves: len(h.leave) > 0, Creates: len(h.create) > 0, Deletes: len(h.remove) > 0,
	}
}

// OnJoinRoom adds a hook of sockets that have come into a room of the namespace, as the event "join-room" of
// Socket.IO's adapter: with the namespace (of a parent the child), the room and the socket's id. Joining a room twice
// is one join.
// Hooks are called in the order of their registration, by the instance that makes the join and before the call that
// makes it returns: [Socket.Join], that of a [Selection] or a [*RemoteSocket] in the server, for several sockets at a
// time; for the rooms of a connect handler once the client has been told that it is connected, before those of
// [Namespace.OnConnected]. An error is logged. Not told are joins that other programs make (emitter.Emitter, the emit
// function), and the room of a socket's own id. A hook costs each join a read.
func (n *Namespace) OnJoinRoom(hook func(ctx context.Context, n *Namespace, room, id string) error) {
	n.register("a hook", func() { n.hooks.rooms.join = append(n.hooks.rooms.join, hook) })
}

// OnLeaveRoom adds a hook of sockets that have left a room of the namespace, as the event "leave-room" of Socket.IO's
// adapter. See [Namespace.OnJoinRoom] for when, and by which instance. A socket that disconnects leaves each of its
// rooms: that is told by the instance that ends it, before the disconnect handler and in its time, for room after room;
// not again if that instance dies. A hook costs each leave, and each end of a socket, a read.
func (n *Namespace) OnLeaveRoom(hook func(ctx context.Context, n *Namespace, room, id string) error) {
	n.register("a hook", func() { n.hooks.rooms.leave = append(n.hooks.rooms.leave, hook) })
}

// OnCreateRoom adds a hook of rooms of the namespace that the first socket has come into, as the event "create-room" of
// Socket.IO's adapter; it is called before the hooks of [Namespace.OnJoinRoom]. Instances share no memory, so the hook
// may be called more than once for a room: by each of several sockets that come into it at the same time. A room of
// which it was called may be empty when it runs. A hook costs each join a read or two.
func (n *Namespace) OnCreateRoom(hook func(ctx context.Context, n *Namespace, room string) error) {
	n.register("a hook", func() { n.hooks.rooms.create = append(n.hooks.rooms.create, hook) })
}

// OnDeleteRoom adds a hook of rooms of the namespace that the last socket has left, as the event "delete-room" of
// Socket.IO's adapter; it is called behind the hooks of [Namespace.OnLeaveRoom]. Of several sockets that leave a room
// at the same time the last one calls it, and others may. A socket may have come into the room when the hook runs, and
// that may have been told already: a hook that throws something away asks [Namespace.To] of the room for Any before. A
// hook costs each leave two reads, and the end of a socket one, and one for each of its rooms.
func (n *Namespace) OnDeleteRoom(hook func(ctx context.Context, n *Namespace, room string) error) {
	n.register("a hook", func() { n.hooks.rooms.remove = append(n.hooks.rooms.remove, hook) })
}

// watcher is the server as the joins and leaves of sockets see it.
type watcher struct{ *Server }

var _ adapter.Watcher = watcher{}

// Interest implements [adapter.Watcher].
func (s watcher) Interest(row sessionstore.Socket) adapter.Interest {
	in := s.events.Interest(row)
	if n := s.namespaceOfMove(row); n != nil {
		h := n.hooks.rooms.interest()
		in.Joins, in.Leaves = in.Joins || h.Joins, in.Leaves || h.Leaves
		in.Creates, in.Deletes = h.Creates, h.Deletes
	}
	return in
}

// Moved implements [adapter.Watcher].
func (s watcher) Moved(ctx context.Context, m adapter.Move, err error) {
	s.events.Moved(ctx, m, nil)
	if n := s.namespaceOfMove(m.Socket); n != nil {
		n.moved(ctx, m, err)
	}
}

// namespaceOfMove is the namespace of a socket of which a selection may not know the parent. A program may move sockets
// before it serves.
func (s *Server) namespaceOfMove(row sessionstore.Socket) *Namespace {
	s.seal.mu.RLock()
	defer s.seal.mu.RUnlock()
	if n := s.namespaceOf(row); n != nil {
		return n
	}
	return s.find(row.Namespace)
}

// moved runs the hooks of a move. The error says that it is not known whether the room was created or deleted.
func (n *Namespace) moved(ctx context.Context, m adapter.Move, err error) {
	if err != nil {
		n.failedRoomHook(ctx, m.Room, err)
	}
	room, id, h := string(m.Room), string(m.Socket.ID), &n.hooks.rooms
	edge := func(hooks []func(ctx context.Context, n *Namespace, room string) error) {
		for _, hook := range hooks {
			if err := n.guarded(ctx, func() error { return hook(ctx, n, room) }); err != nil {
				n.failedRoomHook(ctx, m.Room, err)
			}
		}
	}
	hooks := h.leave
	if !m.Left {
		if hooks = h.join; m.Edge {
			edge(h.create)
		}
	}
	for _, hook := range hooks {
		if err := n.guarded(ctx, func() error { return hook(ctx, n, room, id) }); err != nil {
			n.failedRoomHook(ctx, m.Room, err)
		}
	}
	if m.Left && m.Edge {
		edge(h.remove)
	}
}

func (n *Namespace) failedRoomHook(ctx context.Context, room sessionstore.Room, err error) {
	n.server.log.ErrorContext(
		ctx, "hook of a room failed", "nsp", string(n.name), "room", string(room), "error", err,
	)
}

// roomsAtOnce is how many rooms of one socket are looked at at a time.
const roomsAtOnce = 16

// entrances are the rooms that a connect handler wants its socket in, as they are before.
func (n *Namespace) entrances(ctx context.Context, rooms []sessionstore.Room) ([]adapter.Entrance, error) {
	in := n.hooks.rooms.interest()
	if !in.Joins && !in.Creates {
		return nil, nil
	}
	all := make([]adapter.Entrance, len(rooms))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(roomsAtOnce)
	for i, room := range rooms {
		group.Go(func() (err error) {
			all[i], err = adapter.Before(ctx, n.server.store, in, n.name, room)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, fmt.Errorf("nonstick: connect: look at rooms: %w", err)
	}
	return all, nil
}

// entered runs the hooks of the rooms that a socket was put into when it connected.
func (n *Namespace) entered(ctx context.Context, row sessionstore.Socket, rooms []sessionstore.Room,
	before []adapter.Entrance,
) {
	for i := range before {
		edge, err := before[i].After(ctx)
		n.moved(ctx, adapter.Move{Socket: row, Room: rooms[i], Edge: edge}, err)
	}
}

// vacated runs the hooks of the rooms that a socket has left at its end, and reports whether there were any.
func (n *Namespace) vacated(
	ctx context.Context, row sessionstore.Socket, rooms []sessionstore.Room, reason string,
) bool {
	in := n.hooks.rooms.interest()
	if !in.Leaves && !in.Deletes || len(rooms) == 0 {
		return false
	}
	for _, room := range rooms {
		edge, err := adapter.Emptied(ctx, n.server.store, in, n.name, room)
		n.moved(ctx, adapter.Move{Socket: row, Room: room, Left: true, Reason: reason, Edge: edge}, err)
	}
	return true
}

// tellConnect tells other services of a socket that has been stored, and of the rooms that its connect handler put it
// into.
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
		s.events.Moved(ctx, adapter.Move{Socket: row, Room: room}, nil)
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

// roomsLeft reads the rooms that a socket leaves at its end, if they are to be told. The namespace may be nil.
func (s *Server) roomsLeft(
	ctx context.Context, n *Namespace, row sessionstore.Socket,
) ([]sessionstore.Room, error) {
	wanted := s.events.Wants(eventsout.Leave)
	if n != nil {
		in := n.hooks.rooms.interest()
		wanted = wanted || in.Leaves || in.Deletes
	}
	if !wanted {
		return nil, nil
	}
	rooms, err := s.store.RoomsOf(ctx, row)
	if err != nil {
		return nil, fmt.Errorf("nonstick: rooms of a socket that leaves: %w", err)
	}
	return rooms, nil
}

// tellEnd tells other services that a socket leaves its rooms and its namespace. It does so before the rows are gone,
// for an instance that takes over finds no rooms; the ids are the same there.
func (s *Server) tellEnd(
	ctx context.Context, row sessionstore.Socket, rooms []sessionstore.Room, reason string,
) {
	if !s.tellsEnds() {
		return
	}
	all := make([]eventsout.Event, 0, len(rooms)+1)
	e := eventsout.Event{
		Type: eventsout.Leave, Namespace: row.Namespace, Socket: row.ID, Session: row.Session, Reason: reason,
	}
	for _, room := range rooms {
		e.Room, e.ID = room, eventsout.EndID(row.ID, room)
		all = append(all, e)
	}
	e.Type, e.Room, e.ID = eventsout.Disconnect, "", eventsout.EndID(row.ID, "")
	s.events.TellNow(ctx, append(all, e)...)
}
