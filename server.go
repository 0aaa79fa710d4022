package nonstick

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/nonstick-io/nonstick/adapter"
	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/adapter/emitter"
	"github.com/nonstick-io/nonstick/gateway"
	"github.com/nonstick-io/nonstick/gateway/engine"
	"github.com/nonstick-io/nonstick/gateway/eventsout"
	"github.com/nonstick-io/nonstick/internal/engineio"
	"github.com/nonstick-io/nonstick/internal/socketio"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// Config is what a [Server] is made of.
type Config = gateway.Config

// Parser is how packets are written into messages, and read from them: [JSON] or [MsgPack]. It is Socket.IO's option of
// that name. All clients of a server have the same one, and so have the emitters of other programs.
type Parser = socketio.Parser

// The parsers.
var (
	// JSON is the default of Socket.IO.
	JSON = socketio.JSON
	// MsgPack is that of clients with socket.io-msgpack-parser, and of Python clients with serializer="msgpack": one
	// message for each packet, binary data in it.
	MsgPack = socketio.MsgPack
)

const defaultDisconnectTries = 2

// store is what a Server needs of a store, beside what the sessions and the adapter need.
type store interface {
	sessionstore.Sessions
	sessionstore.Buffers
	sessionstore.Outboxes
	sessionstore.Sockets
	sessionstore.Rooms
	sessionstore.Partials
	sessionstore.Acks
	sessionstore.Asks
	sessionstore.Claims
	sessionstore.Children
	sessionstore.Timers
	sessionstore.Histories
}

// Server is a Socket.IO server, called io in programs. It is the main namespace ("/"), and what makes others. Register
// namespaces and handlers first, then let it serve: from then on it is safe for concurrent use.
type Server struct {
	*Namespace

	engine     *engine.Engine
	via        emitter.Via
	store      store
	rooms      sessionstore.Rooms // of store, with joins and leaves that are told
	packets    socketio.Limits
	parser     socketio.Parser
	maxPayload int
	unordered  bool
	pages      http.Handler // nil if there are none
	http       gateway.HTTPOptions
	noUpgrades bool
	allow      func(ctx context.Context, h Handshake) error
	limits     delivery.Limits
	log        *slog.Logger
	hooks      engine.Hooks
	asks       asks
	events     *eventsout.Out // nil if nothing is told
	requests   engine.RequestHooks

	recovery     ConnectionStateRecovery
	keepers      keepers
	handlerTime  time.Duration // of disconnect handlers
	handlerTries int

	seal       seal
	namespaces map[sessionstore.Namespace]*Namespace // read-only once sealed, and so are the handlers in it
	parents    []*Namespace                          // the same, in the order of their registration
	timed      bool                                  // something of it is called at times
}

// New returns a Server whose main namespace has no handlers. Programs of [Main] are given one.
func New(c Config) *Server {
	s := &Server{
		store: c.Store, packets: c.Packets, parser: c.Parser, unordered: c.Unordered, log: c.Logger,
		maxPayload: c.Options.MaxPayload, hooks: c.Hooks,
		handlerTime: min(
			cmp.Or(c.DisconnectTime, gateway.DefaultDisconnectTime), gateway.MaxDisconnectTime,
		),
		handlerTries: cmp.Or(c.DisconnectTries, defaultDisconnectTries),
		limits:       c.Options.Limits.WithDefaults(),
		recovery:     ConnectionStateRecovery{MaxDisconnectionDuration: c.Recovery},
		namespaces:   make(map[sessionstore.Namespace]*Namespace),
		http:         gateway.HTTPOptions{ServeClient: true},
	}
	s.Namespace = newNamespace(s, socketio.MainNamespace)
	s.namespaces[s.name] = s.Namespace
	if s.parser == nil {
		s.parser = socketio.JSON
	}
	if s.log == nil {
		s.log = slog.Default()
	}
	if s.maxPayload == 0 {
		s.maxPayload = 1e6
	}
	s.events = eventsout.New(c.Events, s.log)
	watched := adapter.Watch(c.Store, watcher{s})
	s.rooms = watched
	c.Options.AllowRequest, c.Options.Requests = s.allowRequest, s.requestHooks
	s.engine = c.NewEngine(protocol{s})
	if c.Recovery > 0 {
		s.engine.AllowRecovery()
	}
	s.via = emitter.Via{
		Adapter: adapter.New(
			watched, s.engine.Delivery(),
			adapter.Options{
				Fanout: c.Fanout, Large: c.LargeRoom, Parser: s.parser, Observe: c.Hooks.Broadcast, Keeper: s.keeper,
				Logger: s.log,
			},
		),
		Store: c.Store, Check: s.check, Bulk: emitter.NewBulk(s.engine.Delivery(), s.log), Ask: mayAsk,
		Continues: s.continues, Logger: s.log,
	}
	return s
}

// allowRequest asks the application about the request that begins a session. It has the client see the message of an
// [*Error].
func (s *Server) allowRequest(ctx context.Context, h Handshake) error {
	s.seal.close(s.build)
	if s.allow == nil {
		return nil
	}
	err := s.allow(ctx, h)
	if shown, ok := errors.AsType[*Error](err); ok {
		return engineio.Forbidden(shown.Message)
	}
	return err
}

// build makes what is called of what is registered.
func (s *Server) build() {
	for _, n := range s.namespaces {
		n.build()
	}
	for _, n := range s.parents {
		n.build()
	}
}

// Engine returns the Engine.IO sessions, which requests are brought to.
func (s *Server) Engine() *engine.Engine { return s.engine }

// Shutdown ends all sessions that are there, within so much time, as Socket.IO's io.close does: their clients see the
// connection close and connect again by themselves; disconnect handlers run with [ReasonServerShuttingDown]. See
// [adapter.Adapter.Shutdown] for what becomes of sessions that begin meanwhile, for what it costs, and for errors. In a
// handler of a client it would end that client too: call it elsewhere, or by an emitter in another program.
func (s *Server) Shutdown(ctx context.Context, over time.Duration) (ended int, err error) {
	s.seal.close(s.build)
	return s.via.Adapter.Shutdown(ctx, over)
}

// Of makes the namespace of that name at start, or returns it if it has been made. A name begins with "/" and has at
// most sessionstore.MaxName bytes; Of panics at another one, for it is a mistake in the program. After the first
// request of a client it panics with [ErrServing]: [Server.Lookup] finds a namespace at any time.
func (s *Server) Of(name string) *Namespace {
	if name == "" || name[0] != '/' || len(name) > sessionstore.MaxName {
		panic(fmt.Sprintf(
			"nonstick: namespace %q: want a name of 1 to %d bytes that begins with /", name, sessionstore.MaxName,
		))
	}
	var n *Namespace
	s.seal.register(fmt.Sprintf("namespace %q (Lookup finds one that is there)", name), func() {
		if n = s.namespaces[sessionstore.Namespace(name)]; n == nil {
			n = newNamespace(s, sessionstore.Namespace(name))
			s.namespaces[n.name] = n
		}
	})
	return n
}

// Lookup returns the namespace of that name; false if no client can be in it. A child of a parent is found under any
// name that the pattern matches, and where there is a parent with a function, under any at all: also on an instance
// that has not seen it, and when it has no sockets.
func (s *Server) Lookup(name string) (*Namespace, bool) {
	s.seal.mu.RLock()
	defer s.seal.mu.RUnlock()
	n := s.find(sessionstore.Namespace(name))
	return n, n != nil
}

// AllowAttachments lets the server send binary data ([Binary], or [Args] with attachments) over WebSocket: without it
// such an emit is refused ([ErrAttachments]). On API Gateway a packet and its attachments are messages of their own,
// between which those of other emitters could come; so the sessions of a server that allows them take every packet in
// turn, which costs two writes of the store for each; unless the pusher sends a packet in one piece
// (delivery.GroupPusher), as that of localdev does. What clients send may have attachments in any case. With
// [MsgPack] a packet is one message whatever is in it, so binary data needs no leave, and this does nothing. Call it at
// start.
func (s *Server) AllowAttachments() {
	s.seal.register("AllowAttachments", func() {
		if !s.parser.Whole() {
			s.engine.AllowAttachments()
		}
	})
}

// AllowRequest sets what judges the request of a client that begins a session, on either transport, before anything
// is stored: its headers, query and address, as Socket.IO's option of that name does; by default every request is let
// in. The message of an [*Error] is shown to the client (403 on polling, 400 on WebSocket); of any other error the
// client learns only "Forbidden", and the log gets the rest. It is asked on any instance, for each session once.
func (s *Server) AllowRequest(allow func(ctx context.Context, h Handshake) error) {
	s.seal.register("AllowRequest", func() { s.allow = allow })
}

// protocol is the server as the engine sees it.
type protocol struct{ *Server }

var (
	_ engine.Handler = protocol{}
	_ engine.Opener  = protocol{}
)

// begin prepares for a call of a handler.
func (s protocol) begin(ctx context.Context, inv *engine.Invocation) context.Context {
	s.seal.close(s.build)
	if inv.Told == nil {
		inv.Told = s.events.Batch()
	}
	return inv.Told.In(ctx)
}

// Opened has a client of Socket.IO v2 join the main namespace, which it does not ask for.
func (s protocol) Opened(ctx context.Context, inv *engine.Invocation) error {
	return s.connect(s.begin(ctx, inv), inv, socketio.Packet{Type: socketio.Connect, Namespace: socketio.MainNamespace})
}

// Message handles one Engine.IO message: a Socket.IO packet, or an attachment of one.
func (s protocol) Message(ctx context.Context, inv *engine.Invocation, p engineio.Packet) error {
	ctx = s.begin(ctx, inv)
	if s.parser.Whole() {
		packet, _, err := s.parser.Decode(p.Data, p.Binary, s.packets)
		if err != nil {
			return invalid(err)
		}
		return s.packet(ctx, inv, packet)
	}
	unordered := s.unordered && inv.OnWebSocket()
	switch {
	case p.Binary && unordered:
		return s.unorderedAttachment(ctx, inv, p.Data)
	case p.Binary:
		return s.attachment(ctx, inv, p.Data)
	case inv.Incoming != nil && !unordered:
		return invalid(errors.New("a packet came before the attachments of the one before it"))
	}
	packet, attachments, err := socketio.Decode(p.Data, s.packets)
	if err != nil {
		return invalid(err)
	}
	switch {
	case attachments > 0 && unordered:
		return s.unorderedHeader(ctx, inv, p.Data, attachments)
	case attachments > 0:
		return s.header(inv, p.Data, attachments)
	}
	return s.packet(ctx, inv, packet)
}

// invalid is the end of a session whose client sent what no Socket.IO client sends.
func invalid(cause error) error {
	return &engine.CloseError{Reason: delivery.ReasonForcedClose, Cause: cause}
}

// violation is the end of a session whose client broke the order of things.
func violation(format string, args ...any) error {
	return &engine.CloseError{Reason: delivery.ReasonForcedServer, Cause: fmt.Errorf(format, args...)}
}

// packet handles one Socket.IO packet that is complete.
func (s *Server) packet(ctx context.Context, inv *engine.Invocation, p socketio.Packet) error {
	if isOld(inv) {
		p = ofOldClient(p)
	}
	switch p.Type {
	case socketio.Connect:
		return s.connect(ctx, inv, p)
	case socketio.Disconnect:
		return s.clientDisconnect(ctx, inv, p)
	case socketio.Event, socketio.BinaryEvent:
		return s.event(ctx, inv, p)
	case socketio.Ack, socketio.BinaryAck:
		return s.ack(ctx, inv, p)
	case socketio.ConnectError:
		return violation("a client sent CONNECT_ERROR")
	default:
		return violation("a client sent a packet of type %s", p.Type)
	}
}
