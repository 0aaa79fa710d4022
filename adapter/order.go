package adapter

import (
	"sync"

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
