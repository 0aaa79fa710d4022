// Package storetest is the conformance suite of the sessionstore contract: what every store must pass.
//
// The suite works through the contract's methods alone. It hands in its own clock, which stands far in
// the future so that a table's background expiry finds nothing to remove, and it names everything by fresh
// ids, so tests of one store do not meet.
package storetest

import (
	"slices"
	"testing"

	"github.com/nonstick-io/nonstick/sessionstore"
)

// role is a group of tests that share one store.
type role struct {
	name  string
	tests []test
}

type test struct {
	name string
	run  func(x *tester)
}

// tester is a test of a store.
type tester struct {
	*testing.T
	store sessionstore.Store
}

// Run tests a store. It calls newStore once for each group of tests; each call returns an empty store,
// which is used by several goroutines at once and must last until the test it was made for has ended. Without names
// groups to leave out.
func Run(t *testing.T, newStore func(t *testing.T) sessionstore.Store, without ...string) {
	t.Helper()
	roles := []role{
		{"Sessions", sessionTests},
		{"Transitions", transitionTests()},
		{"Buffers", bufferTests},
		{"Queues", queueTests},
		{"Polls", pollTests},
		{"Upgrades", upgradeTests},
		{"Connections", connectionTests},
		{"Registry", registryTests},
		{"Sockets", socketTests},
		{"Leaving", leavingTests},
		{"Data", dataTests},
		{"Rooms", roomTests},
		{"Paging", pagingTests},
		{"Partials", partialTests},
		{"Acks", ackTests},
		{"Asks", askTests},
		{"Timers", timerTests},
		{"Claims", claimTests},
		{"Children", childTests},
		{"Names", nameTests},
		{"Contexts", contextTests},
		{"Aliasing", aliasingTests},
		{"Races", raceTests},
		{"Flows", flowTests},
		{"Outboxes", outboxTests},
		{"Trims", trimTests},
		{"Outbox races", outboxRaceTests},
		{"Histories", historyTests},
		{"Waker", wakerTests},
	}
	for _, name := range without {
		if !slices.ContainsFunc(roles, func(r role) bool { return r.name == name }) {
			t.Fatalf("there is no role %q", name)
		}
	}
	for _, r := range roles {
		if slices.Contains(without, r.name) {
			continue
		}
		t.Run(r.name, func(t *testing.T) {
			s := newStore(t)
			for _, c := range r.tests {
				t.Run(c.name, func(t *testing.T) { c.run(&tester{T: t, store: s}) })
			}
		})
	}
}
