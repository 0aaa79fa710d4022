package nonstick

import (
	"context"
	"net/http"

	"github.com/nonstick-io/nonstick/gateway/engine"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// ConnectionError is a request of a client that was refused, see [Server.OnConnectionError].
type ConnectionError = engine.ConnectionError

// ErrSessionID tells of an id that [Server.GenerateID] has made and that is none. It is in the log, and in the Context
// of a [ConnectionError].
var ErrSessionID = engine.ErrSessionID

// Transport is how a client is reached.
type Transport = sessionstore.Transport

// The transports, as Socket.IO names them.
const (
	Polling   Transport = sessionstore.Polling
	WebSocket Transport = sessionstore.WebSocket
)

// requestHooks returns the hooks of requests, which are fixed from then on.
func (s *Server) requestHooks() *engine.RequestHooks {
	s.seal.close(s.build)
	return &s.requests
}

// OnConnectionError adds a hook of requests that are refused, as io.engine.on("connection_error") is: of an unknown
// transport, session or version of the protocol, of one that [Server.AllowRequest] refuses. It runs before the client
// is answered, where the request is served.
//
// This hook and those below are called in the order of their registration, at any time from many goroutines. One that
// takes long holds up its request and no other; one that panics is logged, and the request goes on. All panic with
// [ErrServing] after the first request of a client.
func (s *Server) OnConnectionError(hook func(ctx context.Context, e ConnectionError)) {
	s.seal.register("OnConnectionError", func() {
		s.requests.ConnectionError = append(s.requests.ConnectionError, hook)
	})
}

// OnInitialHeaders adds a hook of the first answer to a client, as io.engine.on("initial_headers") is: it may change,
// add and remove the headers of that answer, a cookie for instance. The handshake is the request that is answered.
//
// On polling all of header arrives: several values of one name are joined by commas, but each Set-Cookie is one of its
// own. Of the answer to a WebSocket that opens, API Gateway passes on nothing but Sec-WebSocket-Protocol, so a cookie
// that every client needs belongs into the page; localdev passes on all, with one Set-Cookie.
func (s *Server) OnInitialHeaders(hook func(ctx context.Context, h Handshake, header http.Header)) {
	s.seal.register("OnInitialHeaders", func() {
		s.requests.InitialHeaders = append(s.requests.InitialHeaders, hook)
	})
}

// OnHeaders is [Server.OnInitialHeaders] for every answer to a request that is served, as io.engine.on("headers") is:
// to each GET and POST of polling, and to each WebSocket that opens. Refusals have the headers that they have. The
// handshake is the request that is answered, and not the one that its session began with.
func (s *Server) OnHeaders(hook func(ctx context.Context, h Handshake, header http.Header)) {
	s.seal.register("OnHeaders", func() { s.requests.Headers = append(s.requests.Headers, hook) })
}

// GenerateID sets what makes the ids of sessions, as io.engine.generateId is; by default they are 15 random bytes. It
// is called once for each session, after AllowRequest. An id has 1 to 64 characters, which are letters and digits of
// ASCII, "-" and "_" ([ErrSessionID]), and is never used again: a session with the id of another is refused, also for
// as long as the store remembers one that has ended, and so is one whose function returns an error or panics. The
// client is told "Bad request", and the log why.
//
// The id of a session is a secret, for a client that knows it can speak for another: put random characters into it, 20
// of them at best. No client ever sees that of another; what clients see is the id of a [Socket], which is always ours.
func (s *Server) GenerateID(generate func(ctx context.Context, h Handshake) (string, error)) {
	s.seal.register("GenerateID", func() { s.requests.GenerateID = generate })
}

// Upgrade is a session that has moved from polling to WebSocket.
type Upgrade struct {
	// Session is the id of the session, which is a secret.
	Session string
	// Transport is what it is on now.
	Transport Transport
	// Sockets are those that the session had by then, in any namespace.
	Sockets []UpgradedSocket
}

// UpgradedSocket is a socket of a session that has moved to WebSocket.
type UpgradedSocket struct {
	// ID is the socket's, Namespace that which it is in: [Server.Lookup] and [Namespace.Socket] find it.
	ID, Namespace string
}

// OnUpgrade adds a hook of sessions that have moved from polling to WebSocket, as socket.conn.on("upgrade") is: once
// for each, when the client has got all that was sent to it on polling; if the instance dies just then, by another that
// finds out, or not. It takes no read. The hook holds up what the client sends next, as an event's handler does.
func (s *Server) OnUpgrade(hook func(ctx context.Context, u Upgrade)) {
	s.seal.register("OnUpgrade", func() {
		s.requests.Upgraded = append(s.requests.Upgraded, func(ctx context.Context, session sessionstore.Session) {
			u := Upgrade{Session: string(session.ID), Transport: session.Transport}
			for _, k := range session.Sockets {
				u.Sockets = append(u.Sockets, UpgradedSocket{string(k.ID), string(k.Namespace)})
			}
			hook(ctx, u)
		})
	})
}

// ClientsCount counts the sessions, as io.engine.clientsCount: clients, whatever namespaces they have joined. It takes
// one read of the store for each shard of its registry, and one more for each further 1 MB of rows there, which is some
// 5,000 sessions. One that has just begun or ended may be counted or not.
func (s *Server) ClientsCount(ctx context.Context) (int, error) {
	return s.via.Adapter.ClientsCount(ctx)
}

// DisconnectDetails say more than the reason about why a session has closed, as the details of Socket.IO's
// "disconnect".
type DisconnectDetails = sessionstore.Details

// DisconnectDetails returns what is known of why the socket leaves, beside the reason, in a disconnect handler or a
// hook before it ([Namespace.OnDisconnecting]): what was wrong with a packet, which rule the client broke, what a
// handler failed with, what the store or the platform answered, and of a WebSocket that has closed its close code and
// text, where the platform tells them. The description is for people, and may change; it has up to 256 bytes. There may
// be none, and there is none of a socket that leaves while its session goes on. It takes no read.
func (s *Socket) DisconnectDetails() DisconnectDetails { return s.ending.details }

// Transport returns what the socket's client is on, as socket.conn.transport.name: the one that this event came by, or
// in a disconnect handler the last one. A client on polling may move to WebSocket at any time ([Server.OnUpgrade]).
func (s *Socket) Transport() Transport {
	switch {
	case s.inv == nil:
		return s.ending.transport
	case s.inv.OnWebSocket():
		return WebSocket
	default:
		return Polling
	}
}
