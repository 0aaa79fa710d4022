package serve

import (
	"context"
	"encoding/json"
	"errors"
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
func (a Apps) Close(p *boot.Parts) boot.Handler {
	c := &closer{finish: a.server(p).engine().Finish, log: p.Log}
	return boot.SQS(c.serve)
}

// serve takes the messages of the queue, one in each batch as the template has it: so an end that is slow has an
// environment to itself, and one whose handler never returns takes no other with it when the platform ends that.
func (c *closer) serve(ctx context.Context, messages []events.SQSMessage) events.SQSEventResponse {
	res := events.SQSEventResponse{BatchItemFailures: []events.SQSBatchItemFailure{}}
	for i := range messages {
		end, err := parseEnd(messages[i].Body)
		if err == nil {
			err = c.finish(ctx, end)
		}
		if err != nil {
			c.log.ErrorContext(
				ctx, "end of a session failed", "message", messages[i].MessageId, "session",
				engine.NameInLog(end.Session), "error", err,
			)
			res.BatchItemFailures = append(res.BatchItemFailures, boot.Failed(messages[i])...)
		}
	}
	return res
}

func parseEnd(body string) (engine.End, error) {
	var end engine.End
	err := json.Unmarshal([]byte(body), &end)
	if err == nil && end.Session == "" {
		err = errors.New("no session")
	}
	if err != nil {
		return engine.End{}, boot.Malformed(err)
	}
	return end, nil
}
