package simulation

import "testing"

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
	"close-is-lost",
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
	"delivered-again-is-new",
	"batch-as-it-comes",
	"end-overtakes",
	"frames-without-group",
	"given-back-is-deleted",
	"given-back-is-in-doubt",
	"a-walk-that-fails-ends",
	"data-is-overwritten",
}

// mutantSchedules bounds the search for a schedule that catches a mutant.
const mutantSchedules = 2000

// TestMutants breaks one rule after the other; each must be caught.
func TestMutants(t *testing.T) {
	for _, m := range mutants {
		t.Run(m, func(t *testing.T) {
			t.Parallel()
			for n := range uint64(mutantSchedules) {
				if o := simulate(t, 1+n, m, nil); len(o.bad) > 0 {
					t.Logf("caught by seed %d: %s", 1+n, o.bad[0])
					return
				}
			}
			t.Errorf("not caught in %d schedules", mutantSchedules)
		})
	}
}
