package simulation

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nonstick-io/nonstick"
	"github.com/nonstick-io/nonstick/gateway/engine"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// ending is how a client's disconnect handler behaves.
type ending int

const (
	quickEnding ending = iota
	slowEnding         // takes a while
	lateEnding         // takes until its time is up, each time
	neverEnding        // does not even return then
	allEndings
)

// The budget of disconnect handlers.
const (
	handlerTime  = 4 * time.Second
	handlerTries = 2
)

// handover is what finishes the ends of sessions.
type handover int

const (
	byCloser handover = iota // the callers that close them alone
	byPool
	byQueue
	allHandovers
)

var errOver = errors.New("simulation: over")

// disconnecting is the hook of sockets that are about to leave the room: its handler has not run yet.
func (r *run) disconnecting(_ context.Context, s *nonstick.Socket, _ nonstick.Reason) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n := r.closed[s.ID()]; n > 0 && r.w.faultless() && r.owners[s.ID()].ending <= slowEnding {
		r.w.violation("a hook of %s came after its handler, which ran %d times", r.owners[s.ID()].name, n)
	}
	return nil
}

// meetsGone checks that a disconnect handler finds neither its own socket in the room nor another one whose
// handler has begun: so of several that leave at once, the last finds none of them. The run is locked.
func (r *run) meetsGone(ctx context.Context, name string) {
	for m := range r.real.Members(context.WithoutCancel(ctx), "/", room, sessionstore.Range{}) {
		if r.closed[string(m.Socket)] > 0 {
			r.w.violation("the handler of %s found a socket in the room whose handler has run, or runs", name)
		}
	}
}

// disconnect is the disconnect handler.
func (r *run) disconnect(ctx context.Context, s *nonstick.Socket, reason nonstick.Reason) error {
	c := r.owner(s.ID())
	r.mu.Lock()
	r.closed[s.ID()]++
	r.ending++
	r.meetsGone(ctx, c.name)
	r.mu.Unlock()
	defer func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.ending--
	}()
	r.w.note("disconnect handler of " + c.name + ": " + string(reason))
	switch c.ending {
	case slowEnding:
		after(ctx, handlerTime/2)
		return ctx.Err()
	case lateEnding:
		<-ctx.Done()
		return ctx.Err()
	case neverEnding:
		<-r.over
		return errOver
	case quickEnding, allEndings:
	}
	return nil
}

// checkEnding checks how often a disconnect handler ran.
func (r *run) checkEnding(c *client, n int) {
	want := 1
	if c.ending > slowEnding {
		want = handlerTries
	}
	switch {
	case n > want && r.w.faultless(), n > want+r.w.faults:
		r.w.violation("the disconnect handler of %s ran %d times", c.name, n)
	case n < want && r.w.faultless():
		r.w.violation("the disconnect handler of %s ran %d of %d times", c.name, n, want)
	case n == 0 && c.joined:
		r.w.violation("the disconnect handler of %s never ran", c.name)
	}
}

// queue takes the ends of sessions as a queue of AWS does: at least once.
type queue struct {
	r     *run
	twice bool

	mu  sync.Mutex
	ctx context.Context // of the run, for what takes the ends
}

var _ engine.Ends = (*queue)(nil)

// HandOver puts an end into the queue.
func (q *queue) HandOver(ctx context.Context, end engine.End) error {
	if end.Reason != "" && q.r.mutant == "close-is-lost" {
		return nil
	}
	put := func() {
		q.take(end, 0)
		if q.twice {
			q.take(end, 0)
		}
	}
	switch q.r.w.at(ctx, "HandOver "+string(end.Session), kindWrite) {
	case failBefore:
		return errDoubt
	case failAfter:
		put()
		return errDoubt
	case failLater:
		q.r.w.later(put)
		return errDoubt
	case refuse:
		return engine.ErrPoolFull
	default:
		put()
		return nil
	}
}

// take has an instance finish an end; if that dies, the queue hands the end out again.
func (q *queue) take(end engine.End, try int) {
	q.mu.Lock()
	name := fmt.Sprintf("end of %s, try %d", end.Session, try)
	ctx := q.ctx
	q.mu.Unlock()
	q.r.w.spawn(ctx, name, func(ctx context.Context, p *proc) {
		defer func() {
			if p.crashed.Load() && try < 2 && ctx.Err() == nil {
				q.take(end, try+1)
			}
		}()
		if try > 0 {
			q.r.w.pause(ctx, 5*time.Second)
		}
		_ = q.r.instance(ctx).Finish(ctx, end)
	})
}

// runPool runs a pool of ends. An instance that dies in the middle of one ends that alone.
func (r *run) runPool(ctx context.Context) {
	r.pool.Run(ctx, func(ctx context.Context, end engine.End) error {
		name := "end of " + string(end.Session)
		if end.Reason != "" { // several may be handed over at once: which is first is the pool's chance
			name += ", " + end.Reason
		}
		ctx, _ = r.w.newProc(ctx, name)
		return r.instance(ctx).Finish(ctx, end)
	})
}

// ends returns what takes the ends of sessions.
func (r *run) ends() engine.Ends {
	switch r.handover {
	case byPool:
		return r.pool
	case byQueue:
		return r.queue
	case byCloser, allHandovers:
	}
	return nil
}

// endings counts the disconnect handlers that are running.
func (r *run) endings() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ending
}
