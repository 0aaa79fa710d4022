//go:build unix

package lambda

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// The pauses before a throttled asynchronous call is tried again: from one second, doubled up to five minutes.
const (
	throttlePause    = time.Second
	maxThrottlePause = 5 * time.Minute
)

// defaultAsyncAge is how long an asynchronous call may wait.
const defaultAsyncAge = 6 * time.Hour

// InvokeAsync accepts a call and makes it later, again after an error and again after throttles, as often as the
// function's settings say. Of what fails for good the function's destination is told; without one it is logged and
// dropped. Errors: [ErrNotFound], [ErrTooLarge], [ErrStopping].
func (p *Platform) InvokeAsync(c Call) error {
	f := p.functions[c.Function]
	switch {
	case f == nil:
		return fmt.Errorf("invoke %q: %w", c.Function, ErrNotFound)
	case len(c.Payload) > maxAsyncPayload:
		return fmt.Errorf("invoke %s with %d bytes: %w", c.Function, len(c.Payload), ErrTooLarge)
	}
	if !p.enter(func() { p.deliver(f, c) }) {
		return fmt.Errorf("invoke %s: %w", c.Function, ErrStopping)
	}
	return nil
}

// Why an asynchronous call is given up, in the words of the service.
const (
	retriesExhausted = "RetriesExhausted"
	ageExceeded      = "EventAgeExceeded"
)

// deliver sees an asynchronous call through.
func (p *Platform) deliver(f *function, c Call) {
	age := f.AsyncAge
	if age == 0 {
		age = defaultAsyncAge
	}
	began := time.Now()
	throttled := throttlePause
	id := newRequestID() // of all attempts
	for failures := 0; ; {
		res, err := p.invoke(context.Background(), f, newInvocation(id, c))
		var pause time.Duration
		switch {
		case err == nil && res.FunctionError == "":
			return
		case errors.Is(err, ErrThrottled):
			pause, throttled = throttled, min(2*throttled, maxThrottlePause)
		case err != nil || failures >= f.AsyncRetries:
			p.giveUp(f, c, failedCall{retriesExhausted, failures + 1, res, err})
			return
		default:
			pause = p.config.AsyncPauses[min(failures, len(p.config.AsyncPauses)-1)]
			failures++
		}
		if time.Since(began)+pause > age {
			p.giveUp(f, c, failedCall{ageExceeded, failures, res, err})
			return
		}
		select {
		case <-p.stop:
			return
		case <-time.After(pause):
		}
	}
}

// failedCall is what became of an asynchronous call that failed.
type failedCall struct {
	condition string
	calls     int // that reached the function
	last      Result
	err       error
}

// giveUp tells a function's destination, and the log, of a call that failed for good.
func (p *Platform) giveUp(f *function, c Call, why failedCall) {
	p.log.Error(
		"asynchronous call failed", "function", c.Function, "condition", why.condition, "destination", f.OnFailure,
		"error", errors.Join(why.err, functionError(why.last)),
	)
	if f.OnFailure == "" {
		return
	}
	if err := p.config.Send(f.OnFailure, f.record(c, why)); err != nil {
		p.log.Error(
			"destination not told of an asynchronous call", "function", c.Function, "destination", f.OnFailure, "error",
			err,
		)
	}
}

// record is what a destination gets.
func (f *function) record(c Call, why failedCall) string {
	type request struct {
		RequestID string `json:"requestId"`
		Function  string `json:"functionArn"`
		Condition string `json:"condition"`
		Calls     int    `json:"approximateInvokeCount"`
	}
	type response struct {
		Status  int    `json:"statusCode"`
		Version string `json:"executedVersion"`
		Error   string `json:"functionError,omitempty"`
	}
	r := struct {
		Version  string          `json:"version"`
		Time     string          `json:"timestamp"`
		Request  request         `json:"requestContext"`
		Payload  json.RawMessage `json:"requestPayload"`
		Response *response       `json:"responseContext,omitempty"`
		Answer   json.RawMessage `json:"responsePayload,omitempty"`
	}{
		Version: "1.0", Time: time.Now().UTC().Format("2006-01-02T15:04:05.000Z"), Payload: asJSON(c.Payload),
		Request: request{why.last.RequestID, f.ARN + ":$LATEST", why.condition, why.calls},
	}
	if why.last.FunctionError != "" {
		r.Response, r.Answer = &response{http.StatusOK, "$LATEST", why.last.FunctionError}, asJSON(why.last.Payload)
	}
	b, err := json.Marshal(r)
	if err != nil {
		panic(err) // all of it is JSON
	}
	return string(b)
}

// asJSON returns a payload, as a string if it is no JSON.
func asJSON(payload []byte) json.RawMessage {
	if json.Valid(payload) {
		return payload
	}
	b, err := json.Marshal(string(payload))
	if err != nil {
		panic(err) // a string always marshals
	}
	return b
}

// functionError is the error that a result tells of, or nil.
func functionError(r Result) error {
	if r.FunctionError == "" {
		return nil
	}
	return fmt.Errorf("lambda: function error: %s", r.Payload)
}
