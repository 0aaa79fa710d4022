package nonstick

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"

	"github.com/nonstick-io/nonstick/adapter"
	"github.com/nonstick-io/nonstick/adapter/delivery"
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
	nsp      *Namespace
	row      sessionstore.Socket
	entry    *sessionstore.NewSocket // what will be stored, in a connect handler; or what was
	hint     sessionstore.Connection
	inv      *engine.Invocation // nil in a disconnect handler
	phase    phase
	changed  bool              // the row differs from what was read
	kept     map[string]string // the data, if read is true
	read     bool
	deferred []func(context.Context) error
	returned atomic.Bool // its handler has; read by goroutines that hold it all the same
}

var _ Target = (*Socket)(nil)

// ID returns the socket's id, which other clients may know.
func (s *Socket) ID() string { return string(s.row.ID) }

// Namespace returns the socket's namespace.
func (s *Socket) Namespace() *Namespace { return s.nsp }

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

// Rooms reads the rooms that the socket is in, sorted, without that of its own id. A socket in 1,000 rooms takes some
// 20 read units; [Socket.InRoom] takes one.
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

// InRoom reports whether the socket is in a room. It takes one read.
func (s *Socket) InRoom(ctx context.Context, room string) (bool, error) {
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

// Handshake reads the request that the session began with: headers, query, address. Once the session has closed, in a
// disconnect handler, it may be gone: sessionstore.ErrNotFound.
func (s *Socket) Handshake(ctx context.Context) (sessionstore.Handshake, error) {
	h, err := s.nsp.server.store.Handshake(ctx, s.row.Session)
	if errors.Is(err, sessionstore.ErrNotFound) && s.inv != nil {
		var row sessionstore.ConnectionRow // where a session that began on WebSocket has it
		if row, err = s.nsp.server.store.Connection(ctx, s.inv.Session.Conn); err == nil && row.Handshake != nil {
			return *row.Handshake, nil
		}
	}
	if err != nil {
		return h, fmt.Errorf("nonstick: handshake: %w", err)
	}
	return h, nil
}

// EmitArgs emits to this socket. The packet leaves when the handler has returned, in the order of the emits.
func (s *Socket) EmitArgs(ctx context.Context, event string, args Args) error {
	if err := s.nsp.check(event, args); err != nil {
		return err
	}
	return s.send(ctx, s.nsp.eventFrames(event, args))
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

func (s *Socket) send(ctx context.Context, frames []string) error {
	if err := s.inHandler(); err != nil {
		return err
	}
	switch s.phase {
	case connecting:
		s.later(func(ctx context.Context) error { return s.inv.Send(ctx, frames...) })
		return nil
	case connected:
		return s.inv.Send(ctx, frames...)
	default:
		return ErrDisconnected
	}
}

// later keeps what a connect handler does until the socket is connected.
func (s *Socket) later(f func(context.Context) error) { s.deferred = append(s.deferred, f) }

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
		if err := s.nsp.server.store.Join(ctx, s.row, room, s.hint, s.nsp.server.limits.Socket); err != nil {
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
		if err := s.nsp.server.store.Leave(ctx, s.row, sessionstore.Room(room)); err != nil {
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

// To returns the broadcast to the sockets in the rooms but for this one.
func (s *Socket) To(rooms ...string) Broadcast { return s.Broadcast().To(rooms...) }

// In is another name of [Socket.To].
func (s *Socket) In(rooms ...string) Broadcast { return s.To(rooms...) }

// Except returns the broadcast to everybody in the namespace but for this socket and those in the rooms.
func (s *Socket) Except(rooms ...string) Broadcast { return s.Broadcast().Except(rooms...) }

// Broadcast returns the broadcast to everybody in the namespace but for this socket.
func (s *Socket) Broadcast() Broadcast {
	return Broadcast{nsp: s.nsp, sel: adapter.Selection{Skip: []sessionstore.SocketID{s.row.ID}}}
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
	if err := bye(ctx, s.inv, s.nsp.name); err != nil {
		return err
	}
	return s.nsp.server.leave(ctx, s.inv, s.row, delivery.ReasonServerDisconnect)
}

// bye tells the client that it has left a namespace.
func bye(ctx context.Context, inv *engine.Invocation, nsp sessionstore.Namespace) error {
	return inv.Send(ctx, frames(socketio.Packet{Type: socketio.Disconnect, Namespace: string(nsp)})...)
}

// SetData keeps a value for the socket under a key, in the store: handlers of later events see it, wherever they run.
// An empty key is refused; [ErrTooLarge] if all keys and values together are above the limit, or a key above
// sessionstore.MaxDataKey bytes. The error is of encoding/json or of the store.
func SetData[T any](ctx context.Context, s *Socket, key string, v T) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("nonstick: set data %q: %w", key, err)
	}
	return s.setData(ctx, key, string(b))
}

// DeleteData forgets what is kept under a key.
func (s *Socket) DeleteData(ctx context.Context, key string) error { return s.setData(ctx, key, "") }

var errEmptyKey = errors.New("nonstick: set data: empty key")

func (s *Socket) setData(ctx context.Context, key, value string) error {
	if err := s.inHandler(); err != nil {
		return err
	}
	if key == "" {
		return errEmptyKey
	}
	var err error
	switch s.phase {
	case disconnected:
		return ErrDisconnected
	case connected:
		err = s.nsp.server.store.SetData(ctx, s.row, key, value, s.nsp.server.limits.Socket)
		if err == nil && !s.row.HasData {
			s.row.HasData, s.changed = true, true
		}
	case connecting:
		err = s.setOwn(key, value)
	}
	if err != nil {
		return fmt.Errorf("nonstick: set data %q: %w", key, withLimit(err))
	}
	if s.read && s.entry == nil {
		s.kept = changed(s.kept, key, value)
	}
	return nil
}

// setOwn changes the data that will be stored with the socket.
func (s *Socket) setOwn(key, value string) error {
	data := changed(s.entry.Data, key, value)
	if err := s.nsp.server.limits.Socket.CheckData(data); err != nil {
		return err
	}
	s.entry.Data = data
	return nil
}

// changed is data with one key set, or removed if the value is empty. What was read is shared, so it is a copy.
func changed(data map[string]string, key, value string) map[string]string {
	data = maps.Clone(data)
	if data == nil {
		data = make(map[string]string, 1)
	}
	if data[key] = value; value == "" {
		delete(data, key)
	}
	return data
}

// data reads what is kept for the socket, once for each handler.
func (s *Socket) data(ctx context.Context) (map[string]string, error) {
	if s.entry != nil {
		return s.entry.Data, nil
	}
	if !s.read {
		kept, err := s.nsp.server.store.Data(ctx, s.row)
		if err != nil {
			return nil, fmt.Errorf("nonstick: data: %w", err)
		}
		s.kept, s.read = kept, true
	}
	return s.kept, nil
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
