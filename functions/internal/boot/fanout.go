package boot

import (
	"context"

	"github.com/nonstick-io/nonstick/adapter"
	"github.com/nonstick-io/nonstick/internal/socketio"
)

// mostLarge is the most sockets that a broadcast may be told to reach at once.
const mostLarge = 1_000_000

// Broadcasts reads what is configured about broadcasts to very many sockets. Without a queue, the caller that
// broadcasts delivers to all by itself.
func (p *Parts) Broadcasts() adapter.Options {
	const queue = "NONSTICK_FANOUT_QUEUE"
	o := adapter.Options{
		Large: p.Env.Number("NONSTICK_LARGE_ROOM", adapter.DefaultLarge, 1, mostLarge), Parser: Parser(p.Env),
		Logger: p.Log,
	}
	if p.Env.Text(queue, "") != "" {
		o.Fanout = fifo{p.Queue(queue)}
	}
	return o
}

// fifo is a FIFO queue of SQS.
type fifo struct{ queue *Queue }

var _ adapter.Fanout = fifo{}

// Send implements [adapter.Fanout].
func (f fifo) Send(ctx context.Context, m adapter.FanoutMessage) error {
	return f.queue.patiently(ctx, call{QueueURL: f.queue.url, Body: m.Body, Group: m.Group, Key: m.Key})
}

// Parser reads which parser the clients have, which has to be the same for all functions.
func Parser(env *Env) socketio.Parser {
	var names []string
	for _, p := range socketio.Parsers() {
		names = append(names, p.String())
	}
	p, _ := socketio.ParserOf(env.Choice("NONSTICK_PARSER", names[0], names...)) // each of them is one
	return p
}
