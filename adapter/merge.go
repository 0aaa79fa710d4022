package adapter

import (
	"iter"

	"github.com/nonstick-io/nonstick/sessionstore"
)

type members = iter.Seq2[sessionstore.Member, error]

// chain walks the sources one after the other.
func chain(sources []members) members {
	return func(yield func(sessionstore.Member, error) bool) {
		for _, s := range sources {
			for m, err := range s {
				if !yield(m, err) {
					return
				}
			}
		}
	}
}

// merge walks sources that are each in order of socket ids as one, in order, each socket once; no sources make
// no walk (nil). It keeps one member of each source in memory. A source that fails ends it.
func merge(sources []members) members {
	switch len(sources) {
	case 0:
		return nil
	case 1:
		return sources[0]
	}
	return func(yield func(sessionstore.Member, error) bool) {
		heads := make([]head, 0, len(sources))
		defer func() {
			for _, h := range heads {
				h.stop()
			}
		}()
		for _, s := range sources {
			h := newHead(s)
			heads = append(heads, h)
			if h.err != nil {
				yield(sessionstore.Member{}, h.err)
				return
			}
		}
		for {
			m, err, ok := smallest(heads)
			if !ok || !yield(m, err) || err != nil {
				return
			}
		}
	}
}

// head is a source and its next member.
type head struct {
	next func() (sessionstore.Member, error, bool)
	stop func()
	m    sessionstore.Member
	err  error
	ok   bool
}

func newHead(s members) head {
	h := head{}
	h.next, h.stop = iter.Pull2(s)
	h.advance()
	return h
}

func (h *head) advance() { h.m, h.err, h.ok = h.next() }

// smallest takes the least socket off every head that shows it.
func smallest(heads []head) (sessionstore.Member, error, bool) {
	least := -1
	for i := range heads {
		if !heads[i].ok {
			continue
		}
		if heads[i].err != nil {
			return heads[i].m, heads[i].err, true
		}
		if least < 0 || heads[i].m.Socket < heads[least].m.Socket {
			least = i
		}
	}
	if least < 0 {
		return sessionstore.Member{}, nil, false
	}
	m := heads[least].m
	for i := range heads {
		if heads[i].ok && heads[i].m.Socket == m.Socket {
			if m.Rewound = max(m.Rewound, heads[i].m.Rewound); heads[i].m.Joining.Held() {
				m.Joining = heads[i].m.Joining
			}
			heads[i].advance()
		}
	}
	return m, nil, true
}

// both walks the sockets that are in two walks, each in order of socket ids, as the first has them. It ends with the
// shorter of the two.
func both(all, other members) members {
	return func(yield func(sessionstore.Member, error) bool) {
		h := newHead(other)
		defer func() { h.stop() }()
		for m, err := range all {
			for err == nil && h.ok && h.err == nil && h.m.Socket < m.Socket {
				h.advance()
			}
			switch {
			case err == nil && h.err != nil:
				err = h.err
			case err == nil && !h.ok:
				return
			case err == nil && h.m.Socket != m.Socket:
				continue
			}
			if !yield(m, err) || err != nil {
				return
			}
		}
	}
}

// except walks all but the sockets with the ids.
func except(all members, ids map[sessionstore.SocketID]bool) members {
	if len(ids) == 0 {
		return all
	}
	return func(yield func(sessionstore.Member, error) bool) {
		for m, err := range all {
			if (err != nil || !ids[m.Socket]) && !yield(m, err) {
				return
			}
		}
	}
}

// without walks all, in order of socket ids, less those that are in except, in the same order.
func without(all, except members) members {
	if except == nil {
		return all
	}
	return func(yield func(sessionstore.Member, error) bool) {
		h := newHead(except)
		defer func() { h.stop() }()
		for m, err := range all {
			for err == nil && h.ok && h.err == nil && h.m.Socket < m.Socket {
				h.advance()
			}
			if err == nil && h.err != nil {
				err = h.err
			}
			if err == nil && h.ok && h.m.Socket == m.Socket {
				continue
			}
			if !yield(m, err) || err != nil {
				return
			}
		}
	}
}
