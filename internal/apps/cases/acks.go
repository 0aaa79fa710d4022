package cases

import (
	"context"

	"github.com/nonstick-io/nonstick"
)

// answered is the name of the continuation of "ask".
const answered = "answered"

// questions sets events in which the server asks a client:
//
//   - ask emits its arguments to the sender as "question", and what that acknowledges with comes back as "answered",
//     emitted by whichever instance takes the answer;
//   - askother takes a socket's id, asks that one "q" and waits for the answer, which it acknowledges with;
//   - askme asks the sender itself and waits, which is refused, see nonstick.ErrAckOwnSession.
func questions(n *nonstick.Namespace) {
	nonstick.OnReply(n, answered, func(ctx context.Context, s *nonstick.Socket, answer nonstick.Args, _ string) error {
		return s.Emit(ctx, "answered", answer)
	})
	nonstick.On(n, "ask", func(ctx context.Context, s *nonstick.Socket, args nonstick.Args) error {
		return nonstick.EmitThen(ctx, s, "question", answered, "state", args)
	})
	nonstick.OnAck(n, "askother", func(ctx context.Context, _ *nonstick.Socket, id string) (string, error) {
		return ask(ctx, n, id)
	})
	nonstick.OnAck(n, "askme", func(ctx context.Context, s *nonstick.Socket, _ nonstick.Args) (string, error) {
		return ask(ctx, n, s.ID())
	})
}

// ask emits "q" to a socket and waits for its answer.
func ask(ctx context.Context, n *nonstick.Namespace, id string) (string, error) {
	r, err := n.Socket(ctx, id)
	if err != nil {
		return "", err
	}
	return nonstick.EmitWithAck[string](ctx, r, "q", "hi")
}
