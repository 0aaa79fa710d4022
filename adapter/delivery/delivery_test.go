package delivery_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/internal/deliverytest"
	"github.com/nonstick-io/nonstick/internal/pushtest"
	"github.com/nonstick-io/nonstick/sessionstore"
	"github.com/nonstick-io/nonstick/sessionstore/memstore"
)

const sid = sessionstore.SessionID("S")

// The session is called S, and so is its connection. A case says how it is, how it is aimed at, and what must
// come of two packets: "4a" and, of two frames, "4b" "bAA==".
var deliveries = []struct {
	name string
	make func(w *world)
	hint bool // aimed at the connection
	// what goes wrong
	store map[sessionstore.Op][]fault
	push  []error

	pushed, buffered string
	truth            bool // the answer is the connection
	err              error
	reason           string
	waits            bool // some time passes
}{
	{name: "pushed to the hint", make: webSocket, hint: true, pushed: "4a 4b bAA==", truth: true},
	{name: "appended to the buffer", make: polling, buffered: "4a 4b bAA=="},
	{name: "a refusal tells the WebSocket", make: webSocket, pushed: "4a 4b bAA==", truth: true},
	{name: "appended while somebody flushes", make: held, buffered: "4a 4b bAA=="},
	{name: "no such session", make: nothing, err: delivery.ErrClosed},
	{name: "closed session", make: closed, err: delivery.ErrClosed},
	{
		name: "hint of a connection that is gone", make: webSocket, hint: true, push: []error{delivery.ErrGone},
		truth: true, err: delivery.ErrClosed, reason: "transport close",
	},
	{
		name: "hint of a connection that is gone, without session", make: nothing, hint: true,
		push: []error{delivery.ErrGone}, truth: true, err: delivery.ErrClosed,
	},
	{
		name: "gone after the first frame", make: webSocket, hint: true, push: []error{nil, delivery.ErrGone},
		pushed: "4a", truth: true, err: delivery.ErrClosed, reason: "transport close",
	},
	{
		name: "in doubt, and lost", make: webSocket, hint: true, push: []error{pushtest.ErrLost}, truth: true,
		err: pushtest.ErrLost, reason: "transport error",
	},
	{
		name: "in doubt, and arrived", make: webSocket, hint: true, push: []error{nil, pushtest.ErrArrived},
		pushed: "4a 4b", truth: true, err: pushtest.ErrArrived, reason: "transport error",
	},
	{
		name: "in doubt after a refusal", make: webSocket, push: []error{pushtest.ErrLost}, truth: true,
		err: pushtest.ErrLost, reason: "transport error",
	},
	{
		name: "frame above the platform's limit", make: webSocket, hint: true,
		push: []error{delivery.ErrFrameTooLarge}, truth: true, err: delivery.ErrFrameTooLarge,
		reason: "transport error",
	},
	{
		name: "busy for a while", make: webSocket, hint: true, push: []error{delivery.ErrBusy, delivery.ErrBusy, nil},
		pushed: "4a 4b bAA==", truth: true, waits: true,
	},
	{
		name: "busy between frames", make: webSocket, hint: true, push: []error{nil, delivery.ErrBusy, nil},
		pushed: "4a 4b bAA==", truth: true, waits: true,
	},
	{
		name: "busy, then in doubt", make: webSocket, hint: true, push: []error{delivery.ErrBusy, pushtest.ErrLost},
		truth: true, err: pushtest.ErrLost, reason: "transport error", waits: true,
	},
	{
		name: "throttled for a while", make: polling, store: faults(sessionstore.OpDeliver, certain, certain),
		buffered: "4a 4b bAA==", waits: true,
	},
	{
		name: "throttled for ever", make: polling,
		store: faults(sessionstore.OpDeliver, certain, certain, certain, certain, certain, certain),
		err:   sessionstore.ErrThrottled, waits: true,
	},
	{
		name: "append in doubt, and done", make: polling,
		store: faults(sessionstore.OpDeliver, done), buffered: "4a 4b bAA==",
	},
	{
		name: "append in doubt, and not done", make: polling,
		store: faults(sessionstore.OpDeliver, notDone), err: errNoAnswer, reason: "transport error",
	},
	{
		name: "append in doubt, and done, and in a page since", make: inPages,
		store: faults(sessionstore.OpDeliver, done), buffered: "4first 4a 4b bAA==",
	},
	{
		name: "append in doubt, and not done, beside pages", make: inPages,
		store: faults(sessionstore.OpDeliver, notDone), err: errNoAnswer, reason: "transport error",
	},
	{
		name: "append in doubt, session closed", make: closed,
		store: faults(sessionstore.OpDeliver, notDone), err: delivery.ErrClosed,
	},
	{
		name: "append in doubt, no such session", make: nothing,
		store: faults(sessionstore.OpDeliver, notDone), err: delivery.ErrClosed,
	},
	{
		name: "append in doubt, and done, and the reading fails at first", make: polling, buffered: "4a 4b bAA==",
		waits: true,
		store: map[sessionstore.Op][]fault{
			sessionstore.OpDeliver: {done}, sessionstore.OpGet: {notDone},
		},
	},
}

func faults(op sessionstore.Op, list ...fault) map[sessionstore.Op][]fault {
	return map[sessionstore.Op][]fault{op: list}
}

func webSocket(w *world) { w.WebSocket(sid) }
func polling(w *world)   { w.Polling(sid) }
func held(w *world)      { w.Held(sid) }
func nothing(*world)     {}

func inPages(w *world) {
	w.Polling(sid)
	w.Must(
		w.Store.Deliver(
			w.T.Context(), sid, []sessionstore.Packet{w.Packet("4first")},
			sessionstore.BufferLimits{Packets: 9, Bytes: 99},
		),
	)
	w.Store.Paged = true
}

func closed(w *world) {
	w.Polling(sid)
	w.Must(w.Closing.Close(w.T.Context(), sid, "test", delivery.CloseOptions{}))
	w.ForgetFinished()
}

func TestDeliver(t *testing.T) {
	for _, c := range deliveries {
		for name, deliver := range ways {
			t.Run(c.name+"/"+name, func(t *testing.T) {
				inWorld(t, delivery.Limits{}, func(t *testing.T, w *world) {
					c.make(w)
					for op, list := range c.store {
						w.Store.Fail(op, list...)
					}
					w.Pusher.Answer(conn("S"), c.push...)
					target := delivery.Target{Session: sid}
					if c.hint {
						target.Hint = conn("S")
					}
					start := time.Now()
					packets := []sessionstore.Packet{w.Packet("4a"), w.Packet("4b"), w.Packet("bAA==")}
					truth, err := deliver(w, target, packets)
					if !errors.Is(err, c.err) {
						t.Errorf("error %v, want %v", err, c.err)
					}
					if want := conn("S"); (truth == want) != c.truth || truth != want && !truth.IsZero() {
						t.Errorf("reached by %q, want the connection: %v", truth, c.truth)
					}
					if waited := time.Since(start) > 0; waited != c.waits {
						t.Errorf("waited %v, want %v", time.Since(start), c.waits)
					}
					w.expectSession(c.pushed, c.buffered, c.reason)
				})
			})
		}
	}
}

// ways are those in which a caller may deliver: in one call, or with the first try apart.
var ways = map[string]func(
	w *world, t delivery.Target, packets []sessionstore.Packet,
) (sessionstore.Connection, error){
	"at once": func(w *world, t delivery.Target, packets []sessionstore.Packet) (sessionstore.Connection, error) {
		return w.Delivery.Deliver(w.T.Context(), t, packets)
	},
	"first try apart": func(
		w *world, t delivery.Target, packets []sessionstore.Packet,
	) (sessionstore.Connection, error) {
		first := w.Delivery.First(w.T.Context(), t, packets)
		if first.Done() {
			return t.Hint, nil
		}
		return w.Delivery.After(w.T.Context(), t, packets, first)
	},
}

// A first try is made where it takes no time, and is not made again.
func TestFirst(t *testing.T) {
	for _, c := range []struct {
		name    string
		make    func(w *world)
		target  delivery.Target
		collect bool // something waits to be delivered before it
		done    bool
		writes  int64 // of both together
	}{
		{"polling", polling, delivery.Target{Session: sid}, false, true, 1},
		{"on WebSocket", webSocket, delivery.Target{Session: sid}, false, false, 1},
		{"gone", nothing, delivery.Target{Session: sid}, false, false, 1},
		{"with a hint", webSocket, delivery.Target{Session: sid, Hint: conn("S")}, false, false, 0},
		{"volatile, and no GET is parked", polling, delivery.Target{Session: sid, Volatile: true}, false, false, 1},
		{"behind what was collected", polling, delivery.Target{Session: sid}, true, false, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, delivery.Limits{}, func(t *testing.T, w *world) {
				meter := &sessionstore.Meter{}
				w.Store.Store = memstore.New(memstore.Options{Meter: meter})
				c.make(w)
				if c.collect {
					before := []sessionstore.Packet{w.Packet("4before")}
					_, err := w.Delivery.Collect(c.target).Deliver(t.Context(), c.target, before)
					w.Must(err)
				}
				before := meter.Total().Writes
				packets := []sessionstore.Packet{w.Packet("4a")}
				first := w.Delivery.First(t.Context(), c.target, packets)
				if first.Done() != c.done {
					t.Errorf("done %v, want %v", first.Done(), c.done)
				}
				if !first.Done() {
					_, _ = w.Delivery.After(t.Context(), c.target, packets, first)
				}
				if got := meter.Total().Writes - before; got != c.writes {
					t.Errorf("%d writes, want %d", got, c.writes)
				}
			})
		})
	}
}

// immediatePusher pushes in place what its connections take at once.
type immediatePusher struct {
	*pushtest.Pusher
	tries int // in place
}

func (p *immediatePusher) PushNow(conn sessionstore.Connection, frames []string) bool {
	p.tries++
	return p.PushGroup(context.Background(), conn, frames) == nil
}

// PushGroup implements [delivery.GroupPusher]: a connection in trouble takes none of the frames.
func (p *immediatePusher) PushGroup(ctx context.Context, conn sessionstore.Connection, frames []string) error {
	for _, f := range frames {
		if err := p.Push(ctx, conn, f); err != nil {
			return err
		}
	}
	return nil
}

// A push in place is the first try of a delivery where one message, or one group, goes to a connection that takes it at
// once. One that is refused sent nothing, and is made again with all that belongs to it.
func TestFirstPush(t *testing.T) {
	for _, c := range []struct {
		name    string
		make    func(w *world)
		target  delivery.Target
		packets [][]string
		tries   int // in place
		done    bool
		pushed  string
		reason  string
	}{
		{"one message", webSocket, hinted, [][]string{{"4a"}}, 1, true, "4a", ""},
		{"one group", webSocket, hinted, [][]string{{"451-a", "bAQI="}}, 1, true, "451-a bAQI=", ""},
		{"several groups", webSocket, hinted, [][]string{{"4a", "4b"}}, 0, false, "4a 4b", ""},
		{"several packets", webSocket, hinted, [][]string{{"4a"}, {"4b"}}, 0, false, "4a 4b", ""},
		{"busy", busyOnce, hinted, [][]string{{"4a"}}, 1, false, "4a", ""},
		{"gone", goneConn, hinted, [][]string{{"4a"}}, 1, false, "", delivery.ReasonTransportClose},
		{"no hint", webSocket, delivery.Target{Session: sid}, [][]string{{"4a"}}, 0, false, "4a", ""},
		{"volatile", webSocket, volatileHinted, [][]string{{"4a"}}, 0, false, "4a", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, delivery.Limits{}, func(t *testing.T, w *world) {
				c.make(w)
				p := &immediatePusher{Pusher: w.Pusher}
				d := delivery.New(w.Store, p, w.Closing, delivery.Limits{})
				var packets []sessionstore.Packet
				for _, frames := range c.packets {
					packets = append(packets, w.Packet(frames...))
				}
				first := d.First(t.Context(), c.target, packets)
				if first.Done() != c.done || p.tries != c.tries {
					t.Errorf("done %v by %d pushes in place, want %v by %d", first.Done(), p.tries, c.done, c.tries)
				}
				if !first.Done() {
					_, _ = d.After(t.Context(), c.target, packets, first)
				}
				w.expectSession(c.pushed, "", c.reason)
			})
		})
	}
}

// hinted is S with the connection that it has, volatileHinted the same for packets that may be dropped.
var (
	hinted         = delivery.Target{Session: sid, Hint: conn("S")}
	volatileHinted = delivery.Target{Session: sid, Hint: conn("S"), Volatile: true}
)

func busyOnce(w *world) {
	webSocket(w)
	w.Pusher.Answer(conn("S"), delivery.ErrBusy)
}

func goneConn(w *world) {
	webSocket(w)
	w.Pusher.AnswerAlways(conn("S"), delivery.ErrGone)
}

// expectSession fails the test unless S was pushed and has in its buffer what is wanted, and was closed now for
// the reason, if there is one.
func (w *world) expectSession(pushed, buffered, reason string) {
	w.T.Helper()
	if got := w.Pushed(sid); got != pushed {
		w.T.Errorf("pushed %q, want %q", got, pushed)
	}
	if reason == "" {
		if w.Finished() > 0 {
			w.T.Errorf("the session was closed: %q", w.Session(sid).Reason)
		}
		if s, err := w.Store.Store.Get(
			w.T.Context(), sid, time.Now(),
		); err == nil && s.State == sessionstore.Open &&
			w.Buffered(sid) != buffered {
			w.T.Errorf("in the buffer %q, want %q", w.Buffered(sid), buffered)
		}
		return
	}
	s := w.Session(sid)
	if s.State != sessionstore.Closed || s.Reason != reason || w.Finished() != 1 {
		w.T.Errorf(
			"session %s for %q, finished %d times; want it closed for %q", s.State, s.Reason, w.Finished(), reason,
		)
	}
	if !s.Conn.IsZero() && !w.Pusher.Closed(s.Conn) {
		w.T.Error("the connection is still there")
	}
}

// A connection that stays busy is waited for, in place and bounded; then the session ends.
func TestBusyForEver(t *testing.T) {
	inWorld(t, delivery.Limits{}, func(t *testing.T, w *world) {
		w.WebSocket(sid)
		w.Pusher.AnswerAlways(conn("S"), delivery.ErrBusy)
		start := time.Now()
		_, err := w.Delivery.Deliver(
			t.Context(), delivery.Target{Session: sid, Hint: conn("S")},
			[]sessionstore.Packet{w.Packet("4a"), w.Packet("4b")},
		)
		if !errors.Is(err, delivery.ErrBusy) {
			t.Errorf("error %v", err)
		}
		if d := time.Since(start); d < time.Second || d > 5*time.Second {
			t.Errorf("gave up after %v, want about three seconds", d)
		}
		w.expectSession("", "", delivery.ReasonTransportError)
		if n := w.Pusher.Pushes(); n > 12 {
			t.Errorf("%d pushes: the second packet was tried, or the first too often", n)
		}
	})
}

// A client that takes each message only after a while is waited for, but for ten seconds in all: by a push and by a
// flush.
func TestBusyAgainAndAgain(t *testing.T) {
	for _, c := range []struct {
		name     string
		messages int
		flush    bool
		taken    bool
	}{
		{"few", 5, false, true},
		{"many", 40, false, false},
		{"few are flushed", 5, true, true},
		{"many are flushed", 40, true, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, delivery.Limits{}, func(t *testing.T, w *world) {
				busy := slices.Concat(slices.Repeat([]error{delivery.ErrBusy}, 6), []error{nil})
				w.Pusher.Answer(conn("S"), slices.Repeat(busy, c.messages)...)
				var packets []sessionstore.Packet
				for i := range c.messages {
					packets = append(packets, w.Packet(fmt.Sprint("4", i)))
				}
				var err error
				start := time.Now()
				if c.flush {
					w.Held(sid)
					w.Must(w.Store.Deliver(t.Context(), sid, packets, delivery.Limits{}.WithDefaults().Buffer))
					_, err = w.Delivery.Flush(
						t.Context(), w.Session(sid),
						sessionstore.Lease{Owner: "flusher", Until: time.Now().Add(time.Minute)},
					)
				} else {
					w.WebSocket(sid)
					_, err = w.Delivery.Deliver(t.Context(), delivery.Target{Session: sid, Hint: conn("S")}, packets)
				}
				took := time.Since(start)
				switch open := w.Session(sid).State == sessionstore.Open; {
				case c.taken && (err != nil || !open):
					t.Errorf("%v, open: %v", err, open)
				case !c.taken &&
					(!errors.Is(err, delivery.ErrBusy) || open || took < 9*time.Second || took > 12*time.Second):
					t.Errorf("%v after %s, open: %v", err, took, open)
				}
			})
		})
	}
}

func TestBufferFull(t *testing.T) {
	for _, c := range []struct {
		name   string
		limits sessionstore.BufferLimits
		frame  string
		fits   int
	}{
		{"by count", sessionstore.BufferLimits{Packets: 3, Bytes: 1000}, "4x", 3},
		{"by bytes", sessionstore.BufferLimits{Packets: 100, Bytes: 10}, "4xxx", 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, delivery.Limits{Buffer: c.limits}, func(t *testing.T, w *world) {
				w.Polling(sid)
				deliver := func() error {
					_, err := w.Delivery.Deliver(
						t.Context(), delivery.Target{Session: sid}, []sessionstore.Packet{w.Packet(c.frame)},
					)
					return err
				}
				for i := range c.fits {
					if err := deliver(); err != nil {
						t.Fatalf("packet %d: %v", i+1, err)
					}
				}
				if err := deliver(); !errors.Is(err, delivery.ErrBufferFull) {
					t.Errorf("one too many: %v", err)
				}
				w.expectSession("", "", delivery.ReasonBufferFull)
				if err := deliver(); !errors.Is(err, delivery.ErrClosed) {
					t.Errorf("afterwards: %v", err)
				}
			})
		})
	}
}

// The limit of a frame holds whatever the transport, and a packet above it harms no session.
func TestPacketTooLarge(t *testing.T) {
	for _, c := range []struct {
		name string
		size int
		err  error
	}{{"at the limit", 100, nil}, {"above", 101, delivery.ErrPacketTooLarge}} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, delivery.Limits{Frame: 100}, func(t *testing.T, w *world) {
				w.Polling("P")
				w.WebSocket(sid)
				for _, target := range []delivery.Target{{Session: "P"}, {Session: sid, Hint: conn("S")}} {
					_, err := w.Delivery.Deliver(
						t.Context(), target,
						[]sessionstore.Packet{w.Packet("4a"), w.Packet("4" + strings.Repeat("x", c.size-1))},
					)
					if !errors.Is(err, c.err) {
						t.Errorf("to %s: %v, want %v", target.Session, err, c.err)
					}
				}
				if sent := w.Buffered("P") != "" && w.Pushed(sid) != ""; sent != (c.err == nil) {
					t.Errorf("sent: %v", sent)
				}
				if w.Finished() > 0 {
					t.Error("a session was closed")
				}
			})
		})
	}
}

// While a caller flushes, no other pushes past the flush, not even when the buffer is full.
func TestBufferFullWhileHeld(t *testing.T) {
	inWorld(t, delivery.Limits{
		Buffer: sessionstore.BufferLimits{Packets: 1, Bytes: 100},
	}, func(t *testing.T, w *world) {
		w.Held(sid)
		for _, want := range []error{nil, delivery.ErrBufferFull} {
			if _, err := w.Delivery.Deliver(
				t.Context(), delivery.Target{Session: sid}, []sessionstore.Packet{w.Packet("4a")},
			); !errors.Is(
				err, want,
			) {
				t.Errorf("error %v, want %v", err, want)
			}
		}
		w.expectSession("", "", delivery.ReasonBufferFull)
	})
}

// A push in doubt cuts its connection though another caller has closed the session, and may have died before cutting
// it.
func TestDoubtAfterClose(t *testing.T) {
	inWorld(t, delivery.Limits{}, func(t *testing.T, w *world) {
		w.WebSocket(sid)
		w.closedBy("other")
		w.Pusher.Answer(conn("S"), pushtest.ErrLost)
		_, err := w.Delivery.Deliver(
			t.Context(), delivery.Target{Session: sid, Hint: conn("S")}, []sessionstore.Packet{w.Packet("4a")},
		)
		if !errors.Is(err, pushtest.ErrLost) || !w.Pusher.Closed(conn("S")) {
			t.Errorf("error %v, cut %v", err, w.Pusher.Closed(conn("S")))
		}
	})
}

// A caller that gives up while its append was done learns that it was.
func TestDoneOutlivesTheCaller(t *testing.T) {
	inWorld(t, delivery.Limits{}, func(t *testing.T, w *world) {
		w.Polling(sid)
		ctx, cancel := context.WithCancel(t.Context())
		w.Store.Fail(sessionstore.OpDeliver, deliverytest.Done(context.Canceled))
		w.Store.AfterDone = cancel
		if _, err := w.Delivery.Deliver(
			ctx, delivery.Target{Session: sid}, []sessionstore.Packet{w.Packet("4a")},
		); err != nil {
			t.Errorf("error %v", err)
		}
		w.expectSession("", "4a", "")
	})
}

// A caller that gives up while its append is in doubt does not leave the client in doubt.
func TestDoubtOutlivesTheCaller(t *testing.T) {
	inWorld(t, delivery.Limits{}, func(t *testing.T, w *world) {
		w.Polling(sid)
		ctx, cancel := context.WithCancel(t.Context())
		w.Store.Fail(sessionstore.OpDeliver, deliverytest.NotDone(context.Canceled))
		cancel()
		if _, err := w.Delivery.Deliver(
			ctx, delivery.Target{Session: sid}, []sessionstore.Packet{w.Packet("4a")},
		); !errors.Is(
			err, context.Canceled,
		) {
			t.Errorf("error %v", err)
		}
		w.expectSession("", "", delivery.ReasonTransportError)
	})
}

// An entry of several packets is no packet of several messages: it goes to any WebSocket, one message after the
// other. An attachment among them makes it one for a serial session.
func TestSeveralPackets(t *testing.T) {
	for _, c := range []struct {
		name   string
		serial bool
		frames []string
		err    error
		pushed string
	}{
		{"not serial", false, []string{"42[1]", "42[2]", "43"}, nil, "42[1] 42[2] 43"},
		{
			"not serial, with an attachment", false,
			[]string{"42[1]", "451-[]", "bAA==", "43"},
			delivery.ErrNotSerial,
			"",
		},
		{"serial, with an attachment", true, []string{"42[1]", "451-[]", "bAA==", "43"}, nil, "42[1] 451-[] bAA== 43"},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, delivery.Limits{}, func(t *testing.T, w *world) {
				n := sessionstore.NewSession{
					ID: sid, Transport: sessionstore.WebSocket, Conn: conn("S"), CreatedAt: time.Now(),
					Serial: c.serial,
				}
				w.Must(w.Store.Create(t.Context(), n))
				_, err := w.Delivery.Deliver(
					t.Context(), delivery.Target{Session: sid}, []sessionstore.Packet{w.Packet(c.frames...)},
				)
				if !errors.Is(err, c.err) {
					t.Errorf("error %v, want %v", err, c.err)
				}
				if got := strings.Join(w.Pusher.Take(conn("S")), " "); got != c.pushed {
					t.Errorf("pushed %q, want %q", got, c.pushed)
				}
			})
		})
	}
}

// A packet of several messages is for a serial session: elsewhere those of others could come between them.
func TestAttachments(t *testing.T) {
	for _, c := range []struct {
		name   string
		serial bool
		hint   bool
		err    error
		pushed string
	}{
		{"serial", true, false, nil, "451-[] bAA=="},
		{"not serial", false, false, delivery.ErrNotSerial, ""},
		{"not serial, by its hint", false, true, delivery.ErrNotSerial, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, delivery.Limits{}, func(t *testing.T, w *world) {
				n := sessionstore.NewSession{
					ID: sid, Transport: sessionstore.WebSocket, Conn: conn("S"), CreatedAt: time.Now(),
					Serial: c.serial,
				}
				w.Must(w.Store.Create(t.Context(), n))
				target := delivery.Target{Session: sid}
				if c.hint {
					target.Hint = conn("S")
				}
				_, err := w.Delivery.Deliver(t.Context(), target, []sessionstore.Packet{w.Packet("451-[]", "bAA==")})
				if !errors.Is(err, c.err) {
					t.Errorf("error %v, want %v", err, c.err)
				}
				w.expectSession(c.pushed, "", "")
				if s, err := w.Store.Get(t.Context(), sid, time.Now()); err != nil || s.Hold.Held() {
					t.Errorf("the hold is left: %+v, %v", s.Hold, err)
				}
			})
		})
	}
}
