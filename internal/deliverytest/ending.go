package deliverytest

import (
	"context"
	"sync"
	"time"

	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// SlowStore takes its time for the write that closes a session. A caller that does not wait for it does not know
// whether it was applied.
type SlowStore struct {
	*Store
	Takes   time.Duration
	Applies bool // the write is applied even if its caller did not wait for it
}

// Close takes its time.
func (s *SlowStore) Close(ctx context.Context, r sessionstore.CloseRequest) (sessionstore.Session, error) {
	select {
	case <-time.After(s.Takes):
		return s.Store.Close(ctx, r)
	case <-ctx.Done():
		if s.Applies {
			_, _ = s.Store.Close(context.WithoutCancel(ctx), r) // its answer is lost
		}
		return sessionstore.Session{}, ctx.Err()
	}
}

// Background closes the sessions that were handed over to it, as a pool or a queue does. Each is closed twice: a queue
// may give out a message twice.
type Background struct {
	// Refuse, unless nil, is what everything is refused with.
	Refuse error

	w     *World
	mu    sync.Mutex
	taken int
	group sync.WaitGroup
}

// Wait waits until everything that was taken has been closed.
func (b *Background) Wait() { b.group.Wait() }

// Taken returns how many sessions were handed over.
func (b *Background) Taken() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.taken
}

func (b *Background) later(ctx context.Context, e delivery.Ending) error {
	if b.Refuse != nil {
		return b.Refuse
	}
	b.mu.Lock()
	b.taken++
	b.mu.Unlock()
	b.group.Go(func() {
		for range 2 {
			if err := b.w.Closing.Resume(context.WithoutCancel(ctx), e); err != nil {
				b.w.T.Errorf("%s not closed: %v", e.Session, err)
			}
		}
	})
	return nil
}

// CloseSlowly makes the store take so long for every close. What takes too long for its caller is left to the
// Background.
func (w *World) CloseSlowly(takes time.Duration, applies bool) *Background {
	b := &Background{w: w}
	w.Closing.Sessions = &SlowStore{Store: w.Store, Takes: takes, Applies: applies}
	w.Closing.Later = b.later
	return b
}
