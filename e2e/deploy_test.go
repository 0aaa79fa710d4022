package e2e

import "testing"

// TestDeploy has localdev build the functions, and deploys new code while clients are connected. Its order is
// checked, so messages of a connection come one at a time.
func TestDeploy(t *testing.T) {
	url := startTemplate(t, "--inbound", "ordered", "--app", "bench", "--poll-hold", "2s")
	deployed{url, "ordered"}.run(t, "deploy.test.mjs")
}
