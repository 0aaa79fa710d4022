package delivery

import (
	"context"
	"time"

	"github.com/nonstick-io/nonstick/internal/again"
)

const (
	// busyTries bounds the wait for a connection that is busy to about three seconds, busyInAll what all messages
	// of one delivery wait.
	busyTries = 10
	busyInAll = 10 * time.Second
)

// patience is how long the pushes of one delivery have waited, for whose caller this session is the only one.
type patience struct{ waited time.Duration }

// push repeats a push while the connection is busy.
func (p *patience) push(ctx context.Context, push Try) error {
	busy, err := push(ctx)
	if !busy {
		return err
	}
	begun := time.Now()
	for tries := again.Times(busyTries).Paused(); tries.Next(ctx); {
		if busy, err = push(ctx); !busy || p.waited+time.Since(begun) >= busyInAll {
			break
		}
	}
	p.waited += time.Since(begun)
	return err
}
