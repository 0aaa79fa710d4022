package simulation

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"time"

	"github.com/nonstick-io/nonstick"
	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// membership is what is known of a client's place in the room. It is sure between the end of one change and the
// beginning of the next, if the first is not in doubt.
type membership struct {
	in     bool
	moving int  // changes under way
	doubt  bool // one of them may be applied at any time, or never
	epoch  int  // counts them
}

func (m membership) sure() bool { return m.moving == 0 && !m.doubt }

// move begins a change of a client's membership, and returns its end.
func (r *run) move(c *client, in bool) (end func(error)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c.member.moving++
	c.member.epoch++
	settled := false
	return func(err error) {
		r.mu.Lock()
		defer r.mu.Unlock()
		if settled {
			return
		}
		settled = true
		c.member.moving--
		c.member.in = in
		if err != nil {
			c.member.doubt = true
		}
	}
}

// emission is one broadcast on its way: the members that it met, and those that had none of it.
type emission struct {
	mu     sync.Mutex
	met    map[sessionstore.SocketID]bool
	gone   map[sessionstore.SocketID]bool
	failed []error // of members
	later  bool    // members are met later, maybe more than once: those that left before may have none of it
}

func newEmission(later bool) *emission {
	return &emission{met: map[sessionstore.SocketID]bool{}, gone: map[sessionstore.SocketID]bool{}, later: later}
}

type emissionKey struct{}

func emissionOf(ctx context.Context) *emission {
	e, _ := ctx.Value(emissionKey{}).(*emission)
	return e
}

// meets notes a member that the broadcast under ctx is to be delivered to.
func meets(ctx context.Context, id sessionstore.SocketID) {
	if e := emissionOf(ctx); e != nil {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.met[id] = true
	}
}

// reaps notes a member that the broadcast under ctx found gone.
func reaps(ctx context.Context, id sessionstore.SocketID) {
	if e := emissionOf(ctx); e != nil {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.gone[id] = true
	}
}

// took reports whether a socket was given its copy.
func (e *emission) took(id sessionstore.SocketID) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.met[id] && !e.gone[id] && e.failure(id) == nil
}

// failure is why a member has none of it, or nil. The emission is locked.
func (e *emission) failure(id sessionstore.SocketID) error {
	for _, err := range e.failed {
		if strings.Contains(err.Error(), string(id)) {
			return err
		}
	}
	return nil
}

// failures is the log of an adapter, which tells what members a broadcast did not reach.
type failures struct{ slog.Handler }

func (failures) Enabled(context.Context, slog.Level) bool { return true }

func (failures) Handle(ctx context.Context, rec slog.Record) error {
	e := emissionOf(ctx)
	if e == nil {
		return nil
	}
	rec.Attrs(func(a slog.Attr) bool {
		if a.Key == "error" {
			e.mu.Lock()
			defer e.mu.Unlock()
			switch all := a.Value.Any().(type) {
			case interface{ Unwrap() []error }:
				e.failed = append(e.failed, all.Unwrap()...)
			case error:
				e.failed = append(e.failed, all)
			}
		}
		return true
	})
	return nil
}

// owner returns the client that has a socket.
func (r *run) owner(id string) *client {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.owners[id]
}

// members registers what a client asks for to join and leave the room.
func (r *run) members(nsp *nonstick.Namespace) {
	change := func(event string, in bool, f func(context.Context, *nonstick.Socket) error) {
		nonstick.OnAck(nsp, event, func(ctx context.Context, s *nonstick.Socket, key string) (string, error) {
			r.handles(key)
			end := r.move(r.owner(s.ID()), in)
			err := f(ctx, s)
			end(err)
			return key, err
		})
	}
	change("join", true, func(ctx context.Context, s *nonstick.Socket) error { return s.Join(ctx, room) })
	change("leave", false, func(ctx context.Context, s *nonstick.Socket) error { return s.Leave(ctx, room) })
}

// handles notes that an event is handled: once.
func (r *run) handles(key string) {
	r.mu.Lock()
	r.handled[key]++
	n := r.handled[key]
	r.mu.Unlock()
	r.w.note("handled " + key)
	if n > 1 {
		r.w.violation("the handler of %s ran %d times", key, n)
	}
}

// act has a client ask for one thing after the other.
func (c *client) act(ctx context.Context) {
	for k, a := range c.acts {
		c.run.w.pause(ctx, a.pause)
		key := fmt.Sprintf("%s.%d", c.name, k)
		switch a.event {
		case stray:
			if !c.strays(ctx, k) {
				return
			}
		case burst, slow, poison:
			if !c.queue(ctx, k, a.event, key) {
				return
			}
		case binary, pair, excess, hop:
			if !c.atOnce(ctx, k, a.event, key) {
				return
			}
		default:
			if !c.send(ctx, fmt.Sprintf(`42%d[%q,%q]`, k, a.event, key)) {
				return
			}
		}
		c.asked(k, key, a.event)
		if a.event != hop && a.event != burst && a.event != slow && a.event != poison && a.event != stray {
			c.awaitAck(ctx, k)
		}
	}
}

// act is something that a client asks for, and how long it waits before.
type act struct {
	event string
	pause time.Duration
}

// send sends frames by what the client has: a POST, or one message of the WebSocket after the other. While it changes
// from one to the other it waits, as the official client does, and while half a packet has been sent. It reports
// whether the client lived to send them.
func (c *client) send(ctx context.Context, frames ...string) bool {
	for ctx.Err() == nil {
		c.mu.Lock()
		halved := c.halved
		c.mu.Unlock()
		if !halved {
			return c.sendNow(ctx, frames...)
		}
		c.run.w.pause(ctx, 20*time.Millisecond)
	}
	return false
}

// sendHalves sends the two halves of a packet, each by itself, and nothing between them: a POST that is under way is
// answered first.
func (c *client) sendHalves(ctx context.Context, one, two string) bool {
	defer c.halve()()
	for c.posts.Load() > 0 && ctx.Err() == nil {
		c.run.w.pause(ctx, 20*time.Millisecond)
	}
	return c.sendNow(ctx, one) && c.sendNow(ctx, two)
}

// halve has all else that the client sends wait until the call that it returns.
func (c *client) halve() (whole func()) {
	set := func(halved bool) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.halved = halved
	}
	set(true)
	return func() { set(false) }
}

func (c *client) sendNow(ctx context.Context, frames ...string) bool {
	for ctx.Err() == nil {
		c.mu.Lock()
		alive, ws, paused := c.alive, c.ws, c.paused
		upgraded := c.upgraded
		if alive && !paused {
			c.polling.Add(1) // the upgrade waits for it
		}
		c.mu.Unlock()
		switch {
		case !alive:
			return false
		case upgraded:
			for _, f := range frames {
				c.message(ctx, ws, f)
			}
			return true
		case !paused:
			c.posts.Add(1)
			c.post(ctx, strings.Join(frames, "\x1e"))
			c.posts.Add(-1)
			c.polling.Done()
			return true
		}
		c.run.w.pause(ctx, 20*time.Millisecond)
	}
	return false
}

// asked notes an event that was sent whole.
func (c *client) asked(k int, key, event string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.done++
	switch event {
	case pair, excess, hop: // there is no promise that these are handled, unless it is in order
		if c.run.line == nil {
			return
		}
		keys := []string{key}
		if event == pair {
			keys = []string{key + "a", key + "b"}
		}
		c.unanswered = append(c.unanswered, keys...)
	case burst, slow, poison, stray:
	default:
		c.sent[k] = key
	}
}

// awaitAck waits until an event has been answered, for five seconds at most.
func (c *client) awaitAck(ctx context.Context, id int) {
	c.mu.Lock()
	answered := c.ack(id)
	c.mu.Unlock()
	t := time.NewTimer(5 * time.Second)
	defer t.Stop()
	select {
	case <-answered:
	case <-t.C:
	case <-ctx.Done():
	}
	c.run.w.at(ctx, "wakes", kindOther)
}

// ack returns the channel that is closed with an event's answer. The client is locked.
func (c *client) ack(id int) chan struct{} {
	if c.acks[id] == nil {
		c.acks[id] = make(chan struct{})
	}
	return c.acks[id]
}

// answered takes an acknowledgement.
func (c *client) answered(text string) {
	var id int
	if _, err := fmt.Sscanf(text, "%d", &id); err != nil {
		c.run.w.violation("%s: an acknowledgement that it cannot read: %s", c.name, text)
		return
	}
	c.mu.Lock()
	ch := c.ack(id)
	twice := isClosed(ch)
	if !twice {
		close(ch)
	}
	c.mu.Unlock()
	if twice {
		c.run.w.violation("%s: event %d was answered twice", c.name, id)
	}
}

func isClosed(ch chan struct{}) bool {
	select {
	case <-ch:
		return true
	default:
		return false
	}
}

// settle notes what became of a broadcast, client by client.
func (r *run) settle(ctx context.Context, id string, e *emission, before, after map[*client]membership, err error) {
	for _, c := range r.clients {
		c.mu.Lock()
		socket := sessionstore.SocketID(c.socket)
		c.mu.Unlock()
		b, a := before[c], after[c]
		still := b.sure() && a.sure() && b.epoch == a.epoch
		took := socket != "" && e.took(socket)
		r.mu.Lock()
		if err == nil && took && (!e.later || still && b.in) {
			r.accepted[c][id] = true
		}
		if still && !b.in {
			c.foreign[id] = true
		}
		if err == nil && socket != "" && e.failedAt(socket) {
			c.missed = id
		}
		r.mu.Unlock()
		passed := !e.sees(socket) || !took && r.w.spared(c.name) && !r.tight
		if err == nil && still && b.in && passed && r.isOpen(ctx, c) {
			r.w.violation("%s: %s passed a member by", c.name, id)
		}
	}
}

// failedAt reports whether the packet did not reach a member whose session so has to end: unless the log says that
// nothing was delivered, because of the store.
func (e *emission) failedAt(id sessionstore.SocketID) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	err := e.failure(id)
	doubt := errors.Is(err, errDoubt) || errors.Is(err, delivery.ErrBusy)
	refused := errors.Is(err, sessionstore.ErrThrottled) && !doubt
	return err != nil && !refused && !errors.Is(err, delivery.ErrHeldUp)
}

func (e *emission) sees(id sessionstore.SocketID) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.met[id]
}

// memberships is what is known of all clients' places.
func (r *run) memberships() map[*client]membership {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := make(map[*client]membership, len(r.clients))
	for _, c := range r.clients {
		out[c] = c.member
	}
	return out
}

func (r *run) isOpen(ctx context.Context, c *client) bool {
	s, err := r.real.Get(ctx, c.sid, time.Now())
	return err == nil && s.State == sessionstore.Open
}

// acceptedNow is what has been accepted for each client.
func (r *run) acceptedNow() map[*client]map[string]bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := make(map[*client]map[string]bool, len(r.clients))
	for _, c := range r.clients {
		out[c] = maps.Clone(r.accepted[c])
	}
	return out
}
