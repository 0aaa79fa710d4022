package simulation

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/nonstick-io/nonstick"
	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/gateway/inbound"
	"github.com/nonstick-io/nonstick/internal/ids"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// What a client may do whose frames are handled in order.
const (
	slow   = "slow"   // an event whose handler takes long, so that the frames behind it may be given back
	poison = "poison" // an event over which its function dies, each time
	burst  = "burst"  // several events at a time
	last   = "last"   // the last event before the client leaves
)

const (
	// They are to the times of pings as those of the template are: what is given back is delivered again before the
	// next ping times out.
	lineHidden  = 10 * time.Second
	lineLife    = 9 * time.Second
	slowHandler = 5 * time.Second // so what is behind it in its batch is given back
	// aliveEvery is no multiple of what handlers take, so that the two never fall on one moment.
	aliveEvery = 773 * time.Millisecond
)

// line is the queue of frames with connections as its groups, and the function that takes them out of it.
type line struct {
	r         *run
	queue     *fifo[inbound.Frame]
	consumers []*inbound.Consumer
	jitter    bool // frames take a moment to the queue, each another

	mu      sync.Mutex
	turns   map[sessionstore.Connection][]turn       // frames that were handled
	reached map[sessionstore.Connection][]*reached   // frames that came to the queue
	waiting map[sessionstore.Connection]map[int]bool // frames that no function has had yet
	puts    int
	entries map[string]turn // messages that were delivered
}

// turn is a delivery of a frame.
type turn struct {
	entry[inbound.Frame]
	last int // the place in the queue of the last message of its batch
}

// reached is a frame that came to the queue.
type reached struct {
	put      int // its place among all that clients sent
	received int64
	ends     bool
	sent     int // its place in the queue
}

func newLine(r *run) *line {
	l := &line{
		r: r, queue: newFIFO[inbound.Frame](r.w, "line", lineHidden, lineLife, 10), jitter: r.w.rng.IntN(2) == 0,
		turns: map[sessionstore.Connection][]turn{}, reached: map[sessionstore.Connection][]*reached{},
		waiting: map[sessionstore.Connection]map[int]bool{}, entries: map[string]turn{},
	}
	l.queue.delivers = l.delivered
	l.queue.mutants = fifoMutants{
		ungrouped: r.mutant == "frames-without-group", failedIsOut: r.mutant == "given-back-is-deleted",
	}
	return l
}

// serve has an instance take frames out of the queue.
func (l *line) serve(srv *nonstick.Server, st sessionstore.Store) {
	l.consumers = append(l.consumers, inbound.New(inbound.Config{
		Handle: func(ctx context.Context, f *inbound.Frame) error {
			l.begins(f)
			ctx = ids.WithSource(ctx, l.r.w.newSource("frame "+f.Message)) // others of its batch are handled beside it
			if f.Event == inbound.Disconnect {
				return srv.Engine().Disconnect(ctx, f.Conn)
			}
			_, err := srv.Engine().Message(ctx, f.Conn, f.Body)
			return err
		},
		Sessions: srv.Engine(), Claims: st, Queue: l, Alive: aliveEvery,
	}))
}

// put takes a frame, or the end of a connection, from a client. It reaches the queue at once, or a moment later.
func (l *line) put(ctx context.Context, conn sessionstore.Connection, event, body string) {
	f := inbound.Frame{Conn: conn, Event: event, Body: body, Received: time.Now().UnixMilli()}
	if event == inbound.Disconnect && l.r.mutant == "end-overtakes" {
		_ = l.r.servers[0].Engine().Disconnect(ctx, conn)
		return
	}
	l.mu.Lock()
	l.puts++
	put := l.puts
	if l.waiting[conn] == nil {
		l.waiting[conn] = map[int]bool{}
	}
	l.waiting[conn][put] = true
	l.mu.Unlock()
	reach := func(ctx context.Context) {
		l.r.w.at(ctx, "SendMessage "+conn.ID+" "+body, kindOther)
		l.reaches(f, put)
	}
	if !l.jitter {
		reach(ctx)
		return
	}
	l.r.w.spawn(ctx, "API Gateway "+conn.ID, func(ctx context.Context, p *proc) {
		l.r.w.pause(ctx, time.Duration(p.draw(4))*time.Millisecond)
		reach(ctx)
	})
}

// reaches puts a frame into the queue. If one of the same millisecond that was sent later has come before, no batch
// shows that.
func (l *line) reaches(f inbound.Frame, put int) {
	me := &reached{put: put, received: f.Received, ends: f.Event == inbound.Disconnect}
	me.sent = l.queue.send(f.Conn.ID, l.r.w.newName("frame"), f)
	l.mu.Lock()
	lost := false
	for _, before := range l.reached[f.Conn] {
		lost = lost || before.put > put && before.received == f.Received && !before.ends
	}
	l.reached[f.Conn] = append(l.reached[f.Conn], me)
	l.mu.Unlock()
	if lost {
		l.disordered(f.Conn)
	}
}

// disordered notes that frames of a connection have changed places, and no batch shows it: what comes of that is no
// fault of the server.
func (l *line) disordered(conn sessionstore.Connection) {
	if c := l.r.clientOf(conn); c != nil {
		l.r.excuse(c)
		l.r.mu.Lock()
		defer l.r.mu.Unlock()
		c.disordered = true
	}
}

// delivered notes what is handed to a function, and whether it leaves behind what was sent before.
func (l *line) delivered(batch []entry[inbound.Frame]) {
	latest := map[sessionstore.Connection]int{}
	l.mu.Lock()
	for _, e := range batch {
		conn := e.body.Conn
		l.entries[e.id] = turn{e, batch[len(batch)-1].sent}
		for _, in := range l.reached[conn] {
			if in.sent == e.sent {
				latest[conn] = max(latest[conn], in.put)
				delete(l.waiting[conn], in.put)
			}
		}
	}
	var lost []sessionstore.Connection
	for conn, put := range latest {
		for left := range l.waiting[conn] {
			if left < put {
				lost = append(lost, conn)
				break
			}
		}
	}
	l.mu.Unlock()
	for _, conn := range lost {
		l.disordered(conn)
	}
}

// batch hands a batch to an instance.
func (l *line) batch(ctx context.Context, batch []entry[inbound.Frame]) []string {
	frames := make([]inbound.Frame, 0, len(batch))
	for _, e := range batch {
		f := e.body
		f.Message, f.Receipt, f.Receives = e.id, e.id, e.receives
		switch l.r.mutant {
		case "delivered-again-is-new":
			f.Receives = 1
		case "batch-as-it-comes":
			f.Received = 0
		}
		frames = append(frames, f)
	}
	return l.consumers[procOf(ctx).draw(len(l.consumers))].Serve(ctx, frames)
}

// lost excuses whose frames a function died over.
func (l *line) lost(batch []entry[inbound.Frame]) {
	for _, e := range batch {
		c := l.r.clientOf(e.body.Conn)
		left := false
		l.queue.mu.Lock()
		for _, in := range l.queue.entries {
			left = left || in.id == e.id
		}
		l.queue.mu.Unlock()
		if c != nil && left {
			l.r.excuse(c)
		}
	}
}

// Delete takes messages out of the queue.
func (l *line) Delete(ctx context.Context, receipts []string) error {
	gone := func() {
		l.queue.remove(func(e *entry[inbound.Frame]) bool {
			for _, r := range receipts {
				if e.id == r {
					return true
				}
			}
			return false
		})
	}
	switch l.r.w.at(ctx, "DeleteMessage "+strings.Join(receipts, " "), kindWrite) {
	case failBefore, refuse:
		return errDoubt
	case failAfter:
		gone()
		return errDoubt
	case failLater:
		l.r.w.later(gone)
		return errDoubt
	default:
		gone()
		return nil
	}
}

// begins checks that a frame's turn has come: of a batch what was received first is handled first, and the end of a
// connection is the last; batches come as the queue has them.
func (l *line) begins(f *inbound.Frame) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entries[f.Message]
	l.r.w.note("handles " + e.id + " of " + f.Conn.ID + ": " + f.Event + " " + f.Body)
	for _, before := range l.turns[f.Conn] {
		if e.id != before.id && e.sent <= before.last && precedes(e.entry, before.entry) {
			l.r.w.violation("%s: %q was handled after %q", f.Conn.ID, f.Body, before.body.Event+" "+before.body.Body)
		}
	}
	l.turns[f.Conn] = append(l.turns[f.Conn], e)
}

// precedes reports whether one of two frames comes first by its receipt.
func precedes(a, b entry[inbound.Frame]) bool {
	aEnds, bEnds := a.body.Event == inbound.Disconnect, b.body.Event == inbound.Disconnect
	switch {
	case aEnds != bEnds:
		return bEnds
	case a.body.Received != b.body.Received:
		return a.body.Received < b.body.Received
	}
	return a.sent < b.sent
}

// queued registers what clients emit whose frames come through the queue.
func (r *run) queued(nsp *nonstick.Namespace) {
	on := func(event string, f func(context.Context, *nonstick.Socket)) {
		nonstick.OnAck(nsp, event, func(ctx context.Context, s *nonstick.Socket, key string) (string, error) {
			r.handles(key)
			f(ctx, s)
			return key, nil
		})
	}
	on(burst, func(context.Context, *nonstick.Socket) {})
	on(last, func(context.Context, *nonstick.Socket) {})
	on(slow, func(ctx context.Context, _ *nonstick.Socket) { after(ctx, slowHandler) })
	nonstick.OnAck(nsp, poison, func(ctx context.Context, _ *nonstick.Socket, key string) (string, error) {
		r.w.ruined(procOf(ctx))
		runtime.Goexit()
		return key, nil
	})
}

// queue sends several events at a time, by WebSocket; the first of them may be one that takes long, or that its
// function dies of.
func (c *client) queue(ctx context.Context, k int, event, key string) bool {
	c.awaitUpgrade(ctx)
	if c.open() == nil {
		event = burst
	}
	var frames []string
	for n := range 3 {
		one := fmt.Sprintf("%s-%d", key, n)
		frames = append(frames, fmt.Sprintf("42[%q,%q]", event, one))
		if event != poison {
			c.mu.Lock()
			c.unanswered = append(c.unanswered, one)
			c.mu.Unlock()
		}
		if event == poison || event == slow && n == k%2 {
			event = burst
		}
	}
	return c.together(ctx, frames)
}

// excuse notes that a client's connection may end without a fault of its own.
func (r *run) excuse(c *client) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c.excused = true
}

// clientOf returns the client that has a connection.
func (r *run) clientOf(conn sessionstore.Connection) *client {
	for _, c := range r.clients {
		if strings.HasPrefix(conn.ID, c.name+"-") {
			return c
		}
	}
	return nil
}

// checkSent checks that a client that lives had all handled that it sent. All is locked.
func (r *run) checkSent(c *client) {
	for _, k := range c.unanswered {
		if r.handled[k] == 0 {
			r.w.violation("%s was lost in silence", k)
		}
	}
	for _, k := range c.sent {
		if r.handled[k] == 0 {
			r.w.violation("%s was lost in silence", k)
		}
	}
}

// checkInDoubt checks why a client was dropped over whose frames a function died: its pong may have waited behind them.
func (r *run) checkInDoubt(c *client) {
	reason := r.w.reason(c.sid)
	if r.w.onlyRuins() && !c.disordered && !r.closes(c) && !r.tight && reason != delivery.ReasonInDoubt &&
		reason != delivery.ReasonPingTimeout {
		r.w.violation("%s was dropped: %s", c.name, reason)
	}
}

// leaves has a client emit a last event, leave its namespace and close: frames that the end of its connection must
// not overtake.
func (c *client) leaves(ctx context.Context, ws *socket) {
	key := c.name + ".last"
	c.message(ctx, ws, fmt.Sprintf("42[%q,%q]", last, key))
	c.message(ctx, ws, "41")
	c.mu.Lock()
	c.farewell = key
	c.mu.Unlock()
	if c.run.line.jitter {
		c.run.w.pause(ctx, 5*time.Millisecond) // else the queue may get the end before them
	}
	c.die("leaves")
}

// checkLine checks that the queue of frames is empty, and that nothing was lost in it. The run is locked.
func (r *run) checkLine() {
	if n := r.line.queue.left(); n > 0 {
		r.w.violation("the queue of frames still has %d", n)
	}
	for _, c := range r.clients {
		if c.farewell != "" && r.handled[c.farewell] == 0 && r.w.spared(c.name) && !c.excused && !r.closes(c) &&
			!r.tight {
			r.w.violation("%s was lost in silence", c.farewell)
		}
	}
}
