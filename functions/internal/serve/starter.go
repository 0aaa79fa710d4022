package serve

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/nonstick-io/nonstick/functions/internal/boot"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// The heartbeat is a chain of invocations, each of which queues the next one while there are sessions. A claim sees to
// it that there is one chain at a time; its holder is named in the message that the next invocation gets, so that a
// message which is delivered twice is taken once.
//
// An invocation that crashes breaks the chain. The instance that serves a request begins another then; and where no
// requests come, because clients only wait for pings, the watches do: messages that the chain sends ahead of itself,
// and that find the claim taken while it lives.
const (
	chainClaim = "heartbeat"
	// chainLease is how long the chain may be silent before another is begun. It is renewed every chainRenewal.
	chainLease   = 10 * time.Second
	chainRenewal = 3 * time.Second
	// chainSeen is how long an instance takes it that a chain which it has seen goes on.
	chainSeen = 5 * time.Second
	// chainGrace is for how long a chain that finds no session stays to look again, after it has given its claim up.
	// Longer than chainSeen: a session whose request relied on having seen the chain is registered before the second
	// look.
	chainGrace = 7 * time.Second
	// renewalsToWatch is how many renewals there are from one watch to the next.
	renewalsToWatch = 3
	// watchAfter is how long a watch is on its way: until the claim has ended, should the chain break before it sends
	// another.
	watchAfter = (renewalsToWatch-1)*chainRenewal + chainLease + time.Second
)

// link is the message that the next invocation of the heartbeat gets.
type link struct {
	// Holder is the owner from which it takes the claim over; empty in a watch, which takes a claim that has ended.
	Holder sessionstore.Owner `json:"holder"`
	// Sessions is how many there were, about.
	Sessions int `json:"sessions,omitempty"`
	// Help makes it the message of a helper.
	Help *help `json:"help,omitempty"`
}

// queueLink sends it.
func queueLink(ctx context.Context, queue sender, l link) error {
	body, err := encodeLink(l)
	if err != nil {
		return err
	}
	if err := queue.Send(ctx, body); err != nil {
		return fmt.Errorf("serve: queue heartbeat: %w", err)
	}
	return nil
}

func encodeLink(l link) (string, error) {
	body, err := json.Marshal(l)
	if err != nil {
		return "", fmt.Errorf("serve: encode heartbeat: %w", err)
	}
	return string(body), nil
}

// newOwner returns a name that no owner has had.
func newOwner() sessionstore.Owner { return sessionstore.Owner(sessionstore.NewID()) }

// starter begins the chain if there is none. Every request lets it have a look after its session was registered, so the
// chain begins with the first session, and begins anew with the next request should it ever break.
type starter struct {
	claims sessionstore.Claims
	queue  sender
	log    *slog.Logger

	mu   sync.Mutex
	seen time.Time // when the chain was last seen to go on
}

func newStarter(p *boot.Parts) *starter {
	return &starter{claims: p.Store, queue: p.Queue("NONSTICK_HEARTBEAT_QUEUE"), log: p.Log}
}

// ensure is called at the end of a request. It costs one write for each instance and [chainSeen]. What goes wrong is
// logged, and tried again at the next request.
func (s *starter) ensure(ctx context.Context) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if now.Sub(s.seen) < chainSeen {
		return
	}
	me := newOwner()
	err := s.claims.Claim(ctx, chainClaim, sessionstore.Lease{Owner: me, Until: now.Add(chainLease)}, "", now)
	if errors.Is(err, sessionstore.ErrExists) {
		s.seen = now
		return
	}
	if err == nil {
		err = s.begin(ctx, me)
	}
	if err != nil {
		s.log.WarnContext(ctx, "heartbeat not started", "error", err)
		return
	}
	s.seen = now
}

// begin queues the chain's first message, or gives the claim up.
func (s *starter) begin(ctx context.Context, me sessionstore.Owner) error {
	err := queueLink(ctx, s.queue, link{Holder: me})
	if err == nil {
		return nil
	}
	now := time.Now()
	return errors.Join(err, s.claims.Claim(ctx, chainClaim, sessionstore.Lease{Owner: me, Until: now}, "", now))
}
