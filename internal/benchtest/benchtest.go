// Package benchtest counts what the iterations of a benchmark cost: calls of the store, and pushes. These numbers are
// the same on every machine, unlike times.
package benchtest

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// Pusher takes every push at once and keeps none, so that the memory of a benchmark does not grow with its iterations.
// The zero value is ready. Safe for concurrent use.
type Pusher struct {
	// OnPush, unless nil, is called with each push. Set it before the first one.
	OnPush func(conn sessionstore.Connection, frame string)

	pushes atomic.Int64
}

var _ delivery.Pusher = (*Pusher)(nil)

// Push implements [delivery.Pusher].
func (p *Pusher) Push(_ context.Context, conn sessionstore.Connection, frame string) error {
	p.pushes.Add(1)
	if p.OnPush != nil {
		p.OnPush(conn, frame)
	}
	return nil
}

// Close implements [delivery.Pusher].
func (p *Pusher) Close(context.Context, sessionstore.Connection) error { return nil }

// Pushes returns how many frames were pushed.
func (p *Pusher) Pushes() int64 {
	if p == nil {
		return 0
	}
	return p.pushes.Load()
}

// Costs counts what a benchmark spends while its timer runs.
type Costs struct {
	b      *testing.B
	meter  *sessionstore.Meter
	pusher *Pusher
	began  spent // what had been spent when the count began, less what was spent before the last pause
}

// spent is what had been spent at one moment.
type spent struct {
	usage  sessionstore.Usage
	pushes int64
}

func (s spent) sub(t spent) spent { return spent{s.usage.Sub(t.usage), s.pushes - t.pushes} }

// Count begins to count, right before the loop of a benchmark. Either of meter and pusher may be nil. It also has
// allocations reported.
func Count(b *testing.B, meter *sessionstore.Meter, pusher *Pusher) *Costs {
	b.Helper()
	b.ReportAllocs()
	c := &Costs{b: b, meter: meter, pusher: pusher}
	c.began = c.now()
	return c
}

// now is what has been spent so far, by a sweeper too.
func (c *Costs) now() spent {
	s := spent{pushes: c.pusher.Pushes()}
	c.meter.Each(func(_ sessionstore.Op, u sessionstore.Usage) {
		s.usage = u.Sub(sessionstore.Usage{}.Sub(s.usage)) // their sum
	})
	return s
}

// Aside runs f beside the benchmark: neither its time nor its costs count.
func (c *Costs) Aside(f func()) {
	c.b.StopTimer()
	before := c.now()
	f()
	c.began = c.began.sub(before.sub(c.now()))
	c.b.StartTimer()
}

// Report reports reads, writes and pushes for each operation, and units of capacity if the store bills any. Call it
// when the loop has ended.
func (c *Costs) Report() {
	c.b.Helper()
	s := c.now().sub(c.began)
	per := func(n int64, unit string) { c.b.ReportMetric(float64(n)/float64(c.b.N), unit) }
	if c.meter != nil {
		per(s.usage.Reads, "reads/op")
		per(s.usage.Writes, "writes/op")
	}
	if c.pusher != nil {
		per(s.pushes, "pushes/op")
	}
	if s.usage.ReadMilliUnits > 0 || s.usage.WriteMilliUnits > 0 {
		c.b.ReportMetric(float64(s.usage.ReadMilliUnits)/1000/float64(c.b.N), "read-units/op")
		c.b.ReportMetric(float64(s.usage.WriteMilliUnits)/1000/float64(c.b.N), "write-units/op")
	}
}
