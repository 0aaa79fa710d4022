// Command app is a Socket.IO server: clients that know the token join a room, and what one says all hear. It serves
// on a laptop with go run . and is every function of template.yaml on AWS.
package main

import (
	"context"
	"errors"

	"github.com/nonstick-io/nonstick"
)

func main() { nonstick.Main(register) }

// token is what clients have to know. Put a check of your own here, for instance of a signature.
const token = "secret"

// register sets the handlers. They run on any instance: what is to last is kept in the socket's data.
func register(io *nonstick.Server) {
	io.OnConnect(func(ctx context.Context, s *nonstick.Socket) error {
		auth, err := nonstick.Auth[struct{ Token, Name string }](ctx, s)
		if err != nil || auth.Token != token {
			return &nonstick.Error{Message: "unauthorized"}
		}
		return errors.Join(s.SetData(ctx, "name", auth.Name), s.Join(ctx, "lobby"))
	})
	nonstick.OnAck(io, "say", func(ctx context.Context, s *nonstick.Socket, text string) (int, error) {
		if text == "" {
			return 0, &nonstick.Error{Message: "say something"}
		}
		name, _, err := nonstick.Data[string](ctx, s, "name")
		return len(text), errors.Join(err, io.To("lobby").Emit(ctx, "said", name, text))
	})
}
