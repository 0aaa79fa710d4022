package e2e

import "testing"

// several are the stores, with instances that share nothing else.
var several = map[string]func(t *testing.T, args ...string) string{
	"memory, several instances": inMemoryInstances, "dynamodb, several instances": onDynamoDBInstances,
}

// TestShutdown ends all sessions of a server.
func TestShutdown(t *testing.T) {
	t.Parallel() // it waits most of the time
	for name, start := range several {
		t.Run(name, func(t *testing.T) {
			runNode(t, "shutdown.test.mjs", start(t, "--app", "cases"))
		})
	}
}

// TestCases is what users of Socket.IO have reported, and what its API promises, on both stores and on the functions.
func TestCases(t *testing.T) {
	files := []string{"cases.test.mjs", "api.test.mjs"}
	cases := []string{"--app", "cases"}
	for name, start := range several {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // with the functions: it waits most of the time
			url := start(t, cases...)
			for _, file := range files {
				runNode(t, file, url, "NONSTICK_FRAMES=text")
			}
		})
	}
	t.Run("template", func(t *testing.T) {
		t.Parallel()
		d := deploy(t, "ordered", cases...)
		for _, file := range append(files, "emitting.test.mjs") {
			d.run(t, file)
		}
	})
}
