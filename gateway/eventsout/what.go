package eventsout

import (
	"fmt"
	"strings"
)

// What says which events are told. The zero value says none.
type What struct {
	types  map[Type]bool
	events map[string]bool // names of client events
}

// eventPrefix is before the name of a client event in a list.
const eventPrefix = string(ClientEvent) + ":"

// maxEventName bounds the name of a client event in a list, in bytes.
const maxEventName = 64

// ParseWhat reads a list with commas between its entries: connect, disconnect, join, leave, and event:NAME for the
// events of clients of that name. A name is of printed characters of ASCII, without comma and blank, at most 64.
// event:* means all events.
func ParseWhat(list string) (What, error) {
	w := What{types: map[Type]bool{}, events: map[string]bool{}}
	for entry := range strings.SplitSeq(list, ",") {
		switch t := Type(entry); t {
		case Connect, Disconnect, Join, Leave:
			w.types[t] = true
			continue
		case ClientEvent: // needs a name
		}
		name, ok := strings.CutPrefix(entry, eventPrefix)
		if !ok || name == "" || len(name) > maxEventName || strings.ContainsFunc(name, notPrinted) {
			return What{}, fmt.Errorf(
				"eventsout: %q: want connect, disconnect, join, leave or event:NAME, with commas between them", entry,
			)
		}
		w.types[ClientEvent] = true
		w.events[name] = true
	}
	return w, nil
}

func notPrinted(r rune) bool { return r <= ' ' || r > '~' }
