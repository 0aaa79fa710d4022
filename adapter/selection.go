package adapter

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/nonstick-io/nonstick/sessionstore"
)

// socketIDLen is the length of a socket id: only a room name of that length can be a socket's own room.
const socketIDLen = 20

// Selection says which sockets get a broadcast, as the operators of Socket.IO do.
type Selection struct {
	Namespace sessionstore.Namespace `json:"namespace"`
	// Parent, unless empty, selects in each of the namespaces that clients made under a parent of that name, see
	// [sessionstore.Children]. Then there is no Namespace.
	Parent string `json:"-"`
	// Rooms are those to reach, each socket once; none means all sockets of the namespace. A socket's id is the name of
	// a room that holds that socket alone.
	Rooms []sessionstore.Room `json:"rooms,omitempty"`
	// And are rooms that a socket must be in, all of them, besides one of Rooms.
	And []sessionstore.Room `json:"and,omitempty"`
	// Except are the rooms whose members are left out.
	Except []sessionstore.Room `json:"except,omitempty"`
	// Skip are sockets that are left out, which costs no read, unlike their ids among Except.
	Skip []sessionstore.SocketID `json:"skip,omitempty"`
}

// ErrName tells of a namespace that does not begin with a slash, or a name that is empty or above
// sessionstore.MaxName bytes.
var ErrName = errors.New("adapter: invalid name")

// To returns the selection with rooms added. The error matches [ErrName].
func (s Selection) To(rooms ...string) (Selection, error) {
	var err error
	s.Rooms, err = addRooms(s.Rooms, rooms)
	return s, err
}

// Within returns the selection less the sockets that are not in all of the rooms. The error matches [ErrName].
func (s Selection) Within(rooms ...string) (Selection, error) {
	var err error
	s.And, err = addRooms(s.And, rooms)
	return s, err
}

// Without returns the selection less the sockets in the rooms. The error matches [ErrName].
func (s Selection) Without(rooms ...string) (Selection, error) {
	var err error
	s.Except, err = addRooms(s.Except, rooms)
	return s, err
}

func addRooms(list []sessionstore.Room, rooms []string) ([]sessionstore.Room, error) {
	list = slices.Clip(list)
	for _, name := range rooms {
		if err := CheckRoom(name); err != nil {
			return list, err
		}
		if !slices.Contains(list, sessionstore.Room(name)) {
			list = append(list, sessionstore.Room(name))
		}
	}
	return list, nil
}

// CheckRoom refuses a name that is empty or too long, with [ErrName].
func CheckRoom(name string) error {
	if name == "" || len(name) > sessionstore.MaxName {
		return fmt.Errorf("%w: room of %d bytes, want 1 to %d", ErrName, len(name), sessionstore.MaxName)
	}
	return nil
}

// members walks the sockets that are selected within a range, each once. The room returned is the one whose rows they
// come from if it is a single one.
func (a *Adapter) members(ctx context.Context, sel Selection, in sessionstore.Range) (members, sessionstore.Room) {
	return a.membersOf(ctx, sel, in, &Packet{})
}

// membersOf walks the sockets that are selected for a packet, with what its place in the histories of rooms is to them.
func (a *Adapter) membersOf(
	ctx context.Context, sel Selection, in sessionstore.Range, p *Packet,
) (members, sessionstore.Room) {
	from, and := sel.Rooms, sel.And
	if len(from) == 0 && len(and) > 0 { // a room is read in place of the namespace
		from, and = and[:1], and[1:]
	}
	room := sessionstore.Room("")
	if len(from) == 1 {
		room = from[0]
	}
	if len(from) == 0 && len(sel.Except) == 0 {
		return except(chain(a.shards(ctx, sel.Namespace, in)), sel.skipped()), room // disjoint: no need to merge
	}
	var sources []members
	for _, r := range from {
		walks := a.inRoom
		if p.heeds && in == (sessionstore.Range{}) && p.number(r) == 0 {
			walks = a.unmarked
		}
		for _, s := range walks(ctx, sel.Namespace, r, in) {
			if p.history != nil {
				s = placed(s, p.number(r))
			}
			sources = append(sources, s)
		}
	}
	if len(from) == 0 {
		sources = a.shards(ctx, sel.Namespace, in)
	}
	all := merge(sources)
	for _, r := range and {
		all = both(all, merge(a.inRoom(ctx, sel.Namespace, r, in)))
	}
	var out []members
	for _, r := range sel.Except {
		out = append(out, a.store.Members(ctx, sel.Namespace, r, in)) // a room may have a name like an id
	}
	return except(without(all, merge(out)), sel.skipped()), room
}

// shards are the walks of all sockets of a namespace.
func (a *Adapter) shards(ctx context.Context, nsp sessionstore.Namespace, in sessionstore.Range) []members {
	sources := make([]members, a.store.Shards())
	for shard := range sources {
		sources[shard] = a.store.NamespaceMembers(ctx, nsp, shard, in)
	}
	return sources
}

// inRoom are the walks of a room: of its members, and of the socket whose id is the room's name.
func (a *Adapter) inRoom(
	ctx context.Context, nsp sessionstore.Namespace, r sessionstore.Room, in sessionstore.Range,
) []members {
	return a.orOwn(ctx, nsp, r, in, a.store.Members(ctx, nsp, r, in))
}

// orOwn adds the socket whose id is the room's name to the walk of the room.
func (a *Adapter) orOwn(
	ctx context.Context, nsp sessionstore.Namespace, r sessionstore.Room, in sessionstore.Range, all members,
) []members {
	sources := []members{all}
	if isID(nsp, r) && in.Contains(sessionstore.SocketID(r)) {
		sources = append(sources, a.own(ctx, nsp, r))
	}
	return sources
}

// unmarked is inRoom of a whole room, for a packet that is not in a history of the room: it fails at the room's mark.
func (a *Adapter) unmarked(
	ctx context.Context, nsp sessionstore.Namespace, r sessionstore.Room, all sessionstore.Range,
) []members {
	return a.orOwn(ctx, nsp, r, all, a.store.Unmarked(ctx, nsp, r))
}

// isID reports whether a room's name may be the id of a socket. That of an old client outside the main namespace is the
// namespace, "#" and the id of its session.
func isID(nsp sessionstore.Namespace, r sessionstore.Room) bool {
	if len(r) == socketIDLen {
		return true
	}
	n := len(nsp)
	return len(r) == n+1+socketIDLen && r[:n] == sessionstore.Room(nsp) && r[n] == '#'
}

// skipped are the sockets that are left out for their ids.
func (s Selection) skipped() map[sessionstore.SocketID]bool {
	ids := make(map[sessionstore.SocketID]bool, len(s.Except)+len(s.Skip))
	for _, id := range s.Skip {
		ids[id] = true
	}
	for _, r := range s.Except {
		if isID(s.Namespace, r) {
			ids[sessionstore.SocketID(r)] = true
		}
	}
	return ids
}

// own is the room of a socket's own id: that socket, if it is there.
func (a *Adapter) own(
	ctx context.Context, nsp sessionstore.Namespace, r sessionstore.Room,
) iter.Seq2[sessionstore.Member, error] {
	return func(yield func(sessionstore.Member, error) bool) {
		m, err := a.store.Member(ctx, nsp, sessionstore.SocketID(r))
		if !errors.Is(err, sessionstore.ErrNotFound) {
			yield(m, err)
		}
	}
}

// Select returns the members selected, each once.
func (a *Adapter) Select(ctx context.Context, sel Selection) iter.Seq2[sessionstore.Member, error] {
	all, _ := a.members(ctx, sel, sessionstore.Range{})
	return all
}
