package cases

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/nonstick-io/nonstick/gateway"
)

// maxBurst bounds what "burst" emits.
const maxBurst = 20_000

// echoes sets events that come back:
//
//   - echo, and events with awkward names, acknowledge with all their arguments; back emits them to the sender as
//     "back";
//   - int, float, str, any, map, bin, bytes and struct take one argument of that type;
//   - none takes and returns nothing; fail fails, so nothing is acknowledged; refuse is refused with the message "no";
//   - burst takes a number and emits that many numbered events "self";
//   - slow takes milliseconds and acknowledges after that time, hs acknowledges with the handshake, auth with the auth.
func echoes(n *gateway.Namespace) {
	for _, name := range []string{"echo", "", "7", "ünï😀 \x1e\"\\\n"} {
		gateway.On(n, name, same[gateway.Args])
	}
	gateway.On(n, "back", func(ctx context.Context, s *gateway.Socket, args gateway.Args) (gateway.None, error) {
		return gateway.None{}, s.EmitArgs(ctx, "back", args)
	})
	gateway.On(n, "int", same[int64])
	gateway.On(n, "float", same[float64])
	gateway.On(n, "str", same[string])
	gateway.On(n, "any", same[any])
	gateway.On(n, "map", same[map[string]any])
	gateway.On(n, "none", same[gateway.None])
	gateway.On(n, "bin", func(_ context.Context, _ *gateway.Socket, b []byte) (gateway.Binary, error) {
		return b, nil
	})
	gateway.On(n, "bytes", func(_ context.Context, _ *gateway.Socket, b []byte) (int, error) { return len(b), nil })
	gateway.On(n, "struct", func(_ context.Context, _ *gateway.Socket, in withBinary) (int, error) {
		return in.A + len(in.B), nil
	})
	gateway.On(n, "fail", func(context.Context, *gateway.Socket, gateway.None) (gateway.None, error) {
		return gateway.None{}, errors.New("cases: asked to fail")
	})
	gateway.On(n, "refuse", func(context.Context, *gateway.Socket, gateway.None) (gateway.None, error) {
		return gateway.None{}, &gateway.Error{Message: "no"}
	})
	gateway.On(n, "burst", burst)
	gateway.On(n, "slow", slow)
	gateway.On(n, "hs", handshake)
	gateway.On(n, "auth", func(ctx context.Context, s *gateway.Socket, _ gateway.None) (json.RawMessage, error) {
		return s.Auth(ctx)
	})
}

// withBinary is an argument that has binary data inside.
type withBinary struct {
	A int            `json:"a"`
	B gateway.Binary `json:"b"`
}

// same acknowledges with what came.
func same[T any](_ context.Context, _ *gateway.Socket, v T) (T, error) { return v, nil }

func burst(ctx context.Context, s *gateway.Socket, count int) (int, error) {
	for i := range min(count, maxBurst) {
		if err := gateway.Emit(ctx, s, "self", i); err != nil {
			return 0, err
		}
	}
	return count, nil
}

func handshake(ctx context.Context, s *gateway.Socket, _ gateway.None) (map[string]any, error) {
	h, err := s.Handshake(ctx)
	if err != nil {
		return nil, err
	}
	return map[string]any{
		"query": h.Query, "headers": h.Headers, "address": h.Address, "url": h.URL, "secure": h.Secure, "time": h.Time,
	}, nil
}
