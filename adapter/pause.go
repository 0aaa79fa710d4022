package adapter

import (
	"context"
	"time"
)

// Pause is the wait between bounded repeats: it grows from 10 ms to 500 ms, with jitter. The clock's
// nanoseconds are the dice, so that a simulation with a clock of its own can be replayed.
type Pause struct{ next time.Duration }

// NewPause returns a Pause at its shortest.
func NewPause() *Pause { return &Pause{next: firstPause} }

// Wait waits once, or until ctx ends.
func (p *Pause) Wait(ctx context.Context) {
	d := p.next/2 + time.Duration(time.Now().UnixNano())%(p.next/2+1)
	p.next = min(2*p.next, longestPause)
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
