package engineio

import (
	"encoding/base64"
	"errors"
	"fmt"
)

// PacketType is the first character of a text packet.
type PacketType byte

// The packet types. The comment names the side that sends it and what its data is.
const (
	Open    PacketType = '0' // server: the JSON of a [Handshake]
	Close   PacketType = '1' // both: none
	Ping    PacketType = '2' // server: none; client: "probe" on a WebSocket that asks for an upgrade
	Pong    PacketType = '3' // client: none; server: "probe" in answer to a probe
	Message PacketType = '4' // both: the application's data
	Upgrade PacketType = '5' // client: none, ends a probe and moves the session to the WebSocket
	Noop    PacketType = '6' // server: none, releases a waiting GET
)

// Frames whose text never varies.
const (
	CloseFrame   = "1"
	PingFrame    = "2"
	ProbePing    = "2probe"
	PongFrame    = "3"
	ProbePong    = "3probe"
	UpgradeFrame = "5"
	NoopFrame    = "6"
)

// binaryPrefix stands in front of a base64 binary message, where a text packet has its type.
const binaryPrefix = 'b'

// Errors of decoding. All of them match [ErrParse] with errors.Is; the protocol's answer to each is to
// close the session.
var (
	// ErrParse is matched by every decoding error of this package.
	ErrParse = errors.New("engineio: parse error")
	// ErrEmptyPacket: a packet without a type, also an empty payload.
	ErrEmptyPacket = fmt.Errorf("%w: empty packet", ErrParse)
	// ErrUnknownType: the first character is no packet type; a byte order mark is such a character.
	ErrUnknownType = fmt.Errorf("%w: unknown packet type", ErrParse)
)

// Packet is one Engine.IO packet.
type Packet struct {
	// Type is one of the constants of this package; a binary packet is always a [Message].
	Type PacketType
	// Data is the text after the type, or the raw bytes of a binary message.
	Data string
	// Binary marks a binary message.
	Binary bool
}

// Decode reads one text frame: a type and its data, or "b" and the base64 of a binary message, in which line breaks,
// missing padding, the alphabet of URLs and garbage are forgiven as by the reference. The data of a text packet
// shares memory with frame. Whether a type is allowed from the peer that sent it is not judged here.
//
// Errors: [ErrEmptyPacket], [ErrUnknownType].
func Decode(frame string) (Packet, error) {
	if frame == "" {
		return Packet{}, ErrEmptyPacket
	}
	switch c := frame[0]; {
	case c >= byte(Open) && c <= byte(Noop):
		return Packet{Type: PacketType(c), Data: frame[1:]}, nil
	case c == binaryPrefix:
		return Packet{Type: Message, Data: string(decodeBase64(frame[1:])), Binary: true}, nil
	default:
		return Packet{}, ErrUnknownType
	}
}

// Encode returns the text form of p, which [Decode] reads back. A binary message becomes base64, the
// form that is valid on every transport.
func (p Packet) Encode() string {
	if p.Binary {
		return EncodeBinary([]byte(p.Data))
	}
	return string([]byte{byte(p.Type)}) + p.Data
}

// EncodeMessage returns the text frame of a message.
func EncodeMessage(data string) string { return "4" + data }

// EncodeBinary returns the text frame of a binary message: "b" and standard base64.
func EncodeBinary(data []byte) string {
	frame := make([]byte, 1, 1+base64.StdEncoding.EncodedLen(len(data)))
	frame[0] = binaryPrefix
	return string(base64.StdEncoding.AppendEncode(frame, data))
}
