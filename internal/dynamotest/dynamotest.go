//go:build unix

// Package dynamotest gives tests a DynamoDB Local.
package dynamotest

import (
	"context"
	"fmt"
	"os"
	"sync"
	"testing"

	"github.com/nonstick-io/nonstick/internal/dynamolocal"
)

// EndpointVariable names the environment variable that holds the URL of a DynamoDB Local that runs
// already; then none is started.
const EndpointVariable = dynamolocal.EndpointVariable

var shared = sync.OnceValues(func() (string, error) {
	if url := os.Getenv(EndpointVariable); url != "" {
		return url, nil
	}
	s, err := dynamolocal.Start(context.Background(), dynamolocal.Options{Near: []string{"."}})
	if err != nil {
		return "", err
	}
	return s.URL(), nil
})

// Start returns the URL of a DynamoDB Local on the loopback interface, which all tests of the process
// share and which ends with the process. Each access key (letters and digits) sees a database of its own.
// If there is no Java to run it, a test fails, and a benchmark is skipped, with a line on standard error.
func Start(tb testing.TB) string {
	tb.Helper()
	url, err := shared()
	if err == nil {
		return url
	}
	if b, ok := tb.(*testing.B); ok {
		// Package testing is silent about benchmarks that are skipped.
		fmt.Fprintf(os.Stderr, "%s is skipped, for it needs DynamoDB Local: %v\n", b.Name(), err)
		b.Skipf("needs DynamoDB Local: %v", err)
	}
	tb.Fatal(err)
	return ""
}
