package boot

import (
	"bytes"
	"context"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
)

// returner notes what is returned, and may refuse.
type returner struct {
	got []string
	err error
}

func (r *returner) Return(_ context.Context, receipt string, d time.Duration) error {
	r.got = append(r.got, receipt+" "+d.String())
	return r.err
}

func TestAgain(t *testing.T) {
	ended, cancel := context.WithCancel(t.Context())
	cancel() // an invocation whose time is up returns its messages all the same
	messages := []events.SQSMessage{{ReceiptHandle: "a"}, {ReceiptHandle: "b"}}
	var said bytes.Buffer
	q := &returner{}
	a := Again{q, slog.New(slog.NewTextHandler(&said, nil))}
	a.In(ended, 4*time.Second, messages...)
	if !slices.Equal(q.got, []string{"a 4s", "b 4s"}) || said.Len() > 0 {
		t.Errorf("returned %q, said %s", q.got, said.String())
	}
	q.err = context.DeadlineExceeded
	a.In(ended, 0, messages...)
	if len(q.got) != 3 || !strings.Contains(said.String(), "comes again later") {
		t.Errorf("returned %q, said %s", q.got, said.String())
	}
	Again{}.In(t.Context(), 0, messages...) // without a queue they are left to its timeout
	p := newParts(NewEnv(complete.lookup), &said)
	if got := p.Again("NONSTICK_NO_QUEUE"); got.Queue != nil || p.Env.Err() != nil {
		t.Errorf("without a queue: %+v, %v", got, p.Env.Err())
	}
}

func TestPause(t *testing.T) {
	for receives, want := range map[string]time.Duration{
		"": 2 * time.Second, "x": 2 * time.Second, "0": 2 * time.Second, "1": 2 * time.Second, "4": 16 * time.Second,
		"7": 128 * time.Second, "1000": 128 * time.Second,
	} {
		if got := Pause(
			&events.SQSMessage{Attributes: map[string]string{"ApproximateReceiveCount": receives}},
		); got != want {
			t.Errorf("received %s times: %s, want %s", receives, got, want)
		}
	}
}
