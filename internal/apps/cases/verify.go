package cases

import (
	"context"
	"os"
	"strings"
	"time"

	"github.com/nonstick-io/nonstick"
)

// maxPush bounds the text of "push", maxPushes the number of "pushes".
const (
	maxPush   = 256 << 10
	maxPushes = 2000
)

// verification sets events that scripts/verify asks a deployment with:
//
//   - platform acknowledges with what the function knows of its deployment: how frames come in;
//   - push takes a socket's id and a size, emits "pushed" with a text of that size to that socket, and acknowledges
//     with the error, empty if there was none;
//   - pushes takes a socket's id and a number, emits as many numbered events "pushed" to it, one after the other, and
//     acknowledges with the milliseconds that it took.
func verification(n *nonstick.Namespace) {
	nonstick.OnAck(n, "platform", func(context.Context, *nonstick.Socket, nonstick.Args) (map[string]string, error) {
		return map[string]string{
			"inbound": os.Getenv("NONSTICK_INBOUND"), "release": os.Getenv("NONSTICK_RELEASE"),
		}, nil
	})
	nonstick.OnAck(n, "push",
		func(ctx context.Context, _ *nonstick.Socket, in nonstick.Args2[string, int]) (string, error) {
			to, err := n.Socket(ctx, in.First)
			if err == nil {
				err = to.Emit(ctx, "pushed", strings.Repeat("x", min(max(in.Second, 0), maxPush)))
			}
			if err != nil {
				return err.Error(), nil // what went wrong is what is asked for
			}
			return "", nil
		})
	nonstick.OnAck(n, "pushes",
		func(ctx context.Context, _ *nonstick.Socket, in nonstick.Args2[string, int]) (int64, error) {
			to, err := n.Socket(ctx, in.First)
			if err != nil {
				return 0, err
			}
			began := time.Now()
			for i := range min(in.Second, maxPushes) {
				if err := to.Emit(ctx, "pushed", i); err != nil {
					return 0, err
				}
			}
			return time.Since(began).Milliseconds(), nil
		})
}
