package dynamostore

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/nonstick-io/nonstick/sessionstore"
)

const (
	// maxInlinePacket is the most bytes of a packet within the session's item.
	maxInlinePacket = 1 << 10
	// maxInline is the most bytes of all packets within the item: each write of the session is billed by its size.
	maxInline = 8 << 10
)

// entry is a packet as the buffer holds it: the packet itself, or a reference to its body.
func entry(p sessionstore.Packet, inline bool) types.AttributeValue {
	m := item{attrID: str(p.ID)}
	if inline {
		m[attrFrames] = frames(p.Frames)
	} else {
		m[attrSize] = num(p.Size)
	}
	return &types.AttributeValueMemberM{Value: m}
}

// bufferOf reads a session's buffer; packets that are stored apart have no frames.
func bufferOf(it item) []sessionstore.Packet {
	entries := elements(it, attrBuffer)
	if len(entries) == 0 {
		return nil
	}
	packets := make([]sessionstore.Packet, len(entries))
	for i, e := range entries {
		m, ok := e.(*types.AttributeValueMemberM)
		if !ok {
			continue
		}
		p := sessionstore.Packet{ID: sessionstore.PacketID(text(m.Value, attrID)), Frames: framesOf(m.Value[attrFrames])}
		if p.Frames == nil {
			p.Size = int(number(m.Value, attrSize))
		} else {
			p.Size = size(p.Frames)
		}
		packets[i] = p
	}
	return packets
}

// sizes returns how many bytes packets as read from the store have, and how many of them are within the item.
func sizes(packets []sessionstore.Packet) (all, inline int) {
	for _, p := range packets {
		all += p.Bytes()
		if p.Frames != nil && p.Bytes() <= maxInlinePacket {
			inline += p.Bytes()
		}
	}
	return all, inline
}

// delivery is the packets of one Deliver or Enqueue, each to be put within the item or apart.
type delivery struct {
	op          sessionstore.Op
	hold        sessionstore.Lease // of an Enqueue
	id          sessionstore.SessionID
	packets     []sessionstore.Packet
	inline      []bool
	all, within int // bytes
}

// newDelivery puts small packets within the item, as long as an empty one would take them, or none.
func newDelivery(id sessionstore.SessionID, packets []sessionstore.Packet, apart bool) delivery {
	d := delivery{id: id, packets: make([]sessionstore.Packet, len(packets)), inline: make([]bool, len(packets))}
	for i, p := range packets {
		p.Frames = valid(p.Frames)
		p.Size = size(p.Frames)
		d.packets[i] = p
		d.all += p.Size
		if d.inline[i] = !apart && p.Size <= maxInlinePacket && d.within+p.Size <= maxInline; d.inline[i] {
			d.within += p.Size
		}
	}
	return d
}

func (d delivery) bodies() []body {
	var b []body
	for i, p := range d.packets {
		if !d.inline[i] {
			b = append(b, body{packetBody(d.id, p.ID), p.Frames})
		}
	}
	return b
}

// change is the append of a Deliver. It is refused also if the item has no room for what is to be within it.
func (d delivery) change(limits sessionstore.BufferLimits) change {
	entries := make([]types.AttributeValue, len(d.packets))
	for i, p := range d.packets {
		entries[i] = entry(p, d.inline[i])
	}
	values := item{
		":open": valueOpen, ":new": list(entries...), ":none": list(), ":zero": num(0),
		":all": num(d.all), ":within": num(d.within),
	}
	condition := isOpen + " AND " + atMost("size(#"+attrBuffer+")", attrBuffer, ":count", limits.Packets-len(d.packets), values) +
		" AND " + atMost("#"+attrBufferSize, attrBufferSize, ":bytes", limits.Bytes-d.all, values)
	if d.within > 0 {
		condition += " AND " + atMost("#"+attrInlineSize, attrInlineSize, ":room", maxInline-d.within, values)
	}
	plus := func(name, value string) string {
		return "#" + name + " = if_not_exists(#" + name + ", :zero) + " + value
	}
	c := change{
		update: "SET #" + attrBuffer + " = list_append(if_not_exists(#" + attrBuffer + ", :none), :new), " +
			plus(attrBufferSize, ":all") + ", " + plus(attrInlineSize, ":within"),
		condition: condition, values: values,
	}
	if d.hold.Owner == "" {
		values[":polling"] = str(sessionstore.Polling)
		c.condition += " AND (#" + attrTransport + " = :polling OR attribute_exists(#" + attrHold + "))"
		return c
	}
	values[":websocket"] = str(sessionstore.WebSocket)
	values[":owner"], values[":until"] = str(d.hold.Owner), millis(d.hold.Until)
	c.condition += " AND #" + attrTransport + " = :websocket AND attribute_exists(#" + attrSerial + ")"
	c.update += ", #" + attrHold + " = if_not_exists(#" + attrHold + ", :owner), #" +
		attrHoldEnds + " = if_not_exists(#" + attrHoldEnds + ", :until)"
	c.returns = types.ReturnValueAllNew
	return c
}

// atMost is the condition that a quantity is at most limit; an attribute that is not there counts as 0.
func atMost(quantity, name, placeholder string, limit int, values item) string {
	values[placeholder] = num(limit)
	if limit < 0 {
		return quantity + " <= " + placeholder
	}
	return "(attribute_not_exists(#" + name + ") OR " + quantity + " <= " + placeholder + ")"
}

// deliver writes the bodies and then the append.
func (s *Store) deliver(ctx context.Context, d delivery, limits sessionstore.BufferLimits) (item, error) {
	if len(d.packets) <= limits.Packets && d.all <= limits.Bytes { // else it will be refused
		if err := s.putBodies(ctx, d.op, d.bodies()); err != nil {
			return nil, fmt.Errorf("put bodies: %w", err)
		}
	}
	return s.move(ctx, d.op, d.id, d.change(limits))
}

// append is a Deliver, or an Enqueue if there is a hold to take. A refusal for want of room within the item alone
// takes a second write and one for each packet, which are then stored apart.
func (s *Store) append(ctx context.Context, op sessionstore.Op, id sessionstore.SessionID, packets []sessionstore.Packet,
	limits sessionstore.BufferLimits, hold sessionstore.Lease,
) (item, error) {
	if err := s.begin(ctx, op); err != nil {
		return nil, fmt.Errorf("%s: session: %w", op, err)
	}
	d := newDelivery(id, packets, false)
	d.op, d.hold = op, hold
	it, err := s.deliver(ctx, d, limits)
	if r := refused(err); r != nil && d.takes(r.found, packets, limits) {
		d = newDelivery(id, packets, true)
		d.op, d.hold = op, hold
		it, err = s.deliver(ctx, d, limits)
	}
	if err != nil {
		return nil, transitionError(op, id, err)
	}
	return it, nil
}

// Deliver implements [sessionstore.Buffers].
func (s *Store) Deliver(ctx context.Context, id sessionstore.SessionID, packets []sessionstore.Packet,
	limits sessionstore.BufferLimits,
) error {
	_, err := s.append(ctx, sessionstore.OpDeliver, id, packets, limits, sessionstore.Lease{})
	return err
}

// Enqueue implements [sessionstore.Flushes].
func (s *Store) Enqueue(ctx context.Context, id sessionstore.SessionID, packets []sessionstore.Packet,
	limits sessionstore.BufferLimits, hold sessionstore.Lease,
) (sessionstore.Session, error) {
	it, err := s.append(ctx, sessionstore.OpEnqueue, id, packets, limits, hold)
	if err != nil {
		return sessionstore.Session{}, err
	}
	return sessionOf(id, it), nil
}

// takes reports whether the session takes the packets by what the contract says.
func (d delivery) takes(it item, packets []sessionstore.Packet, limits sessionstore.BufferLimits) bool {
	if it == nil {
		return false
	}
	v := sessionOf(d.id, it)
	buffered := v.Transport == sessionstore.Polling || v.Hold.Held()
	if d.hold.Owner != "" {
		buffered = v.Transport == sessionstore.WebSocket && v.Serial
	}
	return v.State == sessionstore.Open && buffered && !limits.Exceeded(&v, packets)
}

// Bodies implements [sessionstore.Buffers]. It reads 100 parts a call.
func (s *Store) Bodies(ctx context.Context, id sessionstore.SessionID, packets []sessionstore.Packet) ([]sessionstore.Packet, error) {
	const op = sessionstore.OpBodies
	if err := s.begin(ctx, op); err != nil {
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
