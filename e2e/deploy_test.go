package e2e

import "testing"

// TestDeploy deploys new code while clients are connected. Its order is checked, so messages of a connection come one at a time.
func TestDeploy(t *testing.T) {
	deploy(t, "ordered", "--app", "bench", "--poll-hold", "2s").run(t, "deploy.test.mjs")
}
