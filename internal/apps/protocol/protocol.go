// Package protocol is the application that the protocol's test suites speak to: echoes on Socket.IO and, with
// [Echo], on Engine.IO alone.
package protocol

import (
	"context"
	"encoding/json"

	"github.com/nonstick-io/nonstick/gateway"
	"github.com/nonstick-io/nonstick/gateway/engine"
	"github.com/nonstick-io/nonstick/gateway/engineio"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// Register sets the handlers: on the main namespace "auth" is emitted to each new socket with what it sent to
// connect, "message" comes back as "message-back", and "message-with-ack" is acknowledged with its arguments. "ask"
// is emitted back as "question" with a wish for an acknowledgement, which comes back as "answered". "bye" has the
// server disconnect the socket, or the client if its argument is true. /custom has the first of these alone.
func Register(srv *gateway.Server) {
	main := srv.Of("/")
	main.AllowAttachments()
	main.OnConnect(greet)
	srv.Of("/custom").OnConnect(greet)
	gateway.On(main, "message", func(ctx context.Context, s *gateway.Socket, args gateway.Args) (gateway.None, error) {
		return gateway.None{}, s.EmitArgs(ctx, "message-back", args)
	})
	gateway.On(
		main, "message-with-ack",
		func(_ context.Context, _ *gateway.Socket, args gateway.Args) (gateway.Args, error) {
			return args, nil
		},
	)
	gateway.OnAck(
		main, "answered",
		func(ctx context.Context, s *gateway.Socket, answer gateway.Args, _ gateway.None) error {
			return s.EmitArgs(ctx, "answered", answer)
		},
	)
	gateway.On(main, "ask", func(ctx context.Context, s *gateway.Socket, args gateway.Args) (gateway.None, error) {
		return gateway.None{}, gateway.EmitThen(ctx, s, "question", args, "answered", gateway.None{})
	})
	gateway.On(main, "bye", func(ctx context.Context, s *gateway.Socket, client bool) (gateway.None, error) {
		return gateway.None{}, s.Disconnect(ctx, client)
	})
}

func greet(ctx context.Context, s *gateway.Socket) error {
	auth, err := s.Auth(ctx)
	if err != nil {
		return err
	}
	if auth == nil {
		auth = json.RawMessage("{}")
	}
	return gateway.Emit(ctx, s, "auth", auth)
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
