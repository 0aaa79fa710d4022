package nonstick

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nonstick-io/nonstick/adapter/emitter"
	"github.com/nonstick-io/nonstick/gateway/engine"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// OnExpire adds a hook of sockets whose time is over that [Socket.ExpireAt] has set: of a token that ends, where no
// process waits for that. It is called within a few seconds, on some instance, once, unless the socket has left or its
// time was put off; again only if the instance dies that calls it, for as long as its 10 s last. It disconnects the
// socket, or asks its client for a new token and gives it some more time:
//
//	io.OnExpire(func(ctx context.Context, s *nonstick.RemoteSocket) error { return s.Disconnect(ctx, true) })
//
// Several are called in the order of their registration. An error is logged. OnExpire panics with [ErrServing] after
// the first request of a client.
func (n *Namespace) OnExpire(hook func(ctx context.Context, s *RemoteSocket) error) {
	n.register("a hook", func() {
		n.hooks.expired = append(n.hooks.expired, hook)
		n.server.timed = true
	})
}

// ExpireAt says when what let the socket in ends, for the hook of [Namespace.OnExpire]. Called again it takes the place
// of what was said before; the zero time means never. It takes 2 writes, or 1 in a connect handler.
// [ErrNoHandler] if no hook is registered, for then nothing would happen.
func (s *Socket) ExpireAt(ctx context.Context, at time.Time) error {
	if err := s.inHandler(); err != nil {
		return err
	}
	if len(s.nsp.hooks.expired) == 0 {
		return fmt.Errorf("%w: OnExpire of namespace %q", ErrNoHandler, s.nsp.name)
	}
	if s.phase == disconnected {
		return ErrDisconnected
	}
	via := &s.nsp.server.via
	if err := via.ExpireTimer(ctx, s.row, at); err != nil {
		return err
	}
	if s.phase == connecting {
		s.entry.ExpiresAt = at
		return nil
	}
	if err := via.SetExpiry(ctx, s.row, at); err != nil {
		return err
	}
	s.row.ExpiresAt, s.changed = at, true
	return nil
}

// expire calls the hooks of a socket whose time is over.
func (s *Server) expire(ctx context.Context, t sessionstore.Timer, e emitter.Expiry) error {
	n := s.find(e.Namespace)
	if n == nil {
		return nil
	}
	m, err := s.store.Member(ctx, e.Namespace, e.Socket)
	if errors.Is(err, sessionstore.ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("%w: nonstick: expire: %w", engine.ErrUnfinished, err)
	}
	row, _, err := s.store.ReadSocket(ctx, e.Namespace, m)
	if errors.Is(err, sessionstore.ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("%w: nonstick: expire: %w", engine.ErrUnfinished, err)
	}
	if row.ExpiresAt.IsZero() || row.ExpiresAt.After(t.At) {
		return nil // it was put off
	}
	for _, hook := range n.hooks.expired {
		err = errors.Join(err, n.guarded(ctx, func() error {
			k, err := n.via.Socket(ctx, n.name, string(e.Socket))
			if errors.Is(err, ErrDisconnected) {
				return nil
			}
			if err != nil {
				return err
			}
			return hook(ctx, k)
		}))
	}
	return err
}
