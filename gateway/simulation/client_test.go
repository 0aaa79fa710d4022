package simulation

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nonstick-io/nonstick/gateway/engine"
	"github.com/nonstick-io/nonstick/internal/engineio"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// mostGETs is more than a client sends in any schedule.
const mostGETs = 500

// client is a client as the official one behaves: one GET at a time, a probe, a pause of polling, "5"; it gives up at
// the first request that fails, or when no ping came in time.
type client struct {
	run     *run
	name    string
	stamps  stamps
	upgrade time.Duration // when it begins to upgrade; never if 0

	mu                          sync.Mutex
	sid                         sessionstore.SessionID
	alive                       bool
	connected                   chan struct{} // closed with "40{...}"
	joined                      bool
	probed                      chan struct{} // closed with "3probe"
	lastPing                    time.Time
	paused                      bool // has had 3probe: polls no more
	pausedAt                    time.Time
	changed                     time.Duration // how long it then had to wait for its POSTs, and sent nothing
	upgraded                    bool
	polling                     sync.WaitGroup
	posts                       atomic.Int32 // that are under way
	gets                        int
	handlers                    map[int][]*proc // what serves each GET
	lastGot                     int             // the last GET that was answered
	got                         map[string]bool
	header                      string // of the packet whose attachment has to come next
	halved                      bool   // has sent the header of a packet, and not yet its attachment
	ws                          *socket
	direct                      bool // it begins on WebSocket
	opened                      bool // has had its open packet
	steps                       int  // how often its open step is run
	stepDelay                   time.Duration
	ending                      ending
	acts                        []act
	done                        int // how many of the acts
	answers                     int // how often it answers a question
	questions                   []string
	unanswered                  []string // events that it sent and that have no answer
	farewell                    string   // the event that it sent before it left
	excused                     bool     // a function died over its frames, or their order is unknown
	disordered                  bool     // that it is their order
	paired                      bool     // has sent two packets with attachments at once
	inSecond                    bool     // is in the second namespace
	secondAsked, secondAnswered int
	sent                        map[int]string // events that it sent
	acks                        map[int]chan struct{}
	socket                      string // its id in "/"

	member  membership        // under the run's lock, as the next
	strayed int               // how many of the run's questions it has answered that were none for it
	passed  map[string]string // packets that others, queued later, have overtaken
	kept    []string          // keys of its socket's data
	score   points
	foreign map[string]bool // packets of others that are none of its own: it had left the room
	missed  string          // a packet that was to reach it and did not: its session has to end
}

func newClient(r *run, name string) *client {
	rng := r.w.rng
	c := &client{
		run: r, name: name, stamps: min(stamps(rng.IntN(2*int(allStamps))), official), connected: make(chan struct{}),
		probed: make(chan struct{}), got: map[string]bool{}, handlers: map[int][]*proc{},
		acks: map[int]chan struct{}{}, sent: map[int]string{}, foreign: map[string]bool{},
		passed: map[string]string{},
		member: membership{moving: 1}, // it enters at some moment of its connect
	}
	c.answers = 1 + rng.IntN(2)
	if rng.IntN(4) != 0 {
		c.upgrade = time.Duration(1+rng.IntN(60)) * 10 * time.Millisecond
	}
	if rng.IntN(4) == 0 {
		c.direct, c.upgrade = true, 0
		c.steps, c.stepDelay = 1+rng.IntN(2), time.Duration(rng.IntN(800))*time.Millisecond
	}
	if rng.IntN(3) == 0 {
		c.ending = ending(rng.IntN(int(allEndings)))
	}
	if c.ending == neverEnding && r.handover == byCloser {
		c.ending = lateEnding // that it holds up what it may is no news
	}
	if rng.IntN(2) == 0 { // half of the clients only listen
		for range rng.IntN(7) {
			events := []string{
				"leave", "join", data, data, binary, hop, hop, hop, pair, pair, pair, excess, ask, relay, relay,
				relay, relay, stray, stray,
			}
			if r.line != nil {
				events = []string{
					"leave", "join", data, binary, hop, pair, pair, ask, relay, stray, burst, burst, burst, slow,
					slow, poison,
				}
			}
			event := events[rng.IntN(len(events))]
			if event == poison && r.w.victim != "" {
				event = burst // it may end others too
			}
			if event == relay && r.w.victim == name {
				event = ask // what goes wrong in it is another's trouble
			}
			c.acts = append(c.acts, act{event, time.Duration(rng.IntN(200)) * time.Millisecond})
		}
	}
	return c
}

// live opens the session and lives on until the client gives up or ctx ends.
func (c *client) live(ctx context.Context) {
	if c.direct {
		c.begin(ctx)
		return
	}
	handshake := sessionstore.Handshake{Query: map[string]string{"t": c.stamp(0)}}
	payload, err := c.request(ctx, "handshake", func(ctx context.Context, e *engine.Engine) (string, error) {
		return e.Handshake(ctx, handshake)
	})
	if err != nil {
		return
	}
	sid, _, _ := strings.Cut(strings.TrimPrefix(payload, `0{"sid":"`), `"`)
	c.mu.Lock()
	c.sid, c.alive, c.lastPing = sessionstore.SessionID(sid), true, time.Now()
	c.mu.Unlock()
	c.polling.Add(1)
	c.spawn(ctx, "poll", c.poll)
	c.spawn(ctx, "watch", c.watch)
	c.post(ctx, fmt.Sprintf(`40{"name":%q}`, c.name))
	if c.upgrade > 0 {
		c.spawn(ctx, "upgrade", c.change)
	}
}

func (c *client) spawn(ctx context.Context, what string, f func(context.Context)) {
	c.run.w.spawn(ctx, c.name+"/"+what, func(ctx context.Context, _ *proc) { f(ctx) })
}

// request runs one request at some instance, as a process of its own; a crash shows as an error.
func (c *client) request(
	ctx context.Context, what string, f func(context.Context, *engine.Engine) (string, error),
) (string, error) {
	type result struct {
		payload string
		err     error
	}
	r := result{err: errDoubt}
	<-c.run.w.spawn(ctx, c.name+"/"+what, func(ctx context.Context, p *proc) {
		payload, err := f(ctx, c.run.instance(ctx))
		if !p.crashed.Load() {
			r = result{payload, err}
		}
	})
	c.run.w.at(ctx, "goes on after "+what, kindOther)
	return r.payload, r.err
}

// die ends the client: it sends nothing more and hears nothing more.
func (c *client) die(why string) {
	c.mu.Lock()
	was, ws := c.alive, c.ws
	c.alive = false
	c.mu.Unlock()
	if !was {
		return
	}
	c.run.w.note(c.name + " gives up: " + why)
	if ws != nil {
		c.run.net.cut(ws.conn)
	}
}

func (c *client) isAlive() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.alive
}

// open returns the client's WebSocket if it has upgraded to one and lives.
func (c *client) open() *socket {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.alive || !c.upgraded {
		return nil
	}
	return c.ws
}

// watch is the client's own timer: no ping in time ends it.
func (c *client) watch(ctx context.Context) {
	late := func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return time.Since(c.lastPing) > pingInterval+pingTimeout
	}
	for c.isAlive() && ctx.Err() == nil {
		after(ctx, 100*time.Millisecond)
		if !late() {
			continue
		}
		if c.run.w.at(ctx, "gives up", kindOther); late() {
			c.die("ping timeout")
		}
	}
}

// change is the upgrade: bind, probe, pause, "5".
func (c *client) change(ctx context.Context) {
	c.run.w.pause(ctx, c.upgrade)
	if !c.isAlive() {
		return
	}
	ws := c.run.net.open(sessionstore.Connection{ID: c.name + "-ws", Endpoint: "sim"}, time.Now())
	_, err := c.request(ctx, "bind", func(ctx context.Context, e *engine.Engine) (string, error) {
		step, err := e.Bind(ctx, ws.conn, c.sid)
		if err == nil && step.Kind != engine.StepNone {
			err = e.Run(ctx, step)
		}
		return "", err
	})
	if err != nil {
		c.run.net.cut(ws.conn)
		return
	}
	c.mu.Lock()
	c.ws = ws
	c.mu.Unlock()
	c.spawn(ctx, "ws", func(ctx context.Context) { c.receive(ctx, ws) })
	c.message(ctx, ws, "2probe")
}

// receive hears a WebSocket. One that ends before the probe's answer does no harm; later it ends the client.
func (c *client) receive(ctx context.Context, ws *socket) {
	ws.receive(func(frame string) {
		c.run.w.at(ctx, "hears", kindOther)
		if frame == "3probe" {
			c.mu.Lock()
			c.paused, c.pausedAt = true, time.Now()
			c.mu.Unlock()
			close(c.probed)
			c.spawn(ctx, "five", func(ctx context.Context) { c.five(ctx, ws) })
			return
		}
		c.take(ctx, frame)
	})
	c.mu.Lock()
	deaf := c.paused
	c.mu.Unlock()
	if deaf {
		c.die("its WebSocket ended")
	}
}

// five completes the upgrade once the last GET has been answered.
func (c *client) five(ctx context.Context, ws *socket) {
	c.polling.Wait()
	if !c.isAlive() {
		return
	}
	c.mu.Lock()
	c.upgraded, c.changed = true, time.Since(c.pausedAt)
	c.mu.Unlock()
	c.message(ctx, ws, engineio.UpgradeFrame)
}

// message sends one frame over a WebSocket; the answer comes over it too, if it is still open.
func (c *client) message(ctx context.Context, ws *socket, frame string) {
	if l := c.run.line; l != nil {
		if c.run.net.find(ws.conn) != nil {
			l.put(ctx, ws.conn, "MESSAGE", frame)
		}
		return
	}
	reply, err := c.request(ctx, "frame "+frame, func(ctx context.Context, e *engine.Engine) (string, error) {
		return e.Message(ctx, ws.conn, frame)
	})
	if err != nil {
		c.run.w.note(c.name + ": frame " + frame + ": " + err.Error())
	}
	if reply != "" && c.run.net.find(ws.conn) != nil {
		ws.frames <- reply
	}
}

// take handles one frame from the server.
func (c *client) take(ctx context.Context, frame string) {
	if !c.isAlive() {
		return
	}
	if c.header != "" && frame[0] == '4' {
		c.run.w.violation("%s: %s came between %s and its attachment", c.name, frame, c.header)
	}
	switch {
	case strings.HasPrefix(frame, "451-"):
		c.header = strings.TrimPrefix(frame, "451-")
	case frame[0] == 'b':
		attachment, err := engineio.Decode(frame)
		if err != nil || attachment.Data != c.header {
			c.run.w.violation("%s: the attachment %q came after the header of %q", c.name, frame, c.header)
		}
		c.header = ""
		c.event(attachment.Data)
	case frame[0] == '0':
		c.open0(ctx)
	case frame == engineio.PingFrame:
		c.mu.Lock()
		if late := time.Since(c.lastPing) - pingInterval; late > pingTimeout/2 && c.run.w.spared(c.name) {
			c.run.w.violation("%s was pinged %v late", c.name, late)
		}
		c.lastPing = time.Now()
		ws := c.ws
		if !c.upgraded {
			ws = nil
		}
		c.mu.Unlock()
		c.spawn(ctx, "pong", func(ctx context.Context) {
			if ws != nil {
				c.message(ctx, ws, engineio.PongFrame)
			} else {
				c.post(ctx, engineio.PongFrame)
			}
		})
	case frame == engineio.CloseFrame:
		c.die("told to close")
	case strings.HasPrefix(frame[1:], frame[1:min(2, len(frame))]+second):
		c.takeSecond(frame)
	case strings.HasPrefix(frame, "40"):
		c.join(ctx, frame)
	case strings.HasPrefix(frame, "43"):
		c.answered(strings.TrimPrefix(frame, "43"))
	case strings.Contains(frame, `["question",`):
		c.question(ctx, frame)
	case strings.Contains(frame, `["vote",`):
		c.votes(ctx, frame)
	case strings.Contains(frame, `["relayed",`):
		c.relayed(ctx, frame)
	case strings.HasPrefix(frame, "42"):
		c.event(strings.TrimPrefix(frame, "42"))
	}
}

// join takes the answer to CONNECT.
func (c *client) join(ctx context.Context, frame string) {
	c.mu.Lock()
	if c.joined {
		c.run.w.violation("%s: connected twice", c.name)
		c.mu.Unlock()
		return
	}
	c.joined = true
	c.socket, _, _ = strings.Cut(strings.TrimPrefix(frame, `40{"sid":"`), `"`)
	c.mu.Unlock()
	c.run.mu.Lock()
	c.member.in = true
	c.member.moving--
	c.member.epoch++
	c.run.mu.Unlock()
	close(c.connected)
	c.spawn(ctx, "act", c.act)
}

// awaitProbe waits until the probe has been answered, or for a second.
func (c *client) awaitProbe(ctx context.Context) {
	t := time.NewTimer(time.Second)
	defer t.Stop()
	select {
	case <-c.probed:
	case <-t.C:
	case <-ctx.Done():
	}
	c.run.w.at(ctx, "wakes", kindOther)
}
