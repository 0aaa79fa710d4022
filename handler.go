package nonstick

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/nonstick-io/nonstick/internal/socketio"
)

// Handler handles what happens to the sockets of a namespace, as an http.Handler does requests. The functions that
// [On] and the like register are one Handler; [Namespace.Handle] sets another, and [Namespace.Wrap] wraps one. A
// Handler is called by many requests at a time, on any instance.
type Handler interface {
	// Connect decides about a socket that asks to join. It refuses by returning an error: an [*Error] is told to the
	// client, of any other only that there was one. Joins, data and emits made by the socket take effect together
	// when it has returned nil, after the client has been told that it is connected; if it refuses, none of them
	// happened.
	Connect(ctx context.Context, s *Socket) error
	// Event handles an event. The answer is acknowledged if the client asked for that. An [*Error] is acknowledged as
	// {"message", "data"}, [ErrUnhandled] is a line of the log at level debug; any other error is logged, and the
	// client gets no acknowledgement.
	Event(ctx context.Context, s *Socket, event string, args Args) (answer Args, err error)
	// Reply takes the client's answer to an event that [EmitThen] emitted, with the name and the state that were given
	// then. An error is logged.
	Reply(ctx context.Context, s *Socket, name string, answer Args, state json.RawMessage) error
	// Disconnect is told that a socket has left: it is in no room any more, nor in its namespace. Of several sockets
	// that leave a room at the same time, on whichever instances, the one that was in it last finds the room empty, and
	// maybe others of them too ([Namespace.OnDisconnecting] sees the rooms before). It is called once for each socket;
	// again only if the instance died that called it, or if its time was up, with the same socket id.
	Disconnect(ctx context.Context, s *Socket, reason Reason) error
}

// ErrUnhandled is what [Handler.Event] and [Handler.Reply] return for a name that they do not know.
var ErrUnhandled = errors.New("nonstick: no handler of that name")

// Registrar is what handlers are registered on: a [*Server], which means its main namespace, or a [*Namespace].
type Registrar interface {
	self() *Namespace
}

// On registers the handler of an event. In is what the client sends: one argument, several as [Args2] or [Args3], or
// [Args] as they come, whatever and however many they are. Where they do not fit, the client is told "Invalid
// arguments" if it asked for an acknowledgement. A client that asked gets one without arguments when the handler has
// returned nil, and that of an [*Error] if it returned one; see [OnAck] for an acknowledgement with a value.
//
// On panics at a name that Socket.IO keeps to itself, and with [ErrServing] after the first request of a client: both
// are mistakes in the program.
func On[In any](to Registrar, event string, handle func(ctx context.Context, s *Socket, in In) error) {
	to.self().on(event, func(ctx context.Context, s *Socket, args Args) (Args, error) {
		in, err := DecodeArgs[In](args)
		if err != nil {
			return Args{}, &badArgsError{event: event, cause: err}
		}
		return Args{}, handle(ctx, s, in)
	})
}

// OnAck is [On] for a handler that acknowledges: the client that asked for it gets what the handler returns, several
// values as [Args2], [Args3] or [Args].
func OnAck[In, Out any](to Registrar, event string, handle func(ctx context.Context, s *Socket, in In) (Out, error)) {
	to.self().on(event, func(ctx context.Context, s *Socket, args Args) (Args, error) {
		in, err := DecodeArgs[In](args)
		if err != nil {
			return Args{}, &badArgsError{event: event, cause: err}
		}
		out, err := handle(ctx, s, in)
		if err != nil {
			return Args{}, err
		}
		return EncodeArgs(out)
	})
}

// OnReply registers the handler that takes the answers to events that [EmitThen] emitted under its name: on whichever
// instance the answer arrives. It gets the answer and the state that was kept. OnReply panics with [ErrServing] after
// the first request of a client.
func OnReply[In, State any](
	to Registrar, name string, handle func(ctx context.Context, s *Socket, answer In, state State) error,
) {
	to.self().onReply(name, func(ctx context.Context, s *Socket, answer Args, raw json.RawMessage) error {
		in, err := DecodeArgs[In](answer)
		if err != nil {
			return err
		}
		var state State
		if len(raw) > 0 {
			if err := json.Unmarshal(raw, &state); err != nil {
				return fmt.Errorf("nonstick: state of reply %q: %w", name, err)
			}
		}
		return handle(ctx, s, in, state)
	})
}

// OnNoReply registers the handler that is told which sockets have not answered an event that [EmitThen] emitted under
// its name, when the time for it is over: their ids, sorted, and the state that was kept. It is called once, on some
// instance, within a few seconds, and not at all if all have answered; again only if the instance dies that calls it,
// for as long as its time of 10 s. An error is logged. Where there is one, an EmitThen takes a write more, and two when
// the time is over. OnNoReply panics with [ErrServing] after the first request of a client.
func OnNoReply[State any](
	to Registrar, name string, handle func(ctx context.Context, n *Namespace, missing []string, state State) error,
) {
	to.self().onNoReply(name, func(ctx context.Context, n *Namespace, missing []string, raw json.RawMessage) error {
		var state State
		if len(raw) > 0 {
			if err := json.Unmarshal(raw, &state); err != nil {
				return fmt.Errorf("nonstick: state of reply %q: %w", name, err)
			}
		}
		return handle(ctx, n, missing, state)
	})
}

// OnServerSideEmit registers the handler of an event that [Namespace.ServerSideEmit] emits: work that some instance
// does once, soon or at a time. It gets the arguments as [On] does, and has 10 s. An error is logged. It panics with
// [ErrServing] after the first request of a client.
func OnServerSideEmit[In any](
	to Registrar, event string, handle func(ctx context.Context, n *Namespace, in In) error,
) {
	to.self().onServerSideEmit(event, func(ctx context.Context, n *Namespace, args Args) error {
		in, err := DecodeArgs[In](args)
		if err != nil {
			return err
		}
		return handle(ctx, n, in)
	})
}

// Event is the name of an event that carries T, for programs that declare their events once, for both sides:
//
//	var Said = nonstick.Event[Message]("said")
type Event[T any] string

// On registers the handler of the event, see [On].
func (e Event[T]) On(to Registrar, handle func(ctx context.Context, s *Socket, in T) error) {
	On(to, string(e), handle)
}

// Emit emits the event to a [Selection], a [*Namespace], a [*Socket] or a [*RemoteSocket].
func (e Event[T]) Emit(ctx context.Context, to Emitter, v T) error { return to.Emit(ctx, string(e), v) }

// Call is the name of an event that carries In and is acknowledged with Out.
type Call[In, Out any] string

// On registers the handler of the event, see [OnAck].
func (c Call[In, Out]) On(to Registrar, handle func(ctx context.Context, s *Socket, in In) (Out, error)) {
	OnAck(to, string(c), handle)
}

// Emit emits the event to a socket and waits for its client's acknowledgement, see [EmitWithAck].
func (c Call[In, Out]) Emit(ctx context.Context, to *RemoteSocket, v In) (Out, error) {
	return EmitWithAck[Out](ctx, to, string(c), v)
}

// Emitter is what events can be emitted to.
type Emitter interface {
	Emit(ctx context.Context, event string, args ...any) error
}

var (
	_ Emitter = (*Namespace)(nil)
	_ Emitter = (*Server)(nil)
	_ Emitter = (*Socket)(nil)
	_ Emitter = (*RemoteSocket)(nil)
	_ Emitter = Selection{}
)

// badArgsError is an event whose arguments do not fit: the client's mistake, so the client is told.
type badArgsError struct {
	event string
	cause error
}

func (e *badArgsError) Error() string { return fmt.Sprintf("event %q: %v", e.event, e.cause) }

// As lets errors.As find what the client is told.
func (e *badArgsError) As(target any) bool {
	if t, ok := target.(**Error); ok {
		*t = &Error{Message: "Invalid arguments"}
		return true
	}
	return false
}

type (
	eventFunc func(ctx context.Context, s *Socket, args Args) (Args, error)
	replyFunc func(ctx context.Context, s *Socket, answer Args, state json.RawMessage) error

	lateFunc       func(ctx context.Context, n *Namespace, missing []string, state json.RawMessage) error
	serverSideFunc func(ctx context.Context, n *Namespace, args Args) error
)

// table is the Handler of registered functions.
type table struct {
	connect    func(ctx context.Context, s *Socket) error
	events     map[string]eventFunc
	replies    map[string]replyFunc
	late       map[string]lateFunc
	serverSide map[string]serverSideFunc
	disconnect func(ctx context.Context, s *Socket, reason Reason) error
}

var _ Handler = (*table)(nil)

// Connect implements [Handler].
func (t *table) Connect(ctx context.Context, s *Socket) error {
	if t.connect == nil {
		return nil
	}
	return t.connect(ctx, s)
}

// Event implements [Handler].
func (t *table) Event(ctx context.Context, s *Socket, event string, args Args) (Args, error) {
	handle := t.events[event]
	if handle == nil {
		return Args{}, ErrUnhandled
	}
	return handle(ctx, s, args)
}

// Reply implements [Handler].
func (t *table) Reply(ctx context.Context, s *Socket, name string, answer Args, state json.RawMessage) error {
	handle := t.replies[name]
	if handle == nil {
		return ErrUnhandled
	}
	return handle(ctx, s, answer, state)
}

// Disconnect implements [Handler].
func (t *table) Disconnect(ctx context.Context, s *Socket, reason Reason) error {
	if t.disconnect == nil {
		return nil
	}
	return t.disconnect(ctx, s, reason)
}

// idle reports whether there is nothing to do when a socket leaves, which spares the claim that makes it done once. A
// Handler of the program's own always has something to do.
func (n *Namespace) idle() bool {
	t, ok := n.serve.(*table)
	rooms := n.hooks.rooms.interest()
	return ok && t.disconnect == nil && len(n.hooks.disconnecting) == 0 && !rooms.Leaves && !rooms.Deletes &&
		!n.server.tellsEnds()
}

// on registers the handler of an event.
func (n *Namespace) on(event string, handle eventFunc) {
	if socketio.IsReserved(event) {
		panic(fmt.Errorf("%w: %q", ErrReserved, event))
	}
	n.register(fmt.Sprintf("the handler of %q", event), func() { n.table.events[event] = handle })
}

// onReply registers the handler of replies.
func (n *Namespace) onReply(name string, handle replyFunc) {
	n.register(fmt.Sprintf("the reply handler %q", name), func() { n.table.replies[name] = handle })
}

// onNoReply registers the handler of answers that did not come.
func (n *Namespace) onNoReply(name string, handle lateFunc) {
	n.register(fmt.Sprintf("the handler of no reply %q", name), func() {
		n.table.late[name] = handle
		n.server.timed = true
	})
}

// onServerSideEmit registers the handler of an event to the server.
func (n *Namespace) onServerSideEmit(event string, handle serverSideFunc) {
	n.register(fmt.Sprintf("the handler of server side event %q", event), func() {
		n.table.serverSide[event] = handle
		n.server.timed = true
	})
}
