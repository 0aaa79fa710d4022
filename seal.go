package nonstick

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
)

// ErrServing is what setting a handler panics with (an error that matches it) once the server has handled a message
// of a client. Handlers are the same on every instance only if each sets all of them at start: an instance that never
// saw the connection in which a handler was set would not have it.
var ErrServing = errors.New(
	"nonstick: the server is serving already: set all handlers at start, not inside a connection",
)

// seal keeps handlers from being set while they are read.
type seal struct {
	mu   sync.Mutex // of what is registered, until done
	done atomic.Bool
}

// close ends the time of registering. What has been registered may be read without a lock after it.
func (s *seal) close() {
	if s.done.Load() {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.done.Store(true)
}

func (s *seal) closed() bool { return s.done.Load() }

// register runs set, which registers what. It panics with [ErrServing] if the time for it is over.
func (s *seal) register(what string, set func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.done.Load() {
		panic(fmt.Errorf("%w: %s", ErrServing, what))
	}
	set()
}

// register sets a handler of the namespace, or panics with [ErrServing].
func (n *Namespace) register(what string, set func()) {
	n.server.seal.register(fmt.Sprintf("%s of namespace %q", what, n.name), set)
}
