package gateway

import (
	"context"

	"github.com/nonstick-io/nonstick/gateway/engine"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// call is the handler call that a context belongs to: whose packets are collected until it returns.
type call struct {
	inv    *engine.Invocation // nil in a disconnect handler
	socket *Socket
}

type callKey struct{}

func withCall(ctx context.Context, c *call) context.Context {
	return context.WithValue(ctx, callKey{}, c)
}

func callOf(ctx context.Context) *call {
	c, _ := ctx.Value(callKey{}).(*call)
	return c
}

// session is the session that the call is about.
func (c *call) session() sessionstore.SessionID { return c.socket.row.Session }

// intercept takes the copies of a broadcast that are for the call's own session: they join what is collected. A
// session that is gone gets none.
func (c *call) intercept(ctx context.Context, frames []string, errs *error) func(sessionstore.Member) bool {
	if c == nil {
		return nil
	}
	return func(m sessionstore.Member) bool {
		if m.Session != c.session() {
			return false
		}
		if c.inv != nil && *errs == nil {
			*errs = c.inv.Send(ctx, frames...)
		}
		return true
	}
}
