package adapter

import (
	"github.com/nonstick-io/nonstick/internal/socketio"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// PacketOf returns a packet whose encoding is given, for tests that need no Socket.IO in it.
func PacketOf(p sessionstore.Packet) *Packet {
	return &Packet{id: p.ID, frames: p.Frames, entry: []sessionstore.Packet{p}}
}

// EventOf returns a packet with an id.
func EventOf(id sessionstore.PacketID, nsp, event string) *Packet {
	return newPacket(id, socketio.JSON, socketio.Packet{
		Type: socketio.Event, Namespace: nsp, Data: socketio.EventData(event, []byte("[]")),
	})
}
