package adapter

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/nonstick-io/nonstick/adapter/delivery"
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
)

// ErrShutdown tells of a time that ends cannot be spread over: below 0 or above [MaxShutdown]. Nothing was ended.
var ErrShutdown = errors.New("adapter: invalid time for a shutdown")

// Shutdown ends all sessions that are there when it is called, one after the other within so much time, so that their
// clients do not come back all at once; 0 means as fast as may be. The clients see the connection close, as when a
// server of Socket.IO closes, and connect again by themselves: to whatever is deployed then, for here no server is gone
// while none of its processes runs. Disconnect handlers run with the reason "server shutting down". Sessions that begin
// meanwhile are left alone, and one that is being upgraded may finish that first, for up to 10 s.
//
// It returns how many sessions it ended. If ctx ends before all are, that is the error; who is left can be ended by
// another call. Other errors tell of the first few sessions that could not be ended. It takes a read for each 1 MB of
// the registry, and one and the writes of its end for each session; it keeps the ids of all of them in memory, some 50
// bytes each.
func (a *Adapter) Shutdown(ctx context.Context, over time.Duration) (ended int, err error) {
	if over < 0 || over > MaxShutdown {
		return 0, fmt.Errorf("%w: %v, want 0 to %v", ErrShutdown, over, MaxShutdown)
	}
	begun := time.Now()
	var ids []sessionstore.SessionID
	for shard := range a.store.Shards() {
		for r, err := range a.store.Registrations(ctx, shard) {
			if err != nil {
				return 0, fmt.Errorf("adapter: shutdown: find sessions: %w", err)
			}
			if !r.Expired {
				ids = append(ids, r.Session)
			}
		}
	}
	s := &shutdown{a: a, begun: begun}
	var group errgroup.Group
	group.SetLimit(shutdownAtOnce)
	for i, id := range ids {
		at := begun.Add(time.Duration(float64(over) * float64(i) / float64(len(ids))))
		if !sleep(ctx, time.Until(at)) {
			break
		}
		group.Go(func() error {
			s.count(s.end(ctx, id))
			return nil
		})
	}
	_ = group.Wait() // s has the errors
	if ctx.Err() != nil {
		s.errs = append(s.errs, fmt.Errorf("adapter: shutdown: not all sessions were ended: %w", ctx.Err()))
	}
	return s.ended, errors.Join(s.errs...)
}

// shutdown is one call of Shutdown.
type shutdown struct {
	a     *Adapter
	begun time.Time

	mu    sync.Mutex
	ended int
	errs  []error
}

// end ends one session, unless it has ended, or began since.
func (s *shutdown) end(ctx context.Context, id sessionstore.SessionID) (ended bool, err error) {
	for deadline := time.Now().Add(upgradePatience); ; {
		now := time.Now()
		k, err := s.a.store.Get(ctx, id, now)
		if errors.Is(err, sessionstore.ErrNotFound) {
			return false, nil
		}
		if err != nil {
			return false, fmt.Errorf("adapter: shutdown: read session: %w", err)
		}
		if k.State != sessionstore.Open || k.CreatedAt.After(s.begun) {
			return false, nil
		}
		if k.Candidate.Conn.IsZero() || now.After(deadline) || !sleep(ctx, upgradeRetry) {
			break
		}
	}
	err = s.a.delivery.Closing().Close(ctx, id, delivery.ReasonServerShuttingDown, delivery.CloseOptions{})
	if err != nil {
		return false, fmt.Errorf("adapter: shutdown: %w", err)
	}
	return true, nil
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
