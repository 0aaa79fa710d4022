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
)

// ErrPoolFull says that a [Pool] takes no more ends: too many wait, or it has been told to end.
var ErrPoolFull = errors.New("engine: the pool of ends is full")

// Pool finishes the ends of sessions in this process, as many at once as is good. An end whose disconnect handler is slow makes room
// for the others, see [Yield]. Engines of one store may share a Pool.
type Pool struct {
	log  *slog.Logger
	more chan struct{} // there may be something in waiting

	mu      sync.Mutex
	waiting []End
	over    bool
}

var _ Ends = (*Pool)(nil)

// NewPool returns a Pool. It takes ends from now on and finishes them while [Pool.Run] runs. The logger may be nil.
func NewPool(log *slog.Logger) *Pool {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Pool{log: log, more: make(chan struct{}, 1)}
}

// HandOver implements [Ends]; the error is [ErrPoolFull].
func (p *Pool) HandOver(_ context.Context, end End) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over || len(p.waiting) >= endsWaiting {
		return ErrPoolFull
	}
	p.waiting = append(p.waiting, end)
	p.wake()
	return nil
}

func (p *Pool) wake() {
	select {
	case p.more <- struct{}{}:
	default:
	}
}

// Run finishes ends by finish, which is [Engine.Finish] of any engine of the store, until ctx ends. Then it goes on with those that it has, for ten
// seconds at most; the rest is left to the sweeper of another process. A disconnect handler that does not return
// when its context ends may outlive Run.
func (p *Pool) Run(ctx context.Context, finish func(context.Context, End) error) {
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	r := &poolRun{p: p, finish: finish, lane: newLane(endsAtOnce, endsInAll, 0)}
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
		r.lane.wait()
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
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.waiting)
}

// next takes the end that has waited longest.
func (p *Pool) next() (End, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.waiting) == 0 {
		p.waiting = nil
		return End{}, false
	}
	end := p.waiting[0]
	p.waiting = p.waiting[1:]
	return end, true
}

type yieldKey struct{}

// Yield has the pool that runs the end under ctx begin another beside it: a disconnect handler takes long. Without a pool it does nothing.
func Yield(ctx context.Context) {
	if free, ok := ctx.Value(yieldKey{}).(func()); ok {
		free()
	}
}

// poolRun is one run of a Pool.
type poolRun struct {
	p      *Pool
	finish func(context.Context, End) error
	lane   *lane
}

// until begins ends until over is closed and none waits any more, or ctx ends.
func (r *poolRun) until(ctx context.Context, over <-chan struct{}) {
	for ctx.Err() == nil {
		end, ok := r.p.next()
		if ok {
			r.lane.startFreeing(ctx, func(free func()) { r.one(context.WithValue(ctx, yieldKey{}, free), end) })
			continue
		}
		select {
		case <-r.p.more:
		case <-over:
			return
		case <-ctx.Done():
		}
	}
}

// one finishes an end. One that does not return though its time is up is abandoned: it keeps its goroutine, and nothing else. The
// sweeper takes the session over, as from an instance that died.
func (r *poolRun) one(ctx context.Context, end End) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := r.finish(ctx, end); err != nil {
			r.p.log.WarnContext(ctx, "end of a session failed, left to the sweeper", "session", NameInLog(end.Session), "error", err)
		}
	}()
	limit := time.NewTimer(endAbandon)
	defer limit.Stop()
	select {
	case <-done:
	case <-limit.C:
		r.p.log.ErrorContext(ctx, "a disconnect handler does not heed its context: its goroutine is left behind", "session", NameInLog(end.Session))
	}
}
