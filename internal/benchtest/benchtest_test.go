package benchtest_test

import (
	"flag"
	"testing"

	"github.com/nonstick-io/nonstick/internal/benchtest"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// benchmark runs f for a few iterations.
func benchmark(t *testing.T, f func(*testing.B)) testing.BenchmarkResult {
	t.Helper()
	const name, times = "test.benchtime", "250x"
	was := flag.Lookup(name).Value.String()
	if err := flag.Set(name, times); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := flag.Set(name, was); err != nil {
			t.Error(err)
		}
	}()
	return testing.Benchmark(f)
}

// What is done aside does not count, whatever it costs; the rest is divided by the iterations.
func TestCosts(t *testing.T) {
	const reads, writes, pushes = 3, 2, 4
	r := benchmark(t, func(b *testing.B) {
		var meter sessionstore.Meter
		var pusher benchtest.Pusher
		spend := func(times int) {
			for range times {
				meter.Add(sessionstore.OpGet, sessionstore.Usage{Calls: 1, Reads: reads, ReadMilliUnits: 500})
				meter.Add(sessionstore.OpLeaseShard, sessionstore.Usage{Calls: 1, Writes: writes})
				for range pushes {
					if err := pusher.Push(b.Context(), sessionstore.Connection{}, "2"); err != nil {
						b.Fatal(err)
					}
				}
			}
		}
		spend(7)
		c := benchtest.Count(b, &meter, &pusher)
		for n := 0; b.Loop(); n++ {
			if n%100 == 0 {
				c.Aside(func() { spend(3) })
			}
			spend(1)
		}
		c.Report()
	})
	for unit, want := range map[string]float64{
		"reads/op": reads, "writes/op": writes, "pushes/op": pushes, "read-units/op": 0.5, "write-units/op": 0,
	} {
		if got, ok := r.Extra[unit]; !ok || got != want {
			t.Errorf("%s: %v, want %v", unit, got, want)
		}
	}
}

// A benchmark without a store or without pushes says nothing about them.
func TestCostsOfNothing(t *testing.T) {
	r := benchmark(t, func(b *testing.B) {
		c := benchtest.Count(b, nil, nil)
		for b.Loop() {
			c.Aside(func() {})
		}
		c.Report()
	})
	if len(r.Extra) > 0 || r.N == 0 {
		t.Errorf("%d iterations, %v", r.N, r.Extra)
	}
}
