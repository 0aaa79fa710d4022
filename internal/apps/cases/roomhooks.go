package cases

import (
	"context"

	"github.com/nonstick-io/nonstick"
)

// roomHooks sets the namespace /rooms, whose hooks of rooms tell "watchers" of the main namespace what they see, as
// "room": create, join, leave or delete, the room, and the socket's id where there is one.
//
//   - a socket is put into the room that its auth names when it connects;
//   - join, leave and rooms are those of rooms.go; put takes a socket's id and a room and puts the one into the other.
func roomHooks(srv *nonstick.Server) {
	n := srv.Of("/rooms")
	rooms(n)
	n.OnConnect(func(ctx context.Context, s *nonstick.Socket) error {
		w, err := wishesOf(ctx, s)
		if err != nil || w.Room == "" {
			return err
		}
		return s.Join(ctx, w.Room)
	})
	nonstick.OnAck(
		n, "put", func(ctx context.Context, _ *nonstick.Socket, in nonstick.Args2[string, string]) (string, error) {
			return "ok", n.In(in.First).Join(ctx, in.Second)
		},
	)
	member := func(what string) func(context.Context, *nonstick.Namespace, string, string) error {
		return func(ctx context.Context, _ *nonstick.Namespace, room, id string) error {
			return srv.To(watchers).Emit(ctx, "room", what, room, id)
		}
	}
	room := func(what string) func(context.Context, *nonstick.Namespace, string) error {
		return func(ctx context.Context, _ *nonstick.Namespace, room string) error {
			return srv.To(watchers).Emit(ctx, "room", what, room)
		}
	}
	n.OnCreateRoom(room("create"))
	n.OnJoinRoom(member("join"))
	n.OnLeaveRoom(member("leave"))
	n.OnDeleteRoom(room("delete"))
}
