package storetest

import (
	"fmt"
	"math/rand/v2"

	"github.com/nonstick-io/nonstick/sessionstore"
)

// queueTests compare long buffers with a plain list, however a store keeps them.
var queueTests = []test{
	{"deliveries and GETs of any size", anyQueue},
	{"the limits of a long buffer", longLimits},
	{"a long buffer across upgrade", longUpgrade},
	{"a long buffer of a serial session", longSerial},
	{"a long buffer is drained", longDrain},
	{"park removes a long buffer", longPark},
}

// queue is a session's buffer as it must be.
type queue struct {
	*tester
	id      sessionstore.SessionID
	made    int
	packets []sessionstore.Packet
}

// packet makes the next packet, of n bytes or a little more.
func (q *queue) packet(n int) sessionstore.Packet {
	q.made++
	return packet(fmt.Sprintf("4%d,%s", q.made, body("q", n)))
}

// add delivers a packet of each size, in one call.
func (q *queue) add(sizes ...int) {
	q.Helper()
	var packets []sessionstore.Packet
	for _, n := range sizes {
		packets = append(packets, q.packet(n))
	}
	q.deliver(q.id, packets...)
	q.packets = append(q.packets, packets...)
}

// fill delivers n packets one by one, each of so many bytes.
func (q *queue) fill(n, bytes int) {
	q.Helper()
	for range n {
		q.add(bytes)
	}
}

// get is a GET that carries n more packets, if there are so many.
func (q *queue) get(n int) {
	q.Helper()
	s := q.tester.get(q.id)
	n = min(n, len(s.Pending()))
	q.must(q.store.Answer(q.Context(), sessionstore.AnswerRequest{Read: &s, T: sessionstore.NewID(), Give: n}))
	q.packets = q.packets[s.Given:]
}

func (q *queue) check() {
	q.Helper()
	q.holds(q.id, q.packets)
}

func anyQueue(x *tester) {
	for seed := range uint64(4) {
		r := rand.New(rand.NewPCG(seed, 1))
		q := &queue{tester: x, id: x.polling()}
		for range 60 {
			switch r.IntN(6) {
			case 0:
				q.get(r.IntN(80))
			case 1:
				sizes := make([]int, 1+r.IntN(40))
				for i := range sizes {
					sizes[i] = r.IntN(600)
				}
				q.add(sizes...)
			case 2:
				q.add(1000 + r.IntN(2000))
			default:
				q.fill(1+r.IntN(30), 1+r.IntN(300))
			}
			q.check()
		}
		for len(q.packets) > 0 {
			q.get(1 + r.IntN(90))
			q.check()
		}
	}
}

// longLimits: bytes and packets are counted exactly, in the middle of whatever was acknowledged.
func longLimits(x *tester) {
	q := &queue{tester: x, id: x.polling()}
	for i := range 90 {
		q.add(10 + 7*i)
	}
	for _, n := range []int{7, 20, 1, 33} {
		q.get(n)
		q.get(0)
		bytes := bytesOf(q.packets)
		more := q.packet(100)
		tight := sessionstore.BufferLimits{Packets: len(q.packets) + 1, Bytes: bytes + more.Bytes()}
		for _, l := range []sessionstore.BufferLimits{
			{Packets: tight.Packets - 1, Bytes: tight.Bytes}, {Packets: tight.Packets, Bytes: tight.Bytes - 1},
		} {
			err := x.store.Deliver(x.Context(), q.id, []sessionstore.Packet{more}, l)
			x.conflict(err, sessionstore.OpDeliver, x.get(q.id))
			s, _ := sessionstore.Current(err)
			equal(x, "exceeded", l.Exceeded(&s, []sessionstore.Packet{more}), true)
		}
		x.must(x.store.Deliver(x.Context(), q.id, []sessionstore.Packet{more}, tight))
		q.packets = append(q.packets, more)
		q.check()
	}
}

// push checks that the flusher of a session gets every packet in turn, with those that come while it pushes.
func (q *queue) push(s sessionstore.Session) {
	q.Helper()
	pushed := s.Given
	for round := 0; ; round++ {
		q.samePackets(q.bodies(q.id, s.Buffer[pushed:]), q.packets[pushed:])
		pushed = len(s.Buffer)
		if round < 2 {
			q.fill(40, 200)
		}
		err := q.store.Release(q.Context(), q.id, me, pushed)
		if round == 2 {
			q.must(err)
			q.packets = nil
			q.check()
			return
		}
		q.conflict(err, sessionstore.OpRelease, q.tester.get(q.id))
		s, _ = sessionstore.Current(err)
	}
}

func longUpgrade(x *tester) {
	q := &queue{tester: x, id: x.polling()}
	q.fill(100, 150)
	q.get(23)
	q.fill(30, 150)
	x.bind(q.id, connA)
	q.push(x.upgrade(q.id, connA))
}

func longSerial(x *tester) {
	q := &queue{tester: x, id: x.serial()}
	var s sessionstore.Session
	for i := range 100 {
		p := q.packet(150)
		var err error
		s, err = x.store.Enqueue(x.Context(), q.id, []sessionstore.Packet{p}, wide, lease(me))
		x.must(err)
		q.packets = append(q.packets, p)
		equal(x, "packets", len(s.Buffer), i+1)
	}
	q.push(s)
}

func longDrain(x *tester) {
	q := &queue{tester: x, id: x.polling()}
	q.fill(100, 150)
	q.get(40)
	old := x.close(q.id, true)
	equal(x, "packets", len(old.Buffer), 100)
	for len(q.packets) > 0 {
		q.get(33)
		q.check()
	}
}

func longPark(x *tester) {
	q := &queue{tester: x, id: x.polling()}
	q.fill(100, 150)
	q.get(100)
	s := x.get(q.id)
	x.must(
		x.store.Park(
			x.Context(), sessionstore.ParkRequest{Read: &s, Poll: sessionstore.Poll{T: "t", Until: after(leaseEnd)}},
		),
	)
	q.packets = nil
	q.check()
	q.fill(30, 150)
	q.check()
}
