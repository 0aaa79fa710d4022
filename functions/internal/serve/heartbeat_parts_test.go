package serve

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nonstick-io/nonstick/functions/internal/boot"
	"github.com/nonstick-io/nonstick/gateway/engine"
)

// swept counts the sweepers of each of three parts.
type swept [3]atomic.Int32

func (s *swept) sweep(ctx context.Context, part engine.Part) error {
	for i := range s {
		if part.Count < 2 || part.Index == i {
			s[i].Add(1)
			defer s[i].Add(-1)
		}
	}
	<-ctx.Done()
	return nil
}

// missing returns the parts that are not swept.
func (s *swept) missing() (parts []int) {
	for i := range s {
		if s[i].Load() == 0 {
			parts = append(parts, i)
		}
	}
	return parts
}

// With many sessions each part is swept by an invocation of its own, without a gap that a client could notice; also
// where the way through the queue takes its time.
func TestHelpers(t *testing.T) {
	inChain(t, func(t *testing.T, c *chain) {
		var s swept
		c.beat.sweep, c.beat.sizes = s.sweep, sizes{perBeat: 1, most: 16}
		end, done := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(done)
			c.deliver(500*time.Millisecond, end)
		}()
		for range len(s) {
			register(t, c.store)
		}
		c.starter().ensure(t.Context())
		time.Sleep(time.Second)
		gap, longest := time.Duration(0), time.Duration(0)
		most := int32(0)
		for range 100_000 {
			time.Sleep(time.Millisecond)
			if len(s.missing()) == 0 {
				gap = 0
			} else {
				gap += time.Millisecond
			}
			longest = max(longest, gap)
			most = max(most, s[2].Load())
		}
		if longest > time.Second {
			t.Errorf("a part was not swept for %s", longest)
		}
		if most > 3 {
			t.Errorf("%d sweep one part", most)
		}
		close(end)
		<-done
	})
}

// A helper that crashes is replaced by a watch before a client whose ping is due misses it. Watches find the others
// at work.
func TestHelperThatCrashes(t *testing.T) {
	for crash := 500 * time.Millisecond; crash < 25*time.Second; crash += 2 * time.Second {
		inChain(t, func(t *testing.T, c *chain) {
			var s swept
			c.beat.sweep, c.beat.sizes = s.sweep, sizes{perBeat: 1, most: 16}
			for range len(s) {
				register(t, c.store)
			}
			c.starter().ensure(t.Context())
			first := c.next()
			first.Sessions = len(s)
			var running sync.WaitGroup
			running.Go(func() { c.run(first) })
			time.Sleep(100 * time.Millisecond)
			calls := c.queue.take()
			if len(calls) != 2 {
				t.Fatalf("called %v", calls)
			}
			running.Go(func() { c.run(calls[0]) })
			dead := &atomic.Bool{}
			victim := *c.beat
			victim.store = mortal{c.store, dead}
			ctx, cancel := context.WithCancel(t.Context())
			running.Go(func() { _ = victim.beat(ctx, calls[1]) })
			time.Sleep(crash)
			dead.Store(true)
			cancel()
			gap := time.Duration(0)
			for range 290 {
				for _, l := range c.queue.arrived() {
					running.Go(func() { c.run(l) })
				}
				time.Sleep(100 * time.Millisecond)
				if len(s.missing()) > 0 && time.Now().Before(calls[1].Help.Until) {
					gap += 100 * time.Millisecond
				}
				if time.Now().After(calls[1].Help.Until.Add(-beatRest)) {
					break
				}
			}
			if gap > 14*time.Second {
				t.Errorf("crashed after %s: a part was not swept for %s", crash, gap)
			}
			running.Wait()
			c.queue.take()
		})
	}
}

// A call for help that cannot be sent is no loss: the caller sweeps that part itself.
func TestNoHelp(t *testing.T) {
	inChain(t, func(t *testing.T, c *chain) {
		var s swept
		c.beat.sweep, c.beat.sizes = s.sweep, sizes{perBeat: 1, most: 3}
		register(t, c.store)
		c.starter().ensure(t.Context())
		first := c.next()
		first.Sessions = 100
		c.queue.err = boot.ErrNotSent
		done := make(chan struct{})
		go func() {
			defer close(done)
			_ = c.beat.beat(t.Context(), first)
		}()
		time.Sleep(10 * time.Second)
		if missing := s.missing(); len(missing) > 0 {
			t.Errorf("nobody sweeps %v", missing)
		}
		<-done
	})
}

func TestParts(t *testing.T) {
	for _, c := range []struct {
		reserved string
		sessions int
		want     int
	}{
		{"", 0, 1},
		{"", 10_000, 1},
		{"", 10_001, 2},
		{"", 1_000_000, 16},
		{"2", 100_000, 1},
		{"8", 100_000, 4},
		{"100", 100_000, 10},
	} {
		env := boot.NewEnv(func(name string) (string, bool) {
			return c.reserved, name == "NONSTICK_HEARTBEAT_CONCURRENCY" && c.reserved != ""
		})
		if got := newSizes(env, 16).parts(c.sessions); got != c.want {
			t.Errorf("reserved %q, %d sessions: %d parts, want %d", c.reserved, c.sessions, got, c.want)
		}
	}
	for _, wrong := range []string{"0", "1", "-2", "100000"} {
		env := boot.NewEnv(func(name string) (string, bool) { return wrong, name == "NONSTICK_HEARTBEAT_CONCURRENCY" })
		if newSizes(env, 16); env.Err() == nil {
			t.Errorf("reserved %s is taken", wrong)
		}
	}
	var w walks
	w.note(0, 10)
	w.note(3, 14)
	if n, known := w.sessions(16); n != 192 || !known {
		t.Errorf("%d sessions, known %v", n, known)
	}
}
