//go:build unix

package lambda

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"time"
)

// invocation is one call on its way through an environment.
type invocation struct {
	id      string
	payload []byte
	chain   chain // of calls that led here
	// over is closed when the runtime asks for its next invocation, done when the caller may have the result.
	over, done chan struct{}

	began, deadline time.Time // set by run
	answered        bool      // guarded by the environment's mu
	result          Result    // written before done is closed
}

func newInvocation(id string, c Call) *invocation {
	inv := &invocation{
		id: id, payload: c.Payload, chain: parseChain(c.Trace), over: make(chan struct{}), done: make(chan struct{}),
	}
	inv.result.RequestID = inv.id
	return inv
}

// newRequestID returns a random UUID.
func newRequestID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand aborts the program instead
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// faultKind is the error type that a caller reads.
type faultKind string

const (
	kindReported   faultKind = "" // by the function: its own error type is in the payload
	kindTimeout    faultKind = "Sandbox.Timedout"
	kindExit       faultKind = "Runtime.ExitError"
	kindMemory     faultKind = "Runtime.OutOfMemory"
	kindEntrypoint faultKind = "Runtime.InvalidEntrypoint"
	kindResponse   faultKind = "Function.ResponseSizeTooLarge"
)

// fault is why an invocation failed.
type fault struct {
	kind    faultKind
	message string
	payload []byte // as the function reported it; nil: made of kind and message
}

// fail makes the fault the result.
func (inv *invocation) fail(f *fault) {
	inv.result.FunctionError = "Unhandled"
	inv.result.Payload = f.payload
	if f.payload != nil {
		return
	}
	b, err := json.Marshal(struct {
		Type    string `json:"errorType"`
		Message string `json:"errorMessage"`
	}{string(f.kind), "RequestId: " + inv.id + " Error: " + f.message})
	if err != nil {
		panic(err) // two strings always marshal
	}
	inv.result.Payload = b
}
