package socketio

import (
	"encoding/json"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Decode reads the text of a packet, without the Engine.IO type before it. attachments is how many
// binary messages must follow before a packet of a binary type is complete, zero for the other types.
// Everything in the text is checked, so p may be passed on without another look.
//
// The payload is copied once; Namespace shares memory with text. Text that is not UTF-8 is refused: a
// caller that wants the leniency of browsers repairs it before.
//
// Errors match [ErrInvalidPacket]: [ErrUnknownType], [ErrIllegalAttachments], [ErrTooManyAttachments],
// [ErrInvalidNamespace], [ErrInvalidID], [ErrInvalidPayload], [ErrReservedEvent], [ErrTooDeep].
func Decode(text string, l Limits) (p Packet, attachments int, err error) {
	l = l.withDefaults()
	if text == "" || text[0] < '0' || text[0] > '0'+byte(BinaryAck) {
		return Packet{}, 0, ErrUnknownType
	}
	p.Type = PacketType(text[0] - '0')
	rest := text[1:]
	if p.Type.IsBinary() {
		if attachments, rest, err = cutAttachments(rest, l.MaxAttachments); err != nil {
			return Packet{}, 0, err
		}
	}
	if p.Namespace, rest, err = cutNamespace(rest, l.MaxNamespace); err != nil {
		return Packet{}, 0, err
	}
	if p.ID, p.HasID, rest, err = cutID(rest); err != nil {
		return Packet{}, 0, err
	}
	if p.Data, err = payload(p.Type, rest, attachments, l.MaxDepth); err != nil {
		return Packet{}, 0, err
	}
	return p, attachments, nil
}

// cutAttachments reads "12-".
func cutAttachments(text string, most int) (n int, rest string, err error) {
	digits, rest, found := strings.Cut(text, "-")
	if !found || digits == "" || digits[0] == '0' {
		return 0, "", ErrIllegalAttachments
	}
	for i := range len(digits) {
		if !isDigit(digits[i]) {
			return 0, "", ErrIllegalAttachments
		}
		if n <= most { // stops growing when it is too much already
			n = n*10 + int(digits[i]-'0')
		}
	}
	if n > most {
		return 0, "", ErrTooManyAttachments
	}
	return n, rest, nil
}

// cutNamespace reads "/nsp," or, at the end of the packet, "/nsp".
func cutNamespace(text string, most int) (namespace, rest string, err error) {
	if text == "" || text[0] != '/' {
		return MainNamespace, text, nil
	}
	namespace, rest, _ = strings.Cut(text, ",")
	if len(namespace) > most || !utf8.ValidString(namespace) || strings.ContainsFunc(namespace, unicode.IsControl) {
		return "", "", ErrInvalidNamespace
	}
	return namespace, rest, nil
}

// cutID reads the digits before the payload, if there are any.
func cutID(text string) (id uint64, has bool, rest string, err error) {
	i := 0
	for ; i < len(text) && isDigit(text[i]); i++ {
		id = id*10 + uint64(text[i]-'0')
		if id > MaxID {
			return 0, false, "", ErrInvalidID
		}
	}
	return id, i > 0, text[i:], nil
}

// payload checks text against what a packet of type t may carry.
func payload(t PacketType, text string, attachments, maxDepth int) (json.RawMessage, error) {
	if text == "" {
		if t == Connect || t == Disconnect || t == Event { // an EVENT of nothing names no event: nobody handles it
			return nil, nil
		}
		return nil, ErrInvalidPayload
	}
	if !mayStartWith(t, text[0]) || !utf8.ValidString(text) {
		return nil, ErrInvalidPayload
	}
	data := json.RawMessage(text)
	s := scanner{text: data, maxDepth: maxDepth, attachments: -1}
	if t.IsBinary() {
		s.attachments = attachments
	}
	if err := s.whole(); err != nil {
		return nil, err
	}
	if err := eachOnce(s.found); err != nil {
		return nil, err
	}
	if t == Event || t == BinaryEvent {
		return data, checkName(data)
	}
	return data, nil
}

// mayStartWith tells the kind of a payload by its first byte.
func mayStartWith(t PacketType, c byte) bool {
	switch t {
	case Connect:
		return c == '{'
	case Event, Ack, BinaryEvent, BinaryAck:
		return c == '['
	case ConnectError:
		return c == '{' || c == '"'
	case Disconnect:
		return false
	default:
		return false
	}
}

// eachOnce refuses an attachment that is named twice.
func eachOnce(found []placeholder) error {
	for i, p := range found {
		for _, q := range found[:i] {
			if p.num == q.num {
				return ErrIllegalAttachments
			}
		}
	}
	return nil
}

// checkName judges the first element of an event's array, which was scanned before.
func checkName(array []byte) error {
	s := scanner{text: array}
	i := s.space(1)
	switch c := s.at(i); {
	case c == '"':
		if IsReserved(string(unquote(array[i:s.str(i)]))) {
			return ErrReservedEvent
		}
		return nil
	case c == '-' || isDigit(c):
		return nil
	default:
		return ErrInvalidPayload
	}
}
