package e2e

import "testing"

// TestCases is what users of Socket.IO have reported, on both stores and on the functions.
func TestCases(t *testing.T) {
	const file = "cases.test.mjs"
	cases := []string{"--app", "cases"}
	t.Run(
		"memory, several instances",
		func(t *testing.T) { runNode(t, file, inMemoryInstances(t, cases...), "NONSTICK_FRAMES=text") },
	)
	t.Run(
		"dynamodb, several instances",
		func(t *testing.T) { runNode(t, file, onDynamoDBInstances(t, cases...), "NONSTICK_FRAMES=text") },
	)
	t.Run("template", func(t *testing.T) { deploy(t, "ordered", cases...).run(t, file) })
}
