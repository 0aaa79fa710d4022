package nonstick

import (
	"context"
	"slices"

	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/adapter/emitter"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// Namespace is a Socket.IO namespace: the handlers of its sockets, and the selection of all of them. Handlers are set
// at start: setting one after the first request of a client panics with [ErrServing]. A parent ([Server.OfPattern]) is
// one too: its handlers are those of all its children.
type Namespace struct {
	server *Server
	name   sessionstore.Namespace
	via    *emitter.Via // the server's, or that of a socket whose handler has it
	parent *parent      // of a parent and its children; nil for others
	child  bool

	// what is registered, until the server serves
	table   *table
	handler Handler // the table, unless Handle set another
	wrap    []func(Handler) Handler
	hooks   *hooks // of the parent, in its children

	serve Handler // what is called, once the server serves
}

func newNamespace(s *Server, name sessionstore.Namespace) *Namespace {
	t := &table{
		events: make(map[string]eventFunc), replies: make(map[string]replyFunc), late: make(map[string]lateFunc),
		serverSide: make(map[string]serverSideFunc),
	}
	return &Namespace{server: s, name: name, via: &s.via, table: t, handler: t, hooks: &hooks{}}
}

// self makes a Namespace a [Registrar].
func (n *Namespace) self() *Namespace { return n }

// Name returns the namespace's name; of a parent the name that it was registered under.
func (n *Namespace) Name() string { return string(n.name) }

// OnConnect sets the handler of sockets that ask to join; without one all may. See [Handler] for what it may do.
func (n *Namespace) OnConnect(handle func(ctx context.Context, s *Socket) error) {
	n.register("the connect handler", func() { n.table.connect = handle })
}

// OnDisconnect sets the handler of sockets that have left. See [Handler] for when it is called.
func (n *Namespace) OnDisconnect(handle func(ctx context.Context, s *Socket, reason Reason) error) {
	n.register("the disconnect handler", func() { n.table.disconnect = handle })
}

// Handle sets the Handler of the namespace. What [On], [OnAck], [OnReply], OnConnect and OnDisconnect have
// registered, or will, is not called then; middleware, listeners and hooks are.
func (n *Namespace) Handle(h Handler) {
	n.register("the handler", func() { n.handler = h })
}

// Wrap wraps the Handler of the namespace: the first wrapper is the outermost. A wrapper embeds the Handler that it is
// given and has methods of its own for what it changes. For what is to be done before handlers, and no more, there are
// [Namespace.Use] and [Namespace.UseEvent].
func (n *Namespace) Wrap(wrap ...func(next Handler) Handler) {
	n.register("a wrapper", func() { n.wrap = append(n.wrap, wrap...) })
}

// build makes the Handler that is called.
func (n *Namespace) build() {
	n.serve = n.handler
	for _, wrap := range slices.Backward(n.wrap) {
		n.serve = wrap(n.serve)
	}
}

// Reason is why a socket has left, as Socket.IO servers name it.
type Reason string

// The reasons of a disconnection. The last three are not Socket.IO's.
const (
	// ReasonServerDisconnect: the server called Disconnect.
	ReasonServerDisconnect Reason = delivery.ReasonServerDisconnect
	// ReasonServerShuttingDown: [Server.Shutdown] ended the session.
	ReasonServerShuttingDown Reason = delivery.ReasonServerShuttingDown
	// ReasonClientDisconnect: the client left the namespace.
	ReasonClientDisconnect Reason = delivery.ReasonClientDisconnect
	// ReasonPingTimeout: the client did not answer a ping in time.
	ReasonPingTimeout Reason = delivery.ReasonPingTimeout
	// ReasonTransportClose: the connection ended, or the client closed it.
	ReasonTransportClose Reason = delivery.ReasonTransportClose
	// ReasonTransportError: the connection failed, or a packet may or may not have reached the client.
	ReasonTransportError Reason = delivery.ReasonTransportError
	// ReasonParseError: the client sent what is no Engine.IO packet.
	ReasonParseError Reason = delivery.ReasonParseError
	// ReasonForcedClose: the client sent what is no Socket.IO packet, or a handler failed badly.
	ReasonForcedClose Reason = delivery.ReasonForcedClose
	// ReasonForcedServer: the client broke the order of the protocol, or joined no namespace in time.
	ReasonForcedServer Reason = delivery.ReasonForcedServer
	// ReasonBufferFull: the client fetched too slowly, and as much waited for it as may.
	ReasonBufferFull Reason = delivery.ReasonBufferFull
	// ReasonOutOfOrder: frames were handled in an order that does not tell which attachments belong to which packet.
	ReasonOutOfOrder Reason = delivery.ReasonOutOfOrder
	// ReasonInDoubt: an instance died while it handled a frame of the client.
	ReasonInDoubt Reason = delivery.ReasonInDoubt
)

// Error is an error that the client is told: as CONNECT_ERROR if a connect handler returns it, as the
// acknowledgement {"message", "data"} if an event handler does.
type Error struct {
	// Message is what the client's connect_error handler sees as err.message.
	Message string `json:"message"`
	// Data, if any, is what the client sees as err.data, encoded by encoding/json.
	Data any `json:"data,omitempty"`
}

// Error returns the message.
func (e *Error) Error() string { return e.Message }
