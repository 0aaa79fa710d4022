package cases

import (
	"context"

	"github.com/nonstick-io/nonstick/gateway"
)

// answered is the name of the continuation of "ask".
const answered = "answered"

// questions sets events in which the server asks a client:
//
//   - ask emits its arguments to the sender as "question", and what that acknowledges with comes back as "answered",
//     emitted by whichever instance takes the answer;
//   - askother takes a socket's id, asks that one "q" and waits for the answer, which it acknowledges with;
//   - askme asks the sender itself and waits, which is refused, see gateway.ErrAckOwnSession.
func questions(n *gateway.Namespace) {
	gateway.OnAck(n, answered, func(ctx context.Context, s *gateway.Socket, answer gateway.Args, _ string) error {
		return s.EmitArgs(ctx, "answered", answer)
	})
	gateway.On(n, "ask", func(ctx context.Context, s *gateway.Socket, args gateway.Args) (gateway.None, error) {
		return gateway.None{}, gateway.EmitThen(ctx, s, "question", args, answered, "state")
	})
	gateway.On(n, "askother", func(ctx context.Context, _ *gateway.Socket, id string) (string, error) {
		return ask(ctx, n, id)
	})
	gateway.On(n, "askme", func(ctx context.Context, s *gateway.Socket, _ gateway.None) (string, error) {
		return ask(ctx, n, s.ID())
	})
}

// ask emits "q" to a socket and waits for its answer.
func ask(ctx context.Context, n *gateway.Namespace, id string) (string, error) {
	r, err := n.Socket(ctx, id)
	if err != nil {
		return "", err
	}
	return gateway.EmitWithAck[string, string](ctx, r, "q", "hi")
}
