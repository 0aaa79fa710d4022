package dynamostore

import (
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/nonstick-io/nonstick/sessionstore"
)

// timerKey orders the timers of a shard by their time.
func (s *Store) timerKey(t *sessionstore.Timer) key {
	shard := sessionstore.TimerShard(t.Name, sessionstore.TimerShards(s.shards))
	return key{timersPK(shard), timerTime(t.At.UnixMilli()) + "#" + t.Name}
}

// PutTimer implements [sessionstore.Timers].
func (s *Store) PutTimer(ctx context.Context, t sessionstore.Timer) error {
	const op, what = sessionstore.OpTimer, "put timer"
	if err := s.begin(ctx, op); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	if err := t.Check(); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	it := s.timerKey(&t).item()
	withTime(it, attrDeadline, t.At)
	with(it, attrID, t.Name)
	with(it, attrKind, t.Kind)
	with(it, attrBody, t.Body)
	it[attrTTL] = seconds(t.At.Add(sessionstore.TimerKept))
	if err := s.put(ctx, op, it, ""); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// DueTimers implements [sessionstore.Timers].
func (s *Store) DueTimers(
	ctx context.Context, shard int, now time.Time,
) iter.Seq2[sessionstore.Timer, error] {
	keys := sortKeys{condition: sk + " < :to", to: timerTime(now.UnixMilli() + 1)}
	return rows(ctx, s, sessionstore.OpDueTimers, "walk timers", timersPK(shard), keys, false,
		func(it item) sessionstore.Timer {
			return sessionstore.Timer{
				At: moment(
					it,
					attrDeadline,
				),
				Name: text(it, attrID),
				Kind: text(it, attrKind),
				Body: text(it, attrBody),
			}
		})
}

// DeleteTimer implements [sessionstore.Timers].
func (s *Store) DeleteTimer(ctx context.Context, t sessionstore.Timer) error {
	const op, what = sessionstore.OpTimer, "delete timer"
	if err := s.begin(ctx, op); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	if _, err := s.remove(ctx, op, s.timerKey(&t), "", nil); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}
