package eventsout

import (
	"context"

	"github.com/nonstick-io/nonstick/adapter"
	"github.com/nonstick-io/nonstick/sessionstore"
)

var _ adapter.Watcher = (*Out)(nil)

// Interest implements [adapter.Watcher].
func (o *Out) Interest(sessionstore.Socket) adapter.Interest {
	return adapter.Interest{Joins: o.Wants(Join), Leaves: o.Wants(Leave)}
}

// Moved implements [adapter.Watcher].
func (o *Out) Moved(ctx context.Context, m adapter.Move, _ error) {
	e := Event{
		Type: Join, Namespace: m.Socket.Namespace, Socket: m.Socket.ID, Session: m.Socket.Session, Room: m.Room,
		Reason: m.Reason,
	}
	if m.Left {
		e.Type = Leave
	}
	o.Tell(ctx, e)
}
