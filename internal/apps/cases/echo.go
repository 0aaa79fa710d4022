package cases

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/nonstick-io/nonstick"
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
func echoes(n *nonstick.Namespace) {
	for _, name := range []string{"echo", "", "7", "ünï😀 \x1e\"\\\n"} {
		nonstick.OnAck(n, name, same[nonstick.Args])
	}
	nonstick.On(n, "back", func(ctx context.Context, s *nonstick.Socket, args nonstick.Args) error {
		return s.Emit(ctx, "back", args)
	})
	nonstick.OnAck(n, "int", same[int64])
	nonstick.OnAck(n, "float", same[float64])
	nonstick.OnAck(n, "str", same[string])
	nonstick.OnAck(n, "any", same[any])
	nonstick.OnAck(n, "map", same[map[string]any])
	nonstick.On(n, "none", func(context.Context, *nonstick.Socket, nonstick.Args) error { return nil })
	nonstick.OnAck(n, "bin", func(_ context.Context, _ *nonstick.Socket, b []byte) (nonstick.Binary, error) {
		return b, nil
	})
	nonstick.OnAck(
		n, "bytes", func(_ context.Context, _ *nonstick.Socket, b []byte) (int, error) { return len(b), nil },
	)
	nonstick.OnAck(n, "struct", func(_ context.Context, _ *nonstick.Socket, in withBinary) (int, error) {
		return in.A + len(in.B), nil
	})
	nonstick.On(n, "fail", func(context.Context, *nonstick.Socket, nonstick.Args) error {
		return errors.New("cases: asked to fail")
	})
	nonstick.On(n, "refuse", func(context.Context, *nonstick.Socket, nonstick.Args) error {
		return &nonstick.Error{Message: "no"}
	})
	nonstick.OnAck(n, "burst", burst)
	nonstick.OnAck(n, "slow", slow)
	nonstick.OnAck(n, "hs", handshake)
	nonstick.OnAck(n, "auth", func(ctx context.Context, s *nonstick.Socket, _ nonstick.Args) (json.RawMessage, error) {
		return s.Auth(ctx)
	})
}

// withBinary is an argument that has binary data inside.
type withBinary struct {
	A int             `json:"a"`
	B nonstick.Binary `json:"b"`
}

// same acknowledges with what came.
func same[T any](_ context.Context, _ *nonstick.Socket, v T) (T, error) { return v, nil }

func burst(ctx context.Context, s *nonstick.Socket, count int) (int, error) {
	for i := range min(count, maxBurst) {
		if err := s.Emit(ctx, "self", i); err != nil {
			return 0, err
		}
	}
	return count, nil
}

func handshake(ctx context.Context, s *nonstick.Socket, _ nonstick.Args) (map[string]any, error) {
	h, err := s.Handshake(ctx)
	if err != nil {
		return nil, err
	}
	return map[string]any{
		"query": h.Query, "headers": h.Headers, "address": h.Address, "url": h.URL, "secure": h.Secure, "time": h.Time,
	}, nil
}
