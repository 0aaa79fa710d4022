package socketio

import (
	"errors"
	"fmt"
)

// Parser is how packets are written into messages of Engine.IO, and read from them. All clients of a server have the
// same one. There are two: [JSON] and [MsgPack].
type Parser interface {
	// Encode returns the message that carries p, of text or binary. The attachments of p are in it if packets are
	// Whole; else the caller sends them as binary messages right after. A packet that Decode would refuse is not
	// detected, and no peer accepts it.
	Encode(p Packet) (message string, binary bool)
	// Decode reads a message. attachments is how many binary messages must follow before the packet is complete; none
	// do where packets are Whole: then p has its Attachments. Everything in the message is checked, so p may be passed
	// on without another look. Errors match [ErrInvalidPacket].
	Decode(message string, binary bool, l Limits) (p Packet, attachments int, err error)
	// Whole reports whether each packet is one message, whatever binary data it has.
	Whole() bool
	// String returns the parser's name.
	String() string

	known() // which peers have
}

// The parsers.
var (
	// JSON is the default of Socket.IO: text, and binary data in messages of its own.
	JSON Parser = jsonParser{}
	// MsgPack is that of the package socket.io-msgpack-parser: MessagePack, one binary message for each packet.
	MsgPack Parser = msgPack{}
)

// Parsers are all parsers, the default first.
func Parsers() []Parser { return []Parser{JSON, MsgPack} }

// ErrParser says that there is no parser of a name.
var ErrParser = errors.New("socketio: no such parser")

// ParserOf returns the parser of a name; [JSON] for an empty one. The error is [ErrParser].
func ParserOf(name string) (Parser, error) {
	if name == "" {
		return JSON, nil
	}
	for _, p := range Parsers() {
		if p.String() == name {
			return p, nil
		}
	}
	return nil, fmt.Errorf("%w: %q", ErrParser, name)
}

// jsonParser is [JSON].
type jsonParser struct{}

func (jsonParser) Encode(p Packet) (string, bool) { return p.Encode(), false }

func (jsonParser) Decode(message string, binary bool, l Limits) (Packet, int, error) {
	if binary {
		return Packet{}, 0, ErrNotText
	}
	return Decode(message, l)
}

func (jsonParser) Whole() bool { return false }

func (jsonParser) String() string { return "json" }

func (jsonParser) known() {}
