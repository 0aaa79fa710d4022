package e2e

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/nonstick-io/nonstick/internal/dynamotest"
)

// credentials let a process talk to DynamoDB Local; any will do, but all processes must have the same.
var credentials = []string{
	"AWS_ACCESS_KEY_ID=e2e", "AWS_SECRET_ACCESS_KEY=e2e", "AWS_SESSION_TOKEN=", "AWS_REGION=us-east-1",
}

// tables counts the tables that were handed out: each setup has a fresh one.
var tables atomic.Int64

// dynamoDB returns the options that put sessions into a fresh table of DynamoDB Local.
func dynamoDB(t *testing.T) []string {
	t.Helper()
	return []string{
		"--store", "dynamodb", "--dynamodb-endpoint", dynamotest.Start(t), "--table",
		fmt.Sprintf("e2e-%d", tables.Add(1)),
	}
}
