package storetest

import (
	"strings"

	"github.com/nonstick-io/nonstick/sessionstore"
)

var socketTests = []test{
	{"put", putSocket},
	{"put twice", putTwice},
	{"remove", removeSocket},
	{"remove the loser of a put", removeLoser},
	{"a successor in the namespace", successor},
	{"data", socketData},
	{"data too large", dataTooLarge},
	{"hint", socketHint},
}

// socket reads a socket's row.
func (x *tester) socket(k sessionstore.Socket) sessionstore.Socket {
	x.Helper()
	s := x.getWith(k.Session)
	got, ok := s.Socket(k.Namespace)
	if !ok {
		x.Fatalf("no socket in %q", k.Namespace)
	}
	return canonSocket(got)
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

func (x *tester) sameSocket(k sessionstore.Socket) {
	x.Helper()
	equal(x, "the socket", x.socket(k), canonSocket(k))
}

// member checks a socket's row in its namespace.
func (x *tester) member(k sessionstore.Socket, hint sessionstore.Connection) {
	x.Helper()
	want := sessionstore.Member{Socket: k.ID, Session: k.Session, Hint: hint}
	got, err := x.store.Member(x.Context(), k.Namespace, k.ID)
	x.must(err)
	equal(x, "the member", got, want)
	n := 0
	for _, m := range x.everybody(k.Namespace) {
		if m.Socket == k.ID {
			equal(x, "the member in the walk", m, want)
			n++
		}
	}
	equal(x, "times met in the namespace", n, 1)
}

func (x *tester) noMember(k sessionstore.Socket) {
	x.Helper()
	_, err := x.store.Member(x.Context(), k.Namespace, k.ID)
	x.is(err, sessionstore.ErrNotFound)
	for _, m := range x.everybody(k.Namespace) {
		if m.Socket == k.ID {
			x.Errorf("still a member: %+v", m)
		}
	}
}

// inRoom checks the rows of a room.
func (x *tester) inRoom(nsp sessionstore.Namespace, room sessionstore.Room, want ...sessionstore.Member) {
	x.Helper()
	equal(x, "the members of "+string(room), collect(x, x.store.Members(x.Context(), nsp, room, sessionstore.Range{})), want)
}

func memberOf(k sessionstore.Socket, hint sessionstore.Connection) sessionstore.Member {
	return sessionstore.Member{Socket: k.ID, Session: k.Session, Hint: hint}
}

// freshNamespace keeps tests of one store apart.
func freshNamespace() sessionstore.Namespace {
	return sessionstore.Namespace("/" + sessionstore.NewID())
}

func putSocket(x *tester) {
	for _, hint := range []sessionstore.Connection{connA, {}} {
		k := newSocket(x.polling(), freshNamespace(), "b", "a", "c")
		k.Auth, k.Data = `{"a":1}`, map[string]string{"x": "1"}
		x.must(x.store.PutSocket(x.Context(), k, hint))
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
	x.is(x.store.PutSocket(x.Context(), again, connB), sessionstore.ErrExists)
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
	x.must(x.store.Join(x.Context(), k, "c", connA))
	x.must(x.store.Leave(x.Context(), k, "b"))
	got, err := x.store.RemoveSocket(x.Context(), k) // k itself knows nothing of the join
	x.must(err)
	k.Rooms = []sessionstore.Room{"a", "c"}
	equal(x, "the removed socket", canonSocket(got), canonSocket(k))
	x.noMember(k)
	x.inRoom(k.Namespace, "a", memberOf(rest, connA))
	x.inRoom(k.Namespace, "b")
	x.inRoom(k.Namespace, "c")
	if n := len(x.get(k.Session).Sockets); n != 0 {
		x.Errorf("%d sockets left", n)
	}
	_, err = x.store.RemoveSocket(x.Context(), k)
	x.is(err, sessionstore.ErrNotFound)
	x.member(rest, connA)
}

// removeLoser: whoever lost a put removes what it may have left, and nothing of the winner.
func removeLoser(x *tester) {
	winner := x.put(newSocket(x.polling(), freshNamespace(), "a"))
	loser := newSocket(winner.Session, winner.Namespace)
	x.is(x.store.PutSocket(x.Context(), loser, connB), sessionstore.ErrExists)
	_, err := x.store.RemoveSocket(x.Context(), loser)
	x.is(err, sessionstore.ErrNotFound)
	x.noMember(loser)
	x.member(winner, connA)
	x.sameSocket(winner)
	x.inRoom(winner.Namespace, "a", memberOf(winner, connA))
}

// successor: a handler of a socket that has gone must not touch the next one in its place.
func successor(x *tester) {
	old := x.put(newSocket(x.polling(), freshNamespace(), "a"))
	_, err := x.store.RemoveSocket(x.Context(), old)
	x.must(err)
	next := newSocket(old.Session, old.Namespace, "a")
	next.Data = map[string]string{"x": "1"}
	x.put(next)

	x.is(x.store.Join(x.Context(), old, "b", connA), sessionstore.ErrNotFound)
	x.is(x.store.SetData(x.Context(), old, "x", "2"), sessionstore.ErrNotFound)
	x.must(x.store.SetHint(x.Context(), old, connB))
	x.must(x.store.Leave(x.Context(), old, "a"))
	_, err = x.store.RemoveSocket(x.Context(), old)
	x.is(err, sessionstore.ErrNotFound)

	x.sameSocket(next)
	x.member(next, connA)
	x.noMember(old)
	x.inRoom(old.Namespace, "a", memberOf(next, connA))
	x.inRoom(old.Namespace, "b")
}

func socketData(x *tester) {
	k := x.put(newSocket(x.polling(), freshNamespace()))
	k.Data = make(map[string]string)
	for key, value := range map[string]string{
		"a": "1", "a.b": `{"x":[1,2]}`, "#": `"#"`, ":v": "null", "size": "true", "é😀": `"é😀"`, "with space": `"\""`, "[0]": "0",
	} {
		x.must(x.store.SetData(x.Context(), k, key, value))
		k.Data[key] = value
	}
	x.sameSocket(k)
	x.must(x.store.SetData(x.Context(), k, "a", "2"))
	x.must(x.store.SetData(x.Context(), k, "a.b", ""))
	x.must(x.store.SetData(x.Context(), k, "never there", ""))
	k.Data["a"] = "2"
	delete(k.Data, "a.b")
	x.sameSocket(k)

	gone := newSocket(k.Session, freshNamespace())
	for _, value := range []string{"1", ""} {
		x.is(x.store.SetData(x.Context(), gone, "a", value), sessionstore.ErrNotFound)
	}
	if n := len(x.get(k.Session).Sockets); n != 1 {
		x.Errorf("%d sockets", n)
	}
}

func dataTooLarge(x *tester) {
	k := newSocket(x.polling(), freshNamespace())
	k.Data = map[string]string{"a": `"kept"`}
	x.put(k)
	value := `"` + strings.Repeat("x", 500<<10) + `"`
	x.is(x.store.SetData(x.Context(), k, "big", value), sessionstore.ErrTooLarge)
	x.sameSocket(k)
	// Together with what is there already, too.
	k.Data["half"] = value[:250<<10]
	x.must(x.store.SetData(x.Context(), k, "half", k.Data["half"]))
	x.is(x.store.SetData(x.Context(), k, "other half", value[:250<<10]), sessionstore.ErrTooLarge)
	x.sameSocket(k)
}

func socketHint(x *tester) {
	k := x.put(newSocket(x.polling(), freshNamespace(), "a", "b"))
	stale := k
	stale.Rooms = []sessionstore.Room{"a", "never joined"}
	x.must(x.store.SetHint(x.Context(), stale, connB))
	x.member(k, connB)
	x.inRoom(k.Namespace, "a", memberOf(k, connB))
	x.inRoom(k.Namespace, "b", memberOf(k, connA))
	x.inRoom(k.Namespace, "never joined")
	x.must(x.store.SetHint(x.Context(), k, sessionstore.Connection{}))
	x.member(k, sessionstore.Connection{})
	x.inRoom(k.Namespace, "b", memberOf(k, sessionstore.Connection{}))
	x.sameSocket(k)

	gone := newSocket(k.Session, k.Namespace, "a")
	x.must(x.store.SetHint(x.Context(), gone, connB))
	x.noMember(gone)
	x.inRoom(k.Namespace, "a", memberOf(k, sessionstore.Connection{}))
}
