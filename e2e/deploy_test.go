package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
)

// crowd is the number of light clients of TestDeploy, a multiple of crowdRoom; official ones come beside them. CI has a
// machine for many tests at once; NONSTICK_CROWD=1000 takes one for itself.
var crowd = crowdSize()

func crowdSize() int {
	if n, err := strconv.Atoi(os.Getenv("NONSTICK_CROWD")); err == nil && n >= crowdRoom && n%crowdRoom == 0 {
		return n
	}
	return 200
}

// The crowd of TestDeploy.
const (
	crowdPolled = 10 // of them, on polling: each holds a function for as long as its GET is parked
	crowdAtOnce = 16 // of them that connect at the same time
	crowdRoom   = 20 // clients in a room, one of which sends to it
	everyone    = "" // what is sent to no room comes to all clients
	// crowdSenders are so many clients that send to their rooms at a time: the next message waits for the last one, so
	// a busy machine has less to do.
	crowdSenders = 2
	crowdPause   = 50 * time.Millisecond // between two messages of these
	crowdRounds  = 3                     // messages that each room gets at least
)

// TestDeploy has localdev build the functions, and deploys new code while clients are connected: connections belong to
// API Gateway and sessions to the table, so no client notices. Two hundred light clients (see crowd) in rooms of
// twenty, in each of which one sends, get all messages once and in order; so do the official clients of
// deploy.test.mjs, which asks for the deployments. The order is checked, so messages of a connection come one at a
// time. A light client whose connection is lost, as on a machine that is too busy for its pings, is recovered: it may
// not lose a message either.
func TestDeploy(t *testing.T) {
	t.Parallel() // it waits most of the time
	url := startTemplate(t, "--inbound", "ordered", "--app", "bench", "--poll-hold", "2s", "--recovery", "2m")
	c := gather(t, url)
	c.send(t)
	t.Run("official clients", func(t *testing.T) { // slowly, for they are not alone
		runNode(t, "deploy.test.mjs", url, append(deployed{url, "ordered"}.env(), "NONSTICK_PACE=500")...)
	})
	c.calm(t)
	c.check(t)
}

// A crowdOf is the light clients of a test.
type crowdOf struct {
	url     string
	members []*listener
	stop    context.CancelFunc // ends their connections
	ended   chan struct{}      // closed when these have ended

	over    chan struct{} // closed when no more is to be sent
	senders sync.WaitGroup
	sent    map[string]*atomic.Int64 // by room
}

// A listener is a member that keeps the numbers of the messages to its room.
type listener struct {
	member
	room string

	heardMu sync.Mutex
	numbers map[string][]int // by room
}

// listen is called with each event.
func (l *listener) listen(event string, args []json.RawMessage) {
	var message struct {
		Room string `json:"room"`
		Seq  int    `json:"seq"`
	}
	if event != "broadcast" || len(args) != 1 || json.Unmarshal(args[0], &message) != nil {
		message.Room = "none" // which is found in the end
	}
	l.heardMu.Lock()
	defer l.heardMu.Unlock()
	l.numbers[message.Room] = append(l.numbers[message.Room], message.Seq)
}

// has is whether so many messages to a room have come, at least.
func (l *listener) has(room string, count int) bool {
	l.heardMu.Lock()
	defer l.heardMu.Unlock()
	return len(l.numbers[room]) >= count
}

// gather connects the crowd, and has each client join its room.
func gather(t *testing.T, url string) *crowdOf {
	t.Helper()
	began := time.Now()
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context())) // which ends before the clean-up does
	c := &crowdOf{
		url: url, stop: stop, ended: make(chan struct{}), over: make(chan struct{}), sent: map[string]*atomic.Int64{},
	}
	var connected sync.WaitGroup
	var joining errgroup.Group
	joining.SetLimit(crowdAtOnce)
	for i := range crowd {
		room := fmt.Sprintf("room %d", i/crowdRoom)
		c.sent[room] = new(atomic.Int64)
		l := &listener{room: room, numbers: map[string][]int{}}
		l.url, l.transport, l.heard = url, "websocket", l.listen
		if i%(crowd/crowdPolled) == 0 {
			l.transport = "polling"
		}
		c.members = append(c.members, l)
		joining.Go(func() error {
			up := make(chan struct{})
			connected.Go(func() { l.stay(ctx, func() { close(up) }) })
			select {
			case <-up:
			case <-time.After(crowdPatience):
				lost, _ := l.lost()
				return fmt.Errorf("client %d cannot connect: %v", i, lost)
			}
			if _, err := l.ask(ctx, "join", room); err != nil {
				return fmt.Errorf("client %d cannot join: %w", i, err)
			}
			return nil
		})
	}
	err := joining.Wait()
	go func() {
		connected.Wait()
		close(c.ended)
	}()
	t.Cleanup(func() { c.end(t) })
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d clients in %.1f s", crowd, time.Since(began).Seconds())
	return c
}

// end ends all connections, and what sends, and waits until the server has done what follows from that.
func (c *crowdOf) end(t *testing.T) {
	t.Helper()
	c.finish()
	c.stop()
	<-c.ended
	left := 1
	for deadline := time.Now().Add(crowdPatience); left > 0 && time.Now().Before(deadline); time.Sleep(time.Second) {
		left = c.queued(t)
	}
	if left > 0 {
		t.Errorf("%d messages are left in queues: frames, closes or broadcasts", left)
	}
}

// queued is how much is in the queues of the template, but that of the heartbeat.
func (c *crowdOf) queued(t *testing.T) int {
	t.Helper()
	res, err := http.Get(c.url + "/localdev/state") //nolint:noctx // it ends with the server
	if err != nil {
		t.Error(err)
		return 0
	}
	defer res.Body.Close()
	var all struct {
		Queues []struct {
			Queue                    string
			Visible, Hidden, Delayed int
		}
	}
	if err := json.NewDecoder(res.Body).Decode(&all); err != nil {
		t.Error(err)
		return 0
	}
	left := 0
	for _, q := range all.Queues {
		if strings.HasPrefix(q.Queue, "Heartbeat") || strings.HasPrefix(q.Queue, "Watch") {
			continue // which goes on while sockets wait for their clients
		}
		left += q.Visible + q.Hidden + q.Delayed
	}
	return left
}

func (c *crowdOf) finish() {
	select {
	case <-c.over:
	default:
		close(c.over)
	}
	c.senders.Wait()
}

// send has the first client of each room send to it, one after the other, some at a time, until calm: all have sent by
// then.
func (c *crowdOf) send(t *testing.T) {
	t.Helper()
	for first := range crowdSenders {
		c.senders.Go(func() {
			for round, more := 0, true; more || round < crowdRounds; round++ {
				for i := first * crowdRoom; i < crowd; i += crowdSenders * crowdRoom {
					if l := c.members[i]; !c.broadcast(t, l, l.room) {
						return
					}
					more = c.pause(crowdPause)
				}
			}
		})
	}
}

// broadcast has a client send the next message to a room. False: it was not acknowledged, which fails the test.
func (c *crowdOf) broadcast(t *testing.T, from *listener, room string) bool {
	t.Helper()
	seq := c.sent[room].Load()
	if _, err := from.ask(t.Context(), "broadcast", map[string]any{"room": room, "seq": seq}); err != nil {
		t.Errorf("message %d to %q: %v", seq, room, err)
		return false
	}
	c.sent[room].Add(1)
	return true
}

// pause is false if no more is to be sent after the round that is on.
func (c *crowdOf) pause(d time.Duration) bool {
	select {
	case <-c.over:
		return false
	case <-time.After(d):
		return true
	}
}

// calm ends what is sent and waits until all has come, or nothing more does.
func (c *crowdOf) calm(t *testing.T) {
	t.Helper()
	c.finish()
	deadline := time.Now().Add(crowdPatience)
	for time.Now().Before(deadline) && !c.complete() {
		time.Sleep(50 * time.Millisecond)
	}
	time.Sleep(500 * time.Millisecond) // for what comes twice
}

func (c *crowdOf) complete() bool {
	for _, l := range c.members {
		if !l.has(l.room, int(c.sent[l.room].Load())) {
			return false
		}
	}
	return true
}

// check judges what has come.
func (c *crowdOf) check(t *testing.T) {
	t.Helper()
	var sum sequence
	for i, l := range c.members {
		lost, anew := l.lost()
		if len(lost) > 0 {
			t.Logf("client %d has lost its connection: %v", i, lost)
		}
		if anew > 0 {
			t.Errorf("client %d has come back as a new socket, %d times", i, anew)
		}
		l.heardMu.Lock()
		for room, numbers := range l.numbers {
			if room != l.room {
				t.Errorf("client %d has got %d messages to %q", i, len(numbers), room)
			}
		}
		sum = sum.plus(judge(l.numbers[l.room], int(c.sent[l.room].Load())))
		l.heardMu.Unlock()
	}
	messages := 0
	for room, sent := range c.sent {
		if sent.Load() == 0 {
			t.Errorf("nothing was sent to %q", room)
		}
		messages += int(sent.Load())
	}
	t.Logf(
		"%d messages to rooms of %d of %d clients: %d delivered, %d lost, %d twice, %d out of order",
		messages, crowdRoom, crowd, sum.delivered, sum.lost, sum.twice, sum.disordered,
	)
	if sum.lost+sum.twice+sum.disordered > 0 || sum.delivered == 0 {
		t.Errorf("%+v", sum)
	}
}

// A sequence says what became of messages that were numbered 0, 1, 2...
type sequence struct{ delivered, lost, twice, disordered int }

func (s sequence) plus(o sequence) sequence {
	return sequence{s.delivered + o.delivered, s.lost + o.lost, s.twice + o.twice, s.disordered + o.disordered}
}

// judge compares the numbers that a client has got with the count of those that were sent. A number that comes for the
// first time behind a later one is out of order.
func judge(got []int, sent int) sequence {
	var s sequence
	seen := map[int]bool{}
	last := -1
	for _, n := range got {
		switch {
		case seen[n] || n < 0 || n >= sent:
			s.twice++ // one that was not sent is as bad
		case n < last:
			s.disordered++
		}
		if n >= 0 && n < sent {
			seen[n] = true
		}
		last = max(last, n)
	}
	s.delivered = len(seen)
	s.lost = sent - len(seen)
	return s
}

// What judges a deployment must not lose a fault.
func TestJudge(t *testing.T) {
	for _, tt := range []struct {
		got  string
		sent int
		want sequence
	}{
		{"", 0, sequence{}},
		{"0 1 2", 3, sequence{3, 0, 0, 0}},
		{"", 2, sequence{0, 2, 0, 0}},
		{"0 2", 3, sequence{2, 1, 0, 0}},
		{"0 1", 3, sequence{2, 1, 0, 0}},
		{"0 1 1 2", 3, sequence{3, 0, 1, 0}},
		{"0 1 2 0", 3, sequence{3, 0, 1, 0}},
		{"1 0 2", 3, sequence{3, 0, 0, 1}},
		{"2 0 1", 3, sequence{3, 0, 0, 2}},
		{"0 2 2", 3, sequence{2, 1, 1, 0}},
		{"0 1 2 3", 3, sequence{3, 0, 1, 0}},
	} {
		var got []int
		for _, n := range strings.Fields(tt.got) {
			got = append(got, int(n[0]-'0'))
		}
		if s := judge(got, tt.sent); s != tt.want {
			t.Errorf("%q of %d: %+v, want %+v", tt.got, tt.sent, s, tt.want)
		}
	}
}
