package e2e

import "testing"

// dynamoDB returns the options that put sessions into a fresh table of DynamoDB Local.
func dynamoDB(t *testing.T) []string {
	t.Helper()
	t.Fatal("not ready")
	return nil
}
