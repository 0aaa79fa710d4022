package delivery

import (
	"sync"
	"time"

	"github.com/nonstick-io/nonstick/sessionstore"
)

// maxKnown bounds what is remembered; past it the memory starts anew.
const maxKnown = 20_000

// forever is longer than any process lives.
const forever = 100 * 365 * 24 * time.Hour

// known remembers sessions for a while. What it remembers of them must not become wrong in that time. Safe for
// concurrent use.
type known struct {
	mu  sync.RWMutex
	set map[sessionstore.SessionID]time.Time // until when
}

func (k *known) has(id sessionstore.SessionID) bool {
	k.mu.RLock()
	defer k.mu.RUnlock()
	until, ok := k.set[id]
	return ok && time.Now().Before(until)
}

func (k *known) add(id sessionstore.SessionID, d time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.set == nil || len(k.set) >= maxKnown {
		k.set = make(map[sessionstore.SessionID]time.Time)
	}
	k.set[id] = time.Now().Add(d)
}

func (k *known) remove(id sessionstore.SessionID) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.set, id)
}
