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
	nsp := srv.Of("/")
	nsp.AllowAttachments()
	nonstick.On(nsp, "echo", func(_ context.Context, _ *nonstick.Socket, args nonstick.Args) (nonstick.Args, error) {
		return args, nil
	})
	nonstick.On(nsp, "join", func(ctx context.Context, s *nonstick.Socket, room string) (string, error) {
		return "ok", s.Join(ctx, room)
	})
	nonstick.On(nsp, "leave", func(ctx context.Context, s *nonstick.Socket, room string) (string, error) {
		return "ok", s.Leave(ctx, room)
	})
	nonstick.On(nsp, "broadcast", func(ctx context.Context, _ *nonstick.Socket, args nonstick.Args) (bool, error) {
		return true, broadcast(ctx, nsp, args)
	})
	nonstick.On(nsp, "to-self", func(ctx context.Context, s *nonstick.Socket, n int) (nonstick.None, error) {
		for i := range min(n, maxSelf) {
			if err := nonstick.Emit(ctx, s, "self", i); err != nil {
				return nonstick.None{}, err
			}
		}
		return nonstick.None{}, nil
	})
}

// broadcast sends the object on as it came, attachments included.
func broadcast(ctx context.Context, nsp *nonstick.Namespace, args nonstick.Args) error {
	payload, err := nonstick.DecodeArgs[json.RawMessage](nonstick.Args{JSON: args.JSON})
	if err != nil {
		return err
	}
	var to destination
	if err := json.Unmarshal(payload, &to); err != nil {
		return &nonstick.Error{Message: "broadcast wants an object"}
	}
	if to.Room == nil || *to.Room == "" {
		return nsp.EmitArgs(ctx, "broadcast", args)
	}
	return nsp.To(*to.Room).EmitArgs(ctx, "broadcast", args)
}
