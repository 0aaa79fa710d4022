package boot

import (
	"context"
	"math"

	"github.com/nonstick-io/nonstick/adapter"
)

// Fanout is what is done about broadcasts to very many sockets.
type Fanout struct {
	// Queue takes those to more than Large sockets; nil takes none.
	Queue adapter.Fanout
	Large int
}

// defaultLargeRoom is the template's.
const defaultLargeRoom = 500

// Fanout reads the configuration. Without a queue, who broadcasts delivers to all by itself.
func (p *Parts) Fanout() Fanout {
	const queue = "NONSTICK_FANOUT_QUEUE"
	f := Fanout{Large: p.Env.Number("NONSTICK_LARGE_ROOM", defaultLargeRoom, 1, math.MaxInt32)}
	if p.Env.Text(queue, "") != "" {
		f.Queue = fifo{p.Queue(queue)}
	}
	return f
}

// fifo is a FIFO queue of SQS.
type fifo struct{ queue *Queue }

var _ adapter.Fanout = fifo{}

// Send implements [adapter.Fanout].
func (f fifo) Send(ctx context.Context, m adapter.FanoutMessage) error {
	return f.queue.patiently(ctx, call{QueueURL: f.queue.url, Body: m.Body, Group: m.Group, Key: m.Key})
}
