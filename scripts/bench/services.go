package main

import (
	"context"
	"os"
	"slices"

	"github.com/nonstick-io/nonstick/internal/dynamolocal"
)

// services starts what the benchmarks of packages need, and returns what tells them of it and what stops it. Where
// DynamoDB Local cannot be started, those that need it skip themselves.
func (r *runner) services(ctx context.Context, packages []benchPackage) (env []string, stop func() error) {
	stop = func() error { return nil }
	if !slices.ContainsFunc(packages, func(p benchPackage) bool { return p.dynamodb }) {
		return nil, stop
	}
	if url := os.Getenv(dynamolocal.EndpointVariable); url != "" {
		r.say("DynamoDB Local: %s, by %s", url, dynamolocal.EndpointVariable)
		return nil, stop
	}
	s, err := dynamolocal.Start(ctx, dynamolocal.Options{Near: []string{"."}})
	if err != nil {
		r.say("DynamoDB Local cannot be started; benchmarks that need it are skipped: %v", err)
		return nil, stop
	}
	return []string{dynamolocal.EndpointVariable + "=" + s.URL()}, s.Stop
}
