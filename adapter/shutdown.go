package adapter

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/internal/again"
	"github.com/nonstick-io/nonstick/sessionstore"
)

const (
	// MaxShutdown is the longest time that [Adapter.Shutdown] spreads ends over.
	MaxShutdown = 24 * time.Hour
	// shutdownAtOnce is how many sessions are ended at a time.
	shutdownAtOnce = 64
	// upgradePatience is how long a session that is being upgraded may go on: its client could not tell which of the
	// two transports has ended, and would wait for the other.
	upgradePatience = 10 * time.Second
	upgradeRetry    = 250 * time.Millisecond
	// readFor is how long a session may wait for its turn without being read again.
	readFor = time.Second
	// shutdownTries is how often a shard of the registry is walked that cannot be read to its end.
	shutdownTries = 3
)

// ErrShutdown tells of a time that ends cannot be spread over: below 0 or above [MaxShutdown]. Nothing was ended.
var ErrShutdown = errors.New("adapter: invalid time for a shutdown")

// Shutdown ends all sessions that are there when it is called, one after the other within so much time, so that their
// clients do not come back all at once; 0 means as fast as may be. The clients see the connection close, as when a
// server of Socket.IO closes, and connect again by themselves: to whatever is deployed then, for here no server is gone
// while none of its processes runs. Disconnect handlers run with the reason "server shutting down". Sessions that begin
// meanwhile are left alone, and one that is being upgraded may finish that first, for up to 10 s.
//
// It returns how many sessions it ended. If ctx ends before all are, that is the error; another call ends who is left,
// and who has come back. Other errors tell of the first few sessions that could not be ended, or of a part of the
// registry that could not be read. It takes two reads for each 1 MB of the registry, and for each session one or two
// and the writes of its end; for each that begins meanwhile one at most. What it keeps in memory does not grow with the
// sessions.
func (a *Adapter) Shutdown(ctx context.Context, over time.Duration) (ended int, err error) {
	if over < 0 || over > MaxShutdown {
		return 0, fmt.Errorf("%w: %v, want 0 to %v", ErrShutdown, over, MaxShutdown)
	}
	s := &shutdown{a: a, begun: time.Now(), over: over}
	if s.all, err = a.ClientsCount(ctx); err != nil {
		return 0, fmt.Errorf("adapter: shutdown: %w", err)
	}
	s.group.SetLimit(shutdownAtOnce)
	for shard := range a.store.Shards() {
		var err error
		for tries := again.Times(shutdownTries); tries.Next(ctx); {
			if err = s.walk(ctx, shard); err == nil {
				break
			}
			_ = s.group.Wait() // or the next walk would meet those that wait for their turn
		}
		if err != nil && ctx.Err() == nil {
			s.count(false, fmt.Errorf("adapter: shutdown: find sessions: %w", err))
		}
	}
	_ = s.group.Wait() // s has the errors
	if ctx.Err() != nil {
		s.errs = append(s.errs, fmt.Errorf("adapter: shutdown: not all sessions were ended: %w", ctx.Err()))
	}
	return s.ended, errors.Join(s.errs...)
}

// shutdown is one call of Shutdown.
type shutdown struct {
	a     *Adapter
	begun time.Time
	over  time.Duration
	all   int // sessions, about
	group errgroup.Group

	mu    sync.Mutex
	turns int
	ended int
	errs  []error
}

// walk ends the sessions of a shard. Those that have ended are not met again by the next walk, or passed over.
func (s *shutdown) walk(ctx context.Context, shard int) error {
	for r, err := range s.a.store.Registrations(ctx, shard) {
		if err != nil || ctx.Err() != nil {
			return err
		}
		if r.Expired {
			continue
		}
		s.group.Go(func() error {
			s.count(s.end(ctx, r.Session))
			return nil
		})
	}
	return nil
}

// turn is when the next session is to be ended.
func (s *shutdown) turn() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := s.begun
	if s.all > 0 {
		at = at.Add(time.Duration(float64(s.over) * min(float64(s.turns)/float64(s.all), 1)))
	}
	s.turns++
	return at
}

// end ends one session when it has its turn, unless it has ended, or began since.
func (s *shutdown) end(ctx context.Context, id sessionstore.SessionID) (ended bool, err error) {
	k, mine, err := s.read(ctx, id)
	if !mine || err != nil {
		return false, err
	}
	read := time.Now()
	if !sleep(ctx, time.Until(s.turn())) {
		return false, nil
	}
	deadline := time.Now().Add(upgradePatience)
	for time.Since(read) > readFor || !k.Candidate.Conn.IsZero() && time.Now().Before(deadline) {
		if !k.Candidate.Conn.IsZero() && !sleep(ctx, upgradeRetry) {
			return false, nil
		}
		if k, mine, err = s.read(ctx, id); !mine || err != nil {
			return false, err
		}
		read = time.Now()
	}
	err = s.a.delivery.Closing().Close(ctx, id, delivery.ReasonServerShuttingDown, delivery.CloseOptions{})
	if err != nil {
		return false, fmt.Errorf("adapter: shutdown: %w", err)
	}
	return true, nil
}

// read reads a session, and reports whether it is one to be ended.
func (s *shutdown) read(ctx context.Context, id sessionstore.SessionID) (k sessionstore.Session, mine bool, err error) {
	k, err = s.a.store.Get(ctx, id, time.Now())
	switch {
	case errors.Is(err, sessionstore.ErrNotFound), err != nil && ctx.Err() != nil:
		return k, false, nil
	case err != nil:
		return k, false, fmt.Errorf("adapter: shutdown: read session: %w", err)
	default:
		return k, k.State == sessionstore.Open && !k.CreatedAt.After(s.begun), nil
	}
}

func (s *shutdown) count(ended bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ended {
		s.ended++
	}
	if err != nil && len(s.errs) < maxErrors {
		s.errs = append(s.errs, err)
	}
}

// sleep waits, and reports false if ctx has ended.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}
