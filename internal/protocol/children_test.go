package protocol_test

import (
	"testing"
	"time"

	"github.com/nonstick-io/nonstick/internal/protocol"
)

func TestChildListed(t *testing.T) {
	for _, c := range []struct {
		ago                time.Duration
		listed, forgetting bool
	}{
		{0, true, false},
		{-time.Minute, true, false}, // this clock goes behind
		{-time.Hour, false, false},  // and this one was set
		{59 * time.Minute, true, false},
		{time.Hour, false, false},
		{time.Hour + 5*time.Minute, false, false},
		{time.Hour + 5*time.Minute + time.Second, false, true},
		{365 * 24 * time.Hour, false, true},
	} {
		if got := protocol.ChildListed(now.Add(-c.ago), now); got != c.listed {
			t.Errorf("listed %v ago: still listed is %v, want %v", c.ago, got, c.listed)
		}
		if got := protocol.ChildForgettable(now.Add(-c.ago), now); got != c.forgetting {
			t.Errorf("listed %v ago: forgettable is %v, want %v", c.ago, got, c.forgetting)
		}
	}
}

// TestChildNeverBoth: while an instance trusts its own list, no other may forget the namespace, though their clocks
// differ by two minutes, and the socket comes two minutes later.
func TestChildNeverBoth(t *testing.T) {
	const apart = 2 * time.Minute
	for ago := time.Duration(0); ago < 2*time.Hour; ago += time.Second {
		listed := now.Add(-ago)
		for _, skew := range []time.Duration{-apart, 0, apart} {
			if protocol.ChildListed(listed, now) && protocol.ChildForgettable(listed, now.Add(skew+apart)) {
				t.Fatalf("listed %v ago, with a clock %v apart: both", ago, skew)
			}
		}
	}
}
