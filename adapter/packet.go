package adapter

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"

	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/internal/engineio"
	"github.com/nonstick-io/nonstick/internal/ids"
	"github.com/nonstick-io/nonstick/internal/socketio"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// Packet is a Socket.IO packet on its way to sockets. What each of them gets is chosen last, in [Packet.to]; as of now
// all get one encoding, which is made once, by the parser that they have.
type Packet struct {
	socketio.Packet
	// Volatile says that a client which cannot take the packet at once does not get it, see [delivery.Target].
	Volatile bool

	id     sessionstore.PacketID
	frames []string              // its encoding, which all sockets share
	entry  []sessionstore.Packet // the same as an entry of a buffer

	history []logged // its places in the histories of the rooms that it goes to; nil if none keeps it
	heeds   bool     // a walk of a room where it has no place ends at a mark
}

// NewPacket returns a packet with an id of its own, for clients that have a parser. A packet that has attachments
// becomes one of the binary types.
func NewPacket(ctx context.Context, parser socketio.Parser, p socketio.Packet) *Packet {
	return newPacket(sessionstore.PacketID(ids.New(ctx)), parser, p)
}

// NewPacket is the function [NewPacket] for the clients of the adapter.
func (a *Adapter) NewPacket(ctx context.Context, p socketio.Packet) *Packet {
	return NewPacket(ctx, a.parser, p)
}

func newPacket(id sessionstore.PacketID, parser socketio.Parser, p socketio.Packet) *Packet {
	if len(p.Attachments) > 0 {
		switch p.Type {
		case socketio.Event:
			p.Type = socketio.BinaryEvent
		case socketio.Ack:
			p.Type = socketio.BinaryAck
		default:
		}
	}
	frames := encode(parser, p)
	return &Packet{Packet: p, id: id, frames: frames, entry: []sessionstore.Packet{{ID: id, Frames: frames}}}
}

// encode returns the Engine.IO packets that carry p: one, and those of its attachments unless they are in it.
func encode(parser socketio.Parser, p socketio.Packet) []string {
	message, binary := parser.Encode(p)
	if binary {
		return []string{engineio.EncodeBinary([]byte(message))}
	}
	out := make([]string, 1, 1+len(p.Attachments))
	out[0] = engineio.EncodeMessage(message)
	for _, a := range p.Attachments {
		out = append(out, engineio.EncodeBinary(a))
	}
	return out
}

// encoded returns the packet as it is for clients that have a parser. One that has come out of a queue is not encoded.
func (p *Packet) encoded(parser socketio.Parser) *Packet {
	if p.frames != nil {
		return p
	}
	q := newPacket(p.id, parser, p.Packet)
	q.Volatile, q.history = p.Volatile, p.history
	return q
}

// to returns what one socket gets. It is the one door: each packet of an application goes through it, whether it is for
// one socket, for a selection or for the socket whose event is handled, from a server, from an [Adapter] elsewhere or
// out of the [Fanout].
func (p *Packet) to(sessionstore.Member) []sessionstore.Packet { return p.entry }

// target returns where one socket is reached.
func (p *Packet) target(m sessionstore.Member) delivery.Target {
	return delivery.Target{Session: m.Session, Hint: m.Hint, Volatile: p.Volatile}
}

// Frames returns the Engine.IO packets of the packet, encoded as text.
func (p *Packet) Frames() []string { return p.frames }

// PacketID returns the id of the packet's entry in buffers, the same for all sockets.
func (p *Packet) PacketID() sessionstore.PacketID { return p.id }

// packetJSON is a packet in the message of a queue. Its namespace is that of the selection beside it.
type packetJSON struct {
	ID          sessionstore.PacketID `json:"id"`
	Type        socketio.PacketType   `json:"type"`
	Data        json.RawMessage       `json:"data,omitempty"`
	Attachments [][]byte              `json:"attachments,omitempty"`
	// Ack is the id of the acknowledgement that is asked for, if one is.
	Ack *uint64 `json:"ack,omitempty"`
	// Volatile is that of the packet.
	Volatile bool `json:"volatile,omitempty"`
	// History are its places in the histories of rooms.
	History []logged `json:"history,omitempty"`
}

// MarshalJSON implements json.Marshaler. Characters that matter in HTML stay as they are: packets are full of quoted
// JSON as it is.
func (p *Packet) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	j := packetJSON{ID: p.id, Type: p.Type, Data: p.Data, Attachments: p.Attachments, Volatile: p.Volatile}
	j.History = p.history
	if p.HasID {
		j.Ack = &p.ID
	}
	err := e.Encode(j)
	return b.Bytes(), err
}

// UnmarshalJSON implements json.Unmarshaler. Which parser the packet is for is not in it: [Adapter.Carry] encodes it.
func (p *Packet) UnmarshalJSON(b []byte) error {
	var j packetJSON
	if err := json.Unmarshal(b, &j); err != nil {
		return err
	}
	*p = Packet{
		id: j.ID, Packet: socketio.Packet{Type: j.Type, Data: j.Data, Attachments: j.Attachments}, Volatile: j.Volatile,
		history: j.History,
	}
	if j.Ack != nil {
		p.ID, p.HasID = *j.Ack, true
	}
	return nil
}

// Way is how packets leave for a session: a [*delivery.Delivery] brings them there, others collect them first.
type Way interface {
	Deliver(
		ctx context.Context, t delivery.Target, packets []sessionstore.Packet,
	) (sessionstore.Connection, error)
}

// Send sends packets to one socket, by the way that is given. It returns what [delivery.Delivery.Deliver] does. Of
// several packets none is taken for volatile. A broadcast has its own ways to members, see fan.
func Send(ctx context.Context, by Way, m sessionstore.Member, packets ...*Packet) (sessionstore.Connection, error) {
	if len(packets) == 1 {
		return by.Deliver(ctx, packets[0].target(m), packets[0].to(m))
	}
	encoded := make([]sessionstore.Packet, 0, len(packets))
	for _, p := range packets {
		encoded = append(encoded, p.to(m)...)
	}
	return by.Deliver(ctx, delivery.Target{Session: m.Session, Hint: m.Hint}, encoded)
}

// Send sends a packet to one socket, by a way or, if that is nil, directly. [delivery.ErrClosed] if the socket has
// left.
func (a *Adapter) Send(ctx context.Context, by Way, m sessionstore.Member, p *Packet) error {
	if by == nil {
		by = a.delivery
	}
	if way := a.way(m); way != nil {
		by = way
	}
	if a.leavers.has(m.Socket) {
		return delivery.ErrClosed
	}
	_, err := Send(ctx, by, m, p)
	return err
}

// Assemble decodes a packet whose attachments have all come: its text, then they, as Engine.IO packets without and with
// their type. The error matches socketio.ErrInvalidPacket, or is that of an attachment.
func Assemble(all []string, limits socketio.Limits) (socketio.Packet, error) {
	if len(all) == 0 {
		return socketio.Packet{}, errors.New("adapter: a packet without a header")
	}
	packet, _, err := socketio.Decode(all[0], limits)
	if err != nil || !packet.Type.IsBinary() { // without attachments, what looks like one is none
		return packet, err
	}
	attachments := make([][]byte, len(all)-1)
	for i, a := range all[1:] {
		frame, err := engineio.Decode(a)
		if err != nil {
			return packet, err
		}
		attachments[i] = []byte(frame.Data)
	}
	return packet.Attach(attachments)
}
