package adapter

import (
	"sync"

	"github.com/nonstick-io/nonstick/sessionstore"
)

// maxKnown bounds what is remembered; past it the memory starts anew.
const maxKnown = 20_000

// known remembers sessions that were seen to be serial and on WebSocket. Neither ever changes, so it cannot be stale;
// it saves the delivery that such a session refuses.
type known struct {
	mu  sync.RWMutex
	set map[sessionstore.SessionID]struct{}
}

func (k *known) has(id sessionstore.SessionID) bool {
	k.mu.RLock()
	defer k.mu.RUnlock()
	_, ok := k.set[id]
	return ok
}

func (k *known) add(id sessionstore.SessionID) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.set == nil || len(k.set) >= maxKnown {
		k.set = make(map[sessionstore.SessionID]struct{})
	}
	k.set[id] = struct{}{}
}
