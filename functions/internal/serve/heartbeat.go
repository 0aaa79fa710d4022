package serve

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/nonstick-io/nonstick/functions/internal/boot"
	"github.com/nonstick-io/nonstick/sessionstore"
)

const (
	// beatTime is how long one invocation of the heartbeat works, if the function's timeout leaves that. It is short, so that
	// the message of an invocation that crashed comes again before clients miss their pings.
	beatTime = 30 * time.Second
	// beatRest is what it leaves of its time for the message that continues the chain.
	beatRest = 5 * time.Second
)

// heartbeat pings and times out sessions while there are any.
type heartbeat struct {
	store   sessionstore.Store
	sweep   func(context.Context) error
	queue   sender
	metrics *boot.Metrics
	log     *slog.Logger
}

// Heartbeat makes the heartbeat function.
func Heartbeat(p *boot.Parts) boot.Handler {
	s := newServer(p)
	f := &heartbeat{
		store: p.Store, sweep: s.engine.Sweep, queue: p.Queue("NONSTICK_HEARTBEAT_QUEUE"), metrics: p.Metrics, log: p.Log,
	}
	return boot.JSON(f.serve)
}

// serve takes the messages of the queue, one in each batch as the template has it.
func (f *heartbeat) serve(ctx context.Context, e events.SQSEvent) (events.SQSEventResponse, error) {
	res := events.SQSEventResponse{BatchItemFailures: []events.SQSBatchItemFailure{}}
	for i := range e.Records {
		var l link
		if err := json.Unmarshal([]byte(e.Records[i].Body), &l); err != nil {
			f.log.ErrorContext(ctx, "heartbeat not understood", "err", err)
			continue // to try it again would not help
		}
		if err := f.beat(ctx, l.Holder); err != nil {
			f.log.ErrorContext(ctx, "heartbeat failed", "err", err)
			res.BatchItemFailures = append(res.BatchItemFailures, events.SQSBatchItemFailure{ItemIdentifier: e.Records[i].MessageId})
		}
	}
	return res, nil
}

// beat is one link of the chain.
func (f *heartbeat) beat(ctx context.Context, from sessionstore.Owner) error {
	me := newOwner()
	if mine, err := f.claim(ctx, me, from); !mine || err != nil {
		return err
	}
	if !f.work(ctx, me) {
		return nil
	}
	n, err := f.sessions(ctx)
	if err != nil {
		f.log.WarnContext(ctx, "sessions not counted", "err", err)
	}
	f.metrics.Add(boot.Sessions, n)
	if n == 0 && err == nil {
		if me, err = f.end(ctx, me); me == "" || err != nil {
			return err
		}
	} else if mine, err := f.claim(ctx, me, ""); !mine || err != nil {
		return err
	}
	return queueLink(ctx, f.queue, me)
}

// claim takes, renews or takes over the chain. It is not mine if another has it.
func (f *heartbeat) claim(ctx context.Context, me, from sessionstore.Owner) (mine bool, err error) {
	now := time.Now()
	err = f.store.Claim(ctx, chainClaim, sessionstore.Lease{Owner: me, Until: now.Add(chainLease)}, from, now)
	if errors.Is(err, sessionstore.ErrExists) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("serve: claim heartbeat: %w", err)
	}
	return true, nil
}

// work sweeps until the invocation's time is up. It reports whether the chain is still this invocation's.
func (f *heartbeat) work(ctx context.Context, me sessionstore.Owner) bool {
	ctx, cancel := context.WithTimeout(ctx, f.workTime(ctx))
	defer cancel()
	var sweeping sync.WaitGroup
	sweeping.Go(func() {
		if err := f.sweep(ctx); err != nil {
			f.log.ErrorContext(ctx, "sweep failed", "err", err)
		}
	})
	mine := f.renew(ctx, me)
	cancel()
	sweeping.Wait()
	return mine
}

// workTime is beatTime, or less if the invocation has not got it.
func (f *heartbeat) workTime(ctx context.Context) time.Duration {
	end, ok := ctx.Deadline()
	if !ok {
		return beatTime
	}
	return max(min(beatTime, time.Until(end)-chainGrace-beatRest), time.Second)
}

// renew keeps the claim until ctx ends, or another has it.
func (f *heartbeat) renew(ctx context.Context, me sessionstore.Owner) bool {
	tick := time.NewTicker(chainRenewal)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return true
		case <-tick.C:
		}
		mine, err := f.claim(ctx, me, "")
		switch {
		case err != nil && ctx.Err() == nil:
			f.log.WarnContext(ctx, "heartbeat not renewed", "err", err)
		case err == nil && !mine:
			return false
		}
	}
}

// sessions counts those that are registered.
func (f *heartbeat) sessions(ctx context.Context) (n int, err error) {
	for shard := range f.store.Shards() {
		for _, err := range f.store.Registrations(ctx, shard) {
			if err != nil {
				return n, fmt.Errorf("serve: count sessions: %w", err)
			}
			n++
		}
	}
	return n, nil
}

// end gives the chain up, waits, and looks once more: who registered a session meanwhile may have relied on the chain.
// It returns who is to go on: nobody if there is still no session, or if another has begun a chain.
func (f *heartbeat) end(ctx context.Context, me sessionstore.Owner) (sessionstore.Owner, error) {
	now := time.Now()
	err := f.store.Claim(ctx, chainClaim, sessionstore.Lease{Owner: me, Until: now}, "", now)
	if errors.Is(err, sessionstore.ErrExists) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("serve: give heartbeat up: %w", err)
	}
	grace := time.NewTimer(chainGrace)
	defer grace.Stop()
	select {
	case <-grace.C:
	case <-ctx.Done():
	}
	n, err := f.sessions(ctx)
	if n == 0 && err == nil {
		return "", nil
	}
	again := newOwner()
	mine, err := f.claim(ctx, again, "")
	if !mine || err != nil {
		return "", err
	}
	return again, nil
}
