package serve

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/functions/internal/boot"
	"github.com/nonstick-io/nonstick/gateway/apigw"
	"github.com/nonstick-io/nonstick/gateway/engine"
	"github.com/nonstick-io/nonstick/gateway/inbound"
	"github.com/nonstick-io/nonstick/internal/engineio"
	"github.com/nonstick-io/nonstick/internal/pushtest"
	"github.com/nonstick-io/nonstick/sessionstore"
	"github.com/nonstick-io/nonstick/sessionstore/memstore"
)

// noter is an application that notes what it gets; "sleep 5s" takes its time.
type noter struct {
	mu   sync.Mutex
	got  []string
	ends []string
}

func (n *noter) Message(ctx context.Context, inv *engine.Invocation, p engineio.Packet) error {
	if d, err := time.ParseDuration(strings.TrimPrefix(p.Data, "sleep ")); err == nil {
		time.Sleep(d)
	}
	n.mu.Lock()
	n.got = append(n.got, p.Data)
	n.mu.Unlock()
	return inv.Reply(ctx, "4got "+p.Data)
}
func (*noter) Done(context.Context, *engine.Invocation) error { return nil }
func (n *noter) Closed(_ context.Context, s sessionstore.Session) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.ends = append(n.ends, s.Reason)
	return nil
}

// released is a queue that notes what was taken out of it.
type released struct {
	receipts []string
	at       []time.Time
}

func (r *released) Delete(_ context.Context, receipts []string) error {
	r.receipts, r.at = append(r.receipts, receipts...), append(r.at, time.Now())
	return nil
}

// line is an inbound function with connections, and a queue that delivers what the test says.
type line struct {
	t        *testing.T
	f        *frames
	engine   *engine.Engine
	app      *noter
	store    *memstore.Store
	pusher   *pushtest.Pusher
	released *released
	log      *strings.Builder
	messages int
}

const lineEndpoint = "https://ws.example/v1"

func newLine(t *testing.T) *line {
	t.Helper()
	l := &line{
		t: t, app: &noter{}, store: memstore.New(memstore.Options{}), pusher: pushtest.New(), released: &released{},
		log: &strings.Builder{},
	}
	w := &world{log: l.log, store: l.store, pusher: l.pusher, env: environment{}}
	p := w.parts()
	e := engine.New(engine.Config{
		Store: l.store, Pusher: l.pusher, Handler: l.app, Logger: p.Log,
		Options: engine.Options{PushReplies: true, PingTimeout: 20 * time.Second},
	})
	l.engine = e
	h := apigw.New(apigw.Config{Gateway: e, Endpoint: lineEndpoint, Logger: p.Log})
	l.f = newFrames(
		p, h, e, &starter{claims: l.store, queue: &queue{}, log: p.Log}, l.released, lineEndpoint, 5*time.Second,
	)
	return l
}

// connect opens sessions on connections of these names.
func (l *line) connect(names ...string) {
	l.t.Helper()
	for _, name := range names {
		conn := sessionstore.Connection{ID: name, Endpoint: lineEndpoint}
		step, err := l.engine.Connect(l.t.Context(), conn, sessionstore.Handshake{})
		if err == nil {
			err = l.engine.Run(l.t.Context(), step)
		}
		if err != nil {
			l.t.Fatal(err)
		}
		l.pusher.Take(conn)
	}
}

// message is a frame in the queue.
func (l *line) message(conn, body string, received, receives int) events.SQSMessage {
	l.messages++
	text := func(s string) events.SQSMessageAttribute {
		return events.SQSMessageAttribute{StringValue: &s, DataType: "String"}
	}
	event := "MESSAGE"
	if body == inbound.Disconnect {
		event, body = inbound.Disconnect, ""
	}
	id := fmt.Sprint("m", l.messages)
	return events.SQSMessage{
		MessageId: id, EventSource: "aws:sqs", ReceiptHandle: "r" + id, Body: "." + body,
		Attributes: map[string]string{"ApproximateReceiveCount": fmt.Sprint(receives)},
		MessageAttributes: map[string]events.SQSMessageAttribute{
			"connection": text(conn), "event": text(event), "received": text(fmt.Sprint(received)),
		},
	}
}

// deliver delivers a batch and returns what comes again.
func (l *line) deliver(ctx context.Context, messages ...events.SQSMessage) string {
	l.t.Helper()
	payload, err := json.Marshal(events.SQSEvent{Records: messages})
	if err != nil {
		l.t.Fatal(err)
	}
	answer, err := boot.SQS(l.f.serve)(ctx, payload)
	var res events.SQSEventResponse
	if err != nil || json.Unmarshal(answer, &res) != nil {
		l.t.Fatal(err)
	}
	return failures(res)
}

func (l *line) expect(want ...string) {
	l.t.Helper()
	if !slices.Equal(l.app.got, want) {
		l.t.Errorf("handled %q, want %q", l.app.got, want)
	}
	l.app.got = nil
}

func TestInboundOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLine(t)
		l.connect("a", "b")
		if again := l.deliver(
			t.Context(), l.message("a", "42", 30, 1), l.message("a", "40", 10, 1), l.message("a", "41", 20, 1),
			l.message("a", "43", 30, 1),
		); again != "" {
			t.Errorf("again: %s", again)
		}
		l.expect("0", "1", "2", "3")
		if got := l.pusher.Take(
			sessionstore.Connection{ID: "a", Endpoint: lineEndpoint},
		); !slices.Equal(
			got, []string{"4got 0", "4got 1", "4got 2", "4got 3"},
		) {
			t.Errorf("pushed %q", got)
		}
		// The end comes last, whatever its time says.
		l.deliver(t.Context(), l.message("b", inbound.Disconnect, 10, 1), l.message("b", "4x", 20, 1))
		l.expect("x")
		if !slices.Equal(l.app.ends, []string{"transport close"}) {
			t.Errorf("ended %q", l.app.ends)
		}
	})
}

// A frame that comes again was in the hands of a function that died: its connection is ended, and no other.
func TestInboundDeath(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLine(t)
		l.connect("a", "b", "c")
		if again := l.deliver(
			t.Context(), l.message("a", "41", 10, 2), l.message("a", "42", 20, 1), l.message("b", "43", 30, 1),
		); again != "" {
			t.Errorf("again: %s", again)
		}
		l.expect("3")
		if !slices.Equal(l.app.ends, []string{"frame in doubt"}) ||
			!l.pusher.Closed(sessionstore.Connection{ID: "a", Endpoint: lineEndpoint}) {
			t.Errorf("ended %q", l.app.ends)
		}
		if !strings.Contains(l.log.String(), "what was handled is unknown") {
			t.Errorf("the log does not say so: %s", l.log)
		}
		l.deliver(
			t.Context(), l.message("a", "44", 40, 1), l.message("c", inbound.Disconnect, 10, 2),
			l.message("nobody", "45", 1, 2),
		)
		l.expect()
		if !slices.Equal(l.app.ends, []string{"frame in doubt", "transport close"}) {
			t.Errorf("ended %q: an end that comes again is no doubt", l.app.ends)
		}
	})
}

// Frames for which there is no time are given back, and are not in doubt when they come again; if the next function
// dies over them they are.
func TestInboundGivesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLine(t)
		l.connect("a")
		batch := []events.SQSMessage{
			l.message("a", "4sleep 9s", 1, 1), l.message("a", "4sleep 8s", 2, 1), l.message("a", "4x", 3, 1),
			l.message("a", "4y", 4, 1),
		}
		limited := func() context.Context {
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			t.Cleanup(cancel)
			return ctx
		}
		if again := l.deliver(limited(), batch...); again != "m3 m4" {
			t.Errorf("again: %s", again)
		}
		l.expect("sleep 9s", "sleep 8s")
		again := slices.Clone(batch[2:])
		for i := range again {
			again[i].Attributes = map[string]string{"ApproximateReceiveCount": "2"}
		}
		again = append(again, l.message("a", "4z", 5, 1))
		conn := sessionstore.Connection{ID: "a", Endpoint: lineEndpoint}
		l.pusher.Take(conn)
		if got := l.deliver(limited(), again...); got != "" {
			t.Errorf("again: %s", got)
		}
		l.expect("x", "y", "z")
		if got := l.pusher.Take(conn); len(got) == 0 || got[0] != "2" {
			t.Errorf("pushed %q, want a ping first: there was none while the frames were hidden", got)
		}
		again[0].Attributes = map[string]string{"ApproximateReceiveCount": "3"}
		l.deliver(limited(), again[0])
		l.expect()
		if !slices.Equal(l.app.ends, []string{"frame in doubt"}) {
			t.Errorf("ended %q", l.app.ends)
		}
	})
}

// What one connection's frames take holds up no other connection of the batch.
func TestInboundNeighbours(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLine(t)
		l.connect("slow", "a", "b")
		start := time.Now()
		l.deliver(
			t.Context(), l.message("slow", "4sleep 10s", 1, 1), l.message("a", "41", 2, 1),
			l.message("b", "4sleep 1s", 3, 1),
		)
		if want := []string{"rm2", "rm3"}; !slices.Equal(l.released.receipts, want) {
			t.Errorf("taken out of the queue: %q, want %q", l.released.receipts, want)
		}
		for i, most := range []time.Duration{inbound.Patience, time.Second} {
			if d := l.released.at[i].Sub(start); d > most {
				t.Errorf("%s was taken out after %v", l.released.receipts[i], d)
			}
		}
		l.released.receipts = nil
		l.deliver(t.Context(), l.message("a", "41", 2, 1), l.message("b", "42", 3, 1))
		if len(l.released.receipts) > 0 {
			t.Errorf("taken out though nobody was slow: %q", l.released.receipts)
		}
	})
}

// A client that does not read holds its own answer for some three seconds, then its session ends. Another connection
// of the batch does not wait for it.
func TestInboundClientThatDoesNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLine(t)
		l.connect("full", "a")
		full := sessionstore.Connection{ID: "full", Endpoint: lineEndpoint}
		l.pusher.AnswerAlways(full, delivery.ErrBusy)
		start := time.Now()
		l.deliver(
			t.Context(), l.message("full", "4hello", 1, 1), l.message("full", "4again", 2, 1),
			l.message("a", "41", 3, 1),
		)
		if took := time.Since(start); took > 4*time.Second {
			t.Errorf("the batch took %v", took)
		}
		if len(l.released.receipts) == 0 || l.released.receipts[0] != "rm3" ||
			l.released.at[0].Sub(start) > inbound.Patience {
			t.Errorf("taken out of the queue: %q at %v", l.released.receipts, l.released.at)
		}
		if !l.pusher.Closed(full) {
			t.Error("the client that does not read is not cut off")
		}
	})
}

// The pong of a client waits behind a frame that takes long: meanwhile the connection counts as alive.
func TestInboundKeepsAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLine(t)
		l.connect("a")
		pingAt := func() (at time.Time) {
			for shard := range l.store.Shards() {
				for r, err := range l.store.Registrations(t.Context(), shard) {
					if err != nil {
						t.Fatal(err)
					}
					at = r.PingAt
				}
			}
			return at
		}
		before := pingAt()
		l.deliver(t.Context(), l.message("a", "4sleep 12s", 1, 1))
		if moved := pingAt().Sub(before); moved < 5*time.Second {
			t.Errorf("the next ping is due %v later", moved)
		}
	})
}

// What is no frame is left to the dead letters, and holds no frame up.
func TestInboundNoFrames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLine(t)
		l.connect("a")
		bad := l.message("a", "4bad", 1, 1)
		for name, change := range map[string]func(*events.SQSMessage){
			"no connection": func(m *events.SQSMessage) { delete(m.MessageAttributes, "connection") },
			"no time":       func(m *events.SQSMessage) { delete(m.MessageAttributes, "received") },
			"no dot":        func(m *events.SQSMessage) { m.Body = "4x" },
			"bad base64": func(m *events.SQSMessage) {
				m.Body, m.MessageAttributes["encoding"] = ".%", m.MessageAttributes["event"]
				base := "base64"
				m.MessageAttributes["encoding"] = events.SQSMessageAttribute{StringValue: &base}
			},
		} {
			m := bad
			m.MessageAttributes = map[string]events.SQSMessageAttribute{}
			for k, v := range bad.MessageAttributes {
				m.MessageAttributes[k] = v
			}
			change(&m)
			if _, err := parseFrame(&m, lineEndpoint); !errors.Is(err, errFrame) {
				t.Errorf("%s: %v", name, err)
			}
			if again := l.deliver(t.Context(), m, l.message("a", "41", 1, 1)); again != m.MessageId {
				t.Errorf("%s: again %s, want %s", name, again, m.MessageId)
			}
			l.expect("1")
		}
		m := l.message("a", "NHg=", 1, 1)
		base := "base64"
		m.MessageAttributes["encoding"] = events.SQSMessageAttribute{StringValue: &base}
		l.deliver(t.Context(), m)
		l.expect("x")
	})
}
