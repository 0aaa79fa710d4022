package engine

import (
	"context"
	"sync"
)

// manySlow is how many slow disconnect handlers of a namespace show that the next one will be slow too: it makes room
// at once.
const manySlow = 8

// CrowdedError is a [Handler]'s word that the end of a session has to wait: too many disconnect handlers of a
// namespace are running.
type CrowdedError struct {
	// Namespace is where.
	Namespace string

	end End // as far as it has come; empty if no further than before
}

// Error says which namespace it is.
func (e *CrowdedError) Error() string {
	return "engine: too many disconnect handlers are running in " + e.Namespace
}

// turns has the namespaces share a [Pool]. One that has many handlers running may have as many more as there are
// places left: so a namespace whose handlers hang gets half of all, two such get a third each, and there is always
// room for another one.
type turns struct {
	again func(End) // takes an end whose turn has come

	mu      sync.Mutex
	total   int
	running map[string]int // handlers, and ends that have been given back for one
	slow    map[string]int
	waiting map[string][]End
	waits   int // of waiting
}

// count returns how many ends wait.
func (t *turns) count() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.waits
}

// begin takes a turn, unless there is none for the namespace.
func (t *turns) begin(nsp string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.running[nsp] >= endsInAll-t.total {
		return false
	}
	t.add(nsp)
	return true
}

func (t *turns) add(nsp string) {
	t.total++
	t.running[nsp]++
}

// end gives a turn back, and gives it to an end that waits.
func (t *turns) end(nsp string, slow bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.total--
	if t.running[nsp]--; t.running[nsp] == 0 {
		delete(t.running, nsp)
	}
	if slow {
		if t.slow[nsp]--; t.slow[nsp] == 0 {
			delete(t.slow, nsp)
		}
	}
	t.wake()
}

// wake gives back the ends whose namespaces may have another turn.
func (t *turns) wake() {
	for nsp, ends := range t.waiting {
		for len(ends) > 0 && t.running[nsp] < endsInAll-t.total {
			end := ends[0]
			ends = ends[1:]
			t.waits--
			t.add(nsp)
			end.turn = nsp
			t.again(end)
		}
		if t.waiting[nsp] = ends; len(ends) == 0 {
			delete(t.waiting, nsp)
		}
	}
}

// wait keeps an end until it is its namespace's turn.
func (t *turns) wait(end End, e *CrowdedError) {
	if e.end.Session != "" {
		end = e.end
	}
	end.turn = ""
	t.mu.Lock()
	defer t.mu.Unlock()
	t.waiting[e.Namespace] = append(t.waiting[e.Namespace], end)
	t.waits++
	t.wake() // a turn may have ended meanwhile
}

// isSlow reports whether a handler of a namespace is likely to take long.
func (t *turns) isSlow(nsp string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.slow[nsp] >= manySlow
}

// markSlow notes that a handler takes long.
func (t *turns) markSlow(nsp string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.slow[nsp]++
}

type poolCallKey struct{}

// poolCall is an end under way in a [Pool].
type poolCall struct {
	turns *turns
	free  func() // gives its slot to another end

	mu       sync.Mutex
	reserved string // the namespace that it was given back for
	nsp      string // whose handler is running; empty if none is
	slow     bool
}

// Turn has the disconnect handlers of a namespace run by turns in the pool that runs the end under ctx: call end when
// the handler has returned. The error is a [*CrowdedError] if the end is to wait. Without a pool there is always a
// turn.
func Turn(ctx context.Context, nsp string) (end func(), err error) {
	c, ok := ctx.Value(poolCallKey{}).(*poolCall)
	if !ok {
		return func() {}, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.reserved == nsp {
		c.reserved = ""
	} else if !c.turns.begin(nsp) {
		return nil, &CrowdedError{Namespace: nsp}
	}
	c.nsp = nsp
	if c.turns.isSlow(nsp) {
		c.free()
	}
	return c.endTurn, nil
}

// Yield has the pool that runs the end under ctx begin another beside it: a disconnect handler takes long. Without a
// pool it does nothing.
func Yield(ctx context.Context) {
	c, ok := ctx.Value(poolCallKey{}).(*poolCall)
	if !ok {
		return
	}
	c.free()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.nsp != "" && !c.slow {
		c.slow = true
		c.turns.markSlow(c.nsp)
	}
}

func (c *poolCall) endTurn() {
	c.mu.Lock()
	nsp, slow := c.nsp, c.slow
	c.nsp, c.slow = "", false
	c.mu.Unlock()
	if nsp != "" {
		c.turns.end(nsp, slow)
	}
}

// end gives back what the end still has: it was abandoned, or found nothing to do.
func (c *poolCall) end() {
	c.endTurn()
	c.mu.Lock()
	nsp := c.reserved
	c.reserved = ""
	c.mu.Unlock()
	if nsp != "" {
		c.turns.end(nsp, false)
	}
}
