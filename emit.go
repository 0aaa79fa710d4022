package nonstick

import (
	"context"
	"errors"
	"iter"

	"github.com/nonstick-io/nonstick/adapter"
	"github.com/nonstick-io/nonstick/adapter/emitter"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// Selection is a choice of sockets, and what can be done with them: To, In, And and Except choose, and return a
// new one; Emit emits an event, Join, Leave and Disconnect act on the sockets; Count and Any count
// them, IDs walks their ids, All walks them with rooms and data, Fetch lists some of them. It is the same from a
// [Namespace], a [Socket] and, in other programs, an emitter.Emitter.
type Selection = emitter.Selection

// RemoteSocket is a socket of any instance: ID, Rooms, DataJSON (see [Data]), Handshake and ConnectedAt read it;
// Emit, EmitWithAck (see [EmitWithAck]), Join, Leave and Disconnect act on it. [Namespace.Socket] and a selection's
// Fetch find one.
type RemoteSocket = emitter.RemoteSocket

// Handshake is the request that a session began with: headers, query, address, url and time.
type Handshake = sessionstore.Handshake

// Binary is binary data in the arguments of an event: it travels as an attachment, not as text. A handler may also
// read it into a []byte. To emit it needs [Server.AllowAttachments].
type Binary = emitter.Binary

// Args are the arguments of an event or an acknowledgement as they travel. A handler that takes Args sees them all,
// whatever their types; Args among the arguments of an emit stand for all that are in them.
type Args = emitter.Args

// Args2 are two arguments, to receive or to acknowledge with.
type Args2[A, B any] = emitter.Args2[A, B]

// Args3 are three arguments, to receive or to acknowledge with.
type Args3[A, B, C any] = emitter.Args3[A, B, C]

// Holder is what has data of a socket: a [*Socket] or a [*RemoteSocket].
type Holder = emitter.Holder

// EncodeArgs makes arguments of values: one of each, but for [Args], [Args2] and [Args3], which stand for all that
// are in them. The error matches [ErrArgs].
func EncodeArgs(values ...any) (Args, error) { return emitter.EncodeArgs(values...) }

// DecodeArgs makes a value of arguments, the inverse of [EncodeArgs]: of the first, or of several for [Args2] and
// [Args3]. Arguments beyond those that the type has room for are ignored, missing ones leave the zero value. The
// error matches [ErrArgs].
func DecodeArgs[T any](args Args) (T, error) { return emitter.DecodeArgs[T](args) }

// Errors of emitting and joining.
var (
	// ErrArgs: arguments are no JSON, or do not fit the type that reads them.
	ErrArgs = emitter.ErrArgs
	// ErrReserved: the event's name is one of Socket.IO's own (connect, disconnect, ...), which a client would refuse.
	ErrReserved = emitter.ErrReserved
	// ErrAttachments: binary data is emitted by a server that does not allow it, see [Server.AllowAttachments].
	ErrAttachments = errors.New("nonstick: emitting binary data needs AllowAttachments on the server at start")
	// ErrRoomName: a room's name is empty or above sessionstore.MaxName bytes.
	ErrRoomName = adapter.ErrName
	// ErrDisconnected: the socket has left its namespace.
	ErrDisconnected = emitter.ErrDisconnected
	// ErrTooManyRooms: the socket is in as many rooms as it may be, see delivery.Limits.
	ErrTooManyRooms = sessionstore.ErrTooManyRooms
	// ErrBusy: the store refused a join, or another change, for its rate, for as long as the context of the call had
	// time.
	ErrBusy = sessionstore.ErrThrottled
	// ErrTooLarge: the socket's data would take more than they may, see delivery.Limits.
	ErrTooLarge = sessionstore.ErrTooLarge
	// ErrHandlerReturned: a [Socket] was kept and used after its handler had returned. What it would emit leaves with
	// what the handler emitted, so it is too late; keep the id, and use [Namespace.Socket] or [Namespace.To].
	ErrHandlerReturned = errors.New("nonstick: the handler of this socket has returned: " +
		"keep its id, and use Namespace.Socket or Namespace.To with that")
)

// limitError is a limit that a handler met on behalf of its client. The client is told, unless the handler says
// something else.
type limitError struct {
	told string
	err  error
}

func (e *limitError) Error() string { return e.err.Error() }

func (e *limitError) Unwrap() error { return e.err }

// As lets errors.As find what the client is told.
func (e *limitError) As(target any) bool {
	if t, ok := target.(**Error); ok {
		*t = &Error{Message: e.told}
		return true
	}
	return false
}

// withLimit says what a client is told of an error that is a limit of its socket.
func withLimit(err error) error {
	switch {
	case errors.Is(err, ErrTooManyRooms):
		return &limitError{"Too many rooms", err}
	case errors.Is(err, ErrTooLarge):
		return &limitError{"Data too large", err}
	case errors.Is(err, ErrBusy):
		return &limitError{"Server is busy", err}
	case errors.Is(err, ErrTooManyAcks):
		return &limitError{"Too many acknowledgements pending", err}
	case errors.Is(err, ErrRoomName):
		return &limitError{"Invalid room name", err}
	default:
		return err
	}
}

// To returns the sockets of the namespace in any of the rooms, each once. A socket's id is a room with that socket
// alone.
func (n *Namespace) To(rooms ...string) Selection { return n.all().To(rooms...) }

// In is another name of [Namespace.To].
func (n *Namespace) In(rooms ...string) Selection { return n.To(rooms...) }

// And returns the sockets of the namespace that are in all of the rooms: And("a").And("b"), as And("a", "b"), reads
// these two rooms, and not the namespace.
func (n *Namespace) And(rooms ...string) Selection { return n.all().And(rooms...) }

// Except returns all sockets of the namespace but those in the rooms.
func (n *Namespace) Except(rooms ...string) Selection { return n.all().Except(rooms...) }

// Emit emits an event to all sockets of the namespace, see [Selection].
func (n *Namespace) Emit(ctx context.Context, event string, args ...any) error {
	return n.all().Emit(ctx, event, args...)
}

// Join puts all sockets of the namespace into rooms. See [Socket.Join] for one.
func (n *Namespace) Join(ctx context.Context, rooms ...string) error {
	return n.all().Join(ctx, rooms...)
}

// Leave takes all sockets of the namespace out of rooms.
func (n *Namespace) Leave(ctx context.Context, rooms ...string) error {
	return n.all().Leave(ctx, rooms...)
}

// Disconnect ends all sockets of the namespace, see [Selection].
func (n *Namespace) Disconnect(ctx context.Context, closeSession bool) error {
	return n.all().Disconnect(ctx, closeSession)
}

// Fetch reads the sockets of the namespace with their rooms and data, at most limit of them. [ErrParent] from a parent.
func (n *Namespace) Fetch(ctx context.Context, limit int) ([]*RemoteSocket, error) {
	return n.all().Fetch(ctx, limit)
}

// Count counts the sockets of the namespace: a read for each of its shards, which are 16. From a parent it is the sum
// of its children. [Selection] has it for a room, which takes one read.
func (n *Namespace) Count(ctx context.Context) (int, error) { return n.all().Count(ctx) }

// Any reports whether there is a socket in the namespace. It reads a row of one shard after the other until there is.
func (n *Namespace) Any(ctx context.Context) (bool, error) { return n.all().Any(ctx) }

// IDs walks the ids of the sockets of the namespace, and reads nothing of the sockets themselves. An error is the last
// thing that it yields; [ErrParent] from a parent.
func (n *Namespace) IDs(ctx context.Context) iter.Seq2[string, error] { return n.all().IDs(ctx) }

// All walks the sockets of the namespace with their rooms and data, a few in memory at a time. An error is the last
// thing that it yields; [ErrParent] from a parent.
func (n *Namespace) All(ctx context.Context) iter.Seq2[*RemoteSocket, error] { return n.all().All(ctx) }

// Socket finds a socket by its id. [ErrDisconnected] if it is not in the namespace; [ErrParent] from a parent.
func (n *Namespace) Socket(ctx context.Context, id string) (*RemoteSocket, error) {
	if n.isParent() {
		return nil, ErrParent
	}
	return n.via.Socket(ctx, n.name, id)
}

// all is the selection of all sockets of the namespace.
func (n *Namespace) all() Selection {
	if n.isParent() {
		return n.via.Parent(n.parent.name)
	}
	return n.via.Select(adapter.Selection{Namespace: n.name})
}

// check refuses an event that the server may not emit.
func (s *Server) check(event string, args Args) error {
	if len(args.Attachments) > 0 && !s.attaches() {
		return &attachmentsError{event}
	}
	return nil
}

// attaches reports whether the server may emit binary data.
func (s *Server) attaches() bool { return s.parser.Whole() || s.engine.Attachments() }

// attachmentsError is [ErrAttachments] of one event.
type attachmentsError struct{ event string }

func (e *attachmentsError) Error() string {
	return ErrAttachments.Error() + `: event "` + e.event + `"`
}

func (e *attachmentsError) Unwrap() error { return ErrAttachments }
