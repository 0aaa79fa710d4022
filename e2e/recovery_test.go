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

// recoveryOf are the files of tests for a state. The reference does not pass what its next release will.
func recoveryOf(state string, reference bool) []string {
	files := []string{"recovery.test.mjs"}
	if state == "on" {
		files = append(files, "recovery-client.test.mjs")
		if !reference {
			files = append(files, "recovery-next.test.mjs")
		}
	}
	return files
}

// suitesIn are the arguments of localdev for a state.
func suitesIn(state string, more ...string) []string {
	return append(map[string][]string{
		"on":      {"--app", "suites", "--recovery", "2m"},
		"checked": {"--app", "suites-middleware"},
		"off":     {"--app", "suites"},
	}[state], more...)
}

// TestReferenceRecovery runs the tests of what the suites of socket.io and of its client check of connection state
// recovery, against Nonstick and the reference server. Each title on the page has one that passed, or a reason.
func TestReferenceRecovery(t *testing.T) {
	t.Parallel() // it waits most of the time
	for _, server := range []struct {
		name      string
		reference bool
		start     func(t *testing.T, state string) string
		env       []string
	}{
		{
			"memory, several instances", false, func(t *testing.T, state string) string {
				return inMemoryInstances(t, suitesIn(state, "--limits", "none")...)
			}, nil,
		},
		{
			"dynamodb, several instances", false, func(t *testing.T, state string) string {
				return onDynamoDBInstances(t, suitesIn(state)...)
			}, []string{"NONSTICK_FRAMES=text"},
		},
		{
			"reference", true, func(t *testing.T, state string) string {
				return startReferenceOfSuites(t, "RECOVERY="+state, "MAX_PAYLOAD=100000")
			}, []string{"NONSTICK_REFERENCE=1"},
		},
	} {
		t.Run(server.name, func(t *testing.T) {
			results := map[string][]result{}
			for _, state := range recoveryStates {
				url := server.start(t, state)
				env := slices.Concat(server.env, []string{"NONSTICK_RECOVERY=" + state})
				for _, file := range recoveryOf(state, server.reference) {
					results[file] = append(results[file], runNode(t, "suites/"+file, url, env...)...)
				}
			}
			for _, s := range readSuites(t) {
				if all, ran := results[s.file]; ran {
					for _, wrong := range s.compare(all) {
						t.Error(wrong)
					}
					delete(results, s.file)
				}
			}
			for file := range results {
				t.Errorf("%s is on no page", file)
			}
		})
	}
}
