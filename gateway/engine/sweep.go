package engine

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/nonstick-io/nonstick/adapter"
	"github.com/nonstick-io/nonstick/gateway/engineio"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// The sweeper's pace: a tick is a tenth of the ping interval within these bounds, a lease of a shard lasts so
// long that its owner may miss a few ticks.
const (
	shortestTick = 40 * time.Millisecond
	longestTick  = 3 * time.Second
	shardLease   = 10 * time.Second
	sharedLease  = time.Minute    // of sweepers that go by one name: nobody of it waits for its end
	shardRetry   = shardLease / 4 // how soon a shard that is another's is asked for again
	sweepAtOnce  = 32
	examineTime  = 10 * time.Second // bounds what is done for one row, apart from the disconnect handlers
)

// Sweep pings, times out and cleans up until ctx ends. Any number of processes may run it: each shard of the
// registry has one owner at a time, and doing a thing twice is harmless.
func (e *Engine) Sweep(ctx context.Context) error {
	w := e.newSweeper(sessionstore.Owner(sessionstore.NewID()), shardLease)
	w.sweep(ctx)
	w.release(ctx)
	return nil
}

// SweepAs is Sweep in the name of owner. Several in one name look after the same shards at the same time, so that one can
// begin before the one that it relieves has ended. Their leases are long and not given back, which saves writes: sweepers of
// other names wait for them up to a minute.
func (e *Engine) SweepAs(ctx context.Context, owner sessionstore.Owner) error {
	e.newSweeper(owner, sharedLease).sweep(ctx)
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

// pings remembers which ping of a session has been pushed.
type pings map[sessionstore.SessionID]time.Time

// sweeper is one process's sweep. Its memory saves calls; after a change of owners a ping may come twice.
type sweeper struct {
	e       *Engine
	owner   sessionstore.Owner
	lease   time.Duration
	renewAt map[int]time.Time // when to take or renew a shard's lease
	mine    map[int]bool
	pinged  map[int]pings
}

func (e *Engine) newSweeper(owner sessionstore.Owner, lease time.Duration) *sweeper {
	return &sweeper{e: e, owner: owner, lease: lease, renewAt: map[int]time.Time{}, mine: map[int]bool{}, pinged: map[int]pings{}}
}

// sweep looks after all shards, tick by tick, until ctx ends.
func (w *sweeper) sweep(ctx context.Context) {
	tick := time.NewTicker(w.e.sweepTick())
	defer tick.Stop()
	for {
		for shard := range w.e.store.Shards() {
			if err := w.shard(ctx, shard); err != nil && ctx.Err() == nil {
				w.e.log.ErrorContext(ctx, "sweep failed", "shard", shard, "error", err)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// shard looks after the sessions of one shard, if it is this sweeper's.
func (w *sweeper) shard(ctx context.Context, shard int) error {
	now := time.Now()
	if !now.Before(w.renewAt[shard]) {
		lease := sessionstore.Lease{Owner: w.owner, Until: now.Add(w.lease)}
		err := w.e.store.LeaseShard(ctx, shard, lease, now)
		w.mine[shard] = err == nil
		switch {
		case errors.Is(err, sessionstore.ErrExists):
			w.renewAt[shard] = now.Add(shardRetry)
			delete(w.pinged, shard)
		case err != nil:
			return fmt.Errorf("engine: lease shard: %w", err)
		default:
			w.renewAt[shard] = now.Add(w.lease / 2)
		}
	}
	if !w.mine[shard] {
		return nil
	}
	return w.rows(ctx, shard)
}

// releaseTime bounds the release of all leases.
const releaseTime = 2 * time.Second

// release gives the leases up, so that the next sweeper need not wait for their end. One that stays ends by itself.
func (w *sweeper) release(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTime)
	defer cancel()
	var group errgroup.Group
	group.SetLimit(sweepAtOnce)
	for shard, mine := range w.mine {
		if !mine {
			continue
		}
		group.Go(func() error {
			now := time.Now()
			if err := w.e.store.LeaseShard(ctx, shard, sessionstore.Lease{Owner: w.owner, Until: now}, now); err != nil {
				w.e.log.DebugContext(ctx, "lease of a shard not released", "shard", shard, "error", err)
			}
			return nil
		})
	}
	_ = group.Wait() // what failed was logged
}

// rows examines each row of a shard, several at once.
func (w *sweeper) rows(ctx context.Context, shard int) error {
	before := w.pinged[shard]
	after := make(pings, len(before))
	var mu sync.Mutex
	var group errgroup.Group
	group.SetLimit(sweepAtOnce)
	var readErr error
	for r, err := range w.e.store.Registrations(ctx, shard) {
		if err != nil {
			readErr = fmt.Errorf("engine: walk shard: %w", err)
			mu.Lock()
			maps.Copy(after, before)
			mu.Unlock()
			break
		}
		last := before[r.Session]
		if !w.due(r, last, time.Now()) {
			if last.Equal(r.PingAt) && !last.IsZero() {
				mu.Lock()
				after[r.Session] = last
				mu.Unlock()
			}
			continue
		}
		if ctx.Err() != nil {
			mu.Lock()
			maps.Copy(after, before)
			mu.Unlock()
			break
		}
		group.Go(func() error {
			// The end of the sweep must not cut a push short: what is in doubt costs a session.
			work, cancel := context.WithTimeout(context.WithoutCancel(ctx), examineTime)
			defer cancel()
			if w.e.examine(work, r, last) {
				mu.Lock()
				after[r.Session] = r.PingAt
				mu.Unlock()
			}
			return nil
		})
	}
	_ = group.Wait() // examine reports by the log
	w.pinged[shard] = after
	return readErr
}

// due reports whether a row has anything to examine, so that most cost nothing.
func (w *sweeper) due(r sessionstore.Registration, pinged, now time.Time) bool {
	return w.e.lookDue(r, now) || w.e.timedOut(r.PingAt, now) || w.e.pingDue(r, pinged, now)
}

func (e *Engine) lookDue(r sessionstore.Registration, now time.Time) bool {
	return !r.LookAt.IsZero() && !now.Before(r.LookAt)
}

func (e *Engine) timedOut(pingAt, now time.Time) bool {
	return !now.Before(pingAt.Add(e.opts.PingTimeout))
}

// pingDue reports whether a ping is due by half a tick from now: so it is on time in the middle, and no time is lost that
// the client's own clock, or the connect timeout, counts.
func (e *Engine) pingDue(r sessionstore.Registration, pinged, now time.Time) bool {
	soon := now.Add(e.sweepTick() / 2)
	return !r.Conn.IsZero() && !r.Expired && !soon.Before(r.PingAt) && !pinged.Equal(r.PingAt)
}

// examine does what a row asks for. It reports whether the row's ping has been pushed.
func (e *Engine) examine(ctx context.Context, r sessionstore.Registration, pinged time.Time) bool {
	now := time.Now()
	var err error
	done := pinged.Equal(r.PingAt)
	switch {
	case e.lookDue(r, now):
		err = e.look(ctx, r)
	case r.Expired: // its LookAt tells when
	case e.timedOut(r.PingAt, now) && r.Conn.IsZero():
		err = e.look(ctx, r)
	case e.timedOut(r.PingAt, now):
		err = e.expire(ctx, r)
	case e.pingDue(r, pinged, now):
		done, err = true, e.ping(ctx, r)
	}
	if err != nil && ctx.Err() == nil {
		e.log.WarnContext(ctx, "sweep of a session failed", "error", err)
	}
	return done
}

// ping pushes the ping of a WebSocket. One that fails ends the session, as any push does.
func (e *Engine) ping(ctx context.Context, r sessionstore.Registration) error {
	if r.Serial {
		if err := e.deadHold(ctx, r); err != nil {
			return err
		}
	}
	err := e.delivery.Push(ctx, r.Conn, engineio.PingFrame)
	if err == nil {
		return nil
	}
	if errors.Is(err, adapter.ErrGone) {
		return e.look(ctx, sessionstore.Registration{Session: r.Session, Conn: r.Conn, PingAt: r.PingAt, LookAt: r.LookAt, Expired: true})
	}
	return e.dropped(ctx, r.Session, r.Conn, err)
}

// deadHold closes a serial session whose flusher died: nobody else may ever meet its hold.
func (e *Engine) deadHold(ctx context.Context, r sessionstore.Registration) error {
	now := time.Now()
	s, err := e.store.Get(ctx, r.Session, now)
	if err != nil && !errors.Is(err, sessionstore.ErrNotFound) {
		return fmt.Errorf("engine: look at hold: %w", err)
	}
	if s.State != sessionstore.Open || !s.Hold.Expired(now) {
		return nil
	}
	return e.closing.Close(ctx, r.Session, adapter.ReasonTransportError, adapter.CloseOptions{Doubtful: r.Conn})
}

// expire decides the ping timeout of a WebSocket: a write on the row as it was read, so that a pong is either
// before it or does not count.
func (e *Engine) expire(ctx context.Context, r sessionstore.Registration) error {
	err := e.store.Expire(ctx, r, adapter.LeaseUntil(ctx, time.Now()))
	if errors.Is(err, sessionstore.ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("engine: expire: %w", err)
	}
	return e.closing.Close(ctx, r.Session, adapter.ReasonPingTimeout, adapter.CloseOptions{Doubtful: r.Conn})
}

// look reads a session and acts on every deadline that has passed.
func (e *Engine) look(ctx context.Context, r sessionstore.Registration) error {
	now := time.Now()
	s, err := e.store.Get(ctx, r.Session, now)
	switch {
	case errors.Is(err, sessionstore.ErrNotFound):
		return e.store.Unregister(ctx, r.Session)
	case err != nil:
		return fmt.Errorf("engine: look: %w", err)
	case s.State == sessionstore.Closed:
		return e.store.Unregister(ctx, r.Session)
	case s.State == sessionstore.Closing:
		return e.takeOver(ctx, &s, now)
	}
	return e.lookOpen(ctx, r, &s, now)
}

// takeOver finishes a close whose winner died.
func (e *Engine) takeOver(ctx context.Context, s *sessionstore.Session, now time.Time) error {
	if !s.Handler.Expired(now) {
		return e.lookAgain(ctx, s.ID, s.Handler.Until)
	}
	lease := sessionstore.Lease{Owner: sessionstore.Owner(sessionstore.NewID()), Until: adapter.LeaseUntil(ctx, now)}
	err := e.store.TakeOver(ctx, s.ID, lease, "", now)
	if errors.Is(err, sessionstore.ErrConflict) || errors.Is(err, sessionstore.ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("engine: take over: %w", err)
	}
	if !s.Conn.IsZero() {
		err = e.refuse(ctx, s.Conn)
	}
	return errors.Join(err, e.finish(ctx, *s, lease.Owner))
}

// lookOpen acts on the deadlines of an open session.
func (e *Engine) lookOpen(ctx context.Context, r sessionstore.Registration, s *sessionstore.Session, now time.Time) error {
	polling := s.Transport == sessionstore.Polling
	connectBy := e.connectBy(s.CreatedAt)
	unjoined := len(s.Sockets) == 0 && !connectBy.IsZero()
	switch {
	case s.Hold.Expired(now):
		return e.closing.Close(ctx, s.ID, adapter.ReasonTransportError, adapter.CloseOptions{Doubtful: s.Conn})
	case r.Expired:
		return e.closing.Close(ctx, s.ID, adapter.ReasonTransportClose, adapter.CloseOptions{Doubtful: r.Conn})
	case polling && e.timedOut(s.PingAt, now):
		return e.pollTimeout(ctx, s)
	case unjoined && e.lookDue(r, now) && !now.Before(connectBy):
		return e.Close(ctx, s.ID, adapter.ReasonForcedServer)
	case !s.Candidate.Conn.IsZero() && !now.Before(s.Candidate.Until):
		if err := errors.Join(e.abort(ctx, s.ID, s.Candidate.Conn), e.refuse(ctx, s.Candidate.Conn)); err != nil {
			return err
		}
		s.Candidate = sessionstore.Candidate{}
	case !polling && r.Conn.IsZero(): // who upgraded it died before writing where it is
		return e.upgraded(ctx, s.ID)
	}
	if polling && !s.PingAt.Equal(r.PingAt) {
		if err := e.beat(ctx, s.ID, s.PingAt); err != nil {
			return fmt.Errorf("engine: look: %w", err)
		}
	}
	return e.lookAgain(ctx, s.ID, earliest(connectBy, s.Candidate.Until, s.Hold.Until, unjoined, now))
}

// pollTimeout closes a polling session unless its pong came meanwhile.
func (e *Engine) pollTimeout(ctx context.Context, s *sessionstore.Session) error {
	err := e.closing.Close(ctx, s.ID, adapter.ReasonPingTimeout, adapter.CloseOptions{IfPingAt: s.PingAt})
	if errors.Is(err, sessionstore.ErrConflict) {
		return nil
	}
	return err
}

func (e *Engine) lookAgain(ctx context.Context, id sessionstore.SessionID, at time.Time) error {
	if err := e.store.Look(ctx, id, at); err != nil && !errors.Is(err, sessionstore.ErrNotFound) {
		return fmt.Errorf("engine: look: %w", err)
	}
	return nil
}

// earliest returns the next deadline that is still to come; zero if there is none.
func earliest(connectBy, candidate, hold time.Time, unjoined bool, now time.Time) time.Time {
	var next time.Time
	for _, t := range []time.Time{candidate, hold} {
		if t.After(now) && (next.IsZero() || t.Before(next)) {
			next = t
		}
	}
	if unjoined && connectBy.After(now) && (next.IsZero() || connectBy.Before(next)) {
		next = connectBy
	}
	return next
}

// Joined tells the sweeper that a session without a socket has had one, so that its connect timeout is over.
func (e *Engine) Joined(ctx context.Context, s *sessionstore.Session) error {
	if by := e.connectBy(s.CreatedAt); by.IsZero() || time.Now().After(by) {
		return nil
	}
	return e.lookAgain(ctx, s.ID, s.Candidate.Until)
}
