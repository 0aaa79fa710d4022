// Package bench is an application to measure and to check with: echoes, rooms and broadcasts.
package bench

import (
	"context"
	"encoding/json"

	"github.com/nonstick-io/nonstick/gateway"
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
func Register(srv *gateway.Server) {
	nsp := srv.Of("/")
	nsp.AllowAttachments()
	gateway.On(nsp, "echo", func(_ context.Context, _ *gateway.Socket, args gateway.Args) (gateway.Args, error) {
		return args, nil
	})
	gateway.On(nsp, "join", func(ctx context.Context, s *gateway.Socket, room string) (string, error) {
		return "ok", s.Join(ctx, room)
	})
	gateway.On(nsp, "leave", func(ctx context.Context, s *gateway.Socket, room string) (string, error) {
		return "ok", s.Leave(ctx, room)
	})
	gateway.On(nsp, "broadcast", func(ctx context.Context, _ *gateway.Socket, args gateway.Args) (bool, error) {
		return true, broadcast(ctx, nsp, args)
	})
	gateway.On(nsp, "to-self", func(ctx context.Context, s *gateway.Socket, n int) (gateway.None, error) {
		for i := range min(n, maxSelf) {
			if err := gateway.Emit(ctx, s, "self", i); err != nil {
				return gateway.None{}, err
			}
		}
		return gateway.None{}, nil
	})
}

// broadcast sends the object on as it came, attachments included.
func broadcast(ctx context.Context, nsp *gateway.Namespace, args gateway.Args) error {
	payload, err := gateway.DecodeArgs[json.RawMessage](gateway.Args{JSON: args.JSON})
	if err != nil {
		return err
	}
	var to destination
	if err := json.Unmarshal(payload, &to); err != nil {
		return &gateway.Error{Message: "broadcast wants an object"}
	}
	if to.Room == nil || *to.Room == "" {
		return nsp.EmitArgs(ctx, "broadcast", args)
	}
	return nsp.To(*to.Room).EmitArgs(ctx, "broadcast", args)
}
