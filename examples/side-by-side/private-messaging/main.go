// Command private-messaging is private messaging for Nonstick: users by their sessions, on as many devices as they
// like.
package main

import (
	"context"
	"errors"

	"github.com/nonstick-io/nonstick"
)

// A real application has these in its database.
var sessions = map[string]string{
	"session of Ann": "ann",
	"session of Bob": "bob",
	"session of Cat": "cat",
}

func main() { nonstick.Main(register) }

func register(io *nonstick.Server) {
	isOnline := func(ctx context.Context, devices nonstick.Selection) (bool, error) {
		found, err := devices.Fetch(ctx, 1)
		return len(found) > 0, err
	}

	io.OnConnect(func(ctx context.Context, s *nonstick.Socket) error {
		auth, err := nonstick.Auth[struct{ Session string }](ctx, s)
		user := sessions[auth.Session]
		if err != nil || user == "" {
			return &nonstick.Error{Message: "log in first"}
		}
		return errors.Join(
			s.SetData(ctx, "user", user),
			s.Join(ctx, user),
			s.Emit(ctx, "welcome", user),
			s.Broadcast().Emit(ctx, "online", user),
		)
	})

	type none = nonstick.Args
	nonstick.OnAck(io, "users", func(ctx context.Context, _ *nonstick.Socket, _ none) (map[string]bool, error) {
		users := map[string]bool{}
		for _, user := range sessions {
			online, err := isOnline(ctx, io.To(user))
			if err != nil {
				return nil, err
			}
			users[user] = online
		}
		return users, nil
	})

	type message = nonstick.Args2[string, string]
	nonstick.OnAck(io, "message", func(ctx context.Context, s *nonstick.Socket, in message) (bool, error) {
		to, text := in.First, in.Second
		user, _, err := nonstick.Data[string](ctx, s, "user")
		if err != nil {
			return false, err
		}
		if err := s.To(to, user).Emit(ctx, "message", user, to, text); err != nil {
			return false, err
		}
		return isOnline(ctx, io.To(to))
	})

	io.OnDisconnect(func(ctx context.Context, s *nonstick.Socket, _ nonstick.Reason) error {
		user, _, err := nonstick.Data[string](ctx, s, "user")
		if err != nil {
			return err
		}
		if online, err := isOnline(ctx, io.To(user)); online || err != nil {
			return err
		}
		return io.Emit(ctx, "offline", user)
	})
}
