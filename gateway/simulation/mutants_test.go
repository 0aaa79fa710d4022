package simulation

import "testing"

// mutant is a rule broken on purpose: by a decision that is replaced (see breaks), or by what a store, a pusher or a
// queue then does.
type mutant struct {
	name string
	seed uint64 // of a schedule that catches it, for all that is known: it is tried first
}

var mutants = []mutant{
	{"answer-ignores-what-was-read", 11},
	{"answer-removes-what-it-gives", 34},
	{"deliver-ignores-the-hold", 246},
	{"doubt-is-success", 459},
	{"doubt-is-refusal", 39},
	{"upgrade-does-not-hold", 246},
	{"upgrade-pushes-what-was-given", 2},
	{"hint-before-release", 2},
	{"release-forgets-what-was-appended", 44},
	{"push-in-doubt-is-repeated", 77},
	{"push-in-doubt-is-success", 189},
	{"gone-is-success", 16},
	{"close-has-two-winners", 3},
	{"close-is-lost", 328},
	{"everybody-claims", 8},
	{"enqueue-shares-the-hold", 44},
	{"nobody-takes-over", 30},
	{"drain-is-refused", 1024},
	{"appended-is-forgotten", 44},
	{"dead-hold-stays", 90},
	{"t-is-an-identity", 4},
	{"t-of-the-handshake-names", 2},
	{"t-names-nothing", 8},
	{"join-does-nothing", 97},
	{"leave-does-nothing", 15},
	{"expire-without-ping", 2},
	{"ping-waits-for-closes", 30},
	{"a-slow-push-holds-all", 100},
	{"end-forgets-rooms", 2},
	{"rooms-after-the-handler", 2},
	{"open-step-is-no-claim", 4},
	{"full-is-silent", 16},
	{"attachment-without-condition", 3},
	{"second-header-accepted", 401},
	{"left-is-forgotten", 170},
	{"claim-ends-at-once", 8},
	{"answer-stays", 8},
	{"delivered-again-is-new", 152},
	{"batch-as-it-comes", 116},
	{"end-overtakes", 167},
	{"frames-without-group", 22},
	{"given-back-is-deleted", 95},
	{"given-back-is-in-doubt", 95},
	{"progress-is-forgotten", 108},
	{"part-in-doubt-is-done", 500},
	{"part-in-doubt-is-undone", 740},
	{"parts-without-group", 48},
	{"unfinished-is-deleted", 135},
	{"no-waiter-hears", 104},
	{"anybody-answers", 581},
	{"a-walk-that-fails-ends", 283},
	{"data-is-overwritten", 47},
	{"swap-ignores-what-was-read", 2},
	{"votes-count-twice", 8},
	{"all-are-missing", 1},
	{"silence-is-untold", 1},
	{"timer-stays", 2},
}

// mutantSchedules bounds the search for a schedule that catches a mutant.
const mutantSchedules = 2000

// TestMutants breaks one rule after the other; each must be caught, by a schedule that is clean without that.
func TestMutants(t *testing.T) {
	for _, m := range mutants {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			if m.caught(t, m.seed) {
				return
			}
			for n := range uint64(mutantSchedules) {
				if m.caught(t, 1+n) {
					t.Logf("the seed that was known, %d, catches it no more", m.seed)
					return
				}
			}
			t.Errorf("not caught in %d schedules", mutantSchedules)
		})
	}
}

// caught reports whether a schedule shows that the rule is broken.
func (m mutant) caught(t *testing.T, seed uint64) bool {
	o := simulate(t, seed, m.name, nil)
	if len(o.bad) == 0 {
		return false
	}
	if sound := simulate(t, seed, "", nil); len(sound.bad) > 0 {
		t.Errorf("seed %d is bad without the mutant: %s", seed, sound.bad[0])
	}
	t.Logf("caught by seed %d: %s", seed, o.bad[0])
	return true
}
