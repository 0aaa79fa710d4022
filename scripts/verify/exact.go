package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// exactly has clients on both transports emit numbered events to a room for some time, while another one comes and
// goes. Every member that stays gets each event once and in the order of its sender, and every event is acknowledged
// once.
func exactly(w *way, d time.Duration) func(context.Context) error {
	return func(ctx context.Context) error {
		room := fmt.Sprintf("exact-%d", time.Now().UnixNano())
		var members []*member
		for i := range 4 {
			m, err := w.member(ctx, i%2 == 1)
			if err != nil {
				return err
			}
			defer m.close(ctx)
			if _, err := m.call(ctx, "join", room); err != nil {
				return err
			}
			members = append(members, m)
		}
		ctx, cancel := context.WithTimeout(ctx, d+patience)
		defer cancel()
		var mu sync.Mutex
		said := make([]int, len(members)) // by each sender
		group, saying := errgroup.WithContext(ctx)
		end := time.Now().Add(d)
		for i, m := range members {
			group.Go(func() error {
				for time.Now().Before(end) {
					if _, err := m.call(saying, "say", room, []int{i, said[i]}); err != nil {
						return fmt.Errorf("member %d, after %d events: %w", i, said[i], err)
					}
					mu.Lock()
					said[i]++
					mu.Unlock()
				}
				return nil
			})
		}
		group.Go(func() error {
			for time.Now().Before(end) {
				m, err := w.member(saying, true)
				if err != nil {
					return fmt.Errorf("the client that comes and goes: %w", err)
				}
				_, err = m.call(saying, "join", room)
				m.close(ctx)
				if err != nil {
					return fmt.Errorf("the client that comes and goes: %w", err)
				}
			}
			return nil
		})
		if err := group.Wait(); err != nil {
			return err
		}
		for i, m := range members {
			if err := m.counted(ctx, said); err != nil {
				return fmt.Errorf("member %d: %w", i, err)
			}
		}
		return nil
	}
}

// counted checks what a member has got: of each sender all, once and in order.
func (m *member) counted(ctx context.Context, said []int) error {
	got := make([]int, len(said))
	for i, n := range said {
		for got[i] < n {
			args, err := m.want(ctx, "said")
			if err != nil {
				return fmt.Errorf("of sender %d came %d events, of %d: %w", i, got[i], n, err)
			}
			var at [2]int
			if len(args) != 1 || json.Unmarshal(args[0], &at) != nil || at[0] < 0 || at[0] >= len(said) {
				return fmt.Errorf("an event came with %s", args)
			}
			if at[1] != got[at[0]] {
				return fmt.Errorf("of sender %d came event %d after %d", at[0], at[1], got[at[0]]-1)
			}
			got[at[0]]++
		}
	}
	ctx, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
	defer cancel()
	if args, err := m.want(ctx, "said"); err == nil {
		return fmt.Errorf("there came %s besides", args)
	} else if !errors.Is(err, errSilent) && ctx.Err() == nil {
		return err
	}
	return nil
}
