package storetest

import (
	"fmt"
	"maps"
	"slices"

	"github.com/nonstick-io/nonstick/sessionstore"
)

// What a store returned is a snapshot: no later write shows in it. And a store writes into nothing that it
// was handed, nor beyond it into the caller's spare capacity.
var aliasingTests = []test{
	{"a session that was read", readSession},
	{"a session in an error", sessionInError},
	{"sockets that were read", readSockets},
	{"a partial packet that was read", readPartial},
	{"what was handed in", handedIn},
	{"spare capacity", spareCapacity},
	{"the numbers of a carrier that was read", readNumbers},
}

// deepCopy copies what a session shares.
func deepCopy(s sessionstore.Session) sessionstore.Session {
	s.Buffer = slices.Clone(s.Buffer)
	for i := range s.Buffer {
		s.Buffer[i].Frames = slices.Clone(s.Buffer[i].Frames)
	}
	s.Sockets = slices.Clone(s.Sockets)
	s.Numbers = maps.Clone(s.Numbers)
	if s.Partial != nil {
		p := *s.Partial
		p.Packets = slices.Clone(p.Packets)
		for i := range p.Packets {
			p.Packets[i].Frames = slices.Clone(p.Packets[i].Frames)
		}
		s.Partial = &p
	}
	return s
}

func readSession(x *tester) {
	id := x.given(1)
	read := x.get(id)
	was := deepCopy(read)
	x.deliver(id, packet("4c"), packet("4d"))
	x.answer(id, "t2", 2)
	x.deliver(id, packet("4e"))
	x.bind(id, connA)
	x.upgrade(id, connA)
	x.deliver(id, packet("4f"))
	x.close(id, false)
	x.same("the session as read", read, was)
	for i := range read.Buffer {
		equal(x, "frames", read.Buffer[i].Frames, was.Buffer[i].Frames)
	}
}

func sessionInError(x *tester) {
	id := x.given(1)
	err := x.store.Renew(x.Context(), id, renewed)
	x.is(err, sessionstore.ErrConflict)
	read, _ := sessionstore.Current(err)
	was := deepCopy(read)
	x.deliver(id, packet("4c"))
	x.answer(id, "t2", 2)
	x.same("the session in the error", read, was)
}

// readSockets keeps what it read after every step: which of them share memory is the store's affair.
func readSockets(x *tester) {
	k := newSocket(x.polling(), "/m", "h", "p")
	k.Data = map[string]string{"x": "1"}
	x.put(k)
	var reads, was []sessionstore.Session
	step := func(err error) {
		x.Helper()
		x.must(err)
		s := x.get(k.Session)
		reads, was = append(reads, s), append(was, deepCopy(s))
	}
	step(nil)
	for _, room := range []sessionstore.Room{"m", "c", "z", "a", "n", "b", "d", "y"} {
		step(x.join(k, room, connA))
	}
	for _, room := range []sessionstore.Room{"c", "z", "a"} {
		step(x.leave(k, room))
	}
	step(x.setData(k, "x", "2"))
	step(x.setData(k, "y", "3"))
	step(x.setData(k, "x", ""))
	for _, nsp := range []sessionstore.Namespace{"/z", "/c", "/p", "/a", "/b"} {
		step(x.putSocket(newSocket(k.Session, nsp), connA))
	}
	for _, nsp := range []sessionstore.Namespace{"/a", "/m", "/z"} {
		s := x.get(k.Session)
		gone, _ := s.Socket(nsp)
		_, err := x.store.RemoveSocket(x.Context(), gone)
		step(err)
	}
	for i := range reads {
		x.same(fmt.Sprint("the session as read after step ", i), reads[i], was[i])
	}
}

func readPartial(x *tester) {
	id := x.polling()
	x.must(x.store.PutPartial(x.Context(), id, newPartial(4, "bAA=="), start))
	read := x.get(id)
	was := deepCopy(read)
	first, err := x.store.AddAttachments(x.Context(), id, *read.Partial, packet("bAQ=="))
	x.must(err)
	_, err = x.store.AddAttachments(x.Context(), id, first, packet("bAg=="))
	x.must(err)
	x.same("the session as read", read, was)
	equal(x, "the attachments so far", x.attachments(id, first), []string{"bAA==", "bAQ=="})
}

func handedIn(x *tester) {
	id := x.polling()
	rooms := []sessionstore.Room{"c", "a", "b", "a"}
	k := newSocket(id, freshNamespace(), rooms...)
	k.Data = map[string]string{"x": "1"}
	x.put(k)
	x.must(x.setData(k, "x", "2"))
	x.must(x.leave(k, "c"))
	equal(x, "rooms handed in", k.Rooms, []sessionstore.Room{"c", "a", "b", "a"})
	equal(x, "data handed in", k.Data, map[string]string{"x": "1"})
	k.Rooms, k.Data = []sessionstore.Room{"a", "b"}, map[string]string{"x": "2"}
	x.sameSocket(k)

	packets := []sessionstore.Packet{packet("4a"), packet("4" + body("b", 20<<10)), packet("4c")}
	was := deepCopy(sessionstore.Session{Buffer: packets}).Buffer
	x.deliver(id, packets[:2]...)
	x.deliver(id, packet("4d"))
	x.answer(id, "t1", 3)
	x.answer(id, "t2", 0)
	for i := range packets {
		equal(x, "packet handed in", packets[i], was[i])
	}
}

// spareCapacity: both sides may append to a slice that they share, without the other seeing it.
func spareCapacity(x *tester) {
	id := x.polling()
	a, b, c := packet("4a"), packet("4b"), packet("4c")
	x.deliver(id, a)
	x.deliver(id, b)
	x.deliver(id, c)
	read := x.get(id)
	d := packet("4d")
	x.deliver(id, d)
	mine := append(read.Buffer, packet("4mine"))
	x.holds(id, []sessionstore.Packet{a, b, c, d})
	equal(x, "the caller's own", mine[3].Frames, []string{"4mine"})

	p := newPartial(4, "b1")
	x.must(x.store.PutPartial(x.Context(), id, p, start))
	got, err := x.store.AddAttachments(x.Context(), id, p, packet("bx"))
	x.must(err)
	_ = append(got.Packets, packet("bmine"))
	last, err := x.store.AddAttachments(x.Context(), id, got, packet("by"))
	x.must(err)
	equal(x, "the attachments", x.attachments(id, last), []string{"b1", "bx", "by"})
	x.waiting(id, last)
}

func readNumbers(x *tester) {
	id := x.polling()
	bring := func(to int) {
		x.Helper()
		limits := wide
		limits.Number = sessionstore.Number{Outbox: numbers, From: to - 1, To: to, First: true}
		x.must(x.store.Deliver(x.Context(), id, []sessionstore.Packet{packet("4a")}, limits))
	}
	bring(1)
	read := x.get(id)
	_, err := x.store.Enqueue(x.Context(), id, []sessionstore.Packet{packet("4b")}, wide, lease(me))
	refused, _ := sessionstore.Current(err)
	was, found := deepCopy(read), deepCopy(refused)
	bring(2)
	x.same("the session as read", read, was)
	x.same("the session in the error", refused, found)
	read.Numbers[numbers] = 7
	equal(x, "numbers", x.get(id).Numbers, map[sessionstore.SessionID]int{numbers: 2})
}
