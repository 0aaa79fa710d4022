package delivery

import (
	"context"
	"errors"
	"time"
)

// Pause is the wait between bounded repeats: it grows from 10 ms to 500 ms, with jitter. The clock's
// nanoseconds are the dice, so that a simulation with a clock of its own can be replayed.
type Pause struct{ next, longest time.Duration }

// NewPause returns a Pause at its shortest.
func NewPause() *Pause { return &Pause{next: firstPause, longest: longestPause} }

// NewPauseOf returns a Pause that grows to longest.
func NewPauseOf(longest time.Duration) *Pause { return &Pause{next: firstPause, longest: longest} }

// Wait waits once, or until ctx ends.
func (p *Pause) Wait(ctx context.Context) {
	d := p.next/2 + time.Duration(time.Now().UnixNano())%(p.next/2+1)
	p.next = min(2*p.next, p.longest)
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

const (
	// busyRepeats bounds the wait for a connection that is busy to about three seconds, busyInAll what all messages
	// of one delivery wait.
	busyRepeats = 10
	busyInAll   = 10 * time.Second
)

// patience is how long the pushes of one delivery have waited, for whose caller this session is the only one.
type patience struct{ waited time.Duration }

// push repeats a push while the connection is busy.
func (p *patience) push(ctx context.Context, push func(context.Context) error) error {
	err := push(ctx)
	if !errors.Is(err, ErrBusy) {
		return err
	}
	begun := time.Now()
	pause := NewPause()
	for range busyRepeats {
		pause.Wait(ctx)
		if err = push(ctx); !errors.Is(err, ErrBusy) || p.waited+time.Since(begun) >= busyInAll {
			break
		}
	}
	p.waited += time.Since(begun)
	return err
}
