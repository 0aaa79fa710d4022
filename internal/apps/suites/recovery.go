package suites

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/nonstick-io/nonstick"
)

// RegisterChecked is Register for a server that recovers sockets for two minutes, and asks middleware again when a
// client comes back.
func RegisterChecked(srv *nonstick.Server) {
	srv.ConnectionStateRecovery(nonstick.ConnectionStateRecovery{
		MaxDisconnectionDuration: 2 * time.Minute, Middlewares: true,
	})
	Register(srv)
}

// The keys of what a socket of /recovery keeps.
const (
	keyChecked   = "checked"   // how often middleware has seen it
	keyRecovered = "recovered" // whether it has been recovered
	keyFoo       = "foo"       // what its auth has under this name
)

// joining is the auth of a socket of /recovery.
type joining struct {
	Rooms []string        `json:"rooms"`
	Foo   json.RawMessage `json:"foo"`
}

// target is which sockets an event of "cast" is for: those of a room, or all of the namespace if it is null.
type target struct {
	Room     *string `json:"room"`
	Volatile bool    `json:"volatile"`
}

// state is what the server knows of a socket of /recovery. Its rooms are sorted.
type state struct {
	ID        string          `json:"id"`
	Recovered bool            `json:"recovered"`
	Rooms     []string        `json:"rooms"`
	Checked   int             `json:"checked"`
	Foo       json.RawMessage `json:"foo"`
}

// recovery sets the namespace /recovery, whose sockets join the rooms of their auth when they are new, and keep its
// foo:
//
//   - state acknowledges with what the server knows of the socket;
//   - cast takes a target and an event as a list, and emits the event;
//   - back emits its arguments, the name of an event first, to the sender;
//   - lost takes the id of a socket that a client has lost, and acknowledges with whether it may come back now: that is
//     at any time, but the reference has to notice the loss first.
func recovery(n *nonstick.Namespace) {
	n.Use(func(ctx context.Context, s *nonstick.Socket) error {
		_, err := nonstick.AddData(ctx, s, keyChecked, 1)
		return err
	})
	n.OnConnect(func(ctx context.Context, s *nonstick.Socket) error {
		if s.Recovered() { // where middleware is asked again, this is too
			return nil
		}
		auth, err := nonstick.Auth[joining](ctx, s)
		if err != nil {
			return err
		}
		if err := s.SetData(ctx, keyFoo, auth.Foo); err != nil {
			return err
		}
		return s.Join(ctx, auth.Rooms...)
	})
	n.OnConnected(func(ctx context.Context, s *nonstick.Socket) error {
		if !s.Recovered() {
			return nil
		}
		return s.SetData(ctx, keyRecovered, true)
	})
	nonstick.OnAck(n, "state", func(ctx context.Context, s *nonstick.Socket, _ nonstick.Args) (state, error) {
		return stateOf(ctx, s)
	})
	type cast = nonstick.Args2[target, []json.RawMessage]
	nonstick.OnAck(n, "cast", func(ctx context.Context, _ *nonstick.Socket, in cast) (bool, error) {
		to := n.To()
		if in.First.Room != nil {
			to = n.To(*in.First.Room)
		}
		if in.First.Volatile {
			to = to.Volatile()
		}
		return true, emitAny(ctx, to, in.Second)
	})
	nonstick.On(n, "back", func(ctx context.Context, s *nonstick.Socket, args nonstick.Args) error {
		var event []json.RawMessage
		if err := json.Unmarshal(args.JSON, &event); err != nil {
			return err
		}
		return emitAny(ctx, s, event)
	})
	nonstick.OnAck(n, "lost", func(context.Context, *nonstick.Socket, string) (bool, error) { return true, nil })
}

// emitAny emits an event that came as a list.
func emitAny(ctx context.Context, to nonstick.Emitter, event []json.RawMessage) error {
	var name string
	if len(event) == 0 || json.Unmarshal(event[0], &name) != nil {
		return &nonstick.Error{Message: "an event begins with its name"}
	}
	args := make([]any, len(event)-1)
	for i := range args {
		args[i] = event[i+1]
	}
	return to.Emit(ctx, name, args...)
}

func stateOf(ctx context.Context, s *nonstick.Socket) (st state, err error) {
	st.ID = s.ID()
	if st.Rooms, err = s.Rooms(ctx); err != nil {
		return st, err
	}
	slices.Sort(st.Rooms)
	if st.Checked, _, err = nonstick.Data[int](ctx, s, keyChecked); err != nil {
		return st, err
	}
	if st.Recovered, _, err = nonstick.Data[bool](ctx, s, keyRecovered); err != nil {
		return st, err
	}
	st.Foo, _, err = nonstick.Data[json.RawMessage](ctx, s, keyFoo)
	return st, err
}
