package dynamostore_test

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/smithy-go"

	"github.com/nonstick-io/nonstick/sessionstore"
	"github.com/nonstick-io/nonstick/sessionstore/dynamostore"
)

var (
	now   = time.Date(2050, time.March, 1, 12, 0, 0, 0, time.UTC)
	conn  = sessionstore.Connection{ID: "L0SM9cOFvHcCIhw=", Endpoint: "https://a.example.org/prod"}
	wide  = sessionstore.BufferLimits{Packets: 1000, Bytes: 4 << 20}
	lease = sessionstore.Lease{Owner: "me", Until: now.Add(10 * time.Second)}
)

func newID() sessionstore.SessionID { return sessionstore.SessionID(sessionstore.NewID()) }

func packet(text string) sessionstore.Packet {
	return sessionstore.Packet{ID: sessionstore.PacketID(sessionstore.NewID()), Frames: []string{text}}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("unexpected error: %v", err)
	}
}

// polling makes a session that has been given one of two packets, with a socket in a room and a bound candidate.
func polling(t *testing.T, s sessionstore.Store) sessionstore.Session {
	t.Helper()
	ctx, id := t.Context(), newID()
	must(
		t,
		s.Create(ctx, sessionstore.NewSession{ID: id, Transport: sessionstore.Polling, CreatedAt: now, PingAt: now}),
	)
	must(
		t,
		s.PutSocket(
			ctx,
			sessionstore.NewSocket{
				ID: "k" + sessionstore.SocketID(id), Session: id, Namespace: "/", Rooms: []sessionstore.Room{"r"},
			},
			conn, wideSocket,
		),
	)
	must(t, s.Deliver(ctx, id, []sessionstore.Packet{packet("4a"), packet("4b")}, wide))
	read := get(t, s, id)
	must(t, s.Answer(ctx, sessionstore.AnswerRequest{Read: &read, T: "t1", Give: 1}))
	must(t, s.Bind(ctx, id, sessionstore.Candidate{Conn: conn, Until: now.Add(time.Minute)}, now))
	return get(t, s, id)
}

// wideSocket are limits that no test reaches by accident.
var wideSocket = sessionstore.SocketLimits{Auth: 64 << 10, Data: 64 << 10, Rooms: 1000}

func get(t *testing.T, s sessionstore.Store, id sessionstore.SessionID) sessionstore.Session {
	t.Helper()
	v, err := s.Get(t.Context(), id, now)
	must(t, err)
	return v
}

// write is an operation of one call that changes the session.
type write struct {
	name string
	run  func(ctx context.Context, s sessionstore.Store, v sessionstore.Session) error
	// of makes the session; polling if nil.
	of func(t *testing.T, s sessionstore.Store) sessionstore.Session
}

func (w *write) session(t *testing.T, s sessionstore.Store) sessionstore.Session {
	t.Helper()
	if w.of == nil {
		return polling(t, s)
	}
	return w.of(t, s)
}

var writes = slices.Concat(outboxWrites, []write{
	{name: "Deliver", run: func(ctx context.Context, s sessionstore.Store, v sessionstore.Session) error {
		return s.Deliver(ctx, v.ID, []sessionstore.Packet{{ID: "new", Frames: []string{"4c"}}}, wide)
	}},
	{name: "Answer", run: func(ctx context.Context, s sessionstore.Store, v sessionstore.Session) error {
		return s.Answer(ctx, sessionstore.AnswerRequest{Read: &v, T: "t2", Give: 1})
	}},
	{name: "Pong", run: func(ctx context.Context, s sessionstore.Store, v sessionstore.Session) error {
		return s.Pong(ctx, v.ID, now.Add(time.Hour))
	}},
	{name: "Probe", run: func(ctx context.Context, s sessionstore.Store, v sessionstore.Session) error {
		return s.Probe(ctx, v.ID, conn)
	}},
	{name: "Upgrade", run: func(ctx context.Context, s sessionstore.Store, v sessionstore.Session) error {
		_, err := s.Upgrade(ctx, v.ID, conn, lease)
		return err
	}},
	{name: "Abort", run: func(ctx context.Context, s sessionstore.Store, v sessionstore.Session) error {
		return s.Abort(ctx, v.ID, conn)
	}},
	{name: "Close", run: func(ctx context.Context, s sessionstore.Store, v sessionstore.Session) error {
		_, err := s.Close(ctx, sessionstore.CloseRequest{Session: v.ID, Reason: "transport close", Handler: lease})
		return err
	}},
	{name: "PutPartial", run: func(ctx context.Context, s sessionstore.Store, v sessionstore.Session) error {
		return s.PutPartial(
			ctx, v.ID,
			sessionstore.Partial{
				Want: 1, Packets: []sessionstore.Packet{packet("51-")}, Deadline: now.Add(time.Minute),
			},
			now,
		)
	}},
})

// outcome is what a fault must come to.
type outcome struct {
	name    string
	fault   func(c *faulty)
	want    error // nil: success; errDoubt: in doubt
	calls   int
	changed bool
}

var errDoubt = errors.New("in doubt")

var outcomes = []outcome{
	{"throttled once", func(c *faulty) { c.next(throttled) }, nil, 2, true},
	{"throttled and unreachable", func(c *faulty) { c.next(limited, unreachable, throttled) }, nil, 4, true},
	{"throttled throughout", func(c *faulty) { c.all(throttled) }, sessionstore.ErrThrottled, 5, false},
	{"key range throttled throughout", func(c *faulty) { c.all(limited) }, sessionstore.ErrThrottled, 5, false},
	{"unreachable throughout", func(c *faulty) { c.all(unreachable) }, sessionstore.ErrUnavailable, 5, false},
	{"server error", func(c *faulty) { c.all(broken) }, errDoubt, 1, false},
	{"reset before it was applied", func(c *faulty) { c.all(reset) }, errDoubt, 1, false},
	{"applied, answer lost", func(c *faulty) { c.all(appliedUnheard) }, errDoubt, 1, true},
	{"throttled, then applied, answer lost", func(c *faulty) { c.next(throttled, appliedUnheard) }, errDoubt, 2, true},
}

func TestWritesUnderFaults(t *testing.T) {
	s, c := newFaulty(t)
	for _, w := range writes {
		for _, o := range outcomes {
			t.Run(w.name+"/"+o.name, func(t *testing.T) {
				c.next()
				before := w.session(t, s)
				o.fault(c)
				err := w.run(t.Context(), s, before)
				if n := c.made(); n != o.calls {
					t.Errorf("%d calls, want %d", n, o.calls)
				}
				checkOutcome(t, err, o.want)
				c.next()
				if changed := !reflect.DeepEqual(get(t, s, before.ID), before); changed != o.changed {
					t.Errorf("changed: %v, want %v", changed, o.changed)
				}
			})
		}
	}
}

func checkOutcome(t *testing.T, err, want error) {
	t.Helper()
	switch {
	case want == nil:
		must(t, err)
	case errors.Is(want, errDoubt):
		if !sessionstore.InDoubt(err) {
			t.Errorf("error %v, want one in doubt", err)
		}
	default:
		if !errors.Is(err, want) || sessionstore.InDoubt(err) {
			t.Errorf("error %v, want %v", err, want)
		}
	}
	var api smithy.APIError
	var op *smithy.OperationError
	if errors.As(err, &api) || errors.As(err, &op) {
		t.Errorf("an error of the SDK left the package: %v", err)
	}
}

// TestAppliedLater: what was given up may still happen, once.
func TestAppliedLater(t *testing.T) {
	s, c := newFaulty(t)
	for _, w := range writes {
		t.Run(w.name, func(t *testing.T) {
			before := w.session(t, s)
			c.next(c.appliedLater)
			checkOutcome(t, w.run(t.Context(), s, before), errDoubt)
			if got := get(t, s, before.ID); !reflect.DeepEqual(got, before) {
				t.Errorf("applied already: %+v", got)
			}
			c.runLater(t)
			if got := get(t, s, before.ID); reflect.DeepEqual(got, before) {
				t.Error("never applied")
			}
		})
	}
}

// TestPartlyWritten: once something of an operation is written, no error of the rest is certain.
func TestPartlyWritten(t *testing.T) {
	socket := func(v sessionstore.Session) sessionstore.NewSocket {
		return sessionstore.NewSocket{ID: v.Sockets[0].ID + "2", Session: v.ID, Namespace: "/other"}
	}
	multi := []write{
		{name: "Create", run: func(ctx context.Context, s sessionstore.Store, _ sessionstore.Session) error {
			return s.Create(ctx, sessionstore.NewSession{ID: newID(), Transport: sessionstore.Polling})
		}},
		{name: "PutSocket", run: func(ctx context.Context, s sessionstore.Store, v sessionstore.Session) error {
			return s.PutSocket(ctx, socket(v), conn, wideSocket)
		}},
		{name: "SetData", run: func(ctx context.Context, s sessionstore.Store, v sessionstore.Session) error {
			return s.SetData(ctx, v.Sockets[0], "k", "1", wideSocket)
		}},
		{name: "SwapData", run: func(ctx context.Context, s sessionstore.Store, v sessionstore.Session) error {
			return s.SwapData(ctx, v.Sockets[0], "k", "", "1", wideSocket)
		}},
		{name: "RemoveSocket", run: func(ctx context.Context, s sessionstore.Store, v sessionstore.Session) error {
			_, err := s.RemoveSocket(ctx, v.Sockets[0])
			return err
		}},
		{name: "Join", run: func(ctx context.Context, s sessionstore.Store, v sessionstore.Session) error {
			return s.Join(ctx, v.Sockets[0], "r2", conn, wideSocket)
		}},
		{name: "Leave", run: func(ctx context.Context, s sessionstore.Store, v sessionstore.Session) error {
			return s.Leave(ctx, v.Sockets[0], "r")
		}},
	}
	s, c := newFaulty(t)
	for _, w := range multi {
		t.Run(w.name, func(t *testing.T) {
			c.next()
			before := polling(t, s)
			c.all(throttled)
			checkOutcome(t, w.run(t.Context(), s, before), sessionstore.ErrThrottled)
			c.next(
				nil, throttled, throttled, throttled, throttled, throttled, throttled, throttled, throttled,
				throttled, throttled,
			)
			checkOutcome(t, w.run(t.Context(), s, before), errDoubt)
		})
	}
}

// TestBodyInDoubt: without the append there is no delivery, whatever happened to the body.
func TestBodyInDoubt(t *testing.T) {
	s, c := newFaulty(t)
	v := polling(t, s)
	large := []sessionstore.Packet{packet("4" + strings.Repeat("x", 700<<10))}
	for _, f := range []fault{reset, broken, appliedUnheard, c.appliedLater} {
		c.next(f)
		checkOutcome(t, s.Deliver(t.Context(), v.ID, large, wide), sessionstore.ErrUnavailable)
	}
	c.next(nil, appliedUnheard)
	checkOutcome(t, s.Deliver(t.Context(), v.ID, large, wide), errDoubt)
	c.runLater(t)
	if got := get(t, s, v.ID); len(got.Buffer) != 3 || got.Buffer[2].ID != large[0].ID {
		t.Errorf("buffer: %d packets", len(got.Buffer))
	}
}

func TestReadsUnderFaults(t *testing.T) {
	s, c := newFaulty(t)
	v := polling(t, s)
	for _, f := range []fault{throttled, unreachable, broken, reset} {
		c.next(f, f, f, f)
		if got := get(t, s, v.ID); !reflect.DeepEqual(got, v) {
			t.Errorf("read: %+v", got)
		}
		c.next(f, f)
		for m, err := range s.Members(t.Context(), "/", "none", sessionstore.Range{}) {
			t.Errorf("%v %v", m, err)
		}
		c.all(f)
		if _, err := s.Get(
			t.Context(), v.ID, now,
		); err == nil || errors.Is(err, sessionstore.ErrNotFound) ||
			c.made() != 5 {
			t.Errorf("error %v after %d calls", err, c.made())
		}
	}
}

// TestCancelledInFlight: a write whose context ends while it is under way is in doubt, and says why.
func TestCancelledInFlight(t *testing.T) {
	s, c := newFaulty(t)
	v := polling(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	c.next(func(apply func() error) error {
		err := apply()
		cancel()
		return errors.Join(err, wrap(&smithy.CanceledError{Err: ctx.Err()}))
	})
	err := s.Pong(ctx, v.ID, now)
	checkOutcome(t, err, errDoubt)
	if !errors.Is(err, context.Canceled) || c.made() != 1 {
		t.Errorf("error %v after %d calls", err, c.made())
	}

	ctx, cancel = context.WithCancel(t.Context())
	c.next(func(apply func() error) error {
		cancel()
		return throttled(apply)
	})
	checkOutcome(t, s.Pong(ctx, v.ID, now), sessionstore.ErrThrottled)
	if c.made() != 1 {
		t.Errorf("%d calls, want no repeat after the context's end", c.made())
	}
}

// TestNobodyListens is about a real refusal by the system.
func TestNobodyListens(t *testing.T) {
	client := dynamostore.NewClient(dynamostore.ClientOptions{
		Region: "eu-central-1", Endpoint: "http://127.0.0.1:1",
		Credentials: dynamostore.Credentials{AccessKeyID: "a", SecretAccessKey: "b"},
	})
	s := dynamostore.New(client, dynamostore.Options{Table: table})
	checkOutcome(t, s.Pong(t.Context(), "x", now), sessionstore.ErrUnavailable)
	_, err := s.Get(t.Context(), "x", now)
	checkOutcome(t, err, sessionstore.ErrUnavailable)
	checkOutcome(t, dynamostore.CreateTable(t.Context(), client, table), sessionstore.ErrUnavailable)
}
