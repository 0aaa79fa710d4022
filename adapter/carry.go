package adapter

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/nonstick-io/nonstick/internal/again"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// ErrUnfinished says that not all have got a part of a broadcast: it is to be carried again.
var ErrUnfinished = errors.New("adapter: a part of a broadcast is unfinished")

const (
	// carryChunk is how many members are delivered to between two records of progress: so many clients are cut off at
	// most if their carrier dies.
	carryChunk = 128
	// carryLife is how long it is remembered how far a part has come: longer than any queue keeps its message.
	carryLife = 2 * time.Hour
	// carryReserve is what a carrier wants to have left of its time when it begins another chunk.
	carryReserve = 10 * time.Second
	// recordTries is how often a record is tried, which is safe to repeat.
	recordTries = 3
	// endOfIDs is above every socket id.
	endOfIDs = "~"
)

// errNoTime ends a carrier before its time does.
var errNoTime = errors.New("adapter: no time for more")

// carrier delivers one part. How far it has come is kept in the owner of the part's claim, so that the function that
// carries the part again goes on from there. For members of the chunk in progress the delivery is unknown, so their
// sessions end, as after any push in doubt.
type carrier struct {
	a      *Adapter
	claims sessionstore.Claims
	part   *Part
	packet *Packet
	end    sessionstore.SocketID // of the range
	token  string                // names this carrier

	at       sessionstore.SocketID // all members below have been delivered to
	recorded sessionstore.Owner    // the progress that this carrier has recorded, or took over
	result   Result
	errs     []error
}

// progress is how far a part has come: all members below from have the packet, those in the range of from and to may
// have it.
type progress struct {
	token    string
	from, to sessionstore.SocketID
}

func (p progress) owner() sessionstore.Owner {
	return sessionstore.Owner(p.token + "|" + string(p.from) + "|" + string(p.to))
}

func parseProgress(o sessionstore.Owner) (progress, bool) {
	f := strings.Split(string(o), "|")
	if len(f) != 3 {
		return progress{}, false
	}
	return progress{f[0], sessionstore.SocketID(f[1]), sessionstore.SocketID(f[2])}, true
}

// Carry delivers a part of a broadcast that came out of a [Fanout], each packet once however often the part comes. A
// call that finds no time for all of it, or dies, leaves the rest to the next: then the error matches [ErrUnfinished],
// and the part is to come again. The result counts what this call did. Other errors are those of [Adapter.Broadcast].
func (a *Adapter) Carry(ctx context.Context, claims sessionstore.Claims, p Part) (Result, error) {
	r, err := a.carry(ctx, claims, &p)
	if err != nil {
		return r, fmt.Errorf("adapter: carry out a part: %w", err)
	}
	return r, nil
}

// carry delivers a part, or what is left of it. The error matches [ErrUnfinished] if some of it is left.
func (a *Adapter) carry(ctx context.Context, claims sessionstore.Claims, p *Part) (Result, error) {
	packet := p.Packet.encoded(a.parser)
	if err := a.delivery.Check(packet.frames); err != nil {
		return Result{}, err
	}
	all := partRange(p.Range)
	c := &carrier{
		a: a, claims: claims, part: p, packet: packet, token: sessionstore.NewID(), at: all.From, end: all.To,
	}
	if c.end == "" {
		c.end = endOfIDs
	}
	err := c.walk(ctx)
	if held, ok := sessionstore.Holder(err); ok && c.recorded == "" {
		err = c.resume(ctx, held.Owner)
	}
	if err != nil {
		c.stop(ctx)
		return c.result, errors.Join(append(c.errs, fmt.Errorf("%w: %w", ErrUnfinished, err))...)
	}
	return c.result, errors.Join(c.errs...)
}

// resume goes on where another carrier has left off.
func (c *carrier) resume(ctx context.Context, owner sessionstore.Owner) error {
	before, ok := parseProgress(owner)
	if !ok {
		return fmt.Errorf("progress %q is none", owner)
	}
	if before.from == c.end {
		return nil // it was finished
	}
	c.recorded = owner
	if err := c.record(ctx, before.from, before.to); err != nil {
		return err
	}
	if !c.packet.Volatile { // which may be missed
		if err := c.settle(ctx, sessionstore.Range{From: before.from, To: before.to}); err != nil {
			return err
		}
	}
	c.at = before.to
	return c.walk(ctx)
}

// walk delivers to all members from c.at on.
func (c *carrier) walk(ctx context.Context) error {
	all, room := c.a.membersOf(ctx, c.part.Selection, sessionstore.Range{From: c.at, To: c.end}, c.packet)
	chunk := make([]sessionstore.Member, 0, carryChunk)
	for m, err := range all {
		if err != nil {
			return err
		}
		if len(chunk) == carryChunk {
			if err := c.deliver(ctx, chunk, room, m.Socket); err != nil {
				return err
			}
			chunk = chunk[:0]
		}
		chunk = append(chunk, m)
	}
	if len(chunk) > 0 {
		if err := c.deliver(ctx, chunk, room, c.end); err != nil {
			return err
		}
	}
	if c.recorded == "" {
		return nil // there was no member
	}
	if err := c.record(ctx, c.end, c.end); err != nil { // all the same, all have it: the message is not to come again
		c.a.log.WarnContext(ctx, "end of a part not recorded", "part", c.part.Key(), "error", err)
	}
	return nil
}

// deliver delivers to some members; next is where to go on.
func (c *carrier) deliver(
	ctx context.Context, chunk []sessionstore.Member, room sessionstore.Room, next sessionstore.SocketID,
) error {
	if c.recorded != "" && !hasTime(ctx) {
		return errNoTime
	}
	if err := c.record(ctx, c.at, next); err != nil {
		return err
	}
	r, err := c.a.toAll(ctx, c.part.Namespace, listed(chunk, nil), room, c.packet)
	c.add(r, err)
	c.at = next
	return nil
}

// hasTime reports whether a carrier has time for another chunk.
func hasTime(ctx context.Context) bool {
	end, ok := ctx.Deadline()
	return ctx.Err() == nil && (!ok || time.Until(end) > carryReserve)
}

func (c *carrier) add(r Result, err error) {
	c.result.Delivered += r.Delivered
	c.result.Gone += r.Gone
	c.result.Failed += r.Failed
	c.result.Dropped += r.Dropped
	if err != nil && len(c.errs) < maxErrors {
		c.errs = append(c.errs, err)
	}
}

// record writes the progress, on condition that it is this carrier that has the part.
func (c *carrier) record(ctx context.Context, from, to sessionstore.SocketID) error {
	now := time.Now()
	lease := sessionstore.Lease{Owner: progress{c.token, from, to}.owner(), Until: now.Add(carryLife)}
	var err error
	for tries := again.Times(recordTries); tries.Next(ctx); {
		err = c.claims.Claim(ctx, "part#"+c.part.Key(), lease, c.recorded, now)
		if err == nil {
			c.recorded = lease.Owner
			return nil
		}
		if errors.Is(err, sessionstore.ErrExists) {
			break
		}
	}
	return fmt.Errorf("record progress: %w", err)
}

// stop records that no member is being delivered to any more, so that the function that goes on need not cut any client
// off.
func (c *carrier) stop(ctx context.Context) {
	if mine, ok := parseProgress(c.recorded); !ok || mine.token != c.token || mine.to != c.at {
		return // it has not begun, another has it, or some are in doubt
	}
	if err := c.record(context.WithoutCancel(ctx), c.at, c.at); err != nil {
		c.a.log.WarnContext(ctx, "progress of a part not recorded", "part", c.part.Key(), "error", err)
	}
}

// settle ends the doubt about members that a carrier was delivering to when it died.
func (c *carrier) settle(ctx context.Context, doubt sessionstore.Range) error {
	var group errgroup.Group
	group.SetLimit(fanOut)
	all, _ := c.a.membersOf(ctx, c.part.Selection, doubt, c.packet)
	var t tally
	var failed error
	for m, err := range all {
		if failed = err; err != nil {
			break
		}
		past, open := c.packet.past(&m)
		group.Go(func() error {
			var err error
			if open {
				past, err = c.a.seam(ctx, c.part.Namespace, c.packet, m)
			}
			switch {
			case errors.Is(err, errLeft):
				return nil
			case err == nil && !past:
				err = c.a.delivery.Settle(ctx, m.Session, c.packet.id)
			}
			t.count(m, err)
			return nil
		})
	}
	_ = group.Wait() // t has the errors
	c.add(t.result, errors.Join(t.errs...))
	return failed
}
