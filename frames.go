package nonstick

import (
	"encoding/json"

	"github.com/nonstick-io/nonstick/internal/engineio"
	"github.com/nonstick-io/nonstick/internal/socketio"
)

// frames encodes a packet as the Engine.IO packets that carry it.
func frames(p socketio.Packet) []string {
	out := make([]string, 1, 1+len(p.Attachments))
	out[0] = engineio.EncodeMessage(p.Encode())
	for _, a := range p.Attachments {
		out = append(out, engineio.EncodeBinary(a))
	}
	return out
}

// eventFrames encodes an event.
func (n *Namespace) eventFrames(event string, args Args) []string {
	return n.eventFramesAck(event, args, nil)
}

func (n *Namespace) eventFramesAck(event string, args Args, ack *uint64) []string {
	p := socketio.Packet{
		Type: socketio.Event, Namespace: string(n.name), Data: socketio.EventData(event, args.array()),
		Attachments: args.Attachments,
	}
	if len(p.Attachments) > 0 {
		p.Type = socketio.BinaryEvent
	}
	if ack != nil {
		p.ID, p.HasID = *ack, true
	}
	return frames(p)
}

// ackFrames encodes an acknowledgement.
func (n *Namespace) ackFrames(id uint64, args Args) []string {
	p := socketio.Packet{
		Type: socketio.Ack, Namespace: string(n.name), ID: id, HasID: true, Data: args.array(),
		Attachments: args.Attachments,
	}
	if len(p.Attachments) > 0 {
		p.Type = socketio.BinaryAck
	}
	return frames(p)
}

func (a Args) array() json.RawMessage {
	if len(a.JSON) == 0 {
		return json.RawMessage("[]")
	}
	return a.JSON
}
