// Command chat is a chat for Nonstick: names, rooms, and who is typing.
package main

import (
	"cmp"
	"context"
	"errors"

	"github.com/nonstick-io/nonstick"
)

func main() { nonstick.Main(register) }

func register(io *nonstick.Server) {
	io.OnConnect(func(ctx context.Context, s *nonstick.Socket) error {
		auth, err := nonstick.Auth[struct{ Name string }](ctx, s)
		if err != nil || auth.Name == "" {
			return &nonstick.Error{Message: "say your name"}
		}
		return s.SetData(ctx, "name", auth.Name)
	})

	nonstick.OnAck(io, "join", func(ctx context.Context, s *nonstick.Socket, room string) (map[string]string, error) {
		if err := s.Join(ctx, room); err != nil {
			return nil, err
		}
		people, err := io.To(room).Fetch(ctx, 100)
		if err != nil {
			return nil, err
		}
		names := map[string]string{}
		for _, person := range people {
			if names[person.ID()], _, err = nonstick.Data[string](ctx, person, "name"); err != nil {
				return nil, err
			}
		}
		return names, s.To(room).Emit(ctx, "joined", room, s.ID(), names[s.ID()])
	})

	nonstick.On(io, "leave", func(ctx context.Context, s *nonstick.Socket, room string) error {
		if err := s.Leave(ctx, room); err != nil {
			return err
		}
		return s.To(room).Emit(ctx, "left", room, s.ID())
	})

	nonstick.On(io, "say", func(ctx context.Context, s *nonstick.Socket, in nonstick.Args2[string, string]) error {
		room, text := in.First, in.Second
		if ok, err := s.InRoom(ctx, room); err != nil || !ok {
			return cmp.Or[error](err, &nonstick.Error{Message: "you are not in this room"})
		}
		return s.To(room).Emit(ctx, "said", room, s.ID(), text)
	})

	nonstick.On(io, "typing", func(ctx context.Context, s *nonstick.Socket, in nonstick.Args2[string, bool]) error {
		room, typing := in.First, in.Second
		return s.To(room).Emit(ctx, "typing", room, s.ID(), typing)
	})

	io.OnDisconnecting(func(ctx context.Context, s *nonstick.Socket, _ nonstick.Reason) error {
		rooms, err := s.Rooms(ctx)
		for _, room := range rooms {
			err = errors.Join(err, s.To(room).Emit(ctx, "left", room, s.ID()))
		}
		return err
	})
}
