package engine

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"
)

// Bounds of a [Pool].
const (
	endsAtOnce  = 32      // ends that work; more would overload the store, which all others need too
	endsInAll   = 1024    // and those that wait in a disconnect handler
	endsWaiting = 100_000 // ends that wait; more are left to the sweeper, which finds them when their leases are over
	endAbandon  = 90 * time.Second
	drainTime   = 10 * time.Second

	closesAtOnce = 32 // sessions that are being closed, and have just begun
	closesInAll  = 256
	closeQuick   = 250 * time.Millisecond
)

// ErrPoolFull says that a [Pool] takes no more ends: too many wait, or it has been told to end.
var ErrPoolFull = errors.New("engine: the pool of ends is full")

// Pool finishes the ends of sessions in this process, as many at once as is good. Sessions that are still to be
// closed have a path of their own, for their clients are there. An end whose disconnect handler is slow makes room
// for the others, see [Yield], and a namespace with many such handlers leaves room to the other namespaces, see
// [Turn]. Engines of one store may share a Pool.
type Pool struct {
	log   *slog.Logger
	turns *turns

	mu     sync.Mutex
	closes backlog
	ends   backlog
	over   bool
}

var _ Ends = (*Pool)(nil)

// backlog is ends that wait, and the word that there may be some.
type backlog struct {
	waiting []End
	more    chan struct{}
}

// NewPool returns a Pool. It takes ends from now on and finishes them while [Pool.Run] runs. The logger may be nil.
func NewPool(log *slog.Logger) *Pool {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	p := &Pool{log: log, closes: backlog{more: make(chan struct{}, 1)}, ends: backlog{more: make(chan struct{}, 1)}}
	p.turns = &turns{
		again: p.again, running: make(map[string]int), slow: make(map[string]int), waiting: make(map[string][]End),
	}
	return p
}

// HandOver implements [Ends]; the error is [ErrPoolFull].
func (p *Pool) HandOver(_ context.Context, end End) error {
	crowded := p.turns.count()
	p.mu.Lock()
	defer p.mu.Unlock()
	b := &p.ends
	if end.Reason != "" {
		b = &p.closes
	}
	if p.over || len(b.waiting)+crowded >= endsWaiting {
		return ErrPoolFull
	}
	b.put(end)
	return nil
}

// again takes an end back whose turn has come. The lock of the turns is held, so the caller that holds p.mu must not
// ask them.
func (p *Pool) again(end End) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ends.put(end)
}

func (b *backlog) put(end End) {
	b.waiting = append(b.waiting, end)
	select {
	case b.more <- struct{}{}:
	default:
	}
}

// Run finishes ends by finish, which is [Engine.Finish] of any engine of the store, until ctx ends. Then it goes on
// with those that it has, for ten seconds at most; the rest is left to the sweeper of another process. A disconnect
// handler that does not return when its context ends may outlive Run.
func (p *Pool) Run(ctx context.Context, finish func(context.Context, End) error) {
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	r := &poolRun{
		p: p, finish: finish, ends: newLane(endsAtOnce, endsInAll, 0),
		closes: newLane(closesAtOnce, closesInAll, closeQuick),
	}
	r.until(work, ctx.Done())
	p.stop()
	drained := make(chan struct{})
	limit := time.AfterFunc(drainTime, cancel)
	defer limit.Stop()
	over := make(chan struct{})
	close(over)
	go func() {
		defer close(drained)
		r.until(work, over)
		r.closes.wait()
		r.ends.wait()
	}()
	select {
	case <-drained:
	case <-work.Done():
		p.log.Warn("ends of sessions left to the sweeper", "waiting", p.Waiting())
		select { // those that heed their context end now
		case <-drained:
		case <-time.After(time.Second):
		}
	}
}

// stop has HandOver refuse.
func (p *Pool) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.over = true
}

// Waiting returns how many ends wait for their turn.
func (p *Pool) Waiting() int {
	crowded := p.turns.count()
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.closes.waiting) + len(p.ends.waiting) + crowded
}

// next takes the end that has waited longest.
func (p *Pool) next(b *backlog) (End, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(b.waiting) == 0 {
		b.waiting = nil
		return End{}, false
	}
	end := b.waiting[0]
	b.waiting = b.waiting[1:]
	return end, true
}

// poolRun is one run of a Pool.
type poolRun struct {
	p            *Pool
	finish       func(context.Context, End) error
	closes, ends *lane
}

// until begins ends until over is closed and none waits any more, or ctx ends.
func (r *poolRun) until(ctx context.Context, over <-chan struct{}) {
	var both sync.WaitGroup
	both.Go(func() {
		r.take(ctx, over, &r.p.closes, func(end End) { r.closes.start(ctx, func() { r.one(ctx, end) }) })
	})
	both.Go(func() {
		r.take(ctx, over, &r.p.ends, func(end End) {
			r.ends.startFreeing(ctx, func(free func()) { r.inTurn(ctx, free, end) })
		})
	})
	both.Wait()
}

// take begins the ends of one backlog.
func (r *poolRun) take(ctx context.Context, over <-chan struct{}, b *backlog, begin func(End)) {
	for ctx.Err() == nil {
		if end, ok := r.p.next(b); ok {
			begin(end)
			continue
		}
		select {
		case <-b.more:
		case <-over:
			return
		case <-ctx.Done():
		}
	}
}

// inTurn finishes an end whose disconnect handlers take turns.
func (r *poolRun) inTurn(ctx context.Context, free func(), end End) {
	c := &poolCall{turns: r.p.turns, free: free, reserved: end.turn}
	defer c.end()
	r.one(context.WithValue(ctx, poolCallKey{}, c), end)
}

// one finishes an end. One that does not return though its time is up is abandoned: it keeps its goroutine, and
// nothing else. The sweeper takes the session over, as from an instance that died.
func (r *poolRun) one(ctx context.Context, end End) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		err := r.finish(ctx, end)
		if later, ok := errors.AsType[*CrowdedError](err); ok {
			r.p.turns.wait(end, later)
		} else if err != nil {
			r.p.log.WarnContext(
				ctx, "end of a session failed, left to the sweeper", "session", NameInLog(end.Session), "error", err,
			)
		}
	}()
	limit := time.NewTimer(endAbandon)
	defer limit.Stop()
	select {
	case <-done:
	case <-limit.C:
		r.p.log.ErrorContext(
			ctx, "a disconnect handler does not heed its context: its goroutine is left behind", "session",
			NameInLog(end.Session),
		)
	}
}
