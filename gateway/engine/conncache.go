package engine

import (
	"sync"

	"github.com/nonstick-io/nonstick/sessionstore"
)

// maxCached bounds the cache of connections; past it the cache starts anew.
const maxCached = 20_000

// connCache remembers which session a connection belongs to. That never changes, so it can be stale in one
// way only: the session has ended, which reading it tells.
type connCache struct {
	mu       sync.RWMutex
	sessions map[sessionstore.Connection]sessionstore.SessionID
}

func (c *connCache) get(conn sessionstore.Connection) (sessionstore.SessionID, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	id, ok := c.sessions[conn]
	return id, ok
}

func (c *connCache) put(conn sessionstore.Connection, id sessionstore.SessionID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.sessions == nil || len(c.sessions) >= maxCached {
		c.sessions = make(map[sessionstore.Connection]sessionstore.SessionID)
	}
	c.sessions[conn] = id
}

func (c *connCache) drop(conn sessionstore.Connection) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.sessions, conn)
}
