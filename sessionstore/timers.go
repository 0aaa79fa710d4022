package sessionstore

import (
	"context"
	"fmt"
	"iter"
	"time"
)

// Timer is something that is to be done at a time, by whichever instance sweeps then.
type Timer struct {
	// At is when, to the millisecond.
	At time.Time
	// Name tells timers of one moment apart; 1 to [MaxTimerName] bytes.
	Name string
	// Kind says what is to be done; what it needs for that is in Body, at most [MaxTimerBody] bytes.
	Kind, Body string
}

// Limits of a [Timer]; a store refuses what is above with [ErrTooLarge].
const (
	MaxTimerName = 128
	MaxTimerBody = 32 << 10
)

// mostTimerShards bounds the shards of timers: each is a read of every tick of the sweeper.
const mostTimerShards = 4

// TimerShards returns how many shards of timers a store has whose registry has so many.
func TimerShards(registry int) int { return min(registry, mostTimerShards) }

// TimerShard returns the shard of a timer, of so many.
func TimerShard(name string, shards int) int {
	return int(hash(name) % uint32(shards))
}

// Check refuses what is no timer, with ErrTooLarge.
func (t *Timer) Check() error {
	if n := len(t.Name); n == 0 || n > MaxTimerName {
		return fmt.Errorf("timer: name of %d bytes, want 1 to %d: %w", n, MaxTimerName, ErrTooLarge)
	}
	if n := len(t.Body) + len(t.Kind); n > MaxTimerBody {
		return fmt.Errorf("timer: %d bytes: %w", n, ErrTooLarge)
	}
	return nil
}

// Timers are what is to be done at a time. They are kept until they are deleted, or for a week after their time.
type Timers interface {
	// PutTimer stores a timer (1 write for each 1 KB). Storing it again is no error. ErrTooLarge above the limits,
	// ErrFull if the store has no room.
	PutTimer(ctx context.Context, t Timer) error
	// DueTimers walks the timers of a shard whose time has come at now, the earliest first (1 read, and one for each
	// further 1 MB). Eventually consistent.
	DueTimers(ctx context.Context, shard int, now time.Time) iter.Seq2[Timer, error]
	// DeleteTimer removes a timer (1 write); removing what is not there is no error.
	DeleteTimer(ctx context.Context, t Timer) error
}

// TimerKept is how long a timer is kept after its time: longer than the sweepers may be down.
const TimerKept = 7 * 24 * time.Hour
