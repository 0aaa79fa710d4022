package adapter

import (
	"sync"
	"sync/atomic"

	"github.com/nonstick-io/nonstick/sessionstore"
)

// order remembers in which namespaces a caller has had a broadcast queued. Safe for concurrent use; a nil order
// remembers nothing.
type order struct {
	mu     sync.Mutex
	queued map[sessionstore.Namespace]bool
}

func (o *order) has(nsp sessionstore.Namespace) bool {
	if o == nil {
		return false
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.queued[nsp]
}

func (o *order) add(nsp sessionstore.Namespace) {
	if o == nil {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.queued == nil {
		o.queued = make(map[sessionstore.Namespace]bool)
	}
	o.queued[nsp] = true
}

// InOrder returns an Adapter for one caller, whose broadcasts in a namespace arrive in their order: once one of them
// was queued for the [Fanout], those to few sockets are queued behind it too.
func (a *Adapter) InOrder() *Adapter {
	in := *a
	in.order = &order{}
	return &in
}

// Caller is a handler that broadcasts: what is for its own session leaves by a way of its own, which may collect it
// with what else the handler sends there.
type Caller struct {
	Session sessionstore.SessionID
	// Socket is the one whose event is handled.
	Socket sessionstore.SocketID
	Way    Way
}

// By returns an Adapter for the broadcasts of one handler, which arrive in their order, see [Adapter.InOrder].
func (a *Adapter) By(c Caller) *Adapter {
	by := a.InOrder()
	by.caller = &c
	return by
}

// way is how a packet leaves for a member; nil means directly.
func (a *Adapter) way(m sessionstore.Member) Way {
	if a.caller == nil || a.caller.Session != m.Session {
		return nil
	}
	return a.caller.Way
}

// leavers are the sockets whose disconnect handlers run in this process. Safe for concurrent use.
type leavers struct {
	n   atomic.Int64 // of ids, so that a broadcast need not take the lock for each member
	mu  sync.RWMutex
	ids map[sessionstore.SocketID]bool
}

// Leaving says that a socket has left, though its rows are there until its disconnect handler has returned: nothing
// is sent to it by this process meanwhile. The caller calls done when the handler has returned.
func (a *Adapter) Leaving(id sessionstore.SocketID) (done func()) {
	l := a.leavers
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ids == nil {
		l.ids = make(map[sessionstore.SocketID]bool)
	}
	l.ids[id] = true
	l.n.Store(int64(len(l.ids)))
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.ids, id)
		l.n.Store(int64(len(l.ids)))
	}
}

func (l *leavers) has(id sessionstore.SocketID) bool {
	if l.n.Load() == 0 {
		return false
	}
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.ids[id]
}
