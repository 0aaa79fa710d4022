package engine

import (
	"sync"

	"github.com/nonstick-io/nonstick/sessionstore"
)

// maxCached bounds the cache of connections; past it the cache starts anew.
const maxCached = 20_000

// connCache remembers which session a connection belongs to. That never changes, so it can be stale in two ways: the
// session has ended, and a candidate has taken over at another instance. Reading the session tells both.
type connCache struct {
	mu       sync.RWMutex
	sessions map[sessionstore.Connection]cached
}

type cached struct {
	session   sessionstore.SessionID
	candidate bool // as far as this instance knows, it has not taken over from polling
}

func (c *connCache) get(conn sessionstore.Connection) (cached, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	k, ok := c.sessions[conn]
	return k, ok
}

func (c *connCache) put(conn sessionstore.Connection, k cached) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.sessions == nil || len(c.sessions) >= maxCached {
		c.sessions = make(map[sessionstore.Connection]cached)
	}
	c.sessions[conn] = k
}

func (c *connCache) drop(conn sessionstore.Connection) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.sessions, conn)
}
