package nonstick

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/nonstick-io/nonstick/adapter"
	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/adapter/emitter"
	"github.com/nonstick-io/nonstick/gateway/engine"
	"github.com/nonstick-io/nonstick/internal/socketio"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// phase is where a socket is in its life.
type phase int

const (
	connecting   phase = iota // in its connect handler: nothing has been stored yet
	connected                 // in the store
	disconnected              // gone, or going
)

// Socket is one client in one namespace, as the handler of one event sees it. It is made anew for each event and must
// not be kept: the next event may be served elsewhere. Once the handler has returned, whatever would change the
// socket or emit to it returns [ErrHandlerReturned]. Not safe for concurrent use.
//
// What may be large (auth, rooms, data) is read from the store when it is asked for, so that events that need
// none of it pay for none.
type Socket struct {
	nsp       *Namespace
	row       sessionstore.Socket
	entry     *sessionstore.NewSocket // what will be stored, in a connect handler; or what was
	hint      sessionstore.Connection
	inv       *engine.Invocation // nil in a disconnect handler
	ending    ending             // in a disconnect handler
	phase     phase
	recovered bool              // its client has come back just now
	changed   bool              // the row differs from what was read
	kept      map[string]string // the data, if read is true
	read      bool
	deferred  []func(context.Context) error
	own       sync.Once    // of via
	via       *emitter.Via // of what the handler emits through the socket
	returned  atomic.Bool  // its handler has; read by goroutines that hold it all the same
}

// ID returns the socket's id, which other clients may know.
func (s *Socket) ID() string { return string(s.row.ID) }

// Namespace returns the socket's namespace, for this handler: what is done by it comes in order with all else that
// the handler does by its socket, this socket's own copies among it. In a connect handler it waits until the socket
// is connected. It is not to be kept: once the handler has returned, it answers [ErrHandlerReturned].
func (s *Socket) Namespace() *Namespace {
	own := *s.nsp
	own.via = s.way()
	return &own
}

// Auth returns the JSON object that the client sent with CONNECT, or nil. It is at hand in a connect handler, and
// elsewhere read from the store.
func (s *Socket) Auth(ctx context.Context) (json.RawMessage, error) {
	text := ""
	if s.entry != nil {
		text = s.entry.Auth
	} else {
		var err error
		if text, err = s.nsp.server.store.Auth(ctx, s.row); err != nil {
			return nil, fmt.Errorf("nonstick: auth: %w", err)
		}
	}
	if text == "" {
		return nil, nil
	}
	return json.RawMessage(text), nil
}

// Rooms reads the rooms that the socket has joined, sorted. Its own id is a room for [Socket.To], [Socket.InRoom] and
// their like, but not among these, unlike in Socket.IO: nothing is stored for it, and it cannot be left. A socket in
// 1,000 rooms takes some 20 read units; [Socket.InRoom] takes one.
func (s *Socket) Rooms(ctx context.Context) ([]string, error) {
	if s.entry != nil {
		return roomNames(s.entry.Rooms), nil
	}
	rooms, err := s.nsp.server.store.RoomsOf(ctx, s.row)
	if err != nil {
		return nil, fmt.Errorf("nonstick: rooms: %w", err)
	}
	return roomNames(rooms), nil
}

func roomNames(rooms []sessionstore.Room) []string {
	out := make([]string, len(rooms))
	for i, r := range rooms {
		out[i] = string(r)
	}
	return out
}

// InRoom reports whether the socket is in a room. It takes one read; none for its own id, the room that it is always
// in.
func (s *Socket) InRoom(ctx context.Context, room string) (bool, error) {
	if room == s.ID() {
		return s.phase != disconnected, nil
	}
	if s.entry != nil {
		_, found := slices.BinarySearch(s.entry.Rooms, sessionstore.Room(room))
		return found, nil
	}
	in, err := s.nsp.server.store.InRoom(ctx, s.row, sessionstore.Room(room))
	if err != nil {
		return false, fmt.Errorf("nonstick: in room: %w", err)
	}
	return in, nil
}

// Handshake reads the request that the session began with: headers, query, address. It is there in disconnect handlers,
// too, and gone once the last of the session has returned: sessionstore.ErrNotFound.
func (s *Socket) Handshake(ctx context.Context) (Handshake, error) {
	id := s.row.Session
	if s.inv != nil {
		id = s.inv.ID()
	}
	return s.nsp.server.handshake(ctx, id)
}

func (s *Server) handshake(ctx context.Context, id sessionstore.SessionID) (Handshake, error) {
	h, err := s.store.Handshake(ctx, id)
	if err != nil {
		return h, fmt.Errorf("nonstick: handshake: %w", err)
	}
	return h, nil
}

// Emit emits an event to this socket, see [Selection] for the arguments. The packet leaves when the handler has
// returned, in the order of the emits, or just before something else that this instance sends to the client.
// [ErrHandlerReturned] if that was before, [ErrDisconnected] if the socket has left.
func (s *Socket) Emit(ctx context.Context, event string, args ...any) error {
	return s.emit(ctx, false, event, args)
}

func (s *Socket) emit(ctx context.Context, volatile bool, event string, args []any) error {
	encoded, err := EncodeArgs(args...)
	if err != nil {
		return err
	}
	p, err := s.nsp.server.via.Event(ctx, s.nsp.name, event, encoded, nil)
	if err != nil {
		return err
	}
	p.Volatile = volatile
	if err := s.send(ctx, p); err != nil {
		return err
	}
	s.emitting(ctx, event, encoded)
	return nil
}

// end says that the socket's handler has returned.
func (s *Socket) end() { s.returned.Store(true) }

// inHandler is an error unless the socket's handler is still running.
func (s *Socket) inHandler() error {
	if s.returned.Load() {
		return ErrHandlerReturned
	}
	return nil
}

func (s *Socket) send(ctx context.Context, p *adapter.Packet) error {
	if err := s.inHandler(); err != nil {
		return err
	}
	switch s.phase {
	case connecting:
		s.later(func(ctx context.Context) error { return s.collect(ctx, p) })
		return nil
	case connected:
		return s.collect(ctx, p)
	default:
		return ErrDisconnected
	}
}

// collect has a packet leave with what else the request sends to its session.
func (s *Socket) collect(ctx context.Context, p *adapter.Packet) error {
	if _, err := adapter.Send(
		ctx, s.inv, sessionstore.Member{Socket: s.row.ID, Session: s.row.Session}, p,
	); err != nil {
		return fmt.Errorf("nonstick: emit: %w", err)
	}
	return nil
}

// later keeps what a connect handler does until the socket is connected. It reports false if that is over.
func (s *Socket) later(f func(context.Context) error) bool {
	if s.phase != connecting || s.returned.Load() {
		return false
	}
	s.deferred = append(s.deferred, f)
	return true
}

// Join puts the socket into rooms. Joining a room twice is no error. [ErrTooManyRooms] if it is in as many as it may
// be: a client whose event handler returns that is told so.
func (s *Socket) Join(ctx context.Context, rooms ...string) error {
	if err := s.inHandler(); err != nil {
		return err
	}
	for _, name := range rooms {
		if err := adapter.CheckRoom(name); err != nil {
			return withLimit(err)
		}
		if err := s.join(ctx, sessionstore.Room(name)); err != nil {
			return fmt.Errorf("nonstick: join room %q: %w", name, withLimit(err))
		}
	}
	return nil
}

func (s *Socket) join(ctx context.Context, room sessionstore.Room) error {
	switch s.phase {
	case disconnected:
		return ErrDisconnected
	case connected:
		if err := s.nsp.server.rooms.Join(ctx, s.row, room, s.hint, s.nsp.server.limits.Socket); err != nil {
			return err
		}
		s.row.Rooms++ // or not, if it was in the room: what counts is that there are rooms to read
		s.changed = true
	case connecting:
		i, found := slices.BinarySearch(s.entry.Rooms, room)
		if found {
			return nil
		}
		if len(s.entry.Rooms) >= s.nsp.server.limits.Socket.Rooms {
			return ErrTooManyRooms
		}
		s.entry.Rooms = slices.Insert(s.entry.Rooms, i, room)
	}
	return nil
}

// Leave takes the socket out of a room. Leaving twice is no error.
func (s *Socket) Leave(ctx context.Context, room string) error {
	if err := s.inHandler(); err != nil {
		return err
	}
	switch s.phase {
	case connected:
		if err := s.nsp.server.rooms.Leave(ctx, s.row, sessionstore.Room(room)); err != nil {
			return fmt.Errorf("nonstick: leave room %q: %w", room, err)
		}
	case connecting:
		if i, found := slices.BinarySearch(s.entry.Rooms, sessionstore.Room(room)); found {
			s.entry.Rooms = slices.Delete(s.entry.Rooms, i, i+1)
		}
	case disconnected:
	}
	return nil
}

// To returns the sockets in any of the rooms but for this one. What the handler does with it comes in order with what
// it does with the socket's other selections, also where some are to very many sockets; in a connect handler it waits
// until the socket is connected.
func (s *Socket) To(rooms ...string) Selection { return s.Broadcast().To(rooms...) }

// In is another name of [Socket.To].
func (s *Socket) In(rooms ...string) Selection { return s.To(rooms...) }

// And returns the sockets that are in all of the rooms but for this one, see [Selection].
func (s *Socket) And(rooms ...string) Selection { return s.Broadcast().And(rooms...) }

// Except returns all sockets of the namespace but for this one and those in the rooms.
func (s *Socket) Except(rooms ...string) Selection { return s.Broadcast().Except(rooms...) }

// Broadcast returns all sockets of the namespace but for this one.
func (s *Socket) Broadcast() Selection {
	return s.way().Select(adapter.Selection{Namespace: s.nsp.name, Skip: []sessionstore.SocketID{s.row.ID}})
}

// way is how what the handler does with sockets reaches them.
func (s *Socket) way() *emitter.Via {
	s.own.Do(func() {
		via := s.nsp.server.via
		via.Adapter = via.Adapter.InOrder()
		if s.inv != nil {
			via.Adapter = via.Adapter.By(adapter.Caller{Session: s.row.Session, Socket: s.row.ID, Way: s.inv})
		}
		via.Later, via.Refuse = s.later, s.inHandler
		if len(s.nsp.hooks.outgoing) > 0 {
			via.Emitting = s.emitting
		}
		s.via = &via
	})
	return s.via
}

// Disconnect takes the socket out of its namespace; the client is told, and its disconnect handler runs. With
// closeSession the whole session ends, with every namespace on it.
func (s *Socket) Disconnect(ctx context.Context, closeSession bool) error {
	if err := s.inHandler(); err != nil {
		return err
	}
	if s.phase != connected {
		return ErrDisconnected
	}
	s.phase = disconnected
	if closeSession {
		s.inv.Close(delivery.ReasonServerDisconnect)
		return nil
	}
	if !s.row.Session.IsOutbox() { // of which the end tells the client
		to := delivery.Target{Session: s.row.Session}
		if _, err := s.inv.Deliver(ctx, to, []sessionstore.Packet{s.nsp.server.bye(ctx, &s.row)}); err != nil {
			return err
		}
	}
	return s.nsp.server.leave(ctx, s.inv, s.row, delivery.ReasonServerDisconnect)
}

// Close closes the client's connection, as Socket.IO's socket.conn.close(discard): the session ends, with every
// namespace on it, and disconnect handlers run with [ReasonForcedClose]. The client sees the transport close, and
// connects again by itself, which [Socket.Disconnect] keeps it from. What waits for it arrives first, or is given up
// with discard: also what this handler has emitted to it. [ErrDisconnected] if the socket has left, or in a connect
// handler, which refuses instead.
func (s *Socket) Close(ctx context.Context, discard bool) error {
	if err := s.inHandler(); err != nil {
		return err
	}
	if s.phase != connected {
		return ErrDisconnected
	}
	s.phase = disconnected
	if discard {
		s.inv.Discard()
	}
	s.inv.Close(delivery.ReasonForcedClose)
	return nil
}

// bye is what tells a client that it has left a namespace.
func (s *Server) bye(ctx context.Context, row *sessionstore.Socket) sessionstore.Packet {
	p := s.via.Adapter.NewPacket(ctx, socketio.Packet{Type: socketio.Disconnect, Namespace: string(row.Namespace)})
	return sessionstore.Packet{ID: p.PacketID(), Frames: p.Frames()}
}

// Auth decodes what the client sent with CONNECT, see [Socket.Auth]; the zero value if it sent nothing. The error
// matches [ErrArgs] if it does not fit.
func Auth[T any](ctx context.Context, s *Socket) (v T, err error) {
	raw, err := s.Auth(ctx)
	if err != nil || raw == nil {
		return v, err
	}
	if err := json.Unmarshal(raw, &v); err != nil {
		return v, fmt.Errorf("%w: auth: %w", ErrArgs, err)
	}
	return v, nil
}
