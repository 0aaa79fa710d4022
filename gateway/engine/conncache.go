package engine

import (
	"sync"
	"time"

	"github.com/nonstick-io/nonstick/sessionstore"
)

// maxCached bounds the cache of connections; past it the cache starts anew.
const maxCached = 20_000

// connCache remembers which session a connection belongs to. That never changes, so it can be stale in two ways: the
// session has ended, and a candidate has taken over at another instance. Reading the session tells both. It also
// remembers what this instance wrote of the next ping, to spare the writes of pongs without a ping; to have forgotten
// it costs one.
type connCache struct {
	mu       sync.RWMutex
	sessions map[sessionstore.Connection]cached
}

type cached struct {
	session   sessionstore.SessionID
	candidate bool // as far as this instance knows, it has not taken over from polling
	// pings says that it is the client that sends pings. Not known of a candidate.
	pings bool
	// calm is when a ping may be sent at the earliest, clocks that differ allowed for: a pong before it was not asked
	// for.
	calm time.Time
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

// calmUntil notes that no ping is sent over a connection before then. It is nothing for one that is not known (any
// more).
func (c *connCache) calmUntil(conn sessionstore.Connection, t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if k, ok := c.sessions[conn]; ok {
		k.calm = t
		c.sessions[conn] = k
	}
}

func (c *connCache) drop(conn sessionstore.Connection) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.sessions, conn)
}
