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
	"github.com/nonstick-io/nonstick/gateway"
	"github.com/nonstick-io/nonstick/gateway/engine"
	"github.com/nonstick-io/nonstick/internal/engineio"
	"github.com/nonstick-io/nonstick/internal/socketio"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// Config is what a [Server] is made of.
type Config = gateway.Config

const defaultDisconnectTries = 2

// Server is a Socket.IO server. Register namespaces and handlers first, then let it serve: from then on
// it is safe for concurrent use.
type Server struct {
	engine     *engine.Engine
	adapter    *adapter.Adapter
	store      sessionstore.Store
	waker      sessionstore.Waker // nil if the store cannot tell
	packets    socketio.Limits
	maxPayload int
	unordered  bool
	pages      http.Handler // nil if there are none
	limits     delivery.Limits
	log        *slog.Logger
	hooks      engine.Hooks

	handlerTime  time.Duration // of disconnect handlers
	handlerTries int

	seal       seal
	namespaces map[sessionstore.Namespace]*Namespace // read-only once sealed, and so are the handlers in it
}

// New returns a Server without namespaces.
func New(c Config) *Server {
	s := &Server{
		store: c.Store, packets: c.Packets, unordered: c.Unordered, log: c.Logger, maxPayload: c.Options.MaxPayload,
		hooks: c.Hooks,
		handlerTime: min(
			cmp.Or(c.DisconnectTime, gateway.DefaultDisconnectTime), gateway.MaxDisconnectTime,
		),
		handlerTries: cmp.Or(c.DisconnectTries, defaultDisconnectTries),
		limits:       c.Options.Limits.WithDefaults(),
		namespaces:   make(map[sessionstore.Namespace]*Namespace),
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.maxPayload == 0 {
		s.maxPayload = 1e6
	}
	s.waker, _ = c.Store.(sessionstore.Waker)
	if c.AllowRequest != nil {
		c.Options.AllowRequest = allowRequest(c.AllowRequest)
	}
	s.engine = c.NewEngine(protocol{s})
	s.adapter = adapter.New(
		c.Store, s.engine.Delivery(),
		adapter.Options{Fanout: c.Fanout, Large: c.LargeRoom, Observe: c.Hooks.Broadcast, Logger: s.log},
	)
	return s
}

// allowRequest has the client see the message of an [*Error].
func allowRequest(
	allow func(context.Context, sessionstore.Handshake) error,
) func(context.Context, sessionstore.Handshake) error {
	return func(ctx context.Context, h sessionstore.Handshake) error {
		err := allow(ctx, h)
		if shown, ok := errors.AsType[*Error](err); ok {
			return engineio.Forbidden(shown.Message)
		}
		return err
	}
}

// Engine returns the Engine.IO sessions, which requests are brought to.
func (s *Server) Engine() *engine.Engine { return s.engine }

// Of returns the namespace of that name ("/" is the main one), and registers it if it is new. A name is at most
// sessionstore.MaxName bytes and begins with "/"; Of panics at another one, for it is a mistake in the program, and
// with [ErrServing] at a new one after the first message of a client.
func (s *Server) Of(name string) *Namespace {
	if name == "" || name[0] != '/' || len(name) > sessionstore.MaxName {
		panic(
			fmt.Sprintf(
				"nonstick: namespace %q: want a name of 1 to %d bytes that begins with /", name, sessionstore.MaxName,
			),
		)
	}
	n := sessionstore.Namespace(name)
	if s.seal.closed() {
		if known := s.namespaces[n]; known != nil {
			return known
		}
	}
	var known *Namespace
	s.seal.register(fmt.Sprintf("namespace %q", name), func() {
		if known = s.namespaces[n]; known == nil {
			known = &Namespace{
				server: s, name: n, events: make(map[string]eventHandler), acks: make(map[string]ackHandler),
			}
			s.namespaces[n] = known
		}
	})
	return known
}

// protocol is the server as the engine sees it.
type protocol struct{ *Server }

var _ engine.Handler = protocol{}

// Message handles one Engine.IO message: a Socket.IO packet, or an attachment of one.
func (s protocol) Message(ctx context.Context, inv *engine.Invocation, p engineio.Packet) error {
	s.seal.close()
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
