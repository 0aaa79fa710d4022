package cases

import (
	"context"

	"github.com/nonstick-io/nonstick"
)

// choice is which sockets a client means.
type choice struct {
	To     []string `json:"to"`
	And    []string `json:"and"`
	Except []string `json:"except"`
}

func (c choice) of(n *nonstick.Namespace) nonstick.Selection {
	return n.To(c.To...).And(c.And...).Except(c.Except...)
}

// operators sets events about selections:
//
//   - cast takes a choice of sockets and a value, which they get as "said".
func operators(n *nonstick.Namespace) {
	nonstick.OnAck(
		n, "cast",
		func(ctx context.Context, _ *nonstick.Socket, in nonstick.Args2[choice, any]) (bool, error) {
			return true, in.First.of(n).Emit(ctx, "said", in.Second)
		},
	)
}
