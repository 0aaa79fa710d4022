package nonstick

import (
	"context"
	"encoding/json"

	"github.com/nonstick-io/nonstick/sessionstore"
)

// ConnectHandler decides about a socket that asks to join a namespace. It sees the client's auth ([Socket.Auth]) and
// refuses by returning an error: an [*Error] is told to the client, of any other only that there was one. Joins, data
// and emits made inside take effect together when it returns nil, after the client has been told that it is
// connected; if it refuses, none of them happened.
type ConnectHandler func(ctx context.Context, s *Socket) error

// DisconnectHandler is told that a socket has left, with a disconnect reason of Socket.IO. It runs once for each
// socket; again only if the instance that ran it died, with the same socket id.
type DisconnectHandler func(ctx context.Context, s *Socket, reason string) error

// eventHandler is a typed handler with its types worn off.
type eventHandler func(ctx context.Context, s *Socket, args Args) (Args, error)

// ackHandler takes the answer to an acknowledgement that was asked for with a continuation.
type ackHandler func(ctx context.Context, s *Socket, answer Args, state json.RawMessage) error

// Namespace is a Socket.IO namespace and the handlers of its sockets. Handlers are set at start: setting one after
// the first message of a client panics with [ErrServing].
type Namespace struct {
	server *Server
	name   sessionstore.Namespace

	onConnect    ConnectHandler
	onDisconnect DisconnectHandler
	events       map[string]eventHandler
	acks         map[string]ackHandler
}

// Name returns the namespace's name.
func (n *Namespace) Name() string { return string(n.name) }

// AllowAttachments lets the server send binary data ([Binary], or [Args] with attachments) over WebSocket: without it
// such an emit is refused ([ErrAttachments]). On API Gateway a packet and its attachments are messages of their own,
// between which those of other emitters could come; so the sessions of a server that allows them take every packet in
// turn, which costs two writes of the store for each; unless the pusher sends a packet in one piece
// (delivery.GroupPusher), as that of localdev does. What clients send may have attachments in any case. Call it at
// start.
func (n *Namespace) AllowAttachments() {
	n.register("AllowAttachments", func() { n.server.engine.AllowAttachments() })
}

// OnConnect sets the handler of sockets that ask to join; without one everybody may.
func (n *Namespace) OnConnect(h ConnectHandler) {
	n.register("the connect handler", func() { n.onConnect = h })
}

// OnDisconnect sets the handler of sockets that have left.
func (n *Namespace) OnDisconnect(h DisconnectHandler) {
	n.register("the disconnect handler", func() { n.onDisconnect = h })
}

// To returns the broadcast to the sockets in any of the rooms, each once. A socket's id is a room with
// that socket alone.
func (n *Namespace) To(rooms ...string) Broadcast { return Broadcast{nsp: n}.To(rooms...) }

// In is another name of [Namespace.To].
func (n *Namespace) In(rooms ...string) Broadcast { return n.To(rooms...) }

// Except returns the broadcast to everybody in the namespace but those in the rooms.
func (n *Namespace) Except(rooms ...string) Broadcast { return Broadcast{nsp: n}.Except(rooms...) }

// EmitArgs emits to everybody in the namespace, see [Broadcast.EmitArgs].
func (n *Namespace) EmitArgs(ctx context.Context, event string, args Args) error {
	return Broadcast{nsp: n}.EmitArgs(ctx, event, args)
}

// Error is an error that the client is told: as CONNECT_ERROR if a connect handler returns it, as the
// acknowledgement {"message", "data"} if an event handler does.
type Error struct {
	// Message is what the client's connect_error handler sees as err.message.
	Message string `json:"message"`
	// Data, if any, is JSON that the client sees as err.data.
	Data json.RawMessage `json:"data,omitempty"`
}

// Error returns the message.
func (e *Error) Error() string { return e.Message }
