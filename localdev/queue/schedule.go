package queue

import (
	"context"
	"encoding/json"
	"log/slog"
	"time"
)

// Schedule is a function that is called at a rate.
type Schedule struct {
	Name, Function string
	Every          time.Duration
	// Input is the event; empty: that of a scheduled event.
	Input string
}

// Run calls the function at its rate until ctx ends, and waits for its calls. The first call comes after one period.
func (s Schedule) Run(ctx context.Context, call Call, log *slog.Logger) {
	tick := time.NewTicker(s.Every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			if _, err := call(context.WithoutCancel(ctx), s.Function, s.event(now)); err != nil {
				log.Warn("scheduled call failed", "schedule", s.Name, "function", s.Function, "error", err)
			}
		}
	}
}

func (s Schedule) event(now time.Time) []byte {
	if s.Input != "" {
		return []byte(s.Input)
	}
	b, err := json.Marshal(map[string]any{
		"version": "0", "id": newID(), "detail-type": "Scheduled Event", "source": "aws.events", "account": Account,
		"time": now.UTC().Format(time.RFC3339), "region": "local", "resources": []string{s.Name}, "detail": struct{}{},
	})
	if err != nil {
		panic(err) // strings always marshal
	}
	return b
}
