package nonstick_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nonstick-io/nonstick"
	"github.com/nonstick-io/nonstick/sessionstore"
)

func unordered(c *nonstick.Config) { c.Unordered = true }

// frameAt is a frame, and when it is handled.
type frameAt struct {
	frame string
	at    time.Duration
}

// handled hands frames of a client to an instance each, at their times, and returns what comes back, sorted.
func (w *world) handled(p *peer, register func(*nonstick.Server), frames []frameAt) []string {
	w.t.Helper()
	var all sync.WaitGroup
	var mu sync.Mutex
	var seen []string
	for _, f := range frames {
		at := w.server(register, unordered).Engine()
		all.Go(func() {
			time.Sleep(f.at)
			reply, err := at.Message(w.t.Context(), p.conn, f.frame)
			if err != nil {
				w.t.Errorf("%s: %v", f.frame, err)
			}
			mu.Lock()
			defer mu.Unlock()
			if reply != "" {
				seen = append(seen, reply)
			}
		})
	}
	all.Wait()
	seen = append(seen, w.pusher.Take(p.conn)...)
	slices.Sort(seen)
	return seen
}

const ms = time.Millisecond

// Where messages of a connection are handled at once, a header and its attachment may come in any order. What cannot
// be told apart reaches no handler and ends the connection.
func TestBinaryUnordered(t *testing.T) {
	two := `452-["size",{"name":{"_placeholder":true,"num":1},"data":{"_placeholder":true,"num":0}}]`
	one := []string{"bAQIh", ack, got, "bAQI="}
	for _, c := range []struct {
		name   string
		frames []frameAt
		want   []string // nil: the connection ends
		why    string
	}{
		{"in order", []frameAt{{sent, 0}, {"bAQI=", ms}}, one, ""},
		{"the attachment first", []frameAt{{"bAQI=", 0}, {sent, 300 * ms}}, one, ""},
		{
			"an event in between",
			[]frameAt{{sent, 0}, {`429["args",1]`, ms}, {"bAQI=", 2 * ms}},
			append([]string{"439[1]"}, one...), "",
		},
		{
			"the next packet after the answer",
			[]frameAt{{sent, 0}, {"bAQI=", ms}, {sent, 1100 * ms}, {"bAQI=", 1101 * ms}},
			append(slices.Clone(one), one...), "",
		},
		{
			"two packets, in order",
			[]frameAt{{sent, 0}, {"bAQI=", 10 * ms}, {sent, 20 * ms}, {"bAw==", 30 * ms}},
			nil,
			"two packets with attachments at a time",
		},
		{
			"two packets, the second's attachment early",
			[]frameAt{{sent, 0}, {"bAw==", 10 * ms}, {"bAQI=", 900 * ms}, {sent, 950 * ms}},
			nil,
			"more attachments than",
		},
		{
			"two packets, the headers first",
			[]frameAt{{sent, 0}, {sent, 10 * ms}, {"bAw==", 20 * ms}, {"bAQI=", 30 * ms}},
			nil,
			"two packets with attachments at a time",
		},
		{
			"two packets, the attachments first",
			[]frameAt{{"bAQI=", 0}, {"bAw==", 10 * ms}, {sent, 20 * ms}, {sent, 30 * ms}},
			nil,
			"another frame waits already",
		},
		{
			"one attachment too many",
			[]frameAt{{sent, 0}, {"bAQI=", 10 * ms}, {"bAw==", 500 * ms}},
			nil,
			"more attachments than",
		},
		{
			"several attachments",
			[]frameAt{{two, 0}, {"bAQI=", 10 * ms}, {"bAw==", 20 * ms}},
			nil,
			"a packet with 2 attachments",
		},
		{"no header", []frameAt{{"bAQI=", 0}}, nil, "an attachment came without its packet"},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				p := w.join(w.server(binaryApp, unordered))
				seen := w.handled(p, binaryApp, c.frames)
				slices.Sort(c.want)
				if !slices.Equal(seen, c.want) {
					t.Errorf("got  %q\nwant %q", seen, c.want)
				}
				if left := p.state().Partial; left != nil {
					t.Errorf("left in the store: %+v", left)
				}
				if c.want != nil {
					p.expectOpen()
					return
				}
				p.expectClosed("frames out of order")
				if !strings.Contains(w.log.String(), c.why) {
					t.Errorf("the log does not say %q:\n%s", c.why, w.log.String())
				}
			})
		})
	}
}

// A packet of several attachments that began on polling and of which one is left after the upgrade arrives.
func TestBinaryAcrossTheUpgrade(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s := w.server(binaryApp, unordered)
		p := w.joinPolling(s)
		p.send(`452-8["args",{"_placeholder":true,"num":1},{"_placeholder":true,"num":0}]`, "bAQ==")
		p.upgrade()
		p.send("bAg==")
		p.expect(`462-8[{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]`, "bAg==", "bAQ==")
	})
}

// An event with its attachment may come right behind the upgrade packet, and overtake it, and each other.
func TestBinaryRightBehindTheUpgrade(t *testing.T) {
	for _, c := range []struct {
		name   string
		frames []frameAt
	}{
		{"in order", []frameAt{{"5", 0}, {sent, ms}, {"bAQI=", 2 * ms}}},
		{"before the upgrade packet", []frameAt{{sent, 0}, {"bAQI=", ms}, {"5", 500 * ms}}},
		{"the attachment first", []frameAt{{"bAQI=", 0}, {sent, ms}, {"5", 500 * ms}}},
		{"the attachment before, the header after it", []frameAt{{"bAQI=", 0}, {"5", 500 * ms}, {sent, 600 * ms}}},
		{"the header before, the attachment after it", []frameAt{{sent, 0}, {"5", 500 * ms}, {"bAQI=", 600 * ms}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				p := w.joinPolling(w.server(binaryApp, unordered))
				p.probe()
				seen := w.handled(p, binaryApp, c.frames)
				if want := []string{ack, got, "bAQI=", "bAQIh"}; !slices.Equal(seen, sorted(want)) {
					t.Errorf("got %q, want %q", seen, want)
				}
				p.expectOpen()
			})
		})
	}
}

func sorted(list []string) []string {
	slices.Sort(list)
	return list
}

// What waits for one thing is not in the way of what waits for another: an attachment that overtook its header
// arrives while a namespace is joined again whose disconnect handler takes long.
func TestBinaryWhileJoiningAgain(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		l := &leaving{slow: 3 * time.Second}
		register := func(s *nonstick.Server) {
			l.register(s)
			binaryApp(s)
		}
		p := w.join(w.server(register, unordered))
		p.send("40/custom,")
		p.take()
		seen := w.handled(
			p, register, []frameAt{{"41/custom,", 0}, {"40/custom,", 50 * ms}, {"bAQI=", 100 * ms}, {sent, 400 * ms}},
		)
		p.expectOpen()
		state := p.state()
		if _, joined := state.Socket(
			"/custom",
		); !joined || !slices.Contains(seen, ack) ||
			!slices.Contains(seen, "bAQIh") {
			t.Errorf("joined again: %v, answers %q", joined, seen)
		}
	})
}

// leaving counts how often handlers ran. The disconnect handler takes a while.
type leaving struct {
	mu                           sync.Mutex
	connected, disconnected, ran int
	slow                         time.Duration
}

func (l *leaving) count(n *int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	*n++
}

func (l *leaving) register(s *nonstick.Server) {
	n := s.Of("/custom")
	n.OnConnect(func(context.Context, *nonstick.Socket) error { l.count(&l.connected); return nil })
	n.OnDisconnect(func(context.Context, *nonstick.Socket, nonstick.Reason) error {
		time.Sleep(l.slow)
		l.count(&l.disconnected)
		return nil
	})
	nonstick.On(n, "x", func(context.Context, *nonstick.Socket, nonstick.Args) error {
		l.count(&l.ran)
		return nil
	})
}

// Leaving a namespace and joining it again costs nothing else, whichever frame is first and however long the
// disconnect handler takes.
func TestLeaveAndJoinUnordered(t *testing.T) {
	for _, c := range []struct {
		name   string
		slow   time.Duration
		frames []frameAt
		joined bool
	}{
		{"in order, at once", 0, []frameAt{{"41/custom,", 0}, {"40/custom,", 0}}, true},
		{"in order", 20 * ms, []frameAt{{"41/custom,", 0}, {"40/custom,", ms}}, true},
		{"CONNECT first", 0, []frameAt{{"40/custom,", 0}, {"41/custom,", 50 * ms}}, true},
		{"CONNECT first, slowly", 400 * ms, []frameAt{{"40/custom,", 0}, {"41/custom,", 300 * ms}}, true},
		{"a disconnect handler of 5 s", 5 * time.Second, []frameAt{{"41/custom,", 0}, {"40/custom,", 50 * ms}}, true},
		{
			"a disconnect handler of 30 s", 30 * time.Second,
			[]frameAt{{"41/custom,", 0}, {"40/custom,", 50 * ms}},
			false,
		},
		{"DISCONNECT never comes", 0, []frameAt{{"40/custom,", 0}}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				l := &leaving{slow: c.slow}
				p := w.join(w.server(l.register, unordered))
				p.send("40/custom,")
				p.take()
				seen := w.handled(p, l.register, c.frames)
				p.expectOpen()
				state := p.state()
				if _, joined := state.Socket("/custom"); joined != c.joined {
					t.Errorf("joined: %v, answers %q", joined, seen)
				}
				if l.connected > 2 || l.disconnected > 1 {
					t.Errorf("connected %d times, disconnected %d times", l.connected, l.disconnected)
				}
				told := len(seen) == 1 &&
					(strings.HasPrefix(seen[0], "40/custom,") ||
						strings.HasPrefix(seen[0], `44/custom,{"message":"Namespace is still being left"`))
				if !told {
					t.Errorf("answers %q", seen)
				}
			})
		})
	}
}

// A CONNECT that waits until its namespace is left is not refused because the server closes the connection meanwhile:
// official clients come back by themselves after that, and not after a refusal.
func TestJoinAgainAsTheSessionCloses(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		l := &leaving{}
		p := w.join(w.server(l.register, unordered))
		p.send("40/custom,")
		p.take()
		var waiting sync.WaitGroup
		waiting.Go(func() {
			if reply, err := p.at.Engine().Message(t.Context(), p.conn, "40/custom,"); reply != "" || err != nil {
				t.Errorf("CONNECT was answered %q, %v", reply, err)
			}
		})
		time.Sleep(300 * ms)
		p.expectOpen()
		_, err := w.store.Close(t.Context(), sessionstore.CloseRequest{
			Session: p.sid, Reason: "server namespace disconnect", // by a caller that has yet to cut the connection
			Handler: sessionstore.Lease{Owner: "x", Until: time.Now().Add(time.Minute)},
		})
		w.must(err)
		waiting.Wait()
		p.expect()
	})
}

// What the end of its namespace has overtaken is dropped, and the log says so; the connection lives.
func TestOvertakenByTheEnd(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		l := &leaving{}
		p := w.join(w.server(l.register, unordered))
		p.send("40/custom,")
		p.take()
		start := time.Now()
		p.send("41/custom,", `42/custom,["x"]`, "41/custom,", "43/custom,7[]")
		p.expectOpen()
		if l.ran != 0 || l.disconnected != 1 || time.Since(start) > 0 {
			t.Errorf("the handler ran %d times, %d disconnects, after %v", l.ran, l.disconnected, time.Since(start))
		}
		if n := strings.Count(w.log.String(), "overtaken by the end of its namespace"); n != 3 {
			t.Errorf("%d lines of the log say so, want 3:\n%s", n, w.log.String())
		}
		p.send("40/custom,")
		p.take()
		p.send(`42/custom,["x"]`)
		if l.ran != 1 {
			t.Errorf("joined again: the handler ran %d times", l.ran)
		}
		p.send("41/custom,")
		time.Sleep(time.Minute)
		p.send(`42/custom,["x"]`)
		p.expectClosed("forced server close")
	})
}

// Small frames that could wait cost an instance next to nothing: one of a connection waits, the next ends it.
func TestFramesDoNotHoldInstances(t *testing.T) {
	for _, frame := range []string{
		`42/custom,["x"]`, `42/none,["x"]`, "43/custom,1[]", "41/custom,", "bAA==",
		`451-["x",{"_placeholder":true,"num":0}]`,
	} {
		t.Run(frame, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				l := &leaving{}
				p := w.join(w.server(l.register, unordered))
				before := w.meter.Total()
				var took [20]time.Duration
				var all sync.WaitGroup
				for i := range took {
					all.Go(func() {
						time.Sleep(time.Duration(i) * ms)
						start := time.Now()
						_, _ = p.at.Engine().Message(t.Context(), p.conn, frame)
						took[i] = time.Since(start)
					})
				}
				all.Wait()
				slices.Sort(took[:])
				if took[len(took)-2] > 20*ms || took[len(took)-1] > 1500*ms {
					t.Errorf("they took %v", took)
				}
				if s := p.state(); s.State == sessionstore.Open {
					t.Error("the session is open")
				}
				if u := w.meter.Total().Sub(before); u.Writes > 30 {
					t.Errorf("%d writes", u.Writes)
				}
			})
		})
	}
}
