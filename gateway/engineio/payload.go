package engineio

import "strings"

// separator stands between the packets of a payload.
const separator = "\x1e"

// DecodePayload reads the body of a POST: text frames with the record separator between them. On an
// error it returns the packets before the bad one together with the error: the protocol delivers those
// first. The data of text packets shares memory with body.
//
// A body of more than max packets is refused whole, before anything is allocated; max <= 0 means no
// limit. Size in bytes is for the caller to limit.
//
// Errors: those of [Decode], and [ErrTooManyPackets].
func DecodePayload(body string, max int) ([]Packet, error) {
	n := strings.Count(body, separator) + 1
	if max > 0 && n > max {
		return nil, ErrTooManyPackets
	}
	packets := make([]Packet, 0, n)
	for {
		frame, rest, more := strings.Cut(body, separator)
		p, err := Decode(frame)
		if err != nil {
			return packets, err
		}
		packets = append(packets, p)
		if !more {
			return packets, nil
		}
		body = rest
	}
}

// EncodePayload joins text frames to the body of an answer to a GET, in one allocation. The result is
// one byte longer than the frames for each frame after the first. Without frames it is empty, which no
// client accepts: send a [NoopFrame] instead.
func EncodePayload(frames []string) string { return strings.Join(frames, separator) }
