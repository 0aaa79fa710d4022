// Package bench is an application to measure and to check with: echoes, rooms and broadcasts.
package bench

import (
	"context"
	"encoding/json"

	"github.com/nonstick-io/nonstick"
)

// maxSelf bounds what "to-self" emits at once.
const maxSelf = 10_000

// destination is the part of a broadcast that says where it goes.
type destination struct {
	Room *string `json:"room"`
}

// Register sets the handlers on the main namespace:
//
//   - echo acknowledges with its arguments;
//   - join and leave take a room and acknowledge;
//   - broadcast takes an object, emits it as "broadcast" to its room (to all if that is null or empty), and
//     acknowledges with true;
//   - to-self takes a number and emits that many events "self", numbered from 0, to the sender.
func Register(srv *nonstick.Server) {
	srv.AllowAttachments()
	nonstick.OnAck(srv, "echo", func(_ context.Context, _ *nonstick.Socket, args nonstick.Args) (nonstick.Args, error) {
		return args, nil
	})
	nonstick.OnAck(srv, "join", func(ctx context.Context, s *nonstick.Socket, room string) (string, error) {
		return "ok", s.Join(ctx, room)
	})
	nonstick.OnAck(srv, "leave", func(ctx context.Context, s *nonstick.Socket, room string) (string, error) {
		return "ok", s.Leave(ctx, room)
	})
	nonstick.OnAck(srv, "broadcast", func(ctx context.Context, _ *nonstick.Socket, args nonstick.Args) (bool, error) {
		return true, broadcast(ctx, srv, args)
	})
	nonstick.On(srv, "to-self", func(ctx context.Context, s *nonstick.Socket, n int) error {
		for i := range min(n, maxSelf) {
			if err := s.Emit(ctx, "self", i); err != nil {
				return err
			}
		}
		return nil
	})
}

// broadcast sends the object on as it came, attachments included.
func broadcast(ctx context.Context, io *nonstick.Server, args nonstick.Args) error {
	payload, err := nonstick.DecodeArgs[json.RawMessage](nonstick.Args{JSON: args.JSON})
	if err != nil {
		return err
	}
	var to destination
	if err := json.Unmarshal(payload, &to); err != nil {
		return &nonstick.Error{Message: "broadcast wants an object"}
	}
	if to.Room == nil || *to.Room == "" {
		return io.Emit(ctx, "broadcast", args)
	}
	return io.To(*to.Room).Emit(ctx, "broadcast", args)
}
