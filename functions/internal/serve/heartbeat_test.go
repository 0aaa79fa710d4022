package serve

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/nonstick-io/nonstick/functions/internal/boot"
	"github.com/nonstick-io/nonstick/gateway/engine"
	"github.com/nonstick-io/nonstick/sessionstore"
	"github.com/nonstick-io/nonstick/sessionstore/memstore"
)

// chain is a heartbeat over a store in memory.
type chain struct {
	t      *testing.T
	store  *memstore.Store
	queue  *queue
	beat   *heartbeat
	sweeps atomic.Int32 // that are going on
	most   atomic.Int32
	timed  bool // the application may have something done at times
}

// inChain runs a test in a bubble of its own time.
func inChain(t *testing.T, f func(t *testing.T, c *chain)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c := &chain{t: t, store: memstore.New(memstore.Options{}), queue: &queue{}}
		c.beat = &heartbeat{
			store: c.store, queue: c.queue, log: slog.New(slog.DiscardHandler),
			timed: func() bool { return c.timed },
			sweep: func(ctx context.Context, _ engine.Part) error {
				c.most.Store(max(c.most.Load(), c.sweeps.Add(1)))
				defer c.sweeps.Add(-1)
				<-ctx.Done()
				return nil
			},
		}
		f(t, c)
	})
}

func (c *chain) starter() *starter {
	return &starter{claims: c.store, queue: c.queue, log: c.beat.log}
}

// run is one invocation with the time that the template gives it. It returns how long it took.
func (c *chain) run(l link) time.Duration {
	c.t.Helper()
	begun := time.Now()
	ctx, cancel := context.WithTimeout(c.t.Context(), 60*time.Second)
	defer cancel()
	if err := c.beat.beat(ctx, l); err != nil {
		c.t.Error(err)
	}
	return time.Since(begun)
}

// next returns the one message that was queued.
func (c *chain) next() link {
	c.t.Helper()
	all := c.queue.take()
	if len(all) != 1 {
		c.t.Fatalf("%d messages are queued, want one", len(all))
	}
	return all[0]
}

func (c *chain) none(when string) {
	c.t.Helper()
	if all := c.queue.take(); len(all) != 0 {
		c.t.Errorf("%s: queued %v", when, all)
	}
}

func TestChainGoesOnWhileThereAreSessions(t *testing.T) {
	inChain(t, func(t *testing.T, c *chain) {
		id := register(t, c.store)
		c.starter().ensure(t.Context())
		l := c.next()
		for range 3 {
			if took := c.run(l); took != beatTime+handOver {
				t.Errorf("worked for %s, want %s", took, beatTime+handOver)
			}
			l = c.next()
			c.starter().ensure(t.Context())
			c.none("while the chain goes on")
		}
		if err := c.store.Unregister(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		if took := c.run(l); took != beatTime+chainGrace {
			t.Errorf("the last invocation took %s", took)
		}
		c.none("after the last session")
		c.starter().ensure(t.Context())
		if c.run(c.next()); c.most.Load() != 1 {
			t.Errorf("%d sweeps at a time", c.most.Load())
		}
	})
}

// A client that lost its connection may have been the last one. Its socket waits for it, and ends at a time.
func TestChainGoesOnForATimer(t *testing.T) {
	inChain(t, func(t *testing.T, c *chain) {
		for _, timed := range []bool{true, false} {
			c.timed = timed
			timer := sessionstore.Timer{At: time.Now().Add(2 * time.Minute), Name: "n", Kind: "k"}
			if err := c.store.PutTimer(t.Context(), timer); err != nil {
				t.Fatal(err)
			}
			id := register(t, c.store)
			c.starter().ensure(t.Context())
			l := c.next()
			if err := c.store.Unregister(t.Context(), id); err != nil {
				t.Fatal(err)
			}
			c.run(l)
			if all := c.queue.take(); (len(all) == 1) != timed {
				t.Fatalf("timers asked for: %v; queued %v", timed, all)
			} else if timed {
				l = all[0]
			}
			if err := c.store.DeleteTimer(t.Context(), timer); err != nil {
				t.Fatal(err)
			}
			if timed {
				c.run(l)
			}
			c.none("after the timer")
		}
	})
}

// deliver runs an invocation for each message, some time after it was sent, until end.
func (c *chain) deliver(after time.Duration, end <-chan struct{}) {
	var running sync.WaitGroup
	defer running.Wait()
	for {
		for _, l := range c.queue.take() {
			running.Go(func() {
				time.Sleep(after)
				c.run(l)
			})
		}
		select {
		case <-end:
			return
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// While there is a session something sweeps: also while one invocation relieves another, and when a session comes while
// the chain is about to end. Without one the sweeps end.
func TestSweepWithoutAGap(t *testing.T) {
	const start = 800 * time.Millisecond // of a function, with the way through the queue
	for _, apart := range []time.Duration{5 * time.Second, chainGrace - 100*time.Millisecond} {
		t.Run(apart.String(), func(t *testing.T) {
			inChain(t, func(t *testing.T, c *chain) {
				end, done := make(chan struct{}), make(chan struct{})
				go func() {
					defer close(done)
					c.deliver(start, end)
				}()
				id := register(t, c.store)
				s := c.starter()
				s.ensure(t.Context())
				time.Sleep(start + 20*time.Millisecond)
				c.swept(100*time.Second, "with a session")
				if err := c.store.Unregister(t.Context(), id); err != nil {
					t.Fatal(err)
				}
				for c.held() {
					time.Sleep(10 * time.Millisecond)
				}
				c.swept(apart, "while the chain looks whether it may end")
				register(t, c.store)
				s.ensure(t.Context())
				c.swept(100*time.Second, "with a late session")
				close(end)
				<-done
			})
		})
	}
}

// swept fails the test unless there is a sweep all the time.
func (c *chain) swept(d time.Duration, when string) {
	c.t.Helper()
	gap := false
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(time.Millisecond) {
		gap = gap || c.sweeps.Load() == 0
	}
	if gap {
		c.t.Errorf("%s: at times nothing sweeps", when)
	}
}

// held reports whether an invocation has the chain.
func (c *chain) held() bool {
	c.t.Helper()
	err := c.store.Claim(
		c.t.Context(), chainClaim, sessionstore.Lease{Owner: "test", Until: time.Now()}, "", time.Now(),
	)
	if err != nil && !errors.Is(err, sessionstore.ErrExists) {
		c.t.Fatal(err)
	}
	return err != nil
}

// A queue may deliver a message again, at once or later.
func TestMessageIsTakenOnce(t *testing.T) {
	inChain(t, func(t *testing.T, c *chain) {
		register(t, c.store)
		c.starter().ensure(t.Context())
		first := c.next()
		done := make(chan struct{})
		go func() {
			defer close(done)
			c.run(first)
		}()
		time.Sleep(beatTime / 2)
		if took := c.run(first); took != 0 {
			t.Errorf("a copy worked for %s beside the first", took)
		}
		<-done
		second := c.next()
		if took := c.run(first); took != 0 {
			t.Errorf("a late copy worked for %s", took)
		}
		c.none("after the copies")
		if c.run(second); len(c.queue.take()) != 1 {
			t.Error("the chain has broken")
		}
	})
}

// A session that is registered just as the chain ends is not forgotten, whether its instance saw the chain or not.
func TestChainDoesNotForgetALateSession(t *testing.T) {
	tests := []struct {
		name string
		// seen is when the starter has seen the chain for the last time, late when the session comes; from the first
		// beat.
		seen, late time.Duration
	}{
		{
			"starter saw the chain just before its end", beatTime - time.Millisecond,
			beatTime + chainSeen - 2*time.Millisecond,
		},
		{"starter sees that the chain has ended", 0, beatTime + time.Second},
		{"session comes at the very end", 0, beatTime + chainGrace - time.Millisecond},
		{"session comes when all is over", 0, beatTime + chainGrace + time.Millisecond},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inChain(t, func(t *testing.T, c *chain) {
				s := c.starter()
				s.ensure(t.Context())
				first := c.next()
				done := make(chan struct{})
				go func() {
					defer close(done)
					c.run(first)
				}()
				s.seen = time.Time{}
				time.Sleep(tt.seen)
				s.ensure(t.Context())
				c.none("while the chain goes on")
				time.Sleep(tt.late - tt.seen)
				register(t, c.store)
				s.ensure(t.Context())
				<-done
				if n := len(c.queue.take()); n != 1 {
					t.Errorf("%d chains go on, want one", n)
				}
			})
		})
	}
}

func TestChainThatBroke(t *testing.T) {
	inChain(t, func(t *testing.T, c *chain) {
		register(t, c.store)
		s := c.starter()
		s.ensure(t.Context())
		lost := c.next() // it is lost: the function crashes
		time.Sleep(chainLease - time.Second)
		s.ensure(t.Context())
		c.none("before the lease is over")
		time.Sleep(chainSeen)
		s.ensure(t.Context())
		again := c.next()
		if took := c.run(lost); took != 0 {
			t.Errorf("the lost message comes after all and works for %s", took)
		}
		if took := c.run(again); took != beatTime+handOver {
			t.Errorf("the new chain worked for %s", took)
		}
	})
}

// An invocation that was frozen, or cut off from the store, for so long that another chain has begun stops.
func TestChainThatWasOvertaken(t *testing.T) {
	inChain(t, func(t *testing.T, c *chain) {
		register(t, c.store)
		c.starter().ensure(t.Context())
		l := c.next()
		go func() {
			time.Sleep(13 * time.Second)
			lease := sessionstore.Lease{Owner: "other", Until: time.Now().Add(time.Hour)}
			if err := c.store.Claim(t.Context(), chainClaim, lease, "", time.Now().Add(time.Hour)); err != nil {
				t.Error(err)
			}
		}()
		if took := c.run(l); took != 15*time.Second {
			t.Errorf("stopped after %s", took)
		}
		c.none("after another chain has begun")
	})
}

// mortal is a store that fails once its invocation is dead.
type mortal struct {
	sessionstore.Store
	dead *atomic.Bool
}

func (m mortal) Claim(
	ctx context.Context, name string, l sessionstore.Lease, from sessionstore.Owner, now time.Time,
) error {
	if m.dead.Load() {
		return errors.New("dead")
	}
	return m.Store.Claim(ctx, name, l, from, now)
}

// A chain whose invocation crashes is begun anew by a watch, though no request comes, before a client whose ping is
// due misses it.
func TestChainThatCrashes(t *testing.T) {
	const patience = 20 * time.Second // a client's, by the template
	for crash := 500 * time.Millisecond; crash < beatTime; crash += time.Second {
		t.Run(crash.String(), func(t *testing.T) {
			inChain(t, func(t *testing.T, c *chain) {
				register(t, c.store)
				c.starter().ensure(t.Context())
				first := c.next()
				dead := &atomic.Bool{}
				victim := *c.beat
				victim.store = mortal{c.store, dead}
				ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
				crashed := make(chan struct{})
				go func() {
					defer close(crashed)
					_ = victim.beat(ctx, first) // it dies
				}()
				time.Sleep(crash)
				dead.Store(true)
				cancel()
				<-crashed
				var beats sync.WaitGroup
				for begun := time.Now(); c.sweeps.Load() == 0; time.Sleep(100 * time.Millisecond) {
					for _, l := range c.queue.arrived() {
						beats.Go(func() { c.run(l) })
					}
					if time.Since(begun) > patience {
						t.Errorf("nothing sweeps %s after the crash", patience)
						break
					}
				}
				beats.Wait()
			})
		})
	}
}

// What is on its way when the last session ends begins nothing.
func TestWatchesOfAChainThatEnded(t *testing.T) {
	inChain(t, func(t *testing.T, c *chain) {
		c.starter().ensure(t.Context())
		c.run(c.next())
		c.none("without a session")
		time.Sleep(time.Minute)
		watches := c.queue.arrived()
		if len(watches) == 0 {
			t.Error("no watch was sent")
		}
		for _, l := range watches {
			if took := c.run(l); took != 0 {
				t.Errorf("a watch worked for %s", took)
			}
		}
		c.none("after the watches")
	})
}

func TestStarterGivesUpWhatItCannotStart(t *testing.T) {
	inChain(t, func(t *testing.T, c *chain) {
		s := c.starter()
		c.queue.err = errors.New("down")
		s.ensure(t.Context())
		c.queue.err = nil
		s.ensure(t.Context())
		c.next()
		other := c.starter()
		other.ensure(t.Context())
		c.none("with a chain begun")
		if !other.seen.Equal(time.Now()) {
			t.Error("the chain was not seen")
		}
	})
}

func TestHeartbeatMessages(t *testing.T) {
	inChain(t, func(t *testing.T, c *chain) {
		register(t, c.store)
		res := c.beat.serve(
			t.Context(), []events.SQSMessage{{MessageId: "a", Body: "{"}, {MessageId: "b", Body: `{"holder":"x"}`}},
		)
		if failures(res) != "a" || len(c.queue.take()) != 1 {
			t.Errorf("failed: %s, want what makes no sense", failures(res))
		}
		c.queue.err = boot.ErrNotSent
		time.Sleep(time.Minute)
		res = c.beat.serve(t.Context(), []events.SQSMessage{{MessageId: "c", Body: `{}`}})
		if failures(res) != "c" {
			t.Errorf("a chain that cannot be continued: %+v", res)
		}
	})
}

func TestWorkTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for left, want := range map[time.Duration]time.Duration{
			time.Hour: beatTime, 30 * time.Second: 18 * time.Second, time.Second: time.Second,
		} {
			ctx, cancel := context.WithTimeout(t.Context(), left)
			if got := (&heartbeat{}).workTime(ctx); got != want {
				t.Errorf("with %s left: %s, want %s", left, got, want)
			}
			cancel()
		}
	})
}

// returns notes which messages come again, and when.
type returns struct{ got []string }

func (r *returns) Return(_ context.Context, receipt string, d time.Duration) error {
	r.got = append(r.got, receipt+" "+d.String())
	return nil
}

// unavailable is a store whose claims fail.
type unavailable struct{ *memstore.Store }

func (unavailable) Claim(context.Context, string, sessionstore.Lease, sessionstore.Owner, time.Time) error {
	return sessionstore.ErrUnavailable
}

// A link of the chain that finds no table comes again soon, and not after the visibility timeout: no client is pinged
// until then.
func TestHeartbeatComesAgain(t *testing.T) {
	q, log := &returns{}, slog.New(slog.DiscardHandler)
	f := &heartbeat{
		store: unavailable{memstore.New(memstore.Options{})}, queue: &queue{}, again: boot.Again{Queue: q, Log: log},
		log: log,
	}
	m := events.SQSMessage{
		MessageId: "m", ReceiptHandle: "r", Body: `{"holder":"h"}`,
		Attributes: map[string]string{"ApproximateReceiveCount": "2"},
	}
	if res := f.serve(
		t.Context(), []events.SQSMessage{m},
	); len(res.BatchItemFailures) != 1 || len(q.got) != 1 ||
		q.got[0] != "r 4s" {
		t.Errorf("failures %v, come again %q", res.BatchItemFailures, q.got)
	}
}
