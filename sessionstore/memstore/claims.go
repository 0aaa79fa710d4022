package memstore

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/nonstick-io/nonstick/sessionstore"
)

// sweepAtClaim bounds how many leases a claim looks at to remove those that have ended.
const sweepAtClaim = 8

// claims are the leases by name.
type claims struct {
	mu     sync.Mutex
	leases map[string]sessionstore.Lease
}

// Claim implements [sessionstore.Claims].
func (s *Store) Claim(
	ctx context.Context, name string, lease sessionstore.Lease, from sessionstore.Owner, now time.Time,
) error {
	if err := sessionstore.NotSent(ctx); err != nil {
		return err
	}
	s.wrote(sessionstore.OpClaim, 1)
	if len(name) > sessionstore.MaxName {
		return fmt.Errorf("claim: name of %d bytes: %w", len(name), sessionstore.ErrTooLarge)
	}
	if err := s.claims.take(name, lease, from, now); err != nil {
		return fmt.Errorf("claim %q: %w", name, err)
	}
	return nil
}

func (c *claims) take(name string, lease sessionstore.Lease, from sessionstore.Owner, now time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sweep(now)
	old := c.leases[name]
	if old.Held() && !old.Expired(now) && old.Owner != lease.Owner && old.Owner != from {
		return &sessionstore.HeldError{Lease: old}
	}
	if c.leases == nil {
		c.leases = make(map[string]sessionstore.Lease)
	}
	c.leases[name] = lease
	return nil
}

// sweep removes some of the leases that have ended. To a caller of Claim a lease that has ended and none are the same.
func (c *claims) sweep(now time.Time) {
	looked := 0
	for name, l := range c.leases {
		if looked == sweepAtClaim {
			return
		}
		if looked++; l.Expired(now) {
			delete(c.leases, name)
		}
	}
}
