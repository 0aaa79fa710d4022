// Package protocol is the application that the protocol's test suites speak to: echoes on Socket.IO and, with
// [Echo], on Engine.IO alone.
package protocol

import (
	"context"
	"encoding/json"

	"github.com/nonstick-io/nonstick"
	"github.com/nonstick-io/nonstick/gateway"
	"github.com/nonstick-io/nonstick/gateway/engine"
	"github.com/nonstick-io/nonstick/internal/engineio"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// Register sets the handlers: on the main namespace "auth" is emitted to each new socket with what it sent to
// connect, "message" comes back as "message-back", and "message-with-ack" is acknowledged with its arguments. "ask"
// is emitted back as "question" with a wish for an acknowledgement, which comes back as "answered". "bye" has the
// server disconnect the socket, or the client if its argument is true. /custom has the first of these alone.
func Register(srv *nonstick.Server) {
	srv.AllowAttachments()
	srv.OnConnect(greet)
	srv.Of("/custom").OnConnect(greet)
	nonstick.On(srv, "message", func(ctx context.Context, s *nonstick.Socket, args nonstick.Args) error {
		return s.Emit(ctx, "message-back", args)
	})
	nonstick.OnAck(
		srv, "message-with-ack",
		func(_ context.Context, _ *nonstick.Socket, args nonstick.Args) (nonstick.Args, error) {
			return args, nil
		},
	)
	nonstick.OnReply(
		srv, "answered",
		func(ctx context.Context, s *nonstick.Socket, answer nonstick.Args, _ struct{}) error {
			return s.Emit(ctx, "answered", answer)
		},
	)
	nonstick.On(srv, "ask", func(ctx context.Context, s *nonstick.Socket, args nonstick.Args) error {
		return nonstick.EmitThen(ctx, s, "question", "answered", struct{}{}, args)
	})
	nonstick.On(srv, "bye", func(ctx context.Context, s *nonstick.Socket, client bool) error {
		return s.Disconnect(ctx, client)
	})
}

func greet(ctx context.Context, s *nonstick.Socket) error {
	auth, err := s.Auth(ctx)
	if err != nil {
		return err
	}
	if auth == nil {
		auth = json.RawMessage("{}")
	}
	return s.Emit(ctx, "auth", auth)
}

// Echo is an Engine.IO application: it sends every message back.
type Echo struct{}

var _ engine.Handler = Echo{}

// Message sends the message back.
func (Echo) Message(ctx context.Context, inv *engine.Invocation, p engineio.Packet) error {
	return inv.Reply(ctx, p.Encode())
}

// Done has nothing to do.
func (Echo) Done(context.Context, *engine.Invocation) error { return nil }

// Closed has nothing to do.
func (Echo) Closed(context.Context, sessionstore.Session) error { return nil }

// EngineIO is the application "echo": [Echo] on bare Engine.IO, where there are no namespaces to join in time.
func EngineIO() gateway.App {
	return gateway.App{Name: "echo", New: func(c gateway.Config) gateway.Instance {
		c.Options.ConnectTimeout = -1
		return gateway.Instance{Engine: c.NewEngine(Echo{})}
	}}
}
