//go:build unix

package lambda_test

import (
	"context"
	"testing"
	"time"

	"github.com/nonstick-io/nonstick/localdev/lambda"
)

// BenchmarkInvoke is a warm call, the freezing and thawing of its process included.
func BenchmarkInvoke(b *testing.B) {
	p, err := lambda.New(lambda.Config{Logs: b.TempDir(), Functions: []lambda.Function{{
		Name: "probe", Dir: probe, Memory: 128, Timeout: 5 * time.Second, Concurrency: 4,
	}}})
	if err != nil {
		b.Fatal(err)
	}
	defer p.Close()
	for b.Loop() {
		if res, err := p.Invoke(
			context.Background(), lambda.Call{Function: "probe", Payload: []byte(`{"text":"x"}`)},
		); err != nil ||
			res.FunctionError != "" {
			b.Fatal(res, err)
		}
	}
}
