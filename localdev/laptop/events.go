package laptop

import (
	"context"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/nonstick-io/nonstick/gateway/eventsout"
)

// eventsTo opens what --events says.
func (s *service) eventsTo(c config) (eventsout.Config, error) {
	switch c.events {
	case "":
		return eventsout.Config{}, nil
	case "-":
		return eventsout.Config{Sink: &jsonLines{out: os.Stdout}, What: c.what}, nil
	}
	file, err := os.OpenFile(c.events, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return eventsout.Config{}, fmt.Errorf("--events: %w", err)
	}
	s.stops = append(s.stops, file.Close)
	return eventsout.Config{Sink: &jsonLines{out: file}, What: c.what}, nil
}

// jsonLines writes events as lines of JSON.
type jsonLines struct {
	mu  sync.Mutex
	out io.Writer // guarded by mu
}

var _ eventsout.Sink = (*jsonLines)(nil)

// Publish implements [eventsout.Sink].
func (l *jsonLines) Publish(_ context.Context, messages []eventsout.Message) ([]eventsout.Message, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, m := range messages {
		if _, err := io.WriteString(l.out, m.Body+"\n"); err != nil {
			return messages[i:], fmt.Errorf("write events: %w", err)
		}
	}
	return nil, nil
}
