package dynamostore

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/nonstick-io/nonstick/sessionstore"
)

// A page is an item with entries of a buffer, under a key that the query of a session does not meet. Where entries
// were, the list has one reference to it. Pages are as bodies are: written before what refers to them, never changed,
// and ended by their time to live. So a page to which no list came to refer is harmless. See docs/adr/0014.

const (
	// maxEntry is the most that a packet within a list may weigh; what is above is stored apart.
	maxEntry = 1<<10 + 64
	// maxWeight is the most that the list of a session's item may weigh: each write of the session is billed by it.
	maxWeight = 1900
	// pageSize is about the most that a page may weigh that is made of what one call appends.
	pageSize = 16 << 10
)

// page is a page to be written.
type page struct {
	id      string
	entries []entry
}

func newPage(entries []entry) page {
	return page{id: sessionstore.NewID(), entries: entries}
}

// reference is the entry that stands for a page.
func (p *page) reference() entry {
	r := entry{id: p.id, size: sizeOf(p.entries), packets: packetsIn(p.entries)}
	for i := range p.entries {
		r.level = max(r.level, p.entries[i].level)
	}
	r.level++
	return r
}

func (p *page) put(id sessionstore.SessionID) types.WriteRequest {
	it := pageKey(id, p.id).item()
	it[attrBuffer] = values(p.entries)
	it[attrTTL] = seconds(bodiesEnd())
	return putRequest(it)
}

// pack puts entries into pages, and their references into pages again, until what is left is light enough.
func pack(entries []entry) (left []entry, pages []page) {
	for weightOf(entries) > maxEntry && len(entries) > 1 {
		var references []entry
		for len(entries) > 0 {
			n, weight := 0, 0
			for n < len(entries) && (n < 2 || weight+entries[n].weight() <= pageSize) {
				weight += entries[n].weight()
				n++
			}
			p := newPage(entries[:n:n])
			pages, references = append(pages, p), append(references, p.reference())
			entries = entries[n:]
		}
		entries = references
	}
	return entries, pages
}

// turn returns the page that makes room in a list for so much more, and the list with its reference. The page takes
// the last entries of the list, those that are no pages; or pages of the lowest level too, if without them too little
// would be gained. So pages make a tree, the list stays short whatever it stands for, and every entry is written as
// often as the tree is high: twice with a thousand packets.
func turn(list []entry, more int) ([]entry, page) {
	for level := 0; ; level++ {
		begin := len(list)
		for begin > 0 && list[begin-1].level <= level {
			begin--
		}
		p := newPage(list[begin:])
		left := append(list[:begin:begin], p.reference())
		if begin == 0 || weightOf(left) <= min(maxWeight/2, maxWeight-more) {
			return left, p
		}
	}
}

// unfold returns packets with those of pages as the pages have them: the large ones without frames.
func (s *Store) unfold(
	ctx context.Context, op sessionstore.Op, id sessionstore.SessionID, packets []sessionstore.Packet,
) ([]sessionstore.Packet, error) {
	own := false
	for {
		var keys []key
		pages := make(map[string][]sessionstore.Packet)
		for _, p := range packets {
			if _, met := pages[p.Page.ID]; !met && !p.Page.IsZero() {
				pages[p.Page.ID] = nil
				keys = append(keys, pageKey(id, p.Page.ID))
			}
		}
		if len(keys) == 0 {
			return packets, nil
		}
		items, err := s.getAll(ctx, op, keys)
		if err != nil {
			return nil, err
		}
		for name := range pages {
			pages[name] = bufferOf(items[pageKey(id, name)])
		}
		if !own {
			own, packets = true, append([]sessionstore.Packet(nil), packets...)
		}
		for i, p := range packets {
			if p.Page.IsZero() {
				continue
			}
			if p.Page.At >= len(pages[p.Page.ID]) {
				return nil, fmt.Errorf("page: %w", sessionstore.ErrNotFound)
			}
			packets[i] = pages[p.Page.ID][p.Page.At]
		}
	}
}

// sizeOfFirst returns the bytes of the first packets of an entry: those of a page, unless it is all of them, have to
// be read (1 read for each level).
func (s *Store) sizeOfFirst(
	ctx context.Context, op sessionstore.Op, id sessionstore.SessionID, e *entry, packets int,
) (int, error) {
	if packets == e.packets {
		return e.size, nil
	}
	it, err := s.get(ctx, op, pageKey(id, e.id))
	if err != nil {
		return 0, err
	}
	if it == nil {
		return 0, fmt.Errorf("page: %w", sessionstore.ErrNotFound)
	}
	within := entriesOf(it)
	before := sizeOf(within) - e.size // of the packets before e.from
	n, left := 0, e.from+packets
	for i := range within {
		if left == 0 {
			break
		}
		part := min(left, within[i].packets)
		bytes, err := s.sizeOfFirst(ctx, op, id, &within[i], part)
		if err != nil {
			return 0, err
		}
		n, left = n+bytes, left-part
	}
	return n - before, nil
}
