package e2e

import "testing"

// TestRewind is rooms with a history, in several instances.
func TestRewind(t *testing.T) {
	t.Parallel() // it waits most of the time
	args := []string{"--app", "cases", "--recovery", "2m"}
	for _, s := range []struct {
		name  string
		start func(t *testing.T) string
	}{
		{"memory, several instances", func(t *testing.T) string {
			return inMemoryInstances(t, with(args, "--limits", "none")...)
		}},
		{"dynamodb, several instances", func(t *testing.T) string { return onDynamoDBInstances(t, args...) }},
	} {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			runNode(t, "rewind.test.mjs", s.start(t))
		})
	}
	t.Run("template", func(t *testing.T) {
		t.Parallel()
		deploy(
			t, "ordered", "--app", "cases", "--parameter", "Recovery=2m", "--parameter", "Histories=on",
		).run(t, "rewind-emitting.test.mjs")
	})
}
