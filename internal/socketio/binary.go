package socketio

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
)

// nonce marks the strings that stand for attachments between MarshalJSON and [Extract]. It is random for
// each process and never leaves it, so no client can write a string that would be taken for one.
var nonce = rand.Text()

// tokenPrefix is how the JSON string of a [Binary] starts.
var tokenPrefix = []byte(`"` + nonce + `:`)

// Binary is a []byte that goes to clients as a binary attachment, wherever it stands in the arguments of
// an event or of an acknowledgement. In what clients send it reads attachments, after [Substitute].
//
// It is for packets only: its JSON means something to [Extract] in the same process and nowhere else.
type Binary []byte

// MarshalJSON returns a token for [Extract], or null for a nil slice.
func (b Binary) MarshalJSON() ([]byte, error) {
	if b == nil {
		return []byte("null"), nil
	}
	token := make([]byte, 0, len(tokenPrefix)+base64.StdEncoding.EncodedLen(len(b))+1)
	token = append(token, tokenPrefix...)
	token = base64.StdEncoding.AppendEncode(token, b)
	return append(token, '"'), nil
}

// UnmarshalJSON reads a base64 string, or null as a nil slice.
func (b *Binary) UnmarshalJSON(data []byte) error {
	var plain []byte
	if err := json.Unmarshal(data, &plain); err != nil {
		return fmt.Errorf("read binary: %w", err)
	}
	*b = plain
	return nil
}

// Extract replaces each [Binary] in data, which is JSON of this process, by the placeholder that the
// protocol has for it, and returns the attachments in order. Without one it returns data itself. A packet
// with attachments must have a binary type; official clients refuse more than 10 of them.
func Extract(data json.RawMessage) (json.RawMessage, [][]byte) {
	if !bytes.Contains(data, tokenPrefix) {
		return data, nil
	}
	var attachments [][]byte
	s := scanner{text: data}
	out := make([]byte, 0, len(data))
	kept := 0 // data before it is in out
	for i := 0; i < len(data); {
		if data[i] != '"' {
			i++
			continue
		}
		end := s.str(i)
		if end == failed {
			break // no JSON: leave the rest alone
		}
		if attachment, ok := fromToken(data[i:end]); ok && s.at(s.space(end)) != ':' {
			out = append(out, data[kept:i]...)
			out = appendPlaceholder(out, len(attachments))
			attachments = append(attachments, attachment)
			kept = end
		}
		i = end
	}
	return append(out, data[kept:]...), attachments
}

// fromToken decodes a whole string token that [Binary] made.
func fromToken(token []byte) ([]byte, bool) {
	text, ok := bytes.CutPrefix(token, tokenPrefix)
	if !ok {
		return nil, false
	}
	text = text[:len(text)-1]
	data, err := base64.StdEncoding.AppendDecode(make([]byte, 0, base64.StdEncoding.DecodedLen(len(text))), text)
	return data, err == nil
}

func appendPlaceholder(b []byte, num int) []byte {
	b = append(b, `{"_placeholder":true,"num":`...)
	b = strconv.AppendInt(b, int64(num), 10)
	return append(b, '}')
}

// MaxSubstituted is the most bytes that [Substitute] makes. A packet may name an attachment more than once, so its size
// is no bound.
const MaxSubstituted = 16 << 20

// Substitute replaces each placeholder in args by its attachment as a base64 string, which a []byte or a
// [Binary] reads. args is the JSON of a binary packet or any value in it; without a placeholder it is
// returned as it is.
//
// Errors match [ErrInvalidPacket]: [ErrIllegalAttachments] for a placeholder without its attachment,
// [ErrTooLarge] above [MaxSubstituted], [ErrInvalidPayload] and [ErrTooDeep] if args is no JSON.
func Substitute(args json.RawMessage, attachments [][]byte) (json.RawMessage, error) {
	found, err := placeholders(args, len(attachments))
	if err != nil {
		return nil, fmt.Errorf("substitute attachments: %w", err)
	}
	if len(found) == 0 {
		return args, nil
	}
	size := len(args)
	for _, p := range found {
		if p.num != between {
			size += base64.StdEncoding.EncodedLen(len(attachments[p.num]))
		}
		if size > MaxSubstituted {
			return nil, fmt.Errorf("substitute attachments: %w", ErrTooLarge)
		}
	}
	return replaced(args, found, size, func(b []byte, num int) []byte {
		b = append(b, '"')
		b = base64.StdEncoding.AppendEncode(b, attachments[num])
		return append(b, '"')
	}), nil
}

// Restore replaces each placeholder in args by what a [Binary] with its attachment is encoded as: the inverse of
// [Extract]. So arguments that came with attachments may stand beside others. Errors as of [Substitute].
func Restore(args json.RawMessage, attachments [][]byte) (json.RawMessage, error) {
	found, err := placeholders(args, len(attachments))
	if err != nil {
		return nil, fmt.Errorf("restore attachments: %w", err)
	}
	if len(found) == 0 {
		return args, nil
	}
	size := len(args)
	for _, p := range found {
		if p.num != between {
			size += len(tokenPrefix) + base64.StdEncoding.EncodedLen(len(attachments[p.num])) + 1
		}
		if size > MaxSubstituted {
			return nil, fmt.Errorf("restore attachments: %w", ErrTooLarge)
		}
	}
	return replaced(args, found, size, func(b []byte, num int) []byte {
		b = append(b, tokenPrefix...)
		b = base64.StdEncoding.AppendEncode(b, attachments[num])
		return append(b, '"')
	}), nil
}

// Attach returns p with its attachments, and its placeholders in the spelling that every client reads: those that are
// used, numbered as they are met. So it may be sent on. An attachment that is named more than once stays one. Errors as
// of [Substitute].
func (p Packet) Attach(attachments [][]byte) (Packet, error) {
	p.Attachments = nil
	if len(p.Data) == 0 {
		return p, nil
	}
	found, err := placeholders(p.Data, len(attachments))
	if err != nil {
		return Packet{}, fmt.Errorf("attach: %w", err)
	}
	renumbered := make([]int, len(attachments)) // number in the result, plus 1
	p.Data = replaced(p.Data, found, len(p.Data), func(b []byte, num int) []byte {
		if renumbered[num] == 0 {
			p.Attachments = append(p.Attachments, attachments[num])
			renumbered[num] = len(p.Attachments)
		}
		return appendPlaceholder(b, renumbered[num]-1)
	})
	return p, nil
}

// placeholders finds the placeholders in a JSON value, in order.
func placeholders(value json.RawMessage, attachments int) ([]placeholder, error) {
	s := scanner{text: value, maxDepth: hardDepth, attachments: attachments}
	if err := s.whole(); err != nil {
		return nil, err
	}
	return s.found, nil
}

// replaced returns value, of about size bytes then, with each placeholder replaced by what put appends for its number.
func replaced(
	value json.RawMessage, found []placeholder, size int, put func(b []byte, num int) []byte,
) json.RawMessage {
	out := make([]byte, 0, size)
	kept := 0
	for _, p := range found {
		out = append(out, value[kept:p.start]...)
		if p.num == between {
			out = append(out, "null"...)
		} else {
			out = put(out, p.num)
		}
		kept = p.end
	}
	return append(out, value[kept:]...)
}
