package simulation

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/nonstick-io/nonstick/gateway/engine"
)

// poll sends one GET after the other; a proxy may repeat one.
func (c *client) poll(ctx context.Context) {
	defer c.polling.Done()
	for ctx.Err() == nil {
		c.mu.Lock()
		stop := !c.alive || c.paused
		c.gets++
		n := c.gets
		c.mu.Unlock()
		if stop {
			return
		}
		if n > mostGETs {
			c.run.w.violation("%s: one GET after the other is answered at once", c.name)
			c.die("spins")
			return
		}
		payload, err := c.get(ctx, n)
		if err != nil {
			c.die(fmt.Sprintf("GET %d: %v", n, err))
			return
		}
		for frame := range strings.SplitSeq(payload, "\x1e") {
			c.take(ctx, frame)
		}
		if c.run.tight {
			c.run.w.pause(ctx, 300*time.Millisecond)
		}
	}
}

// get sends a GET, or two of the same t, of which the first answer counts.
func (c *client) get(ctx context.Context, n int) (string, error) {
	t := c.stamp(n)
	// See docs/protocol.md: exact as long as no copy reads after the GET after it was answered.
	ask := func(ctx context.Context, e *engine.Engine) (string, error) {
		c.mu.Lock()
		late := c.lastGot > n
		c.handlers[n] = append(c.handlers[n], procOf(ctx))
		c.mu.Unlock()
		if late {
			return "", errDoubt
		}
		payload, err := e.Poll(ctx, c.sid, t)
		c.mu.Lock()
		defer c.mu.Unlock()
		c.lastGot = max(c.lastGot, n)
		for _, p := range c.handlers[n-1] {
			c.run.w.retire(p)
		}
		return payload, err
	}
	if c.stamps != official || !c.run.repeats(n) { // a copy of what has no name is an overlap
		return c.request(ctx, fmt.Sprintf("GET%d", n), ask)
	}
	type result struct {
		payload string
		err     error
	}
	both := make(chan result, 2)
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	for i := range 2 {
		wg.Go(func() {
			payload, err := c.request(ctx, fmt.Sprintf("GET%d.%d", n, i), ask)
			both <- result{payload, err}
		})
	}
	r := <-both
	c.run.w.wg.Go(func() { wg.Wait(); cancel() })
	return r.payload, r.err
}

// post sends one POST and waits for its answer.
func (c *client) post(ctx context.Context, body string) {
	_, err := c.request(ctx, "POST "+body, func(ctx context.Context, e *engine.Engine) (string, error) {
		return "", e.Post(ctx, c.sid, body)
	})
	if err != nil {
		c.die("POST: " + err.Error())
	}
}
