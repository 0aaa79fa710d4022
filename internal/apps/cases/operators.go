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
	// Volatile says that clients may miss the value.
	Volatile bool `json:"volatile"`
}

func (c choice) of(n *nonstick.Namespace) nonstick.Selection {
	s := n.To(c.To...).And(c.And...).Except(c.Except...)
	if c.Volatile {
		s = s.Volatile()
	}
	return s
}

// operators sets events about selections:
//
//   - members takes a choice of sockets, and acknowledges with their number, whether there are any, their ids, and of
//     each its id and its rooms;
//   - cast takes a choice of sockets and a value, which they get as "said".
func operators(n *nonstick.Namespace) {
	nonstick.OnAck(n, "members", func(ctx context.Context, _ *nonstick.Socket, in choice) (members, error) {
		return found(ctx, in.of(n))
	})
	nonstick.OnAck(
		n, "cast",
		func(ctx context.Context, _ *nonstick.Socket, in nonstick.Args2[choice, any]) (bool, error) {
			return true, in.First.of(n).Emit(ctx, "said", in.Second)
		},
	)
}

// members is what can be read of a selection.
type members struct {
	Count int                 `json:"count"`
	Any   bool                `json:"any"`
	IDs   []string            `json:"ids"`
	Rooms map[string][]string `json:"rooms"`
}

func found(ctx context.Context, of nonstick.Selection) (m members, err error) {
	m.IDs, m.Rooms = []string{}, map[string][]string{}
	if m.Count, err = of.Count(ctx); err != nil {
		return m, err
	}
	if m.Any, err = of.Any(ctx); err != nil {
		return m, err
	}
	for id, err := range of.IDs(ctx) {
		if err != nil {
			return m, err
		}
		m.IDs = append(m.IDs, id)
	}
	for socket, err := range of.All(ctx) {
		if err != nil {
			return m, err
		}
		if m.Rooms[socket.ID()], err = socket.Rooms(ctx); err != nil {
			return m, err
		}
	}
	return m, nil
}
