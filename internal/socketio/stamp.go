package socketio

import "strings"

// Stamp appends a text to the arguments of an encoded event, as the offset of connection state recovery: the text is a
// string without characters that JSON escapes. It reports false, and changes nothing, for what is no event, or one that
// asks for an acknowledgement: its last argument is the client's callback.
func Stamp(packet, text string) (string, bool) {
	if !stampable(packet) {
		return packet, false
	}
	var b strings.Builder
	b.Grow(len(packet) + len(text) + len(`,""`))
	b.WriteString(packet[:len(packet)-1])
	b.WriteString(`,"`)
	b.WriteString(text)
	b.WriteString(`"]`)
	return b.String(), true
}

// stampable reports whether an encoded packet is an event that asks for no acknowledgement.
func stampable(packet string) bool {
	if packet == "" || packet[len(packet)-1] != ']' {
		return false
	}
	rest := packet[1:]
	switch PacketType(packet[0] - '0') {
	case Event:
	case BinaryEvent:
		_, rest, _ = strings.Cut(rest, "-")
	default:
		return false
	}
	if strings.HasPrefix(rest, "/") {
		_, rest, _ = strings.Cut(rest, ",")
	}
	return strings.HasPrefix(rest, "[")
}
