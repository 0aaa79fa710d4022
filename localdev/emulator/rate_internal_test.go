package emulator

import (
	"testing"
	"time"
)

// A bucket gives its burst at once, then what comes in each second, and never holds more than the burst.
func TestRate(t *testing.T) {
	r := newRate(10, 5)
	now := r.at
	taken := func() (n int) {
		for r.take(now) {
			n++
		}
		return n
	}
	for _, step := range []struct {
		after time.Duration
		want  int
	}{
		{0, 5},
		{0, 0},
		{100 * time.Millisecond, 1},
		{250 * time.Millisecond, 2},
		{50 * time.Millisecond, 1},
		{time.Hour, 5},
		{-time.Second, 0},
	} {
		now = now.Add(step.after)
		if got := taken(); got != step.want {
			t.Errorf("%s later: %d, want %d", step.after, got, step.want)
		}
	}
	if none := newRate(0, 0); !none.take(now) {
		t.Error("no rate is a bound")
	}
}
