package e2e

import "testing"

// TestMigrateFrom runs the code of docs/migrate.md for socket.io on Node: what the page says of it has to be so.
func TestMigrateFrom(t *testing.T) {
	t.Parallel() // it waits most of the time
	runNode(t, "migrate.test.mjs", "")
}
