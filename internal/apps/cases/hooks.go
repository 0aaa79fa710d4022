package cases

import (
	"context"

	"github.com/nonstick-io/nonstick"
)

// hooks sets the namespace /hooks, whose middleware, listeners and hooks tell what they see:
//
//   - middleware refuses a socket whose auth has "deny", and an event that is called "forbidden", with data;
//   - every event that comes in is told to its sender as "saw", every one that goes out is counted in "out";
//   - a socket that has connected is told so by a broadcast, as "ready", with how many sockets of its id there are;
//   - a socket that has left tells "watchers" of the main namespace, as "last", how many others it found in the room
//     that its auth named;
//   - handshake acknowledges with the handshake, out with the number of events emitted to the socket.
func hooks(srv *nonstick.Server) {
	n := srv.Of("/hooks")
	n.Use(func(ctx context.Context, s *nonstick.Socket) error {
		w, err := wishesOf(ctx, s)
		if err == nil && bool(w.Deny) {
			err = denied
		}
		return err
	}, func(ctx context.Context, s *nonstick.Socket) error {
		w, err := wishesOf(ctx, s)
		if err != nil || w.Room == "" {
			return err
		}
		return s.Join(ctx, w.Room)
	})
	n.OnDisconnect(func(ctx context.Context, s *nonstick.Socket, _ nonstick.Reason) error {
		w, err := wishesOf(ctx, s)
		if err != nil || w.Room == "" {
			return err
		}
		others, err := n.To(w.Room).Fetch(ctx, 10)
		if err != nil {
			return err
		}
		return srv.To(watchers).Emit(ctx, "last", w.Room, len(others))
	})
	n.OnConnected(func(ctx context.Context, s *nonstick.Socket) error {
		ready, err := n.To(s.ID()).Fetch(ctx, 2)
		if err != nil {
			return err
		}
		return n.To(s.ID()).Emit(ctx, "ready", len(ready))
	})
	n.UseEvent(func(_ context.Context, _ *nonstick.Socket, event string, _ nonstick.Args) error {
		if event == "forbidden" {
			return denied
		}
		return nil
	})
	n.OnAny(func(ctx context.Context, s *nonstick.Socket, event string, _ nonstick.Args) {
		_ = s.Emit(ctx, "saw", event) // the client that does not hear it fails the test
	})
	n.OnAnyOutgoing(func(ctx context.Context, s *nonstick.Socket, _ string, _ nonstick.Args) {
		_, _ = nonstick.AddData(ctx, s, "out", 1) // the same
	})
	nonstick.OnAck(n, "out", func(ctx context.Context, s *nonstick.Socket, _ nonstick.Args) (int, error) {
		out, _, err := nonstick.Data[int](ctx, s, "out")
		return out, err
	})
	nonstick.OnAck(n, "forbidden", func(context.Context, *nonstick.Socket, nonstick.Args) (bool, error) {
		return true, nil
	})
	nonstick.OnAck(n, "handshake", func(ctx context.Context, s *nonstick.Socket, _ nonstick.Args) (any, error) {
		h, err := s.Handshake(ctx)
		auth, authErr := s.Auth(ctx)
		if err == nil {
			err = authErr
		}
		return map[string]any{
			"headers": h.Headers, "query": h.Query, "auth": auth, "address": h.Address, "time": h.Time,
			"issued": h.Issued(), "secure": h.Secure, "xdomain": h.XDomain(), "url": h.URL,
		}, err
	})
}
