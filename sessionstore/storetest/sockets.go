package storetest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nonstick-io/nonstick/sessionstore"
)

var socketTests = []test{
	{"put", putSocket},
	{"put twice", putTwice},
	{"remove", removeSocket},
	{"remove the loser of a put", removeLoser},
	{"a successor in the namespace", successor},
	{"a new socket too large", newTooLarge},
	{"many rooms", manyRooms},
	{"clear", clearSockets},
	{"hint", socketHint},
	{"the expiry of a socket", socketExpiry},
}

// limits are those of the tests that do not test limits.
var limits = sessionstore.SocketLimits{Auth: 32 << 10, Data: 64 << 10, Rooms: 100}

func (x *tester) putSocket(k sessionstore.NewSocket, hint sessionstore.Connection) error {
	return x.store.PutSocket(x.Context(), k, hint, limits)
}

func (x *tester) remove(k sessionstore.NewSocket) (sessionstore.Socket, error) {
	return x.store.RemoveSocket(x.Context(), k.Row())
}

func (x *tester) join(k sessionstore.NewSocket, room sessionstore.Room, hint sessionstore.Connection) error {
	return x.store.Join(x.Context(), k.Row(), room, hint, limits)
}

func (x *tester) leave(k sessionstore.NewSocket, room sessionstore.Room) error {
	return x.store.Leave(x.Context(), k.Row(), room)
}

func (x *tester) setHint(k sessionstore.NewSocket, hint sessionstore.Connection) error {
	return x.store.SetHint(x.Context(), k.Row(), hint)
}

// socket reads a socket's row.
func (x *tester) socket(k sessionstore.NewSocket) sessionstore.Socket {
	x.Helper()
	s := x.getWith(k.Session)
	row, ok := s.Socket(k.Namespace)
	if !ok {
		x.Fatalf("no socket in %q", k.Namespace)
	}
	return canonSocket(row)
}

// getWith reads a session, which it makes if need be: sockets are read with their session.
func (x *tester) getWith(id sessionstore.SessionID) sessionstore.Session {
	x.Helper()
	if s, err := x.store.Get(x.Context(), id, start); err == nil {
		return s
	}
	n := newSession(sessionstore.Polling)
	n.ID = id
	x.must(x.store.Create(x.Context(), n))
	return x.get(id)
}

// sameSocket checks a socket's row, and what it keeps.
func (x *tester) sameSocket(k sessionstore.NewSocket) {
	x.Helper()
	row := x.socket(k)
	want := canonSocket(k.Row())
	want.HasData = row.HasData || want.HasData // it may have gone
	equal(x, "the socket", row, want)
	x.keeps(row, k)
	again, data, err := x.store.ReadSocket(x.Context(), k.Namespace, memberOf(k, connA))
	x.must(err)
	equal(x, "the socket read by itself", canonSocket(again), row)
	equal(x, "the data read with it", canonData(data), canonData(k.Data))
}

// keeps checks what a socket keeps apart from its row.
func (x *tester) keeps(row sessionstore.Socket, k sessionstore.NewSocket) {
	x.Helper()
	auth, err := x.store.Auth(x.Context(), row)
	x.must(err)
	equal(x, "auth", auth, k.Auth)
	data, err := x.store.Data(x.Context(), row)
	x.must(err)
	equal(x, "data", canonData(data), canonData(k.Data))
	rooms, err := x.store.RoomsOf(x.Context(), row)
	x.must(err)
	equal(
		x, "rooms", append([]sessionstore.Room{}, rooms...),
		append([]sessionstore.Room{}, slices.Sorted(slices.Values(k.Rooms))...),
	)
	for _, room := range k.Rooms {
		in, err := x.store.InRoom(x.Context(), row, room)
		x.must(err)
		equal(x, "in "+string(room), in, true)
	}
	in, err := x.store.InRoom(x.Context(), row, "never joined")
	x.must(err)
	equal(x, "in a room never joined", in, false)
}

func canonData(data map[string]string) map[string]string {
	if len(data) == 0 {
		return nil
	}
	return data
}

// member checks a socket's row in its namespace.
func (x *tester) member(k sessionstore.NewSocket, hint sessionstore.Connection) {
	x.Helper()
	want := sessionstore.Member{Socket: k.ID, Session: k.Session, Hint: hint}
	got, err := x.store.Member(x.Context(), k.Namespace, k.ID)
	x.must(err)
	equal(x, "the member", got, want)
	n := 0
	for _, m := range x.namespaceMembers(k.Namespace) {
		if m.Socket == k.ID {
			equal(x, "the member in the walk", m, want)
			n++
		}
	}
	equal(x, "times met in the namespace", n, 1)
}

func (x *tester) noMember(k sessionstore.NewSocket) {
	x.Helper()
	_, err := x.store.Member(x.Context(), k.Namespace, k.ID)
	x.is(err, sessionstore.ErrNotFound)
	for _, m := range x.namespaceMembers(k.Namespace) {
		if m.Socket == k.ID {
			x.Errorf("still a member: %+v", m)
		}
	}
}

// inRoom checks the rows of a room.
func (x *tester) inRoom(nsp sessionstore.Namespace, room sessionstore.Room, want ...sessionstore.Member) {
	x.Helper()
	equal(
		x, "the members of "+string(room), collect(x, x.store.Members(x.Context(), nsp, room, sessionstore.Range{})),
		want,
	)
}

func memberOf(k sessionstore.NewSocket, hint sessionstore.Connection) sessionstore.Member {
	return sessionstore.Member{Socket: k.ID, Session: k.Session, Hint: hint}
}

// freshNamespace keeps tests of one store apart.
func freshNamespace() sessionstore.Namespace {
	return sessionstore.Namespace("/" + sessionstore.NewID())
}

// socketExpiry: what lets a socket in may end, and be renewed.
func socketExpiry(x *tester) {
	k := newSocket(x.polling(), freshNamespace())
	k.ExpiresAt = after(time.Minute)
	x.put(k)
	expires := func(want time.Time) {
		x.Helper()
		equal(x, "with the session", x.socket(k).ExpiresAt.UTC(), want.UTC())
		row, _, err := x.store.ReadSocket(x.Context(), k.Namespace, memberOf(k, connA))
		x.must(err)
		equal(x, "alone", row.ExpiresAt.UTC(), want.UTC())
	}
	expires(after(time.Minute))
	x.must(x.store.SetExpiry(x.Context(), k.Row(), after(time.Hour+time.Microsecond)))
	expires(after(time.Hour))
	x.must(x.store.SetExpiry(x.Context(), k.Row(), time.Time{}))
	expires(time.Time{})
	other := k.Row()
	other.ID = "another in its place"
	x.is(x.store.SetExpiry(x.Context(), other, after(0)), sessionstore.ErrNotFound)
	expires(time.Time{})
	x.notSent("SetExpiry", x.store.SetExpiry(x.cancelled(), k.Row(), after(0)))
}

func putSocket(x *tester) {
	for _, hint := range []sessionstore.Connection{connA, {}} {
		k := newSocket(x.polling(), freshNamespace(), "b", "a", "c")
		k.Auth, k.Data, k.Parent = `{"a":1}`, map[string]string{"x": "1"}, "tenants"
		x.must(x.putSocket(k, hint))
		x.member(k, hint)
		for _, room := range []sessionstore.Room{"a", "b", "c"} {
			x.inRoom(k.Namespace, room, memberOf(k, hint))
		}
		k.Rooms = []sessionstore.Room{"a", "b", "c"} // read in order
		x.sameSocket(k)
	}
}

func putTwice(x *tester) {
	k := x.put(newSocket(x.polling(), freshNamespace(), "a"))
	again := newSocket(k.Session, k.Namespace, "b")
	again.Auth = "{}"
	x.is(x.putSocket(again, connB), sessionstore.ErrExists)
	x.sameSocket(k)
	x.member(k, connA)
	x.inRoom(k.Namespace, "a", memberOf(k, connA))
	x.put(newSocket(k.Session, freshNamespace()))
}

func removeSocket(x *tester) {
	k := newSocket(x.polling(), freshNamespace(), "a", "b")
	k.Data = map[string]string{"x": "1"}
	x.put(k)
	rest := x.put(newSocket(x.polling(), k.Namespace, "a"))
	x.must(x.join(k, "c", connA))
	x.must(x.leave(k, "b"))
	got, err := x.remove(k) // k itself knows nothing of the join
	x.must(err)
	k.Rooms = []sessionstore.Room{"a", "c"}
	equal(x, "the removed socket", canonSocket(got), canonSocket(k.Row()))
	k.Auth = "{}" // as a row read before says
	_, err = x.store.Auth(x.Context(), k.Row())
	x.is(err, sessionstore.ErrNotFound)
	k.Auth = ""
	_, _, err = x.store.ReadSocket(x.Context(), k.Namespace, memberOf(k, connA))
	x.is(err, sessionstore.ErrNotFound)
	x.close(rest.Session, false)
	_, _, err = x.store.ReadSocket(x.Context(), k.Namespace, memberOf(rest, connA))
	x.is(err, sessionstore.ErrNotFound)
	x.keeps(k.Row(), newSocket(k.Session, k.Namespace))
	x.noMember(k)
	x.inRoom(k.Namespace, "a", memberOf(rest, connA))
	x.inRoom(k.Namespace, "b")
	x.inRoom(k.Namespace, "c")
	if n := len(x.get(k.Session).Sockets); n != 0 {
		x.Errorf("%d sockets left", n)
	}
	_, err = x.remove(k)
	x.is(err, sessionstore.ErrNotFound)
	x.member(rest, connA)
}

// removeLoser: the caller that lost a put removes what it may have left, and nothing of the winner.
func removeLoser(x *tester) {
	winner := x.put(newSocket(x.polling(), freshNamespace(), "a"))
	loser := newSocket(winner.Session, winner.Namespace)
	x.is(x.putSocket(loser, connB), sessionstore.ErrExists)
	_, err := x.remove(loser)
	x.is(err, sessionstore.ErrNotFound)
	x.noMember(loser)
	x.member(winner, connA)
	x.sameSocket(winner)
	x.inRoom(winner.Namespace, "a", memberOf(winner, connA))
}

// successor: a handler of a socket that has gone must not touch the next one in its place.
func successor(x *tester) {
	old := x.put(newSocket(x.polling(), freshNamespace(), "a"))
	_, err := x.remove(old)
	x.must(err)
	next := newSocket(old.Session, old.Namespace, "a")
	next.Data = map[string]string{"x": "1"}
	x.put(next)

	x.is(x.join(old, "b", connA), sessionstore.ErrNotFound)
	x.is(x.setData(old, "x", "2"), sessionstore.ErrNotFound)
	x.must(x.setHint(old, connB))
	x.must(x.leave(old, "a"))
	_, err = x.remove(old)
	x.is(err, sessionstore.ErrNotFound)

	x.sameSocket(next)
	x.member(next, connA)
	x.noMember(old)
	x.inRoom(old.Namespace, "a", memberOf(next, connA))
	x.inRoom(old.Namespace, "b")
}

// newTooLarge: a socket that is above a limit is not stored, nor anything of it.
func newTooLarge(x *tester) {
	small := sessionstore.SocketLimits{Auth: 10, Data: 10, Rooms: 2}
	for _, c := range []struct {
		name  string
		above error
		make  func(k *sessionstore.NewSocket, n int) // n is 0 at the limit, 1 above it
	}{
		{
			"auth", sessionstore.ErrTooLarge,
			func(k *sessionstore.NewSocket, n int) { k.Auth = strings.Repeat("x", 10+n) },
		},
		{"data", sessionstore.ErrTooLarge, func(k *sessionstore.NewSocket, n int) {
			k.Data = map[string]string{"a": "1", "bc": strings.Repeat("x", 6+n)}
		}},
		{"a key of data", sessionstore.ErrTooLarge, func(k *sessionstore.NewSocket, n int) {
			small.Data = 1000
			k.Data = map[string]string{strings.Repeat("x", sessionstore.MaxDataKey+n): "1"}
		}},
		{"rooms", sessionstore.ErrTooManyRooms, func(k *sessionstore.NewSocket, n int) {
			k.Rooms = []sessionstore.Room{"b", "a", "c"}[:2+n]
		}},
	} {
		k := newSocket(x.polling(), freshNamespace())
		c.make(&k, 1)
		x.is(x.store.PutSocket(x.Context(), k, connA, small), c.above)
		x.noMember(k)
		x.inRoom(k.Namespace, "a")
		if n := len(x.get(k.Session).Sockets); n != 0 {
			x.Errorf("%s: %d sockets", c.name, n)
		}
		k = newSocket(k.Session, k.Namespace)
		c.make(&k, 0)
		x.must(x.store.PutSocket(x.Context(), k, connA, small))
		x.sameSocket(k)
	}
}

func socketHint(x *tester) {
	k := x.put(newSocket(x.polling(), freshNamespace(), "a", "b"))
	x.must(x.setHint(k, connB))
	x.member(k, connB)
	x.inRoom(k.Namespace, "a", memberOf(k, connB))
	x.inRoom(k.Namespace, "b", memberOf(k, connB))
	x.must(x.store.Reap(x.Context(), k.Namespace, "a", k.ID))
	x.must(x.setHint(k, connA))
	x.inRoom(k.Namespace, "a") // a row that is gone stays gone
	x.inRoom(k.Namespace, "b", memberOf(k, connA))
	x.must(x.join(k, "a", connB))
	x.must(x.setHint(k, sessionstore.Connection{}))
	x.member(k, sessionstore.Connection{})
	x.inRoom(k.Namespace, "b", memberOf(k, sessionstore.Connection{}))
	x.sameSocket(k)

	gone := newSocket(k.Session, k.Namespace, "a")
	x.must(x.setHint(gone, connB))
	x.noMember(gone)
	x.inRoom(k.Namespace, "a", memberOf(k, sessionstore.Connection{}))
}

// manyRooms: a socket leaves its session and its rooms whole, however many they are.
func manyRooms(x *tester) {
	const rooms = 230
	most := sessionstore.SocketLimits{Rooms: rooms}
	k := newSocket(x.polling(), freshNamespace())
	for i := range rooms {
		k.Rooms = append(k.Rooms, sessionstore.Room(fmt.Sprintf("room #%03d", i)))
	}
	x.must(x.store.PutSocket(x.Context(), k, connA, most))
	x.sameSocket(k)
	x.must(x.setHint(k, connB))
	for _, room := range k.Rooms {
		x.inRoom(k.Namespace, room, memberOf(k, connB))
	}
	x.is(x.store.Join(x.Context(), k.Row(), "another", connA, most), sessionstore.ErrTooManyRooms)
	x.inRoom(k.Namespace, "another")
	x.sameSocket(k)
	got, err := x.remove(k)
	x.must(err)
	equal(x, "rooms", got.Rooms, rooms)
	for _, room := range k.Rooms {
		x.inRoom(k.Namespace, room)
	}
	x.keeps(k.Row(), newSocket(k.Session, k.Namespace))
}

// clearSockets: there is nothing to clear but by an accident of the store; it must do no harm.
func clearSockets(x *tester) {
	k := x.put(newSocket(x.polling(), freshNamespace(), "a"))
	gone := x.put(newSocket(k.Session, freshNamespace(), "a"))
	_, err := x.remove(gone)
	x.must(err)
	_, err = x.remove(k)
	x.must(err)
	for range 2 {
		x.must(x.store.ClearSockets(x.Context(), k.Session))
	}
	x.must(x.store.ClearSockets(x.Context(), "nobody"))
	x.inRoom(k.Namespace, "a")
}
