package emulator

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// DirectPusher pushes to the connections of a server in its own process by a call, and to those of other
// processes by another pusher, as a rule one of the management API.
type DirectPusher struct {
	server *Server
	remote delivery.Pusher
}

var (
	_ delivery.Pusher      = (*DirectPusher)(nil)
	_ delivery.GroupPusher = (*DirectPusher)(nil)
)

// NewDirectPusher returns a pusher for the connections of s, which leaves those of other endpoints to remote.
func NewDirectPusher(s *Server, remote delivery.Pusher) *DirectPusher {
	return &DirectPusher{server: s, remote: remote}
}

// Push implements [delivery.Pusher]. A direct call is never in doubt.
func (p *DirectPusher) Push(ctx context.Context, conn sessionstore.Connection, frame string) error {
	if conn.Endpoint != p.server.endpoint {
		return p.remote.Push(ctx, conn, frame)
	}
	c := p.server.conns.get(conn.ID)
	if c == nil {
		return delivery.ErrGone
	}
	return pushed(c.push(frame))
}

// PushGroup implements [delivery.GroupPusher], between localdev processes too: what the management API lacks, a direct
// call between them may have.
func (p *DirectPusher) PushGroup(ctx context.Context, conn sessionstore.Connection, frames []string) error {
	if conn.Endpoint != p.server.endpoint {
		return postGroup(ctx, conn, frames)
	}
	c := p.server.conns.get(conn.ID)
	if c == nil {
		return delivery.ErrGone
	}
	return pushed(c.pushGroup(frames))
}

// pushed maps the errors of a connection to those of a pusher.
func pushed(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errFull):
		return delivery.ErrBusy
	case errors.Is(err, errTooLarge):
		return fmt.Errorf("push: %w", delivery.ErrFrameTooLarge)
	}
	return delivery.ErrGone
}

// Close implements [delivery.Pusher].
func (p *DirectPusher) Close(ctx context.Context, conn sessionstore.Connection) error {
	if conn.Endpoint != p.server.endpoint {
		return p.remote.Close(ctx, conn)
	}
	c := p.server.conns.get(conn.ID)
	if c == nil {
		return delivery.ErrGone
	}
	c.close(0, "")
	return nil
}

// jsonString is s as a JSON string.
func jsonString(s string) string {
	b, _ := json.Marshal(s) // a string always marshals
	return string(b)
}
