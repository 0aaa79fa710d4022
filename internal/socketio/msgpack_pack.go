package socketio

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"strconv"
	"strings"
)

// The first bytes of MessagePack. Those of short values have the length, or the value, in their low bits.
const (
	packMap     = 0x80 // to 0x8f; below are numbers
	packArray   = 0x90 // to 0x9f
	packStr     = 0xa0 // to 0xbf
	packNil     = 0xc0
	packUnused  = 0xc1
	packFalse   = 0xc2
	packTrue    = 0xc3
	packBin8    = 0xc4
	packBin32   = 0xc6
	packExt8    = 0xc7
	packExt32   = 0xc9
	packFloat32 = 0xca
	packFloat64 = 0xcb
	packUint8   = 0xcc
	packUint64  = 0xcf
	packInt8    = 0xd0
	packInt64   = 0xd3
	packFixExt1 = 0xd4
	packFixExt8 = 0xd7
	packStr8    = 0xd9
	packStr32   = 0xdb
	packArray16 = 0xdc
	packArray32 = 0xdd
	packMap16   = 0xde
	packMap32   = 0xdf
	packBelow   = 0xe0 // to 0xff: -32 to -1
)

// appendJSON appends a JSON value, with attachments in place of its placeholders, as the reference's encoder writes it:
// each value in the fewest bytes, floating point with 64 bits. It is not ok if the value is no JSON, or has a
// placeholder without its attachment.
//
// MessagePack says first how much is in an array or a map; so they are counted in a walk of their own.
func appendJSON(b []byte, value json.RawMessage, attachments [][]byte) ([]byte, bool) {
	s := scanner{text: value, maxDepth: hardDepth, attachments: len(attachments)}
	if len(attachments) == 0 {
		s.attachments = -1
	}
	if s.whole() != nil {
		return b, false
	}
	counts := s.counts()
	found := s.found
	for i := 0; i < len(value); {
		if len(found) > 0 && found[0].start == i {
			b = appendAttachment(b, attachments, found[0].num)
			i = found[0].end
			found = found[1:]
			continue
		}
		switch c := value[i]; c {
		case '[', '{':
			if c == '[' {
				b = appendArray(b, int(counts[0]))
			} else {
				b = appendMap(b, int(counts[0]))
			}
			counts = counts[1:]
			i++
		case ' ', '\t', '\n', '\r', ',', ':', ']', '}':
			i++
		default:
			b, i = s.appendToken(b, i)
		}
	}
	return b, true
}

// appendToken appends the value at an index that has no others in it, and returns the index behind it.
func (s *scanner) appendToken(b []byte, i int) ([]byte, int) {
	switch s.text[i] {
	case '"':
		end := s.str(i)
		return appendStr(b, string(unquote(s.text[i:end]))), end
	case 'n':
		return append(b, packNil), i + len("null")
	case 't':
		return append(b, packTrue), i + len("true")
	case 'f':
		return append(b, packFalse), i + len("false")
	default:
		end := s.number(i)
		return appendNumber(b, string(s.text[i:end])), end
	}
}

// appendAttachment appends what a placeholder stands for.
func appendAttachment(b []byte, attachments [][]byte, num int) []byte {
	if num == between {
		return append(b, packNil)
	}
	return appendBin(b, attachments[num])
}

// counts returns how many elements or members each array and each object has, in the order in which they begin, of a
// text that was scanned. Those in placeholders are left out.
func (s *scanner) counts() []uint32 {
	var counts []uint32
	var open []int
	found := s.found
	for i := 0; i < len(s.text); i++ {
		if len(found) > 0 && found[0].start == i {
			i = found[0].end - 1
			found = found[1:]
			continue
		}
		switch s.text[i] {
		case '[', '{':
			open = append(open, len(counts))
			counts = append(counts, 0)
			if next := s.at(s.space(i + 1)); next != ']' && next != '}' {
				counts[len(counts)-1] = 1
			}
		case ',':
			counts[open[len(open)-1]]++
		case ']', '}':
			open = open[:len(open)-1]
		case '"':
			i = s.str(i) - 1
		}
	}
	return counts
}

// appendNumber appends a number of JSON: as a whole one if it is.
func appendNumber(b []byte, text string) []byte {
	if !strings.ContainsAny(text, ".eE") {
		if n, err := strconv.ParseUint(text, 10, 64); err == nil {
			return appendUint(b, n)
		}
		if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			return appendInt(b, n)
		}
	}
	f, _ := strconv.ParseFloat(text, 64) // beyond the range it is infinite, as in JavaScript
	switch {
	case f != math.Trunc(f), f < math.MinInt64, f >= 1<<64:
		b = append(b, packFloat64)
		return binary.BigEndian.AppendUint64(b, math.Float64bits(f))
	case f < 0:
		return appendInt(b, int64(f))
	default:
		return appendUint(b, uint64(f))
	}
}

func appendUint(b []byte, n uint64) []byte {
	switch {
	case n < packMap:
		return append(b, byte(n))
	case n <= math.MaxUint8:
		return append(b, packUint8, byte(n))
	case n <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(b, packUint8+1), uint16(n))
	case n <= math.MaxUint32:
		return binary.BigEndian.AppendUint32(append(b, packUint8+2), uint32(n))
	default:
		return binary.BigEndian.AppendUint64(append(b, packUint64), n)
	}
}

// appendInt appends a number of any sign.
func appendInt(b []byte, n int64) []byte {
	const least = -0x20 // in one byte
	switch {
	case n >= 0:
		return appendUint(b, uint64(n))
	case n >= least:
		return append(b, byte(n))
	case n >= math.MinInt8:
		return append(b, packInt8, byte(n))
	case n >= math.MinInt16:
		return binary.BigEndian.AppendUint16(append(b, packInt8+1), uint16(n))
	case n >= math.MinInt32:
		return binary.BigEndian.AppendUint32(append(b, packInt8+2), uint32(n))
	default:
		return binary.BigEndian.AppendUint64(append(b, packInt64), uint64(n))
	}
}

// appendStr appends a text.
func appendStr(b []byte, s string) []byte {
	const short = 0x20
	if n := len(s); n < short {
		b = append(b, packStr|byte(n))
	} else {
		b = appendLength(b, packStr8, n)
	}
	return append(b, s...)
}

func appendBin(b, data []byte) []byte {
	return append(appendLength(b, packBin8, len(data)), data...)
}

// appendLength appends a first byte, or one of the two behind it, with a length of 8, 16 or 32 bits.
func appendLength(b []byte, first byte, n int) []byte {
	switch {
	case n <= math.MaxUint8:
		return append(b, first, byte(n))
	case n <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(b, first+1), uint16(n))
	default:
		return binary.BigEndian.AppendUint32(append(b, first+2), uint32(n))
	}
}

func appendArray(b []byte, n int) []byte { return appendCount(b, packArray, packArray16, n) }

func appendMap(b []byte, n int) []byte { return appendCount(b, packMap, packMap16, n) }

// appendCount appends the head of an array or a map.
func appendCount(b []byte, short, long byte, n int) []byte {
	const few = 0x10
	switch {
	case n < few:
		return append(b, short|byte(n))
	case n <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(b, long), uint16(n))
	default:
		return binary.BigEndian.AppendUint32(append(b, long+1), uint32(n))
	}
}
