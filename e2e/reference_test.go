package e2e

import "testing"

// TestReference plays raw exchanges with localdev and with the reference server, and compares what comes back.
// Nothing of it waits for a heartbeat.
func TestReference(t *testing.T) {
	t.Parallel() // it waits most of the time
	plain := []string{"--app", "protocol", "--limits", "none", "--cors-origin", "off"}
	withCORS := inMemory(t, append(plain[:len(plain):len(plain)], cors...)...)
	runNode(t, "reference.test.mjs", inMemory(t, plain...), "NONSTICK_CORS_URL="+withCORS)
}
