package storetest

import (
	"fmt"
	"slices"

	"github.com/nonstick-io/nonstick/sessionstore"
)

var bufferTests = []test{
	{"order and sizes", deliverOrder},
	{"a refusal says why", deliverRefusals},
	{"a packet of 900 KB", bigPacket},
	{"many packets of 2 KB", manyPackets},
	{"small among large", mixedPackets},
	{"an entry of 4,000 packets", entryOfMany},
	{"bodies across upgrade", bodiesAcrossUpgrade},
	{"nothing of a refused delivery", refusedBig},
	{"what was acknowledged makes room", acknowledgedMakesRoom},
}

// bodies fetches what is stored apart and checks what belongs to each packet.
func (x *tester) bodies(id sessionstore.SessionID, packets []sessionstore.Packet) []sessionstore.Packet {
	x.Helper()
	whole, err := x.store.Bodies(x.Context(), id, packets)
	x.must(err)
	if len(whole) != len(packets) {
		x.Fatalf("%d bodies of %d packets", len(whole), len(packets))
	}
	for i, p := range whole {
		n := sessionstore.Packet{Frames: p.Frames}.Bytes()
		if p.ID == "" || p.Size != n || !p.Page.IsZero() {
			x.Errorf("packet %d: %q of size %d at %v, has %d bytes", i, p.ID, p.Size, p.Page, n)
		}
		read := packets[i]
		if paged := !read.Page.IsZero(); paged && (read.ID != "" || read.Frames != nil) ||
			!paged && (read.ID != p.ID || read.Size != n) {
			x.Errorf(
				"packet %d: %q of %d bytes, read as %q of size %d at %v", i, p.ID, n, read.ID, read.Size, read.Page,
			)
		}
	}
	return whole
}

// holds checks the session's buffer.
func (x *tester) holds(id sessionstore.SessionID, want []sessionstore.Packet) {
	x.Helper()
	read := x.get(id).Buffer
	x.samePackets(x.bodies(id, read), want)
	equal(x, "bytes", bytesOf(read), bytesOf(want))
}

func bytesOf(packets []sessionstore.Packet) int {
	n := 0
	for _, p := range packets {
		n += p.Bytes()
	}
	return n
}

func (x *tester) samePackets(got, want []sessionstore.Packet) {
	x.Helper()
	if len(got) != len(want) {
		x.Fatalf("%d packets, want %d", len(got), len(want))
	}
	for i := range got {
		if got[i].ID != want[i].ID || got[i].Once != want[i].Once || !slices.Equal(got[i].Frames, want[i].Frames) {
			x.Fatalf(
				"packet %d is %q %s, want %q %s", i, got[i].ID, shorten(fmt.Sprintf("%.200q", got[i].Frames)),
				want[i].ID, shorten(fmt.Sprintf("%.200q", want[i].Frames)),
			)
		}
	}
}

func deliverOrder(x *tester) {
	id, neighbour := x.polling(), x.polling()
	want := []sessionstore.Packet{
		packet("4a"), packet("4b", "bAA==", "b"), packet("4 \"\\\n\u2028é😀"), packet("4d"), packet("4a"),
	}
	x.deliver(id, want[0])
	x.deliver(id, want[1:4]...)
	x.deliver(neighbour, packet("4x"))
	x.deliver(id, want[4])
	x.holds(id, want)
}

// deliverRefusals: the session in the error tells full, gone and websocket apart.
func deliverRefusals(x *tester) {
	tight := sessionstore.BufferLimits{Packets: 2, Bytes: 1 << 20}
	more := []sessionstore.Packet{packet("4more")}
	for _, st := range states {
		if !slices.Contains([]string{given, ws, closingDrain, closingPlain, closed}, st.name) {
			continue
		}
		id := st.build(x)
		err := x.store.Deliver(x.Context(), id, more, tight)
		x.is(err, sessionstore.ErrConflict)
		s, ok := sessionstore.Current(err)
		if !ok {
			x.Fatalf("%s: no session in %v", st.name, err)
		}
		open := s.State == sessionstore.Open
		equal(x, st.name+": full", open && tight.Exceeded(&s, more), st.name == given)
		equal(
			x, st.name+": to be pushed", open && s.Transport == sessionstore.WebSocket && !s.Hold.Held(),
			st.name == ws,
		)
		equal(x, st.name+": the connection to push to", s.Hint() == connA, st.name == ws)
	}
}

func bigPacket(x *tester) {
	id := x.polling()
	want := []sessionstore.Packet{
		packet("4small"), packet("451-head", "b"+body("big", 900<<10), "btail"), packet("4after"),
	}
	x.deliver(id, want...)
	x.holds(id, want)

	// It is within the limits by its true size, and counts with it.
	limits := sessionstore.BufferLimits{Packets: 100, Bytes: 920 << 10}
	x.must(x.store.Deliver(x.Context(), id, []sessionstore.Packet{packet("4fits")}, limits))
	err := x.store.Deliver(x.Context(), id, []sessionstore.Packet{packet("4" + body("x", 20<<10))}, limits)
	x.conflict(err, sessionstore.OpDeliver, x.get(id))
}

func manyPackets(x *tester) {
	id := x.polling()
	var want []sessionstore.Packet
	for i := range 120 {
		want = append(want, packet("4"+body(fmt.Sprint(i), 2<<10)))
	}
	for i := range 20 {
		x.deliver(id, want[i])
	}
	x.deliver(id, want[20:]...)
	x.holds(id, want)

	x.answer(id, "t1", 50)
	x.holds(id, want)
	x.answer(id, "t2", 10)
	x.holds(id, want[50:])
	x.answer(id, "t3", 60)
	x.answer(id, "t4", 0)
	x.holds(id, nil)
}

func mixedPackets(x *tester) {
	id := x.polling()
	var want []sessionstore.Packet
	for i := range 12 {
		want = append(want, packet("4"+body(fmt.Sprint("s", i), 10)), packet("4"+body(fmt.Sprint("l", i), 5<<10)))
	}
	for i := 0; i < len(want); i += 3 {
		x.deliver(id, want[i:i+3]...)
	}
	x.holds(id, want)
	// A part of the buffer in another order is as good.
	buffer := x.get(id).Buffer
	x.samePackets(
		x.bodies(id, []sessionstore.Packet{buffer[7], buffer[3], buffer[4]}),
		[]sessionstore.Packet{want[7], want[3], want[4]},
	)
	x.samePackets(x.bodies(id, nil), nil)
}

func bodiesAcrossUpgrade(x *tester) {
	id := x.polling()
	want := []sessionstore.Packet{packet("4" + body("a", 30<<10)), packet("4b"), packet("4" + body("c", 30<<10))}
	x.deliver(id, want...)
	x.answer(id, "t1", 1)
	x.bind(id, connA)
	s := x.upgrade(id, connA)
	x.samePackets(x.bodies(id, s.Pending()), want[1:])
	more := packet("4" + body("d", 30<<10))
	x.deliver(id, more)
	x.holds(id, append(want, more))
}

func refusedBig(x *tester) {
	id := x.websocket()
	err := x.store.Deliver(x.Context(), id, []sessionstore.Packet{packet("4" + body("a", 900<<10))}, wide)
	x.conflict(err, sessionstore.OpDeliver, x.get(id))
	x.holds(id, nil)
}

// acknowledgedMakesRoom: what was given still counts, what was acknowledged no longer.
func acknowledgedMakesRoom(x *tester) {
	id := x.polling()
	limits := sessionstore.BufferLimits{Packets: 3, Bytes: 100}
	deliver := func(bytes int) error {
		return x.store.Deliver(x.Context(), id, []sessionstore.Packet{packet(body("x", bytes))}, limits)
	}
	x.must(deliver(40))
	x.must(deliver(30))
	x.answer(id, "t1", 1)
	x.conflict(deliver(31), sessionstore.OpDeliver, x.get(id))
	x.answer(id, "t2", 1)
	x.must(deliver(70))
	x.conflict(deliver(1), sessionstore.OpDeliver, x.get(id))
	x.answer(id, "t3", 1)
	x.must(deliver(30))
	x.conflict(deliver(1), sessionstore.OpDeliver, x.get(id))
}

// entryOfMany is what a handler that emits thousands of packets delivers, some of them with attachments, and some
// empty.
func entryOfMany(x *tester) {
	id := x.polling()
	p := packet()
	for i := range 4000 {
		p.Frames = append(p.Frames, fmt.Sprintf("42[\"self\",%d]", i))
	}
	p.Frames[1], p.Frames[2], p.Frames[3999] = "451-[]", "bAA==", "6"
	x.must(
		x.store.Deliver(
			x.Context(), id, []sessionstore.Packet{p}, sessionstore.BufferLimits{Packets: 1, Bytes: 1 << 20},
		),
	)
	x.holds(id, []sessionstore.Packet{p})
}
