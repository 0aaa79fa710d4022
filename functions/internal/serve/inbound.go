package serve

import (
	"context"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/nonstick-io/nonstick/functions/internal/boot"
	"github.com/nonstick-io/nonstick/gateway/apigw"
	"github.com/nonstick-io/nonstick/gateway/engine"
	"github.com/nonstick-io/nonstick/gateway/inbound"
)

// frames serves the queue of frames: those of one connection one after the other, in the order of their receipt.
type frames struct {
	*boot.Parts
	consumer *inbound.Consumer
	starter  *starter
	endpoint string
}

// Inbound makes the inbound function.
func (a Apps) Inbound(p *boot.Parts) boot.Handler {
	i := a.server(p).start(nil)
	if !engineOptions(p.Env).PushReplies {
		p.Env.Fail("NONSTICK_INBOUND", "the inbound function is for %s", inboundOrdered)
	}
	alive := max(engineOptions(p.Env).PingTimeout/4, 50*time.Millisecond)
	endpoint := p.Env.URL("NONSTICK_MANAGEMENT_ENDPOINT")
	return boot.SQS(
		newFrames(p, i.Handler, i.Engine, newStarter(p), p.Queue("NONSTICK_INBOUND_QUEUE"), endpoint, alive).serve,
	)
}

func newFrames(
	p *boot.Parts, h *apigw.Handler, e *engine.Engine, s *starter, queue inbound.Queue, endpoint string,
	alive time.Duration,
) *frames {
	return &frames{Parts: p, starter: s, endpoint: endpoint, consumer: inbound.New(inbound.Config{
		Handle: func(ctx context.Context, f *inbound.Frame) error {
			e := events.APIGatewayWebsocketProxyRequest{Body: f.Body}
			e.RequestContext.ConnectionID, e.RequestContext.EventType = f.Conn.ID, f.Event
			_, err := h.WebSocket(ctx, e)
			return err
		},
		Sessions: e, Claims: p.Store, Queue: queue, Alive: alive, Logger: p.Log,
		Hooks: inbound.Hooks{
			Begun:      func(delay time.Duration) { p.Metrics.Sample(boot.FrameDelay, float64(delay.Milliseconds())) },
			OutOfPlace: func(n int) { p.Metrics.Add(boot.FramesOutOfPlace, n) },
			InDoubt:    func(n int) { p.Metrics.Add(boot.FramesInDoubt, n) },
		},
	})}
}

// serve takes a batch.
func (f *frames) serve(ctx context.Context, messages []events.SQSMessage) events.SQSEventResponse {
	defer f.starter.ensure(ctx)
	res := events.SQSEventResponse{BatchItemFailures: []events.SQSBatchItemFailure{}}
	batch := make([]inbound.Frame, 0, len(messages))
	for i := range messages {
		frame, err := parseFrame(&messages[i], f.endpoint)
		if err != nil {
			f.Log.ErrorContext(
				ctx, "frame not understood", "message", messages[i].MessageId, "error", boot.Malformed(err),
			)
			res.BatchItemFailures = append(res.BatchItemFailures, boot.Failed(messages[i])...)
			continue
		}
		batch = append(batch, frame)
	}
	for _, id := range f.consumer.Serve(ctx, batch) {
		res.BatchItemFailures = append(res.BatchItemFailures, events.SQSBatchItemFailure{ItemIdentifier: id})
	}
	return res
}
