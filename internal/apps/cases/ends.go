package cases

import (
	"context"
	"errors"
	"time"

	"github.com/nonstick-io/nonstick"
)

// watchers is the room that is told about every socket that leaves, as "left" with its rooms, and when it has left
// them, as "gone" with those that it still reads.
const watchers = "watchers"

// ends sets events that end the sender: both emit "last" to it first. bye takes the socket out of its namespace, kick
// ends its whole session.
func ends(n *nonstick.Namespace) {
	for name, session := range map[string]bool{"bye": false, "kick": true} {
		nonstick.OnAck(n, name, func(ctx context.Context, s *nonstick.Socket, _ nonstick.Args) (bool, error) {
			if err := s.Emit(ctx, "last", 1); err != nil {
				return false, err
			}
			return true, s.Disconnect(ctx, session)
		})
	}
}

// gone is the disconnect handler.
func gone(n *nonstick.Namespace) func(context.Context, *nonstick.Socket, nonstick.Reason) error {
	return func(ctx context.Context, s *nonstick.Socket, reason nonstick.Reason) error {
		rooms, err := s.Rooms(ctx)
		if err != nil {
			return err
		}
		return n.To(watchers).Emit(ctx, "gone", map[string]any{"id": s.ID(), "reason": reason, "rooms": rooms})
	}
}

// left is the hook of a socket that is about to leave its rooms: it takes the time that the client has asked for, finds
// that the socket cannot be emitted to any more, and tells the watchers.
func left(n *nonstick.Namespace) func(context.Context, *nonstick.Socket, nonstick.Reason) error {
	return func(ctx context.Context, s *nonstick.Socket, reason nonstick.Reason) error {
		w, err := wishesOf(ctx, s)
		if err != nil {
			return err
		}
		rooms, err := s.Rooms(ctx)
		if err != nil {
			return err
		}
		time.Sleep(milliseconds(w.Leave))
		select {
		case <-time.After(milliseconds(w.Bye)):
		case <-ctx.Done():
			return ctx.Err()
		}
		if err := s.Emit(ctx, "to-self-after-end", 1); !errors.Is(err, nonstick.ErrDisconnected) {
			return errors.Join(errors.New("cases: a socket that has left was emitted to"), err)
		}
		return n.To(watchers).Emit(ctx, "left", map[string]any{"id": s.ID(), "reason": reason, "rooms": rooms})
	}
}

// slow waits whatever its context says.
func slow(_ context.Context, _ *nonstick.Socket, ms int) (int, error) {
	time.Sleep(milliseconds(ms))
	return ms, nil
}
