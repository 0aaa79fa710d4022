package nonstick

import (
	"context"
	"sync"
	"time"

	"github.com/nonstick-io/nonstick/adapter"
	"github.com/nonstick-io/nonstick/gateway/engine"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// call is the handler call that a context belongs to: whose packets are collected until it returns.
type call struct {
	inv    *engine.Invocation // nil in a disconnect handler
	socket *Socket
	// deadline is when the platform ends the handler; zero if it does not.
	deadline time.Time

	bulk bulk

	once    sync.Once
	adapter *adapter.Adapter // see broadcasts
}

type callKey struct{}

func withCall(ctx context.Context, c *call) context.Context {
	c.deadline, _ = ctx.Deadline()
	c.bulk.deliver = c.socket.nsp.server.deliver
	return context.WithValue(ctx, callKey{}, c)
}

// callOf returns nil outside of handlers. So it does for the context of a handler that has returned, which a
// goroutine may still hold: nothing is collected any more, and what it emits leaves by itself.
func callOf(ctx context.Context) *call {
	c, _ := ctx.Value(callKey{}).(*call)
	if c != nil && c.socket.returned.Load() {
		return nil
	}
	return c
}

// session is the session that the call is about.
func (c *call) session() sessionstore.SessionID { return c.socket.row.Session }

// broadcasts is what broadcasts: all of a handler's in one order. Outside of handlers each is by itself.
func (c *call) broadcasts(s *Server) *adapter.Adapter {
	if c == nil {
		return s.adapter
	}
	c.once.Do(func() { c.adapter = s.adapter.InOrder() })
	return c.adapter
}

// intercept takes the copies of a broadcast in a namespace that are for the call's own session: they join what is
// collected. A session that is gone gets none.
func (c *call) intercept(
	ctx context.Context, nsp sessionstore.Namespace, frames []string, errs *error,
) *adapter.Interceptor {
	if c == nil {
		return nil
	}
	return &adapter.Interceptor{Session: c.session(), Socket: c.socketIn(nsp), Take: func() {
		if c.inv != nil && *errs == nil {
			*errs = c.inv.Send(ctx, frames...)
		}
	}}
}

// socketIn is the socket that the session has in a namespace, or empty.
func (c *call) socketIn(nsp sessionstore.Namespace) sessionstore.SocketID {
	if c.socket.row.Namespace == nsp {
		return c.socket.row.ID
	}
	if c.inv == nil {
		return ""
	}
	k, _ := c.inv.Session.Socket(nsp)
	return k.ID
}
