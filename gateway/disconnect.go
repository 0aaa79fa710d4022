package gateway

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/nonstick-io/nonstick/adapter"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// Closed runs the disconnect handlers of a session that has closed and removes its sockets.
func (s protocol) Closed(ctx context.Context, session sessionstore.Session) error {
	var errs []error
	for _, row := range session.Sockets {
		errs = append(errs, s.parted(ctx, row, session.Reason))
	}
	return errors.Join(errs...)
}

// parted sees to it that a socket's disconnect handler has run and its rows are gone: by this caller or, if somebody else is
// at it, by them. Who dies at it is waited for as long as ctx lasts.
func (s *Server) parted(ctx context.Context, row sessionstore.Socket, reason string) error {
	pause := adapter.NewPause()
	for {
		if done, err := s.part(ctx, row, reason); done || err != nil {
			return err
		}
		pause.Wait(ctx)
		if ctx.Err() != nil {
			return fmt.Errorf("gateway: wait for a disconnect handler: %w", ctx.Err())
		}
		now, err := s.store.Get(ctx, row.Session, time.Now())
		if err != nil && !errors.Is(err, sessionstore.ErrNotFound) {
			return fmt.Errorf("gateway: wait for a disconnect handler: %w", err)
		}
		if k, _ := now.Socket(row.Namespace); k.ID != row.ID {
			return nil
		}
	}
}

// part runs the disconnect handler of a socket and removes its rows, unless somebody else is doing so. A DISCONNECT and the end of
// its connection come close together, and API Gateway hands them over at the same time: the claim sees to it that the handler
// runs once.
func (s *Server) part(ctx context.Context, row sessionstore.Socket, reason string) (done bool, err error) {
	if n := s.namespaces[row.Namespace]; n != nil && n.onDisconnect != nil {
		mine, err := s.claimLeave(ctx, row.ID)
		if !mine || err != nil {
			return false, err
		}
		s.disconnected(ctx, row, reason)
	}
	if _, err := s.store.RemoveSocket(ctx, row); err != nil && !errors.Is(err, sessionstore.ErrNotFound) {
		return false, fmt.Errorf("gateway: remove socket: %w", err)
	}
	return true, nil
}

// claimRepeats is how often a claim is tried that may have been applied or not.
const claimRepeats = 3

// leaveClaim names the right to run a socket's disconnect handler.
func leaveClaim(id sessionstore.SocketID) string { return "left/" + string(id) }

// claimLeave takes the right to run a socket's disconnect handler. It is not given back: somebody may have read the socket's
// row before it was removed. It ends by itself, should its owner have died.
func (s *Server) claimLeave(ctx context.Context, id sessionstore.SocketID) (mine bool, err error) {
	now := time.Now()
	// As long as any work may take, not only this caller's: what has read the row may be slower.
	lease := sessionstore.Lease{Owner: sessionstore.Owner(sessionstore.NewID()), Until: adapter.LeaseUntil(context.WithoutCancel(ctx), now)}
	pause := adapter.NewPause()
	for range claimRepeats {
		err = s.store.Claim(ctx, leaveClaim(id), lease, "", now)
		switch {
		case err == nil:
			return true, nil
		case errors.Is(err, sessionstore.ErrExists):
			return false, nil
		}
		pause.Wait(ctx)
	}
	return false, fmt.Errorf("gateway: claim disconnect handler: %w", err)
}

// disconnected runs the disconnect handler of one socket. What goes wrong in it is logged: nothing can be undone.
func (s *Server) disconnected(ctx context.Context, row sessionstore.Socket, reason string) {
	n := s.namespaces[row.Namespace]
	if n == nil || n.onDisconnect == nil {
		return
	}
	defer func() {
		if r := recover(); r != nil {
			s.log.ErrorContext(ctx, "disconnect handler panicked", "nsp", string(n.name), "panic", fmt.Sprint(r), "stack", string(debug.Stack()))
		}
	}()
	socket := &Socket{nsp: n, row: row, phase: disconnected}
	if err := n.onDisconnect(withCall(ctx, &call{socket: socket}), socket, reason); err != nil {
		s.log.ErrorContext(ctx, "disconnect handler failed", "nsp", string(n.name), "error", err)
	}
}
