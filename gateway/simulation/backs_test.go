package simulation

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/nonstick-io/nonstick"
	"github.com/nonstick-io/nonstick/adapter"
	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/internal/socketio"
	"github.com/nonstick-io/nonstick/sessionstore"
)

const (
	// recoverable is the namespace whose sockets are recovered.
	recoverable = "/r"
	// awayTime is how long a socket may be away.
	awayTime  = 6 * time.Second
	mostBacks = 2
	risers    = 3
	mostRises = 8
)

// rise is one event to recoverable sockets.
type rise struct {
	id     string
	kind   riseKind
	target string    // the socket that it is for, or none
	e      *emission // else the members that it met
	before map[string]map[string]bool
	done   time.Time // when the emit had returned
}

type riseKind int

const (
	kept       riseKind = iota // is kept for a client that is away
	once                       // volatile
	questioned                 // asks for an acknowledgement: a recovery does not send it again
	own                        // emitted by a handler of the socket
)

// outlook is what is known of a recoverable socket on the server.
type outlook struct {
	accepted map[string]bool // events, which its client has to get
	ends     int             // runs of its disconnect handler
	endedAt  time.Time
	reason   string
	told     bool // its client was
}

// risePlan is what one emitter to recoverable sockets does.
type risePlan struct {
	rises []risen
}

type risen struct {
	pause    time.Duration
	toMeet   bool // waits until a client comes back or is to leave, so as to meet that
	kind     riseKind
	direct   bool
	instance int
}

// recoveryOf is where the draws of what has to do with recovery come from.
func recoveryOf(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0xbac4)) }

// recovers reports whether the schedule of a seed has clients that come back.
func recovers(seed uint64) bool { return recoveryOf(seed).IntN(2) == 1 }

// newBacks gives half of the schedules clients that come back. Their draws leave those of the others as they are.
func (r *run) newBacks() {
	rng := recoveryOf(r.w.seed)
	r.meeting = make(chan struct{})
	r.rises, r.outlooks, r.boxes = map[string]*rise{}, map[string]*outlook{}, map[sessionstore.SessionID]*box{}
	r.said = map[string]string{}
	r.carriers = map[sessionstore.SessionID]sessionstore.SessionID{}
	if !recovers(r.w.seed) {
		return
	}
	for n := range 1 + rng.IntN(mostBacks) {
		r.backs = append(r.backs, newBack(r, rng, fmt.Sprintf("back%d", n)))
	}
	for range risers {
		var p risePlan
		for range 3 + rng.IntN(mostRises-2) {
			one := risen{kind: kept, direct: rng.IntN(2) == 0, instance: rng.IntN(3)}
			one.toMeet = rng.IntN(3) == 0
			if rng.IntN(2) == 0 {
				one.pause = time.Duration(rng.IntN(1200)) * time.Millisecond
			}
			switch rng.IntN(8) {
			case 0:
				one.kind = once
			case 1:
				one.kind, one.direct = questioned, true
			}
			p.rises = append(p.rises, one)
		}
		r.risePlans = append(r.risePlans, p)
	}
	r.newRewinds()
	if rng.IntN(3) == 0 {
		r.tight = true // so that outboxes are trimmed
	}
	r.vary()
	if rng.IntN(6) == 0 {
		r.kickAt = time.Duration(1+rng.IntN(500)) * 10 * time.Millisecond
	}
	if rng.IntN(4) > 0 {
		r.alone = true
	}
	// Faults are of all, of what has to do with such clients, of one of them, or as they were without them.
	switch rng.IntN(8) {
	case 0:
	case 1:
		r.w.victim, r.w.focus = "", ""
	case 4:
		r.w.victim, r.w.focus, r.w.budget = "", "", 0 // what is late shows
	case 2:
		r.w.victim, r.w.focus = "back0", ""
	case 3:
		r.w.victim, r.w.focus = "", []string{"end of", "sweeper"}[rng.IntN(2)]
	default:
		r.w.victim, r.w.focus = "", "back"
	}
	r.rewinding.aim(r.w)
}

// vary makes some schedules such that what is rare is less so.
func (r *run) vary() {
	rng := rand.New(rand.NewPCG(r.w.seed, 0x7a4e))
	r.kickMeets = rng.IntN(2) == 0
	if rng.IntN(4) == 0 {
		r.w.lateness = late
	}
	for _, b := range r.backs {
		for n := range b.plan {
			b.plan[n].punctual = rng.IntN(8) == 0
		}
	}
	switch kind := rng.IntN(6); {
	case kind == 0 || r.tight && r.w.slowed && kind > 2:
		r.burst()
	case kind < 3: // events go on until there are faults
		r.w.quiet = time.Duration(rng.IntN(10000)) * time.Millisecond
		for _, p := range r.risePlans {
			for k := range p.rises {
				p.rises[k].pause *= slower
			}
		}
	}
}

// burst has much be emitted at once, to clients that are on WebSocket.
func (r *run) burst() {
	r.w.slowest = "Trim "
	for _, p := range r.risePlans {
		for k := range p.rises {
			p.rises[k] = risen{kind: kept, direct: true, instance: p.rises[k].instance}
		}
		p.rises[0].pause = burstAt
	}
	for _, b := range r.backs {
		one := &b.plan[0]
		one.direct, one.delay, one.haste, one.life = true, 0, 0, max(one.life, 2*burstAt)
	}
}

// burstAt is when it is.
const burstAt = 700 * time.Millisecond

// slower is how much slower some emit than others.
const slower = 5

// recovers registers the namespace whose sockets are recovered.
func (r *run) recovers(srv *nonstick.Server) {
	if len(r.backs) == 0 {
		return
	}
	nsp := srv.Of(recoverable)
	r.allowRecovery(nsp)
	nsp.OnConnect(func(ctx context.Context, s *nonstick.Socket) error {
		r.mu.Lock()
		r.outlook(s.ID())
		r.mu.Unlock()
		if err := s.SetData(ctx, "is", s.ID()); err != nil {
			return err
		}
		return s.Join(ctx, room)
	})
	nonstick.OnAck(nsp, "say", func(ctx context.Context, s *nonstick.Socket, key string) (string, error) {
		r.handles(key)
		r.rising(&rise{id: key, kind: own, target: s.ID()})
		is, ok, err := nonstick.Data[string](ctx, s, "is")
		r.mu.Lock()
		// What was sent to a socket before may come to the next one, which is about to be made.
		over := r.outlook(s.ID()).ends > 0 || r.said[key] != s.ID()
		r.mu.Unlock()
		if err == nil && (!ok || is != s.ID()) && !over {
			r.w.violation("%s: of its data is kept %q", s.ID(), is)
		}
		if err := s.Emit(ctx, "own", key); err != nil {
			return "", err
		}
		r.rising(&rise{id: key + "+", kind: own, target: s.ID()})
		return key, s.Emit(ctx, "own", key+"+")
	})
	nonstick.On(nsp, "quit", func(ctx context.Context, s *nonstick.Socket, key string) error {
		r.handles(key)
		r.rising(&rise{id: key, kind: own, target: s.ID()})
		if err := s.Emit(ctx, "own", key); err != nil {
			return err
		}
		return s.Disconnect(ctx, false)
	})
	nonstick.OnReply(nsp, "told", func(_ context.Context, s *nonstick.Socket, answer, key string) error {
		r.handles("answer to " + key)
		r.mu.Lock()
		target := r.rises[key].target
		r.mu.Unlock()
		if answer != key || s.ID() != target {
			r.w.violation("the answer to %s came from %s, and is %s", key, s.ID(), answer)
		}
		return nil
	})
	nsp.OnDisconnect(r.over0)
	r.keepHistory(nsp)
}

// says notes to which socket a client sends an event.
func (r *run) says(key, socket string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.said[key] = socket
}

// outlook returns what is known of a socket. The run is locked.
func (r *run) outlook(id string) *outlook {
	if r.outlooks[id] == nil {
		r.outlooks[id] = &outlook{accepted: map[string]bool{}}
	}
	return r.outlooks[id]
}

// over0 is the disconnect handler of recoverable sockets: it is the end of them.
func (r *run) over0(ctx context.Context, s *nonstick.Socket, reason nonstick.Reason) error {
	r.mu.Lock()
	o := r.outlook(s.ID())
	o.ends++
	if o.ends == 1 {
		o.endedAt, o.reason = time.Now(), string(reason)
	}
	r.mu.Unlock()
	r.w.note("disconnect handler of " + s.ID() + ": " + string(reason))
	r.checkOver(s.ID(), string(reason))
	r.hears(ctx, s.ID())
	return nil
}

// rising notes an event that is about to be emitted.
func (r *run) rising(e *rise) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e.before = map[string]map[string]bool{}
	for id, o := range r.outlooks {
		owed := make(map[string]bool, len(o.accepted))
		for event := range o.accepted {
			owed[event] = true
		}
		e.before[id] = owed
	}
	r.rises[e.id] = e
}

// accepts notes that an event was accepted for a socket. The run is locked.
func (r *run) accepts(socket, id string) {
	r.outlook(socket).accepted[id] = true
}

// riser is one emitter to recoverable sockets: each of its events when the one before is settled.
func (r *run) riser(ctx context.Context, p *proc, e int) {
	for k, one := range r.risePlans[e].rises {
		if one.toMeet {
			r.awaitMeeting(ctx)
		} else {
			r.w.pause(ctx, one.pause)
		}
		if p.crashed.Load() || r.stopping() {
			return
		}
		id := fmt.Sprintf("r%d.%d", e, k)
		if one.direct {
			r.riseTo(ctx, p, one, id)
		} else {
			r.riseAll(ctx, p, one, id)
		}
	}
}

// meet notes that a client sends CONNECT with a private id, or that its socket is about to end.
func (r *run) meet() {
	r.mu.Lock()
	defer r.mu.Unlock()
	close(r.meeting)
	r.meeting = make(chan struct{})
}

// awaitMeeting waits until a client comes back, or is to leave, or for a second.
func (r *run) awaitMeeting(ctx context.Context) {
	r.mu.Lock()
	meeting := r.meeting
	r.mu.Unlock()
	t := time.NewTimer(time.Second)
	defer t.Stop()
	select {
	case <-meeting:
	case <-t.C:
	case <-ctx.Done():
	}
	r.w.at(ctx, "wakes", kindOther)
}

// riseAll emits to the room.
func (r *run) riseAll(ctx context.Context, p *proc, one risen, id string) {
	e := newEmission(false)
	r.rising(&rise{id: id, kind: one.kind, e: e})
	packet := socketio.Packet{Type: socketio.Event, Namespace: recoverable, Data: json.RawMessage(`["e","` + id + `"]`)}
	if r.serial && strings.HasSuffix(id, "1") {
		packet.Data = json.RawMessage(`["e","` + id + `",{"_placeholder":true,"num":0}]`)
		packet.Attachments = [][]byte{[]byte(id)}
	}
	made := adapter.NewPacket(ctx, socketio.JSON, packet)
	made.Volatile = one.kind == once
	sel := adapter.Selection{Namespace: recoverable, Rooms: []sessionstore.Room{room}}
	res, err := r.risers[one.instance].Broadcast(context.WithValue(ctx, emissionKey{}, e), sel, made)
	if p.crashed.Load() {
		return
	}
	r.w.note(fmt.Sprintf("emitted %s: %+v, %v", id, res, err))
	if err != nil && r.w.fair() && r.w.victim != "back0" {
		r.w.violation("%s: a broadcast failed though nothing else did: %v", id, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rises[id].done = time.Now()
	if err != nil || one.kind != kept {
		return
	}
	for socket := range r.outlooks {
		if e.took(sessionstore.SocketID(socket)) {
			r.accepts(socket, id)
		}
	}
}

// riseTo emits to one socket, the last of a client.
func (r *run) riseTo(ctx context.Context, p *proc, one risen, id string) {
	r.mu.Lock()
	b := r.backs[p.draw(len(r.backs))]
	r.mu.Unlock()
	b.mu.Lock()
	c := b.chain
	b.mu.Unlock()
	if c == nil {
		return
	}
	to, err := r.namespace(one.instance).Socket(ctx, c.id)
	if err == nil {
		r.rising(&rise{id: id, kind: one.kind, target: c.id})
		switch one.kind {
		case once:
			err = to.Volatile().Emit(ctx, "e", id)
		case questioned:
			err = nonstick.EmitThen(ctx, to, "e", "told", id, id)
		default:
			err = to.Emit(ctx, "e", id)
		}
	}
	if p.crashed.Load() {
		return
	}
	r.w.note(fmt.Sprintf("emitted %s to %s: %v", id, c.id, err))
	if err != nil && !errors.Is(err, nonstick.ErrDisconnected) && r.w.faultless() && !r.tight {
		r.w.violation("%s: an emit to %s failed though nothing else did: %v", id, c.id, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if e := r.rises[id]; e != nil {
		e.done = time.Now()
	}
	if err == nil && one.kind == kept {
		r.accepts(c.id, id)
	}
}

// kick has the server end the socket of the first client.
func (r *run) kick(ctx context.Context, p *proc) {
	r.w.pause(ctx, r.kickAt)
	if !r.kickMeets {
		r.kickNow(ctx, p)
		return
	}
	for range mostKicks {
		r.awaitMeeting(ctx)
		r.kickNow(ctx, p)
	}
}

// mostKicks is how often the server ends a socket that comes back.
const mostKicks = 3

func (r *run) kickNow(ctx context.Context, p *proc) {
	r.mu.Lock()
	b := r.backs[0]
	r.mu.Unlock()
	b.mu.Lock()
	c := b.chain
	b.mu.Unlock()
	if c == nil {
		return
	}
	if !r.kickMeets {
		r.meet()
	}
	to, err := r.namespace(p.draw(len(r.servers))).Socket(ctx, c.id)
	if err == nil {
		err = to.Disconnect(ctx, r.kickAt/(10*time.Millisecond)%2 == 0)
	}
	r.w.note(fmt.Sprintf("ended %s: %v", c.id, err))
}

// stopping reports whether clients are to come back no more.
func (r *run) stopping() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stops
}

// startBacks starts clients that come back, and what emits to them.
func (r *run) startBacks(ctx context.Context) {
	for _, b := range r.backs {
		r.w.spawn(ctx, b.name, func(ctx context.Context, _ *proc) { b.live(ctx) })
	}
	for e := range r.risePlans {
		r.w.spawn(ctx, fmt.Sprintf("to back, emitter%d", e), func(ctx context.Context, p *proc) { r.riser(ctx, p, e) })
	}
	r.startRewinds(ctx)
	if r.kickAt > 0 {
		r.w.spawn(ctx, "to back, kick", r.kick)
	}
}

// endBacks ends those clients: the server closes their sessions, they leave, or just vanish.
func (r *run) endBacks(ctx context.Context) {
	r.mu.Lock()
	r.stops = true
	backs := r.backs
	r.mu.Unlock()
	for i, b := range backs {
		b.mu.Lock()
		s := b.now
		b.mu.Unlock()
		if s == nil || !s.isAlive() {
			continue
		}
		how := (r.w.seed + uint64(i)) % 4
		r.w.spawn(ctx, b.name+"/end", func(ctx context.Context, _ *proc) {
			if how == 3 {
				_ = r.instance(ctx).Fail(ctx, s.sid, delivery.ReasonForcedClose)
				return
			}
			s.loss, s.noticed = []loss{vanishes, cuts, leaves}[how], 0
			s.lose(ctx)
		})
	}
}

func (r *run) riserOf(st sessionstore.Store, srv *nonstick.Server) *adapter.Adapter {
	return adapter.New(st, srv.Engine().Delivery(), adapter.Options{
		Logger: slog.New(failures{}),
		Keeper: r.rewinding.keeping(len(r.risers)),
	})
}

func (r *run) allowRecovery(nsp *nonstick.Namespace) {
	nsp.ConnectionStateRecovery(nonstick.ConnectionStateRecovery{MaxDisconnectionDuration: awayTime})
}

// namespace is that of the clients that come back, at an instance.
func (r *run) namespace(instance int) *nonstick.Namespace {
	n, _ := r.servers[instance].Lookup(recoverable)
	return n
}
