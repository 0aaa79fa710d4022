package cases

import (
	"context"

	"github.com/nonstick-io/nonstick"
)

// rooms sets events about rooms:
//
//   - join and leave take a room and acknowledge with "ok", rooms acknowledges with those of the socket;
//   - say takes a room and a value, which the room gets as "said";
//   - all emits its arguments as "all" to the whole namespace.
func rooms(n *nonstick.Namespace) {
	nonstick.OnAck(n, "join", func(ctx context.Context, s *nonstick.Socket, room string) (string, error) {
		return "ok", s.Join(ctx, room)
	})
	nonstick.OnAck(n, "leave", func(ctx context.Context, s *nonstick.Socket, room string) (string, error) {
		return "ok", s.Leave(ctx, room)
	})
	nonstick.OnAck(n, "rooms", func(ctx context.Context, s *nonstick.Socket, _ nonstick.Args) ([]string, error) {
		return s.Rooms(ctx)
	})
	nonstick.OnAck(
		n, "say",
		func(ctx context.Context, _ *nonstick.Socket, in nonstick.Args2[string, any]) (bool, error) {
			return true, n.To(in.First).Emit(ctx, "said", in.Second)
		},
	)
	nonstick.OnAck(n, "all", func(ctx context.Context, _ *nonstick.Socket, args nonstick.Args) (bool, error) {
		return true, n.Emit(ctx, "all", args)
	})
}
