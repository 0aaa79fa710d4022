package e2e

import "testing"

// TestFanout has broadcasts to a room go through the queue and the function for large ones.
func TestFanout(t *testing.T) {
	runNode(t, "fanout.test.mjs", onTemplate(t, "--app", "bench", "--parameter", "LargeRoom=5"), "NONSTICK_FRAMES=text")
}
