package simulation

import (
	"context"
	"fmt"
	"time"

	"github.com/nonstick-io/nonstick/gateway/engine"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// begin opens a session on WebSocket. The open step comes out of a queue: late, maybe twice, and again if its
// instance died; in half of the cases it comes before the connect has been answered.
func (c *client) begin(ctx context.Context) {
	ready := time.Now()
	if c.stepDelay/time.Millisecond%2 == 1 {
		ready = ready.Add(c.stepDelay + c.stepDelay/2)
	}
	ws := c.run.net.open(sessionstore.Connection{ID: c.name + "-ws", Endpoint: "sim"}, ready)
	var step engine.Step
	_, err := c.request(ctx, "connect", func(ctx context.Context, e *engine.Engine) (_ string, err error) {
		step, err = e.Connect(ctx, ws.conn, sessionstore.Handshake{})
		return "", err
	})
	if err != nil {
		c.run.net.cut(ws.conn)
		return
	}
	c.mu.Lock()
	c.sid, c.alive, c.lastPing, c.ws = step.Session, true, time.Now(), ws
	c.paused, c.upgraded = true, true
	c.mu.Unlock()
	close(c.probed)
	c.spawn(ctx, "ws", func(ctx context.Context) { c.receive(ctx, ws) })
	c.spawn(ctx, "watch", c.watch)
	for n := range c.steps {
		c.run.w.spawn(
			ctx, fmt.Sprintf("%s/step%d", c.name, n), func(ctx context.Context, _ *proc) { c.step(ctx, step, n) },
		)
	}
}

// step runs the open step, until an instance has lived to do it.
func (c *client) step(ctx context.Context, step engine.Step, n int) {
	for try := range 3 {
		c.run.w.pause(ctx, c.stepDelay*time.Duration(n+try+1))
		_, err := c.request(
			ctx, fmt.Sprintf("open%d.%d", n, try),
			func(ctx context.Context, e *engine.Engine) (string, error) {
				return "", e.Run(ctx, step)
			},
		)
		if err == nil {
			return
		}
	}
}

// open0 takes the open packet.
func (c *client) open0(ctx context.Context) {
	c.mu.Lock()
	twice := c.opened
	c.opened, c.lastPing = true, time.Now()
	ws := c.ws
	c.mu.Unlock()
	if twice {
		c.run.w.violation("%s was opened twice", c.name)
		return
	}
	c.spawn(ctx, "hello", func(ctx context.Context) { c.message(ctx, ws, fmt.Sprintf(`40{"name":%q}`, c.name)) })
}
