package adapter

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/internal/socketio"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// fanOut is how many members of a broadcast are delivered to at a time.
const fanOut = 64

// Store is what an [Adapter] needs of a store.
type Store interface {
	delivery.Store
	sessionstore.Registry
	sessionstore.Sockets
	sessionstore.Rooms
	sessionstore.Children
	Shards() int
}

// Options refine [New]. Zero fields mean the defaults.
type Options struct {
	// Fanout takes broadcasts to more than Large sockets; default none: the caller delivers to all of them.
	Fanout Fanout
	// Large is the most sockets that a broadcast reaches without Fanout; default [DefaultLarge].
	Large int
	// Parser is that of the clients; default [socketio.JSON].
	Parser socketio.Parser
	// Observe, unless nil, is told what became of each broadcast, or of each part of one that came out of the queue.
	Observe func(Result)
	// Histories says that servers keep histories, and that an event may be the first that its room ever gets: then what
	// they keep of a namespace is read, once a minute. Without it an emitter keeps what it emits to rooms that a server
	// has emitted to, or let a socket join with history: it meets that where it reads the members.
	Histories bool
	// Keeper, unless nil, says of which rooms events are kept, in place of Histories.
	Keeper Keeper
	// Logger gets what went wrong and is no error; default none.
	Logger *slog.Logger
}

// DefaultLarge is how many sockets a small Lambda function pushes to within a second or two.
const DefaultLarge = 500

func (o Options) withDefaults() Options {
	if o.Large == 0 {
		o.Large = DefaultLarge
	}
	if o.Parser == nil {
		o.Parser = socketio.JSON
	}
	if o.Observe == nil {
		o.Observe = func(Result) {}
	}
	if o.Keeper == nil {
		o.Keeper = func(context.Context, sessionstore.Namespace) (*sessionstore.Keeping, error) { return nil, nil }
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// Adapter delivers to rooms and namespaces.
type Adapter struct {
	store    Store
	delivery *delivery.Delivery
	fanout   Fanout
	large    int
	parser   socketio.Parser
	observe  func(Result)
	keeper   Keeper
	marks    *marks // of all copies
	log      *slog.Logger
	order    *order   // nil unless it is that of InOrder
	caller   *Caller  // nil unless it is that of By
	leavers  *leavers // of all copies
}

// New returns an Adapter that delivers by d.
func New(store Store, d *delivery.Delivery, o Options) *Adapter {
	if o.Histories && o.Keeper == nil {
		o.Keeper = (&keepings{store: store}).keeping
	}
	o = o.withDefaults()
	return &Adapter{
		store: store, delivery: d, fanout: o.Fanout, large: o.Large, parser: o.Parser, observe: o.Observe,
		log: o.Logger, leavers: &leavers{}, keeper: o.Keeper, marks: &marks{},
	}
}

// Delivery returns what brings packets to single sessions.
func (a *Adapter) Delivery() *delivery.Delivery { return a.delivery }

// Result is what became of a broadcast.
type Result struct {
	// Delivered counts the members that the packet was delivered to, Gone those that had left without a word;
	// their rows have been removed.
	Delivered, Gone int
	// Failed counts the members that it could not be delivered to. Most of them did not read: their sessions have been
	// closed, or are being closed. The others are those for which the store takes nothing at the moment
	// ([delivery.ErrHeldUp], sessionstore.ErrThrottled): they go on without the packet, which is what the log says.
	Failed int
	// Dropped counts the members that a volatile packet was not delivered to, because their clients could not take it
	// at that moment. A caller's own client takes it later, and is counted as one that it was delivered to.
	Dropped int
	// Queued says that the broadcast was handed to the [Fanout], which delivers it; the numbers do not count that.
	Queued bool
}

// Broadcast delivers one packet to all members selected and returns when all have been tried, so that the broadcasts of
// one caller arrive in order. A member that fails does not stop the others and is no error: it is counted and logged.
// One that does not read is waited for half a second, or up to a second and a half while such members get on, and a
// push for two seconds, beside all others; then its session is closed. Where that takes longer than half a second,
// [delivery.Closing.Later] sees to it. The error says that the members could not be read, or that the packet is none
// for them ([delivery.ErrNotSerial], or [delivery.ErrPacketTooLarge] for sockets that are recovered).
//
// With a [Fanout], a broadcast to more sockets than Options.Large is queued, and Broadcast returns once it is. Those
// that are queued arrive in order too, whatever they select within a namespace. But what goes out at once, to few
// sockets, may arrive before what was queued earlier (docs/adr/0010), unless the two come from one Adapter of
// [Adapter.InOrder].
//
// Where a room keeps its history, the event comes into that first; after an error of that it has gone to no member.
//
// To the children of a parent it goes child by child, several at a time; each takes the reads of a broadcast to it. One
// of which no socket was met for over an hour is forgotten.
func (a *Adapter) Broadcast(
	ctx context.Context, sel Selection, p *Packet,
) (Result, error) {
	if err := a.delivery.Check(p.frames); err != nil {
		return Result{}, err
	}
	if sel.Parent != "" {
		return a.toChildren(ctx, sel, p)
	}
	return a.recorded(ctx, sel, p)
}

// broadcast is Broadcast of a packet that is recorded where it has to be, as far as that is known. The error is a
// [sessionstore.MarkedError] if a room has a mark that the packet heeds; then it has gone to no member.
func (a *Adapter) broadcast(ctx context.Context, sel Selection, p *Packet) (Result, error) {
	members, room := a.membersOf(ctx, sel, sessionstore.Range{}, p)
	if a.fanout == nil {
		return a.toAll(ctx, sel.Namespace, members, room, p)
	}
	few, large, err := a.few(members)
	if !large && (err != nil || len(few) == 0 || !a.order.has(sel.Namespace)) {
		return a.toAll(ctx, sel.Namespace, listed(few, err), room, p)
	}
	if r, queued, err := a.enqueue(ctx, sel, p, few); queued {
		return r, err
	}
	return a.toAll(ctx, sel.Namespace, members, room, p)
}

// enqueue hands a broadcast to the queue: to the ranges of those members that are known, or to all. It is not queued if
// it is too large for that.
func (a *Adapter) enqueue(
	ctx context.Context, sel Selection, p *Packet, known []sessionstore.Member,
) (r Result, queued bool, err error) {
	parts, ok := a.split(sel, p, known)
	if !ok {
		return Result{}, false, nil
	}
	a.order.add(sel.Namespace)
	r, err = a.queue(ctx, sel, p, parts)
	return r, true, err
}

// toAll delivers a packet to members of a namespace. The room is the one whose rows they come from, if it is a single
// one.
func (a *Adapter) toAll(
	ctx context.Context, nsp sessionstore.Namespace, all members, room sessionstore.Room, p *Packet,
) (Result, error) {
	return a.toEach(ctx, newFan(a, nsp, room, p), all)
}

// toEach delivers to members.
func (a *Adapter) toEach(ctx context.Context, f *fan, all members) (Result, error) {
	var readErr error
	for m, err := range all {
		if errors.As(err, new(*sessionstore.MarkedError)) {
			return Result{}, err
		}
		if err != nil {
			readErr = fmt.Errorf("broadcast: %w", err)
			break
		}
		past, open := f.packet.past(&m)
		switch way := a.way(m); {
		case a.leavers.has(m.Socket):
		case past:
			f.delivered()
		case way != nil:
			f.collect(ctx, way, m, open)
		default:
			f.start(ctx, m)
		}
	}
	result, err := f.end(ctx)
	return result, errors.Join(err, readErr)
}

// tidyTime bounds what a broadcast does for the next one: it is no reason to hold up the sender.
const tidyTime = 500 * time.Millisecond

// reap removes the row of a member that is gone. One that stays costs the next broadcast a push, or goes with the end
// of its session.
func (a *Adapter) reap(
	ctx context.Context, nsp sessionstore.Namespace, room sessionstore.Room, m sessionstore.Member,
) error {
	ctx, cancel := context.WithTimeout(ctx, tidyTime)
	defer cancel()
	if err := a.store.Reap(ctx, nsp, room, m.Socket); err != nil {
		return fmt.Errorf("row of a member that is gone not removed: %w", err)
	}
	return nil
}

// repair writes the true hint into the row that was found stale. A repair that fails costs a call at the
// next broadcast, no more, so it is only logged.
func (a *Adapter) repair(
	ctx context.Context, nsp sessionstore.Namespace, room sessionstore.Room, m sessionstore.Member,
	truth sessionstore.Connection,
) {
	m.Hint = truth
	ctx, cancel := context.WithTimeout(ctx, tidyTime)
	defer cancel()
	if err := a.store.RepairHint(ctx, nsp, room, m); err != nil {
		a.log.WarnContext(ctx, "hint not repaired", "nsp", string(nsp), "socket", string(m.Socket), "error", err)
	}
}
