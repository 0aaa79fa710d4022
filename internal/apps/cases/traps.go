package cases

import (
	"context"
	"errors"
	"time"

	"github.com/nonstick-io/nonstick/gateway"
)

// keptFor is how long after its handler has returned a kept socket is used.
const keptFor = 300 * time.Millisecond

// traps sets events that do what a program must not, but what people used to servers with one process will try. None
// of them may harm anybody else, and each must say so at the first try:
//
//   - late registers a handler inside a connection, as does the connect handler for the auth {"late": true};
//   - keep acknowledges, and emits to its socket later: whether that worked, the socket's room is told as
//     "kept-result", with the text of the error or "";
//   - panic panics, err fails, nosuch acknowledges with its arguments as a text, twice is registered twice.
func (a App) traps(n *gateway.Namespace) {
	gateway.On(n, "late", func(context.Context, *gateway.Socket, gateway.None) (gateway.None, error) {
		lateHandler(n)
		return gateway.None{}, nil
	})
	gateway.On(n, "keep", func(ctx context.Context, s *gateway.Socket, _ gateway.None) (string, error) {
		go a.useLater(context.WithoutCancel(ctx), n, s) // outlives the call on purpose: that is the mistake
		return "ok", nil
	})
	gateway.On(n, "panic", func(context.Context, *gateway.Socket, gateway.None) (gateway.None, error) { panic("boom") })
	gateway.On(n, "err", func(context.Context, *gateway.Socket, gateway.None) (gateway.None, error) {
		return gateway.None{}, errors.New("cases: database down")
	})
	gateway.On(n, "nosuch", func(_ context.Context, _ *gateway.Socket, args gateway.Args) (string, error) {
		return string(args.JSON), nil
	})
	for _, answer := range []string{"first", "one"} {
		gateway.On(
			n, "twice", func(context.Context, *gateway.Socket, gateway.None) (string, error) { return answer, nil },
		)
	}
}

// lateHandler registers a handler when the server serves already.
func lateHandler(n *gateway.Namespace) {
	gateway.On(n, "registered-late", same[gateway.Args])
}

// useLater emits to a socket whose handler has returned.
func (a App) useLater(ctx context.Context, n *gateway.Namespace, s *gateway.Socket) {
	time.Sleep(keptFor)
	result := ""
	if err := gateway.Emit(ctx, s, "kept", 1); err != nil {
		result = err.Error()
	}
	a.Logger.WarnContext(ctx, "a kept socket was used", "result", result)
	if err := gateway.Emit(ctx, n.To(s.ID()), "kept-result", result); err != nil {
		a.Logger.ErrorContext(ctx, "the result was not told", "error", err)
	}
}
