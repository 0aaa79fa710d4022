//go:build unix

package lambda

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// The pauses before a throttled asynchronous call is tried again: from one second, doubled up to five minutes.
const (
	throttlePause    = time.Second
	maxThrottlePause = 5 * time.Minute
)

// defaultAsyncAge is how long an asynchronous call may wait.
const defaultAsyncAge = 6 * time.Hour

// InvokeAsync accepts a call and makes it later, again after an error and again after throttles, as often as
// the function's settings say. What fails for good is logged and dropped. Errors: [ErrNotFound], [ErrTooLarge],
// [ErrStopping].
func (p *Platform) InvokeAsync(c Call) error {
	f := p.functions[c.Function]
	switch {
	case f == nil:
		return fmt.Errorf("invoke %q: %w", c.Function, ErrNotFound)
	case len(c.Payload) > MaxAsyncPayload:
		return fmt.Errorf("invoke %s with %d bytes: %w", c.Function, len(c.Payload), ErrTooLarge)
	}
	if !p.enter(func() { p.deliver(f, c) }) {
		return fmt.Errorf("invoke %s: %w", c.Function, ErrStopping)
	}
	return nil
}

// deliver sees an asynchronous call through.
func (p *Platform) deliver(f *function, c Call) {
	age := f.AsyncAge
	if age == 0 {
		age = defaultAsyncAge
	}
	end := time.Now().Add(age)
	throttled := throttlePause
	id := newRequestID() // of all attempts
	for failures := 0; ; {
		res, err := p.invoke(context.Background(), f, newInvocation(id, c.Payload))
		var pause time.Duration
		switch {
		case err == nil && res.FunctionError == "":
			return
		case errors.Is(err, ErrThrottled):
			pause, throttled = throttled, min(2*throttled, maxThrottlePause)
		case err != nil || failures >= f.AsyncRetries:
			p.log.Error("asynchronous call dropped", "function", c.Function, "err", errors.Join(err, functionError(res)))
			return
		default:
			pause = p.config.AsyncPauses[min(failures, len(p.config.AsyncPauses)-1)]
			failures++
		}
		if time.Now().Add(pause).After(end) {
			p.log.Error("asynchronous call dropped for its age", "function", c.Function)
			return
		}
		select {
		case <-p.stop:
			return
		case <-time.After(pause):
		}
	}
}

// functionError is the error that a result tells of, or nil.
func functionError(r Result) error {
	if r.FunctionError == "" {
		return nil
	}
	return fmt.Errorf("lambda: function error: %s", r.Payload)
}
