//go:build unix && size

package scenes

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"runtime"
	"runtime/metrics"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/nonstick-io/nonstick/gateway/engine"
	"github.com/nonstick-io/nonstick/internal/dynamotest"
	"github.com/nonstick-io/nonstick/sessionstore"
	"github.com/nonstick-io/nonstick/sessionstore/dynamostore"
	"github.com/nonstick-io/nonstick/sessionstore/memstore"
)

// TestSize measures the sweeper: NONSTICK_SIZE=100000 go test -tags size ./internal/scenes -run TestSize -v -timeout
// 20m. It registers so many sessions at the template's pace, sweeps for two minutes, and prints what that cost, in
// this process and at the table. DynamoDB Local, a process of its own, is not in it. It takes no more than some
// hundred writes a second, so that with it few of the sessions are due: what it shows is the walks, and the store in
// memory the pings.
func TestSize(t *testing.T) {
	n, err := strconv.Atoi(os.Getenv("NONSTICK_SIZE"))
	if err != nil {
		t.Fatalf("NONSTICK_SIZE says how many sessions to measure with: %v", err)
	}
	t.Run("memory", func(t *testing.T) {
		meter := &sessionstore.Meter{}
		measure(t, n, pingInterval, memstore.New(memstore.Options{Meter: meter}), meter)
	})
	t.Run("DynamoDB Local", func(t *testing.T) {
		client := dynamostore.NewClient(dynamostore.ClientOptions{
			Region: "eu-central-1", Endpoint: dynamotest.Start(t),
			Credentials: dynamostore.Credentials{AccessKeyID: "size", SecretAccessKey: "s"},
		})
		if err := dynamostore.CreateTable(t.Context(), client, "size"); err != nil {
			t.Fatal(err)
		}
		meter := &sessionstore.Meter{}
		measure(
			t, n, time.Duration(n/50)*time.Second,
			dynamostore.New(client, dynamostore.Options{Table: "size", Meter: meter}), meter,
		)
	})
}

// taker takes every push, after as much work as a signature of a real one is about.
type taker struct {
	store    sessionstore.Store
	interval time.Duration
	pushes   atomic.Int64
	late     atomic.Int64
}

func (p *taker) Push(ctx context.Context, conn sessionstore.Connection, _ string) error {
	p.pushes.Add(1)
	sum := sha256.Sum256([]byte(conn.ID))
	for range 6 {
		sum = sha256.Sum256([]byte(hex.EncodeToString(sum[:])))
	}
	return p.store.Beat(ctx, sessionstore.SessionID(conn.ID), time.Now().Add(p.interval))
}

func (*taker) Close(context.Context, sessionstore.Connection) error { return nil }

const pingInterval, pingTimeout = 60 * time.Second, 20 * time.Second

// measure sweeps over n sessions whose first pings are due within spread.
func measure(t *testing.T, n int, spread time.Duration, store sessionstore.Store, meter *sessionstore.Meter) {
	t.Helper()
	p := &taker{store: store, interval: max(spread, pingInterval)}
	e := engine.New(
		engine.Config{
			Store: store, Pusher: p, Options: engine.Options{PingInterval: pingInterval, PingTimeout: pingTimeout},
			Hooks: engine.Hooks{
				Pinged: func(late time.Duration) { p.late.Store(max(p.late.Load(), late.Milliseconds())) },
			},
		},
	)
	var group errgroup.Group
	group.SetLimit(64)
	late := time.Duration(n/400+10) * time.Second // after all have been registered
	if spread == pingInterval {
		late = 15 * time.Second
	}
	begun := time.Now()
	for i := range n {
		group.Go(func() error {
			id := sessionstore.NewID()
			at := begun.Add(late + spread*time.Duration(i)/time.Duration(n))
			return store.Register(t.Context(), sessionstore.Registration{
				Session: sessionstore.SessionID(
					id,
				),
				Conn: sessionstore.Connection{
					ID: id, Endpoint: "https://abcdefghij.execute-api.eu-central-1.amazonaws.com/v1",
				},
				PingAt: at,
			})
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d sessions registered in %s", n, time.Since(begun).Round(time.Second))
	time.Sleep(time.Until(begun.Add(late - 5*time.Second)))
	runtime.GC()
	heap, cpu, used := heapBytes(), processTime(), meter.Total()
	walks := meter.Op(sessionstore.OpRegistrations)
	ctx, cancel := context.WithTimeout(t.Context(), 2*pingInterval)
	defer cancel()
	peak := watch(ctx)
	if err := e.Sweep(ctx); err != nil {
		t.Fatal(err)
	}
	took, spent := processTime()-cpu, meter.Total().Sub(used)
	w := meter.Op(sessionstore.OpRegistrations).Sub(walks)
	seconds := (2 * pingInterval).Seconds()
	pushes := p.pushes.Load()
	t.Logf(
		"%d pings in %.0f s, latest %d ms late; processor %.2f s a second, %.0f us a ping (walks and pongs' writes included)",
		pushes, seconds, p.late.Load(), took.Seconds()/seconds, float64(took.Microseconds())/float64(max(pushes, 1)),
	)
	t.Logf(
		"walks: %d calls, %.0f read units a second; other writes %.1f a second", w.Calls,
		float64(w.ReadMilliUnits)/1000/seconds, float64(spent.Writes-pushes)/seconds,
	)
	t.Logf("heap %s at rest, %s at most", mb(heap), mb(<-peak))
}

// watch reads the heap until ctx ends.
func watch(ctx context.Context) <-chan uint64 {
	out := make(chan uint64, 1)
	go func() {
		var peak uint64
		for tick := time.NewTicker(50 * time.Millisecond); ctx.Err() == nil; {
			select {
			case <-tick.C:
				peak = max(peak, heapBytes())
			case <-ctx.Done():
			}
		}
		out <- peak
	}()
	return out
}

func heapBytes() uint64 {
	s := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}

func processTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func mb(b uint64) string { return fmt.Sprintf("%.0f MB", float64(b)/1e6) }
