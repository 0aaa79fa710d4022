package simulation

import (
	"context"
	"errors"
	"fmt"
	"hash"
	"hash/fnv"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing/synctest"
	"time"

	"github.com/nonstick-io/nonstick/sessionstore"
)

// verdict is what the scheduler decides about a call.
type verdict int

const (
	proceed    verdict = iota
	failBefore         // in doubt, and it never happens
	failAfter          // in doubt, and it has happened
	failLater          // in doubt, and it happens at a later moment
	refuse             // certain: throttled (store), busy (push)
	cutAfter           // push: accepted, but the connection ends before it arrives
	crash              // the instance dies here
	hangBefore         // push: no answer for long, and it never happens
	hangAfter          // push: no answer for long, and it has happened
	busy               // push: refused, and so are the next ones for long
)

var verdictNames = map[verdict]string{
	proceed: "", failBefore: " [fails before]", failAfter: " [fails after]", failLater: " [fails, applied later]",
	hangBefore: " [hangs]", hangAfter: " [hangs, applied]", busy: " [busy for long]", refuse: " [refused]",
	cutAfter: " [accepted, then cut]", crash: " [crash]",
}

// errDoubt is a call whose outcome is unknown.
var errDoubt = errors.New("simulation: no answer")

// kind is what kind of call a scheduling point is, which says what may go wrong at it.
type kind int

const (
	kindRead kind = iota
	kindWrite
	kindPush
	kindReturn // the end of a function: it may die instead
	kindOther  // never fails, only waits its turn
)

// point is one call that waits for its turn.
type point struct {
	proc      *proc
	name      string
	kind      kind
	notBefore time.Time
	timed     bool // it has been decided how long the call takes
	grant     chan verdict
}

// world schedules one run.
type world struct {
	seed     uint64
	rng      *rand.Rand
	digest   hash.Hash64   // of what the scheduler has decided
	budget   int           // faults left
	victim   string        // the client that all faults are of; any if empty
	focus    string        // in the name of each process that faults are of; any if empty
	latency  *rand.Rand    // how long calls take; nil if they take no time
	lateness int           // of how many steps one applies a write that was in doubt, if there is one
	quiet    time.Duration // for so long nothing fails
	slowed   bool
	slowest  string // what the calls begin with that take long, where calls take time
	trace    func(string)
	tracing  sync.Mutex
	began    time.Time

	mu      sync.Mutex
	names   map[string]int // of processes, how often each was given
	pending []*point
	ghosts  []func() // writes that failed and will be applied
	crashes int      // instances that died
	ended   bool     // the run is over
	faults  int
	ruins   int // of those, how many processes died of what they did
	stalled int
	bad     []string                                             // violations
	winners map[sessionstore.SessionID]sessionstore.CloseRequest // of a Close
	wake    chan struct{}                                        // something waits for its turn
	wg      sync.WaitGroup
}

func newWorld(seed uint64, budget int, trace func(string)) *world {
	return &world{
		seed: seed, rng: rand.New(rand.NewPCG(seed, 0x5eed)), digest: fnv.New64a(), budget: budget, trace: trace,
		lateness: soon,
		began:    time.Now(), names: map[string]int{}, wake: make(chan struct{}, 1),
		winners: map[sessionstore.SessionID]sessionstore.CloseRequest{},
	}
}

// won notes whose Close of a session was applied: one and the same, whatever fails.
func (w *world) won(r sessionstore.CloseRequest) {
	w.mu.Lock()
	first, was := w.winners[r.Session]
	w.winners[r.Session] = r
	w.mu.Unlock()
	if was && first.Handler.Owner != r.Handler.Owner {
		w.violation("two have won the Close")
	}
}

// reason is why a session was closed.
func (w *world) reason(id sessionstore.SessionID) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.winners[id].Reason
}

// at is a scheduling point: it waits until the scheduler lets this call go on.
func (w *world) at(ctx context.Context, name string, k kind) verdict {
	p := procOf(ctx)
	if p.crashed.Load() {
		runtime.Goexit()
	}
	pt := &point{proc: p, name: name, kind: k, grant: make(chan verdict)}
	w.mu.Lock()
	if w.ended {
		w.mu.Unlock()
		runtime.Goexit()
	}
	w.pending = append(w.pending, pt)
	w.mu.Unlock()
	select {
	case w.wake <- struct{}{}:
	default:
	}
	v := <-pt.grant
	if k == kindRead && w.isRetired(p) {
		p.crashed.Store(true)
		runtime.Goexit()
	}
	if v == crash {
		w.dies(p)
	}
	if p.crashed.Load() {
		runtime.Goexit()
	}
	return v
}

// dies ends a process.
func (w *world) dies(p *proc) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !p.crashed.Swap(true) {
		w.crashes++
	}
}

// ruined is a process that dies of what it does.
func (w *world) ruined(p *proc) {
	w.dies(p)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.faults++
	w.ruins++
}

// retire ends a process at its next read.
func (w *world) retire(p *proc) {
	w.mu.Lock()
	defer w.mu.Unlock()
	p.retired = true
}

func (w *world) isRetired(p *proc) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return p.retired
}

// run lets points go on, one at a time, for a while of the simulated time.
func (w *world) run(d time.Duration) {
	end := time.Now().Add(d)
	for {
		synctest.Wait()
		if w.step() {
			continue
		}
		left := time.Until(end)
		if left <= 0 {
			return
		}
		next := time.NewTimer(min(left, w.nextStall()))
		select {
		case <-w.wake:
		case <-next.C:
		}
		next.Stop()
	}
}

// nextStall is how long it takes until the first stalled call may go on.
func (w *world) nextStall() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	next := time.Hour
	for _, p := range w.pending {
		next = min(next, time.Until(p.notBefore))
	}
	return max(next, time.Millisecond)
}

// How late a write comes that was in doubt: within some calls, or after the client has come back.
const (
	soon = 6
	late = 120
)

// step grants one point, or lets a ghost appear. It reports whether it did anything.
func (w *world) step() bool {
	w.mu.Lock()
	if len(w.ghosts) > 0 && w.rng.IntN(w.lateness) == 0 {
		ghost := w.ghosts[0]
		w.ghosts = w.ghosts[1:]
		w.mu.Unlock()
		w.decide("a late write is applied")
		ghost()
		return true
	}
	now := time.Now()
	w.time(now)
	var ready []*point
	for _, p := range w.pending {
		if !now.Before(p.notBefore) {
			ready = append(ready, p)
		}
	}
	if len(ready) == 0 {
		w.mu.Unlock()
		return false
	}
	slices.SortStableFunc(ready, inOrder)
	p := ready[w.rng.IntN(len(ready))]
	v, stall := w.judge(p)
	if stall > 0 {
		p.notBefore = now.Add(stall)
		w.mu.Unlock()
		w.decide(fmt.Sprintf("%s: %s stalls for %v", p.proc.name, p.name, stall))
		return true
	}
	w.pending = slices.DeleteFunc(w.pending, func(q *point) bool { return q == p })
	p.proc.worked = p.proc.worked || p.kind == kindWrite
	w.mu.Unlock()
	w.decide(p.proc.name + ": " + p.name + verdictNames[v])
	p.grant <- v
	return true
}

// Of schedules in which calls take time: how long one takes at most, and how long one of those that are slow.
const (
	longestCall = 16 * time.Millisecond
	slowestCall = 128 * time.Millisecond
	slowCalls   = 16 // one in so many
)

// slow gives a quarter of the schedules calls that take time: then requests meet that begin at different moments.
func (w *world) slow() {
	if rng := rand.New(rand.NewPCG(w.seed, 0x1a7e)); rng.IntN(4) == 0 {
		w.latency, w.slowed = rng, true
	}
}

// time decides how long calls take that have just been made. The world is locked.
func (w *world) time(now time.Time) {
	if w.latency == nil {
		return
	}
	var made []*point
	for _, p := range w.pending {
		if !p.timed {
			p.timed = true
			made = append(made, p)
		}
	}
	slices.SortStableFunc(made, inOrder)
	for _, p := range made {
		if p.kind == kindOther || p.kind == kindReturn {
			continue
		}
		most := longestCall
		if w.latency.IntN(slowCalls) == 0 {
			most = slowestCall
		}
		if w.slowest != "" && strings.HasPrefix(p.name, w.slowest) {
			most = slowestCall
		}
		p.notBefore = now.Add(time.Duration(w.latency.Int64N(int64(most))).Truncate(time.Millisecond))
	}
}

// inOrder orders points by their names: which of two came first is not decided by the seed.
func inOrder(a, b *point) int { return strings.Compare(a.proc.name+a.name, b.proc.name+b.name) }

// sparing has half of the schedules with faults direct more of them at one client alone.
func (w *world) sparing(rng *rand.Rand) {
	if w.budget > 0 && rng.IntN(2) == 0 {
		w.victim, w.budget = "client0", 2*w.budget
	}
}

// aim has some of the other schedules with faults direct them at processes of one kind, which would meet few of them.
func (w *world) aim(rng *rand.Rand, kinds ...string) {
	if w.victim == "" && len(kinds) > 0 && rng.IntN(4) > 0 {
		w.focus = kinds[rng.IntN(len(kinds))]
	}
}

// of reports whether a call is a client's own, or a push to it.
func (p *point) of(client string) bool {
	return strings.HasPrefix(p.proc.name, client+"/") || p.pushTo(client)
}

func (p *point) pushTo(client string) bool { return strings.HasPrefix(p.name, "Push "+client+"-") }

// judge decides what becomes of a call.
func (w *world) judge(p *point) (verdict, time.Duration) {
	if w.budget == 0 || time.Since(w.began) < w.quiet || p.kind == kindOther || w.victim != "" && !p.of(w.victim) ||
		!strings.Contains(p.proc.name, w.focus) {
		return proceed, 0
	}
	odds := 25
	switch {
	case w.focus != "" && p.proc.worked:
		odds = 3 // most batches have nothing to do
	case w.victim != "" || w.focus != "":
		odds = 8
	}
	if w.rng.IntN(odds) != 0 {
		return proceed, 0
	}
	w.budget--
	w.faults++
	var choices []verdict
	switch p.kind {
	case kindWrite:
		choices = []verdict{failBefore, failAfter, failLater, refuse, crash}
	case kindPush:
		choices = []verdict{failBefore, failAfter, hangBefore, hangAfter, busy, refuse, cutAfter}
		if w.victim == "" { // else the others would feel the end of the instance
			choices = append(choices, crash)
		}
	case kindRead:
		choices = []verdict{failBefore, crash}
	case kindReturn:
		choices = []verdict{crash}
	case kindOther:
	}
	if w.focus != "" { // what a queue is for
		choices = append(choices, crash, crash)
	}
	stalls := 1
	if w.victim != "" && p.kind == kindPush {
		stalls = 0
	}
	n := w.rng.IntN(len(choices) + stalls)
	if n == len(choices) {
		w.stalled++
		return proceed, []time.Duration{100 * time.Millisecond, 2 * time.Second, 50 * time.Second}[w.rng.IntN(3)]
	}
	return choices[n], 0
}

// spared reports whether nothing that failed was of a client's doing.
func (w *world) spared(client string) bool {
	return w.faultless() || w.victim != "" && w.victim != client
}

// late counts what may have come late, or not at all, without a word: calls that were held up, and instances that died.
func (w *world) late() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.stalled + w.crashes
}

// fair reports whether nothing failed but what is of one client's doing.
func (w *world) fair() bool { return w.faultless() || w.victim != "" }

// onlyRuins reports whether nothing failed but processes that died of what they did.
func (w *world) onlyRuins() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.faults == w.ruins
}

// end ends what has not ended.
func (w *world) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ended = true
	for _, p := range w.pending {
		p.grant <- crash
	}
	w.pending = nil
}

// faultless reports whether nothing has failed.
func (w *world) faultless() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.faults == 0
}

// later has a write applied at a later moment.
func (w *world) later(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ghosts = append(w.ghosts, f)
}

// violation records what must not be.
func (w *world) violation(format string, args ...any) {
	w.mu.Lock()
	w.bad = append(w.bad, fmt.Sprintf(format, args...))
	w.mu.Unlock()
	w.note("VIOLATION: " + fmt.Sprintf(format, args...))
}

// decide notes what the scheduler has decided, and when.
func (w *world) decide(s string) {
	_, _ = fmt.Fprintln(w.digest, time.Since(w.began), s) // never fails
	w.note(s)
}

func (w *world) note(s string) {
	if w.trace != nil {
		w.tracing.Lock() // clients and handlers tell what they do beside each other
		defer w.tracing.Unlock()
		w.trace(fmt.Sprintf("%9.3fs %s", time.Since(w.began).Seconds(), s))
	}
}

// calm ends the faults: from here on everything must come to a good end.
func (w *world) calm() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.budget, w.latency, w.lateness = 0, nil, soon
	for _, p := range w.pending {
		p.notBefore = time.Time{}
	}
}
