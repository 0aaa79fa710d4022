package simulation

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/nonstick-io/nonstick/adapter"
	"github.com/nonstick-io/nonstick/adapter/emitter"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// The times of the template's queue of parts and of its function.
const (
	partsHidden = 40 * time.Second
	partsLife   = 30 * time.Second
)

// parts is the queue of the parts of large broadcasts, and the function that delivers them. A room of two is large.
type parts struct {
	r        *run
	queue    *fifo[string]
	emitters []*emitter.Emitter

	mu         sync.Mutex
	broadcasts map[sessionstore.PacketID]*broadcast
	queued     map[string]*broadcast // those that were queued whole, by what their clients get
	order      []*broadcast          // the same
	finished   map[string]bool       // keys of parts
	owners     map[string]string     // of claims, where a mutant tells lies of them
}

// broadcast is one that may be large.
type broadcast struct {
	id      string
	emitter string
	*emission
	before  map[*client]membership
	earlier []*broadcast // those that were queued before it began
	sent    []string     // keys of its parts
	queued  bool         // all of them
	settled bool
}

func newParts(r *run) *parts {
	p := &parts{
		r: r, queue: newFIFO[string](r.w, "parts", partsHidden, partsLife, 1),
		broadcasts: map[sessionstore.PacketID]*broadcast{}, queued: map[string]*broadcast{},
		finished: map[string]bool{}, owners: map[string]string{},
	}
	p.queue.mutants = fifoMutants{
		ungrouped: r.mutant == "parts-without-group", failedIsOut: r.mutant == "unfinished-is-deleted",
	}
	return p
}

// options are those of an adapter that broadcasts through the queue.
func (p *parts) options() adapter.Options {
	o := adapter.Options{Logger: slog.New(failures{})}
	if p != nil {
		o.Fanout, o.Large = p, 1
	}
	return o
}

// serve has an instance deliver parts.
func (p *parts) serve(st sessionstore.Store) {
	p.emitters = append(p.emitters, emitter.New(st, p.r.net, emitter.Options{Options: p.options()}))
}

var _ adapter.Fanout = (*parts)(nil)

// Send puts a part into the queue.
func (p *parts) Send(ctx context.Context, m adapter.FanoutMessage) error {
	put := func() {
		part, err := adapter.ParsePart(m.Body)
		if err != nil {
			p.r.w.violation("a part that cannot be read: %v", err)
			return
		}
		p.queue.send(m.Group, m.Key, m.Body)
		p.mu.Lock()
		defer p.mu.Unlock()
		b := p.broadcasts[part.Packet.PacketID()]
		b.sent = append(b.sent, m.Key)
	}
	switch p.r.w.at(ctx, "SendMessage "+m.Key, kindWrite) {
	case failBefore, refuse:
		return errDoubt
	case failAfter:
		put()
		return errDoubt
	case failLater:
		p.r.w.later(put)
		return errDoubt
	default:
		put()
		return nil
	}
}

// begin notes a broadcast that may become large.
func (p *parts) begin(packet sessionstore.PacketID, id, emitter string, before map[*client]membership) *broadcast {
	p.mu.Lock()
	defer p.mu.Unlock()
	b := &broadcast{id: id, emitter: emitter, emission: newEmission(true), before: before, earlier: p.order}
	p.broadcasts[packet], p.queued[id] = b, b
	return b
}

// end notes that all of its parts are in the queue.
func (p *parts) end(ctx context.Context, b *broadcast) {
	p.mu.Lock()
	b.queued = true
	p.order = append(p.order[:len(p.order):len(p.order)], b)
	p.mu.Unlock()
	p.settle(ctx, b)
}

// carry delivers a part.
func (p *parts) carry(ctx context.Context, batch []entry[string]) (again []string) {
	for _, e := range batch {
		part, err := adapter.ParsePart(e.body)
		if err != nil {
			continue
		}
		p.mu.Lock()
		b := p.broadcasts[part.Packet.PacketID()]
		p.mu.Unlock()
		_, err = p.emitters[procOf(ctx).draw(len(p.emitters))].Carry(
			context.WithValue(ctx, emissionKey{}, b.emission), part,
		)
		p.r.w.note(fmt.Sprintf("carried %s of %s: %v", part.Key(), b.id, err))
		if errors.Is(err, adapter.ErrUnfinished) {
			again = append(again, e.id)
			continue
		}
		p.mu.Lock()
		p.finished[part.Key()] = true
		p.mu.Unlock()
		p.settle(ctx, b)
	}
	return again
}

// settle notes what became of a broadcast once all of its parts have been carried.
func (p *parts) settle(ctx context.Context, b *broadcast) {
	p.mu.Lock()
	done := b.queued && !b.settled
	for _, key := range b.sent {
		done = done && p.finished[key]
	}
	b.settled = b.settled || done
	p.mu.Unlock()
	if done {
		p.r.settle(ctx, b.id, b.emission, b.before, p.r.memberships(), nil)
	}
}

// owed lists what was queued before a packet that has come, and has to come before it: all that was, if it was queued
// too, else what is of its emitter.
func (p *parts) owed(id string) (ids []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	b := p.queued[id]
	if b == nil {
		return nil
	}
	for _, before := range b.earlier {
		if len(b.sent) > 0 || before.emitter == b.emitter {
			ids = append(ids, before.id)
		}
	}
	return ids
}

// checkDone checks that all that was queued has been carried.
func (p *parts) checkDone() {
	if n := p.queue.left(); n > 0 {
		p.r.w.violation("the queue of parts still has %d", n)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, b := range p.order {
		if !b.settled {
			p.r.w.violation("not all parts of %s were carried", b.id)
		}
	}
}

// claim is Claim with a rule of the progress of parts broken.
func (p *parts) claim(mutant, name string, from sessionstore.Owner, claim func(from sessionstore.Owner) error) error {
	p.mu.Lock()
	if truth, ok := p.owners[string(from)]; ok {
		from = sessionstore.Owner(truth)
	}
	p.mu.Unlock()
	err := claim(from)
	held, refused := sessionstore.Holder(err)
	if !refused || !strings.HasPrefix(name, "part#") {
		return err
	}
	f := strings.Split(string(held.Owner), "|")
	switch mutant {
	case "progress-is-forgotten":
		return claim(held.Owner)
	case "part-in-doubt-is-done":
		f[1] = f[2]
	case "part-in-doubt-is-undone":
		f[2] = f[1]
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	lie := strings.Join(f, "|")
	p.owners[lie] = string(held.Owner)
	return &sessionstore.HeldError{Lease: sessionstore.Lease{Owner: sessionstore.Owner(lie), Until: held.Until}}
}
