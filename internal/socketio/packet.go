package socketio

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
)

// PacketType is the first digit of a packet.
type PacketType byte

// The packet types. The comment says what payload a packet of the type carries.
const (
	Connect      PacketType = iota // none, or an object: credentials, or the new socket's id
	Disconnect                     // none
	Event                          // array: name, then arguments
	Ack                            // array: arguments; none is an empty one
	ConnectError                   // string or object
	BinaryEvent                    // as Event, with attachments
	BinaryAck                      // as Ack, with attachments
)

// String returns the protocol's name of t.
func (t PacketType) String() string {
	switch t {
	case Connect:
		return "CONNECT"
	case Disconnect:
		return "DISCONNECT"
	case Event:
		return "EVENT"
	case Ack:
		return "ACK"
	case ConnectError:
		return "CONNECT_ERROR"
	case BinaryEvent:
		return "BINARY_EVENT"
	case BinaryAck:
		return "BINARY_ACK"
	default:
		return "packet type " + strconv.Itoa(int(t))
	}
}

// IsBinary reports whether packets of type t come with attachments.
func (t PacketType) IsBinary() bool { return t == BinaryEvent || t == BinaryAck }

// MainNamespace is the namespace that packets do not spell out.
const MainNamespace = "/"

// MaxID is the highest acknowledgement id that a JavaScript client can count to. A higher one is read, and answered, as
// the nearest number that JavaScript has.
const MaxID = 1<<53 - 1

// Errors of decoding. All of them match [ErrInvalidPacket] with errors.Is; the protocol's answer to each
// is to close the whole Engine.IO session.
var (
	// ErrInvalidPacket is matched by every decoding error of this package.
	ErrInvalidPacket = errors.New("socketio: invalid packet")
	// ErrUnknownType: the packet is empty or its first character is no packet type.
	ErrUnknownType = fmt.Errorf("%w: unknown packet type", ErrInvalidPacket)
	// ErrIllegalAttachments: the number of attachments is missing or no positive integer, or a
	// placeholder names an attachment that cannot be.
	ErrIllegalAttachments = fmt.Errorf("%w: illegal attachments", ErrInvalidPacket)
	// ErrTooManyAttachments: more attachments than [Limits] allows.
	ErrTooManyAttachments = fmt.Errorf("%w: too many attachments", ErrInvalidPacket)
	// ErrInvalidNamespace: a namespace that is not UTF-8.
	ErrInvalidNamespace = fmt.Errorf("%w: invalid namespace", ErrInvalidPacket)
	// ErrInvalidPayload: no JSON, not UTF-8, or not what the packet's type asks for.
	ErrInvalidPayload = fmt.Errorf("%w: invalid payload", ErrInvalidPacket)
	// ErrInvalidID: an acknowledgement id that is no whole number, or below zero.
	ErrInvalidID = fmt.Errorf("%w: invalid acknowledgement id", ErrInvalidPacket)
	// ErrMalformed: bytes that are no MessagePack, or no map of it.
	ErrMalformed = fmt.Errorf("%w: no packet in MessagePack", ErrInvalidPacket)
	// ErrNotBinary: text, where packets are binary: the client has another parser.
	ErrNotBinary = fmt.Errorf("%w: text, but the parser of the server is msgpack", ErrInvalidPacket)
	// ErrNotText: binary data that belong to no packet. A client that has another parser sends its packets so.
	ErrNotText = fmt.Errorf(
		"%w: an attachment without its packet, or the parser of the client is msgpack", ErrInvalidPacket,
	)
	// ErrReservedEvent: an event with a name that [IsReserved].
	ErrReservedEvent = fmt.Errorf("%w: reserved event name", ErrInvalidPacket)
	// ErrTooDeep: arrays and objects nested deeper than [Limits] allows.
	ErrTooDeep = fmt.Errorf("%w: nested too deep", ErrInvalidPacket)
	// ErrTooLarge: with its attachments in place of their placeholders, a packet is above [MaxSubstituted].
	ErrTooLarge = fmt.Errorf("%w: too large with its attachments", ErrInvalidPacket)
)

// Packet is one Socket.IO packet.
type Packet struct {
	// Type says what the packet is for. Whether it is one of the binary types is up to the caller that builds it.
	Type PacketType
	// Namespace starts with a slash. Empty means [MainNamespace]; [Decode] never leaves it empty.
	Namespace string
	// ID is the acknowledgement id, valid if HasID is set; zero is an id like any other. An id that no client could
	// read back (above 64 bits, or with a blank between its digits) is none.
	ID    uint64
	HasID bool
	// Data is the JSON payload, nil if there is none. In a binary packet every attachment is an object
	// {"_placeholder":true,"num":i} in it.
	Data json.RawMessage
	// Attachments of a binary packet, in the order of their numbers. [Decode] leaves them nil: they
	// come in messages of their own.
	Attachments [][]byte
}

// Encode returns the text of p without the Engine.IO type before it. The attachments of a binary packet
// are only counted: the caller sends them as binary messages right after. A packet that [Decode] would
// refuse is not detected.
func (p Packet) Encode() string {
	b := make([]byte, 0, len(p.Namespace)+len(p.Data)+28) // 28: type, count, comma and the longest id
	b = append(b, '0'+byte(p.Type))
	if p.Type.IsBinary() {
		b = strconv.AppendInt(b, int64(len(p.Attachments)), 10)
		b = append(b, '-')
	}
	if p.Namespace != "" && p.Namespace != MainNamespace {
		b = append(b, p.Namespace...)
		b = append(b, ',')
	}
	if p.HasID {
		b = appendID(b, p.ID)
	}
	return string(append(b, p.Data...))
}
