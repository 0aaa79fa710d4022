package e2e

import "testing"

// TestReference plays raw exchanges with localdev and with the reference server, and compares what comes back. Nothing of it
// waits for a heartbeat.
func TestReference(t *testing.T) {
	runNode(t, "reference.test.mjs", inMemory(t, "--app", "protocol", "--limits", "none", "--cors-origin", "off"))
}
