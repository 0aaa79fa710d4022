// Package suites is the application that the test suites of Socket.IO's and Engine.IO's clients speak to: the
// namespaces and events that they ask for, under the names that the suites use, so that those can be run against it
// too. docs/reference-suites.md lists what they check.
package suites

import (
	"context"

	"github.com/nonstick-io/nonstick"
	"github.com/nonstick-io/nonstick/gateway"
	"github.com/nonstick-io/nonstick/internal/apps/protocol"
	"github.com/nonstick-io/nonstick/internal/engineio"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// silent are the namespaces that a client joins and nothing else happens in.
var silent = []string{"/asd", "/valid", "/timeout_socket"}

// Register sets the handlers. On the main namespace are the events of events.go and binary.go. "getId" is acknowledged
// with the socket's id, on /foo too. /abc emits "handshake" to each new socket, with the request that opened its
// session and the auth that it sent. /no refuses every socket. /recovery is of recovery.go. On /asd, /valid and
// /timeout_socket nothing happens.
func Register(srv *nonstick.Server) {
	srv.AllowAttachments()
	for _, name := range silent {
		srv.Of(name)
	}
	foo := srv.Of("/foo")
	for _, n := range []*nonstick.Namespace{srv.Namespace, foo} {
		nonstick.OnAck(n, "getId", func(_ context.Context, s *nonstick.Socket, _ nonstick.Args) (string, error) {
			return s.ID(), nil
		})
	}
	srv.Of("/abc").OnConnect(func(ctx context.Context, s *nonstick.Socket) error {
		h, err := handshakeOf(ctx, s)
		if err != nil {
			return err
		}
		return s.Emit(ctx, "handshake", h)
	})
	srv.Of("/no").Use(func(context.Context, *nonstick.Socket) error {
		return &nonstick.Error{Message: "Auth failed (custom namespace)"}
	})
	recovery(srv.Of("/recovery"))
	events(srv)
	binary(srv)
}

// EngineIO is what the suite of Engine.IO's client speaks to: every message comes back, and a client that has "deny"
// in its query is refused.
func EngineIO() gateway.App {
	return gateway.App{Name: "suites-engineio", New: func(c gateway.Config) gateway.Instance {
		c.Options.ConnectTimeout = -1 // there are no namespaces to join in time
		c.Options.AllowRequest = func(_ context.Context, h sessionstore.Handshake) error {
			if _, ok := h.Query["deny"]; ok {
				return engineio.Forbidden("denied")
			}
			return nil
		}
		return gateway.Instance{Engine: c.NewEngine(protocol.Echo{})}
	}}
}
