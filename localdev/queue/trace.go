package queue

import (
	"context"
	"net/http"
)

// traceHeader is the header by which the sender of a message says what it belongs to. The message has it as the
// attribute traceAttribute.
const (
	traceHeader    = "X-Amzn-Trace-Id"
	traceAttribute = "AWSTraceHeader"
)

// traceKey is the trace of a request, in its context.
type traceKey struct{}

// withTrace puts the trace of a request into its context.
func withTrace(r *http.Request) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), traceKey{}, r.Header.Get(traceHeader)))
}
