package boot

import (
	"context"
	"log/slog"
	"strconv"
	"time"

	"github.com/aws/aws-lambda-go/events"
)

const (
	// returnTime bounds the return of messages, for which an invocation has little time left.
	returnTime = 300 * time.Millisecond
	// longestPause is the longest pause before a message comes again. It doubles from two seconds on, so that an
	// outage of the table does not use up the deliveries that a queue allows.
	longestPause = 128 * time.Second
)

// Returner is a [Queue], as Again needs one.
type Returner interface {
	Return(ctx context.Context, receipt string, d time.Duration) error
}

// Again has messages that failed come again sooner than after the visibility timeout of their queue, which is long
// for the sake of a function that is throttled. The zero value leaves them to that.
type Again struct {
	Queue Returner
	Log   *slog.Logger
}

// Again returns that of the queue whose URL a variable holds; the zero value if it holds none.
func (p *Parts) Again(name string) Again {
	if p.Env.Text(name, "") == "" {
		return Again{}
	}
	return Again{p.Queue(name), p.Log}
}

// In has messages come again after d. If that fails they come later, which is logged.
func (a Again) In(ctx context.Context, d time.Duration, messages ...events.SQSMessage) {
	if a.Queue == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), returnTime)
	defer cancel()
	for i := range messages {
		if err := a.Queue.Return(ctx, messages[i].ReceiptHandle, d); err != nil {
			a.Log.WarnContext(ctx, "message comes again later", "message", messages[i].MessageId, "error", err)
			return
		}
	}
}

// Pause is how long a message should wait whose cause of failure may pass, by how often it was delivered: 2 s, 4 s,
// up to 128 s.
func Pause(m *events.SQSMessage) time.Duration {
	n, err := strconv.Atoi(m.Attributes["ApproximateReceiveCount"])
	if err != nil || n < 1 {
		n = 1
	}
	return min(time.Second<<min(n, 10), longestPause)
}
