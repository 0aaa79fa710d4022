package cases

import (
	"context"
	"errors"
	"time"

	"github.com/nonstick-io/nonstick"
)

// keptFor is how long after its handler has returned a kept socket is used.
const keptFor = 300 * time.Millisecond

// traps sets events that do what a program must not, but what people used to servers with one process will try. None of
// them may harm another client, and each must say so at the first try:
//
//   - late registers a handler inside a connection, as does the connect handler for the auth {"late": true};
//   - keep acknowledges, and emits to its socket later: whether that worked, the socket's room is told as
//     "kept-result", with the text of the error or "";
//   - panic panics, err fails, nosuch acknowledges with its arguments as a text, twice is registered twice.
func (a App) traps(n *nonstick.Namespace) {
	nonstick.On(n, "late", func(context.Context, *nonstick.Socket, nonstick.Args) error {
		lateHandler(n)
		return nil
	})
	nonstick.OnAck(n, "keep", func(ctx context.Context, s *nonstick.Socket, _ nonstick.Args) (string, error) {
		go a.useLater(context.WithoutCancel(ctx), n, s) // outlives the call on purpose: that is the mistake
		return "ok", nil
	})
	nonstick.On(n, "panic", func(context.Context, *nonstick.Socket, nonstick.Args) error { panic("boom") })
	nonstick.On(n, "err", func(context.Context, *nonstick.Socket, nonstick.Args) error {
		return errors.New("cases: database down")
	})
	nonstick.OnAck(n, "nosuch", func(_ context.Context, _ *nonstick.Socket, args nonstick.Args) (string, error) {
		return string(args.JSON), nil
	})
	for _, answer := range []string{"first", "one"} {
		nonstick.OnAck(
			n, "twice", func(context.Context, *nonstick.Socket, nonstick.Args) (string, error) { return answer, nil },
		)
	}
}

// lateHandler registers a handler when the server serves already.
func lateHandler(n *nonstick.Namespace) {
	nonstick.OnAck(n, "registered-late", same[nonstick.Args])
}

// useLater emits to a socket whose handler has returned.
func (a App) useLater(ctx context.Context, n *nonstick.Namespace, s *nonstick.Socket) {
	time.Sleep(keptFor)
	result := ""
	if err := s.Emit(ctx, "kept", 1); err != nil {
		result = err.Error()
	}
	a.Logger.WarnContext(ctx, "a kept socket was used", "result", result)
	if err := n.To(s.ID()).Emit(ctx, "kept-result", result); err != nil {
		a.Logger.ErrorContext(ctx, "the result was not told", "error", err)
	}
}
