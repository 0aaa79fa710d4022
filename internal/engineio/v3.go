package engineio

import (
	"encoding/base64"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// binary3 begins a binary message as text.
const binary3 = "b4"

// A packet of a binary payload: this byte, the digits of its length as bytes 0 to 9, lengthEnd, and its data. Text is
// as many bytes as it has in UTF-8; that it is told as the length of a string of these bytes is the same number.
const (
	byte3Text   = 0
	byte3Binary = 1
	lengthEnd   = 0xff
	// maxLength3 is how many digits of a length are read: what is longer is above any limit of a body.
	maxLength3 = 10
)

// ErrLength is of a payload of version 3: a length is none, or is more than there is.
var ErrLength = fmt.Errorf("%w: wrong length of a packet", ErrParse)

// decode3 reads a text frame. A binary packet of an unknown type is a [Noop], because the reference ignores it.
func decode3(frame string) (Packet, error) {
	if frame == "" || frame[0] != binaryPrefix {
		return Decode(frame)
	}
	t, text := byte(0), frame[1:]
	if text != "" {
		t, text = text[0], text[1:]
	}
	return binaryPacket3(t, func() []byte { return decodeBase64(text) }), nil
}

func binaryPacket3(t byte, data func() []byte) Packet {
	switch {
	case t == byte(Message):
		return Packet{Type: Message, Data: string(data()), Binary: true}
	case t >= byte(Open) && t <= byte(Noop):
		return Packet{Type: PacketType(t), Data: string(data())}
	default:
		return Packet{Type: Noop}
	}
}

// decodeText3 reads "<length>:<packet>" one after the other; a length counts UTF-16 units. A packet of no length is
// none, as to the reference.
func decodeText3(body string) iter.Seq2[Packet, error] {
	return func(yield func(Packet, error) bool) {
		if body == "" {
			yield(Packet{}, ErrEmptyPacket)
		}
		for body != "" {
			digits, _, found := strings.Cut(body[:min(len(body), maxLength3+1)], ":")
			n, ok := length3(digits)
			if !found || !ok {
				yield(Packet{}, ErrLength)
				return
			}
			rest := body[len(digits)+1:]
			size, ok := unitsIn(rest, n)
			if !ok {
				yield(Packet{}, ErrLength)
				return
			}
			frame := rest[:size]
			body = rest[size:]
			if frame == "" {
				continue
			}
			if p, err := decode3(frame); !yield(p, err) || err != nil {
				return
			}
		}
	}
}

func length3(digits string) (n int, ok bool) {
	if digits == "" || strings.Trim(digits, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.Atoi(digits)
	return n, err == nil
}

// unitsIn is how many bytes of s, which is UTF-8, n UTF-16 units are; false if there are fewer, or if a character would
// be cut in two.
func unitsIn(s string, n int) (size int, ok bool) {
	for n > 0 {
		if size == len(s) {
			return 0, false
		}
		if s[size] < utf8.RuneSelf {
			size, n = size+1, n-1
			continue
		}
		r, width := utf8.DecodeRuneInString(s[size:])
		size, n = size+width, n-utf16.RuneLen(r)
	}
	return size, n == 0
}

// units is the length of s in UTF-16 units.
func units(s string) (n int) {
	for _, r := range s {
		n += max(utf16.RuneLen(r), 1)
	}
	return n
}

// decodeBinary3 reads the packets of a binary payload. The bytes of text are UTF-8; what is not, is no packet.
func decodeBinary3(body string) iter.Seq2[Packet, error] {
	return func(yield func(Packet, error) bool) {
		if body == "" {
			yield(Packet{}, ErrEmptyPacket)
		}
		for body != "" {
			text := body[0] == byte3Text
			data, rest, ok := cut3(body[1:])
			if !ok {
				yield(Packet{}, ErrLength)
				return
			}
			body = rest
			p, err := packet3(text, data)
			if !yield(p, err) || err != nil {
				return
			}
		}
	}
}

// cut3 takes the data of a packet from what begins with the digits of its length.
func cut3(s string) (data, rest string, ok bool) {
	n := 0
	for i := range min(len(s), maxLength3+1) {
		switch digit := s[i]; {
		case digit == lengthEnd && i > 0 && n <= len(s)-i-1:
			return s[i+1:][:n], s[i+1:][n:], true
		case digit > 9:
			return "", "", false
		default:
			n = n*10 + int(digit)
		}
	}
	return "", "", false
}

func packet3(text bool, data string) (Packet, error) {
	switch {
	case text && !utf8.ValidString(data):
		return Packet{}, fmt.Errorf("%w: text that is not UTF-8", ErrParse)
	case text:
		return decode3(data)
	case data == "":
		return Packet{Type: Noop}, nil
	default:
		return binaryPacket3(data[0]+byte(Open), func() []byte { return []byte(data[1:]) }), nil
	}
}

func hasBinary(frames []string) bool {
	for _, f := range frames {
		if f != "" && f[0] == binaryPrefix {
			return true
		}
	}
	return false
}

func encodeText3(frames []string) string {
	size := 0
	for _, f := range frames {
		size += len(f) + len(binary3) + maxLength3
	}
	out := make([]byte, 0, size)
	for _, f := range frames {
		f = V3.Encode(f)
		out = strconv.AppendInt(out, int64(units(f)), 10)
		out = append(out, ':')
		out = append(out, f...)
	}
	return string(out)
}

func encodeBinary3(frames []string) string {
	size := 0
	for _, f := range frames {
		size += len(f) + len(binary3) + maxLength3
	}
	out := make([]byte, 0, size)
	for _, f := range frames {
		if f == "" || f[0] != binaryPrefix {
			out = append(appendLength3(append(out, byte3Text), len(f)), f...)
			continue
		}
		raw, err := base64.StdEncoding.DecodeString(f[1:])
		if err != nil { // not of Packet.Encode
			raw = decodeBase64(f[1:])
		}
		out = append(appendLength3(append(out, byte3Binary), len(raw)+1), byte(Message)-byte(Open))
		out = append(out, raw...)
	}
	return string(out)
}

func appendLength3(out []byte, n int) []byte {
	from := len(out)
	out = strconv.AppendInt(out, int64(n), 10)
	for i := from; i < len(out); i++ {
		out[i] -= '0'
	}
	return append(out, lengthEnd)
}
