package again_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nonstick-io/nonstick/internal/again"
)

// all makes tries until there are no more, and returns when each was made, from now on.
func all(ctx context.Context, tries *again.Tries) (at []time.Duration) {
	for begun := time.Now(); tries.Next(ctx); {
		at = append(at, time.Since(begun))
	}
	return at
}

func TestTries(t *testing.T) {
	ended, end := context.WithCancel(t.Context())
	end()
	const wait = 200 * time.Millisecond
	tests := []struct {
		name  string
		ctx   func(context.Context) (context.Context, context.CancelFunc)
		tries func() *again.Tries
		least int // tries
		most  int
		first bool // at once
		want  error
	}{
		{"six times", nil, func() *again.Tries { return again.Times(6) }, 6, 6, true, again.ErrUsedUp},
		{"once", nil, func() *again.Tries { return again.Times(1) }, 1, 1, true, again.ErrUsedUp},
		{
			"six times after a pause", nil,
			func() *again.Tries { return again.Times(6).Paused() }, 6, 6, false, again.ErrUsedUp,
		},
		{
			"until a moment", nil,
			func() *again.Tries { return again.Until(time.Now().Add(wait)) }, 4, 7, true, again.ErrTooLate,
		},
		{
			"until a moment, after a pause", nil,
			func() *again.Tries { return again.Until(time.Now().Add(wait)).Paused() }, 3, 6, false, again.ErrTooLate,
		},
		{
			"until a moment that is over", nil,
			func() *again.Tries { return again.Until(time.Now()) }, 0, 0, false, again.ErrTooLate,
		},
		{
			"until the context ends",
			func(ctx context.Context) (context.Context, context.CancelFunc) { return context.WithTimeout(ctx, wait) },
			again.Unbounded, 4, 6, true, context.DeadlineExceeded,
		},
		{
			"the context ends before the tries are used up",
			func(ctx context.Context) (context.Context, context.CancelFunc) { return context.WithTimeout(ctx, wait) },
			func() *again.Tries { return again.Times(100) }, 4, 6, true, context.DeadlineExceeded,
		},
		{
			"the context has ended before the first",
			func(context.Context) (context.Context, context.CancelFunc) { return ended, func() {} },
			func() *again.Tries { return again.Times(6) }, 1, 1, true, context.Canceled,
		},
		{
			"the context has ended before the first, which is to come after a pause",
			func(context.Context) (context.Context, context.CancelFunc) { return ended, func() {} },
			func() *again.Tries { return again.Times(6).Paused() }, 0, 0, false, context.Canceled,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx := t.Context()
				if tt.ctx != nil {
					var cancel context.CancelFunc
					ctx, cancel = tt.ctx(ctx)
					defer cancel()
				}
				tries := tt.tries()
				if tries.Err() != nil {
					t.Errorf("ended before it began: %v", tries.Err())
				}
				at := all(ctx, tries)
				if len(at) < tt.least || len(at) > tt.most {
					t.Errorf("%d tries, want %d to %d: %v", len(at), tt.least, tt.most, at)
				}
				if len(at) > 0 && (at[0] == 0) != tt.first {
					t.Errorf("the first try came after %v", at[0])
				}
				if !errors.Is(tries.Err(), tt.want) {
					t.Errorf("ended by %v, want %v", tries.Err(), tt.want)
				}
				if tries.Next(ctx) {
					t.Error("there is a try after the last")
				}
			})
		})
	}
}

// Pauses grow from 10 ms to 500 ms, and each is between a half and the whole of that.
func TestPauses(t *testing.T) {
	for _, longest := range []time.Duration{500 * time.Millisecond, 100 * time.Millisecond} {
		synctest.Test(t, func(t *testing.T) {
			pause := again.NewPauseOf(longest)
			for want := 10 * time.Millisecond; want < 4*time.Second; want *= 2 {
				begun := time.Now()
				pause.Wait(t.Context())
				whole := min(want, longest)
				if took := time.Since(begun); took < whole/2 || took > whole {
					t.Errorf("waited %v, want %v to %v", took, whole/2, whole)
				}
			}
		})
	}
}

// The clock alone decides how long a pause is, so that a simulation can be replayed; and it is no constant.
func TestPausesAreReplayed(t *testing.T) {
	play := func(late time.Duration) (at []time.Duration) {
		synctest.Test(t, func(t *testing.T) {
			time.Sleep(late)
			at = all(t.Context(), again.Times(8))
		})
		return at
	}
	if first, second := play(0), play(0); !slices.Equal(first, second) {
		t.Errorf("played in two ways: %v and %v", first, second)
	}
	if first, later := play(0), play(12345*time.Nanosecond); slices.Equal(first, later) {
		t.Errorf("the same pauses at another time: %v", first)
	}
}
