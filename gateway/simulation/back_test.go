package simulation

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nonstick-io/nonstick/gateway/engine"
	"github.com/nonstick-io/nonstick/internal/engineio"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// chain is what a client has got since it was last told that it is new: of one socket, over all of its connections.
type chain struct {
	id   string // of the socket
	got  map[string]bool
	log  []string // the same, in order
	half string   // of two packets of one entry the second, if the first has come
	kept []string // events of the room that has a history, in order
	past []past   // by which another may be made that has stopped there
}

// past is what a client knew at some time.
type past struct {
	offset string
	got    int // events of the log
	kept   int // and of the room that has a history
}

func newChain(id string) *chain { return &chain{id: id, got: map[string]bool{}} }

// until is a copy of a chain as it was.
func (c *chain) until(p past) *chain {
	one := newChain(c.id)
	for _, id := range c.log[:p.got] {
		one.got[id] = true
	}
	one.log = slices.Clone(c.log[:p.got])
	one.kept = slices.Clone(c.kept[:p.kept])
	return one
}

// back is a client whose socket is recoverable. It keeps what the official client keeps, over all of its connections:
// the private id, the offset of the last event, and events that came before the answer to CONNECT.
type back struct {
	r     *run
	name  string
	plan  []visit
	twins []time.Duration // when another client comes with its private id, and what it had at some time
	again visit           // what connections beyond the plan are like
	twin  bool

	mu      sync.Mutex
	pid     string
	offset  string
	chain   *chain // nil before the first answer to CONNECT
	early   []early
	now     *stay     // the last of its connections
	lostAt  time.Time // the last connection over which CONNECT was answered
	final   bool      // it has left its socket
	leaving bool      // the same, or it was told that it was over; the server may not know
	said    int       // events that it has sent
	unsaid  map[int]string
	visits  int
	settled bool // it comes back no more
}

// early is an event that came before the answer to CONNECT.
type early struct {
	of   *stay
	text string
}

func newBack(r *run, rng *rand.Rand, name string) *back {
	b := &back{r: r, name: name, again: newVisit(rng), unsaid: map[int]string{}}
	for range 1 + rng.IntN(4) {
		b.plan = append(b.plan, newVisit(rng))
	}
	if rng.IntN(3) == 0 {
		b.twins = append(b.twins, time.Duration(rng.IntN(6000))*time.Millisecond)
	}
	b.again.life, b.again.haste, b.again.away = 0, 0, time.Duration(rng.IntN(1500))*time.Millisecond
	return b
}

// twinSaid is where a twin begins to count its events, so that it does not know the answers to those of others.
const twinSaid = 1000

// twinOf is a second client with the private id of one, and what that had at some time.
func twinOf(ctx context.Context, b *back, n int) *back {
	p := procOf(ctx)
	rng := rand.New(rand.NewPCG(uint64(p.draw(1<<30)), uint64(n)))
	one := newBack(b.r, rng, fmt.Sprintf("%sx%d", b.name, n))
	one.plan = one.plan[:min(len(one.plan), 2)]
	one.said = twinSaid * (n + 1)
	one.twin, one.twins, one.pid, one.lostAt = true, nil, b.pid, time.Now()
	at := past{b.offset, len(b.chain.log), len(b.chain.kept)}
	if len(b.chain.past) > 0 && rng.IntN(3) > 0 {
		at = b.chain.past[rng.IntN(len(b.chain.past))]
	}
	one.offset, one.chain = at.offset, b.chain.until(at)
	return one
}

// live has the client connect, again and again, until it stays.
func (b *back) live(ctx context.Context) {
	for n, after := range b.twins {
		b.r.w.spawn(ctx, fmt.Sprintf("%s/twin%d", b.name, n), func(ctx context.Context, _ *proc) {
			b.r.w.pause(ctx, after)
			b.mu.Lock()
			if b.pid == "" || b.chain == nil || b.r.stopping() {
				b.mu.Unlock()
				return
			}
			twin := twinOf(ctx, b, n)
			b.mu.Unlock()
			b.r.mu.Lock()
			b.r.backs = append(b.r.backs, twin)
			b.r.mu.Unlock()
			b.r.w.note(fmt.Sprintf("%s comes with the private id of %s, offset %q", twin.name, b.name, twin.offset))
			twin.live(ctx)
		})
	}
	for n := 0; n < mostVisits && ctx.Err() == nil && !b.r.stopping(); n++ {
		plan := b.again
		if n < len(b.plan) {
			plan = b.plan[n]
		} else if b.twin {
			break
		}
		s := b.open(ctx, n, plan)
		<-s.ended
		if plan.punctual {
			b.awaitEnd(ctx)
		} else {
			b.r.w.pause(ctx, plan.away)
		}
	}
	b.mu.Lock()
	b.settled = true
	b.mu.Unlock()
}

// awaitEnd waits until the socket, which is away, is over at any moment; for as long as it may be away at most.
func (b *back) awaitEnd(ctx context.Context) {
	b.mu.Lock()
	id := sessionstore.OutboxID(b.pid)
	b.mu.Unlock()
	for end := time.Now().Add(longestAway); time.Now().Before(end) && ctx.Err() == nil; {
		box, err := b.r.real.Get(ctx, id, time.Now())
		if err != nil || box.State != sessionstore.Open {
			return
		}
		if !box.PingAt.IsZero() {
			early := time.Duration(procOf(ctx).draw(150)) * time.Millisecond
			b.r.w.pause(ctx, max(time.Until(box.PingAt)-early, 0))
			return
		}
		b.r.w.pause(ctx, 50*time.Millisecond)
	}
}

// stay is one connection of such a client.
type stay struct {
	b    *back
	n    int
	name string
	visit

	// All is under the lock of its client.
	sid      sessionstore.SessionID
	ws       *socket
	alive    bool
	joined   bool      // CONNECT has been answered
	since    time.Time // from then on, or since it got something, see [back.got]
	began    time.Time
	losing   bool // as it was planned
	told     bool // to leave
	opened   bool
	paused   bool // has had 3probe
	upgraded bool
	quitting string // what comes before it is told to leave
	header   string // of the packet whose attachment has to come next
	lastPing time.Time
	gets     int
	ended    chan struct{}
	over     sync.Once
	polling  sync.WaitGroup
}

// open makes a connection.
func (b *back) open(ctx context.Context, n int, plan visit) *stay {
	s := &stay{
		b: b, n: n, name: fmt.Sprintf("%s/v%d", b.name, n), visit: plan, ended: make(chan struct{}),
		lastPing: time.Now(), alive: true,
	}
	b.mu.Lock()
	b.now, s.began = s, time.Now()
	b.visits++
	b.mu.Unlock()
	if plan.direct {
		s.begin(ctx)
	} else {
		s.handshake(ctx)
	}
	if plan.life > 0 {
		s.spawn(ctx, "loss", func(ctx context.Context) {
			b.r.w.pause(ctx, plan.life)
			s.lose(ctx)
		})
	}
	return s
}

func (s *stay) spawn(ctx context.Context, what string, f func(context.Context)) {
	s.b.r.w.spawn(ctx, s.name+" "+what, func(ctx context.Context, _ *proc) { f(ctx) })
}

// request runs one request at some instance, as a process of its own; a crash shows as an error.
func (s *stay) request(
	ctx context.Context, what string, f func(context.Context, *engine.Engine) (string, error),
) (string, error) {
	type result struct {
		payload string
		err     error
	}
	r := result{err: errDoubt}
	<-s.b.r.w.spawn(ctx, s.name+" "+what, func(ctx context.Context, p *proc) {
		payload, err := f(ctx, s.b.r.instance(ctx))
		if !p.crashed.Load() {
			r = result{payload, err}
		}
	})
	s.b.r.w.at(ctx, "goes on after "+what, kindOther)
	return r.payload, r.err
}

// stop ends the connection for the client: it sends nothing more over it, and hears nothing more.
func (s *stay) stop(why string) {
	s.over.Do(func() {
		s.b.checkLoss(s, why)
		s.b.mu.Lock()
		s.alive = false
		if s.joined { // else it is away for as long as before
			s.b.lostAt = time.Now()
		}
		s.b.mu.Unlock()
		s.b.r.w.note(s.name + " is lost: " + why)
		close(s.ended)
	})
}

// fails ends the connection after an error of it.
func (s *stay) fails(why string) {
	s.stop(why)
	if ws := s.socket(); ws != nil {
		s.b.r.net.cut(ws.conn)
	}
}

func (s *stay) socket() *socket {
	s.b.mu.Lock()
	defer s.b.mu.Unlock()
	return s.ws
}

func (s *stay) isAlive() bool {
	s.b.mu.Lock()
	defer s.b.mu.Unlock()
	return s.alive
}

// lose has the client lose the connection as it was planned.
func (s *stay) lose(ctx context.Context) {
	if !s.isAlive() {
		return
	}
	ws := s.socket()
	s.b.mu.Lock()
	s.losing = true
	s.b.mu.Unlock()
	switch s.loss {
	case vanishes:
		s.stop("vanishes")
		if ws != nil && s.noticed > 0 {
			s.b.r.w.pause(ctx, s.noticed)
			s.b.r.net.cut(ws.conn)
		}
	case leaves:
		s.b.mu.Lock()
		joined := s.joined
		s.b.mu.Unlock()
		if joined {
			s.b.leave(false)
			// Through a queue it is not known whether it has come, and a twin may have the socket.
			if s.send(ctx, "41"+recoverable+",") && s.b.r.line == nil && s.b.r.w.faultless() &&
				!s.b.twin && len(s.b.twins) == 0 {
				s.b.leave(true)
			}
		}
		s.fails("leaves")
	case quits:
		s.quit(ctx)
	case closes:
		s.b.mu.Lock()
		polls := !s.paused && s.sid != ""
		s.b.mu.Unlock()
		s.stop("closes")
		if polls {
			_, _ = s.request(ctx, "POST 1", func(ctx context.Context, e *engine.Engine) (string, error) {
				return "", e.Post(ctx, s.sid, engineio.CloseFrame)
			})
		}
		if ws != nil {
			s.b.r.net.cut(ws.conn)
		}
	default:
		s.fails("is cut")
	}
}

// quitPatience is how long a client waits to be told to leave.
const quitPatience = 3 * time.Second

// quit has the server end the socket, whose handler emits one thing more.
func (s *stay) quit(ctx context.Context) {
	key := s.name + " quits"
	s.b.mu.Lock()
	joined := s.joined
	if joined {
		s.quitting = key
	}
	s.b.mu.Unlock()
	if joined {
		s.b.leave(false)
		s.b.r.meet()
		s.send(ctx, fmt.Sprintf("42%s,[%q,%q]", recoverable, "quit", key))
		s.b.r.w.pause(ctx, quitPatience)
	}
	s.b.mu.Lock()
	told := s.told
	s.b.mu.Unlock()
	if s.isAlive() && joined && !told && s.b.r.w.faultless() && s.b.r.calmFor(s.b) && s.b.r.line == nil {
		s.b.r.w.violation("%s was not told to leave", s.name)
	}
	s.fails("quits")
}

// leave notes that the client leaves its socket for good; for sure, if the server knows.
func (b *back) leave(sure bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.final, b.leaving = b.final || sure, true
}

// connect is CONNECT, as the official client sends it.
func (b *back) connect() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	auth := map[string]string{"name": b.name}
	if b.pid != "" {
		b.r.meet()
		auth["pid"] = b.pid
		if b.offset != "" {
			auth["offset"] = b.offset
		}
	}
	text, err := json.Marshal(auth)
	if err != nil {
		panic(err)
	}
	return "40" + recoverable + "," + string(text)
}

// sendConnect sends CONNECT, and gives the connection up if no answer comes.
func (s *stay) sendConnect(ctx context.Context) {
	s.spawn(ctx, "patience", func(ctx context.Context) {
		s.b.r.w.pause(ctx, patience)
		s.b.mu.Lock()
		tired := s.alive && !s.joined
		s.b.mu.Unlock()
		if !tired {
			return
		}
		if s.b.r.w.spared(s.b.name) && s.b.r.line == nil {
			s.b.r.w.violation("%s: CONNECT was not answered", s.name)
		}
		s.fails("CONNECT is not answered")
	})
	s.b.mu.Lock()
	again := s.told // then the CONNECT that has taken its socket may not have returned
	hasty := s.haste > 0 && !again
	s.b.mu.Unlock()
	if hasty {
		s.spawn(ctx, "haste", func(ctx context.Context) {
			s.b.r.w.pause(ctx, s.haste)
			s.lose(ctx)
		})
	}
	if s.send(ctx, s.b.connect()) && !again {
		s.b.r.checkUsurped(ctx, s)
	}
}

// handshake opens a session on polling.
func (s *stay) handshake(ctx context.Context) {
	hs := sessionstore.Handshake{Query: map[string]string{"t": "PggDzUx"}}
	payload, err := s.request(ctx, "handshake", func(ctx context.Context, e *engine.Engine) (string, error) {
		return e.Handshake(ctx, hs)
	})
	if err != nil {
		s.stop("handshake: " + err.Error())
		return
	}
	sid, _, _ := strings.Cut(strings.TrimPrefix(payload, `0{"sid":"`), `"`)
	s.b.mu.Lock()
	s.sid, s.lastPing = sessionstore.SessionID(sid), time.Now()
	s.b.mu.Unlock()
	s.polling.Add(1)
	s.spawn(ctx, "poll", s.poll)
	s.spawn(ctx, "watch", s.watch)
	s.spawn(ctx, "hello", s.sendConnect)
	if s.upgrade > 0 {
		s.spawn(ctx, "upgrade", s.change)
	}
}

// begin opens a session on WebSocket; its open step comes out of a queue.
func (s *stay) begin(ctx context.Context) {
	ws := s.b.r.net.open(s.conn(), time.Now())
	var step engine.Step
	_, err := s.request(ctx, "connect", func(ctx context.Context, e *engine.Engine) (_ string, err error) {
		step, err = e.Connect(ctx, ws.conn, sessionstore.Handshake{})
		return "", err
	})
	if err != nil {
		s.b.r.net.cut(ws.conn)
		s.stop("connect: " + err.Error())
		return
	}
	s.b.mu.Lock()
	s.sid, s.ws, s.lastPing, s.paused, s.upgraded = step.Session, ws, time.Now(), true, true
	s.b.mu.Unlock()
	s.spawn(ctx, "ws", func(ctx context.Context) { s.receive(ctx, ws) })
	s.spawn(ctx, "watch", s.watch)
	for n := range s.steps {
		s.spawn(ctx, fmt.Sprintf("step%d", n), func(ctx context.Context) {
			for try := range 3 {
				s.b.r.w.pause(ctx, s.delay*time.Duration(n+try+1))
				_, err := s.request(
					ctx, fmt.Sprintf("open%d.%d", n, try),
					func(ctx context.Context, e *engine.Engine) (string, error) { return "", e.Run(ctx, step) },
				)
				if err == nil {
					return
				}
			}
		})
	}
}

func (s *stay) conn() sessionstore.Connection {
	return sessionstore.Connection{ID: fmt.Sprintf("%s-v%d", s.b.name, s.n), Endpoint: "sim"}
}

// watch is the client's own timer: no ping in time ends the connection.
func (s *stay) watch(ctx context.Context) {
	late := func() bool {
		s.b.mu.Lock()
		defer s.b.mu.Unlock()
		return time.Since(s.lastPing) > pingInterval+pingTimeout
	}
	for s.isAlive() && ctx.Err() == nil {
		after(ctx, 100*time.Millisecond)
		if !late() {
			continue
		}
		if s.b.r.w.at(ctx, "gives up", kindOther); late() {
			s.fails("ping timeout")
		}
	}
}

// change is the upgrade: bind, probe, pause, "5".
func (s *stay) change(ctx context.Context) {
	s.b.r.w.pause(ctx, s.upgrade)
	if !s.isAlive() {
		return
	}
	ws := s.b.r.net.open(s.conn(), time.Now())
	_, err := s.request(ctx, "bind", func(ctx context.Context, e *engine.Engine) (string, error) {
		step, err := e.Bind(ctx, ws.conn, s.sid)
		if err == nil && step.Kind != engine.StepNone {
			err = e.Run(ctx, step)
		}
		return "", err
	})
	if err != nil || !s.isAlive() {
		s.b.r.net.cut(ws.conn)
		return
	}
	s.b.mu.Lock()
	s.ws = ws
	s.b.mu.Unlock()
	s.spawn(ctx, "ws", func(ctx context.Context) { s.receive(ctx, ws) })
	s.message(ctx, ws, "2probe")
}

// receive hears a WebSocket. One that ends before the probe's answer does no harm.
func (s *stay) receive(ctx context.Context, ws *socket) {
	ws.receive(func(frame string) {
		s.b.r.w.at(ctx, "hears", kindOther)
		if frame == "3probe" && s.isAlive() {
			s.b.mu.Lock()
			s.paused = true
			s.b.mu.Unlock()
			s.spawn(ctx, "five", func(ctx context.Context) {
				s.polling.Wait()
				s.b.r.w.at(ctx, "has no GET", kindOther)
				if !s.isAlive() {
					return
				}
				if s.b.r.line != nil { // nothing that the client sends comes to the queue before it
					s.message(ctx, ws, engineio.UpgradeFrame)
				}
				s.b.mu.Lock()
				s.upgraded = true
				s.b.mu.Unlock()
				if s.b.r.line == nil {
					s.message(ctx, ws, engineio.UpgradeFrame)
				}
			})
			return
		}
		s.take(ctx, frame)
	})
	s.b.r.w.at(ctx, "hears no more", kindOther)
	s.b.mu.Lock()
	deaf := s.paused
	s.b.mu.Unlock()
	if deaf {
		s.stop("its WebSocket ended")
	}
}

// poll sends one GET after the other.
func (s *stay) poll(ctx context.Context) {
	defer s.polling.Done()
	for ctx.Err() == nil {
		s.b.mu.Lock()
		stop := !s.alive || s.paused
		s.gets++
		n := s.gets
		s.b.mu.Unlock()
		if stop {
			return
		}
		if n > mostGETs {
			s.b.r.w.violation("%s: one GET after the other is answered at once", s.name)
			s.fails("spins")
			return
		}
		payload, err := s.request(
			ctx, fmt.Sprintf("GET%d", n), func(ctx context.Context, e *engine.Engine) (string, error) {
				return e.Poll(ctx, s.sid, fmt.Sprintf("PggDzUx.%d", n))
			},
		)
		if err != nil {
			s.fails(fmt.Sprintf("GET %d: %v", n, err))
			return
		}
		for frame := range strings.SplitSeq(payload, "\x1e") {
			s.take(ctx, frame)
		}
		if s.b.r.tight {
			s.b.r.w.pause(ctx, 300*time.Millisecond)
		}
	}
}

// send sends a frame by what the client has; while it changes from polling to WebSocket it waits. It reports whether
// the server has handled it, if frames do not go through a queue.
func (s *stay) send(ctx context.Context, frame string) bool {
	for ctx.Err() == nil {
		s.b.mu.Lock()
		alive, ws, paused, upgraded := s.alive, s.ws, s.paused, s.upgraded
		if alive && !paused {
			s.polling.Add(1) // the upgrade waits for it
		}
		s.b.mu.Unlock()
		switch {
		case !alive:
			return false
		case upgraded:
			return s.message(ctx, ws, frame)
		case !paused:
			_, err := s.request(ctx, "POST "+frame, func(ctx context.Context, e *engine.Engine) (string, error) {
				return "", e.Post(ctx, s.sid, frame)
			})
			s.polling.Done()
			if err != nil {
				s.fails("POST: " + err.Error())
			}
			return err == nil
		}
		s.b.r.w.pause(ctx, 20*time.Millisecond)
	}
	return false
}

// message sends one frame over a WebSocket; the answer comes over it too, if it is still open.
func (s *stay) message(ctx context.Context, ws *socket, frame string) bool {
	if l := s.b.r.line; l != nil {
		if s.b.r.net.find(ws.conn) != nil {
			l.put(ctx, ws.conn, "MESSAGE", frame)
		}
		return false
	}
	reply, err := s.request(ctx, "frame "+frame, func(ctx context.Context, e *engine.Engine) (string, error) {
		return e.Message(ctx, ws.conn, frame)
	})
	if err != nil {
		s.b.r.w.note(s.name + ": frame " + frame + ": " + err.Error())
	}
	if reply != "" && s.b.r.net.find(ws.conn) != nil {
		ws.frames <- reply
	}
	return err == nil
}

// take handles one frame from the server.
func (s *stay) take(ctx context.Context, frame string) {
	if !s.isAlive() {
		return
	}
	s.b.mu.Lock()
	header := s.header
	s.b.mu.Unlock()
	if header != "" && frame[0] == '4' {
		s.b.r.w.violation("%s: %s came between %s and its attachment", s.name, frame, header)
	}
	of := recoverable + ","
	switch {
	case frame[0] == '0':
		s.hello(ctx)
	case frame == engineio.PingFrame:
		s.b.mu.Lock()
		s.lastPing = time.Now()
		s.b.mu.Unlock()
		s.spawn(ctx, "pong", func(ctx context.Context) { s.send(ctx, engineio.PongFrame) })
	case frame == engineio.CloseFrame:
		s.fails("told to close")
	case strings.HasPrefix(frame, "40"+of):
		s.connected(ctx, strings.TrimPrefix(frame, "40"+of))
	case strings.HasPrefix(frame, "44"+of):
		slow := s.b.r.slowCloses && strings.Contains(frame, "still being left") // for longer than it may wait
		if s.b.r.w.spared(s.b.name) && !slow {
			s.b.r.w.violation("%s was refused: %s", s.name, frame)
		}
		s.fails("refused: " + frame)
	case strings.HasPrefix(frame, "41"+of):
		s.b.mu.Lock()
		lacks := s.quitting != "" && !s.b.chain.got[s.quitting] && s.b.r.calmFor(s.b)
		lacks = lacks && s.b.r.w.late() == 0 // who died in a close leaves to its instance that the outbox is ending
		again := s.again && s.joined && !s.told
		s.told, s.quitting = true, ""
		s.b.mu.Unlock()
		if lacks {
			s.b.r.w.violation("%s was told to leave, and not what was emitted before", s.name)
		}
		s.b.leave(false)
		if !again {
			s.fails("told to leave")
			return
		}
		s.b.r.w.note(s.name + " is told to leave, and connects again")
		s.b.mu.Lock()
		s.joined = false
		clear(s.b.unsaid) // as the official client does
		s.b.mu.Unlock()
		s.spawn(ctx, "hello again", s.sendConnect)
	case strings.HasPrefix(frame, "451-"+of):
		s.b.mu.Lock()
		s.header = strings.TrimPrefix(frame, "451-"+of)
		s.b.mu.Unlock()
	case frame[0] == 'b':
		s.b.mu.Lock()
		s.header = ""
		s.b.mu.Unlock()
		attachment, err := engineio.Decode(frame)
		if err != nil || !strings.Contains(header, fmt.Sprintf("%q", attachment.Data)) {
			s.b.r.w.violation("%s: the attachment %q came after the header of %q", s.name, frame, header)
		}
		s.event(ctx, header)
	case strings.HasPrefix(frame, "42"+of):
		s.event(ctx, strings.TrimPrefix(frame, "42"+of))
	case strings.HasPrefix(frame, "43"+of):
		s.b.acknowledged(s, strings.TrimPrefix(frame, "43"+of))
	}
}

// hello takes the open packet of a WebSocket.
func (s *stay) hello(ctx context.Context) {
	s.b.mu.Lock()
	twice := s.opened
	s.opened, s.lastPing = true, time.Now()
	s.b.mu.Unlock()
	if twice {
		s.b.r.w.violation("%s was opened twice", s.name)
		return
	}
	s.spawn(ctx, "hello", s.sendConnect)
}

// connected takes the answer to CONNECT.
func (s *stay) connected(ctx context.Context, text string) {
	var told struct{ Sid, Pid string }
	if err := json.Unmarshal([]byte(text), &told); err != nil || told.Sid == "" || told.Pid == "" {
		s.b.r.w.violation("%s: an answer to CONNECT that no client takes: %s", s.name, text)
		return
	}
	s.b.mu.Lock()
	if s.joined {
		s.b.r.w.violation("%s: connected twice", s.name)
		s.b.mu.Unlock()
		return
	}
	s.joined, s.since = true, time.Now()
	recovered := s.b.pid == told.Pid
	if recovered && s.b.chain.id != told.Sid {
		s.b.r.w.violation("%s: recovered, as another socket", s.name)
	}
	s.b.checkRecovered(recovered)
	s.b.pid = told.Pid
	if !recovered || s.b.chain == nil {
		s.b.chain = newChain(told.Sid)
		s.asksForHistory(ctx)
	}
	s.b.final, s.b.leaving = false, false
	s.b.r.w.note(fmt.Sprintf("%s is %s, recovered: %v", s.name, told.Sid, recovered))
	s.b.r.mu.Lock()
	s.b.r.outlook(told.Sid).told = true
	ended := s.b.r.outlook(told.Sid).ends > 0
	s.b.r.mu.Unlock()
	if ended {
		s.b.r.hears(ctx, told.Sid)
	}
	early := s.b.early
	s.b.early = nil
	for _, e := range early {
		if e.of == s || recovered {
			s.b.gets(ctx, e.text)
		}
	}
	if s.n%2 == 0 { // else what it says brings along what another caller has left
		s.b.mu.Unlock()
		return
	}
	s.b.said++
	n := s.b.said
	key := fmt.Sprintf("%s.say%d", s.b.name, n)
	s.b.unsaid[n] = key
	s.b.r.says(key, told.Sid)
	s.b.mu.Unlock()
	s.spawn(ctx, "say", func(ctx context.Context) {
		s.send(ctx, fmt.Sprintf(`42%s,%d["say",%q]`, recoverable, n, key))
	})
}

// event takes an event: its name, what it is called here, and its offset, unless it asks for an acknowledgement.
func (s *stay) event(ctx context.Context, text string) {
	s.b.mu.Lock()
	defer s.b.mu.Unlock()
	if !s.joined {
		s.b.early = append(s.b.early, early{s, text})
		return
	}
	s.b.gets(ctx, text)
}

// gets has the application get an event. The client is locked.
func (b *back) gets(ctx context.Context, text string) {
	ack, args, _ := strings.Cut(text, "[")
	var list []any
	if err := json.Unmarshal([]byte("["+args), &list); err != nil || len(list) < 2 {
		b.r.w.violation("%s: an event that no client takes: %s", b.name, text)
		return
	}
	id, _ := list[1].(string)
	if strings.HasPrefix(id, "k") {
		b.keeps(id)
	} else {
		b.happens(id)
	}
	if ack != "" {
		s := b.now
		b.r.w.spawn(ctx, s.name+" answer", func(ctx context.Context, _ *proc) {
			s.send(ctx, fmt.Sprintf(`43%s,%s[%q]`, recoverable, ack, id))
		})
		return
	}
	offset, ok := list[len(list)-1].(string)
	if !ok || len(list) == 2 {
		b.r.w.violation("%s: an event without an offset, for which its last argument is taken: %s", b.name, text)
		return
	}
	b.offset = offset
	b.chain.past = append(b.chain.past, past{offset, len(b.chain.log), len(b.chain.kept)})
}
