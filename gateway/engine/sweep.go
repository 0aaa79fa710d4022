package engine

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/nonstick-io/nonstick/internal/protocol"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// The sweeper's pace: a tick is a tenth of the ping interval within these bounds, a lease of a shard lasts so
// long that its owner may miss a few ticks.
const (
	shortestTick = 40 * time.Millisecond
	longestTick  = 3 * time.Second
	shardLease   = 10 * time.Second
	sharedLease  = time.Minute    // of sweepers that go by one name: none of them waits for its end
	shardRetry   = shardLease / 4 // how soon a shard that is another's is asked for again
	releaseTime  = 2 * time.Second
)

// Bounds of what a sweeper has under way.
const (
	pingsAtOnce   = 64 // that have just been pushed
	pingsInAll    = 1024
	pingQuick     = 100 * time.Millisecond
	looksAtOnce   = 32
	looksInAll    = 64
	lookQuick     = 250 * time.Millisecond
	looksWaiting  = 4096 // more are found again at the next tick
	examineTime   = 10 * time.Second
	stallInTicks  = 2 // a sweeper that did not get on for so long trusts no ping of before
	longestPush   = 2 * time.Second
	unpingedAfter = 4 // a push takes at most this part of the ping timeout
)

// Part is a part of the registry: of its shards those whose number leaves Index when it is divided by Count. The zero
// value is all of them.
type Part struct {
	Index int `json:"index"`
	Count int `json:"count"`
}

func (p Part) has(shard int) bool { return p.Count < 2 || shard%p.Count == p.Index }

// Sweep pings, times out and cleans up until ctx ends. Any number of processes may run it: each shard of the
// registry has one owner at a time, and doing a thing twice is harmless.
func (e *Engine) Sweep(ctx context.Context) error {
	w := e.newSweeper(sessionstore.Owner(sessionstore.NewID()), shardLease, Part{})
	w.sweep(ctx)
	w.release(ctx)
	return nil
}

// SweepAs is Sweep in the name of owner, for a part of the registry. Several in one name look after the same shards
// at the same time, so that one can begin before the one that it relieves has ended. Their leases are long and not
// given back, which saves writes: sweepers of other names wait for them up to a minute.
func (e *Engine) SweepAs(ctx context.Context, owner sessionstore.Owner, part Part) error {
	e.newSweeper(owner, sharedLease, part).sweep(ctx)
	return nil
}

func (e *Engine) sweepTick() time.Duration {
	return min(max(e.opts.PingInterval/10, shortestTick), longestTick)
}

// pingSpread is the part of the ping interval by which a ping is early at most.
const pingSpread = 20

// nextPing is when a session is pinged again whose pong has come now. Chance makes it a little early: clients that came
// together, after an outage or a deploy, would be pinged together for as long as they stay, and each pong takes an
// environment. The clock's nanoseconds are the dice, so that a simulation can be replayed.
func (e *Engine) nextPing(id sessionstore.SessionID, now time.Time) time.Time {
	h := fnv.New64a()
	_, _ = fmt.Fprint(h, id, now.UnixNano()) // never fails
	early := h.Sum64() % uint64(e.opts.PingInterval/pingSpread+1)
	return now.Add(e.opts.PingInterval - time.Duration(early))
}

// sweeper is one process's sweep. Each shard is walked beside the others. A walk reads rows and decides; it waits for
// nothing but the store's next page and a free place among the pings. Pings go out on a path of their own, and what
// reads or ends sessions on another, so that neither holds the other up.
type sweeper struct {
	e      *Engine
	shards []*shard
	pings  *lane
	looks  *lane

	waiting sync.WaitGroup // looks that wait for room
	mu      sync.Mutex
	looking map[sessionstore.SessionID]struct{} // sessions that are looked at, or will be
}

func (e *Engine) newSweeper(owner sessionstore.Owner, lease time.Duration, part Part) *sweeper {
	w := &sweeper{
		e: e, pings: newLane(pingsAtOnce, pingsInAll, pingQuick), looks: newLane(looksAtOnce, looksInAll, lookQuick),
		looking: make(map[sessionstore.SessionID]struct{}),
	}
	for n := range e.store.Shards() {
		if part.has(n) {
			w.shards = append(
				w.shards,
				&shard{
					w: w, e: e, number: n, owner: owner, lease: lease,
					attempts: make(map[sessionstore.SessionID]attempt),
				},
			)
		}
	}
	return w
}

// sweep looks after the shards, tick by tick, until ctx ends.
func (w *sweeper) sweep(ctx context.Context) {
	var walks sync.WaitGroup
	for _, s := range w.shards {
		walks.Go(func() { s.run(ctx) })
	}
	walks.Wait()
	w.waiting.Wait()
	w.pings.wait()
	w.looks.wait()
}

// later does something about a session beside the walk, unless something is being done about it already. What finds
// no room is found again at the next tick.
func (w *sweeper) later(ctx context.Context, id sessionstore.SessionID, do func(context.Context) error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, busy := w.looking[id]; busy || len(w.looking) >= looksWaiting {
		return
	}
	w.looking[id] = struct{}{}
	done := func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.looking, id)
	}
	w.waiting.Go(func() {
		if !w.looks.start(ctx, func() { defer done(); w.examine(ctx, id, do) }) {
			done()
		}
	})
}

func (w *sweeper) examine(ctx context.Context, id sessionstore.SessionID, do func(context.Context) error) {
	// The end of the sweep must not cut a close short: what is in doubt costs a session.
	work, cancel := context.WithTimeout(context.WithoutCancel(ctx), examineTime)
	defer cancel()
	if err := do(work); err != nil {
		w.e.log.WarnContext(ctx, "sweep of a session failed", "session", NameInLog(id), "error", err)
	}
}

// release gives the leases up, so that the next sweeper need not wait for their end. One that stays ends by itself.
func (w *sweeper) release(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTime)
	defer cancel()
	var group errgroup.Group
	group.SetLimit(looksAtOnce)
	for _, s := range w.shards {
		if !s.mine {
			continue
		}
		group.Go(func() error {
			now := time.Now()
			if err := w.e.store.LeaseShard(
				ctx, s.number, sessionstore.Lease{Owner: s.owner, Until: now}, now,
			); err != nil {
				w.e.log.DebugContext(ctx, "lease of a shard not released", "shard", s.number, "error", err)
			}
			return nil
		})
	}
	_ = group.Wait() // what failed was logged
}

// shard is what a sweeper knows of one shard.
type shard struct {
	w      *sweeper
	e      *Engine
	number int
	owner  sessionstore.Owner
	lease  time.Duration

	renewAt time.Time // when to take or renew the lease
	mine    bool
	at      time.Time // when the walk last got on
	walks   uint32    // counts them, for attempts

	mu       sync.Mutex
	trust    time.Time                          // pings of before are no reason to end a session
	attempts map[sessionstore.SessionID]attempt // of pings that have not been answered
}

// run walks the shard, tick by tick, until ctx ends.
func (s *shard) run(ctx context.Context) {
	tick := time.NewTicker(s.e.sweepTick())
	defer tick.Stop()
	for {
		if err := s.sweep(ctx); err != nil && ctx.Err() == nil {
			s.distrust(time.Now())
			s.e.log.ErrorContext(ctx, "sweep failed", "shard", s.number, "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// sweep walks the shard once, if it is this sweeper's.
func (s *shard) sweep(ctx context.Context) error {
	now := time.Now()
	if !now.Before(s.renewAt) {
		lease := sessionstore.Lease{Owner: s.owner, Until: now.Add(s.lease)}
		err := s.e.store.LeaseShard(ctx, s.number, lease, now)
		s.mine = err == nil
		switch {
		case errors.Is(err, sessionstore.ErrExists):
			s.renewAt = now.Add(shardRetry)
			s.forget()
		case err != nil:
			return fmt.Errorf("engine: lease shard: %w", err)
		default:
			s.renewAt = now.Add(s.lease / 2)
		}
	}
	if !s.mine {
		return nil
	}
	return errors.Join(s.timers(ctx), s.walk(ctx))
}

// walk decides about each row.
func (s *shard) walk(ctx context.Context) error {
	s.walks++
	s.got(time.Now())
	rows := 0
	for r, err := range s.e.store.Registrations(ctx, s.number) {
		if err != nil {
			return fmt.Errorf("engine: walk shard: %w", err)
		}
		if ctx.Err() != nil {
			return nil
		}
		rows++
		now := time.Now()
		s.got(now)
		s.row(ctx, r, now)
	}
	s.got(time.Now())
	s.e.hooks.walked(s.number, rows)
	s.tidy()
	return nil
}

// got notes that the walk gets on. After a stall, of this process or of the store, it is unknown whether a pong had a
// chance to be counted: so the clients are pinged once more before they are given up. Stalls that come one after the
// other make it so only once in the time that a ping and its answer take.
func (s *shard) got(now time.Time) {
	if !s.at.IsZero() && now.Sub(s.at) > stallInTicks*s.e.sweepTick() {
		s.distrust(now)
	}
	s.at = now
}

func (s *shard) distrust(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now.Sub(s.trust) > s.e.opts.PingInterval+s.e.opts.PingTimeout {
		s.trust = now
	}
}

// row does what a row asks for, or has it done.
func (s *shard) row(ctx context.Context, r sessionstore.Registration, now time.Time) {
	action := s.decide(r, now)
	if action.Look {
		s.w.later(ctx, r.Session, func(ctx context.Context) error { return s.e.look(ctx, r) })
	}
	switch action.Ping {
	case protocol.PingPush:
		s.ping(ctx, r)
	case protocol.PingRecord:
		pushed := action.Attempt.Pushed
		s.w.later(ctx, r.Session, func(ctx context.Context) error { return s.record(ctx, r, pushed) })
	case protocol.PingExpire:
		s.w.later(ctx, r.Session, func(ctx context.Context) error { return s.e.expire(ctx, r) })
	case protocol.PingNone:
	}
}

// decide decides about a row, and notes what is known of its ping from now on. A ping is due half a tick before its
// time: so it is on time in the middle, and no time is lost that the client's own clock, or the connect timeout,
// counts.
func (s *shard) decide(r sessionstore.Registration, now time.Time) protocol.RowAction {
	s.mu.Lock()
	defer s.mu.Unlock()
	action := s.e.rules.Row(protocol.RowState{
		Row: r, Attempt: s.attempts[r.Session].Attempt, Trust: s.trust, Early: s.e.sweepTick() / 2,
		PingInterval: s.e.opts.PingInterval, PingTimeout: s.e.opts.PingTimeout, Now: now,
	})
	switch {
	case r.Expired || r.Conn.IsZero(): // it has no ping
	case action.Attempt == (protocol.Attempt{}):
		delete(s.attempts, r.Session)
	default:
		s.attempts[r.Session] = attempt{Attempt: action.Attempt, walk: s.walks}
	}
	return action
}
