package queue

import (
	"context"
	"encoding/json"
	"log/slog"
	"time"
)

// Schedule is a function that is called at a rate, as a rule of EventBridge does: rate(5 minutes).
type Schedule struct {
	// Name is the schedule's, as its events and the log have it; Function is what [Call] is called with.
	Name, Function string
	// Every is the period, above zero; on AWS whole minutes.
	Every time.Duration
	// Input is the event, in JSON; empty: that of a scheduled event.
	Input string
}

// Run calls the function at its rate until ctx ends, and waits for its call. The first call comes after one period;
// none begins while another runs. The log gets failed calls; nil discards them.
func (s Schedule) Run(ctx context.Context, call Call, log *slog.Logger) {
	log = orDiscard(log)
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

// orDiscard returns a logger, which discards if none was given.
func orDiscard(log *slog.Logger) *slog.Logger {
	if log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return log
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
