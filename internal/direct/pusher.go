package direct

import (
	"context"
	"errors"
	"fmt"

	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/localdev/emulator"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// Pusher pushes to the connections of an emulator in its own process by a call, and to those of other processes by
// another pusher, as a rule one of the management API. Groups go to other processes directly. Make it with [New].
type Pusher struct {
	server *emulator.Server
	remote delivery.Pusher
}

var (
	_ delivery.Pusher          = (*Pusher)(nil)
	_ delivery.GroupPusher     = (*Pusher)(nil)
	_ delivery.ImmediatePusher = (*Pusher)(nil)
)

// New returns a pusher for the connections of s, which leaves those of other endpoints to remote. Without other
// processes remote may be nil.
func New(s *emulator.Server, remote delivery.Pusher) *Pusher {
	return &Pusher{server: s, remote: remote}
}

// Push implements [delivery.Pusher]. A direct call is never in doubt.
func (p *Pusher) Push(ctx context.Context, conn sessionstore.Connection, frame string) error {
	if conn.Endpoint != p.server.Endpoint() {
		return p.remote.Push(ctx, conn, frame)
	}
	return pushed(p.server.PostToConnection(conn.ID, frame))
}

// PushGroup implements [delivery.GroupPusher], between processes too, if the other's emulator is of [NewServer].
func (p *Pusher) PushGroup(ctx context.Context, conn sessionstore.Connection, frames []string) error {
	if conn.Endpoint != p.server.Endpoint() {
		return postGroup(ctx, conn, frames)
	}
	return pushed(p.server.PostToConnection(conn.ID, frames...))
}

// PushNow implements [delivery.ImmediatePusher].
func (p *Pusher) PushNow(conn sessionstore.Connection, frames []string) bool {
	return conn.Endpoint == p.server.Endpoint() && p.server.PostToConnection(conn.ID, frames...) == nil
}

// Close implements [delivery.Pusher].
func (p *Pusher) Close(ctx context.Context, conn sessionstore.Connection) error {
	if conn.Endpoint != p.server.Endpoint() {
		return p.remote.Close(ctx, conn)
	}
	return pushed(p.server.DeleteConnection(conn.ID))
}

// pushed maps the errors of the emulator to those of a pusher.
func pushed(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, emulator.ErrLimitExceeded):
		return delivery.ErrBusy
	case errors.Is(err, emulator.ErrPayloadTooLarge):
		return fmt.Errorf("push: %w", delivery.ErrFrameTooLarge)
	}
	return delivery.ErrGone
}
