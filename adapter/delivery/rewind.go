package delivery

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/nonstick-io/nonstick/internal/again"
	"github.com/nonstick-io/nonstick/internal/protocol"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// A rewind is an entry of an outbox that stands for events of a room's history. They are read from there when they are
// sent, some at a time, and never come into the outbox. The place of an event in its entry is its number less that
// before the first: so the offset of connection state recovery says it, and so do the numbers of a carrier that polls.

// errEventsGone says that events of a rewind are not there any more: the client came for them too late.
var errEventsGone = errors.New("delivery: the history is not kept so long")

// rewindAhead is how many bytes of a rewind wait at most in the buffer of a carrier that polls.
const rewindAhead = 1 << 20

// pastEvent is an event of a rewind.
type pastEvent struct {
	id     sessionstore.PacketID
	at     int      // its place: how many a client has that has it
	frames []string // as its client gets them; nil if it is not for that
}

// past walks the events of a rewind, the entry of an outbox with a number, of which the client has so many.
func (d *Delivery) past(
	ctx context.Context, outbox sessionstore.SessionID, number int, r *sessionstore.Rewind, has int,
) iter.Seq2[pastEvent, error] {
	return func(yield func(pastEvent, error) bool) {
		told := false
		in := &roomsOf{d: d}
		in.socket = sessionstore.Socket{ID: r.Socket, Session: outbox, Namespace: r.Namespace, Rooms: 1}
		from := r.From + min(has, r.Len())
		for e, err := range d.store.Events(ctx, r.Namespace, r.Room, from, r.To) {
			p := pastEvent{id: e.ID, at: e.Number - r.From}
			meant := false
			if err == nil {
				meant, err = in.meant(ctx, &e)
			}
			if meant && isBinary(e.Frames[0]) != r.Binary {
				d.tellOfParser(ctx, r, &told)
				meant = false
			}
			if errors.Is(err, sessionstore.ErrNotFound) {
				err = fmt.Errorf("%w: %w", errEventsGone, err)
			}
			if meant {
				p.frames = slices.Clone(e.Frames)
				p.frames[0] = stamp(p.frames[0], protocol.Offset{Entry: number, Packets: p.at}.Encode(outbox))
			}
			if !yield(p, err) || err != nil {
				return
			}
		}
	}
}

// tellOfParser tells once of events that were emitted when clients had another parser.
func (d *Delivery) tellOfParser(ctx context.Context, r *sessionstore.Rewind, told *bool) {
	if log := d.closing.Logger; log != nil && !*told {
		log.WarnContext(
			ctx, "events of a history are of another parser and are passed over", "nsp", string(r.Namespace),
			"room", string(r.Room),
		)
	}
	*told = true
}

// roomsOf are the rooms of the socket that gets a rewind, as far as they have been asked for.
type roomsOf struct {
	d      *Delivery
	socket sessionstore.Socket
	known  map[sessionstore.Room]bool
}

// meant reports whether an event is for the socket: by its id, and by the rooms that it is in now.
func (r *roomsOf) meant(ctx context.Context, e *sessionstore.Event) (bool, error) {
	if slices.Contains(e.Not, r.socket.ID) {
		return false, nil
	}
	for _, room := range e.Except {
		if in, err := r.in(ctx, room); in || err != nil {
			return false, err
		}
	}
	for _, room := range e.And {
		if in, err := r.in(ctx, room); !in || err != nil {
			return false, err
		}
	}
	return len(e.Frames) > 0, nil
}

func (r *roomsOf) in(ctx context.Context, room sessionstore.Room) (bool, error) {
	if string(room) == string(r.socket.ID) {
		return true, nil
	}
	if in, ok := r.known[room]; ok {
		return in, nil
	}
	in, err := r.d.store.InRoom(ctx, r.socket, room)
	if err != nil {
		return false, fmt.Errorf("rewind: %w", err)
	}
	if r.known == nil {
		r.known = make(map[sessionstore.Room]bool)
	}
	r.known[room] = in
	return in, nil
}

// rewind pushes the events of a rewind, in order.
func (f *outboxPusher) rewind(ctx context.Context, number int, r *sessionstore.Rewind) error {
	has := 0
	if f.has.Entry == number {
		has = f.has.Packets
	}
	for e, err := range f.d.past(ctx, f.id, number, r, has) {
		if err != nil {
			return err
		}
		if e.frames == nil {
			continue
		}
		err := f.one(ctx, f.d, e.id, e.frames)
		if errors.Is(err, ErrNotSerial) {
			f.passOver(ctx, 0, err)
		} else if err != nil {
			return err
		}
	}
	return nil
}

// lacks reports whether a rewind has events for a client that has so many of it. Where it has none, the client may have
// got what is behind.
func (d *Delivery) lacks(
	ctx context.Context, outbox sessionstore.SessionID, number int, r *sessionstore.Rewind, has int,
) (bool, error) {
	for e, err := range d.past(ctx, outbox, number, r, has) {
		if err != nil || e.frames != nil {
			return err == nil, err
		}
	}
	return false, nil
}

// endRewind closes an outbox that has a rewind of which events are gone: its client is told that it is new.
func (d *Delivery) endRewind(ctx context.Context, s *sessionstore.Session, cause error) error {
	return d.close(context.WithoutCancel(ctx), s.ID, ReasonTransportError, s.Conn, cause.Error())
}

// numberRewind brings events of a rewind, the entry of an outbox with a number, to the buffer of a carrier that polls,
// as long as that has room for more; the client's GETs bring the rest. Then it brings what is behind it.
func (d *Delivery) numberRewind(
	ctx context.Context, s sessionstore.Session, number int, r *sessionstore.Rewind,
) error {
	var err error
	for tries := again.Times(storeTries); tries.Next(ctx); {
		var c sessionstore.Session
		c, err = d.store.Get(ctx, s.Carrier, time.Now())
		if errors.Is(err, sessionstore.ErrNotFound) || err == nil && c.State != sessionstore.Open {
			return nil // the next carrier gets it
		}
		if err != nil {
			continue
		}
		got, has := c.Numbers[s.ID]
		part := c.Numbers[s.ID.Part()]
		ahead, room := waitingBytes(&c), min(rewindAhead, d.limits.Buffer.Bytes/4)
		switch {
		case !has && s.Moves > 0:
			return nil // the caller that recovers the outbox brings it
		case got < number-1:
			return d.number(ctx, s, got)
		case has && got >= number:
			if got < s.Seq() {
				return d.number(ctx, s, got)
			}
			return nil
		case c.Transport == sessionstore.WebSocket && (c.Serial || !c.Hold.Held()):
			return d.follow(ctx, s, c, NewHold())
		case part > 0 && 4*ahead > 3*room:
			return nil // the client's next GET brings more
		}
		var waits bool
		waits, err = d.bringPiece(ctx, &s, number, r, part, max(room-ahead, 0))
		switch {
		case errors.Is(err, errEventsGone):
			return d.endRewind(ctx, &s, err)
		case errors.Is(err, ErrBufferFull):
			return d.closeCarrier(ctx, s, ReasonBufferFull, "")
		case waits:
			return nil
		case err == nil:
			tries = again.Times(storeTries)
		}
	}
	return d.closeCarrier(context.WithoutCancel(ctx), s, ReasonTransportError, "rewind: "+fmt.Sprint(err))
}

// bringPiece brings about so many bytes of a rewind to a carrier that has a part of it; with the last events also what
// is behind. Where there is no room for that, the carrier has all of the rewind and not the rest, and the client's GETs
// bring that, too. It waits if nothing can be brought before one.
func (d *Delivery) bringPiece(
	ctx context.Context, s *sessionstore.Session, number int, r *sessionstore.Rewind, part, bytes int,
) (waits bool, err error) {
	packets, upTo, all, err := d.piece(ctx, s.ID, number, r, part, bytes)
	if err != nil {
		return false, err
	}
	n := sessionstore.Number{
		Outbox: s.ID, From: number - 1, To: number - 1, First: number == 1, PartFrom: part, PartTo: upTo,
	}
	if all {
		behind, _, err := d.numbered(ctx, s, number)
		if err != nil {
			return false, err
		}
		whole := n
		whole.To, whole.PartTo = number+len(behind), 0
		rest := packets
		for _, p := range behind {
			rest = join(slices.Clone(rest), p.ID, p.Frames)
		}
		if full, err := d.bring(ctx, s, rest, whole); !full {
			return false, err
		}
		if n.PartTo = r.Len(); n.PartTo == part {
			return true, nil
		}
	}
	full, err := d.bring(ctx, s, packets, n)
	switch {
	case full && part == 0:
		return false, ErrBufferFull
	default:
		return full, err
	}
}

// bring appends to the buffer of a carrier by number, and reports whether that has no room.
func (d *Delivery) bring(
	ctx context.Context, s *sessionstore.Session, packets []sessionstore.Packet, n sessionstore.Number,
) (full bool, err error) {
	limits := d.limits.Buffer
	limits.Number = n
	err = d.store.Deliver(ctx, s.Carrier, packets, limits)
	cur, refused := sessionstore.Current(err)
	return refused && cur.State == sessionstore.Open && n.Meets(&cur) && limits.Exceeded(&cur, packets), err
}

// waitingBytes is how much waits in a buffer for a GET.
func waitingBytes(s *sessionstore.Session) int {
	n := 0
	for _, p := range s.Pending() {
		n += p.Bytes()
	}
	return n
}

// piece returns the next events of a rewind, about so many bytes, as entries of a buffer; how many a carrier has that
// has them, and whether that is all.
func (d *Delivery) piece(
	ctx context.Context, outbox sessionstore.SessionID, number int, r *sessionstore.Rewind, has, bytes int,
) (packets []sessionstore.Packet, part int, all bool, err error) {
	part = has
	for e, err := range d.past(ctx, outbox, number, r, has) {
		if err != nil {
			return nil, 0, false, err
		}
		p := sessionstore.Packet{ID: e.id, Frames: e.frames}
		if part > has && p.Bytes() > bytes {
			return packets, part, false, nil
		}
		more := join(packets, e.id, e.frames)
		if part > has && len(more) > max(d.limits.Buffer.Packets/4, 1) {
			return packets, part, false, nil
		}
		bytes -= p.Bytes()
		packets, part = more, e.at
	}
	return packets, part, true, nil
}

// More brings more of the rewinds that a session, which polls and has fetched all that waited for it, has begun to get.
func (d *Delivery) More(ctx context.Context, carrier *sessionstore.Session) error {
	for _, outbox := range carrier.RewindsLeft() {
		if !slices.ContainsFunc(carrier.Sockets, func(k sessionstore.Socket) bool { return k.Outbox == outbox }) {
			continue
		}
		s, err := d.store.Get(ctx, outbox, time.Now())
		if errors.Is(err, sessionstore.ErrNotFound) {
			continue
		}
		if err != nil {
			return fmt.Errorf("rewind: %w", err)
		}
		if s.State != sessionstore.Open || s.Carrier != carrier.ID {
			continue
		}
		if err := d.tend(ctx, s, carrier); err != nil {
			return err
		}
	}
	return nil
}
