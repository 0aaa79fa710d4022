package socketio

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// IsReserved reports whether the protocol keeps the event's name to itself: such an event is neither
// sent nor accepted.
func IsReserved(event string) bool {
	switch event {
	case "connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener":
		return true
	default:
		return false
	}
}

// EventName splits the array of an event, as [Decode] leaves it in Data, into the name and the array of
// the arguments. A number for a name is returned as JavaScript spells it. The arguments are copied, not
// checked again. The error is [ErrInvalidPayload] if data is no array that starts with a name.
func EventName(data json.RawMessage) (name string, args json.RawMessage, err error) {
	s := scanner{text: data}
	start := s.space(0)
	if s.at(start) != '[' {
		return "", nil, ErrInvalidPayload
	}
	start = s.space(start + 1)
	var end int
	quoted := s.at(start) == '"'
	if quoted {
		end = s.str(start)
	} else {
		end = s.number(start)
	}
	if end == failed {
		return "", nil, s.err
	}
	if args, err = argsAfter(data, s.space(end)); err != nil {
		return "", nil, err
	}
	if quoted {
		return string(unquote(data[start:end])), args, nil
	}
	return spellNumber(data[start:end]), args, nil
}

// argsAfter returns the array of what follows the comma at data[i].
func argsAfter(data json.RawMessage, i int) (json.RawMessage, error) {
	if i >= len(data) {
		return nil, ErrInvalidPayload
	}
	tail := bytes.TrimRight(data[i:], " \t\r\n")
	switch {
	case len(tail) == 1 && tail[0] == ']':
		return json.RawMessage("[]"), nil
	case len(tail) > 2 && tail[0] == ',' && tail[len(tail)-1] == ']':
		args := bytes.Clone(tail)
		args[0] = '['
		return args, nil
	default:
		return nil, ErrInvalidPayload
	}
}

// EventData is the inverse of [EventName]: it puts the name in front of the arguments. args is a JSON
// array; nil, null and [] mean that there are none. It is not checked: anything else gives a packet that
// no peer accepts.
func EventData(name string, args json.RawMessage) json.RawMessage {
	rest := bytes.Trim(args, " \t\r\n")
	if string(rest) == "null" {
		rest = nil
	}
	if len(rest) > 0 {
		rest = bytes.TrimLeft(rest[1:], " \t\r\n") // without its bracket
	}
	data := make([]byte, 0, len(name)+len(rest)+5)
	data = append(data, '[')
	data = appendQuoted(data, name)
	switch {
	case len(rest) == 0:
		return append(data, ']')
	case rest[0] != ']':
		data = append(data, ',')
	}
	return append(data, rest...)
}

// SplitArray returns the elements of a JSON array, which it checks. They share memory with array. An
// empty array gives no elements and no error; the error is [ErrInvalidPayload] or [ErrTooDeep].
func SplitArray(array json.RawMessage) ([]json.RawMessage, error) {
	s := scanner{text: array, maxDepth: hardDepth, attachments: -1}
	i := s.space(0)
	if s.at(i) != '[' {
		return nil, fmt.Errorf("split an array: %w", ErrInvalidPayload)
	}
	elements, end := s.elements(s.space(i + 1))
	if end != failed && s.space(end) != len(array) {
		end = s.fail(ErrInvalidPayload)
	}
	if end == failed {
		return nil, fmt.Errorf("split an array: %w", s.err)
	}
	return elements, nil
}

// elements is array for the outermost array, from behind its bracket: it keeps what it scans.
func (s *scanner) elements(i int) ([]json.RawMessage, int) {
	if s.at(i) == ']' {
		return nil, i + 1
	}
	var elements []json.RawMessage
	for {
		end := s.value(i, 1)
		if end == failed {
			return nil, failed
		}
		elements = append(elements, s.text[i:end:end])
		i = s.space(end)
		switch s.at(i) {
		case ',':
			i = s.space(i + 1)
		case ']':
			return elements, i + 1
		default:
			return nil, s.fail(ErrInvalidPayload)
		}
	}
}

// appendQuoted appends s as a JSON string, without the HTML escapes that json.Marshal would add.
func appendQuoted(b []byte, s string) []byte {
	if plain(s) {
		b = append(b, '"')
		b = append(b, s...)
		return append(b, '"')
	}
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(s); err != nil {
		panic("socketio: a string has no JSON: " + err.Error()) // cannot happen
	}
	return append(b, bytes.TrimSuffix(buf.Bytes(), []byte{'\n'})...)
}

// plain reports whether s is ASCII that JSON strings hold as it is.
func plain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}
