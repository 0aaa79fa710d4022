package serve

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/nonstick-io/nonstick/adapter"
	"github.com/nonstick-io/nonstick/functions/internal/boot"
	"github.com/nonstick-io/nonstick/gateway/apigw"
	"github.com/nonstick-io/nonstick/gateway/engine"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// inbound serves the queue of frames: those of one connection one after the other, in the order of their receipt.
//
// There is no write in the normal path. A frame that the queue delivers again was in the hands of a function that died: nobody
// knows whether it was handled, so its connection is ended, as by a server that dies. Frames that were given back for want of
// time are told apart by a claim.
type inbound struct {
	*boot.Parts
	handler  *apigw.Handler
	engine   *engine.Engine
	starter  *starter
	queue    deleter
	endpoint string
	// alive is how often a connection whose frame takes long is said to be alive: its pongs wait behind that frame.
	alive time.Duration
}

// deleter takes messages out of a queue before their batch is done.
type deleter interface {
	Delete(ctx context.Context, receipts []string) error
}

// neighbourPatience is how long connections wait for a slow one in their batch: no more of their frames are delivered until all of
// the batch is done, or their part of it is taken out of the queue.
const neighbourPatience = 50 * time.Millisecond

// Inbound makes the inbound function.
func Inbound(p *boot.Parts) boot.Handler {
	s := newServer(p)
	f := &inbound{
		Parts: p, handler: s.handler(nil), engine: s.engine, starter: newStarter(p), queue: p.Queue("NONSTICK_INBOUND_QUEUE"),
		endpoint: p.Env.URL("NONSTICK_MANAGEMENT_ENDPOINT"), alive: max(engineOptions(p.Env).PingTimeout/4, 50*time.Millisecond),
	}
	if !engineOptions(p.Env).PushReplies {
		p.Env.Fail("NONSTICK_INBOUND", "the inbound function is for %s", inboundOrdered)
	}
	return boot.JSON(f.serve)
}

// serve takes a batch: frames of several connections side by side.
func (f *inbound) serve(ctx context.Context, e events.SQSEvent) (events.SQSEventResponse, error) {
	defer f.starter.ensure(ctx)
	var order []string
	byConnection := map[string][]queuedFrame{}
	for i := range e.Records {
		frame, err := parseFrame(&e.Records[i])
		if err != nil {
			f.Log.ErrorContext(ctx, "message dropped", "message", e.Records[i].MessageId, "err", err)
			continue
		}
		if byConnection[frame.connection] == nil {
			order = append(order, frame.connection)
		}
		byConnection[frame.connection] = append(byConnection[frame.connection], frame)
	}
	type outcome struct{ frames, back []queuedFrame }
	done := make(chan outcome, len(order))
	for _, id := range order {
		go func() {
			frames := byConnection[id]
			done <- outcome{frames, f.connection(ctx, id, frames)}
		}()
	}
	res := events.SQSEventResponse{BatchItemFailures: []events.SQSBatchItemFailure{}}
	patience := time.NewTimer(neighbourPatience)
	defer patience.Stop()
	var handled []queuedFrame // and not yet out of the queue
	for left, late := len(order), false; left > 0; {
		select {
		case o := <-done:
			left--
			for _, frame := range o.back {
				res.BatchItemFailures = append(res.BatchItemFailures, events.SQSBatchItemFailure{ItemIdentifier: frame.message})
			}
			handled = append(handled, o.frames[:len(o.frames)-len(o.back)]...)
		case <-patience.C:
			late = true
		}
		if late && left > 0 {
			f.release(ctx, handled)
			handled = nil
		}
	}
	return res, nil
}

// release takes frames that were handled out of the queue, so that those behind them are delivered. If it fails, they wait for the
// rest of the batch.
func (f *inbound) release(ctx context.Context, frames []queuedFrame) {
	var receipts []string
	for i := range frames {
		receipts = append(receipts, frames[i].receipt)
	}
	if len(receipts) == 0 {
		return
	}
	if err := f.queue.Delete(ctx, receipts); err != nil {
		f.Log.WarnContext(ctx, "frames wait for a slow neighbour", "err", err)
	}
}

// connection handles frames of one connection and returns those that the queue is to deliver again, with all behind them.
func (f *inbound) connection(ctx context.Context, id string, frames []queuedFrame) (back []queuedFrame) {
	conn := sessionstore.Connection{ID: id, Endpoint: f.endpoint}
	doubt, err := f.inDoubt(ctx, frames)
	if doubt {
		err = f.cut(ctx, conn, frames)
	}
	switch {
	case err != nil:
		f.Log.ErrorContext(ctx, "frames given back", "conn", id, "frames", len(frames), "err", err)
		return frames
	case doubt:
		return nil
	}
	f.Metrics.Add(boot.FramesOutOfPlace, inOrder(frames))
	total, limited := left(ctx)
	for i := range frames {
		if now, _ := left(ctx); i > 0 && limited && now < total/2 {
			return f.giveBack(ctx, conn, frames[i:])
		}
		f.frame(ctx, conn, &frames[i])
	}
	return nil
}

// left is how much time an invocation has.
func left(ctx context.Context) (time.Duration, bool) {
	end, ok := ctx.Deadline()
	return time.Until(end), ok
}

// frame handles one frame. What goes wrong is logged, and has ended the connection, where the frame is.
func (f *inbound) frame(ctx context.Context, conn sessionstore.Connection, frame *queuedFrame) {
	f.Metrics.Sample(boot.FrameDelay, float64(time.Now().UnixMilli()-frame.received))
	stop := f.keepAlive(ctx, conn)
	defer stop()
	e := events.APIGatewayWebsocketProxyRequest{Body: frame.body}
	e.RequestContext.ConnectionID, e.RequestContext.EventType = conn.ID, frame.event
	if _, err := f.handler.WebSocket(ctx, e); err != nil {
		f.Log.ErrorContext(ctx, "frame failed", "conn", conn.ID, "err", err)
	}
}

// keepAlive says that a connection is alive, for as long as one of its frames is being handled.
func (f *inbound) keepAlive(ctx context.Context, conn sessionstore.Connection) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var done sync.WaitGroup
	done.Go(func() {
		tick := time.NewTicker(f.alive)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				f.isAlive(ctx, conn)
			}
		}
	})
	return func() {
		cancel()
		done.Wait()
	}
}

func (f *inbound) isAlive(ctx context.Context, conn sessionstore.Connection) {
	if err := f.engine.Alive(ctx, conn); err != nil && ctx.Err() == nil {
		f.Log.WarnContext(ctx, "connection not kept alive", "conn", conn.ID, "err", err)
	}
}

// inDoubt reports whether a function died over one of the frames. The end of a connection is safe to handle again.
func (f *inbound) inDoubt(ctx context.Context, frames []queuedFrame) (bool, error) {
	for i := range frames {
		if frames[i].receives <= 1 || frames[i].event == disconnectEvent {
			continue
		}
		given, err := f.wasGivenBack(ctx, &frames[i])
		if err != nil || !given {
			return err == nil, err
		}
	}
	return false, nil
}

// cut ends a connection of which nobody knows what was handled. All its frames are done with.
func (f *inbound) cut(ctx context.Context, conn sessionstore.Connection, frames []queuedFrame) error {
	if err := f.engine.Cut(ctx, conn, adapter.ReasonInDoubt); err != nil {
		return fmt.Errorf("end a connection in doubt: %w", err)
	}
	f.Metrics.Add(boot.FramesInDoubt, len(frames))
	f.Log.ErrorContext(ctx, "connection ended: a function died over its frames, and nobody knows what was handled",
		"conn", conn.ID, "frames", len(frames), "reason", adapter.ReasonInDoubt)
	return nil
}

// givenBackFor is longer than a frame that was given back takes to be delivered again.
const givenBackFor = 5 * time.Minute

// deliveryOf names one delivery of a message.
func deliveryOf(frame *queuedFrame, receives int) string {
	return fmt.Sprintf("given/%s/%d", frame.message, receives)
}

// giveBack returns frames for which no time is left to the queue, and marks that nobody has begun with them. Those that could not be
// marked end their connection: when they come again, nobody could tell.
func (f *inbound) giveBack(ctx context.Context, conn sessionstore.Connection, frames []queuedFrame) []queuedFrame {
	f.isAlive(ctx, conn)
	now := time.Now()
	for i := range frames {
		lease := sessionstore.Lease{Owner: newOwner(), Until: now.Add(givenBackFor)}
		if err := f.Store.Claim(ctx, deliveryOf(&frames[i], frames[i].receives), lease, "", now); err != nil {
			f.Log.ErrorContext(ctx, "frames cannot be given back", "conn", conn.ID, "err", err)
			if err := f.cut(ctx, conn, frames); err != nil {
				f.Log.ErrorContext(ctx, "frames given back", "conn", conn.ID, "frames", len(frames), "err", err)
				return frames // they come again as in doubt
			}
			return nil
		}
	}
	f.Log.InfoContext(ctx, "frames given back for want of time", "conn", conn.ID, "frames", len(frames))
	return frames
}

// wasGivenBack reports whether the delivery before this one was given back. It takes the mark for no time at all: one that is
// there refuses that.
func (f *inbound) wasGivenBack(ctx context.Context, frame *queuedFrame) (bool, error) {
	now := time.Now()
	err := f.Store.Claim(ctx, deliveryOf(frame, frame.receives-1), sessionstore.Lease{Owner: newOwner(), Until: now}, "", now)
	switch {
	case errors.Is(err, sessionstore.ErrExists):
		return true, nil
	case err != nil:
		return false, fmt.Errorf("look whether a frame was given back: %w", err)
	}
	return false, nil
}
