package storetest

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/nonstick-io/nonstick/sessionstore"
)

var pagingTests = []test{{"a room beyond a page", bigRoom}}

// bigRoomRows members, each with a row of about 1.1 KB, make a room of nearly 3 MB.
const bigRoomRows = 2_500

// longHint is as long as a custom domain's endpoint may get.
var longHint = sessionstore.Connection{
	ID: "L0SM9cOFvHcCIhw=", Endpoint: "https://" + strings.Repeat("long.", 80) + "example.org/prod",
}

// bigRoom fills one room, which takes a table the longest, and then tests all there is about pages.
func bigRoom(x *tester) {
	nsp, room := freshNamespace(), sessionstore.Room(strings.Repeat("r", sessionstore.MaxName))
	sockets := make([]sessionstore.NewSocket, bigRoomRows)
	want := make([]sessionstore.SocketID, bigRoomRows)
	for i := range sockets {
		k := newSocket(sessionstore.SessionID(sessionstore.NewID()), nsp)
		if i%10 > 0 {
			k.Rooms = []sessionstore.Room{room}
		}
		sockets[i], want[i] = k, k.ID
	}
	x.must(limited(len(sockets), 32, func(i int) error {
		if err := x.putSocket(sockets[i], longHint); err != nil || i%10 > 0 {
			return err
		}
		return x.join(sockets[i], room, longHint)
	}))
	slices.Sort(want)
	if got := x.ids(nsp, room); !slices.Equal(got, want) {
		x.Errorf("met %d rows, want %d", len(got), len(want))
	}
	equal(x, "members of the namespace", len(x.namespaceMembers(nsp)), bigRoomRows)
	for _, most := range []int{0, 1, 2_000, bigRoomRows, 2 * bigRoomRows} {
		n, err := x.store.CountMembers(x.Context(), nsp, room, most)
		x.must(err)
		equal(x, "members up to so many", n, upTo(bigRoomRows, most))
	}

	x.Run("a range of more than a page", func(t *testing.T) {
		(&tester{T: t, store: x.store}).inRange(
			nsp, room, sessionstore.Range{From: want[100], To: want[2000]}, want[100:2000],
		)
	})
	x.Run("while others leave", func(t *testing.T) { (&tester{T: t, store: x.store}).leaving(nsp, room, sockets) })
	x.Run("cancelled", func(t *testing.T) { (&tester{T: t, store: x.store}).cancelledWalk(nsp, room) })
}

// leaving: the sockets that stay during a walk are met once each, in order.
func (x *tester) leaving(nsp sessionstore.Namespace, room sessionstore.Room, sockets []sessionstore.NewSocket) {
	begin := newStarter(1)
	done := make(chan error, 1)
	go func() {
		<-begin.begun
		done <- limited(300, 8, func(i int) error { return x.leave(sockets[3*i], room) })
	}()
	met := make(map[sessionstore.SocketID]int)
	var ids []sessionstore.SocketID
	for m, err := range x.store.Members(x.Context(), nsp, room, sessionstore.Range{}) {
		begin.end()
		if err != nil {
			x.Errorf("walk: %v", err)
			break
		}
		met[m.Socket]++
		ids = append(ids, m.Socket)
	}
	begin.end()
	x.must(<-done)
	x.ascending(ids)
	for i, k := range sockets {
		if n := met[k.ID]; n > 1 || n == 0 && (i%3 != 0 || i >= 900) {
			x.Errorf("member %d was met %d times", i, n)
		}
	}
	equal(x, "who stayed", len(x.ids(nsp, room)), bigRoomRows-300)
}

// cancelledWalk: a walk whose context ends says so instead of ending as if that were all.
func (x *tester) cancelledWalk(nsp sessionstore.Namespace, room sessionstore.Room) {
	ctx, cancel := context.WithCancel(x.Context())
	defer cancel()
	n := 0
	var last error
	for _, err := range x.store.Members(ctx, nsp, room, sessionstore.Range{}) {
		cancel()
		n++
		last = err
	}
	if last == nil {
		x.Errorf("the walk ended without an error after %d rows", n)
	}
}
