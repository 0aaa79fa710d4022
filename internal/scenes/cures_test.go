package scenes

import (
	"context"
	"iter"
	"sync"
	"time"

	"github.com/nonstick-io/nonstick/gateway/engine"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// cure is what keeps one client's trouble from the others. A scene is played without it to see that it shows.
type cure string

const (
	none                    cure = ""
	pushesWaitForNobody     cure = "pushes wait for nobody"
	nobodyIsExpiredUnpinged cure = "nobody is expired unpinged"
	endsBesideOneAnother    cure = "ends go on beside one another"
	namespacesShare         cure = "namespaces share the pool"
	closesAreHandedOver     cure = "closes are handed over"
)

// watched is a store that notes when sessions are finished.
type watched struct {
	sessionstore.Store
	closes  time.Duration // what the write that closes takes
	missing cure

	mu       sync.Mutex
	finished map[sessionstore.SessionID]time.Time
}

// Finish implements [sessionstore.Sessions].
func (s *watched) Finish(
	ctx context.Context, id sessionstore.SessionID, owner sessionstore.Owner, expiresAt time.Time,
) error {
	err := s.Store.Finish(ctx, id, owner, expiresAt)
	if err == nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.finished == nil {
			s.finished = map[sessionstore.SessionID]time.Time{}
		}
		s.finished[id] = time.Now()
	}
	return err
}

func (s *watched) finishedAt(id sessionstore.SessionID) (time.Time, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at, ok := s.finished[id]
	return at, ok
}

// Close implements [sessionstore.Sessions].
func (s *watched) Close(ctx context.Context, r sessionstore.CloseRequest) (sessionstore.Session, error) {
	if s.closes > 0 {
		select {
		case <-time.After(s.closes):
		case <-ctx.Done():
			return sessionstore.Session{}, ctx.Err()
		}
	}
	return s.Store.Close(ctx, r)
}

// Registrations implements [sessionstore.Registry]. Without its cure, each row says that its session was pinged when
// that was due.
func (s *watched) Registrations(ctx context.Context, shard int) iter.Seq2[sessionstore.Registration, error] {
	rows := s.Store.Registrations(ctx, shard)
	if s.missing != nobodyIsExpiredUnpinged {
		return rows
	}
	return func(yield func(sessionstore.Registration, error) bool) {
		for r, err := range rows {
			r.PingedAt = r.PingAt
			if !yield(r, err) {
				return
			}
		}
	}
}

// broken is a pool that takes no sessions that are still to be closed, without that cure.
type broken struct {
	*engine.Pool
	missing cure
}

// HandOver implements [engine.Ends].
func (b broken) HandOver(ctx context.Context, end engine.End) error {
	if end.Reason != "" && b.missing == closesAreHandedOver {
		return engine.ErrPoolFull
	}
	return b.Pool.HandOver(ctx, end)
}

// finish is what the pool finishes ends by.
func (c cure) finish(finish func(context.Context, engine.End) error) func(context.Context, engine.End) error {
	one := make(chan struct{}, 1) // and no mutex, for which simulated time would stand still
	return func(ctx context.Context, end engine.End) error {
		switch c {
		case endsBesideOneAnother:
			one <- struct{}{}
			defer func() { <-one }()
		case namespacesShare:
			ctx = unknown{ctx}
		case none, pushesWaitForNobody, nobodyIsExpiredUnpinged, closesAreHandedOver:
		}
		return finish(ctx, end)
	}
}

// unknown is a context in which the pool is not found.
type unknown struct{ context.Context }

// Value implements [context.Context].
func (unknown) Value(any) any { return nil }
