// Command first-handler is a program with handlers of one's own: a room and an event. It serves on this machine, and is
// what AWS Lambda runs. docs/first-handler.md walks through it.
package main

import (
	"context"

	"github.com/nonstick-io/nonstick"
)

func main() { nonstick.Main(register) }

// register sets the handlers. Nothing in it says where they run.
func register(io *nonstick.Server) {
	io.OnConnect(func(ctx context.Context, s *nonstick.Socket) error {
		return s.Join(ctx, "lobby")
	})
	nonstick.OnAck(io, "say", func(ctx context.Context, s *nonstick.Socket, text string) (int, error) {
		if text == "" {
			return 0, &nonstick.Error{Message: "say something"}
		}
		return len(text), io.To("lobby").Emit(ctx, "said", text)
	})
}
