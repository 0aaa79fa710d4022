package nonstick

import (
	"context"
	"encoding/json"
	"maps"
	"slices"

	"github.com/nonstick-io/nonstick/sessionstore"
)

// hooks are the middleware and listeners of a namespace, around its [Handler]. Children share those of their parent.
type hooks struct {
	use       []func(ctx context.Context, s *Socket) error
	useEvent  []func(ctx context.Context, s *Socket, event string, args Args) error
	any       []func(ctx context.Context, s *Socket, event string, args Args)
	outgoing  []func(ctx context.Context, s *Socket, event string, args Args)
	connected []func(ctx context.Context, s *Socket) error

	disconnecting []func(ctx context.Context, s *Socket, reason Reason) error
	expired       []func(ctx context.Context, s *RemoteSocket) error

	rooms roomHooks

	recovery *ConnectionStateRecovery // nil where the server's counts
	history  *sessionstore.Keeping    // nil where none is kept
}

// Use adds middleware, as Socket.IO's namespace.use does: functions that are called in the order of their registration
// for each socket that asks to join, before the connect handler. The first that returns an error refuses the socket,
// and those behind it are not called: the client is told the message and the data of an [*Error], of any other only
// that there was one. What they do by the socket (joins, data, emits) takes effect as what a connect handler does:
// together, once the socket is accepted, see [Handler].
func (n *Namespace) Use(middleware ...func(ctx context.Context, s *Socket) error) {
	n.register("middleware", func() { n.hooks.use = append(n.hooks.use, middleware...) })
}

// UseEvent adds middleware for events, as Socket.IO's socket.use does: functions that are called in the order of their
// registration for each event of a client, before its handler, whether there is one or not. The first that returns an
// error refuses the event, and nothing behind it is called: the client gets an [*Error] as the acknowledgement
// {"message", "data"}, if it asked for one; any other error is logged, and there is no acknowledgement.
func (n *Namespace) UseEvent(middleware ...func(ctx context.Context, s *Socket, event string, args Args) error) {
	n.register("middleware", func() { n.hooks.useEvent = append(n.hooks.useEvent, middleware...) })
}

// OnAny adds a listener of every event that comes from a client, in the order of their registration, before middleware
// and the handler: also of events that middleware refuses, or that have no handler, but not of acknowledgements.
func (n *Namespace) OnAny(listener func(ctx context.Context, s *Socket, event string, args Args)) {
	n.register("a listener", func() { n.hooks.any = append(n.hooks.any, listener) })
}

// PrependAny is [Namespace.OnAny] for a listener that is called before those that are registered already.
func (n *Namespace) PrependAny(listener func(ctx context.Context, s *Socket, event string, args Args)) {
	n.register("a listener", func() { n.hooks.any = slices.Insert(n.hooks.any, 0, listener) })
}

// OnAnyOutgoing adds a listener of every event that a handler emits by its socket: to its own client, and by
// [Socket.To] and its like and [Socket.Namespace] to others; once for an emit, however many sockets it is for, when it
// is emitted. What a program emits by its server, or from elsewhere, is of no socket and has none, and acknowledgements
// have none either. In Socket.IO the listener is of the socket that an event is for; here that may be anywhere.
func (n *Namespace) OnAnyOutgoing(listener func(ctx context.Context, s *Socket, event string, args Args)) {
	n.register("a listener", func() { n.hooks.outgoing = append(n.hooks.outgoing, listener) })
}

// PrependAnyOutgoing is [Namespace.OnAnyOutgoing] for a listener that is called before those that are registered
// already.
func (n *Namespace) PrependAnyOutgoing(listener func(ctx context.Context, s *Socket, event string, args Args)) {
	n.register("a listener", func() { n.hooks.outgoing = slices.Insert(n.hooks.outgoing, 0, listener) })
}

// OnConnected adds a hook of sockets that have joined, as handlers of Socket.IO's "connection" are: the socket is in
// its rooms, broadcasts reach it, Fetch meets it, and whatever this instance sends to the client comes behind the
// answer to CONNECT. That leaves when the hooks have returned, or just before something else that this instance sends
// there.
//
// Hooks are called in the order of their registration, once for each socket, at the instance that it joined at; not if
// that dies just then, or if the session has ended. An error is logged. What decides whether the socket may join, and
// what it joins, belongs into the connect handler, which costs fewer writes and takes effect as one.
func (n *Namespace) OnConnected(hook func(ctx context.Context, s *Socket) error) {
	n.register("a hook", func() { n.hooks.connected = append(n.hooks.connected, hook) })
}

// OnDisconnecting adds a hook of sockets that are about to leave, as Socket.IO's "disconnecting": its session has
// ended, or it leaves its namespace, and it is still in its rooms, which [Socket.Rooms] reads and other sockets meet it
// in. It cannot be emitted to any more. Hooks are called in the order of their registration; behind them the socket
// leaves its rooms, and then comes the disconnect handler. An error is logged, and stops neither. Hooks and handler
// together have the time of a disconnect handler, and are called again as that is: a hook that is, because its instance
// died, may find that some of the rooms, or all, are left already.
func (n *Namespace) OnDisconnecting(hook func(ctx context.Context, s *Socket, reason Reason) error) {
	n.register("a hook", func() { n.hooks.disconnecting = append(n.hooks.disconnecting, hook) })
}

// EventNames returns the names of the events that have a handler of [On] or [OnAck], sorted.
func (n *Namespace) EventNames() []string {
	n.server.seal.mu.RLock()
	defer n.server.seal.mu.RUnlock()
	return slices.Sorted(maps.Keys(n.table.events))
}

// passed runs the middleware of a socket that asks to join.
func (n *Namespace) passed(ctx context.Context, s *Socket) error {
	for _, middleware := range n.hooks.use {
		if err := middleware(ctx, s); err != nil {
			return err
		}
	}
	return n.serve.Connect(ctx, s)
}

// dispatch brings an event to listeners, middleware and the handler.
func (n *Namespace) dispatch(ctx context.Context, s *Socket, event string, args Args) (Args, error) {
	for _, listener := range n.hooks.any {
		listener(ctx, s, event, args)
	}
	for _, middleware := range n.hooks.useEvent {
		if err := middleware(ctx, s, event, args); err != nil {
			return Args{}, err
		}
	}
	return n.serve.Event(ctx, s, event, args)
}

// emitting tells the listeners of an event that a handler emits by its socket.
func (s *Socket) emitting(ctx context.Context, event string, args Args) {
	if len(args.JSON) == 0 { // as of an event that comes in
		args.JSON = json.RawMessage("[]")
	}
	for _, listener := range s.nsp.hooks.outgoing {
		listener(ctx, s, event, args)
	}
}

// tellConnected runs the hooks of a socket that has joined.
func (n *Namespace) tellConnected(ctx context.Context, s *Socket) {
	for _, hook := range n.hooks.connected {
		if err := n.guarded(ctx, func() error { return hook(withCall(ctx, s), s) }); err != nil {
			n.server.log.ErrorContext(ctx, "hook of a connected socket failed", "nsp", string(n.name), "error", err)
		}
	}
}
