package again

import (
	"context"
	"time"
)

const (
	firstPause   = 10 * time.Millisecond
	longestPause = 500 * time.Millisecond
)

// Pause is the wait between tries: from 10 ms on it doubles up to 500 ms, and each takes between a half and the whole
// of that by chance, so that calls that failed together do not come back together. The clock's nanoseconds are the
// dice, so that a simulation with a clock of its own can be replayed.
type Pause struct{ next, longest time.Duration }

// NewPause returns a Pause at its shortest.
func NewPause() *Pause { return &Pause{next: firstPause, longest: longestPause} }

// NewPauseOf returns a Pause that grows to longest.
func NewPauseOf(longest time.Duration) *Pause { return &Pause{next: firstPause, longest: longest} }

// Wait waits once, or until ctx ends.
func (p *Pause) Wait(ctx context.Context) { p.WaitOr(ctx, nil) }

// WaitOr waits once, until a value comes, or until ctx ends.
func (p *Pause) WaitOr(ctx context.Context, c <-chan struct{}) {
	d := p.next/2 + time.Duration(time.Now().UnixNano())%(p.next/2+1)
	p.next = min(2*p.next, p.longest)
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-c:
	case <-ctx.Done():
	}
}
