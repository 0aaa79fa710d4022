package emitting

import (
	"context"
	"errors"
	"time"

	"github.com/nonstick-io/nonstick/sessionstore"
)

// claim is the right to do something once.
type claim struct {
	claims sessionstore.Claims
	name   string
	owner  sessionstore.Owner
}

// take reports whether nobody has done it, or begun to, within its life.
func (c *claim) take(ctx context.Context, life time.Duration) (first bool, err error) {
	now := time.Now()
	c.owner = sessionstore.Owner(sessionstore.NewID())
	err = c.claims.Claim(ctx, c.name, sessionstore.Lease{Owner: c.owner, Until: now.Add(life)}, "", now)
	if errors.Is(err, sessionstore.ErrExists) {
		return false, nil
	}
	return err == nil, err
}

// giveBack lets it be done again.
func (c *claim) giveBack(ctx context.Context) error {
	now := time.Now()
	return c.claims.Claim(context.WithoutCancel(ctx), c.name, sessionstore.Lease{Owner: c.owner, Until: now}, "", now)
}
