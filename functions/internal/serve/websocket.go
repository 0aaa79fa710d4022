package serve

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"golang.org/x/sync/errgroup"

	"github.com/nonstick-io/nonstick/functions/internal/boot"
	"github.com/nonstick-io/nonstick/gateway/apigw"
	"github.com/nonstick-io/nonstick/gateway/engine"
)

// webSocket serves the WebSocket API, and the queue of what had to wait until $connect was answered.
type webSocket struct {
	*boot.Parts
	handler *apigw.Handler
	starter *starter
	edge    apigw.Edge
}

// WebSocket makes the websocket function.
func (a Apps) WebSocket(p *boot.Parts) boot.Handler {
	i := a.server(p).start(steps{p.Queue("NONSTICK_OPEN_QUEUE")})
	f := &webSocket{Parts: p, handler: i.Handler, starter: newStarter(p), edge: edge(p.Env)}
	return f.serve
}

// event is what may come: an event of the WebSocket API, or a batch of a queue.
type event struct {
	events.APIGatewayWebsocketProxyRequest
	Records []events.SQSMessage `json:"Records"`
}

// serve tells the two kinds of events apart. One of the WebSocket API never gets an error: the platform would write
// one of its own into the client's connection, which no client understands.
func (f *webSocket) serve(ctx context.Context, payload []byte) ([]byte, error) {
	var e event
	err := json.Unmarshal(payload, &e)
	switch {
	case err == nil && boot.FromSQS(e.Records):
		defer f.starter.ensure(ctx)
		return boot.Encode(f.steps(ctx, e.Records))
	case err == nil && e.RequestContext.ConnectionID != "":
		if f.edge.WebSocket(&e.APIGatewayWebsocketProxyRequest) == apigw.PassageRefused {
			return boot.Encode(events.APIGatewayProxyResponse{StatusCode: http.StatusForbidden})
		}
		defer f.starter.ensure(ctx)
	case boot.Kind(payload) == boot.KindWebSocket:
		f.Log.ErrorContext(ctx, "event not understood", "error", err)
		return boot.Encode(events.APIGatewayProxyResponse{StatusCode: http.StatusOK})
	default:
		f.Log.ErrorContext(
			ctx, "event not served", "error", boot.NotServed(payload, boot.KindWebSocket+" or "+boot.KindSQS),
		)
		return boot.Encode(events.APIGatewayProxyResponse{StatusCode: http.StatusInternalServerError})
	}
	res, err := f.handler.WebSocket(ctx, e.APIGatewayWebsocketProxyRequest)
	if err != nil {
		f.Log.ErrorContext(ctx, "event failed", "error", err)
	}
	return boot.Encode(res)
}

// stepsAtOnce is how many steps of a batch are done at a time; SQS gives up to ten.
const stepsAtOnce = 10

var errNoStep = errors.New("no step")

// steps does the steps of a batch, and names those that the queue should deliver again.
func (f *webSocket) steps(ctx context.Context, records []events.SQSMessage) events.SQSEventResponse {
	failed := make([]bool, len(records))
	var group errgroup.Group
	group.SetLimit(stepsAtOnce)
	for i := range records {
		group.Go(func() error {
			if err := f.step(ctx, &records[i]); err != nil {
				failed[i] = true
				f.Log.ErrorContext(ctx, "step failed", "message", records[i].MessageId, "error", err)
			}
			return nil
		})
	}
	_ = group.Wait() // what failed is in failed
	res := events.SQSEventResponse{BatchItemFailures: []events.SQSBatchItemFailure{}}
	for i, bad := range failed {
		if bad {
			res.BatchItemFailures = append(res.BatchItemFailures, boot.Failed(records[i])...)
		}
	}
	return res
}

func (f *webSocket) step(ctx context.Context, m *events.SQSMessage) error {
	var step engine.Step
	if err := json.Unmarshal([]byte(m.Body), &step); err != nil {
		return boot.Malformed(err)
	}
	if step.Kind == engine.StepNone {
		return boot.Malformed(errNoStep)
	}
	if err := f.handler.Step(ctx, step); err != nil {
		return err
	}
	if sent, err := strconv.ParseInt(
		m.Attributes["SentTimestamp"], 10, 64,
	); err == nil &&
		step.Kind == engine.StepOpen {
		f.Metrics.Sample(boot.OpenDelay, float64(time.Now().UnixMilli()-sent))
	}
	return nil
}
