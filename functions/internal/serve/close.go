package serve

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"

	"github.com/aws/aws-lambda-go/events"

	"github.com/nonstick-io/nonstick/functions/internal/boot"
	"github.com/nonstick-io/nonstick/gateway/engine"
)

// ends queues the ends of sessions for the function that finishes them.
type ends struct{ queue sender }

var _ engine.Ends = ends{}

// HandOver implements [engine.Ends].
func (e ends) HandOver(ctx context.Context, end engine.End) error {
	body, err := json.Marshal(end)
	if err != nil {
		return fmt.Errorf("serve: encode the end of a session: %w", err)
	}
	return e.queue.Send(ctx, string(body))
}

// closer finishes ends.
type closer struct {
	finish func(context.Context, engine.End) error
	log    *slog.Logger
}

// Close makes the close function.
func Close(p *boot.Parts) boot.Handler {
	c := &closer{finish: newServer(p).engine.Finish, log: p.Log}
	return boot.JSON(c.serve)
}

// serve takes the messages of the queue, one in each batch as the template has it: so an end that is slow has an environment to
// itself, and one whose handler never returns takes no other with it when the platform ends that.
func (c *closer) serve(ctx context.Context, e events.SQSEvent) (events.SQSEventResponse, error) {
	res := events.SQSEventResponse{BatchItemFailures: []events.SQSBatchItemFailure{}}
	for i := range e.Records {
		var end engine.End
		if err := json.Unmarshal([]byte(e.Records[i].Body), &end); err != nil || end.Session == "" {
			c.log.ErrorContext(ctx, "end of a session not understood", "err", err)
			continue // to try it again would not help
		}
		if err := c.finish(ctx, end); err != nil {
			c.log.ErrorContext(ctx, "end of a session failed", "session", engine.NameInLog(end.Session), "err", err)
			res.BatchItemFailures = append(res.BatchItemFailures, events.SQSBatchItemFailure{ItemIdentifier: e.Records[i].MessageId})
		}
	}
	return res, nil
}
