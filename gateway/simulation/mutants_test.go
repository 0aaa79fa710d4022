package simulation

import "testing"

// mutant is a rule broken on purpose: by a decision that is replaced (see breaks), or by what a store, a pusher or a
// queue then does.
type mutant struct {
	name string
	seed uint64 // of a schedule that catches it, for all that is known: it is tried first
	// ofRecovery says that a schedule in which no client comes back does not catch it.
	ofRecovery bool
}

var mutants = []mutant{
	{"answer-ignores-what-was-read", 11, false},
	{"answer-removes-what-it-gives", 67, false},
	{"deliver-ignores-the-hold", 827, false},
	{"doubt-is-success", 459, false},
	{"doubt-is-refusal", 39, false},
	{"upgrade-does-not-hold", 102, false},
	{"upgrade-pushes-what-was-given", 2, false},
	{"hint-before-release", 2, false},
	{"release-forgets-what-was-appended", 44, false},
	{"push-in-doubt-is-repeated", 50, false},
	{"push-in-doubt-is-success", 189, false},
	{"gone-is-success", 16, false},
	{"close-has-two-winners", 3, false},
	{"close-is-lost", 328, false},
	{"everybody-claims", 6, false},
	{"enqueue-shares-the-hold", 44, false},
	{"nobody-takes-over", 30, false},
	{"drain-is-refused", 1024, false},
	{"appended-is-forgotten", 44, false},
	{"dead-hold-stays", 1018, false},
	{"t-is-an-identity", 4, false},
	{"t-of-the-handshake-names", 2, false},
	{"t-names-nothing", 11, false},
	{"join-does-nothing", 97, false},
	{"leave-does-nothing", 40, false},
	{"expire-without-ping", 2, false},
	{"ping-waits-for-closes", 30, false},
	{"a-slow-push-holds-all", 130, false},
	{"end-forgets-rooms", 2, false},
	{"rooms-after-the-handler", 2, false},
	{"open-step-is-no-claim", 4, false},
	{"full-is-silent", 16, false},
	{"attachment-without-condition", 3, false},
	{"second-header-accepted", 475, false},
	{"left-is-forgotten", 170, false},
	{"claim-ends-at-once", 6, false},
	{"answer-stays", 8, false},
	{"delivered-again-is-new", 152, false},
	{"batch-as-it-comes", 116, false},
	{"end-overtakes", 167, false},
	{"frames-without-group", 22, false},
	{"given-back-is-deleted", 95, false},
	{"given-back-is-in-doubt", 95, false},
	{"progress-is-forgotten", 244, false},
	{"part-in-doubt-is-done", 500, false},
	{"part-in-doubt-is-undone", 1983, false},
	{"parts-without-group", 106, false},
	{"unfinished-is-deleted", 135, false},
	{"no-waiter-hears", 104, false},
	{"anybody-answers", 1206, false},
	{"a-walk-that-fails-ends", 283, false},
	{"data-is-overwritten", 47, false},
	{"swap-ignores-what-was-read", 2, false},
	{"votes-count-twice", 8, false},
	{"all-are-missing", 1, false},
	{"silence-is-untold", 1, false},
	{"timer-stays", 2, false},
	{"outbox-shares-the-hold", 1, true},
	{"dead-hold-of-an-outbox-stays", 45, true},
	{"polling-carrier-gets-nothing", 1, true},
	{"behind-is-done", 20, true},
	{"carrier-is-not-followed", 8, true},
	{"trimmed-is-resumed", 85, true},
	{"over-is-recovered", 78, true},
	{"foreign-offset-is-ours", 574, true},
	{"no-offset-is-new", 8, true},
	{"outbox-is-not-linked", 1, true},
	{"recover-leaves-the-hold", 152, true},
	{"lose-ignores-the-carrier", 8, true},
	{"switch-ignores-the-carrier", 392, true},
	{"switch-ignores-the-hold", 29, true},
	{"switch-sends-all", 1, true},
	{"switch-sends-nothing", 1, true},
	{"sent-ignores-the-hold", 647, true},
	{"sent-forgets-what-was-appended", 6, true},
	{"number-is-no-condition", 8, true},
	{"others-come-first", 8, true},
	{"missed-before-the-answer", 3875, true},
	{"carrier-is-not-looked-at", 289, true},
	{"append-in-doubt-is-done", 2299, true},
	{"append-in-doubt-is-repeated", 381, true},
	{"timer-ends-what-came-back", 3336, true},
	{"old-carrier-stays", 13, true},
	{"volatile-is-kept", 8, true},
	{"lost-without-a-timer", 1, true},
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
				if m.ofRecovery && !recovers(1+n) {
					continue
				}
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
