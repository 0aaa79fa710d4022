package cases

import (
	"context"

	"github.com/nonstick-io/nonstick/gateway"
)

// rooms sets events about rooms:
//
//   - join and leave take a room and acknowledge with "ok", rooms acknowledges with those of the socket;
//   - say takes a room and a value, which the room gets as "said";
//   - all emits its arguments as "all" to the whole namespace.
func rooms(n *gateway.Namespace) {
	gateway.On(n, "join", func(ctx context.Context, s *gateway.Socket, room string) (string, error) {
		return "ok", s.Join(ctx, room)
	})
	gateway.On(n, "leave", func(ctx context.Context, s *gateway.Socket, room string) (string, error) {
		return "ok", s.Leave(ctx, room)
	})
	gateway.On(n, "rooms", func(ctx context.Context, s *gateway.Socket, _ gateway.None) ([]string, error) {
		return s.Rooms(ctx)
	})
	gateway.On(n, "say", func(ctx context.Context, _ *gateway.Socket, in gateway.Args2[string, any]) (bool, error) {
		return true, gateway.Emit(ctx, n.To(in.First), "said", in.Second)
	})
	gateway.On(n, "all", func(ctx context.Context, _ *gateway.Socket, args gateway.Args) (bool, error) {
		return true, n.EmitArgs(ctx, "all", args)
	})
}
