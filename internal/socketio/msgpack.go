package socketio

import (
	"encoding/json"
	"math"
	"strings"
	"time"
	"unicode/utf8"
)

// A packet in MessagePack is a map: type, nsp, and where there are any data and id. Payloads are JSON with
// placeholders in this process all the same, so that the rest of it does not know which parser its clients have.
//
// What JavaScript encodes beyond JSON is read as JSON.stringify would have it: undefined is null in an array and no
// member of an object, a Date is its text, numbers that JSON does not have are null. Buffers and ArrayBuffers are
// attachments.

// msgPack is [MsgPack].
type msgPack struct{}

func (msgPack) Whole() bool { return true }

func (msgPack) String() string { return "msgpack" }

func (msgPack) known() {}

// Encode implements [Parser]. Of data that are no JSON it makes nil, which no client takes.
func (msgPack) Encode(p Packet) (string, bool) {
	members := 2
	if p.Data != nil {
		members++
	}
	if p.HasID {
		members++
	}
	size := len(p.Namespace) + len(p.Data) + 40 // 40: the names of the members, and the longest id
	for _, a := range p.Attachments {
		size += len(a)
	}
	b := appendMap(make([]byte, 0, size), members)
	b = append(appendStr(b, "type"), byte(p.Type.plain()))
	if p.Data != nil {
		b = appendStr(b, "data")
		if with, ok := appendJSON(b, p.Data, p.Attachments); ok {
			b = with
		} else {
			b = append(b, packNil)
		}
	}
	if p.HasID {
		b = appendUint(appendStr(b, "id"), p.ID)
	}
	nsp := p.Namespace
	if nsp == "" {
		nsp = MainNamespace
	}
	return string(appendStr(appendStr(b, "nsp"), nsp)), true
}

// plain returns the type without regard to attachments, which only [JSON] tells by the type.
func (t PacketType) plain() PacketType {
	switch t {
	case BinaryEvent:
		return Event
	case BinaryAck:
		return Ack
	default:
		return t
	}
}

// Decode implements [Parser].
func (msgPack) Decode(message string, binary bool, l Limits) (Packet, int, error) {
	if !binary {
		return Packet{}, 0, ErrNotBinary
	}
	l = l.withDefaults()
	m, err := membersOf(message)
	if err != nil {
		return Packet{}, 0, err
	}
	var p Packet
	if p.Type, err = m.packetType(message); err != nil {
		return Packet{}, 0, err
	}
	if p.Namespace, err = m.namespace(message); err != nil {
		return Packet{}, 0, err
	}
	if p.ID, p.HasID, err = m.number(message); err != nil {
		return Packet{}, 0, err
	}
	if err := m.payload(message, &p, l); err != nil {
		return Packet{}, 0, err
	}
	return p, 0, nil
}

// span is where a value stands in a message; an empty one is none.
type span struct{ start, end int }

func (s span) of(message string) string { return message[s.start:s.end] }

// members are those of a packet's map.
type members struct{ typ, data, id, nsp span }

// membersOf finds the members of the map that the message is. Others are skipped: clients send options. Of two with one
// name the last counts, as in JavaScript. What is undefined is not there.
func membersOf(message string) (m members, err error) {
	r := unpacker{text: message}
	n, ok := r.mapHeader()
	if !ok {
		return m, ErrMalformed
	}
	for range n {
		key := span{start: r.at}
		if !r.skip() {
			return m, ErrMalformed
		}
		key.end = r.at
		value := span{start: r.at}
		if !r.skip() {
			return m, ErrMalformed
		}
		value.end = r.at
		if isUndefined(value.of(message)) {
			value = span{}
		}
		name, _ := (&unpacker{text: key.of(message)}).str()
		switch name {
		case "type":
			m.typ = value
		case "data":
			m.data = value
		case "id":
			m.id = value
		case "nsp":
			m.nsp = value
		}
	}
	if r.at != len(message) {
		return m, ErrMalformed
	}
	return m, nil
}

func (m *members) packetType(message string) (PacketType, error) {
	n, ok := wholeNumber(m.typ.of(message))
	if !ok || n > uint64(ConnectError) {
		return 0, ErrUnknownType
	}
	return PacketType(n), nil
}

func (m *members) namespace(message string) (string, error) {
	r := unpacker{text: m.nsp.of(message)}
	nsp, ok := r.str()
	if !ok || nsp == "" || !utf8.ValidString(nsp) {
		return "", ErrInvalidNamespace
	}
	return strings.Clone(nsp), nil
}

// number returns the id of an acknowledgement. Nil is none.
func (m *members) number(message string) (id uint64, has bool, err error) {
	text := m.id.of(message)
	if text == "" || text[0] == packNil {
		return 0, false, nil
	}
	id, ok := wholeNumber(text)
	if !ok {
		return 0, false, ErrInvalidID
	}
	return id, true, nil
}

// payload reads the data into p, whose type has been read.
func (m *members) payload(message string, p *Packet, l Limits) error {
	text := m.data.of(message)
	if text != "" && text[0] == packNil && p.Type <= Disconnect {
		text = "" // as the Python client sends none
	}
	if text == "" {
		if p.Type <= Disconnect {
			return nil
		}
		return ErrInvalidPayload
	}
	u := unpacker{text: text, maxDepth: l.MaxDepth, out: make([]byte, 0, len(text)+len(text)/4)}
	if !u.value(0) {
		return u.err
	}
	if !mayStartWith(p.Type, u.out[0]) || u.attached {
		return ErrInvalidPayload
	}
	if u.lookalike && len(u.attachments) > 0 {
		return ErrIllegalAttachments
	}
	p.Data, p.Attachments = u.out, u.attachments
	if p.Type == Event {
		if err := checkName(p.Data); err != nil {
			return err
		}
	}
	if len(p.Attachments) == 0 {
		return nil
	}
	return p.attached()
}

// attached makes a packet that has attachments one that may have them.
func (p *Packet) attached() (err error) {
	switch p.Type {
	case Event:
		p.Type = BinaryEvent
	case Ack:
		p.Type = BinaryAck
	default: // what handlers read of the others is JSON alone
		p.Data, err = Substitute(p.Data, p.Attachments)
		p.Attachments = nil
	}
	return err
}

// wholeNumber reads a number that is whole and not below zero, however it is written.
func wholeNumber(text string) (uint64, bool) {
	if text == "" {
		return 0, false
	}
	r := unpacker{text: text}
	switch c := r.byte(); {
	case c < packMap:
		return uint64(c), true
	case c >= packUint8 && c <= packUint64:
		return r.uint(1 << (c - packUint8)), true
	case c >= packInt8 && c <= packInt64:
		n := r.int(1 << (c - packInt8))
		return uint64(n), n >= 0
	case c == packFloat32, c == packFloat64:
		f := r.float(c)
		return uint64(f), f >= 0 && f < 1<<64 && f == math.Trunc(f)
	default:
		return 0, false
	}
}

// StampBinary is [Stamp] for an event of [MsgPack].
func StampBinary(message, text string) (string, bool) {
	m, err := membersOf(message)
	if err != nil {
		return message, false
	}
	if t, err := m.packetType(message); err != nil || t != Event {
		return message, false
	}
	if _, has, err := m.number(message); has || err != nil {
		return message, false
	}
	r := unpacker{text: m.data.of(message)}
	n, ok := r.arrayHeader()
	if !ok || n == math.MaxUint32 {
		return message, false
	}
	b := make([]byte, 0, len(message)+len(text)+9) // 9: two headers that are longer than before
	b = append(b, message[:m.data.start]...)
	b = appendArray(b, int(n)+1)
	b = append(b, r.text[r.at:]...)
	b = appendStr(b, text)
	return string(append(b, message[m.data.end:]...)), true
}

// maxTime is the most milliseconds from 1970 that a Date has.
const maxTime = 8_640_000_000_000_000

// appendTime appends a Date as JSON.stringify does.
func appendTime(b []byte, ms int64) json.RawMessage {
	if ms < -maxTime || ms > maxTime {
		return append(b, "null"...)
	}
	t := time.UnixMilli(ms).UTC()
	year := t.Year()
	if year >= 0 && year <= 9999 {
		return t.AppendFormat(b, `"2006-01-02T15:04:05.000Z"`)
	}
	sign := byte('+')
	if year < 0 {
		sign, year = '-', -year
	}
	b = append(b, '"', sign)
	const digits = 100_000
	for unit := digits; unit > 0; unit /= 10 {
		b = append(b, '0'+byte(year/unit%10))
	}
	return t.AppendFormat(b, `-01-02T15:04:05.000Z"`)
}
