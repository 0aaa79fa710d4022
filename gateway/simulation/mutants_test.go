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
	{"deliver-ignores-the-hold", 76, false},
	{"doubt-is-success", 459, false},
	{"doubt-is-refusal", 39, false},
	{"upgrade-does-not-hold", 102, false},
	{"upgrade-pushes-what-was-given", 2, false},
	{"hint-before-release", 2, false},
	{"release-forgets-what-was-appended", 44, false},
	{"push-in-doubt-is-repeated", 131, false},
	{"push-in-doubt-is-success", 74, false},
	{"gone-is-success", 16, false},
	{"close-has-two-winners", 3, false},
	{"close-is-lost", 328, false},
	{"everybody-claims", 6, false},
	{"enqueue-shares-the-hold", 44, false},
	{"nobody-takes-over", 6, false},
	{"drain-is-refused", 1024, false},
	{"appended-is-forgotten", 44, false},
	{"dead-hold-stays", 1018, false},
	{"t-is-an-identity", 4, false},
	{"t-of-the-handshake-names", 2, false},
	{"t-names-nothing", 11, false},
	{"passed-get-takes", 6075554, false},
	{"join-does-nothing", 97, false},
	{"leave-does-nothing", 40, false},
	{"expire-without-ping", 2, false},
	{"ping-waits-for-closes", 6, false},
	{"a-slow-push-holds-all", 100, false},
	{"end-forgets-rooms", 2, false},
	{"rooms-after-the-handler", 2, false},
	{"open-step-is-no-claim", 4, false},
	{"full-is-silent", 16, false},
	{"attachment-without-condition", 3, false},
	{"second-header-accepted", 475, false},
	{"left-is-forgotten", 170, false},
	{"claim-ends-at-once", 6, false},
	{"answer-stays", 8, false},
	{"delivered-again-is-new", 197, false},
	{"batch-as-it-comes", 116, false},
	{"end-overtakes", 167, false},
	{"frames-without-group", 22, false},
	{"given-back-is-deleted", 95, false},
	{"given-back-is-in-doubt", 95, false},
	{"progress-is-forgotten", 61, false},
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
	{"dead-hold-of-an-outbox-stays", 333, true},
	{"polling-carrier-gets-nothing", 17, true},
	{"behind-is-done", 225, true},
	{"carrier-is-not-followed", 56, true},
	{"trimmed-is-resumed", 20, true},
	{"over-is-recovered", 8, true},
	{"foreign-offset-is-ours", 53, true},
	{"no-offset-is-new", 13, true},
	{"outbox-is-not-linked", 1, true},
	{"recover-leaves-the-hold", 654, true},
	{"lose-ignores-the-carrier", 15, true},
	{"switch-ignores-the-carrier", 1230, true},
	{"switch-ignores-the-hold", 17, true},
	{"switch-sends-all", 8, true},
	{"switch-sends-nothing", 8, true},
	{"sent-ignores-the-hold", 912, true},
	{"sent-forgets-what-was-appended", 33, true},
	{"number-is-no-condition", 8, true},
	{"others-come-first", 30, true},
	{"missed-before-the-answer", 8, true},
	{"carrier-is-not-looked-at", 43, true},
	{"append-in-doubt-is-done", 411, true},
	{"append-in-doubt-is-repeated", 204, true},
	{"timer-ends-what-came-back", 654, true},
	{"old-carrier-stays", 13, true},
	{"volatile-is-kept", 29, true},
	{"lost-without-a-timer", 1, true},
	{"recover-ignores-what-was-read", 1222, true},
	{"what-has-ended-is-recovered", 5126, true},
	{"trim-ignores-what-was-read", 1230, true},
	{"trim-takes-what-was-not-sent", 322, true},
	{"unlink-takes-any", 43, true},
	{"whose-it-is-now-does-not-count", 15, true},
	{"first-come-is-served", 238, true},
	{"last-handled-is-served", 3420, true},
	{"the-last-word-shares-the-hold", 1, true},
	{"the-last-word-does-not-hold", 217, true},
	{"the-last-word-is-any", 571, true},
	{"record-tells-the-number-before", 6, true},
	{"recorded-behind-the-walk", 30, true},
	{"record-in-doubt-is-done", 465, true},
	{"record-in-doubt-is-repeated", 108, true},
	{"record-makes-no-mark", 159, true},
	{"join-makes-no-mark", 15, true},
	{"the-mark-is-not-heeded", 15, true},
	{"history-is-read-before-the-row", 3444, true},
	{"member-before-its-history", 50, true},
	{"rewind-begins-early", 7, true},
	{"since-is-ignored", 15, true},
	{"the-seam-is-forgotten", 6, true},
	{"the-seam-is-early", 7, true},
	{"the-seam-is-late", 6, true},
	{"joined-in-doubt-is-done", 1878, true},
	{"a-member-joins-again", 7, true},
	{"of-two-joins-both-are-first", 198, true},
	{"joining-is-not-seen", 63, true},
	{"joining-gets-it-live", 63, true},
	{"joining-has-had-it", 163, true},
	{"dead-joiner-is-waited-for", 63, true},
	{"joiner-is-taken-for-dead", 238, true},
	{"part-is-no-condition", 3108, true},
	{"a-part-is-the-whole", 94, true},
	{"the-part-is-forgotten", 94, true},
	{"offset-in-a-rewind-is-its-begin", 15, true},
	{"offset-in-a-rewind-is-its-end", 50, true},
}

// mutantSchedules bounds the search for a schedule that catches a mutant.
const mutantSchedules = 2000

// searched is how many schedules are looked for that catch a mutant which is searched for.
const searched = 1

// TestMutants breaks one rule after the other; each must be caught, by a schedule that is clean without that.
func TestMutants(t *testing.T) {
	for _, m := range mutants {
		if *mutantArg != "" && m.name != *mutantArg {
			continue
		}
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			if *mutantArg != "" {
				m.search(t)
				return
			}
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

// search tells the first schedules that catch a mutant.
func (m mutant) search(t *testing.T) {
	found := 0
	for n := range uint64(*schedules) {
		s := *first + n
		if m.ofRecovery && !recovers(s) {
			continue
		}
		if o := simulate(t, s, m.name, nil); len(o.bad) > 0 {
			sound := simulate(t, s, "", nil)
			t.Logf("seed %d: %s (without it %d are bad)", s, o.bad[0], len(sound.bad))
			if found++; found == searched {
				return
			}
		}
	}
	t.Logf("caught %d times in %d schedules", found, *schedules)
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
