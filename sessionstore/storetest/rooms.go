package storetest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/nonstick-io/nonstick/sessionstore"
)

var roomTests = []test{
	{"join", join},
	{"an old client's id", oldID},
	{"join as a socket that is gone", joinGone},
	{"too many", tooManyRooms},
	{"leave", leave},
	{"repair a hint", repairHint},
	{"reap", reap},
	{"order and shards", roomOrder},
	{"ranges", roomRanges},
	{"a walk that is left", walkLeft},
	{"count", countMembers},
	{"none", noRoom},
}

func join(x *tester) {
	k := x.put(newSocket(x.polling(), freshNamespace()))
	other := x.put(newSocket(x.polling(), freshNamespace()))
	x.must(x.join(k, "b", connA))
	x.must(x.join(k, "a", sessionstore.Connection{}))
	x.must(x.join(other, "a", connA))
	k.Rooms = []sessionstore.Room{"a", "b"}
	x.sameSocket(k)
	x.inRoom(k.Namespace, "a", memberOf(k, sessionstore.Connection{}))
	x.inRoom(k.Namespace, "b", memberOf(k, connA))
	x.inRoom(other.Namespace, "a", memberOf(other, connA))

	x.must(x.join(k, "a", connB)) // again, and with news
	x.sameSocket(k)
	x.inRoom(k.Namespace, "a", memberOf(k, connB))
}

// oldID: sockets of old clients have ids that are made of their namespace, however long that is, and of their session.
func oldID(x *tester) {
	long := freshNamespace() + sessionstore.Namespace(strings.Repeat("#", sessionstore.MaxName-20))
	for _, nsp := range []sessionstore.Namespace{"/", freshNamespace(), long} {
		id := x.polling()
		n := newSocket(id, nsp)
		n.ID, n.Auth, n.Data = sessionstore.OldSocketID(id, nsp), `{"a":"b"}`, map[string]string{"k": "1"}
		k := x.put(n)
		room := sessionstore.Room(strings.Repeat("r", sessionstore.MaxName))
		x.must(x.join(k, room, connA))
		k.Rooms = []sessionstore.Room{room}
		x.sameSocket(k)
		x.inRoom(nsp, room, memberOf(k, connA))
		m, err := x.store.Member(x.Context(), nsp, k.ID)
		x.must(err)
		equal(x, "the member", m.Session, id)
		_, err = x.remove(k)
		x.must(err)
		x.inRoom(nsp, room)
		_, err = x.store.Member(x.Context(), nsp, k.ID)
		x.is(err, sessionstore.ErrNotFound)
	}
}

// tooManyRooms: the limit holds for rooms that are new to the socket, and what one leaves another may have.
func tooManyRooms(x *tester) {
	two := sessionstore.SocketLimits{Rooms: 2}
	k := x.put(newSocket(x.polling(), freshNamespace()))
	enter := func(room sessionstore.Room) error { return x.store.Join(x.Context(), k.Row(), room, connA, two) }
	x.must(enter("a"))
	x.must(enter("b"))
	for range 2 {
		x.is(enter("c"), sessionstore.ErrTooManyRooms)
		x.inRoom(k.Namespace, "c")
		x.must(enter("a"))
		x.inRoom(k.Namespace, "a", memberOf(k, connA))
	}
	k.Rooms = []sessionstore.Room{"a", "b"}
	x.sameSocket(k)
	for range 2 {
		x.must(x.leave(k, "a"))
	}
	x.must(enter("c"))
	x.is(enter("a"), sessionstore.ErrTooManyRooms)
	k.Rooms = []sessionstore.Room{"b", "c"}
	x.sameSocket(k)
}

func joinGone(x *tester) {
	k := x.put(newSocket(x.polling(), freshNamespace(), "a"))
	_, err := x.remove(k)
	x.must(err)
	x.is(x.join(k, "a", connA), sessionstore.ErrNotFound)
	x.inRoom(k.Namespace, "a")
	if n := len(x.get(k.Session).Sockets); n != 0 {
		x.Errorf("joining made %d sockets", n)
	}
	nobody := newSocket(sessionstore.SessionID(sessionstore.NewID()), k.Namespace)
	x.is(x.join(nobody, "a", connA), sessionstore.ErrNotFound)
	x.inRoom(k.Namespace, "a")
}

func leave(x *tester) {
	k := x.put(newSocket(x.polling(), freshNamespace(), "a", "b"))
	rest := x.put(newSocket(x.polling(), k.Namespace, "a"))
	for range 2 {
		x.must(x.leave(k, "a"))
		x.inRoom(k.Namespace, "a", memberOf(rest, connA))
		x.inRoom(k.Namespace, "b", memberOf(k, connA))
	}
	x.must(x.leave(k, "never joined"))
	x.must(x.leave(k, "b"))
	k.Rooms = nil
	x.sameSocket(k)
	x.member(k, connA)
	x.must(x.join(k, "a", connA))
	k.Rooms = []sessionstore.Room{"a"}
	x.sameSocket(k)

	_, err := x.remove(k)
	x.must(err)
	x.must(x.leave(k, "a"))
	if n := len(x.get(k.Session).Sockets); n != 0 {
		x.Errorf("leaving made %d sockets", n)
	}
}

func repairHint(x *tester) {
	k := x.put(newSocket(x.polling(), freshNamespace(), "a", "b"))
	repair := func(room sessionstore.Room, hint sessionstore.Connection) {
		x.Helper()
		x.must(x.store.RepairHint(x.Context(), k.Namespace, room, memberOf(k, hint)))
	}
	repair("a", connB)
	x.inRoom(k.Namespace, "a", memberOf(k, connB))
	x.inRoom(k.Namespace, "b", memberOf(k, connA))
	x.member(k, connA)
	repair("", sessionstore.Connection{})
	x.member(k, sessionstore.Connection{})
	repair("never joined", connB)
	x.inRoom(k.Namespace, "never joined")
	gone := newSocket(k.Session, k.Namespace)
	x.must(x.store.RepairHint(x.Context(), k.Namespace, "", memberOf(gone, connB)))
	x.noMember(gone)
	x.inRoom(k.Namespace, "a", memberOf(k, connB))
}

func reap(x *tester) {
	k := x.put(newSocket(x.polling(), freshNamespace(), "a", "b"))
	rest := x.put(newSocket(x.polling(), k.Namespace, "a"))
	for range 2 {
		x.must(x.store.Reap(x.Context(), k.Namespace, "a", k.ID))
		x.inRoom(k.Namespace, "a", memberOf(rest, connA))
	}
	x.inRoom(k.Namespace, "b", memberOf(k, connA))
	x.member(k, connA)
	for range 2 {
		x.must(x.store.Reap(x.Context(), k.Namespace, "", k.ID))
		x.noMember(k)
	}
	x.inRoom(k.Namespace, "b", memberOf(k, connA))
	x.member(rest, connA)
	x.sameSocket(k) // the socket's own row is not an orphan's business
}

func roomOrder(x *tester) {
	id, nsp := x.polling(), freshNamespace()
	var want []sessionstore.SocketID
	var sockets []sessionstore.NewSocket
	for range 40 {
		k := newSocket(sessionstore.SessionID(string(id)+sessionstore.NewID()), nsp, "r")
		sockets = append(sockets, x.put(k))
		want = append(want, k.ID)
	}
	slices.Sort(want)
	equal(x, "the room", x.ids(nsp, "r"), want)

	var all []sessionstore.SocketID
	for _, m := range x.namespaceMembers(nsp) {
		all = append(all, m.Socket)
	}
	slices.Sort(all)
	equal(x, "the namespace", all, want)

	for _, k := range sockets[:20] {
		x.must(x.leave(k, "r"))
		i, _ := slices.BinarySearch(want, k.ID)
		want = slices.Delete(want, i, i+1)
	}
	x.must(x.join(sockets[7], "r", connA))
	want = append(want, sockets[7].ID)
	slices.Sort(want)
	equal(x, "the room after leaves and a join", x.ids(nsp, "r"), want)
}

// roomRanges: a walk of a range meets those in it, no matter whether its ends are ids of members.
func roomRanges(x *tester) {
	nsp := freshNamespace()
	var ids []sessionstore.SocketID
	for range 12 {
		ids = append(ids, x.put(newSocket(sessionstore.SessionID(sessionstore.NewID()), nsp, "r")).ID)
	}
	slices.Sort(ids)
	for _, r := range []sessionstore.Range{
		{},
		{From: ids[0]},
		{To: ids[11]},
		{From: ids[3]},
		{To: ids[3]},
		{From: ids[3], To: ids[7]},
		{From: ids[3] + "0", To: ids[7] + "0"},
		{From: ids[5], To: ids[5] + "\x00"},
		{From: ids[5], To: ids[5]},
		{To: "!"},
		{From: "~"},
	} {
		want := slices.DeleteFunc(slices.Clone(ids), func(id sessionstore.SocketID) bool { return !r.Contains(id) })
		x.inRange(nsp, "r", r, want)
	}
}

// inRange checks that a walk of a range meets those ids, in the room and in the namespace.
func (x *tester) inRange(
	nsp sessionstore.Namespace, room sessionstore.Room, r sessionstore.Range, want []sessionstore.SocketID,
) {
	x.Helper()
	got := []sessionstore.SocketID{}
	for _, m := range collect(x, x.store.Members(x.Context(), nsp, room, r)) {
		got = append(got, m.Socket)
	}
	equal(x, fmt.Sprintf("the room from %q to %q", r.From, r.To), got, want)
	got = []sessionstore.SocketID{}
	for shard := range x.store.Shards() {
		for _, m := range collect(x, x.store.NamespaceMembers(x.Context(), nsp, shard, r)) {
			got = append(got, m.Socket)
		}
	}
	slices.Sort(got)
	equal(x, fmt.Sprintf("the namespace from %q to %q", r.From, r.To), got, want)
}

// walkLeft: the caller that walks may stop, and may change the room while it walks.
func walkLeft(x *tester) {
	nsp := freshNamespace()
	for range 3 {
		x.put(newSocket(sessionstore.SessionID(sessionstore.NewID()), nsp, "r"))
	}
	n := 0
	for m, err := range x.store.Members(x.Context(), nsp, "r", sessionstore.Range{}) {
		x.must(err)
		x.must(x.store.Reap(x.Context(), nsp, "r", m.Socket))
		if n++; n == 2 {
			break
		}
	}
	equal(x, "rows left", len(x.ids(nsp, "r")), 1)
}

// countMembers: a count is what a walk meets, or the most that was asked for.
func countMembers(x *tester) {
	nsp := freshNamespace()
	x.counted(nsp, "r", 0)
	var sockets []sessionstore.NewSocket
	for i := range 5 {
		k := newSocket(sessionstore.SessionID(sessionstore.NewID()), nsp, "r")
		if i == 0 {
			k.Rooms = append(k.Rooms, "s")
		}
		sockets = append(sockets, x.put(k))
	}
	x.put(newSocket(x.polling(), freshNamespace(), "r"))
	x.counted(nsp, "r", 5)
	x.counted(nsp, "s", 1)
	x.counted(nsp, "none", 0)
	x.must(x.join(sockets[1], "s", connA))
	x.must(x.join(sockets[1], "s", connA))
	x.counted(nsp, "s", 2)
	x.must(x.leave(sockets[0], "s"))
	x.counted(nsp, "s", 1)
	_, err := x.remove(sockets[1])
	x.must(err)
	x.counted(nsp, "s", 0)
	x.counted(nsp, "r", 4)
}

// counted checks the count of a room and of the namespace, up to any number.
func (x *tester) counted(nsp sessionstore.Namespace, room sessionstore.Room, want int) {
	x.Helper()
	for most := range want + 3 {
		n, err := x.store.CountMembers(x.Context(), nsp, room, most)
		x.must(err)
		equal(x, fmt.Sprintf("the room %s up to %d", room, most), n, upTo(want, most))
	}
	want = len(x.namespaceMembers(nsp))
	sum := 0
	for shard := range x.store.Shards() {
		all, err := x.store.CountNamespaceMembers(x.Context(), nsp, shard, 0)
		x.must(err)
		one, err := x.store.CountNamespaceMembers(x.Context(), nsp, shard, 1)
		x.must(err)
		equal(x, "a shard up to 1", one, min(all, 1))
		sum += all
	}
	equal(x, "the namespace", sum, want)
}

// upTo is n, or most if that is less and not 0.
func upTo(n, most int) int {
	if most > 0 {
		return min(n, most)
	}
	return n
}

func noRoom(x *tester) {
	nsp := freshNamespace()
	x.inRoom(nsp, "r")
	equal(x, "members", len(x.namespaceMembers(nsp)), 0)
	k := newSocket(x.polling(), nsp)
	_, err := x.store.Member(x.Context(), nsp, k.ID)
	x.is(err, sessionstore.ErrNotFound)
	x.must(x.store.Reap(x.Context(), nsp, "r", k.ID))
	x.must(x.leave(k, "r"))
}
