package emitting

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nonstick-io/nonstick/internal/again"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// claim is the right to do something once, bound to what is to be done. Its owner is the digest of that, and either a
// name that no other caller has or, when it has been done, the answer.
type claim struct {
	claims sessionstore.Claims
	name   string
	digest string
	owner  sessionstore.Owner
	until  time.Time
}

// claimTries is how often a claim is tried.
const claimTries = 3

// maxKeptErrors bounds the errors that are kept of an answer, those of the requests of a batch among them: a claim is
// a small item.
const maxKeptErrors = 3

// errKeyReused tells a caller that it asks for something with a key that was used to ask for something else.
var errKeyReused = errors.New("the key was used for another request")

// errUnfinished: the caller that began with the request has not told how it ended: it is still at it, or it died.
var errUnfinished = errors.New("a request with this key was begun and has not ended, so what it did is not known")

// newClaim returns the claim of a request.
func newClaim(claims sessionstore.Claims, name string, r *Request) (*claim, error) {
	asked := *r
	asked.Key = ""
	b, err := json.Marshal(asked)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errRequest, err) // arguments that are no JSON
	}
	sum := sha256.Sum256(b)
	return &claim{claims: claims, name: name, digest: base64.RawURLEncoding.EncodeToString(sum[:16])}, nil
}

func (c *claim) ownedBy(s string) sessionstore.Owner { return sessionstore.Owner(c.digest + " " + s) }

// take reports whether no other caller has done it, or begun to, within its life. If one has, answer is that caller's,
// or the error matches [errUnfinished] while there is none, and [errKeyReused] if that caller asked for something else.
func (c *claim) take(ctx context.Context, life time.Duration) (first bool, answer Answer, err error) {
	now := time.Now()
	c.owner, c.until = c.ownedBy(sessionstore.NewID()), now.Add(life)
	for tries := again.Times(claimTries); tries.Next(ctx); { // one that is in doubt is safe to repeat
		err = c.claims.Claim(ctx, c.name, sessionstore.Lease{Owner: c.owner, Until: c.until}, "", now)
		if err == nil || errors.Is(err, sessionstore.ErrExists) {
			break
		}
	}
	held, taken := sessionstore.Holder(err)
	switch {
	case err == nil:
		return true, answer, nil
	case !taken:
		return false, answer, fmt.Errorf("key not claimed: %w", err)
	}
	digest, kept, _ := strings.Cut(string(held.Owner), " ")
	if digest != c.digest {
		return false, answer, fmt.Errorf("%w: %w", errRequest, errKeyReused)
	}
	if json.Unmarshal([]byte(kept), &answer) != nil {
		return false, answer, errUnfinished
	}
	return false, answer, nil
}

// keep keeps the answer for callers that ask again.
func (c *claim) keep(ctx context.Context, a Answer) error {
	a.Errors = a.allErrors()
	a.Errors = a.Errors[:min(len(a.Errors), maxKeptErrors)]
	a.Sockets, a.Results = nil, nil // they may be many
	b, err := json.Marshal(a)
	if err != nil {
		return fmt.Errorf("encode answer: %w", err)
	}
	kept := sessionstore.Lease{Owner: c.ownedBy(string(b)), Until: c.until}
	return c.claims.Claim(context.WithoutCancel(ctx), c.name, kept, c.owner, time.Now())
}

// giveBack lets it be done again.
func (c *claim) giveBack(ctx context.Context) error {
	now := time.Now()
	return c.claims.Claim(context.WithoutCancel(ctx), c.name, sessionstore.Lease{Owner: c.owner, Until: now}, "", now)
}
