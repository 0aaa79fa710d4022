package nonstick

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
)

// ErrServing is what registering panics with (an error that matches it) once the server has handled a request of a
// client. Handlers are the same on every instance only if each registers all of them at start: an instance that never
// saw the connection in which one was registered would not have it.
var ErrServing = errors.New("nonstick: the server is serving already: " +
	"register everything at start, before the first request, not inside a handler")

// seal keeps what is registered from being changed while it is read.
type seal struct {
	mu   sync.RWMutex // of what is registered, until done
	done atomic.Bool
}

// close ends the time of registering, and then builds. What has been registered may be read without a lock after it.
func (s *seal) close(build func()) {
	if s.done.Load() {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.done.Load() {
		build()
		s.done.Store(true)
	}
}

// register runs set, which registers what. It panics with [ErrServing] if the time for it is over.
func (s *seal) register(what string, set func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.done.Load() {
		panic(fmt.Errorf("%w: %s", ErrServing, what))
	}
	set()
}

// register registers something of the namespace, or panics with [ErrServing].
func (n *Namespace) register(what string, set func()) {
	if n.child {
		panic(fmt.Errorf("%w: %s of namespace %q: register it on its parent %q", ErrServing, what, n.name,
			n.parent.name))
	}
	n.server.seal.register(fmt.Sprintf("%s of namespace %q", what, n.name), set)
}
