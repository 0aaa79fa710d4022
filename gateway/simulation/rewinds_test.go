package simulation

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/nonstick-io/nonstick"
	"github.com/nonstick-io/nonstick/adapter"
	"github.com/nonstick-io/nonstick/internal/socketio"
	"github.com/nonstick-io/nonstick/sessionstore"
)

const (
	// keptRoom is a room of recoverable sockets that keeps its history.
	keptRoom    = "kept"
	keepers     = 2
	mostKept    = 14
	mostRewinds = 12
	bulkyEvent  = 100 << 10
)

var keepingAll = sessionstore.Keeping{Rooms: []string{keptRoom}, Events: 1000, For: time.Hour}

// rewinds is what has to do with that room; its draws leave those of all else as they are.
type rewinds struct {
	on      bool
	bulky   bool            // events are so large that a history does not fit into a buffer at once
	outside [instances]bool // those that emit there learn from the room's mark that it is kept
	plans   [][]risen
	asks    *rand.Rand
	// All below is under the lock of the run.
	accepted map[string]bool  // events whose emit was a success for all
	recorded map[string]bool  // those of them that have to be in the history
	waiting  map[string]*proc // those that are being emitted, and by what
	wants    map[string]want  // by socket, with which events it joined
	joining  map[string]int   // by socket, how many handlers are at it
	sent     map[string]bool  // by socket, that it may have got some of the room
	marked   bool             // the room has had a mark for good
}

// want is what a socket that joins wants of the history.
type want struct {
	events int       // the last ones; anyEvents if that is not known
	lo, hi time.Time // or those since a moment between the two
}

// joining is what mutants and checks remember of a process that joins.
type joining struct {
	owner  sessionstore.Owner
	k      sessionstore.Socket
	before sessionstore.History // as it was before the row of the socket was there
	looked bool
}

// instances is how many there are.
const instances = 3

func (r *run) newRewinds() {
	rng := rand.New(rand.NewPCG(r.w.seed, 0x4e71))
	w := &r.rewinding
	if w.on = len(r.backs) > 0 && rng.IntN(2) == 0; !w.on {
		return
	}
	w.bulky, w.accepted, w.asks = rng.IntN(3) == 0, map[string]bool{}, rng
	w.wants, w.joining, w.sent = map[string]want{}, map[string]int{}, map[string]bool{}
	w.recorded, w.waiting = map[string]bool{}, map[string]*proc{}
	for range keepers {
		var plan []risen
		for range 4 + rng.IntN(mostKept-3) {
			one := risen{instance: rng.IntN(3), toMeet: rng.IntN(4) == 0}
			if rng.IntN(2) == 0 {
				one.pause = time.Duration(rng.IntN(900)) * time.Millisecond
			}
			plan = append(plan, one)
		}
		w.plans = append(w.plans, plan)
	}
	if rng.IntN(2) == 0 {
		w.outside = [instances]bool{true, true, r.w.seed%3 > 0}
	}
	more := rand.New(rand.NewPCG(r.w.seed, 0x3e71))
	for e := range w.plans {
		if more.IntN(2) == 0 { // when an instance may have died long since that let a socket join
			pause := 11*time.Second + time.Duration(more.IntN(4000))*time.Millisecond
			w.plans[e] = append(w.plans[e], risen{instance: more.IntN(instances), pause: pause})
		}
	}
}

// aim has some of the faults be of sockets that join, or of what emits to the room.
func (w *rewinds) aim(world *world) {
	if !w.on || world.budget == 0 {
		return
	}
	switch rand.New(rand.NewPCG(world.seed, 0xa137)).IntN(6) {
	case 0, 1:
		world.victim, world.focus = "", `"rewind"`
	case 2:
		world.victim, world.focus = "", "keeper"
	}
}

// keeping is what those that emit at an instance know of what is kept.
func (w *rewinds) keeping(instance int) adapter.Keeper {
	return func(context.Context, sessionstore.Namespace) (*sessionstore.Keeping, error) {
		if w.outside[instance] {
			return nil, nil
		}
		return &keepingAll, nil
	}
}

// keepHistory registers what a client asks for its history with.
func (r *run) keepHistory(nsp *nonstick.Namespace) {
	if !r.rewinding.on {
		return
	}
	nsp.KeepHistory(nonstick.History{Rooms: []string{keptRoom}, Events: keepingAll.Events, For: keepingAll.For})
	nonstick.On(nsp, "rewind", func(ctx context.Context, s *nonstick.Socket, n int) error {
		end := r.rewinds(s.ID(), n)
		rewind := nonstick.Rewind{Events: n}
		if n < 0 {
			rewind = nonstick.Rewind{Within: time.Duration(-n) * time.Millisecond}
		}
		p := procOf(ctx)
		j := &joining{}
		p.joins = j
		err := s.JoinRewind(ctx, keptRoom, rewind)
		p.joins = nil
		end(err)
		r.w.note(fmt.Sprintf("%s joins with %d events: %v", s.ID(), n, err))
		r.checkJoined(ctx, s, j.owner, err)
		return nil
	})
}

// checkJoined checks, when a call has returned that joins a socket with history, that it is in the room, or not. A row
// by which it joins for another owner is that of a call which was in doubt, and came late.
func (r *run) checkJoined(ctx context.Context, s *nonstick.Socket, owner sessionstore.Owner, err error) {
	ctx = context.WithoutCancel(ctx)
	r.mu.Lock()
	others := r.rewinding.joining[s.ID()] > 0
	r.mu.Unlock()
	row, e := r.real.RoomMember(ctx, recoverable, keptRoom, sessionstore.SocketID(s.ID()))
	switch {
	case others || e != nil || !r.lives(ctx, s.ID()) || row.Joining.Held() && row.Joining.Owner != owner:
	case err == nil && row.Joining.Held():
		r.w.violation("%s has joined, and its row says that it has not yet", s.ID())
	case err != nil && !strings.Contains(err.Error(), "take back a join"):
		r.w.violation("%s has not joined (%v), and is in the room", s.ID(), err)
	}
}

// lives reports whether a recoverable socket has not ended.
func (r *run) lives(ctx context.Context, id string) bool {
	m, err := r.real.Member(ctx, recoverable, sessionstore.SocketID(id))
	if err != nil {
		return false
	}
	box, err := r.real.Get(ctx, m.Session, time.Now())
	return err == nil && box.State == sessionstore.Open
}

// startRewinds starts what emits to the room.
func (r *run) startRewinds(ctx context.Context) {
	for e := range r.rewinding.plans {
		r.w.spawn(ctx, fmt.Sprintf("to back, keeper%d", e), func(ctx context.Context, p *proc) { r.keeper(ctx, p, e) })
	}
}

func (r *run) keeper(ctx context.Context, p *proc, e int) {
	bulk := ""
	if r.rewinding.bulky {
		bulk = strings.Repeat("x", bulkyEvent)
	}
	for k, one := range r.rewinding.plans[e] {
		if one.toMeet {
			r.awaitMeeting(ctx)
		} else {
			r.w.pause(ctx, one.pause)
		}
		if p.crashed.Load() || r.stopping() {
			return
		}
		id := fmt.Sprintf("k%d.%d", e, k)
		data, err := json.Marshal([]string{"k", id, bulk})
		if err != nil {
			panic(err)
		}
		packet := adapter.NewPacket(ctx, socketio.JSON, socketio.Packet{
			Type: socketio.Event, Namespace: recoverable, Data: data,
		})
		sel := adapter.Selection{Namespace: recoverable, Rooms: []sessionstore.Room{keptRoom}}
		w := &r.rewinding
		r.mu.Lock()
		knows := w.marked || !w.outside[one.instance]
		w.waiting[id] = p
		r.mu.Unlock()
		res, err := r.risers[one.instance].Broadcast(ctx, sel, packet)
		if p.crashed.Load() {
			return
		}
		r.w.note(fmt.Sprintf("emitted %s: %+v, %v", id, res, err))
		r.mu.Lock()
		w.accepted[id], w.recorded[id] = err == nil && res.Failed == 0, knows && err == nil
		delete(w.waiting, id)
		r.mu.Unlock()
	}
}

// anyEvents is how many events a socket wants of which that is not known: it has asked more than once, and the first
// time something went wrong.
const anyEvents = -1

// rewinds notes with how many events a socket joins the room, unless it is in it, and returns the end of that.
func (r *run) rewinds(socket string, n int) (end func(error)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	w := &r.rewinding
	_, again := w.wants[socket]
	within := time.Duration(-n) * time.Millisecond
	if !again {
		w.wants[socket] = want{events: n, lo: time.Now().Add(-within)}
	}
	w.joining[socket]++
	return func(err error) {
		r.mu.Lock()
		defer r.mu.Unlock()
		w.joining[socket]--
		w.marked = w.marked || err == nil
		switch {
		case again && err == nil: // it was in the room, or the other was first
		case err != nil || w.joining[socket] > 0:
			w.wants[socket] = want{events: anyEvents}
		case n < 0:
			w.wants[socket] = want{lo: w.wants[socket].lo, hi: time.Now().Add(-within)}
		}
	}
}

// begins returns how many events a socket gets of a history: at least and at most.
func (w want) begins(history []sessionstore.Event) (least, most int) {
	since := func(at time.Time) int {
		n := slices.IndexFunc(history, func(e sessionstore.Event) bool { return !e.At.Before(at) })
		if n < 0 {
			n = len(history)
		}
		return len(history) - n
	}
	switch {
	case w.events < 0:
		return 0, len(history)
	case w.events > 0:
		n := min(w.events, len(history))
		return n, n
	default:
		return since(w.hi), since(w.lo.Add(-time.Millisecond)) // the store keeps milliseconds
	}
}

// asksForHistory has a new socket ask for the history of the room, after a while. The client is locked.
func (s *stay) asksForHistory(ctx context.Context) {
	w := &s.b.r.rewinding
	if !w.on {
		return
	}
	s.b.r.mu.Lock()
	n := 1 + w.asks.IntN(mostRewinds)
	if w.asks.IntN(3) == 0 {
		n = -1 - w.asks.IntN(2000)
	}
	twice, atOnce := w.asks.IntN(3) == 0, w.asks.IntN(2) == 0
	pause := time.Duration(w.asks.IntN(4)) * time.Duration(w.asks.IntN(400)) * time.Millisecond
	s.b.r.mu.Unlock()
	chain := s.b.chain
	s.spawn(ctx, "asks for history", func(ctx context.Context) {
		s.b.r.w.pause(ctx, pause)
		s.b.mu.Lock()
		still := s.b.chain == chain && s.joined
		s.b.mu.Unlock()
		if !still { // it has left that socket, and connects again over the same connection
			return
		}
		ask := fmt.Sprintf(`42%s,["rewind",%d]`, recoverable, n)
		if twice && atOnce {
			s.spawn(ctx, "asks for history, too", func(ctx context.Context) { s.send(ctx, ask) })
		}
		s.send(ctx, ask)
		if twice && !atOnce {
			s.send(ctx, ask)
		}
	})
}

// keeps checks an event of the room that the application of a client gets. The client is locked.
func (b *back) keeps(id string) {
	b.r.w.note(b.name + " gets " + id)
	b.got()
	if slices.Contains(b.chain.kept, id) {
		b.r.w.violation("%s: %s came twice", b.name, id)
	}
	b.r.mu.Lock()
	sent := b.r.rewinding.sent[b.chain.id]
	b.r.mu.Unlock()
	if !sent {
		b.r.w.violation("%s: %s came, and its socket has never been in the room", b.name, id)
	}
	b.chain.kept = append(b.chain.kept, id)
}

// checkKept checks what a client has of the room, if its socket is in it: the last events of the history as of when it
// joined, in their order; and behind them all that came since, those of each emitter in order.
func (r *run) checkKept(ctx context.Context, b *back) {
	row, err := r.real.RoomMember(ctx, recoverable, keptRoom, sessionstore.SocketID(b.chain.id))
	if !r.rewinding.on || err != nil || row.Joining.Held() {
		return
	}
	h, _ := r.real.History(ctx, recoverable, keptRoom)
	if h.Last == 0 {
		if len(b.chain.kept) > 0 && r.rewinding.outside == ([instances]bool{}) {
			r.w.violation("%s: %v came, and nothing was recorded", b.name, b.chain.kept)
		}
		return
	}
	var log []string
	var events []sessionstore.Event
	for e, err := range r.real.Events(ctx, recoverable, keptRoom, h.First-1, h.Last) {
		if err != nil {
			r.w.violation("the history has a hole: %v", err)
			return
		}
		events = append(events, e)
		log = append(log, kept0(&e))
	}
	seam := 0
	if row.Rewound > 0 {
		seam = row.Rewound - h.First + 1
	}
	wants, most := r.rewinding.wants[b.chain.id].begins(events[:seam])
	for wants < most && slices.Contains(b.chain.kept, log[seam-wants-1]) { // what came of it tells
		wants++
	}
	history, live := log[max(0, seam-wants):seam], log[seam:]
	got := slices.Clone(b.chain.kept)
	if r.rewinding.outside != ([instances]bool{}) { // what was emitted just before the room had a mark is in no history
		got = slices.DeleteFunc(got, func(id string) bool { return !slices.Contains(log, id) })
	}
	if n := min(len(got), len(history)); !slices.Equal(got[:n], history) {
		r.w.violation("%s: of the history %v came %v", b.name, history, got)
		return
	}
	got = got[len(history):]
	for _, id := range got {
		if !slices.Contains(live, id) {
			r.w.violation("%s: %s came, which is before the history %v", b.name, id, history)
		}
	}
	for e := range keepers {
		last := -1
		for _, id := range live {
			if !strings.HasPrefix(id, fmt.Sprintf("k%d.", e)) {
				continue
			}
			at := slices.Index(got, id)
			switch {
			case at < 0 && r.rewinding.accepted[id]:
				r.w.violation("%s: %s came never, live", b.name, id)
			case at >= 0 && at < last:
				r.w.violation("%s: %s came before what its emitter emitted before", b.name, id)
			case at >= 0:
				last = at
			}
		}
	}
}

// kept0 is what an event of the room is called.
func kept0(e *sessionstore.Event) string { return strings.Split(e.Frames[0], `"`)[3] }

// checkLog checks the history of the room: it has each event once that was emitted since the room had a mark. The run
// is locked.
func (r *run) checkLog(ctx context.Context) {
	w := &r.rewinding
	for _, id := range slices.Sorted(maps.Keys(w.waiting)) {
		if !w.waiting[id].crashed.Load() {
			r.w.violation("%s is being emitted for ever", id)
		}
	}
	h, err := r.real.History(ctx, recoverable, keptRoom)
	if err != nil || h.Last == 0 {
		return
	}
	times := map[string]int{}
	for e := range r.real.Events(ctx, recoverable, keptRoom, h.First-1, h.Last) {
		if times[kept0(&e)]++; times[kept0(&e)] > 1 {
			r.w.violation("%s is in the history twice", kept0(&e))
		}
	}
	for _, id := range slices.Sorted(maps.Keys(w.recorded)) {
		if w.recorded[id] && times[id] == 0 {
			r.w.violation("%s is not in the history", id)
		}
	}
}
