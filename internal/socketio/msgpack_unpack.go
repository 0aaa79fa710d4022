package socketio

import (
	"math"
	"strconv"
	"unicode/utf8"
)

// MaxBinaries is the most binary data in one packet of [MsgPack], which costs memory beside its bytes.
const MaxBinaries = 1000

// unpacker goes over MessagePack, and on request writes it as JSON. Nothing is allocated for what a length says, only
// for what is there. Its methods that return a bool are false at what is no MessagePack, or not what they read; value
// says in err why.
type unpacker struct {
	text string
	at   int

	maxDepth    int
	out         []byte   // the JSON so far
	attachments [][]byte // binary data: placeholders in out
	err         error
	// attached is set if the value is no more than one attachment, lookalike if an object of the peer looks like a
	// placeholder.
	attached, lookalike bool
}

// byte reads one byte; [packUnused] at the end, which nothing begins with.
func (u *unpacker) byte() byte {
	if u.at >= len(u.text) {
		return packUnused
	}
	u.at++
	return u.text[u.at-1]
}

// uint reads a number of so many bytes, which the caller knows to be there; else it is zero.
func (u *unpacker) uint(size int) (n uint64) {
	if len(u.text)-u.at < size {
		u.at = len(u.text)
		return 0
	}
	for range size {
		n = n<<8 | uint64(u.text[u.at])
		u.at++
	}
	return n
}

// int is uint for a number with a sign.
func (u *unpacker) int(size int) int64 {
	shift := 64 - 8*size
	return int64(u.uint(size)<<shift) >> shift
}

// float reads a number of floating point by its first byte.
func (u *unpacker) float(first byte) float64 {
	if first == packFloat32 {
		return float64(math.Float32frombits(uint32(u.uint(4))))
	}
	return math.Float64frombits(u.uint(8))
}

// shape is what the first byte of a value says: how many bytes of its own and how many values follow.
type shape struct{ bytes, values int }

// head reads the first byte of a value and its length, if it has one.
func (u *unpacker) head() (first byte, s shape, ok bool) {
	first = u.byte()
	low := int(first & 0x0f)
	switch {
	case first < packMap, first >= packBelow, first == packNil, first == packFalse, first == packTrue:
	case first < packArray:
		s.values = 2 * low
	case first < packStr:
		s.values = low
	case first < packNil:
		s.bytes = int(first & 0x1f)
	case first == packUnused:
		return first, s, false
	case first <= packBin32:
		s.bytes, ok = u.length(first - packBin8)
		return first, s, ok
	case first <= packExt32:
		s.bytes, ok = u.length(first - packExt8)
		s.bytes++ // its type
		return first, s, ok && s.bytes <= len(u.text)-u.at
	case first <= packFloat64:
		s.bytes = 4 << (first - packFloat32)
	case first <= packUint64:
		s.bytes = 1 << (first - packUint8)
	case first <= packInt64:
		s.bytes = 1 << (first - packInt8)
	case first < packStr8:
		s.bytes = 1 + 1<<(first-packFixExt1)
	case first <= packStr32:
		s.bytes, ok = u.length(first - packStr8)
		return first, s, ok
	default:
		return u.longHead(first)
	}
	return first, s, s.bytes+s.values <= len(u.text)-u.at
}

// longHead is head for an array or a map whose count has 16 or 32 bits.
func (u *unpacker) longHead(first byte) (_ byte, s shape, ok bool) {
	size := 2
	if first == packArray32 || first == packMap32 {
		size = 4
	}
	if len(u.text)-u.at < size {
		return first, s, false
	}
	s.values = int(u.uint(size))
	if first >= packMap16 {
		s.values *= 2
	}
	return first, s, s.values <= len(u.text)-u.at // each has a byte at least
}

// length reads a length of 8, 16 or 32 bits. It is not ok if there is less.
func (u *unpacker) length(power byte) (int, bool) {
	size := 1 << power
	if len(u.text)-u.at < size {
		return 0, false
	}
	n := int(u.uint(size))
	return n, n <= len(u.text)-u.at
}

// skip goes over a value, however deep.
func (u *unpacker) skip() bool {
	for left := 1; left > 0; left-- {
		_, s, ok := u.head()
		if !ok {
			return false
		}
		u.at += s.bytes
		left += s.values
	}
	return true
}

// mapHeader reads the head of a map.
func (u *unpacker) mapHeader() (members int, ok bool) {
	first, s, ok := u.head()
	return s.values / 2, ok && isMap(first)
}

// arrayHeader reads the head of an array.
func (u *unpacker) arrayHeader() (elements int, ok bool) {
	first, s, ok := u.head()
	return s.values, ok && isArray(first)
}

// str reads a text.
func (u *unpacker) str() (string, bool) {
	first, s, ok := u.head()
	if !ok || !isStr(first) {
		return "", false
	}
	u.at += s.bytes
	return u.text[u.at-s.bytes : u.at], true
}

func isMap(first byte) bool {
	return first >= packMap && first < packArray || first == packMap16 || first == packMap32
}

func isArray(first byte) bool {
	return first >= packArray && first < packStr || first == packArray16 || first == packArray32
}

func isStr(first byte) bool {
	return first >= packStr && first < packNil || first >= packStr8 && first <= packStr32
}

// isUndefined reports whether a text begins with what JavaScript has for undefined.
func isUndefined(text string) bool { return len(text) >= 3 && text[0] == packFixExt1 && text[1] == 0 }

// value writes a value as JSON; depth is the number of arrays and objects around it.
func (u *unpacker) value(depth int) bool {
	first, s, ok := u.head()
	if !ok {
		return u.fail(ErrMalformed)
	}
	switch {
	case isMap(first):
		return u.object(s.values/2, depth+1)
	case isArray(first):
		return u.array(s.values, depth+1)
	}
	end := u.at + s.bytes
	ok = u.scalar(first, end, depth)
	u.at = end
	return ok
}

// scalar writes a value that has no others in it, and ends there.
func (u *unpacker) scalar(first byte, end, depth int) bool {
	switch {
	case isStr(first):
		u.out = appendText(u.out, u.text[u.at:end])
	case first < packMap:
		u.out = strconv.AppendUint(u.out, uint64(first), 10)
	case first >= packBelow:
		u.out = strconv.AppendInt(u.out, int64(int8(first)), 10)
	case first == packFalse:
		u.out = append(u.out, "false"...)
	case first == packTrue:
		u.out = append(u.out, "true"...)
	case first >= packBin8 && first <= packBin32:
		u.attached = depth == 0
		return u.attach(u.text[u.at:end])
	case first == packFloat32, first == packFloat64:
		u.out = appendFloat(u.out, u.float(first))
	case first >= packUint8 && first <= packUint64:
		u.out = strconv.AppendUint(u.out, u.uint(end-u.at), 10)
	case first >= packInt8 && first <= packInt64:
		u.out = strconv.AppendInt(u.out, u.int(end-u.at), 10)
	case first == packNil:
		u.out = append(u.out, "null"...)
	default:
		return u.extension(first, end, depth)
	}
	return true
}

// extension writes what is of a type beyond MessagePack's own. Those of JavaScript have the type 0; of others the
// reference makes an array of the type and the data.
func (u *unpacker) extension(first byte, end, depth int) bool {
	kind := u.int(1)
	switch {
	case kind == 0 && first <= packExt32: // an ArrayBuffer
		u.attached = depth == 0
		return u.attach(u.text[u.at:end])
	case kind == 0 && first == packFixExt1: // undefined
		u.out = append(u.out, "null"...)
		return true
	case kind == 0 && first == packFixExt8:
		u.out = appendTime(u.out, u.int(8))
		return true
	case depth >= u.maxDepth:
		return u.fail(ErrTooDeep)
	}
	u.out = append(strconv.AppendInt(append(u.out, '['), kind, 10), ',')
	if !u.attach(u.text[u.at:end]) {
		return false
	}
	u.out = append(u.out, ']')
	return true
}

// attach writes the placeholder of binary data.
func (u *unpacker) attach(data string) bool {
	if len(u.attachments) == MaxBinaries {
		return u.fail(ErrTooManyAttachments)
	}
	u.out = appendPlaceholder(u.out, len(u.attachments))
	u.attachments = append(u.attachments, []byte(data))
	return true
}

func (u *unpacker) array(n, depth int) bool {
	if depth > u.maxDepth {
		return u.fail(ErrTooDeep)
	}
	u.out = append(u.out, '[')
	for i := range n {
		if i > 0 {
			u.out = append(u.out, ',')
		}
		if !u.value(depth) {
			return false
		}
	}
	u.out = append(u.out, ']')
	return true
}

func (u *unpacker) object(n, depth int) bool {
	if depth > u.maxDepth {
		return u.fail(ErrTooDeep)
	}
	u.out = append(u.out, '{')
	first := true
	for range n {
		before := len(u.out)
		if !first {
			u.out = append(u.out, ',')
		}
		marks, ok := u.key()
		if !ok {
			return false
		}
		u.out = append(u.out, ':')
		if isUndefined(u.text[u.at:]) {
			u.out = u.out[:before]
			u.skip()
			continue
		}
		first = false
		value := len(u.out)
		if !u.value(depth) {
			return false
		}
		u.lookalike = u.lookalike || marks && string(u.out[value:]) == "true"
	}
	u.out = append(u.out, '}')
	return true
}

// key writes a key as a text, which in JavaScript all keys are. It marks a placeholder if it has the name of that.
func (u *unpacker) key() (marks, ok bool) {
	first, s, ok := u.head()
	if !ok {
		return false, u.fail(ErrMalformed)
	}
	end := u.at + s.bytes
	switch {
	case isStr(first):
		marks = u.text[u.at:end] == "_placeholder"
		u.out = appendText(u.out, u.text[u.at:end])
	case isMap(first), isArray(first), first >= packBin8 && first <= packExt32,
		first >= packFixExt1 && first < packStr8:
		return false, u.fail(ErrInvalidPayload)
	case first == packFloat32, first == packFloat64:
		u.out = append(u.out, '"')
		u.out = append(u.out, nameOf(u.float(first))...)
		u.out = append(u.out, '"')
	default:
		u.out = append(u.out, '"')
		if !u.scalar(first, end, 1) {
			return false, false
		}
		u.out = append(u.out, '"')
	}
	u.at = end
	return marks, true
}

func (u *unpacker) fail(err error) bool {
	u.err = err
	return false
}

// nameOf spells a number as JavaScript does where it is a key.
func nameOf(f float64) string {
	if math.IsNaN(f) {
		return "NaN"
	}
	return spellNumber([]byte(strconv.FormatFloat(f, 'g', -1, 64)))
}

// appendFloat appends a number as JSON.stringify does.
func appendFloat(b []byte, f float64) []byte {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return append(b, "null"...)
	}
	return append(b, spellNumber(strconv.AppendFloat(nil, f, 'g', -1, 64))...)
}

// appendText appends a text as JSON.stringify does. What is not UTF-8 in it is replaced, as JavaScript does.
func appendText(b []byte, s string) []byte {
	b = append(b, '"')
	kept := 0 // s before it is in b
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && size == 1 {
				b = append(append(b, s[kept:i]...), "\ufffd"...)
				kept = i + 1
			}
			i += size
			continue
		}
		if c < ' ' || c == '"' || c == '\\' {
			b = appendEscaped(append(b, s[kept:i]...), c)
			kept = i + 1
		}
		i++
	}
	return append(append(b, s[kept:]...), '"')
}

// appendEscaped appends a character that has to be escaped.
func appendEscaped(b []byte, c byte) []byte {
	const hex = "0123456789abcdef"
	switch c {
	case '"', '\\':
		return append(b, '\\', c)
	case '\b':
		return append(b, `\b`...)
	case '\f':
		return append(b, `\f`...)
	case '\n':
		return append(b, `\n`...)
	case '\r':
		return append(b, `\r`...)
	case '\t':
		return append(b, `\t`...)
	default:
		return append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&0x0f])
	}
}
