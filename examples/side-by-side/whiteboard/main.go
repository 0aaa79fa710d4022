// Command whiteboard is a whiteboard for Nonstick: strokes, images, and the picture for a client that comes later.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/nonstick-io/nonstick"
)

func main() { nonstick.Main(register) }

func register(io *nonstick.Server) {
	io.AllowAttachments()

	type none = nonstick.Args
	nonstick.OnAck(io, "picture", func(ctx context.Context, s *nonstick.Socket, _ none) (nonstick.Binary, error) {
		peers, err := s.Broadcast().Fetch(ctx, 1)
		if err != nil || len(peers) == 0 {
			return nil, err
		}
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		picture, err := nonstick.EmitWithAck[nonstick.Binary](ctx, peers[0], "picture")
		if errors.Is(err, nonstick.ErrAckTimeout) {
			return nil, &nonstick.Error{Message: "the picture did not come"}
		}
		return picture, err
	})

	nonstick.On(io, "stroke", func(ctx context.Context, s *nonstick.Socket, stroke json.RawMessage) error {
		return s.Broadcast().Emit(ctx, "stroke", s.ID(), stroke)
	})

	type image = nonstick.Args3[int, int, nonstick.Binary]
	nonstick.On(io, "image", func(ctx context.Context, s *nonstick.Socket, image image) error {
		return s.Broadcast().Emit(ctx, "image", s.ID(), image)
	})

	nonstick.On(io, "cursor", func(ctx context.Context, s *nonstick.Socket, at nonstick.Args2[int, int]) error {
		return s.Volatile().Broadcast().Emit(ctx, "cursor", s.ID(), at)
	})

	nonstick.On(io, "clear", func(ctx context.Context, s *nonstick.Socket, _ none) error {
		return io.Emit(ctx, "clear", s.ID())
	})

	io.OnDisconnect(func(ctx context.Context, s *nonstick.Socket, _ nonstick.Reason) error {
		return io.Emit(ctx, "gone", s.ID())
	})
}
