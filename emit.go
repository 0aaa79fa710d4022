package nonstick

import (
	"context"
	"errors"
	"fmt"

	"github.com/nonstick-io/nonstick/adapter"
	"github.com/nonstick-io/nonstick/internal/socketio"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// Errors of emitting and joining.
var (
	// ErrReserved: the event's name is one of Socket.IO's own (connect, disconnect, ...), which a client would refuse.
	ErrReserved = errors.New("nonstick: reserved event name")
	// ErrAttachments: binary data is emitted by a server that does not allow it, see [Namespace.AllowAttachments].
	ErrAttachments = errors.New("nonstick: emitting binary data needs AllowAttachments on the namespace at start")
	// ErrRoomName: a room's name is empty or above sessionstore.MaxName bytes.
	ErrRoomName = adapter.ErrName
	// ErrDisconnected: the socket has left its namespace.
	ErrDisconnected = errors.New("nonstick: socket is disconnected")
	// ErrTooManyRooms: the socket is in as many rooms as it may be, see delivery.Limits.
	ErrTooManyRooms = sessionstore.ErrTooManyRooms
	// ErrBusy: the store refused a join, or another change, for its rate, for as long as the context of the call had
	// time.
	ErrBusy = sessionstore.ErrThrottled
	// ErrTooLarge: the socket's data would take more than they may, see delivery.Limits.
	ErrTooLarge = sessionstore.ErrTooLarge
	// ErrHandlerReturned: a [Socket] was kept and used after its handler had returned. What it would emit leaves with
	// what the handler emitted, so it is too late; keep the id, and use [Namespace.Socket] or [Namespace.To].
	ErrHandlerReturned = errors.New("nonstick: the handler of this socket has returned: keep its id, and emit to that")
)

// limitError is a limit that a handler met on behalf of its client, who is told unless the handler says something else.
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
	case errors.Is(err, ErrRoomName):
		return &limitError{"Invalid room name", err}
	default:
		return err
	}
}

// Target is what can be emitted to: a [*Socket], a [*Namespace], a [Broadcast] or a [*RemoteSocket].
type Target interface {
	// EmitArgs emits an event with arguments made before, see [EncodeArgs].
	EmitArgs(ctx context.Context, event string, args Args) error
}

// Emit emits an event with one argument (or none, or several: see [EncodeArgs]).
func Emit[T any](ctx context.Context, to Target, event string, v T) error {
	args, err := EncodeArgs(v)
	if err != nil {
		return err
	}
	return to.EmitArgs(ctx, event, args)
}

// Broadcast is a selection of a namespace's sockets to emit to. It is a value: each operator returns a new one.
type Broadcast struct {
	nsp *Namespace
	sel adapter.Selection // its namespace is that of nsp
	err error
}

// To adds rooms: a socket in any of them is reached, once. No rooms at all mean everybody.
func (b Broadcast) To(rooms ...string) Broadcast {
	return b.narrowed(b.sel.To(rooms...))
}

// In is another name of [Broadcast.To].
func (b Broadcast) In(rooms ...string) Broadcast { return b.To(rooms...) }

// Except leaves out the sockets in the rooms.
func (b Broadcast) Except(rooms ...string) Broadcast {
	return b.narrowed(b.sel.Without(rooms...))
}

// narrowed is the broadcast to another selection.
func (b Broadcast) narrowed(sel adapter.Selection, err error) Broadcast {
	b.sel, b.err = sel, errors.Join(b.err, err)
	return b
}

// selection is what to hand to the adapter.
func (b Broadcast) selection() adapter.Selection {
	b.sel.Namespace = b.nsp.name
	return b.sel
}

// EmitArgs emits to everybody selected, and returns when all have been tried: the emits of one caller arrive in
// order. A member that has gone, or does not read, is no error: it is counted and logged, and its session ends. The
// error says that not all members could be read, or that the packet is none for them.
func (b Broadcast) EmitArgs(ctx context.Context, event string, args Args) error {
	if err := errors.Join(b.err, b.nsp.check(event, args)); err != nil {
		return err
	}
	frames := b.nsp.eventFrames(event, args)
	c := callOf(ctx)
	if c != nil && c.socket.phase == connecting {
		c.socket.later(func(ctx context.Context) error { return b.emit(ctx, frames) })
		return nil
	}
	return b.emit(ctx, frames)
}

func (b Broadcast) emit(ctx context.Context, frames []string) error {
	var own error
	p := sessionstore.Packet{ID: sessionstore.PacketID(sessionstore.NewID()), Frames: frames}
	sel := b.selection()
	c := callOf(ctx)
	if c != nil {
		b.nsp.server.flush(ctx, c, false)
	}
	_, err := c.broadcasts(b.nsp.server).Broadcast(ctx, sel, p, c.intercept(ctx, sel.Namespace, frames, &own))
	if err = errors.Join(own, err); err != nil {
		return fmt.Errorf("nonstick: emit: %w", err)
	}
	return nil
}

// check refuses an event that may not be emitted.
func (n *Namespace) check(event string, args Args) error {
	if len(args.Attachments) > 0 && !n.server.engine.Attachments() {
		return fmt.Errorf("%w: event %q", ErrAttachments, event)
	}
	return checkEvent(event)
}

func checkEvent(name string) error {
	if socketio.IsReserved(name) {
		return fmt.Errorf("%w: %q", ErrReserved, name)
	}
	return nil
}
