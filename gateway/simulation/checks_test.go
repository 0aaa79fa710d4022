package simulation

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// checkLive checks, after the calm, that a client that lives has everything, and that one that does not has no
// open session.
func (r *run) checkLive(ctx context.Context, c *client) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s, err := r.real.Get(ctx, c.sid, time.Now())
	open := err == nil && s.State == sessionstore.Open
	untouched := r.w.spared(c.name) && !r.closes(c) && !r.tight && !c.paired && !c.excused
	// Where calls take time, frames that were sent right behind "5" may come too early for it: docs/protocol.md.
	early := r.w.slowed && r.aborted(c)
	switch {
	case c.alive && !open:
		r.w.violation("%s lives on a session that is %s (%v)", c.name, s.State, err)
	case !c.alive && open:
		r.w.violation("%s is gone, its session is open", c.name)
	case !c.alive && untouched && !early:
		r.w.violation("%s was dropped though nothing failed: %s", c.name, r.w.reason(c.sid))
	case c.excused && !c.alive:
		r.checkInDoubt(c)
	case c.paired && !c.alive && r.w.spared(c.name) && !r.closes(c) && !r.tight &&
		r.w.reason(c.sid) != delivery.ReasonOutOfOrder && !r.aborted(c):
		r.w.violation("%s was dropped: %s", c.name, r.w.reason(c.sid))
	case r.tight && !c.paired && !c.alive && r.w.faultless() && !r.closes(c) &&
		r.w.reason(c.sid) != delivery.ReasonBufferFull:
		r.w.violation("%s was dropped: %s", c.name, r.w.reason(c.sid))
	case r.w.faultless() && r.closes(c) && !r.tight:
		r.checkDrained(c)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, id := range slices.Sorted(maps.Keys(c.foreign)) {
		if c.got[id] {
			r.w.violation("%s: %s came though it had left the room", c.name, id)
		}
	}
	if !c.alive {
		return
	}
	if c.missed != "" && r.w.crashes == 0 { // an instance that dies takes its pool along
		r.w.violation("%s lives on, though %s failed to reach it", c.name, c.missed)
	}
	for _, id := range slices.Sorted(maps.Keys(r.accepted[c])) {
		if !c.got[id] {
			r.w.violation("%s: %s was accepted and never came", c.name, id)
		}
	}
	if r.line != nil {
		r.checkSent(c)
	}
	if untouched {
		r.checkAnswers(c)
	}
	if s.Hold.Held() {
		r.w.violation("a hold of %s outlived its owner", c.name)
	}
}

// aborted reports whether what a client sent at once has ended its upgrade, and so its only connection: the session
// goes on by polling, which it does no more; or ends with the connection, if it had just moved to it.
func (r *run) aborted(c *client) bool {
	_, aborted := r.aborts.Load(c.sid)
	reason := r.w.reason(c.sid)
	return aborted && r.line == nil && (reason == delivery.ReasonPingTimeout || reason == delivery.ReasonTransportClose)
}

// closes reports whether the server closes a client's session.
func (r *run) closes(c *client) bool { return r.closeAt > 0 && c == r.clients[0] }

// checkAnswers checks that everything that an undisturbed client asked for was handled and answered. All is locked.
func (r *run) checkAnswers(c *client) {
	c.checkSecond()
	for _, q := range c.questions {
		if r.handled[q] == 0 {
			r.w.violation("%s: the %s was never handled", c.name, q)
		}
	}
	for k, key := range c.sent {
		if r.handled[key] == 0 {
			r.w.violation("%s was never handled", key)
		} else if !isClosed(c.ack(k)) {
			r.w.violation("%s was never answered", key)
		}
	}
	if c.done != len(c.acts) {
		r.w.violation("%s asked for %d of %d things", c.name, c.done, len(c.acts))
	}
}

// checkDrained checks that a session that the server closed gave out what had been accepted before, unless its client
// was in the middle of an upgrade: then it gives up at once. The client is locked.
func (r *run) checkDrained(c *client) {
	if c.paused {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, id := range slices.Sorted(maps.Keys(r.atClose)) {
		if !c.got[id] {
			r.w.violation("%s was accepted before the server closed and never came", id)
		}
	}
}

// checkLeftovers checks that closed sessions leave nothing behind, and that disconnect handlers ran as often as
// they should.
func (r *run) checkLeftovers(ctx context.Context) {
	for _, c := range r.clients {
		if s, err := r.real.Get(ctx, c.sid, time.Now()); err == nil && s.State != sessionstore.Closed {
			r.w.violation("the session of %s is stuck in %s", c.name, s.State)
		} else if err == nil && len(s.Sockets) > 0 && r.w.crashes == 0 {
			r.w.violation("a closed session has sockets")
		}
	}
	for reg, err := range r.real.Registrations(ctx, 0) {
		r.w.violation("the registry still has %s (%v)", reg.Session, err)
	}
	if r.w.faultless() {
		for m := range r.real.Members(ctx, "/", room, sessionstore.Range{}) {
			r.w.violation("the room still has %s", m.Socket)
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.checkVotes()
	if r.line != nil {
		r.checkLine()
	}
	if r.parts != nil {
		r.parts.checkDone()
	}
	for id, c := range r.owners {
		r.checkEnding(c, r.closed[id])
	}
}

// event checks one packet of an emitter: once, in order, and after everything that was accepted before it was
// emitted. It may come before the answer to CONNECT, for the client is in the room by then: clients keep it until
// that comes.
func (c *client) event(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.got[id] {
		c.run.w.violation("%s: %s came twice", c.name, id)
	}
	for before := range c.run.owedBefore(c, id) {
		if !c.got[before] {
			c.run.w.violation("%s: %s came, but %s, accepted before it was emitted, has not", c.name, id, before)
		}
	}
	if c.run.parts != nil {
		if by := c.passed[id]; by != "" {
			c.run.w.violation("%s: %s came after %s, which was emitted when it was in the queue", c.name, id, by)
		}
		for _, before := range c.run.parts.owed(id) {
			if !c.got[before] {
				c.passed[before] = id
			}
		}
	}
	c.got[id] = true
}
