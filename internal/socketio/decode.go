package socketio

import (
	"encoding/json"
	"strings"
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
// [ErrInvalidNamespace], [ErrInvalidPayload], [ErrReservedEvent], [ErrTooDeep].
func Decode(text string, l Limits) (p Packet, attachments int, err error) {
	l = l.withDefaults()
	rest := ""
	if p.Type, rest, err = cutType(text); err != nil {
		return Packet{}, 0, err
	}
	if p.Type.IsBinary() {
		if attachments, rest, err = cutAttachments(rest, l.MaxAttachments); err != nil {
			return Packet{}, 0, err
		}
	}
	if p.Namespace, rest, err = cutNamespace(rest); err != nil {
		return Packet{}, 0, err
	}
	p.ID, p.HasID, rest = cutID(rest)
	if p.Data, err = payload(p.Type, rest, attachments, l.MaxDepth); err != nil {
		return Packet{}, 0, err
	}
	return p, attachments, nil
}

// cutType reads the first character. A blank is a zero to JavaScript, so to the reference it is a CONNECT.
func cutType(text string) (PacketType, string, error) {
	r, size := utf8.DecodeRuneInString(text)
	switch {
	case r >= '0' && r <= '0'+rune(BinaryAck):
		return PacketType(r - '0'), text[size:], nil
	case isBlank(r):
		return Connect, text[size:], nil
	default:
		return 0, "", ErrUnknownType
	}
}

// cutAttachments reads "12-", or any other spelling of a number.
func cutAttachments(text string, most int) (n int, rest string, err error) {
	number, rest, found := strings.Cut(text, "-")
	n, ok := count(number)
	switch {
	case !found || !ok:
		return 0, "", ErrIllegalAttachments
	case n > most:
		return 0, "", ErrTooManyAttachments
	}
	return n, rest, nil
}

// cutNamespace reads "/nsp," or, at the end of the packet, "/nsp".
func cutNamespace(text string) (namespace, rest string, err error) {
	if text == "" || text[0] != '/' {
		return MainNamespace, text, nil
	}
	namespace, rest, _ = strings.Cut(text, ",")
	if !utf8.ValidString(namespace) {
		return "", "", ErrInvalidNamespace
	}
	return namespace, rest, nil
}

// cutID reads the digits and blanks before the payload, if there are any.
func cutID(text string) (id uint64, has bool, rest string) {
	end := strings.IndexFunc(text, func(r rune) bool { return (r < '0' || r > '9') && !isBlank(r) })
	if end < 0 {
		end = len(text)
	}
	if end == 0 {
		return 0, false, text
	}
	id, has = ackID(text[:end])
	return id, has, text[end:]
}

// payload checks text against what a packet of type t may carry.
func payload(t PacketType, text string, attachments, maxDepth int) (json.RawMessage, error) {
	if text == "" { // an EVENT of nothing names no event, so no handler takes it; an ACK of nothing has no arguments
		return nil, nil
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
