package simulation

import (
	"errors"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nonstick-io/nonstick/internal/engineio"
	"github.com/nonstick-io/nonstick/internal/protocol"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// breaks are the mutants that replace a decision: what the engine and deliveries then do is what their code does with
// it. The others break what a store, a pusher or a queue has to do, or rules above the engine.
var breaks = map[string]func(*protocol.Rules){
	"t-is-an-identity": func(r *protocol.Rules) {
		r.Names = func(t, opened string, _ time.Time) bool { return t != "" && t != opened }
	},
	"t-of-the-handshake-names": func(r *protocol.Rules) {
		r.Names = func(t, _ string, now time.Time) bool { return engineio.Unique(t, now) }
	},
	"t-names-nothing": func(r *protocol.Rules) {
		r.Names = func(string, string, time.Time) bool { return false }
	},
	"passed-get-takes": func(r *protocol.Rules) {
		r.Get = func(g protocol.GetState) protocol.GetAction {
			g.Passed = false
			return protocol.Get(g)
		}
	},
	"drain-is-refused": func(r *protocol.Rules) {
		r.Get = func(g protocol.GetState) protocol.GetAction {
			if g.Session.State != sessionstore.Open && g.Session.Drain {
				return protocol.GetAction{Do: protocol.GetUnknown}
			}
			return protocol.Get(g)
		}
	},
	"doubt-is-success": func(r *protocol.Rules) { r.Deliver = delivers(protocol.DeliverDoubt, protocol.DeliverDone) },
	"doubt-is-refusal": func(r *protocol.Rules) { r.Deliver = delivers(protocol.DeliverDoubt, protocol.DeliverRepeat) },
	"full-is-silent":   func(r *protocol.Rules) { r.Deliver = delivers(protocol.DeliverFull, protocol.DeliverDone) },
	"push-in-doubt-is-repeated": func(r *protocol.Rules) {
		r.Push = pushes(protocol.PushCut, protocol.PushRepeat)
	},
	"push-in-doubt-is-success": func(r *protocol.Rules) { r.Push = pushes(protocol.PushCut, protocol.PushOn) },
	"gone-is-success": func(r *protocol.Rules) {
		r.Push = pushes(protocol.PushCloseGone, protocol.PushOn)
		r.Pinged = func(err error) protocol.PingedAction {
			if action := protocol.Pinged(err); action != protocol.PingedEnds {
				return action
			}
			return protocol.PingedTaken
		}
	},
	"enqueue-shares-the-hold": func(r *protocol.Rules) {
		r.Enqueued = func(sessionstore.Lease, sessionstore.Owner, time.Time) protocol.FlushAction {
			return protocol.FlushPush
		}
	},
	"upgrade-pushes-what-was-given": func(r *protocol.Rules) {
		r.Skip = func(int) int { return 0 }
	},
	"appended-is-forgotten": func(r *protocol.Rules) {
		r.Released = func(cur *sessionstore.Session, mine sessionstore.Owner) protocol.FlushAction {
			if action := protocol.Released(cur, mine); action != protocol.FlushPush {
				return action
			}
			return protocol.FlushDone
		}
	},
	"open-step-is-no-claim": func(r *protocol.Rules) {
		r.Open = func(err error) protocol.OpenAction {
			if errors.Is(err, sessionstore.ErrExists) {
				return protocol.OpenPush
			}
			return protocol.Open(err)
		}
	},
	"expire-without-ping": func(r *protocol.Rules) {
		r.Row = func(row protocol.RowState) protocol.RowAction {
			row.Row.PingedAt = row.Row.PingAt
			return protocol.Row(row)
		}
	},
	"nobody-takes-over": func(r *protocol.Rules) { r.Look = looks(protocol.LookTakeOver) },
	"dead-hold-stays": func(r *protocol.Rules) {
		r.Look = looks(protocol.LookDeadHold)
		r.Enqueued = func(hold sessionstore.Lease, mine sessionstore.Owner, now time.Time) protocol.FlushAction {
			if action := protocol.Enqueued(hold, mine, now); action != protocol.FlushCloseDead {
				return action
			}
			return protocol.FlushDone
		}
	},
}

// delivers is Deliver with one action for another.
func delivers(sound, broken protocol.DeliverAction) func(
	error, []sessionstore.Packet, sessionstore.BufferLimits,
) protocol.DeliverAction {
	return func(err error, p []sessionstore.Packet, l sessionstore.BufferLimits) protocol.DeliverAction {
		if action := protocol.Deliver(err, p, l); action != sound {
			return action
		}
		return broken
	}
}

// pushes is Push with one action for another.
func pushes(sound, broken protocol.PushAction) func(error) protocol.PushAction {
	return func(err error) protocol.PushAction {
		if action := protocol.Push(err); action != sound {
			return action
		}
		return broken
	}
}

// looks is Look without one action.
func looks(sound protocol.LookVerb) func(protocol.LookState) protocol.LookAction {
	return func(l protocol.LookState) protocol.LookAction {
		if action := protocol.Look(l); action.Do != sound {
			return action
		}
		return protocol.LookAction{Do: protocol.LookOn}
	}
}

// breakOf returns the replacement of a decision; nil if a mutant is none.
func breakOf(mutant string) func(*protocol.Rules) {
	if broken := breaks[mutant]; broken != nil {
		return broken
	}
	if broken := outboxBreaks[mutant]; broken != nil {
		return broken
	}
	return rewindBreaks[mutant]
}

// rulesOf returns the rules of a mutant.
func rulesOf(mutant string) *protocol.Rules {
	rules := protocol.Sound()
	if broken := breakOf(mutant); broken != nil {
		broken(&rules)
	}
	return &rules
}

// BrokenRules has the instance of this store act by the rules of the run.
func (s *store) BrokenRules() *protocol.Rules { return s.r.rules }

var _ protocol.Breaker = wakingStore{}

// Each decision that is replaced belongs to a mutant that has to be caught.
func TestBreaks(t *testing.T) {
	for _, name := range slices.Concat(
		slices.Collect(maps.Keys(breaks)), slices.Collect(maps.Keys(outboxBreaks)),
		slices.Collect(maps.Keys(rewindBreaks)),
	) {
		if !slices.ContainsFunc(mutants, func(m mutant) bool { return m.name == name }) {
			t.Errorf("%s is no mutant", name)
		}
	}
}

// docs/protocol.md lists the mutants, and marks those that replace a decision.
func TestMutantsAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/protocol.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(page), "| mutant | rule |\n")
	table, _, _ = strings.Cut(table, "\n\n")
	listed := map[string]bool{}
	for _, row := range strings.Split(table, "\n") {
		cell, _, _ := strings.Cut(strings.TrimPrefix(row, "| "), " |")
		for _, found := range regexp.MustCompile("`([a-z0-9-]+)`(\\\\\\*)?").FindAllStringSubmatch(cell, -1) {
			listed[found[1]] = true
			if marked := found[2] != ""; marked != (breakOf(found[1]) != nil) {
				t.Errorf("%s: marked %v, replaces a decision %v", found[1], marked, !marked)
			}
		}
	}
	for _, m := range mutants {
		if !listed[m.name] {
			t.Errorf("%s is not listed", m.name)
		}
		delete(listed, m.name)
	}
	for name := range listed {
		t.Errorf("%s is listed and does not exist", name)
	}
}
