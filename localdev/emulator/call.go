package emulator

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/aws/aws-lambda-go/events"
)

// call is the time limit of one connection's handler calls, which come one after the other. Its context
// serves all calls of a short while (a thirty-second of the limit), for a timer per frame would cost more
// than the handling of many frames; so a call gets at least 31/32 of the limit.
type call struct {
	ctx     context.Context //nolint:containedctx // renewed by begin, handed down by it only
	began   time.Time
	cancel  context.CancelFunc
	stop    func() bool
	state   atomic.Int32
	current atomic.Pointer[string] // the request id of a running call, for the error frame
}

const (
	callIdle int32 = iota
	callRunning
	callTimedOut
)

// begin returns the context of a call that starts now.
func (k *call) begin(c *conn, now time.Time, requestID string) context.Context {
	limit := c.srv.limits.MessageTimeout
	if k.ctx == nil || now.Sub(k.began) > limit/32 {
		k.release()
		k.began = now
		k.ctx, k.cancel = context.WithDeadline(c.srv.base, now.Add(limit))
		k.stop = context.AfterFunc(k.ctx, func() { k.expire(c) })
	}
	k.current.Store(&requestID)
	k.state.Store(callRunning)
	return k.ctx
}

// finish ends a call. It reports false if the call's time was up before: its answer comes too late.
func (k *call) finish(c *conn) bool {
	if k.ctx.Err() != nil {
		k.expire(c)
	}
	inTime := k.state.Swap(callIdle) == callRunning
	if !inTime {
		k.release()
	}
	return inTime
}

// expire runs when the context ends: a client whose message is still being handled gets the error frame.
func (k *call) expire(c *conn) {
	if !k.state.CompareAndSwap(callRunning, callTimedOut) {
		return
	}
	c.srv.log.Error("handler timed out", "conn", c.id)
	_ = c.push(c.errorFrame(*k.current.Load())) // a connection that is gone needs no error frame
}

// release gives up the context.
func (k *call) release() {
	if k.ctx == nil {
		return
	}
	k.stop()
	k.cancel()
	k.ctx = nil
}

// invoke calls a handler set; a panic is an error, as it is of a function.
func invoke(
	ctx context.Context, s *Server, a *api, e events.APIGatewayWebsocketProxyRequest,
) (res events.APIGatewayProxyResponse, err error) {
	defer func() {
		if p := recover(); p != nil {
			s.log.ErrorContext(ctx, "handler panicked", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			err = fmt.Errorf("emulator: handler panicked: %v", p)
		}
	}()
	return a.next().WebSocket(ctx, e)
}
