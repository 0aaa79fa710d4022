package e2e

import (
	"slices"
	"strings"
	"testing"
)

// recovery is whether the tests of a suite need a server that recovers sockets, or several of which some do.
func (s suite) recovery() bool { return strings.HasPrefix(s.file, "recovery") }

// recoveryStates are how a server may handle recovery: it is on, it runs middleware, it is off. The tests of
// suites/recovery.test.mjs are divided among them.
var recoveryStates = []string{"on", "checked", "off"}

// recoveryOf are the files of tests for a state.
func recoveryOf(state string) []string {
	if state == "on" {
		return []string{"recovery.test.mjs", "recovery-client.test.mjs"}
	}
	return []string{"recovery.test.mjs"}
}

// TestReferenceRecovery runs the tests of what the suites of socket.io and of its client check of connection state
// recovery, against the reference server.
func TestReferenceRecovery(t *testing.T) {
	t.Parallel() // it waits most of the time
	for _, server := range []struct {
		name  string
		start func(t *testing.T, state string) string
		env   []string
	}{
		{
			"reference",
			func(t *testing.T, state string) string {
				return startReferenceOfSuites(t, "RECOVERY="+state, "MAX_PAYLOAD=100000")
			},
			[]string{"NONSTICK_REFERENCE=1"},
		},
	} {
		t.Run(server.name, func(t *testing.T) {
			for _, state := range recoveryStates {
				url := server.start(t, state)
				env := slices.Concat(server.env, []string{"NONSTICK_RECOVERY=" + state})
				for _, file := range recoveryOf(state) {
					runNode(t, "suites/"+file, url, env...)
				}
			}
		})
	}
}
