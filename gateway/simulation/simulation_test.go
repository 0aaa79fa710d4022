package simulation

import (
	"flag"
	"sync/atomic"
	"testing"
	"time"
)

var (
	schedules = flag.Int("schedules", 400, "how many schedules to run")
	seed      = flag.Uint64("seed", 0, "run the schedule of this seed alone, and tell each step with -v")
	first     = flag.Uint64("first", 1, "the first seed")
	mutantArg = flag.String("mutant", "", "break this rule (see mutants)")
)

// workers is how many schedules run at a time.
const workers = 2

// TestSchedules runs many schedules; each must be without violation.
func TestSchedules(t *testing.T) {
	if *seed != 0 {
		bad, _ := simulate(t, *seed, *mutantArg, func(s string) { t.Log(s) })
		for _, b := range bad {
			t.Error(b)
		}
		return
	}
	began := time.Now()
	var ran, faults, failed atomic.Int64
	t.Run("all", func(t *testing.T) {
		for w := range workers {
			t.Run(string(rune('a'+w)), func(t *testing.T) {
				t.Parallel()
				for n := w; n < *schedules && failed.Load() < 5; n += workers {
					s := *first + uint64(n)
					bad, f := simulate(t, s, "", nil)
					ran.Add(1)
					faults.Add(int64(f))
					for _, b := range bad {
						failed.Add(1)
						t.Errorf("seed %d: %s (again: -run TestSchedules -seed %d -v)", s, b, s)
					}
				}
			})
		}
	})
	t.Logf("%d schedules, %d faults, %v", ran.Load(), faults.Load(), time.Since(began).Round(time.Millisecond))
}

// mutants are rules broken on purpose, each by what a store or a pusher then does.
var mutants = []string{
	"answer-ignores-what-was-read",
	"answer-removes-what-it-gives",
	"deliver-ignores-the-hold",
	"doubt-is-success",
	"doubt-is-refusal",
	"upgrade-does-not-hold",
	"upgrade-pushes-what-was-given",
	"hint-before-release",
	"release-forgets-what-was-appended",
	"push-in-doubt-is-repeated",
	"push-in-doubt-is-success",
	"gone-is-success",
	"close-has-two-winners",
	"everybody-claims",
	"enqueue-shares-the-hold",
	"nobody-takes-over",
	"t-is-an-identity",
	"t-of-the-handshake-names",
	"t-names-nothing",
	"join-does-nothing",
	"leave-does-nothing",
	"expire-without-ping",
	"ping-waits-for-closes",
	"a-slow-push-holds-all",
	"end-forgets-rooms",
	"open-step-is-no-claim",
	"full-is-silent",
	"attachment-without-condition",
	"second-header-accepted",
	"left-is-forgotten",
	"claim-ends-at-once",
	"answer-stays",
}

// mutantSchedules bounds the search for a schedule that catches a mutant.
const mutantSchedules = 2000

// TestMutants breaks one rule after the other; each must be caught.
func TestMutants(t *testing.T) {
	for _, m := range mutants {
		t.Run(m, func(t *testing.T) {
			t.Parallel()
			for n := range uint64(mutantSchedules) {
				if bad, _ := simulate(t, 1+n, m, nil); len(bad) > 0 {
					t.Logf("caught by seed %d: %s", 1+n, bad[0])
					return
				}
			}
			t.Errorf("not caught in %d schedules", mutantSchedules)
		})
	}
}
