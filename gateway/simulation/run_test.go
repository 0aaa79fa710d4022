package simulation

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nonstick-io/nonstick"
	"github.com/nonstick-io/nonstick/adapter"
	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/gateway/engine"
	"github.com/nonstick-io/nonstick/gateway/inbound"
	"github.com/nonstick-io/nonstick/internal/protocol"
	"github.com/nonstick-io/nonstick/internal/socketio"
	"github.com/nonstick-io/nonstick/sessionstore"
	"github.com/nonstick-io/nonstick/sessionstore/memstore"
)

// The times of a simulated session.
const (
	pingInterval = 5 * time.Second
	pingTimeout  = 3 * time.Second
	room         = "room"
	emitters     = 3
	mostClients  = 3
	tightBuffer  = 3
	tightOutbox  = 6 // so that some of it can be trimmed
	longestEmit  = 5 * time.Second
	packets      = 4
	maxSkew      = 250 // by how many milliseconds a clock is wrong: two differ by at most 500
)

// run is one schedule: some instances, clients in one room, emitters, sweepers.
type run struct {
	w            *world
	mutant       string
	rules        *protocol.Rules
	net          *network
	servers      []*nonstick.Server
	adapters     []*adapter.Adapter
	real         *memstore.Store
	clients      []*client
	copies       bool
	serial       bool // some packets have attachments
	tight        bool // buffers are small, and clients poll slowly
	handover     handover
	slowCloses   bool // the store takes its time to close a session: those of a broadcast are handed over
	pool         *engine.Pool
	queue        *queue
	line         *line  // of frames; nil if they are handled at once
	parts        *parts // of large broadcasts; nil if the caller that emits delivers to all
	over         chan struct{}
	secondLeaves time.Duration // how long the disconnect handler of the second namespace takes
	closeAt      time.Duration // when the server closes the session; never if 0
	plans        [emitters]plan
	risers       []*adapter.Adapter // by instance, for recoverable sockets
	risePlans    []risePlan
	kickAt       time.Duration // when the server ends the socket of the first client that comes back; never if 0
	kickMeets    bool          // and does so when a client comes back
	rewinding    rewinds
	alone        bool     // there is one client beside those that come back
	aborts       sync.Map // sessions of which an upgrade was aborted

	mu           sync.Mutex
	accepted     map[*client]map[string]bool
	before       map[string]map[*client]map[string]bool // what was accepted when an emit began
	atClose      map[string]bool                        // accepted for the first client when the server began its close
	closed       map[string]int                         // runs of the disconnect handler by socket
	closedSecond map[string]int                         // the same of the second namespace
	owners       map[string]*client                     // by socket, once its connect handler has run
	asked        []question                             // that the server has asked
	handled      map[string]int                         // runs of the handler by event
	votes        map[string]*vote
	ending       int // disconnect handlers that are running
	backs        []*back
	rises        map[string]*rise
	said         map[string]string                                 // by event of a client that comes back, the socket
	outlooks     map[string]*outlook                               // by socket
	boxes        map[sessionstore.SessionID]*box                   // outboxes
	carriers     map[sessionstore.SessionID]sessionstore.SessionID // by outbox, the session that took it last
	meeting      chan struct{}                                     // closed when a client comes back, or is to leave
	stops        bool                                              // clients come back no more
}

// plan is what one emitter does: a pause before each packet, and whether it waits for the client's probe to be
// answered before the rest of them, so that they meet the upgrade.
type plan struct {
	pauses   [packets]time.Duration
	atProbe  int // the packet before which it waits; packets for never
	instance int
}

// outcome is what a schedule showed.
type outcome struct {
	bad    []string // what was wrong
	faults int      // calls that went wrong
	digest uint64   // of all that the scheduler decided
	modes  []string // what kind of schedule it was
}

// simulate runs the schedule of a seed.
func simulate(t *testing.T, seed uint64, mutant string, trace func(string)) (o outcome) {
	synctest.Test(t, func(t *testing.T) {
		// The first eighth of the seeds have no fault: then nothing may be lost at all.
		budget := int(seed % 8)
		if budget > 3 {
			budget = 1 + budget%3
		}
		w := newWorld(seed, budget, trace)
		r := newRun(w, mutant)
		r.play(t.Context())
		o = outcome{w.bad, w.faults, w.digest.Sum64(), r.modes()}
	})
	return o
}

func newRun(w *world, mutant string) *run {
	r := &run{
		w: w, mutant: mutant, rules: rulesOf(mutant), accepted: map[*client]map[string]bool{},
		before: map[string]map[*client]map[string]bool{}, closed: map[string]int{}, closedSecond: map[string]int{},
		owners: map[string]*client{}, handled: map[string]int{}, votes: map[string]*vote{},
		copies: w.rng.IntN(
			3,
		) == 0,
		serial: w.rng.IntN(2) == 0, tight: w.rng.IntN(8) == 0, handover: handover(w.rng.IntN(int(allHandovers))),
		pool: engine.NewPool(nil), over: make(chan struct{}), slowCloses: w.seed/8%8 == 1,
	}
	r.queue = &queue{r: r, twice: w.rng.IntN(2) == 0}
	w.sparing(w.rng)
	w.slow()
	if w.rng.IntN(3) == 0 {
		r.line = newLine(r)
	}
	if w.rng.IntN(3) == 0 {
		r.parts = newParts(r)
	}
	w.aim(w.rng, r.queues()...)
	r.newBacks()
	if w.rng.IntN(3) == 0 {
		r.secondLeaves = 2 * time.Second
	}
	r.real = memstore.New(memstore.Options{Shards: 1})
	waking, skewed := w.rng.IntN(2) == 0, w.rng.IntN(2) == 0
	r.net = &network{w: w, mutant: mutant, conns: map[sessionstore.Connection]*socket{}}
	for range 3 {
		skew := time.Duration(0)
		if skewed {
			skew = time.Duration(w.rng.IntN(2*maxSkew)-maxSkew) * time.Millisecond
		}
		st := newStore(r, waking, skew)
		srv := nonstick.New(r.config(st))
		r.register(srv)
		if r.line != nil {
			r.line.serve(srv, st)
		}
		if r.parts != nil {
			r.parts.serve(st)
		}
		r.servers = append(r.servers, srv)
		r.adapters = append(r.adapters, adapter.New(st, srv.Engine().Delivery(), r.parts.options()))
		r.risers = append(r.risers, r.riserOf(st, srv))
	}
	for e := range r.plans {
		r.plans[e] = newPlan(w.rng)
	}
	if w.rng.IntN(6) == 0 {
		r.closeAt = time.Duration(1+w.rng.IntN(100)) * 10 * time.Millisecond
	}
	for n := range 1 + w.rng.IntN(mostClients) {
		c := newClient(r, fmt.Sprintf("client%d", n))
		r.clients = append(r.clients, c)
		r.accepted[c] = map[string]bool{}
	}
	if r.alone {
		r.clients = r.clients[:1]
	}
	return r
}

// queues are the kinds of processes that handle what comes out of a queue.
func (r *run) queues() (kinds []string) {
	if r.line != nil {
		kinds = append(kinds, "line, batch")
	}
	if r.parts != nil {
		kinds = append(kinds, "parts, batch")
	}
	return kinds
}

// config is that of every instance.
func (r *run) config(st sessionstore.Store) nonstick.Config {
	o := engine.Options{
		PingInterval: pingInterval, PingTimeout: pingTimeout, PollHold: 4 * time.Second, PollPace: time.Second,
		UpgradeTimeout: 4 * time.Second, ConnectTimeout: 6 * time.Second,
	}
	o.PushReplies = r.line != nil
	if r.tight {
		o.Limits.Buffer.Packets = tightBuffer
		if len(r.backs) > 0 {
			o.Limits.Buffer.Packets = tightOutbox
		}
	}
	return nonstick.Config{
		Store: st, Pusher: r.net, Unordered: r.line == nil, Options: o, Ends: r.ends(), DisconnectTime: handlerTime,
		DisconnectTries: handlerTries, Logger: slog.New(slog.DiscardHandler),
	}
}

func newPlan(rng *rand.Rand) plan {
	p := plan{atProbe: rng.IntN(2 * packets), instance: rng.IntN(3)}
	for k := range p.pauses {
		if k <= p.atProbe && rng.IntN(3) > 0 {
			p.pauses[k] = time.Duration(rng.IntN(300)) * time.Millisecond
		}
	}
	return p
}

func (r *run) register(srv *nonstick.Server) {
	nsp := srv.Namespace
	if r.serial {
		srv.AllowAttachments()
	}
	nsp.OnConnect(func(ctx context.Context, s *nonstick.Socket) error {
		who, err := nonstick.Auth[struct{ Name string }](ctx, s)
		if err != nil {
			return err
		}
		r.mu.Lock()
		for _, c := range r.clients {
			if c.name == who.Name {
				r.owners[s.ID()] = c
			}
		}
		r.mu.Unlock()
		return s.Join(ctx, room)
	})
	r.members(nsp)
	r.keeps(nsp)
	r.queued(nsp)
	r.waiters(nsp)
	r.uploads(srv)
	r.asks(nsp)
	r.ballots(nsp)
	r.recovers(srv)
	nsp.OnDisconnecting(r.disconnecting)
	nsp.OnDisconnect(r.disconnect)
}

// instance is the one that serves a process.
func (r *run) instance(ctx context.Context) *engine.Engine {
	return r.servers[procOf(ctx).draw(len(r.servers))].Engine()
}

// repeats decides if a proxy repeats the nth GET.
func (r *run) repeats(n int) bool { return r.copies && n%3 == 1 && n > 1 }

// play runs the schedule to its end: a time with faults, a calm in which all must come to a good end, an orderly
// close, and a look at what is left.
func (r *run) play(ctx context.Context) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	r.net.disconnected = func(conn sessionstore.Connection) {
		r.w.spawn(ctx, "disconnect "+conn.ID, func(ctx context.Context, _ *proc) {
			if r.line != nil {
				r.line.put(ctx, conn, inbound.Disconnect, "")
				return
			}
			_ = r.instance(ctx).Disconnect(ctx, conn)
		})
	}
	r.queue.ctx = ctx
	if r.line != nil {
		r.line.queue.run(ctx, r.line.batch, r.line.lost)
	}
	if r.parts != nil {
		r.parts.queue.run(ctx, r.parts.carry, func([]entry[string]) {})
	}
	r.w.spawn(ctx, "pool", func(ctx context.Context, _ *proc) { r.runPool(ctx) })
	sweep, stopSweep := context.WithCancel(ctx)
	for i, srv := range r.servers[:2] {
		r.w.spawn(
			sweep, fmt.Sprintf("sweeper%d", i), func(ctx context.Context, _ *proc) { _ = srv.Engine().Sweep(ctx) },
		)
	}
	for _, c := range r.clients {
		r.w.spawn(ctx, c.name, func(ctx context.Context, _ *proc) { c.live(ctx) })
	}
	for e := range emitters {
		r.w.spawn(ctx, fmt.Sprintf("emitter%d", e), func(ctx context.Context, p *proc) { r.emit(ctx, p, e) })
	}
	for i := range scorers {
		r.w.spawn(ctx, fmt.Sprintf("scorer%d", i), func(ctx context.Context, p *proc) { r.scorer(ctx, p, i) })
	}
	for i := range voters {
		r.w.spawn(ctx, fmt.Sprintf("voter%d", i), func(ctx context.Context, p *proc) { r.voter(ctx, p, i) })
	}
	if r.closeAt > 0 {
		r.w.spawn(ctx, "closer", r.close)
	}
	r.startBacks(ctx)
	r.w.run(20 * time.Second)
	r.w.calm()
	// Sweepers that crashed are replaced, as the platform does.
	for i, srv := range r.servers[:2] {
		r.w.spawn(
			sweep, fmt.Sprintf("sweeper%d'", i), func(ctx context.Context, _ *proc) { _ = srv.Engine().Sweep(ctx) },
		)
	}
	r.w.run(60 * time.Second)
	for _, c := range r.clients {
		r.checkLive(ctx, c)
	}
	r.checkBacks(ctx)
	for _, c := range r.clients {
		r.end(ctx, c)
	}
	r.endBacks(ctx)
	r.w.run(60 * time.Second)
	if len(r.backs) > 0 { // their sockets are away for a while, and looked at after a minute
		r.w.run(longestAway + 70*time.Second)
	}
	for _, c := range r.clients {
		if c.ending > slowEnding { // each try of its handler ends with a lease
			r.w.run(70 * time.Second)
		}
	}
	r.checkLeftovers(ctx)
	r.checkOutboxes(ctx)
	close(r.over)
	r.net.idle()
	stopSweep()
	stop()
	r.w.run(12 * time.Second)
	synctest.Wait()
	r.w.end()
	r.w.wg.Wait()
}

// end ends a session: the server closes it, or the client leaves, which on WebSocket are two things at once.
func (r *run) end(ctx context.Context, c *client) {
	if ws := c.open(); ws != nil && r.w.rng.IntN(2) == 0 {
		if r.line != nil {
			r.w.spawn(ctx, c.name+"/leave", func(ctx context.Context, _ *proc) { c.leaves(ctx, ws) })
			return
		}
		r.w.spawn(
			ctx, c.name+"/leave",
			func(ctx context.Context, _ *proc) { _, _ = r.instance(ctx).Message(ctx, ws.conn, "41") },
		)
		c.die("leaves")
		return
	}
	r.w.spawn(ctx, c.name+"/close", func(ctx context.Context, _ *proc) {
		if c.sid != "" {
			_ = r.instance(ctx).Fail(ctx, c.sid, delivery.ReasonForcedClose)
		}
	})
}

// close is the server's own close of the first session, in the middle of things: what was accepted before is still
// fetched.
func (r *run) close(ctx context.Context, _ *proc) {
	c := r.clients[0]
	select {
	case <-c.connected:
	case <-ctx.Done():
		return
	}
	r.w.pause(ctx, r.closeAt)
	owed := r.acceptedNow()[c]
	if err := r.instance(ctx).Close(ctx, c.sid, delivery.ReasonForcedServer); err == nil {
		r.mu.Lock()
		r.atClose = owed
		r.mu.Unlock()
	}
}

// emit is one emitter: it broadcasts its packets one after the other, each when the one before is settled.
func (r *run) emit(ctx context.Context, p *proc, e int) {
	first := r.clients[e%len(r.clients)]
	select {
	case <-first.connected:
	case <-ctx.Done():
		return
	}
	plan := r.plans[e]
	inOrder := r.adapters[plan.instance].InOrder()
	for k := range packets {
		if k == plan.atProbe {
			first.awaitProbe(ctx)
		}
		r.w.pause(ctx, plan.pauses[k])
		id := fmt.Sprintf(`["m%d.%d"]`, e, k)
		accepted := r.acceptedNow()
		r.mu.Lock()
		r.before[id] = accepted
		r.mu.Unlock()
		packet := socketio.Packet{Type: socketio.Event, Namespace: "/", Data: json.RawMessage(id)}
		if r.serial && (e+k)%2 == 0 {
			packet.Attachments = [][]byte{[]byte(id)}
		}
		a := inOrder
		if r.parts == nil {
			a = r.adapters[(plan.instance+k)%len(r.adapters)]
		}
		r.broadcast(ctx, p, a, id, adapter.NewPacket(ctx, socketio.JSON, packet))
		if p.crashed.Load() {
			return
		}
	}
}

// broadcast emits one packet to the room and notes what became of it.
func (r *run) broadcast(ctx context.Context, p *proc, a *adapter.Adapter, id string, packet *adapter.Packet) {
	e := newEmission(false)
	before, begun := r.memberships(), time.Now()
	var b *broadcast
	if r.parts != nil {
		b = r.parts.begin(packet.PacketID(), id, p.name, before)
	}
	sel := adapter.Selection{Namespace: "/", Rooms: []sessionstore.Room{room}}
	res, err := a.Broadcast(context.WithValue(ctx, emissionKey{}, e), sel, packet)
	if p.crashed.Load() {
		return
	}
	switch {
	case err == nil && res.Queued:
		r.parts.end(ctx, b)
	default:
		r.settle(ctx, id, e, before, r.memberships(), err)
	}
	r.w.note(
		fmt.Sprintf("emitted %s: %d delivered, %d gone, %d failed, %v", id, res.Delivered, res.Gone, res.Failed, err),
	)
	if err != nil && r.w.fair() {
		r.w.violation("%s: a broadcast failed though nothing else did: %v", id, err)
	}
	if took := time.Since(begun); took > longestEmit && r.w.fair() && r.handover != byCloser {
		r.w.violation("%s: members held the broadcast up for %v", id, took)
	}
}

// owedBefore returns what had been accepted for a client when a packet's emit began.
func (r *run) owedBefore(c *client, id string) map[string]bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.before[id][c]
}
