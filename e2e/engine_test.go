package e2e

import "testing"

// TestEngineHooks is what a program may say about requests and sessions, as clients meet it.
func TestEngineHooks(t *testing.T) {
	t.Parallel() // it waits most of the time
	const file = "engine.test.mjs"
	for name, start := range several {
		t.Run(name, func(t *testing.T) { runNode(t, file, start(t, "--app", "cases")) })
	}
	t.Run("template", func(t *testing.T) { deploy(t, "ordered", "--app", "cases").run(t, file) })
}
