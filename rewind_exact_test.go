package nonstick_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nonstick-io/nonstick"
	"github.com/nonstick-io/nonstick/adapter"
	"github.com/nonstick-io/nonstick/adapter/emitter"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// slow is a store whose calls take a random time before and after, so that those of several callers come in every
// order.
type slow struct {
	sessionstore.Store
	faults int // of a hundred calls so many fail
	mu     sync.Mutex
	random *rand.Rand
}

func (s *slow) number(n int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.random.IntN(n)
}

func (s *slow) pause() { time.Sleep(time.Duration(s.number(20)) * time.Millisecond) }

var errLost = errors.New("the answer was lost")

// slowly makes a call, unless it fails: certainly, or in doubt, before or after it.
func slowly[T any](s *slow, call func() (T, error)) (v T, err error) {
	s.pause()
	defer s.pause()
	if s.number(100) >= s.faults {
		return call()
	}
	switch s.number(3) {
	case 0:
		return v, fmt.Errorf("no: %w", sessionstore.ErrThrottled)
	case 1:
		return v, errLost
	default:
		if _, err := call(); err != nil {
			return v, err
		}
		return v, errLost
	}
}

func (s *slow) do(call func() error) error {
	_, err := slowly(s, func() (int, error) { return 0, call() })
	return err
}

func (s *slow) Record(
	ctx context.Context, nsp sessionstore.Namespace, room sessionstore.Room, e sessionstore.Event,
	k sessionstore.Keeping,
) (int, error) {
	return slowly(s, func() (int, error) { return s.Store.Record(ctx, nsp, room, e, k) })
}

func (s *slow) History(
	ctx context.Context, nsp sessionstore.Namespace, room sessionstore.Room,
) (sessionstore.History, error) {
	return slowly(s, func() (sessionstore.History, error) { return s.Store.History(ctx, nsp, room) })
}

func (s *slow) JoinLater(ctx context.Context, k sessionstore.Socket, room sessionstore.Room,
	joining sessionstore.Lease, l sessionstore.SocketLimits,
) error {
	return s.do(func() error { return s.Store.JoinLater(ctx, k, room, joining, l) })
}

func (s *slow) Joined(ctx context.Context, k sessionstore.Socket, room sessionstore.Room, o sessionstore.Owner,
	rewound int,
) error {
	return s.do(func() error { return s.Store.Joined(ctx, k, room, o, rewound) })
}

func (s *slow) RoomMember(
	ctx context.Context, nsp sessionstore.Namespace, room sessionstore.Room, id sessionstore.SocketID,
) (sessionstore.Member, error) {
	return slowly(s, func() (sessionstore.Member, error) { return s.Store.RoomMember(ctx, nsp, room, id) })
}

func (s *slow) Members(ctx context.Context, nsp sessionstore.Namespace, room sessionstore.Room, in sessionstore.Range,
) iter.Seq2[sessionstore.Member, error] {
	return func(yield func(sessionstore.Member, error) bool) {
		s.pause()
		for m, err := range s.Store.Members(ctx, nsp, room, in) {
			s.pause()
			if !yield(m, err) {
				return
			}
		}
	}
}

func (s *slow) Unmarked(
	ctx context.Context, nsp sessionstore.Namespace, room sessionstore.Room,
) iter.Seq2[sessionstore.Member, error] {
	return func(yield func(sessionstore.Member, error) bool) {
		s.pause()
		for m, err := range s.Store.Unmarked(ctx, nsp, room) {
			s.pause()
			if !yield(m, err) {
				return
			}
		}
	}
}

func (s *slow) Mark(
	ctx context.Context, nsp sessionstore.Namespace, room sessionstore.Room, k sessionstore.Keeping,
	h sessionstore.History, now time.Time,
) error {
	return s.do(func() error { return s.Store.Mark(ctx, nsp, room, k, h, now) })
}

func (s *slow) Events(
	ctx context.Context, nsp sessionstore.Namespace, room sessionstore.Room, from, to int,
) iter.Seq2[sessionstore.Event, error] {
	return func(yield func(sessionstore.Event, error) bool) {
		for e, err := range s.Store.Events(ctx, nsp, room, from, to) {
			if err == nil && s.number(400) < s.faults {
				e, err = sessionstore.Event{}, errLost
			}
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}

func (s *slow) Get(ctx context.Context, id sessionstore.SessionID, now time.Time) (sessionstore.Session, error) {
	if s.number(200) < s.faults {
		return sessionstore.Session{}, errLost
	}
	return s.Store.Get(ctx, id, now)
}

func (s *slow) Enqueue(ctx context.Context, id sessionstore.SessionID, packets []sessionstore.Packet,
	l sessionstore.BufferLimits, hold sessionstore.Lease,
) (sessionstore.Session, error) {
	return slowly(s, func() (sessionstore.Session, error) { return s.Store.Enqueue(ctx, id, packets, l, hold) })
}

func (s *slow) Deliver(ctx context.Context, id sessionstore.SessionID, packets []sessionstore.Packet,
	l sessionstore.BufferLimits,
) error {
	return s.do(func() error { return s.Store.Deliver(ctx, id, packets, l) })
}

func (s *slow) Sent(ctx context.Context, read *sessionstore.Session, o sessionstore.Owner, n int) error {
	return s.do(func() error { return s.Store.Sent(ctx, read, o, n) })
}

// TestRewindExact: many emit to a room, on servers and elsewhere, while sockets join it with history. Each gets the
// last events that were recorded before it joined, in their order, and then all others once, those of each emitter in
// order.
func TestRewindExact(t *testing.T) {
	for seed := range uint64(60) {
		inWorld(t, func(t *testing.T, w *world) {
			if r := (&rewinding{w: w, seed: seed}).run(); r.checked != exactJoiners {
				t.Errorf("%d of %d joined", r.checked, exactJoiners)
			}
		})
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// TestRewindExactWithFaults: the same where calls of the store fail, certainly or in doubt. What an emit has failed
// with may be in the history, and comes live to none. A socket may end, and its client learns that; one that has not
// ended got all, or gets it when it comes back.
func TestRewindExactWithFaults(t *testing.T) {
	checked, failed := 0, 0
	const seeds = 60
	for seed := range uint64(seeds) {
		inWorld(t, func(t *testing.T, w *world) {
			r := (&rewinding{w: w, seed: seed, faults: 3}).run()
			checked, failed = checked+r.checked, failed+len(r.failed)
		})
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	t.Logf("%d of %d sockets were there at the end, %d emits failed", checked, seeds*exactJoiners, failed)
	if checked < seeds*exactJoiners/2 || failed == 0 {
		t.Errorf("%d of %d sockets were there at the end, %d emits failed", checked, seeds*exactJoiners, failed)
	}
}

// TestRewindExactLarge: the same in a room that is large, so that all broadcasts go through a queue, a range of sockets
// after the other.
func TestRewindExactLarge(t *testing.T) {
	sent := 0
	for seed := range uint64(20) {
		inWorld(t, func(t *testing.T, w *world) {
			r := &rewinding{w: w, seed: seed, queue: &lines{groups: make(map[string]chan adapter.Part)}}
			if r.run(); r.checked != exactJoiners {
				t.Errorf("%d of %d joined", r.checked, exactJoiners)
			}
			sent += r.queue.sent
		})
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	if sent == 0 {
		t.Error("nothing was queued")
	}
}

// lines is a queue for the parts of large broadcasts that keeps the order within a group.
type lines struct {
	carry  *emitter.Emitter
	t      *testing.T
	mu     sync.Mutex
	groups map[string]chan adapter.Part
	all    sync.WaitGroup
	sent   int
}

func (q *lines) Send(ctx context.Context, m adapter.FanoutMessage) error {
	p, err := adapter.ParsePart(m.Body)
	if err != nil {
		return err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.sent++
	g := q.groups[m.Group]
	if g == nil {
		g = make(chan adapter.Part, exactEmitters*exactEvents)
		q.groups[m.Group] = g
		q.all.Go(func() {
			for p := range g {
				if _, err := q.carry.Carry(context.WithoutCancel(ctx), p); err != nil {
					q.t.Errorf("carry: %v", err)
				}
			}
		})
	}
	g <- p
	return nil
}

// end waits until all has been carried.
func (q *lines) end() {
	for _, g := range q.groups {
		close(g)
	}
	q.all.Wait()
}

const (
	exactEmitters = 4
	exactEvents   = 30
	exactJoiners  = 8
	exactHistory  = 25
)

// rewinding is one run.
type rewinding struct {
	w       *world
	seed    uint64
	faults  int
	queue   *lines // nil unless the room is large
	store   *slow
	mu      sync.Mutex
	failed  map[string]bool // emits
	checked int             // sockets
}

func (r *rewinding) run() *rewinding {
	w, t := r.w, r.w.t
	r.failed = make(map[string]bool)
	r.store = &slow{Store: w.store, random: rand.New(rand.NewPCG(r.seed, 1))}
	random := rand.New(rand.NewPCG(r.seed, 2))
	servers := make([]*nonstick.Server, 3)
	for i := range servers {
		servers[i] = w.server(keeping, patient, func(c *nonstick.Config) { c.Store = r.store })
	}
	joiners := make([]*lasting, exactJoiners)
	when := make([]time.Duration, exactJoiners)
	for i := range joiners {
		joiners[i] = w.joinLasting(servers[i%3], []string{"websocket", "polling"}[i%2])
		when[i] = time.Duration(random.IntN(2500)) * time.Millisecond
	}
	o := adapter.Options{Histories: r.knows()}
	outside := emitter.New(r.store, w.pusher, emitter.Options{Options: o})
	if r.queue != nil {
		o.Fanout, o.Large = r.queue, 2
		outside = emitter.New(r.store, w.pusher, emitter.Options{Options: o})
		r.queue.carry, r.queue.t = outside, t
	}
	r.store.faults = r.faults
	if r.queue != nil && !r.knows() { // there is a history before anything is emitted
		keep := sessionstore.Keeping{Events: 1000, For: time.Hour}
		w.must(w.store.Mark(t.Context(), "/", "kept", keep, sessionstore.History{}, time.Now()))
	}
	var all sync.WaitGroup
	for i := range exactEmitters {
		all.Go(func() {
			outside := outside.InOrder()
			for n := range exactEvents {
				to := servers[i%3].To("kept")
				if i == 3 || r.queue != nil {
					to = outside.To("kept")
				}
				what := fmt.Sprintf("%d-%d", i, n)
				if err := to.Emit(t.Context(), "said", what); err != nil {
					r.fails(what, err)
				}
			}
		})
	}
	for i, c := range joiners {
		all.Go(func() {
			time.Sleep(when[i])
			if err := c.try(fmt.Sprintf(`420["rewind","kept",%d]`, exactHistory)); err != nil && r.faults == 0 {
				t.Errorf("join: %v", err)
			}
		})
	}
	all.Wait()
	if r.queue != nil {
		r.queue.end()
	}
	r.store.faults = 0
	for i, c := range joiners {
		if got, there := r.got(c, servers[i%3]); there {
			r.check(c, got)
		}
	}
	return r
}

// knows reports whether the emitter that is no server knows from the start that there are histories. Else it learns
// that from the room's mark, and what it emitted before there was one is in none.
func (r *rewinding) knows() bool { return r.seed%2 == 0 }

func (r *rewinding) fails(what string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failed[what] = true; r.faults == 0 {
		r.w.t.Errorf("emit: %v", err)
	}
}

// got returns what a client has got, also when it comes back. It is not there if its socket has ended.
func (r *rewinding) got(c *lasting, at *nonstick.Server) (got []string, there bool) {
	fetch := func() {
		frames := c.got
		c.got = nil
		if !c.conn.IsZero() {
			frames = append(frames, r.w.pusher.Take(c.conn)...)
		} else {
			ctx, end := context.WithTimeout(r.w.t.Context(), 2*time.Second)
			for ctx.Err() == nil {
				body, err := c.tryGet(ctx)
				if err != nil || body == "6" || body == "1" {
					break
				}
				frames = append(frames, strings.Split(body, "\x1e")...)
			}
			end()
		}
		c.got = frames
		got = append(got, c.noteSaid()...)
	}
	fetch()
	if s := c.state(); s.State != sessionstore.Open {
		c.at = at
		if !c.comeBack(at, "websocket") {
			return nil, false
		}
		fetch()
	}
	_, err := r.w.store.RoomMember(r.w.t.Context(), "/", "kept", sessionstore.SocketID(c.id))
	return got, err == nil
}

// noteSaid is said of frames that have been taken.
func (c *lasting) noteSaid() []string {
	var frames []string
	for _, f := range c.got {
		if strings.HasPrefix(f, "42") {
			frames = append(frames, f)
		}
	}
	c.got = nil
	c.note(frames)
	all, _ := saidOf(frames)
	return all
}

// early is how many events the last emitter has emitted that are in no history, before the first that is.
func (r *rewinding) early(log []string) (n int) {
	for n < exactEvents {
		what := fmt.Sprintf("%d-%d", exactEmitters-1, n)
		if r.failed[what] || slices.Contains(log, what) {
			break
		}
		n++
	}
	return n
}

// check compares what a socket got with the history.
func (r *rewinding) check(c *lasting, got []string) {
	w, t := r.w, r.w.t
	t.Helper()
	r.checked++
	var log []string
	h, err := w.store.History(t.Context(), "/", "kept")
	if err != nil {
		t.Fatal(err)
	}
	for e, err := range w.store.Events(t.Context(), "/", "kept", h.First-1, h.Last) {
		if err != nil {
			t.Fatal(err)
		}
		log = append(log, strings.Split(e.Frames[0], `"`)[3])
	}
	n, early := exactEmitters*exactEvents, r.early(log)
	if len(log) > n || len(log) < n-len(r.failed)-early || (r.knows() || r.queue != nil) && early > 0 {
		t.Errorf("%d events recorded, and %d emitted before, want %d", len(log), early, n)
	}
	row, err := w.store.RoomMember(t.Context(), "/", "kept", sessionstore.SocketID(c.id))
	if err != nil {
		t.Errorf("row of %s: %v", c.id, err)
		return
	}
	seam := 0
	if row.Rewound > 0 {
		seam = row.Rewound - h.First + 1
	}
	history, live := log[max(0, seam-exactHistory):seam], log[seam:]
	if len(got) < len(history) || !slices.Equal(got[:len(history)], history) {
		t.Errorf("history %v\nwant    %v", got, history)
		return
	}
	for i := range exactEmitters {
		of := func(all []string) (its []string) {
			for _, e := range all {
				if strings.HasPrefix(e, fmt.Sprint(i, "-")) && !r.failed[e] && slices.Contains(log, e) {
					its = append(its, e)
				}
			}
			return its
		}
		if got, want := of(got[len(history):]), of(live); !slices.Equal(got, want) {
			t.Errorf("live events of %d: %v\nwant %v", i, got, want)
		}
	}
}
