package engine_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/gateway/engine"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// pooled runs a pool whose ends' handlers take as long as told by the first part of the session's id, which is their
// namespace.
type pooled struct {
	t    *testing.T
	pool *engine.Pool
	took map[string]time.Duration // by namespace; no handler if it has none

	mu     sync.Mutex
	done   map[string]int
	latest map[string]time.Time
	most   map[string]int
	now    map[string]int
}

func inPool(t *testing.T, took map[string]time.Duration, f func(p *pooled)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		p := &pooled{
			t: t, pool: engine.NewPool(nil), took: took,
			done: map[string]int{}, latest: map[string]time.Time{}, most: map[string]int{}, now: map[string]int{},
		}
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { p.pool.Run(ctx, p.finish) })
		f(p)
		cancel()
		running.Wait()
	})
}

func (p *pooled) handOver(nsp string, n int) {
	p.t.Helper()
	for i := range n {
		id := sessionstore.SessionID(fmt.Sprintf("%s %d", nsp, i))
		if err := p.pool.HandOver(p.t.Context(), engine.End{Session: id}); err != nil {
			p.t.Fatal(err)
		}
	}
}

// finish is what Engine.Finish and the gateway's handlers do with a pool.
func (p *pooled) finish(ctx context.Context, end engine.End) error {
	nsp, _, _ := strings.Cut(string(end.Session), " ")
	if end.Reason != "" {
		nsp = end.Reason
	}
	if took, ok := p.took[nsp]; ok {
		over, err := engine.Turn(ctx, nsp)
		if err != nil {
			return err
		}
		defer over()
		p.count(nsp, 1)
		slow := time.AfterFunc(time.Second, func() { engine.Yield(ctx) })
		defer slow.Stop()
		select {
		case <-time.After(took):
		case <-ctx.Done():
		}
		p.count(nsp, -1)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done[nsp]++
	p.latest[nsp] = time.Now()
	return nil
}

func (p *pooled) count(nsp string, n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.now[nsp] += n
	p.most[nsp] = max(p.most[nsp], p.now[nsp])
}

// await waits until so many ends of a namespace are finished, and returns how long the last of them took.
func (p *pooled) await(nsp string, n int, since time.Time, atMost time.Duration) time.Duration {
	p.t.Helper()
	for time.Since(since) <= atMost {
		p.mu.Lock()
		done, latest := p.done[nsp], p.latest[nsp]
		p.mu.Unlock()
		if done == n {
			return latest.Sub(since)
		}
		time.Sleep(10 * time.Millisecond)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.t.Errorf("%d of %d ends of %s are finished after %s", p.done[nsp], n, nsp, atMost)
	return atMost
}

// Disconnect handlers of one namespace that hang, however many, delay the ends of others for a moment, and are all
// run in the end.
func TestPoolSharesAmongNamespaces(t *testing.T) {
	const hangs = 20 * time.Second
	for _, c := range []struct {
		name string
		slow map[string]int
		most time.Duration // for the others
		all  time.Duration // for the slow ones: so many runs of those that run at once
	}{
		{"eight", map[string]int{"/slow": 8}, 100 * time.Millisecond, hangs + time.Second},
		{"more than work at once", map[string]int{"/slow": 300}, 2 * time.Second, hangs + 2*time.Second},
		{"more than there is room for", map[string]int{"/slow": 3000}, 3 * time.Second, 6*hangs + 10*time.Second},
		{"two namespaces", map[string]int{"/slow": 2000, "/slower": 2000}, 3 * time.Second, 6*hangs + 10*time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			took := map[string]time.Duration{"/quick": 5 * time.Millisecond}
			for nsp := range c.slow {
				took[nsp] = hangs
			}
			inPool(t, took, func(p *pooled) {
				begun := time.Now()
				for nsp, n := range c.slow {
					p.handOver(nsp, n)
				}
				p.handOver("/quick", 100)
				p.handOver("/none", 100) // which has no handler
				for _, nsp := range []string{"/quick", "/none"} {
					if took := p.await(nsp, 100, begun, time.Minute); took > c.most {
						t.Errorf("the ends of %s took %s beside those that hang, want %s at most", nsp, took, c.most)
					}
				}
				time.Sleep(hangs / 2) // in the middle of it all
				begunAgain := time.Now()
				p.handOver("/late", 100)
				p.await("/late", 100, begunAgain, 100*time.Millisecond)
				for nsp, n := range c.slow {
					p.await(nsp, n, begun, c.all)
				}
				if left := p.pool.Waiting(); left != 0 {
					t.Errorf("%d ends wait though all are finished", left)
				}
			})
		})
	}
}

// A session that is still to be closed waits for no disconnect handler: its client is there.
func TestPoolClosesFirst(t *testing.T) {
	inPool(t, map[string]time.Duration{"/slow": 20 * time.Second}, func(p *pooled) {
		p.handOver("/slow", 3000)
		time.Sleep(10 * time.Millisecond)
		begun := time.Now()
		for i := range 100 {
			if err := p.pool.HandOver(
				p.t.Context(), engine.End{Session: sessionstore.SessionID(fmt.Sprint(i)), Reason: "transport error"},
			); err != nil {
				p.t.Fatal(err)
			}
		}
		p.await("transport error", 100, begun, 100*time.Millisecond)
	})
}

// A pool that has been told to end takes no more.
func TestPoolThatHasEnded(t *testing.T) {
	var kept *engine.Pool
	inPool(t, nil, func(p *pooled) { kept = p.pool })
	for _, reason := range []string{"", "transport error"} {
		if err := kept.HandOver(
			t.Context(), engine.End{Session: "s", Reason: reason},
		); !errors.Is(
			err, engine.ErrPoolFull,
		) {
			t.Errorf("reason %q: %v", reason, err)
		}
	}
}

// A session that is still to be closed is tried until the store takes it, in one go or in several, and its client is
// cut off.
func TestSessionIsClosedInTheEnd(t *testing.T) {
	for _, failures := range []int{0, 1, 10, 500} {
		t.Run(fmt.Sprint(failures, " failures"), func(t *testing.T) {
			inWorld(t, engine.Options{}, func(t *testing.T, w *world) {
				id, conn := w.webSocket()
				pool := engine.NewPool(nil)
				e := engine.New(engine.Config{Store: w.store, Pusher: w.pusher, Handler: w.app, Ends: pool})
				ctx, cancel := context.WithCancel(t.Context())
				var running sync.WaitGroup
				running.Go(func() { pool.Run(ctx, e.Finish) })
				for range failures {
					w.store.faults[sessionstore.OpClose] = append(
						w.store.faults[sessionstore.OpClose], fault{errNoAnswer, false},
					)
				}
				w.must(
					pool.HandOver(
						ctx,
						engine.End{Session: id, Owner: "o", Reason: delivery.ReasonTransportError, Doubtful: conn},
					),
				)
				for end := time.Now().Add(time.Hour); w.session(id).State != sessionstore.Closed &&
					time.Now().Before(end); {
					time.Sleep(time.Second)
				}
				w.expectState(id, delivery.ReasonTransportError)
				if !w.pusher.Closed(conn) {
					t.Error("the client is not cut off")
				}
				cancel()
				running.Wait()
			})
		})
	}
}
