package storetest

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/nonstick-io/nonstick/sessionstore"
)

// Flows are the races of whole procedures: many emitters against one reader.
var flowTests = []test{
	{"many emitters", flowEmitters},
	{"emitters against polls", flowPolls},
	{"emitters against an upgrade", flowUpgrade},
	{"emitters against a close", flowClose},
	{"emitters against a full buffer", flowFull},
}

const (
	emitters = 8
	emits    = 20 // by each emitter
)

// emitted is the n-th packet of an emitter. Some are large enough to be stored apart.
func emitted(emitter, n int) sessionstore.Packet {
	p := packet(fmt.Sprintf("4%d.%d.", emitter, n))
	if n%5 == 4 {
		p.Frames = append(p.Frames, "b"+body("x", 4<<10))
	}
	return p
}

// record checks what reaches the client: from each emitter the packets 0, 1, 2, ... and each once.
type record struct {
	mu   sync.Mutex
	next [emitters]int
	errs []error
}

func (r *record) add(packets ...sessionstore.Packet) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range packets {
		var e, n int
		if _, err := fmt.Sscanf(strings.Join(p.Frames, ""), "4%d.%d.", &e, &n); err != nil || e >= emitters {
			r.errs = append(r.errs, fmt.Errorf("cannot read %.40q: %w", p.Frames, err))
			continue
		}
		if n != r.next[e] {
			r.errs = append(r.errs, fmt.Errorf("emitter %d: packet %d came where %d was due", e, n, r.next[e]))
		}
		r.next[e] = n + 1
	}
}

// complete checks that want packets of each emitter came.
func (r *record) complete(x *tester, want func(emitter int) int) {
	x.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	x.must(errors.Join(r.errs...))
	for e, n := range r.next {
		if n != want(e) {
			x.Errorf("emitter %d: %d packets came, want %d", e, n, want(e))
		}
	}
}

// starter closes begun once n packets were tried, or the emitters have ended before.
type starter struct {
	begun chan struct{}
	left  atomic.Int64
	once  sync.Once
}

func newStarter(n int64) *starter {
	s := &starter{begun: make(chan struct{})}
	s.left.Store(n)
	return s
}

func (s *starter) step() {
	if s.left.Add(-1) == 0 {
		s.end()
	}
}

func (s *starter) end() { s.once.Do(func() { close(s.begun) }) }

func allEmits(int) int { return emits }

// emit runs the emitters, each one packet after the other, until send fails.
func emit(send func(emitter int, p sessionstore.Packet) error) error {
	return errors.Join(race(emitters, func(e int) error {
		for n := range emits {
			if err := send(e, emitted(e, n)); err != nil {
				return fmt.Errorf("emitter %d, packet %d: %w", e, n, err)
			}
		}
		return nil
	})...)
}

func (x *tester) send(id sessionstore.SessionID, p sessionstore.Packet) error {
	return x.store.Deliver(x.Context(), id, []sessionstore.Packet{p}, wide)
}

// flowEmitters also delivers to a held session, where the condition is another.
func flowEmitters(x *tester) {
	for _, build := range []func() sessionstore.SessionID{x.polling, func() sessionstore.SessionID {
		id := x.bound(x.polling())
		x.upgrade(id, connA)
		return id
	}} {
		id := build()
		x.must(emit(func(_ int, p sessionstore.Packet) error { return x.send(id, p) }))
		var r record
		r.add(x.bodies(id, x.get(id).Buffer)...)
		r.complete(x, allEmits)
	}
}

// flowPolls is a client that polls while others emit: it reads, and answers or parks, as a gateway does.
func flowPolls(x *tester) {
	id := x.polling()
	done := make(chan error, 1)
	go func() { done <- emit(func(_ int, p sessionstore.Packet) error { return x.send(id, p) }) }()
	var r record
	var err error
	finished := false
	left := emitters * emits // polls after the last packet
	for t := 0; left > 0; t++ {
		select {
		case err = <-done:
			finished = true
		default:
		}
		got, pollErr := x.poll(id, fmt.Sprint("t", t), finished)
		if pollErr != nil {
			x.Errorf("poll: %v", pollErr)
			break
		}
		r.add(got...)
		if finished {
			left--
		}
		if finished && len(got) == 0 {
			break
		}
	}
	if !finished {
		err = <-done
	}
	x.must(err)
	r.complete(x, allEmits)
	x.holds(id, nil)
}

// poll is a GET: if there is nothing for it, it parks and looks once more. It returns what the client gets;
// nil without an error if it is still parked. The last GETs are answered even if there is nothing.
func (x *tester) poll(id sessionstore.SessionID, t string, last bool) ([]sessionstore.Packet, error) {
	for range 2 {
		s, err := x.store.Get(x.Context(), id, start)
		if err != nil {
			return nil, err
		}
		give := min(len(s.Pending()), 7)
		if give > 0 || last {
			return x.give(&s, t, give)
		}
		err = x.store.Park(
			x.Context(), sessionstore.ParkRequest{Read: &s, Poll: sessionstore.Poll{T: t, Until: after(leaseEnd)}},
		)
		if err != nil && !errors.Is(err, sessionstore.ErrConflict) {
			return nil, err
		}
	}
	return nil, nil
}

// give answers a GET. It is the only GET, and a delivery does not make a read stale, so it is not refused.
func (x *tester) give(s *sessionstore.Session, t string, n int) ([]sessionstore.Packet, error) {
	given, err := x.store.Bodies(x.Context(), s.ID, s.Pending()[:n])
	if err != nil {
		return nil, err
	}
	return given, x.store.Answer(x.Context(), sessionstore.AnswerRequest{Read: s, T: t, Give: n})
}

// flowUpgrade: emitters append until the flush is over and push themselves from then on.
func flowUpgrade(x *tester) {
	id := x.bound(x.polling())
	var r record
	warm := newStarter(emitters * emits / 4)
	done := make(chan error, 1)
	go func() {
		defer warm.end()
		done <- emit(func(_ int, p sessionstore.Packet) error {
			err := x.send(id, p)
			warm.step()
			if s, ok := sessionstore.Current(err); ok && s.Hint() == connA {
				r.add(p) // the push
				return nil
			}
			return err
		})
	}()
	<-warm.begun
	x.flush(id, &r)
	x.must(<-done)
	r.complete(x, allEmits)
	x.holds(id, nil)
}

// flush upgrades the session and pushes its buffer until it can release it.
func (x *tester) flush(id sessionstore.SessionID, r *record) {
	got, err := x.poll(id, "t1", true) // some are given already when the upgrade comes
	if err != nil {
		x.Errorf("poll: %v", err)
	}
	r.add(got...)
	s, err := x.store.Upgrade(x.Context(), id, connA, lease(me))
	if err != nil {
		x.Errorf("upgrade: %v", err)
		return
	}
	pushed := s.Given
	for {
		rest, err := x.store.Bodies(x.Context(), id, s.Buffer[pushed:])
		if err != nil {
			x.Errorf("bodies: %v", err)
			return
		}
		r.add(rest...)
		pushed = len(s.Buffer)
		err = x.store.Release(x.Context(), id, me, pushed)
		if err == nil {
			return
		}
		var ok bool
		if s, ok = sessionstore.Current(err); !ok || len(s.Buffer) <= pushed {
			x.Errorf("release of %d: %v", pushed, err)
			return
		}
	}
}

// flowClose: whatever was delivered without an error is in the buffer that the close returns.
func flowClose(x *tester) {
	id := x.polling()
	var counts [emitters]int
	warm := newStarter(emitters * emits / 3)
	done := make(chan error, 1)
	go func() {
		defer warm.end()
		done <- emit(func(e int, p sessionstore.Packet) error {
			err := x.send(id, p)
			warm.step()
			if s, ok := sessionstore.Current(err); ok && s.State == sessionstore.Closing {
				return nil
			}
			if err == nil {
				counts[e]++
			}
			return err
		})
	}()
	<-warm.begun
	s, err := x.store.Close(x.Context(), closing(id, true))
	x.must(errors.Join(err, <-done))
	var r record
	whole := x.bodies(id, s.Buffer)
	r.add(whole...)
	r.complete(x, func(e int) int { return counts[e] })
	x.holds(id, whole)
}

// flowFull: the limits hold against many at once, and nothing else is refused.
func flowFull(x *tester) {
	id := x.polling()
	limits := sessionstore.BufferLimits{Packets: emitters * emits / 2, Bytes: 10 << 20}
	var counts [emitters]int
	x.must(emit(func(e int, p sessionstore.Packet) error {
		err := x.store.Deliver(x.Context(), id, []sessionstore.Packet{p}, limits)
		if s, ok := sessionstore.Current(err); ok && limits.Exceeded(&s, []sessionstore.Packet{p}) {
			return nil
		}
		if err == nil {
			counts[e]++
		}
		return err
	}))
	s := x.get(id)
	equal(x, "packets", len(s.Buffer), limits.Packets)
	var r record
	r.add(x.bodies(id, s.Buffer)...)
	r.complete(x, func(e int) int { return counts[e] })
}
