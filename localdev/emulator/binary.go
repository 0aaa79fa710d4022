package emulator

import (
	"encoding/base64"

	"github.com/gobwas/ws"
)

// Binary is how the binary frames of a WebSocket are written as text: events and what is sent to connections have no
// other form. It is for servers that are not the service ([Native]), which knows no binary frames.
type Binary struct {
	// Text returns the body of the event for a binary frame; it must not keep the payload. Nil gives the payload in
	// base64, with IsBase64Encoded.
	Text func(payload []byte) string
	// Payload returns the bytes of the binary frame that a text stands for, and false if it is to go out as text. Nil
	// sends everything as text.
	Payload func(text string) (payload string, ok bool)
}

// inbound returns the body of the event for a binary frame.
func (b Binary) inbound(payload []byte) (body string, isBase64 bool) {
	if b.Text == nil {
		return base64.StdEncoding.EncodeToString(payload), true
	}
	return b.Text(payload), false
}

// outbound turns what is to be sent into a frame of the wire.
func (b Binary) outbound(text string) (ws.OpCode, string) {
	if b.Payload != nil {
		if payload, ok := b.Payload(text); ok {
			return ws.OpBinary, payload
		}
	}
	return ws.OpText, text
}
