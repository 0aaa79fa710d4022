package dynamostore

import (
	"encoding/json"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/nonstick-io/nonstick/sessionstore"
)

// entry is one entry of a list of packets, as the session's item and its pages have them: a packet, a reference to
// one that is stored apart, or a reference to a page, which stands for several.
type entry struct {
	id      string // of the packet or the page
	frames  []string
	size    int // bytes of the frames of all packets that it stands for
	once    bool
	level   int // 0 of a packet
	packets int // 1 of a packet
	from    int // of a page: the place in it of the first of these packets
	rewind  *sessionstore.Rewind
}

// The weight of an entry is about what DynamoDB bills for it. It can be told from the packets alone, as they were read.
const (
	entryWeight   = 12 // names and marks
	pageRefWeight = 16 // the numbers of a reference to a page
)

func (e *entry) weight() int {
	n := entryWeight + len(e.id)
	if e.level > 0 {
		return n + pageRefWeight
	}
	for _, f := range e.frames {
		n += len(f) + 1
	}
	if e.rewind != nil {
		n += len(rewindText(e.rewind))
	}
	return n
}

func rewindText(r *sessionstore.Rewind) string {
	b, _ := json.Marshal(r) // numbers and strings
	return string(b)
}

func rewindOf(it item) *sessionstore.Rewind {
	t := text(it, attrRewind)
	if t == "" {
		return nil
	}
	r := &sessionstore.Rewind{}
	_ = json.Unmarshal([]byte(t), r) // this package wrote it
	return r
}

func weightOf(list []entry) int {
	n := 0
	for i := range list {
		n += list[i].weight()
	}
	return n
}

func sizeOf(list []entry) int {
	n := 0
	for i := range list {
		n += list[i].size
	}
	return n
}

func packetsIn(list []entry) int {
	n := 0
	for i := range list {
		n += list[i].packets
	}
	return n
}

// packetEntry is a packet within a list, or a reference to it.
func packetEntry(p sessionstore.Packet, within bool) entry {
	e := entry{id: string(p.ID), size: p.Size, packets: 1, once: p.Once, rewind: p.Rewind}
	if within {
		e.frames = p.Frames
		if e.frames == nil {
			e.frames = []string{} // nil would be a reference
		}
	}
	return e
}

func (e *entry) value() types.AttributeValue {
	m := item{attrID: str(e.id)}
	if e.once {
		m[attrOnce] = yes()
	}
	if e.rewind != nil {
		m[attrRewind] = str(rewindText(e.rewind))
	}
	if e.level == 0 && e.frames != nil {
		m[attrFrames] = frames(e.frames)
		return &types.AttributeValueMemberM{Value: m}
	}
	m[attrSize] = num(e.size)
	if e.level > 0 {
		m[attrPackets], m[attrLevel] = num(e.packets), num(e.level)
	}
	if e.from > 0 {
		m[attrFrom] = num(e.from)
	}
	return &types.AttributeValueMemberM{Value: m}
}

func values(list []entry) types.AttributeValue {
	v := make([]types.AttributeValue, len(list))
	for i := range list {
		v[i] = list[i].value()
	}
	return &types.AttributeValueMemberL{Value: v}
}

// entriesOf reads the list of an item.
func entriesOf(it item) []entry {
	elements := elements(it, attrBuffer)
	if len(elements) == 0 {
		return nil
	}
	entries := make([]entry, len(elements))
	for i, v := range elements {
		m, ok := v.(*types.AttributeValueMemberM)
		if !ok {
			continue
		}
		e := entry{
			id: text(m.Value, attrID), frames: framesOf(m.Value[attrFrames]), packets: 1,
			once: flag(m.Value, attrOnce), rewind: rewindOf(m.Value),
		}
		if e.level = int(number(m.Value, attrLevel)); e.level > 0 {
			e.packets, e.from = int(number(m.Value, attrPackets)), int(number(m.Value, attrFrom))
		}
		if e.frames == nil {
			e.size = int(number(m.Value, attrSize))
		} else {
			e.size = size(e.frames)
		}
		entries[i] = e
	}
	if _, ok := it[attrFirstFrom]; ok {
		first := &entries[0]
		from := int(number(it, attrFirstFrom))
		first.packets -= from - first.from
		first.from, first.size = from, int(number(it, attrFirstSize))
	}
	return entries
}

// packetsOf are the packets that entries stand for. Those that are stored apart have no frames, and of those in pages
// only the place is known.
func packetsOf(entries []entry) []sessionstore.Packet {
	if len(entries) == 0 {
		return nil
	}
	packets := make([]sessionstore.Packet, 0, packetsIn(entries))
	for i := range entries {
		e := &entries[i]
		if e.level == 0 {
			packets = append(packets, sessionstore.Packet{
				ID: sessionstore.PacketID(e.id), Frames: e.frames, Size: e.size, Once: e.once, Rewind: e.rewind,
			})
			continue
		}
		for n := range e.packets {
			share := e.size*(n+1)/e.packets - e.size*n/e.packets
			packets = append(
				packets, sessionstore.Packet{Page: sessionstore.Page{ID: e.id, At: e.from + n}, Size: share},
			)
		}
	}
	return packets
}

// bufferOf reads the packets of an item's list.
func bufferOf(it item) []sessionstore.Packet { return packetsOf(entriesOf(it)) }

// entriesAsRead is the inverse of packetsOf, but that the level of a page is not known any more.
func entriesAsRead(packets []sessionstore.Packet) []entry {
	var entries []entry
	for _, p := range packets {
		switch last := len(entries) - 1; {
		case p.Page.IsZero():
			entries = append(
				entries, entry{id: string(p.ID), frames: p.Frames, size: p.Bytes(), packets: 1, rewind: p.Rewind},
			)
		case last >= 0 && entries[last].level > 0 && entries[last].id == p.Page.ID:
			entries[last].packets++
			entries[last].size += p.Size
		default:
			entries = append(entries, entry{id: p.Page.ID, size: p.Size, level: 1, packets: 1, from: p.Page.At})
		}
	}
	return entries
}
