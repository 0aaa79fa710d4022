// Package inbound handles the frames of WebSocket connections in the order of their receipt, as they come out of a
// FIFO queue that has the connection as its group. It knows no queue and no cloud:
// docs/adr/0013-frames-of-one-connection.md says why it does what it does.
//
// There is no write in the normal path. A frame that the queue delivers again was in the hands of a process that died:
// it is unknown whether it was handled, so its connection is ended, as by a server that dies. Frames that were given
// back for want of time are told apart by a claim.
package inbound

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/nonstick-io/nonstick/sessionstore"
)

// Patience is how long connections wait for a slow one in their batch: no more of their frames are delivered until
// all of the batch is done, or their part of it is taken out of the queue.
const Patience = 50 * time.Millisecond

// Sessions are what is done to a connection beside handling its frames.
type Sessions interface {
	// Cut ends a connection, and the session on it with the reason.
	Cut(ctx context.Context, conn sessionstore.Connection, reason string) error
	// Alive says that the client of a connection lives, and pings it.
	Alive(ctx context.Context, conn sessionstore.Connection) error
}

// Queue is where the frames come from.
type Queue interface {
	// Delete takes messages out of the queue, by the receipts of their delivery, before their batch is done.
	Delete(ctx context.Context, receipts []string) error
}

// Config says what a [Consumer] works with. All is required but Hooks and Logger.
type Config struct {
	// Handle handles one frame. An error is logged: what it means to the connection is done.
	Handle   func(ctx context.Context, f *Frame) error
	Sessions Sessions
	Claims   sessionstore.Claims
	Queue    Queue
	// Alive is how often a connection whose frame takes long is said to be alive: its pongs wait behind that frame.
	Alive  time.Duration
	Hooks  Hooks
	Logger *slog.Logger // default none
}

// Hooks are told what happens. Those that are nil are not called.
type Hooks struct {
	// Begun is called when a frame's turn has come, with the time since its receipt.
	Begun func(delay time.Duration)
	// OutOfPlace counts frames of a batch that were put into the order of their receipt.
	OutOfPlace func(frames int)
	// InDoubt counts frames whose connection was ended because it is unknown whether they were handled.
	InDoubt func(frames int)
}

func (h Hooks) withDefaults() Hooks {
	if h.Begun == nil {
		h.Begun = func(time.Duration) {}
	}
	if h.OutOfPlace == nil {
		h.OutOfPlace = func(int) {}
	}
	if h.InDoubt == nil {
		h.InDoubt = func(int) {}
	}
	return h
}

// Consumer handles what comes out of the queue. Safe for concurrent use.
type Consumer struct {
	Config
}

// New makes a Consumer.
func New(c Config) *Consumer {
	c.Hooks = c.Hooks.withDefaults()
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return &Consumer{c}
}

// Serve handles a batch: frames of one connection one after the other, those of several side by side. It returns the
// messages that the queue is to deliver again; all others are done with, and may be gone from the queue already. When
// half of the time that the context has is over, frames that have not begun are given back.
func (c *Consumer) Serve(ctx context.Context, frames []Frame) (again []string) {
	order, byConnection := split(frames)
	type outcome struct{ frames, back []Frame }
	done := make(chan outcome, len(order))
	for _, conn := range order {
		go func() {
			frames := byConnection[conn]
			o := outcome{frames, frames} // unless it gets to its end
			defer func() { done <- o }()
			o.back = c.connection(ctx, conn, frames)
		}()
	}
	patience := time.NewTimer(Patience)
	defer patience.Stop()
	var handled []Frame // and not yet out of the queue
	for left, late := len(order), false; left > 0; {
		select {
		case o := <-done:
			left--
			for i := range o.back {
				again = append(again, o.back[i].Message)
			}
			handled = append(handled, o.frames[:len(o.frames)-len(o.back)]...)
		case <-patience.C:
			late = true
		}
		if late && left > 0 {
			c.release(ctx, handled)
			handled = nil
		}
	}
	return again
}

// split puts frames together by their connection, and lists the connections as they come.
func split(frames []Frame) (order []sessionstore.Connection, of map[sessionstore.Connection][]Frame) {
	of = map[sessionstore.Connection][]Frame{}
	for _, f := range frames {
		if of[f.Conn] == nil {
			order = append(order, f.Conn)
		}
		of[f.Conn] = append(of[f.Conn], f)
	}
	return order, of
}

// release takes frames that were handled out of the queue, so that those behind them are delivered. If it fails, they
// wait for the rest of the batch.
func (c *Consumer) release(ctx context.Context, frames []Frame) {
	if len(frames) == 0 {
		return
	}
	receipts := make([]string, 0, len(frames))
	for i := range frames {
		receipts = append(receipts, frames[i].Receipt)
	}
	if err := c.Queue.Delete(ctx, receipts); err != nil {
		c.Logger.WarnContext(ctx, "frames wait for a slow neighbour", "error", err)
	}
}

// connection handles frames of one connection and returns those that the queue is to deliver again, with all behind
// them.
func (c *Consumer) connection(ctx context.Context, conn sessionstore.Connection, frames []Frame) (back []Frame) {
	doubt, err := c.inDoubt(ctx, frames)
	if doubt {
		err = c.cut(ctx, conn, frames)
	}
	switch {
	case err != nil:
		c.Logger.ErrorContext(ctx, "frames given back", "conn", conn.ID, "frames", len(frames), "error", err)
		return frames
	case doubt:
		return nil
	}
	if slices.ContainsFunc(frames, cameBack) {
		c.isAlive(ctx, conn) // its pongs have waited with them, and it was not pinged
	}
	c.Hooks.OutOfPlace(inOrder(frames))
	total, limited := left(ctx)
	for i := range frames {
		if now, _ := left(ctx); i > 0 && limited && now < total/2 {
			return c.giveBack(ctx, conn, frames[i:])
		}
		c.frame(ctx, conn, &frames[i])
	}
	return nil
}

// left is how much time an invocation has.
func left(ctx context.Context) (time.Duration, bool) {
	end, ok := ctx.Deadline()
	return time.Until(end), ok
}

// frame handles one frame. What goes wrong is logged, and has ended the connection, where the frame is.
func (c *Consumer) frame(ctx context.Context, conn sessionstore.Connection, f *Frame) {
	c.Hooks.Begun(time.Since(time.UnixMilli(f.Received)))
	stop := c.keepAlive(ctx, conn)
	defer stop()
	if err := c.Handle(ctx, f); err != nil {
		c.Logger.ErrorContext(ctx, "frame failed", "conn", conn.ID, "error", err)
	}
}

// keepAlive says that a connection is alive, for as long as one of its frames is being handled.
func (c *Consumer) keepAlive(ctx context.Context, conn sessionstore.Connection) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var done sync.WaitGroup
	done.Go(func() {
		tick := time.NewTicker(c.Alive)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				c.isAlive(ctx, conn)
			}
		}
	})
	return func() {
		cancel()
		done.Wait()
	}
}

func (c *Consumer) isAlive(ctx context.Context, conn sessionstore.Connection) {
	if err := c.Sessions.Alive(ctx, conn); err != nil && ctx.Err() == nil {
		c.Logger.WarnContext(ctx, "connection not kept alive", "conn", conn.ID, "error", err)
	}
}
