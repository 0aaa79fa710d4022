package socketio

import (
	"math"
	"strconv"
	"strings"
)

// Where the protocol has a number outside of JSON (a count of attachments, an acknowledgement id), the reference
// reads it by JavaScript's Number: blanks count, and so do other bases and exponents where the grammar lets them
// come. Clients exist that rely on it, so the same spellings are taken here.

// isBlank reports whether r is white space to JavaScript, which Number skips, or takes for zero where nothing else is.
func isBlank(r rune) bool {
	switch r {
	case '\t', '\n', '\v', '\f', '\r', ' ', 0xa0, 0x1680, 0x2028, 0x2029, 0x202f, 0x205f, 0x3000, 0xfeff:
		return true
	}
	return r >= 0x2000 && r <= 0x200a
}

// count reads an attachment count as JavaScript's Number does; false if the result is no integer from 1 to 2^31-1.
func count(text string) (int, bool) {
	f, ok := number(strings.TrimFunc(text, isBlank))
	if !ok || f < 1 || f != math.Trunc(f) || math.IsInf(f, 0) {
		return 0, false
	}
	return int(min(f, math.MaxInt32)), true
}

// number reads a text without blanks around it.
func number(text string) (float64, bool) {
	if len(text) > 2 && text[0] == '0' {
		if base := baseOf(text[1]); base != 0 {
			return inBase(text[2:], base)
		}
	}
	if text == "" || strings.Trim(text, "0123456789.eE+-") != "" {
		return 0, false // also the words that strconv knows and JavaScript does not
	}
	f, err := strconv.ParseFloat(text, 64)
	return f, err == nil
}

func baseOf(c byte) int {
	switch c {
	case 'x', 'X':
		return 16
	case 'o', 'O':
		return 8
	case 'b', 'B':
		return 2
	}
	return 0
}

func inBase(digits string, base int) (float64, bool) {
	n, err := strconv.ParseUint(digits, base, 32)
	return float64(n), err == nil
}

// ackID reads what stands where an id may stand: digits, and blanks around them. It is false for what the reference
// takes for an id and no client can read back (blanks between digits, more than 64 bits): such a packet has none.
func ackID(text string) (uint64, bool) {
	text = strings.TrimFunc(text, isBlank)
	if text == "" {
		return 0, true // blanks alone are zero
	}
	for i := range len(text) {
		if !isDigit(text[i]) {
			return 0, false
		}
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || f >= 1<<64 {
		return 0, false
	}
	return uint64(f), true
}

// appendID appends an id as JavaScript spells it, which is not exact above [MaxID].
func appendID(b []byte, id uint64) []byte {
	if id <= MaxID {
		return strconv.AppendUint(b, id, 10)
	}
	return strconv.AppendFloat(b, float64(id), 'f', -1, 64)
}

// spellNumber spells a JSON number as JavaScript's String does.
func spellNumber(token []byte) string {
	f, err := strconv.ParseFloat(string(token), 64)
	switch {
	case math.IsInf(f, 1): // beyond the range, which is an error of strconv alone
		return "Infinity"
	case math.IsInf(f, -1):
		return "-Infinity"
	case err != nil:
		return string(token)
	case f == 0:
		return "0"
	}
	const exponentFrom, exponentBelow = 1e21, 1e-6
	if size := math.Abs(f); size < exponentFrom && size >= exponentBelow {
		return strconv.FormatFloat(f, 'f', -1, 64)
	}
	text := strconv.FormatFloat(f, 'e', -1, 64)
	return strings.NewReplacer("e-0", "e-", "e+0", "e+").Replace(text)
}
