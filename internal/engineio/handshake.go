package engineio

import (
	"bytes"
	"encoding/json"
	"strconv"
	"time"
)

// Handshake is what a server tells a new client: the data of an [Open] packet.
type Handshake struct {
	// SID is the session's id. It is a secret: a program that knows it may act for the client.
	SID string
	// Upgrades are the transports that the client may change to; none on a WebSocket.
	Upgrades []string
	// PingInterval and PingTimeout are sent in whole milliseconds. A client gives a session up when no
	// ping came for the sum of the two.
	PingInterval, PingTimeout time.Duration
	// MaxPayload is the most bytes that the client may put into one POST.
	MaxPayload int
}

// Encode returns the text frame of the open packet, with exactly the keys of the protocol.
func (h Handshake) Encode() string {
	b := make([]byte, 0, 128)
	b = append(b, `0{"sid":`...)
	b = appendQuoted(b, h.SID)
	b = append(b, `,"upgrades":[`...)
	for i, name := range h.Upgrades {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendQuoted(b, name)
	}
	b = append(b, `],"pingInterval":`...)
	b = strconv.AppendInt(b, h.PingInterval.Milliseconds(), 10)
	b = append(b, `,"pingTimeout":`...)
	b = strconv.AppendInt(b, h.PingTimeout.Milliseconds(), 10)
	b = append(b, `,"maxPayload":`...)
	b = strconv.AppendInt(b, int64(h.MaxPayload), 10)
	return string(append(b, '}'))
}

// appendQuoted appends s as a JSON string, without the HTML escapes that json.Marshal would add and a
// JavaScript server does not.
func appendQuoted(b []byte, s string) []byte {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(s); err != nil {
		panic("engineio: a string has no JSON: " + err.Error()) // cannot happen
	}
	return append(b, bytes.TrimSuffix(buf.Bytes(), []byte{'\n'})...)
}
