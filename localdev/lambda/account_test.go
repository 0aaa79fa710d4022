//go:build unix

package lambda_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nonstick-io/nonstick/localdev/lambda"
)

// accountOf is a platform with an account's concurrency, and two functions without a reserved one, beside one with it
// unless that is nil.
func accountOf(t *testing.T, concurrency int, reserved *int) (*lambda.Platform, error) {
	t.Helper()
	f := func(name string, reserved *int) lambda.Function {
		return lambda.Function{
			Name: name, ARN: "arn:aws:lambda:local:000000000000:function:" + name, Dir: probe, Handler: "bootstrap",
			Memory: 128, Timeout: 5 * time.Second, Concurrency: 1000, Reserved: reserved,
		}
	}
	p, err := lambda.New(lambda.Config{
		Region: "local", Account: concurrency,
		Functions: []lambda.Function{f("a", nil), f("b", nil), f("reserved", reserved)},
	})
	if err == nil {
		t.Cleanup(func() {
			if err := p.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	return p, err
}

func callOf(t *testing.T, p *lambda.Platform, function string, sleep int) error {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	_, err := p.Invoke(ctx, lambda.Call{Function: function, Payload: order("sleep", sleep)})
	return err
}

// What one function uses of the account's concurrency another lacks, until it has done.
func TestAccountConcurrency(t *testing.T) {
	p, err := accountOf(t, 2, nil)
	if err != nil {
		t.Fatal(err)
	}
	var failed atomic.Int32
	done := make(chan struct{})
	go func() {
		defer close(done)
		together(2, func(int) {
			if callOf(t, p, "a", 1500) != nil {
				failed.Add(1)
			}
		})
	}()
	eventually(t, "the pool is used up", func() bool { return p.Account().Busy == 2 })
	if err := callOf(t, p, "b", 0); !errors.Is(err, lambda.ErrThrottled) {
		t.Errorf("another function: %v, want a throttle", err)
	}
	<-done
	if err := callOf(t, p, "b", 0); err != nil || failed.Load() != 0 {
		t.Errorf("afterwards: %v, failed before: %d", err, failed.Load())
	}
	if got, want := p.Account(), (lambda.AccountStats{
		Concurrency: 2, Unreserved: 2, Peak: 2, Throttles: 1,
	}); got != want {
		t.Errorf("account %+v, want %+v", got, want)
	}
	if got := p.Stats()[1]; got.Throttles != 1 || got.Invocations != 1 {
		t.Errorf("stats of b: %+v", got)
	}
}

// A reserved concurrency is taken out of the account's, and its function takes nothing else of that.
func TestReservedIsApart(t *testing.T) {
	p, err := accountOf(t, 110, new(10))
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() { done <- callOf(t, p, "reserved", 500) }()
	eventually(t, "it is busy", func() bool { return p.Stats()[2].Busy == 1 })
	if got, want := p.Account(), (lambda.AccountStats{Concurrency: 110, Unreserved: 100}); got != want {
		t.Errorf("account %+v, want %+v", got, want)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// A hundred must be left to functions that reserve nothing.
func TestReservedConcurrency(t *testing.T) {
	for _, tt := range []struct {
		account, reserved int
		ok                bool
	}{{1000, 900, true}, {1000, 901, false}, {10, 1, false}, {10, 0, true}, {0, 5000, true}} {
		if _, err := accountOf(
			t, tt.account, &tt.reserved,
		); (err == nil) != tt.ok ||
			err != nil && !errors.Is(err, lambda.ErrReserved) {
			t.Errorf("%d of %d: %v, want it taken: %v", tt.reserved, tt.account, err, tt.ok)
		}
	}
}
