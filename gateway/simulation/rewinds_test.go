package simulation

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
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
	bulky   bool // events are so large that a history does not fit into a buffer at once
	outside bool // those that emit learn from the room's mark that it is kept
	plans   [][]risen
	asks    *rand.Rand
	// All below is under the lock of the run.
	accepted map[string]bool // events whose emit was a success for all
	wants    map[string]int  // by socket, how many events it joined with
}

func (r *run) newRewinds() {
	rng := rand.New(rand.NewPCG(r.w.seed, 0x4e71))
	w := &r.rewinding
	if w.on = len(r.backs) > 0 && rng.IntN(2) == 0; !w.on {
		return
	}
	w.bulky, w.accepted, w.asks = rng.IntN(3) == 0, map[string]bool{}, rng
	w.wants = map[string]int{}
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
	w.outside = rng.IntN(2) == 0
}

// keeping is what those that emit know of what is kept.
func (w *rewinds) keeping(context.Context, sessionstore.Namespace) (*sessionstore.Keeping, error) {
	if w.outside {
		return nil, nil
	}
	return &keepingAll, nil
}

// keepHistory registers what a client asks for its history with.
func (r *run) keepHistory(nsp *nonstick.Namespace) {
	if !r.rewinding.on {
		return
	}
	nsp.KeepHistory(nonstick.History{Rooms: []string{keptRoom}, Events: keepingAll.Events, For: keepingAll.For})
	nonstick.On(nsp, "rewind", func(ctx context.Context, s *nonstick.Socket, n int) error {
		end := r.rewinds(s.ID(), n)
		err := s.JoinRewind(ctx, keptRoom, nonstick.Rewind{Events: n})
		end(err)
		r.w.note(fmt.Sprintf("%s joins with %d events: %v", s.ID(), n, err))
		if err != nil && r.w.faultless() && !r.tight && r.kickAt == 0 {
			r.w.note("which nothing explains but the end of the socket")
		}
		return nil
	})
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
		res, err := r.risers[one.instance].Broadcast(ctx, sel, packet)
		if p.crashed.Load() {
			return
		}
		r.w.note(fmt.Sprintf("emitted %s: %+v, %v", id, res, err))
		r.mu.Lock()
		r.rewinding.accepted[id] = err == nil && res.Failed == 0
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
	wants := r.rewinding.wants
	_, again := wants[socket]
	if !again {
		wants[socket] = n
	}
	return func(err error) {
		r.mu.Lock()
		defer r.mu.Unlock()
		if err != nil && !again {
			wants[socket] = anyEvents
		}
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
		s.send(ctx, fmt.Sprintf(`42%s,["rewind",%d]`, recoverable, n))
	})
}

// keeps checks an event of the room that the application of a client gets. The client is locked.
func (b *back) keeps(id string) {
	b.r.w.note(b.name + " gets " + id)
	if slices.Contains(b.chain.kept, id) {
		b.r.w.violation("%s: %s came twice", b.name, id)
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
		if len(b.chain.kept) > 0 && !r.rewinding.outside {
			r.w.violation("%s: %v came, and nothing was recorded", b.name, b.chain.kept)
		}
		return
	}
	var log []string
	for e, err := range r.real.Events(ctx, recoverable, keptRoom, h.First-1, h.Last) {
		if err != nil {
			r.w.violation("the history has a hole: %v", err)
			return
		}
		log = append(log, strings.Split(e.Frames[0], `"`)[3])
	}
	seam := 0
	if row.Rewound > 0 {
		seam = row.Rewound - h.First + 1
	}
	wants := r.rewinding.wants[b.chain.id]
	if wants == anyEvents { // then what came of it tells
		wants = 0
		for seam-wants > 0 && slices.Contains(b.chain.kept, log[seam-wants-1]) {
			wants++
		}
	}
	history, live := log[max(0, seam-wants):seam], log[seam:]
	got := slices.Clone(b.chain.kept)
	if r.rewinding.outside { // what was emitted just before the room had a mark is in no history
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

func (s *store) Record(
	ctx context.Context, nsp sessionstore.Namespace, room sessionstore.Room, e sessionstore.Event,
	k sessionstore.Keeping,
) (n int, err error) {
	err = s.write(ctx, "Record "+string(e.ID), func(ctx context.Context) (err error) {
		n, err = s.Store.Record(ctx, nsp, room, e, k)
		return err
	})
	return n, err
}

func (s *store) Recorded(
	ctx context.Context, nsp sessionstore.Namespace, room sessionstore.Room, id sessionstore.PacketID,
) (int, error) {
	return read(ctx, s, "Recorded "+string(id), func() (int, error) { return s.Store.Recorded(ctx, nsp, room, id) })
}

func (s *store) History(
	ctx context.Context, nsp sessionstore.Namespace, room sessionstore.Room,
) (sessionstore.History, error) {
	return read(ctx, s, "History", func() (sessionstore.History, error) { return s.Store.History(ctx, nsp, room) })
}

func (s *store) Events(
	ctx context.Context, nsp sessionstore.Namespace, room sessionstore.Room, from, to int,
) iter.Seq2[sessionstore.Event, error] {
	return func(yield func(sessionstore.Event, error) bool) {
		n := 0
		for e, err := range s.Store.Events(ctx, nsp, room, from, to) {
			if n++; n%4 == 1 && err == nil {
				_, err = read(ctx, s, "Events", func() (int, error) { return 0, nil })
			}
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}

func (s *store) JoinLater(
	ctx context.Context, k sessionstore.Socket, room sessionstore.Room, joining sessionstore.Lease,
	l sessionstore.SocketLimits,
) error {
	return s.write(ctx, "JoinLater "+string(k.ID), func(ctx context.Context) error {
		return s.Store.JoinLater(ctx, k, room, s.lease(joining), l)
	})
}

func (s *store) Joined(
	ctx context.Context, k sessionstore.Socket, room sessionstore.Room, owner sessionstore.Owner, rewound int,
) error {
	return s.write(ctx, "Joined "+string(k.ID), func(ctx context.Context) error {
		return s.Store.Joined(ctx, k, room, owner, rewound)
	})
}

func (s *store) Mark(
	ctx context.Context, nsp sessionstore.Namespace, room sessionstore.Room, k sessionstore.Keeping,
	h sessionstore.History, now time.Time,
) error {
	return s.write(ctx, "Mark "+string(room), func(ctx context.Context) error {
		return s.Store.Mark(ctx, nsp, room, k, h, now)
	})
}

func (s *store) Unmarked(
	ctx context.Context, nsp sessionstore.Namespace, room sessionstore.Room,
) iter.Seq2[sessionstore.Member, error] {
	return s.members(ctx, nsp, room, sessionstore.Range{}, s.Store.Unmarked(ctx, nsp, room))
}

func (s *store) RoomMember(
	ctx context.Context, nsp sessionstore.Namespace, room sessionstore.Room, id sessionstore.SocketID,
) (sessionstore.Member, error) {
	return read(ctx, s, "RoomMember "+string(id), func() (sessionstore.Member, error) {
		return s.Store.RoomMember(ctx, nsp, room, id)
	})
}
