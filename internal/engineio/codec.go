package engineio

import (
	"encoding/base64"
	"iter"
)

// Codec is how the packets of a session are written, and which way its pings go: what differs between the versions of
// the protocol. It is a value that a session keeps, as text; the zero value is version 4. Everywhere else packets have
// one form, that of [Packet.Encode], which the codec makes the client's at the border.
type Codec string

// The codecs.
const (
	// V4 is version 4.
	V4 Codec = ""
	// V3 is version 3, of Socket.IO v1 and v2, whose client takes binary payloads.
	V3 Codec = "3"
	// V3Text is version 3 for a client that takes text alone: one that asked for b64, or on JSONP.
	V3Text Codec = "3b"
)

// CodecOf returns the codec that the query of a handshake asks for: version 4 by EIO=4, and version 3 by anything else,
// as in the reference. Whether version 3 may be used is not judged here.
func CodecOf(query map[string]string) Codec {
	_, jsonp := query["j"]
	switch {
	case Supported(query):
		return V4
	case jsonp, query["b64"] != "":
		return V3Text
	default:
		return V3
	}
}

// Version is the version of the protocol, 4 or 3.
func (c Codec) Version() int {
	if c == V4 {
		return 4
	}
	return 3
}

// ClientPings reports whether it is the client that sends pings and the server that answers them, as in version 3.
func (c Codec) ClientPings() bool { return c != V4 }

// Decode reads a text frame of a WebSocket. A binary message of version 3 has its type behind the "b".
func (c Codec) Decode(frame string) (Packet, error) {
	if c == V4 {
		return Decode(frame)
	}
	return decode3(frame)
}

// Encode returns the text form for a WebSocket of a frame of the form that [Packet.Encode] makes. See
// [Codec.BinaryFrame] for WebSockets that take binary frames.
func (c Codec) Encode(frame string) string {
	if c == V4 || frame == "" || frame[0] != binaryPrefix {
		return frame
	}
	return binary3 + frame[1:]
}

// DecodePayload reads the body of a POST, as the function of that name does; binary says that its content type is
// application/octet-stream, which version 4 does not have.
func (c Codec) DecodePayload(body string, binary bool) iter.Seq2[Packet, error] {
	switch {
	case c == V4:
		return DecodePayload(body)
	case binary:
		return decodeBinary3(body)
	default:
		return decodeText3(body)
	}
}

// EncodePayload makes the answer to a GET of frames of the form that [Packet.Encode] makes. [IsBinary] tells the two
// forms of answers apart.
func (c Codec) EncodePayload(frames []string) string {
	switch {
	case c == V4:
		return EncodePayload(frames)
	case c == V3 && hasBinary(frames):
		return encodeBinary3(frames)
	default:
		return encodeText3(frames)
	}
}

// IsBinary reports whether a payload is bytes, to be sent as application/octet-stream: what is text begins with a digit
// or a letter.
func IsBinary(payload string) bool { return payload != "" && payload[0] <= byte3Binary }

// BinaryFrame returns the bytes of the binary WebSocket frame that a text frame stands for. For other text frames ok is
// false.
func (c Codec) BinaryFrame(frame string) (payload string, ok bool) {
	if frame == "" || frame[0] != binaryPrefix {
		return "", false
	}
	if c == V4 {
		raw, err := base64.StdEncoding.DecodeString(frame[1:])
		return string(raw), err == nil
	}
	if len(frame) < len(binary3) || frame[1] < byte(Open) || frame[1] > byte(Noop) {
		return "", false
	}
	raw, err := base64.StdEncoding.DecodeString(frame[2:])
	return string([]byte{frame[1] - byte(Open)}) + string(raw), err == nil
}

// TextFrame returns the text frame that stands for a binary WebSocket frame.
func (c Codec) TextFrame(payload []byte) string {
	if c == V4 || len(payload) == 0 {
		return EncodeBinary(payload)
	}
	frame := make([]byte, 2, 2+base64.StdEncoding.EncodedLen(len(payload)-1))
	frame[0], frame[1] = binaryPrefix, '?' // what is of no type is ignored, as by the reference
	if t := payload[0] + byte(Open); payload[0] <= byte(Noop)-byte(Open) {
		frame[1] = t
	}
	return string(base64.StdEncoding.AppendEncode(frame, payload[1:]))
}
