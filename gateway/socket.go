package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/nonstick-io/nonstick/adapter"
	"github.com/nonstick-io/nonstick/gateway/engine"
	"github.com/nonstick-io/nonstick/gateway/socketio"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// phase is where a socket is in its life.
type phase int

const (
	connecting   phase = iota // in its connect handler: nothing has been stored yet
	connected                 // in the store
	disconnected              // gone, or going
)

// Socket is one client in one namespace, as the handler of one event sees it. It is made anew for each event and
// must not be kept: the next event may be served elsewhere. Not safe for concurrent use.
type Socket struct {
	nsp      *Namespace
	row      sessionstore.Socket
	hint     sessionstore.Connection
	inv      *engine.Invocation // nil in a disconnect handler
	phase    phase
	changed  bool // rooms or data differ from what was read
	deferred []func(context.Context) error
}

var _ Target = (*Socket)(nil)

// ID returns the socket's id, which other clients may know.
func (s *Socket) ID() string { return string(s.row.ID) }

// Namespace returns the socket's namespace.
func (s *Socket) Namespace() *Namespace { return s.nsp }

// Auth returns the JSON object that the client sent with CONNECT, or nil.
func (s *Socket) Auth() json.RawMessage {
	if s.row.Auth == "" {
		return nil
	}
	return json.RawMessage(s.row.Auth)
}

// Rooms returns the rooms that the socket is in, sorted, without that of its own id.
func (s *Socket) Rooms() []string {
	out := make([]string, len(s.row.Rooms))
	for i, r := range s.row.Rooms {
		out[i] = string(r)
	}
	return out
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
		return h, fmt.Errorf("gateway: handshake: %w", err)
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

func (s *Socket) send(ctx context.Context, frames []string) error {
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

// Join puts the socket into rooms. Joining a room twice is no error.
func (s *Socket) Join(ctx context.Context, rooms ...string) error {
	for _, name := range rooms {
		if err := adapter.CheckRoom(name); err != nil {
			return err
		}
		if err := s.join(ctx, sessionstore.Room(name)); err != nil {
			return fmt.Errorf("gateway: join room %q: %w", name, err)
		}
	}
	return nil
}

func (s *Socket) join(ctx context.Context, room sessionstore.Room) error {
	i, found := slices.BinarySearch(s.row.Rooms, room)
	if found {
		return nil
	}
	switch s.phase {
	case disconnected:
		return ErrDisconnected
	case connected:
		if err := s.nsp.server.store.Join(ctx, s.row, room, s.hint); err != nil {
			return err
		}
	case connecting:
	}
	s.row.Rooms = slices.Insert(slices.Clone(s.row.Rooms), i, room)
	s.changed = true
	return nil
}

// Leave takes the socket out of a room. Leaving twice is no error.
func (s *Socket) Leave(ctx context.Context, room string) error {
	if s.phase == connected {
		if err := s.nsp.server.store.Leave(ctx, s.row, sessionstore.Room(room)); err != nil {
			return fmt.Errorf("gateway: leave room %q: %w", room, err)
		}
	}
	if i, found := slices.BinarySearch(s.row.Rooms, sessionstore.Room(room)); found {
		s.row.Rooms = slices.Delete(slices.Clone(s.row.Rooms), i, i+1)
		s.changed = true
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
	if s.phase != connected {
		return ErrDisconnected
	}
	s.phase = disconnected
	if closeSession {
		s.inv.Close(adapter.ReasonServerDisconnect)
		return nil
	}
	if err := bye(ctx, s.inv, s.nsp.name); err != nil {
		return err
	}
	return s.nsp.server.leave(ctx, s.inv, s.row, adapter.ReasonServerDisconnect)
}

// bye tells the client that it has left a namespace.
func bye(ctx context.Context, inv *engine.Invocation, nsp sessionstore.Namespace) error {
	return inv.Send(ctx, frames(socketio.Packet{Type: socketio.Disconnect, Namespace: string(nsp)})...)
}

// SetData keeps a value for the socket under a key, in the store: handlers of later events see it, wherever they run. An
// empty key is refused. The error is of encoding/json or of the store.
func SetData[T any](ctx context.Context, s *Socket, key string, v T) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("gateway: set data %q: %w", key, err)
	}
	return s.setData(ctx, key, string(b))
}

// DeleteData forgets what is kept under a key.
func (s *Socket) DeleteData(ctx context.Context, key string) error { return s.setData(ctx, key, "") }

func (s *Socket) setData(ctx context.Context, key, value string) error {
	if key == "" || len(key) > sessionstore.MaxName {
		return fmt.Errorf("gateway: set data: key of %d bytes, want 1 to %d", len(key), sessionstore.MaxName)
	}
	switch s.phase {
	case disconnected:
		return ErrDisconnected
	case connected:
		if err := s.nsp.server.store.SetData(ctx, s.row, key, value); err != nil {
			return fmt.Errorf("gateway: set data %q: %w", key, err)
		}
	case connecting:
	}
	data := maps.Clone(s.row.Data)
	if data == nil {
		data = make(map[string]string)
	}
	if data[key] = value; value == "" {
		delete(data, key)
	}
	s.row.Data = data
	s.changed = true
	return nil
}

// Auth decodes what the client sent with CONNECT; the zero value if it sent nothing. The error matches [ErrArgs].
func Auth[T any](s *Socket) (v T, err error) {
	if s.row.Auth == "" {
		return v, nil
	}
	if err := json.Unmarshal([]byte(s.row.Auth), &v); err != nil {
		return v, fmt.Errorf("%w: auth: %w", ErrArgs, err)
	}
	return v, nil
}
