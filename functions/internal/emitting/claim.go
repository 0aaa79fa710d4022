package emitting

import (
	"context"
	"encoding/json"
	"time"

	"github.com/nonstick-io/nonstick/sessionstore"
)

// claim is the right to do something once. When it has been done, the name of the claim's owner is the answer.
type claim struct {
	claims sessionstore.Claims
	name   string
	owner  sessionstore.Owner
	until  time.Time
}

// maxKept bounds the answer that is kept, in bytes: a claim is a small item.
const maxKept = 2 << 10

// take reports whether nobody has done it, or begun to, within its life. If somebody has, answer is theirs, or nil while
// there is none.
func (c *claim) take(ctx context.Context, life time.Duration) (first bool, answer *Answer, err error) {
	now := time.Now()
	c.owner, c.until = sessionstore.Owner(sessionstore.NewID()), now.Add(life)
	err = c.claims.Claim(ctx, c.name, sessionstore.Lease{Owner: c.owner, Until: c.until}, "", now)
	held, taken := sessionstore.Holder(err)
	if !taken {
		return err == nil, nil, err
	}
	answer = &Answer{}
	if json.Unmarshal([]byte(held.Owner), answer) != nil { // not done yet, or with an answer that was not kept
		answer = nil
	}
	return false, answer, nil
}

// keep keeps the answer for who asks again.
func (c *claim) keep(ctx context.Context, a Answer) error {
	a.Sockets, a.Results = nil, nil // they may be many
	b, err := json.Marshal(a)
	if err != nil || len(b) > maxKept {
		return err
	}
	kept := sessionstore.Lease{Owner: sessionstore.Owner(b), Until: c.until}
	return c.claims.Claim(context.WithoutCancel(ctx), c.name, kept, c.owner, time.Now())
}

// giveBack lets it be done again.
func (c *claim) giveBack(ctx context.Context) error {
	now := time.Now()
	return c.claims.Claim(context.WithoutCancel(ctx), c.name, sessionstore.Lease{Owner: c.owner, Until: now}, "", now)
}
