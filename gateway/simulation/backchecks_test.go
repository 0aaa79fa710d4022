package simulation

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/internal/protocol"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// promptest is how long an event takes at most to a client that is there. It is shorter than what it takes until a
// sweeper looks after an outbox.
func (r *run) promptest() time.Duration {
	if r.slowCloses {
		return 3500 * time.Millisecond // three in a row
	}
	return 1200 * time.Millisecond
}

// happens checks an event that the application of a client gets: it is for this socket, comes once, and after all that
// was accepted before it was emitted. The client is locked.
func (b *back) happens(id string) {
	r, c := b.r, b.chain
	r.w.note(b.name + " gets " + id)
	r.mu.Lock()
	e := r.rises[id]
	var done, over time.Time
	_, pair := r.rises[id+"+"]
	if e != nil {
		over = e.done
	}
	if e != nil && e.kind == kept {
		done = e.done
	}
	r.mu.Unlock()
	if e == nil {
		r.w.violation("%s: %s was never emitted", b.name, id)
		return
	}
	if !e.isFor(c.id) {
		r.w.violation("%s: %s is for another socket", b.name, id)
	}
	if c.got[id] {
		r.w.violation("%s: %s came twice", b.name, id)
	}
	for _, before := range slices.Sorted(maps.Keys(e.before[c.id])) {
		if !c.got[before] {
			r.w.violation("%s: %s came, but %s, accepted before it was emitted, has not", b.name, id, before)
		}
	}
	if c.half != "" && id != c.half {
		r.w.violation("%s: %s came, and not %s, which was emitted with what came before", b.name, id, c.half)
	}
	c.half = ""
	if e.kind == own && pair {
		c.half = id + "+"
	}
	if since := b.now.since; !done.IsZero() && r.sure() && (r.line == nil || !r.line.jitter) {
		if since.After(done) {
			done = since
		}
		if late := time.Since(done); late > r.promptest() {
			r.w.violation("%s: %s came %v late", b.name, id, late)
		}
	}
	if e.kind == once && !over.IsZero() && over.Before(b.now.began) {
		r.w.violation("%s: %s, which is volatile, was kept for it", b.name, id)
	}
	c.got[id] = true
	c.log = append(c.log, id)
	b.got()
}

// got notes that something has come: where calls take time, what waits behind it comes that much later. The client is
// locked.
func (b *back) got() {
	if b.r.w.slowed && b.now != nil {
		b.now.since = time.Now()
	}
}

// isFor reports whether an event was for a socket.
func (e *rise) isFor(socket string) bool {
	return (e.target == "" || e.target == socket) && (e.e == nil || e.e.sees(sessionstore.SocketID(socket)))
}

// sure reports whether nothing has failed, or only what has to do with a client that does not come back.
func (r *run) sure() bool { return r.w.faultless() || r.w.victim == "client0" }

// checkLoss checks a connection that the client loses: what was accepted while it was there has come, and without a
// fault it is the client's own doing.
func (b *back) checkLoss(s *stay, why string) {
	if !b.r.sure() {
		return
	}
	inOrder := b.r.line == nil || !b.r.line.jitter // else nothing is prompt that waits for an upgrade
	calm := b.r.calmFor(b) && !b.r.stopping() && inOrder
	b.mu.Lock()
	defer b.mu.Unlock()
	// Where calls take time, frames that were sent right behind "5" may come too early for it: docs/protocol.md.
	_, aborted := b.r.aborts.Load(s.sid)
	early := aborted && b.r.w.slowed && b.r.line == nil
	if calm && !s.losing && !early {
		b.r.w.violation("%s was dropped though nothing failed: %s", s.name, why)
	}
	if s.joined && inOrder {
		b.checkPrompt(s)
	}
}

// checkPrompt checks that a client that is there has what was accepted a while ago. It is locked.
func (b *back) checkPrompt(s *stay) {
	b.r.mu.Lock()
	defer b.r.mu.Unlock()
	if b.r.carriers[sessionstore.OutboxID(b.pid)] != s.sid { // a twin has taken the socket
		return
	}
	for _, id := range slices.Sorted(maps.Keys(b.r.outlook(b.chain.id).accepted)) {
		from := b.r.rises[id].done
		if s.since.After(from) {
			from = s.since
		}
		if waits := time.Since(from); !b.chain.got[id] && waits > b.r.promptest() {
			b.r.w.violation("%s: %s has not come for %v", s.name, id, waits)
		}
	}
}

// acknowledged takes the answer to an event: what its handler emitted came before.
func (b *back) acknowledged(s *stay, text string) {
	digits, _, _ := strings.Cut(text, "[")
	n, err := strconv.Atoi(digits)
	b.mu.Lock()
	defer b.mu.Unlock()
	key := b.unsaid[n]
	if err == nil && key == "" {
		return // an answer to an earlier connection, or to a twin: a client does not know its id
	}
	if err != nil || text != fmt.Sprintf("%d[%q]", n, key) {
		b.r.w.violation("%s: an answer to what was not asked: %s", s.name, text)
		return
	}
	delete(b.unsaid, n)
	if !b.chain.got[key] || !b.chain.got[key+"+"] {
		b.r.w.violation("%s: the answer to %s came before what its handler emitted", s.name, key)
	}
}

// checkRecovered checks whether a client is told rightly that it was recovered, or that it was not. The client is
// locked, and has just been told.
func (b *back) checkRecovered(recovered bool) {
	if b.chain == nil {
		return
	}
	b.r.mu.Lock()
	o := *b.r.outlook(b.chain.id)
	b.r.mu.Unlock()
	switch {
	case recovered && b.final:
		b.r.w.violation("%s was recovered though it had left", b.name)
	case recovered && o.ends > 0 && o.endedAt.Before(b.lostAt):
		b.r.w.violation("%s was recovered though its end had been told", b.name)
	case !recovered && !b.leaving && o.ends == 0 && b.r.w.faultless() && b.r.calmFor(b) &&
		time.Since(b.lostAt) < awayTime-time.Second:
		b.r.w.violation("%s was not recovered, though it was not away for long", b.name)
	case !recovered && !b.leaving && o.ends == 0 && b.r.w.faultless() && b.r.undisputed(b) &&
		time.Since(b.lostAt) < awayTime-time.Second:
		b.checkTrimmed()
	}
}

// checkTrimmed checks a client that is told that it is new where outboxes are small: what it missed was trimmed, and
// only what was sent is, as long as there is more than half of what an outbox may hold. The client is locked.
func (b *back) checkTrimmed() {
	id := sessionstore.OutboxID(b.pid)
	full := b.r.w.reason(id) == delivery.ReasonBufferFull
	b.r.mu.Lock()
	defer b.r.mu.Unlock()
	has := entryOf(b.offset, id)
	box := b.r.boxes[id]
	if trimmed := has < box.sent && box.seq-has > tightOutbox/2; !trimmed && !full {
		b.r.w.violation(
			"%s was not recovered, and has %d of %d events, of which %d were sent", b.name, has, box.seq, box.sent,
		)
	}
}

// entryOf is the number of the entry of an outbox up to which a client has all that has an offset. One that has got
// nothing of it yet has the offset of an earlier one.
func entryOf(offset string, outbox sessionstore.SessionID) int {
	place, tag, _ := strings.Cut(offset, ".")
	if _, mine, _ := strings.Cut(protocol.Offset{}.Encode(outbox), "."); tag != mine {
		return 0
	}
	number, _, part := strings.Cut(place, ":")
	n, err := strconv.ParseInt(number, 36, 0)
	if err != nil {
		return 0
	}
	if part {
		n--
	}
	return int(n)
}

// box is what is known of an outbox.
type box struct {
	seq  int // of the entry that was appended last
	sent int // the last one that a carrier has got
	// usurped are the sessions that have lost it to others, by those.
	usurped map[sessionstore.SessionID]sessionstore.SessionID
	// carried are the sessions that have recovered it, last the latest.
	carried map[sessionstore.SessionID]bool
	last    sessionstore.SessionID
}

// checkUsurped checks, once the CONNECT of a client has been handled, that the session is closed of which it has taken
// the socket.
func (r *run) checkUsurped(ctx context.Context, s *stay) {
	s.b.mu.Lock()
	pid, sid := s.b.pid, s.sid
	s.b.mu.Unlock()
	r.mu.Lock()
	var other sessionstore.SessionID
	if b := r.boxes[sessionstore.OutboxID(pid)]; b != nil {
		other = b.usurped[sid]
	}
	r.mu.Unlock()
	now, err := r.real.Get(ctx, sid, time.Now())
	if other == "" || err != nil || now.State != sessionstore.Open {
		return
	}
	if was, err := r.real.Get(ctx, other, time.Now()); err == nil && was.State == sessionstore.Open {
		r.w.violation("%s has taken the socket of a session that lives on", s.name)
	}
}

// calmFor reports whether nothing ends the socket of a client but its own doing.
func (r *run) calmFor(b *back) bool { return !r.tight && r.undisputed(b) }

// undisputed is calmFor, where outboxes may be small.
func (r *run) undisputed(b *back) bool { return r.kickAt == 0 && len(b.twins) == 0 && !b.twin }

// checkOver checks, when a disconnect handler runs, that the socket is not one that lives: of clients with one private
// id that is the one which took it last. The others have lost it, and may not know yet.
func (r *run) checkOver(id, reason string) {
	r.mu.Lock()
	backs := slices.Clone(r.backs)
	o := *r.outlook(id)
	r.mu.Unlock()
	if reason == "" {
		r.w.violation("%s has ended without a reason", id)
	}
	if o.ends > 1 && r.w.crashes == 0 && r.w.faultless() {
		r.w.violation("the disconnect handler of %s ran %d times", id, o.ends)
	}
	if !r.w.faultless() || r.tight || r.kickAt > 0 {
		return
	}
	for _, b := range backs {
		b.mu.Lock()
		s := b.now
		lives := s != nil && s.alive && s.joined && b.chain.id == id && !b.leaving && r.carrierOf(b.pid) == s.sid
		b.mu.Unlock()
		if lives {
			r.w.violation("the disconnect handler of %s ran (%s) though %s lives", id, reason, s.name)
		}
	}
}

// hears checks, a while after the end of a socket has been told, that the client on it has learned of that.
func (r *run) hears(ctx context.Context, id string) {
	if !r.sure() || r.line != nil {
		return
	}
	ctx = context.WithoutCancel(ctx) // which is that of a handler
	r.w.spawn(ctx, "hears of "+id, func(ctx context.Context, _ *proc) {
		r.w.pause(ctx, r.promptest())
		r.mu.Lock()
		backs := slices.Clone(r.backs)
		r.mu.Unlock()
		for _, b := range backs {
			b.mu.Lock()
			s := b.now
			lives := s != nil && s.alive && s.joined && b.chain.id == id && !b.leaving &&
				time.Since(s.since) >= r.promptest() && r.carrierOf(b.pid) == s.sid
			b.mu.Unlock()
			if lives && r.sure() {
				r.w.violation("%s lives on, and has not learned that the end of its socket has been told", s.name)
			}
		}
	})
}

// carrierOf is the session that was the last to take the outbox of a private id.
func (r *run) carrierOf(pid string) sessionstore.SessionID {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.carriers[sessionstore.OutboxID(pid)]
}

// checkBacks checks, after the calm, that clients that come back are connected, and have all that was accepted.
func (r *run) checkBacks(ctx context.Context) {
	carriers := map[string]string{}
	for _, b := range r.backs {
		b.mu.Lock()
		r.checkBack(ctx, b)
		if s := b.now; s != nil && s.alive && s.joined {
			if by := carriers[b.chain.id]; by != "" {
				r.w.violation("%s and %s are one socket", by, s.name)
			}
			carriers[b.chain.id] = s.name
		}
		b.mu.Unlock()
	}
	if r.rewinding.on {
		r.mu.Lock()
		r.checkLog(ctx)
		r.mu.Unlock()
	}
}

// checkBack is that of one. It is locked.
func (r *run) checkBack(ctx context.Context, b *back) {
	s := b.now
	if s == nil || !s.alive {
		if !b.twin {
			r.w.violation("%s could not come back: it tried %d times", b.name, b.visits)
		}
		return
	}
	if !s.joined {
		r.w.violation("%s: CONNECT has not been answered", s.name)
		return
	}
	carrier, err := r.real.Get(ctx, s.sid, time.Now())
	if err != nil || carrier.State != sessionstore.Open {
		r.w.violation("%s lives on a session that is %s (%v)", s.name, carrier.State, err)
		return
	}
	if carrier.Hold.Held() {
		r.w.violation("a hold of %s outlived its owner", s.name)
	}
	box, err := r.real.Get(ctx, sessionstore.OutboxID(b.pid), time.Now())
	switch {
	case err != nil || box.State != sessionstore.Open:
		r.w.violation("%s lives on a socket that is %s (%v)", s.name, box.State, err)
		return
	case box.Carrier != s.sid:
		r.w.violation("%s is not what carries its socket", s.name)
	case box.Hold.Held() && !box.Hold.Lasting():
		r.w.violation("the hold of the outbox of %s outlived its owner", s.name)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, id := range slices.Sorted(maps.Keys(r.outlook(b.chain.id).accepted)) {
		if !b.chain.got[id] {
			r.w.violation("%s: %s was accepted and never came", b.name, id)
		}
	}
	r.checkKept(ctx, b)
	if n := r.outlook(b.chain.id).ends; n > 0 {
		r.w.violation("%s lives, its end was told %d times", b.name, n)
	}
}

// checkOutboxes checks that all sockets have ended, and left nothing behind.
func (r *run) checkOutboxes(ctx context.Context) {
	r.mu.Lock()
	boxes := slices.Sorted(maps.Keys(r.boxes))
	r.mu.Unlock()
	for _, id := range boxes {
		s, err := r.real.Get(ctx, id, time.Now())
		if err != nil {
			continue
		}
		if s.State != sessionstore.Closed {
			r.w.violation("the outbox %s is left: %s, carried by %q", id, s.State, s.Carrier)
		} else if len(s.Sockets) > 0 && r.w.crashes == 0 {
			r.w.violation("the outbox %s, which is closed, has sockets", id)
		}
	}
	for _, b := range r.backs {
		if b.now == nil || b.now.sid == "" {
			continue
		}
		if s, err := r.real.Get(ctx, b.now.sid, time.Now()); err == nil && s.State != sessionstore.Closed {
			r.w.violation("the session of %s is stuck in %s", b.now.name, s.State)
		} else if err == nil && len(s.Sockets) > 0 && r.w.crashes == 0 {
			r.w.violation("the session of %s, which is closed, has sockets", b.now.name)
		}
	}
	if r.w.faultless() {
		for m := range r.real.Members(ctx, recoverable, room, sessionstore.Range{}) {
			r.w.violation("the room still has %s", m.Socket)
		}
	}
	for shard := range sessionstore.TimerShards(1) {
		for t := range r.real.DueTimers(ctx, shard, time.Now()) {
			r.w.violation("a timer is left: %s %s", t.Kind, t.Name)
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, id := range slices.Sorted(maps.Keys(r.outlooks)) {
		o := r.outlooks[id]
		switch {
		case o.ends == 0 && (o.told || r.w.faultless()):
			r.w.violation("the end of %s was never told", id)
		case o.ends > 1 && r.w.faultless(), o.ends > 1+r.w.faults:
			r.w.violation("the end of %s was told %d times", id, o.ends)
		case o.reason == delivery.ReasonBufferFull && !r.tight:
			r.w.violation("the buffer of %s was full", id)
		}
	}
}
