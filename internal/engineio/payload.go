package engineio

import (
	"iter"
	"strings"
)

// separator stands between the packets of a payload.
const separator = "\x1e"

// DecodePayload reads the body of a POST: text frames with the record separator between them. It decodes a packet
// when the caller asks for it, so that a body of very many packets takes no more memory than its bytes, and yields
// the packets before a bad one first, as the protocol delivers them. The bad one comes with an error of [Decode] and
// is the last. The data of text packets shares memory with body.
func DecodePayload(body string) iter.Seq2[Packet, error] {
	return func(yield func(Packet, error) bool) {
		for more := true; more; {
			var frame string
			frame, body, more = strings.Cut(body, separator)
			p, err := Decode(frame)
			if !yield(p, err) || err != nil {
				return
			}
		}
	}
}

// EncodePayload joins text frames to the body of an answer to a GET, in one allocation. The result is
// one byte longer than the frames for each frame after the first. Without frames it is empty, which no
// client accepts: send a [NoopFrame] instead.
func EncodePayload(frames []string) string { return strings.Join(frames, separator) }
