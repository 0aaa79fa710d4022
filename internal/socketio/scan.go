package socketio

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
)

// scanner goes once over a JSON text. It checks the syntax exactly as encoding/json does, bounds the
// nesting, and on request notes the placeholders of attachments. It builds no values.
//
// Its methods take the index where something starts and return the index after it, or failed with err
// set. An index may lie past the end: at returns 0 there, which is nowhere valid JSON.
type scanner struct {
	text     []byte
	maxDepth int
	// attachments is the number of attachments that placeholders may name; below zero, objects are not
	// looked into for placeholders.
	attachments int

	found []placeholder
	err   error
}

// placeholder is an object at text[start:end] that stands for attachment number num.
type placeholder struct{ start, end, num int }

// between is the number of a placeholder that names none of the attachments, as 0.5 does: it stands for null.
const between = -1

const failed = -1

func (s *scanner) fail(err error) int {
	s.err = err
	return failed
}

func (s *scanner) at(i int) byte {
	if i < len(s.text) {
		return s.text[i]
	}
	return 0
}

func (s *scanner) space(i int) int {
	for i < len(s.text) {
		switch s.text[i] {
		case ' ', '\t', '\n', '\r':
			i++
		default:
			return i
		}
	}
	return i
}

// whole checks that the text is one JSON value with nothing but white space around it.
func (s *scanner) whole() error {
	i := s.value(s.space(0), 0)
	if i == failed {
		return s.err
	}
	if s.space(i) != len(s.text) {
		return ErrInvalidPayload
	}
	return nil
}

// value scans any value; depth is the number of arrays and objects around it.
func (s *scanner) value(i, depth int) int {
	switch c := s.at(i); c {
	case '"':
		return s.str(i)
	case '[':
		return s.array(i, depth+1)
	case '{':
		return s.object(i, depth+1)
	case 't':
		return s.literal(i, "true")
	case 'f':
		return s.literal(i, "false")
	case 'n':
		return s.literal(i, "null")
	default:
		return s.number(i)
	}
}

func (s *scanner) array(i, depth int) int {
	if depth > s.maxDepth {
		return s.fail(ErrTooDeep)
	}
	i = s.space(i + 1)
	if s.at(i) == ']' {
		return i + 1
	}
	for {
		if i = s.value(i, depth); i == failed {
			return failed
		}
		i = s.space(i)
		switch s.at(i) {
		case ',':
			i = s.space(i + 1)
		case ']':
			return i + 1
		default:
			return s.fail(ErrInvalidPayload)
		}
	}
}

func (s *scanner) object(start, depth int) int {
	if depth > s.maxDepth {
		return s.fail(ErrTooDeep)
	}
	i := s.space(start + 1)
	if s.at(i) == '}' {
		return i + 1
	}
	var m mark
	outer := len(s.found)
	for {
		if i = s.member(i, depth, &m); i == failed {
			return failed
		}
		i = s.space(i)
		switch s.at(i) {
		case ',':
			i = s.space(i + 1)
		case '}':
			return s.close(start, i+1, outer, m)
		default:
			return s.fail(ErrInvalidPayload)
		}
	}
}

// member scans a key with its value.
func (s *scanner) member(start, depth int, m *mark) int {
	if s.at(start) != '"' {
		return s.fail(ErrInvalidPayload)
	}
	keyEnd := s.str(start)
	if keyEnd == failed {
		return failed
	}
	i := s.space(keyEnd)
	if s.at(i) != ':' {
		return s.fail(ErrInvalidPayload)
	}
	i = s.space(i + 1)
	end := s.value(i, depth)
	if end != failed && s.attachments >= 0 {
		m.note(s.text[start:keyEnd], s.text[i:end])
	}
	return end
}

// close ends an object, which is a placeholder if m says so. Placeholders inside a placeholder are
// forgotten: the object is replaced as a whole.
func (s *scanner) close(start, end, outer int, m mark) int {
	if !m.placeholder {
		return end
	}
	num, ok := m.number(s.attachments)
	if !ok {
		return s.fail(ErrIllegalAttachments)
	}
	s.found = append(s.found[:outer], placeholder{start, end, num})
	return end
}

// mark gathers what makes an object a placeholder. Of repeated keys the last one counts, as in
// JavaScript.
type mark struct {
	placeholder bool
	num         []byte
}

func (m *mark) note(key, value []byte) {
	switch string(unquote(key)) {
	case "_placeholder":
		m.placeholder = string(value) == "true"
	case "num":
		m.num = value
	}
}

// number returns the placeholder's number. It may have any spelling of JSON; it is not ok if it is none, or outside of
// what there is.
func (m *mark) number(attachments int) (num int, ok bool) {
	f, err := strconv.ParseFloat(string(m.num), 64)
	switch {
	case err != nil || len(m.num) == 0 || m.num[0] != '-' && !isDigit(m.num[0]):
		return 0, false
	case f < 0 || f >= float64(attachments):
		return 0, false
	case f != math.Trunc(f):
		return between, true
	}
	return int(f), true
}

// str scans a string token, quotes included.
func (s *scanner) str(i int) int {
	text := s.text
	for i++; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"':
			return i + 1
		case c == '\\':
			if i = s.escape(i + 1); i == failed {
				return failed
			}
		case c < ' ':
			return s.fail(ErrInvalidPayload)
		}
	}
	return s.fail(ErrInvalidPayload)
}

// escape scans what follows a backslash and returns the index of its last byte.
func (s *scanner) escape(i int) int {
	switch s.at(i) {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i
	case 'u':
		for n := 1; n <= 4; n++ {
			if !isHex(s.at(i + n)) {
				return s.fail(ErrInvalidPayload)
			}
		}
		return i + 4
	default:
		return s.fail(ErrInvalidPayload)
	}
}

func (s *scanner) literal(i int, word string) int {
	if len(s.text)-i < len(word) || string(s.text[i:i+len(word)]) != word {
		return s.fail(ErrInvalidPayload)
	}
	return i + len(word)
}

func (s *scanner) number(i int) int {
	if s.at(i) == '-' {
		i++
	}
	if s.at(i) == '0' {
		i++
	} else if i = s.digits(i); i == failed {
		return failed
	}
	if s.at(i) == '.' {
		if i = s.digits(i + 1); i == failed {
			return failed
		}
	}
	if c := s.at(i); c == 'e' || c == 'E' {
		i++
		if c := s.at(i); c == '+' || c == '-' {
			i++
		}
		return s.digits(i)
	}
	return i
}

// digits scans one digit or more.
func (s *scanner) digits(i int) int {
	if !isDigit(s.at(i)) {
		return s.fail(ErrInvalidPayload)
	}
	for isDigit(s.at(i)) {
		i++
	}
	return i
}

// unquote returns the value of a string token that was scanned; without an escape it is a part of token.
func unquote(token []byte) []byte {
	if bytes.IndexByte(token, '\\') < 0 {
		return token[1 : len(token)-1]
	}
	var s string
	if err := json.Unmarshal(token, &s); err != nil {
		panic("socketio: a scanned string is no JSON: " + err.Error()) // cannot happen
	}
	return []byte(s)
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isHex(c byte) bool {
	return isDigit(c) || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}
