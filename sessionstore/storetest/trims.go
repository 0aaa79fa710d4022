package storetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"

	"github.com/nonstick-io/nonstick/sessionstore"
)

// trimTests compare the numbered entries of long outboxes with a plain list, however a store keeps them.
var trimTests = []test{
	{"trims of any size", trimSizes},
	{"any calls", anyOutbox},
	{"what was sent before and behind the cut", trimGiven},
	{"appends meanwhile", trimAppends},
	{"of a reading that is behind", trimStale},
	{"a flow with trims", trimFlow},
}

// outbox is an outbox as it must be.
type outbox struct {
	*tester
	id       sessionstore.SessionID
	all      []sessionstore.Packet // ever appended: the number of all[i] is i+1
	trimmed  int
	sent     int // the number of the last entry that was sent
	carriers int
}

func (x *tester) newOutbox() *outbox { return &outbox{tester: x, id: x.outbox(sessionstore.Lease{})} }

// add enqueues a packet of each size, in one call.
func (o *outbox) add(sizes ...int) {
	o.Helper()
	var packets []sessionstore.Packet
	for _, n := range sizes {
		p := packet(fmt.Sprintf("4%d,%s", len(o.all)+len(packets)+1, body("o", n)))
		p.Once = n%5 == 0
		packets = append(packets, p)
	}
	s := o.enqueue(o.id, packets...)
	o.all = append(o.all, packets...)
	equal(o.tester, "the last number", s.Seq(), len(o.all))
}

// fill enqueues n packets one by one, each of so many bytes.
func (o *outbox) fill(n, bytes int) {
	o.Helper()
	for range n {
		o.add(bytes)
	}
}

// trim removes n entries, or as many as there are.
func (o *outbox) trim(n int) {
	o.Helper()
	read := o.get(o.id)
	n = min(n, len(read.Buffer))
	o.must(o.store.Trim(o.Context(), &read, n))
	o.trimmed += n
}

// push says that all was sent, if me has the hold.
func (o *outbox) push() {
	o.Helper()
	s := o.get(o.id)
	if s.Hold.Owner == me {
		o.must(o.store.Sent(o.Context(), &s, me, len(s.Buffer)))
		o.sent = s.Seq()
	}
}

// lose takes the carrier away.
func (o *outbox) lose() {
	o.Helper()
	if c := o.get(o.id).Carrier; c != "" {
		o.must(o.store.Lose(o.Context(), o.id, c, outboxOver, "transport close"))
	}
}

// recover moves it to another carrier.
func (o *outbox) recover(hold sessionstore.Lease) {
	o.Helper()
	o.carriers++
	read := o.get(o.id)
	_, err := o.store.Recover(o.Context(), sessionstore.RecoverRequest{
		Read: &read, Carrier: sessionstore.SessionID(fmt.Sprint("carrier-", o.carriers)), Hold: hold, Now: start,
	})
	o.must(err)
}

// change switches to WebSocket, with sent entries got so far.
func (o *outbox) change(sent int) {
	o.Helper()
	if s := o.get(o.id); s.Hold.Owner == sessionstore.HoldPolling {
		after, err := o.store.Switch(o.Context(), o.id, s.Carrier, connB, sent, lease(me))
		o.must(err)
		o.sent = sent
		equal(o.tester, "given after Switch", after.Given, o.given())
	}
}

func (o *outbox) given() int { return max(o.sent-o.trimmed, 0) }

func (o *outbox) check() {
	o.Helper()
	s := o.get(o.id)
	equal(
		o.tester, "trimmed, given, and the last number", [3]int{s.Trimmed, s.Given, s.Seq()},
		[3]int{o.trimmed, o.given(), len(o.all)},
	)
	o.holds(o.id, o.all[o.trimmed:])
}

func trimSizes(x *tester) {
	for _, sizes := range [][]int{{1, 2, 3}, {13, 14, 1, 50}, {17}, {90, 200, 3}} {
		o := x.newOutbox()
		o.fill(150, 90)
		o.add(make([]int, 120)...)
		for i := 0; o.trimmed < len(o.all); i++ {
			o.trim(sizes[i%len(sizes)])
			if i%3 == 0 {
				o.check()
			}
			if i < 4 {
				o.fill(9, 120)
			}
		}
		o.check()
		o.fill(40, 100)
		o.check()
	}
}

func anyOutbox(x *tester) {
	for seed := range uint64(4) {
		r := rand.New(rand.NewPCG(seed, 7))
		o := x.newOutbox()
		for range 70 {
			switch r.IntN(11) {
			case 0, 1:
				o.trim(r.IntN(60))
			case 2:
				sizes := make([]int, 1+r.IntN(40))
				for i := range sizes {
					sizes[i] = r.IntN(600)
				}
				o.add(sizes...)
			case 3:
				o.add(1000 + r.IntN(2000))
			case 4:
				o.lose()
			case 5:
				o.recover(onPolling)
			case 6:
				o.recover(lease(me))
			case 7:
				o.change(r.IntN(len(o.all) + 1))
			case 8:
				o.push()
			default:
				o.fill(1+r.IntN(20), 1+r.IntN(300))
			}
			o.check()
		}
		for o.trimmed < len(o.all) {
			o.trim(1 + r.IntN(90))
			o.check()
		}
	}
}

func trimGiven(x *tester) {
	o := x.newOutbox()
	o.fill(40, 100)
	o.push()
	o.fill(40, 100)
	for _, n := range []int{17, 22, 1, 3, 20} { // to 39, 40, and behind
		o.trim(n)
		o.check()
	}
	o.push()
	o.check()
	o.recover(onPolling)
	for _, sent := range []int{3, o.trimmed, o.trimmed + 1, len(o.all)} {
		o.change(sent) // one below the cut is none
		o.check()
		o.recover(onPolling)
	}
}

// trimAppends: others append while the outbox is trimmed, and turn pages.
func trimAppends(x *tester) {
	const trimmers = 2
	id := x.outbox(sessionstore.Lease{})
	seen := make(map[int]sessionstore.PacketID)
	var mu sync.Mutex
	note := func(seq int, p sessionstore.Packet) error {
		mu.Lock()
		defer mu.Unlock()
		if _, twice := seen[seq]; twice {
			return fmt.Errorf("number %d was given twice", seq)
		}
		seen[seq] = p.ID
		return nil
	}
	done := make(chan struct{})
	trimmed := make(chan error, trimmers)
	for i := range trimmers {
		go func() { trimmed <- x.trimUntil(id, done, uint64(i)) }()
	}
	err := emit(func(_ int, p sessionstore.Packet) error {
		s, err := x.store.Enqueue(x.Context(), id, []sessionstore.Packet{p}, wide, lease(me))
		if err != nil {
			return err
		}
		return note(s.Seq(), p)
	})
	close(done)
	for range trimmers {
		err = errors.Join(err, <-trimmed)
	}
	x.must(err)
	s := x.get(id)
	equal(x, "the last number", s.Seq(), emitters*emits)
	equal(x, "numbers", len(seen), emitters*emits)
	if s.Trimmed == 0 {
		x.Error("nothing was trimmed")
	}
	for i, p := range x.bodies(id, s.Buffer) {
		equal(x, fmt.Sprint("entry ", s.Trimmed+i+1), p.ID, seen[s.Trimmed+i+1])
	}
}

// trimUntil trims an outbox again and again, to the last that is not there yet: all but ten entries.
func (x *tester) trimUntil(id sessionstore.SessionID, done <-chan struct{}, seed uint64) error {
	r := rand.New(rand.NewPCG(seed, 3))
	for last := false; !last; {
		select {
		case <-done:
			last = true
		default:
		}
		s, err := x.store.Get(x.Context(), id, start)
		if err != nil {
			return err
		}
		if len(s.Buffer) < 12 {
			continue
		}
		n := 1 + r.IntN(len(s.Buffer)-10)
		err = x.store.Trim(x.Context(), &s, n)
		if now, ok := sessionstore.Current(err); ok && now.Trimmed > s.Trimmed {
			continue // another trimmed
		}
		if err != nil {
			return fmt.Errorf("trim %d of %d: %w", n, len(s.Buffer), err)
		}
	}
	return nil
}

// trimStale: a trim by a reading from before others appended and pages were turned; and one from before a trim.
func trimStale(x *tester) {
	for _, n := range []int{1, 5, 13, 14, 20, 33} {
		o := x.newOutbox()
		o.fill(33, 100)
		read := o.get(o.id)
		o.fill(50, 100)
		x.must(x.store.Trim(x.Context(), &read, n))
		o.trimmed = n
		o.check()
		x.conflict(x.store.Trim(x.Context(), &read, n), sessionstore.OpTrim, o.get(o.id))
		o.check()
	}
}

// client is what has reached the client of an outbox: entries by their numbers.
type client struct {
	mu   sync.Mutex
	got  []sessionstore.PacketID
	errs []error
}

// push brings entries of which the first has a number. One that comes again is a fault here, where no caller dies.
func (c *client) push(first int, packets []sessionstore.Packet) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if first != len(c.got)+1 {
		c.errs = append(c.errs, fmt.Errorf("entry %d came where %d was due", first, len(c.got)+1))
	}
	for _, p := range packets {
		c.got = append(c.got, p.ID)
	}
}

// trimFlow: many send to an outbox, the one that has the hold pushes, and trims what was sent.
func trimFlow(x *tester) {
	id := x.outbox(sessionstore.Lease{})
	var c client
	var mu sync.Mutex
	order := make(map[int]sessionstore.PacketID)
	x.must(emit(func(e int, p sessionstore.Packet) error {
		mine := sessionstore.Lease{
			Owner: sessionstore.Owner(fmt.Sprint("emitter-", e, "-", p.ID)), Until: after(leaseEnd),
		}
		s, err := x.store.Enqueue(x.Context(), id, []sessionstore.Packet{p}, wide, mine)
		if err != nil {
			return err
		}
		mu.Lock()
		order[s.Seq()] = p.ID
		mu.Unlock()
		if s.Hold.Owner != mine.Owner {
			return nil
		}
		return x.pushOutbox(s, mine.Owner, &c)
	}))
	s := x.get(id)
	equal(x, "the hold", s.Hold, sessionstore.Lease{})
	equal(x, "all is given", s.Given, len(s.Buffer))
	x.must(errors.Join(c.errs...))
	equal(x, "entries that came", len(c.got), emitters*emits)
	for i, id := range c.got {
		if order[i+1] != id {
			x.Fatalf("entry %d is another", i+1)
		}
	}
	if s.Trimmed == 0 {
		x.Error("nothing was trimmed")
	}
}

// pushOutbox pushes what was not sent until the hold is gone, then trims.
func (x *tester) pushOutbox(s sessionstore.Session, owner sessionstore.Owner, c *client) error {
	next := s.Trimmed + s.Given // the number of the last that was sent
	for {
		whole, err := x.store.Bodies(x.Context(), s.ID, s.Buffer[next-s.Trimmed:])
		if err != nil {
			return fmt.Errorf("bodies: %w", err)
		}
		c.push(next+1, whole)
		next = s.Seq()
		err = x.store.Sent(x.Context(), &s, owner, len(s.Buffer))
		if err == nil {
			break
		}
		now, ok := sessionstore.Current(err)
		if !ok || now.Hold.Owner != owner {
			return fmt.Errorf("sent %d: %w", len(s.Buffer), err)
		}
		s = now
	}
	if len(s.Buffer) < 30 {
		return nil
	}
	err := x.store.Trim(x.Context(), &s, len(s.Buffer)-10)
	if now, ok := sessionstore.Current(err); ok && now.Trimmed > s.Trimmed {
		return nil // another trimmed
	}
	return err
}
