package serve

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nonstick-io/nonstick/functions/internal/boot"
	"github.com/nonstick-io/nonstick/gateway/engine"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// With many sessions one invocation is too little. The chain then has helpers: at its beginning each link of it sends
// a message for each further part of the registry, whose invocation sweeps that part for as long as the link works.
// Helpers are no chains: those of the next link relieve them. One that crashes is replaced by a watch, a message that
// was sent along with a delay and finds the helper's claim taken while it lives.
const (
	// defaultPerBeat is how many sessions one invocation looks after, with the template's memory; docs/deploy.md has
	// the measurement.
	defaultPerBeat = 10_000
	// mostPerBeat and mostConcurrency bound what can be configured.
	mostPerBeat     = 1_000_000
	mostConcurrency = 99_999
	helpLease       = 6 * time.Second
	helpRenewal     = 2 * time.Second
	helpWatch       = 7 * time.Second // from one watch to the next
)

// help is the message that a helper gets.
type help struct {
	// Chain names the link that is helped.
	Chain sessionstore.Owner `json:"chain"`
	engine.Part

	Until time.Time `json:"until"`
}

func (h *help) claim() string { return fmt.Sprintf("%s/%s/%d", chainClaim, h.Chain, h.Index) }

// sizes says into how many parts the registry is divided.
type sizes struct {
	perBeat int // sessions
	most    int // parts
}

// newSizes reads them. With a reserved concurrency a part needs two of it, for each is relieved by the next before it
// ends.
func newSizes(env *boot.Env, shards int) sizes {
	const concurrency = "NONSTICK_HEARTBEAT_CONCURRENCY"
	s := sizes{perBeat: env.Number("NONSTICK_HEARTBEAT_SESSIONS", defaultPerBeat, 1, mostPerBeat), most: shards}
	reserved := env.Number(concurrency, -1, -1, mostConcurrency)
	if reserved == 0 || reserved == 1 {
		env.Fail(concurrency, "want -1 for none, or at least 2: one invocation relieves the other")
	}
	if reserved >= 0 {
		s.most = max(1, min(shards, reserved/2))
	}
	return s
}

func (s sizes) parts(sessions int) int {
	if s.perBeat == 0 {
		return 1
	}
	return min(max(1, (sessions+s.perBeat-1)/s.perBeat), s.most)
}

// walks knows how many sessions the sweep has met in each shard.
type walks struct {
	mu   sync.Mutex
	rows map[int]int
}

func (w *walks) note(shard, rows int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.rows == nil {
		w.rows = make(map[int]int)
	}
	w.rows[shard] = rows
}

// sessions estimates how many there are in all shards by those that were walked: ids are random. It knows nothing
// before the first walk has ended.
func (w *walks) sessions(shards int) (n int, known bool) {
	if w == nil {
		return 0, false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, rows := range w.rows {
		n += rows
	}
	if len(w.rows) == 0 {
		return 0, false
	}
	return n * shards / len(w.rows), true
}

func (w *walks) forget() {
	if w == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	clear(w.rows)
}

// callHelp queues the messages for all parts but the first. It returns the parts that no other invocation will look
// after.
func (f *heartbeat) callHelp(ctx context.Context, me sessionstore.Owner, parts int) (alone []engine.Part) {
	until := time.Now().Add(f.workTime(ctx) + beatRest)
	for i := 1; i < parts; i++ {
		h := help{Chain: me, Part: engine.Part{Index: i, Count: parts}, Until: until}
		body, err := json.Marshal(link{Help: &h})
		if err == nil {
			err = f.queue.Send(ctx, string(body))
		}
		for late := helpWatch; err == nil && time.Now().Add(late).Before(until); late += helpWatch {
			if e := f.queue.SendLater(ctx, string(body), late); e != nil {
				f.log.WarnContext(ctx, "watch of a helper not sent", "error", e)
				break
			}
		}
		if err != nil {
			f.log.WarnContext(ctx, "helper not called", "part", i, "error", err)
			alone = append(alone, h.Part)
		}
	}
	return alone
}

// lend is the invocation of a helper.
func (f *heartbeat) lend(ctx context.Context, h *help) error {
	me := newOwner()
	keep := func() (mine bool, err error) {
		now := time.Now()
		err = f.store.Claim(ctx, h.claim(), sessionstore.Lease{Owner: me, Until: now.Add(helpLease)}, "", now)
		if errors.Is(err, sessionstore.ErrExists) {
			return false, nil
		}
		return err == nil, err
	}
	if time.Until(h.Until) < time.Second {
		return nil // it comes too late
	}
	if mine, err := keep(); !mine || err != nil {
		return err
	}
	ctx, cancel := context.WithDeadline(ctx, h.Until)
	defer cancel()
	stop := f.startSweep(ctx, h.Part)
	defer stop()
	tick := time.NewTicker(helpRenewal)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		mine, err := keep()
		switch {
		case err != nil && ctx.Err() == nil:
			f.log.WarnContext(ctx, "help not renewed", "error", err)
		case err == nil && !mine:
			return nil // another has taken over
		}
	}
}
