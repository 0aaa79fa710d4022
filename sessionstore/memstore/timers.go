package memstore

import (
	"context"
	"fmt"
	"iter"
	"sync"
	"time"

	"github.com/nonstick-io/nonstick/sessionstore"
)

// timerKey orders timers by their time.
type timerKey struct {
	at   int64 // milliseconds since 1970
	name string
}

// text orders as the key does.
func (k timerKey) text() string { return fmt.Sprintf("%015d#%s", k.at, k.name) }

// timers are the timers of each shard.
type timers struct {
	mu     sync.Mutex
	shards []table[string, sessionstore.Timer]
}

func (s *Store) timerShards() int { return sessionstore.TimerShards(len(s.registry)) }

func weighTimer(t *sessionstore.Timer) int64 {
	return int64(timerWeight + len(t.Name) + len(t.Kind) + len(t.Body))
}

// timerTable returns the timers of a shard.
func (s *Store) timerTable(shard int) *table[string, sessionstore.Timer] {
	if s.timers.shards == nil {
		s.timers.shards = make([]table[string, sessionstore.Timer], s.timerShards())
	}
	return &s.timers.shards[shard]
}

// PutTimer implements [sessionstore.Timers].
func (s *Store) PutTimer(ctx context.Context, t sessionstore.Timer) error {
	if err := sessionstore.NotSent(ctx); err != nil {
		return err
	}
	s.wrote(sessionstore.OpTimer, 1)
	if err := t.Check(); err != nil {
		return err
	}
	s.timers.mu.Lock()
	defer s.timers.mu.Unlock()
	rows := s.timerTable(sessionstore.TimerShard(t.Name, s.timerShards()))
	k := timerKey{t.At.UnixMilli(), t.Name}.text()
	t.At = inMillis(t.At)
	old, there := rows.get(k)
	if !there && s.full() {
		return fmt.Errorf("put timer: %w", sessionstore.ErrFull)
	}
	if there {
		s.heldBytes.Add(-weighTimer(&old))
	}
	rows.put(k, t)
	s.heldBytes.Add(weighTimer(&t))
	return nil
}

// DueTimers implements [sessionstore.Timers].
func (s *Store) DueTimers(
	ctx context.Context, shard int, now time.Time,
) iter.Seq2[sessionstore.Timer, error] {
	page := func(last string, more bool) ([]sessionstore.Timer, string, bool) {
		s.timers.mu.Lock()
		defer s.timers.mu.Unlock()
		rows, last, further := s.timerTable(shard).page(last, more, walkChunk)
		for i := range rows {
			if rows[i].At.UnixMilli() > now.UnixMilli() {
				return rows[:i], last, false
			}
		}
		return rows, last, further
	}
	return walk(ctx, s.meter, sessionstore.OpDueTimers, page)
}

// DeleteTimer implements [sessionstore.Timers].
func (s *Store) DeleteTimer(ctx context.Context, t sessionstore.Timer) error {
	if err := sessionstore.NotSent(ctx); err != nil {
		return err
	}
	s.wrote(sessionstore.OpTimer, 1)
	s.timers.mu.Lock()
	defer s.timers.mu.Unlock()
	rows := s.timerTable(sessionstore.TimerShard(t.Name, s.timerShards()))
	k := timerKey{t.At.UnixMilli(), t.Name}.text()
	if old, there := rows.get(k); there {
		s.heldBytes.Add(-weighTimer(&old))
		rows.remove(k)
	}
	return nil
}
