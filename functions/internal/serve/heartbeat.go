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
	"github.com/nonstick-io/nonstick/gateway"
	"github.com/nonstick-io/nonstick/gateway/engine"
	"github.com/nonstick-io/nonstick/sessionstore"
)

const (
	// beatTime is how long one invocation of the heartbeat works, if the function's timeout leaves that.
	beatTime = 30 * time.Second
	// beatRest is what it leaves of its time for the message that continues the chain, and for handOver.
	beatRest = 5 * time.Second
	// handOver is how long it goes on beside the next invocation, which may have to start first.
	handOver = time.Second
	// beatSweeper is the name in which all invocations sweep: the claim of the chain keeps them apart, and where one
	// relieves another both are to sweep for a moment.
	beatSweeper = sessionstore.Owner("heartbeat")
)

// heartbeat pings and times out sessions while there are any.
type heartbeat struct {
	store   sessionstore.Store
	sweep   func(context.Context, engine.Part) error
	timed   func() bool // whether anything is to be done at times
	walks   *walks
	sizes   sizes
	queue   sender
	again   boot.Again
	metrics *boot.Metrics
	log     *slog.Logger
}

// Heartbeat makes the heartbeat function.
func (a Apps) Heartbeat(p *boot.Parts) boot.Handler {
	s := a.server(p)
	sessions := s.engine()
	f := &heartbeat{
		store: p.Store, queue: p.Queue("NONSTICK_HEARTBEAT_QUEUE"), again: p.Again("NONSTICK_HEARTBEAT_QUEUE"),
		metrics: p.Metrics, log: p.Log, walks: s.walks, timed: sessions.Timed, sizes: newSizes(p.Env, p.Store.Shards()),
		sweep: func(ctx context.Context, part engine.Part) error { return sessions.SweepAs(ctx, beatSweeper, part) },
	}
	return boot.SQS(f.serve)
}

// serve takes the messages of the queue, one in each batch as the template has it.
func (f *heartbeat) serve(ctx context.Context, messages []events.SQSMessage) events.SQSEventResponse {
	res := events.SQSEventResponse{BatchItemFailures: []events.SQSBatchItemFailure{}}
	for i := range messages {
		var l link
		err := json.Unmarshal([]byte(messages[i].Body), &l)
		if err == nil {
			err = f.beat(ctx, l)
		} else {
			err = boot.Malformed(err)
		}
		if err != nil {
			f.log.ErrorContext(ctx, "heartbeat failed", "message", messages[i].MessageId, "error", err)
			f.again.In(ctx, boot.Pause(&messages[i]), messages[i]) // no client is pinged until then
			res.BatchItemFailures = append(res.BatchItemFailures, boot.Failed(messages[i])...)
		}
	}
	return res
}

// beat is one link of the chain; a watch names no holder, and begins a chain only if there are sessions. It sweeps to
// its end, also while it hands over and while it looks whether the chain may end: short pings leave no time for a
// gap.
func (f *heartbeat) beat(ctx context.Context, l link) error {
	if l.Help != nil {
		return f.lend(ctx, l.Help)
	}
	if l.Holder == "" {
		if _, idle, err := f.idle(ctx); idle && err == nil {
			return nil
		}
	}
	me := newOwner()
	if mine, err := f.claim(ctx, me, l.Holder); !mine || err != nil {
		return err
	}
	f.walks.forget()
	parts := f.sizes.parts(l.Sessions)
	first := engine.Part{Count: parts}
	stop := f.startSweep(ctx, append(f.callHelp(ctx, me, parts), first)...)
	defer stop()
	if !f.work(ctx, me) {
		return nil
	}
	next, n, err := f.successor(ctx, me)
	if next == "" || err != nil {
		return err
	}
	if err := queueLink(ctx, f.queue, link{Holder: next, Sessions: n}); err != nil {
		return err
	}
	wait(ctx, handOver)
	return nil
}

// startSweep sweeps parts until stop is called, which waits for the end.
func (f *heartbeat) startSweep(ctx context.Context, parts ...engine.Part) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var sweeping sync.WaitGroup
	for _, part := range parts {
		sweeping.Go(func() {
			if err := f.sweep(ctx, part); err != nil {
				f.log.ErrorContext(ctx, "sweep failed", "error", err)
			}
		})
	}
	return func() {
		cancel()
		sweeping.Wait()
	}
}

// successor returns the owner from which the next invocation is to take the chain over, empty if there is to be none;
// and how many sessions there are. The sweep has met them. They are counted only where that tells nothing: to read them
// all takes long if they are many.
func (f *heartbeat) successor(ctx context.Context, me sessionstore.Owner) (next sessionstore.Owner, n int, err error) {
	idle := false
	n, known := f.walks.sessions(f.store.Shards())
	if !known || n == 0 {
		if n, idle, err = f.idle(ctx); err != nil {
			f.log.WarnContext(ctx, "sessions not counted", "error", err)
		}
	}
	f.metrics.Add(boot.Sessions, n)
	if idle {
		next, err = f.end(ctx, me)
		return next, 0, err
	}
	if mine, err := f.claim(ctx, me, ""); !mine || err != nil {
		return "", n, err
	}
	return me, n, nil
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

// work keeps the chain until the invocation's time is up. It reports whether it is still this invocation's.
func (f *heartbeat) work(ctx context.Context, me sessionstore.Owner) bool {
	ctx, cancel := context.WithTimeout(ctx, f.workTime(ctx))
	defer cancel()
	return f.renew(ctx, me)
}

// workTime is beatTime, or less if the invocation has not got it.
func (f *heartbeat) workTime(ctx context.Context) time.Duration {
	end, ok := ctx.Deadline()
	if !ok {
		return beatTime
	}
	return max(min(beatTime, time.Until(end)-chainGrace-beatRest), time.Second)
}

// renew keeps the claim, and sends watches, until ctx ends or another has it.
func (f *heartbeat) renew(ctx context.Context, me sessionstore.Owner) bool {
	tick := time.NewTicker(chainRenewal)
	defer tick.Stop()
	for n := 0; ; n++ {
		if n%renewalsToWatch == 0 {
			f.watch(ctx)
		}
		select {
		case <-ctx.Done():
			return true
		case <-tick.C:
		}
		mine, err := f.claim(ctx, me, "")
		switch {
		case err != nil && ctx.Err() == nil:
			f.log.WarnContext(ctx, "heartbeat not renewed", "error", err)
		case err == nil && !mine:
			return false
		}
	}
}

// watch sends a watch. Without one a chain that breaks is begun anew at the next request.
func (f *heartbeat) watch(ctx context.Context) {
	body, err := encodeLink(link{})
	if err == nil {
		err = f.queue.SendLater(ctx, body, watchAfter)
	}
	if err != nil && ctx.Err() == nil {
		f.log.WarnContext(ctx, "watch not sent", "error", err)
	}
}

// timersAhead is how long before its time a timer keeps the heartbeat going, where no session does: as long as a
// recoverable socket may wait for its client.
const timersAhead = gateway.MaxRecovery

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

// idle counts the sessions, and reports whether nothing needs the heartbeat: there is none, and nothing is to be done
// at a time. After an error it is not.
func (f *heartbeat) idle(ctx context.Context) (sessions int, idle bool, err error) {
	n, err := f.sessions(ctx)
	if n > 0 || err != nil || !f.timed() {
		return n, n == 0 && err == nil, err
	}
	for shard := range sessionstore.TimerShards(f.store.Shards()) {
		for _, err := range f.store.DueTimers(ctx, shard, time.Now().Add(timersAhead)) {
			if err != nil {
				return 0, false, fmt.Errorf("serve: look for timers: %w", err)
			}
			return 0, false, nil
		}
	}
	return 0, true, nil
}

// end gives the chain up, waits, and looks once more: a request that registered a session in that time may have relied
// on the chain. It returns the owner that is to go on: empty if there is still no session, or if another invocation has
// begun a chain.
func (f *heartbeat) end(ctx context.Context, me sessionstore.Owner) (sessionstore.Owner, error) {
	now := time.Now()
	err := f.store.Claim(ctx, chainClaim, sessionstore.Lease{Owner: me, Until: now}, "", now)
	if errors.Is(err, sessionstore.ErrExists) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("serve: give heartbeat up: %w", err)
	}
	wait(ctx, chainGrace)
	if _, idle, err := f.idle(ctx); idle && err == nil {
		return "", nil
	}
	again := newOwner()
	mine, err := f.claim(ctx, again, "")
	if err != nil {
		return "", err
	}
	if !mine {
		wait(ctx, handOver) // the other chain may have begun just now
		return "", nil
	}
	return again, nil
}

// wait ends after d, or with ctx.
func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
