package storetest

import (
	"strings"

	"github.com/nonstick-io/nonstick/sessionstore"
)

var nameTests = []test{
	{"rooms and namespaces", awkwardNames},
	{"the longest names", longestNames},
	{"many namespaces of one session", manyNamespaces},
}

// awkward are names that meet when they are joined without care, or that look like something else.
var awkward = []string{
	"/", "/a", "/a#b", "/a#b#c", "b", "b#c", "c", "#", "##", "%23", "%", "%25", `\`, `\#`, "/a/b", "/a,b", "/A", " ",
	"  ", "\t\n", "é", "e\u0301", "日本語", "😀", "null", "undefined", "A", "H", "J", "0", "00", "-1", "polling", `"`,
	"'", "*", "$", ":", ".",
	strings.Repeat(
		"x", sessionstore.MaxName,
	),
	strings.Repeat("x", sessionstore.MaxName-1), strings.Repeat("x", sessionstore.MaxName-1) + "#",
}

// awkwardNames puts one socket into each namespace, and each socket into one room named like another
// namespace: every room and namespace must hold that one socket.
func awkwardNames(x *tester) {
	sockets := make([]sessionstore.NewSocket, len(awkward))
	for i, nsp := range awkward {
		room := sessionstore.Room(awkward[(i*7+3)%len(awkward)])
		sockets[i] = newSocket(
			sessionstore.SessionID(sessionstore.NewID()), sessionstore.Namespace(nsp), "b#c", "c", room,
		)
	}
	x.must(limited(len(sockets), 8, func(i int) error { return x.putSocket(sockets[i], connA) }))
	for i, k := range sockets {
		x.member(k, connA)
		equal(x, "members of "+awkward[i], len(x.namespaceMembers(k.Namespace)), 1)
		for _, room := range k.Rooms {
			x.inRoom(k.Namespace, room, memberOf(k, connA))
		}
	}
	for _, k := range sockets {
		_, err := x.remove(k)
		x.must(err)
		x.noMember(k)
		x.inRoom(k.Namespace, "b#c")
		x.inRoom(k.Namespace, "c")
	}
}

// longestNames: both at once, of the character that keys care for most.
func longestNames(x *tester) {
	for _, c := range []string{"#", "%", "é", "/"} {
		name := strings.Repeat(c, sessionstore.MaxName/len(c))
		k := x.put(newSocket(x.polling(), sessionstore.Namespace(name)))
		x.must(x.join(k, sessionstore.Room(name), connA))
		k.Rooms = []sessionstore.Room{sessionstore.Room(name)}
		x.sameSocket(k)
		x.member(k, connA)
		x.inRoom(k.Namespace, k.Rooms[0], memberOf(k, connA))
		x.must(x.setHint(k, connB))
		x.inRoom(k.Namespace, k.Rooms[0], memberOf(k, connB))
		x.must(x.leave(k, k.Rooms[0]))
		x.inRoom(k.Namespace, sessionstore.Room(name))
	}
}

func manyNamespaces(x *tester) {
	id := x.polling()
	want := x.get(id)
	var sockets []sessionstore.NewSocket
	for _, nsp := range awkward {
		k := x.put(newSocket(id, sessionstore.Namespace(nsp)))
		sockets = append(sockets, k)
		want.Sockets = append(want.Sockets, k.Row())
	}
	p := newPartial(1)
	x.must(x.store.PutPartial(x.Context(), id, p, start))
	want.Partial = &p
	x.same("the session", x.get(id), want)
	for _, k := range sockets {
		_, err := x.remove(k)
		x.must(err)
	}
	want.Sockets = nil
	x.same("the session without sockets", x.get(id), want)
}
