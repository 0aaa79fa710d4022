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
	var sources []members
	room := sessionstore.Room("")
	for _, r := range sel.Rooms {
		if len(r) == socketIDLen && in.Contains(sessionstore.SocketID(r)) {
			sources = append(sources, a.own(ctx, sel.Namespace, r))
		}
		sources = append(sources, a.store.Members(ctx, sel.Namespace, r, in))
	}
	if len(sel.Rooms) == 1 {
		room = sel.Rooms[0]
	}
	if len(sel.Rooms) == 0 {
		for shard := range a.store.Shards() {
			sources = append(sources, a.store.NamespaceMembers(ctx, sel.Namespace, shard, in))
		}
	}
	var except []members
	ids := make(map[sessionstore.SocketID]bool, len(sel.Except)+len(sel.Skip))
	for _, id := range sel.Skip {
		ids[id] = true
	}
	for _, r := range sel.Except {
		if len(r) == socketIDLen {
			ids[sessionstore.SocketID(r)] = true
		}
		except = append(except, a.store.Members(ctx, sel.Namespace, r, in)) // a room may have a name like an id
	}
	var all members
	switch {
	case len(except) == 0 && len(sel.Rooms) == 0: // shards are disjoint: no need to merge
		all = chain(sources)
	default:
		all = without(merge(sources), merge(except))
	}
	if len(ids) == 0 {
		return all, room
	}
	return func(yield func(sessionstore.Member, error) bool) {
		for m, err := range all {
			if (err != nil || !ids[m.Socket]) && !yield(m, err) {
				return
			}
		}
	}, room
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
