package dynamostore

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/nonstick-io/nonstick/sessionstore"
)

// delivery is the packets of one Deliver or Enqueue, as they are to be appended.
type delivery struct {
	op      sessionstore.Op
	hold    sessionstore.Lease // of an Enqueue
	id      sessionstore.SessionID
	limits  sessionstore.BufferLimits
	packets []sessionstore.Packet
	entries []entry
	bytes   int
	apart   []types.WriteRequest // of bodies and pages
}

// newDelivery puts small packets within the list and large ones apart; and into pages what is too much for the list
// of an item.
func newDelivery(
	op sessionstore.Op, id sessionstore.SessionID, packets []sessionstore.Packet,
	limits sessionstore.BufferLimits,
) *delivery {
	d := &delivery{op: op, id: id, limits: limits, packets: slices.Clone(packets)}
	entries := make([]entry, len(packets))
	for i := range d.packets {
		p := &d.packets[i]
		p.Frames = valid(p.Frames)
		p.Size = size(p.Frames)
		d.bytes += p.Size
		entries[i] = packetEntry(*p, true)
		if entries[i].weight() > maxEntry {
			entries[i] = packetEntry(*p, false)
			d.apart = append(d.apart, body{packetBody(id, p.ID), p.Frames}.puts()...)
		}
	}
	left, pages := pack(entries)
	for i := range pages {
		d.apart = append(d.apart, pages[i].put(id))
	}
	d.entries = left
	return d
}

// change is the write that appends the packets. What it does with the list, and when, is for the caller to add.
func (d *delivery) change() (*clauses, string) {
	u := &clauses{values: item{":open": valueOpen, ":zero": num(0)}}
	condition := isOpen + " AND " + atMost(attrPackets, ":count", d.limits.Packets-len(d.packets), u.values) +
		" AND " + atMost(attrBufferSize, ":bytes", d.limits.Bytes-d.bytes, u.values)
	u.add(attrPackets, len(d.packets))
	u.add(attrBufferSize, d.bytes)
	condition += bring(u, &d.limits.Number)
	if d.hold.Owner == "" {
		return u, condition + " AND " + d.delivers(u.values)
	}
	u.values[":owner"], u.values[":until"] = str(d.hold.Owner), millis(d.hold.Until)
	u.assign(attrHold, "if_not_exists(#"+attrHold+",:owner)")
	u.assign(attrHoldEnds, "if_not_exists(#"+attrHoldEnds+",:until)")
	return u, condition + " AND " + d.enqueues(u.values)
}

// delivers is the condition of a Deliver on where the session is. An outbox is nowhere of that.
func (d *delivery) delivers(values item) string {
	values[":polling"] = valuePolling
	if !d.limits.IfTaken.IsZero() { // a held session on WebSocket would not take it
		values[":now"] = millis(d.limits.IfTaken)
		return "#" + attrTransport + " = :polling AND #" + attrPollEnds + " > :now AND " + holds(0, values)
	}
	values[":websocket"] = valueWebSocket
	held := "#" + attrTransport + " = :websocket AND attribute_exists(#" + attrHold + ")"
	if d.limits.Number.Outbox != "" { // then the hold must be that of an upgrade
		held += " AND attribute_not_exists(#" + attrSerial + ")"
	}
	return "(#" + attrTransport + " = :polling OR " + held + ")"
}

// enqueues is the condition of an Enqueue on where the session is.
func (d *delivery) enqueues(values item) string {
	values[":websocket"], values[":outbox"] = valueWebSocket, valueOutbox
	serial := "#" + attrTransport + " = :websocket AND attribute_exists(#" + attrSerial + ")"
	taken := ""
	if !d.limits.IfTaken.IsZero() {
		serial += " AND " + holds(0, values)
		taken = "attribute_not_exists(#" + attrHold + ") AND "
	}
	return taken + "(#" + attrTransport + " = :outbox OR " + serial + ")"
}

// append puts the packets behind whatever is in the list, if that has room.
func (s *Store) append(ctx context.Context, d *delivery) (item, error) {
	u, condition := d.change()
	weight := weightOf(d.entries)
	condition += " AND " + atMost(attrBufferWeight, ":room", maxWeight-weight, u.values)
	u.values[":new"], u.values[":none"] = values(d.entries), list()
	u.assign(attrBuffer, "list_append(if_not_exists(#"+attrBuffer+",:none),:new)")
	u.add(attrBufferWeight, weight)
	return s.buffer(ctx, d, u, condition)
}

// appendTurned turns the list of a session as it was found into one with a new page, and puts the packets behind
// that. It is refused if anything has changed the list. If its last entry is where it was, and still the last, then
// nothing was appended, turned or removed; but of the first page a part may have been acknowledged, which the number
// of packets tells.
func (s *Store) appendTurned(ctx context.Context, d *delivery, found item) (item, error) {
	was := entriesOf(found)
	now, p := turn(was, weightOf(d.entries))
	if err := s.putApart(ctx, d.op, []types.WriteRequest{p.put(d.id)}); err != nil {
		return nil, fmt.Errorf("put page: %w", err)
	}
	u, condition := d.change()
	u.values[":was"], u.values[":length"], u.values[":last"] = num(
		packetsIn(was),
	), num(
		len(was),
	), str(
		was[len(was)-1].id,
	)
	condition += " AND #" + attrPackets + " = :was AND size(#" + attrBuffer + ") = :length AND " + at(
		len(was)-1,
	) + " = :last"
	now = append(now, d.entries...)
	u.put(attrBuffer, values(now))
	u.put(attrBufferWeight, num(weightOf(now)))
	u.remove(attrFirstFrom)
	u.remove(attrFirstSize)
	return s.buffer(ctx, d, u, condition)
}

// at is the path of the id of an entry of the list.
func at(i int) string { return "#" + attrBuffer + "[" + strconv.Itoa(i) + "].#" + attrID }

func (s *Store) buffer(ctx context.Context, d *delivery, u *clauses, condition string) (item, error) {
	c := change{update: u.String(), condition: condition, values: u.values, names: u.names}
	if d.hold.Owner != "" {
		c.returns = types.ReturnValueAllNew
	}
	return s.move(ctx, d.op, d.id, c)
}

// atMost is the condition that a number is at most limit; one that is not there counts as 0.
func atMost(name, placeholder string, limit int, values item) string {
	values[placeholder] = num(limit)
	if limit < 0 {
		return "#" + name + " <= " + placeholder
	}
	return "(attribute_not_exists(#" + name + ") OR #" + name + " <= " + placeholder + ")"
}

// changes bounds the repeats of a write that was refused for a change of the list alone. Each refusal means that
// another caller's write succeeded.
const changes = 12

// changing is the error of a write that was refused so often, since other callers' writes came first.
func changing() error {
	return fmt.Errorf("%w: %d changes of the buffer at once", sessionstore.ErrThrottled, changes)
}

// deliver writes what is stored apart, then appends. A refusal for want of room within the item alone turns a page,
// which takes two writes more. If another caller turns it first, there is room again; many callers at once spread out
// by random pauses.
func (s *Store) deliver(ctx context.Context, d *delivery) (item, error) {
	if err := s.begin(ctx, d.op); err != nil {
		return nil, fmt.Errorf("%s: session: %w", d.op, err)
	}
	if len(d.packets) <= d.limits.Packets && d.bytes <= d.limits.Bytes { // else it will be refused
		if err := s.putApart(ctx, d.op, d.apart); err != nil {
			return nil, fmt.Errorf("%s: session: put bodies: %w", d.op, err)
		}
	}
	for round := range changes {
		if round > 1 && backOff(ctx, round-1) != nil {
			break
		}
		it, err := s.append(ctx, d)
		if r := refused(err); r != nil && d.takes(r.found) {
			it, err = s.appendTurned(ctx, d, r.found)
		}
		if r := refused(err); r != nil && d.takes(r.found) {
			continue
		}
		if err != nil {
			return nil, transitionError(d.op, d.id, err)
		}
		return it, nil
	}
	return nil, fmt.Errorf("%s: session: %w", d.op, changing())
}

// Deliver implements [sessionstore.Buffers].
func (s *Store) Deliver(ctx context.Context, id sessionstore.SessionID, packets []sessionstore.Packet,
	limits sessionstore.BufferLimits,
) error {
	_, err := s.deliver(ctx, newDelivery(sessionstore.OpDeliver, id, packets, limits))
	return err
}

// Enqueue implements [sessionstore.Flushes].
func (s *Store) Enqueue(ctx context.Context, id sessionstore.SessionID, packets []sessionstore.Packet,
	limits sessionstore.BufferLimits, hold sessionstore.Lease,
) (sessionstore.Session, error) {
	d := newDelivery(sessionstore.OpEnqueue, id, packets, limits)
	d.hold = hold
	it, err := s.deliver(ctx, d)
	if err != nil {
		return sessionstore.Session{}, err
	}
	return sessionOf(id, it), nil
}

// takes reports whether the session takes the packets by what the contract says.
func (d *delivery) takes(it item) bool {
	if it == nil {
		return false
	}
	v := sessionOf(d.id, it)
	onWebSocket := v.Transport == sessionstore.WebSocket
	buffered := v.Transport == sessionstore.Polling || onWebSocket && v.Hold.Held() && d.limits.Number.Bears(&v)
	if d.hold.Owner != "" {
		buffered = v.Transport == sessionstore.Outbox || onWebSocket && v.Serial
	}
	return v.State == sessionstore.Open && buffered && !d.limits.Exceeded(&v, d.packets) && d.limits.Takes(&v) &&
		d.limits.Number.Meets(&v)
}

// Bodies implements [sessionstore.Buffers]. It reads 100 pages or parts of bodies a call, pages of a higher level
// first.
func (s *Store) Bodies(
	ctx context.Context, id sessionstore.SessionID, packets []sessionstore.Packet,
) ([]sessionstore.Packet, error) {
	const op = sessionstore.OpBodies
	if err := s.begin(ctx, op); err != nil {
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	packets, err := s.unfold(ctx, op, id, packets)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	var refs []bodyRef
	for _, p := range packets {
		if p.Frames == nil {
			refs = append(refs, bodyRef{packetBody(id, p.ID), p.Size})
		}
	}
	if len(refs) == 0 {
		return packets, nil
	}
	bodies, err := s.bodies(ctx, op, refs)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	whole := make([]sessionstore.Packet, len(packets))
	for i, p := range packets {
		if p.Frames == nil {
			p.Frames = bodies[packetBody(id, p.ID)]
		}
		whole[i] = p
	}
	return whole, nil
}
