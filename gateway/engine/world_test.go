package engine_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/gateway/engine"
	"github.com/nonstick-io/nonstick/internal/engineio"
	"github.com/nonstick-io/nonstick/internal/pushtest"
	"github.com/nonstick-io/nonstick/sessionstore"
	"github.com/nonstick-io/nonstick/sessionstore/memstore"
)

// errNoAnswer is an error in doubt.
var errNoAnswer = errors.New("no answer")

// fault is what a call is answered with, and whether it was done all the same.
type fault struct {
	err  error
	done bool
}

// faultyStore is a store whose next calls fail as told, and which can call back before a call.
type faultyStore struct {
	sessionstore.Store

	mu     sync.Mutex
	faults map[sessionstore.Op][]fault
	before map[sessionstore.Op]func()
	stalls time.Time // walks of the registry wait from here on
	until  time.Time
}

// stall lets walks of the registry stand still for d, some time from now.
func (s *faultyStore) stall(after, d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stalls = time.Now().Add(after)
	s.until = s.stalls.Add(d)
}

func (s *faultyStore) Registrations(ctx context.Context, shard int) iter.Seq2[sessionstore.Registration, error] {
	s.mu.Lock()
	wait := time.Until(s.until)
	if time.Now().Before(s.stalls) {
		wait = 0
	}
	s.mu.Unlock()
	time.Sleep(max(wait, 0))
	return s.Store.Registrations(ctx, shard)
}

// wakingStore can tell of changes; a faultyStore alone cannot.
type wakingStore struct {
	*faultyStore
	sessionstore.Waker
}

// beforeNext has the next call of an operation call back first.
func (s *faultyStore) beforeNext(op sessionstore.Op, f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.before[op] = f
}

func (s *faultyStore) fail(op sessionstore.Op, call func() error) error {
	s.mu.Lock()
	before := s.before[op]
	delete(s.before, op)
	var f *fault
	if len(s.faults[op]) > 0 {
		f, s.faults[op] = &s.faults[op][0], s.faults[op][1:]
	}
	s.mu.Unlock()
	if before != nil {
		before()
	}
	if f == nil {
		return call()
	}
	if f.done {
		_ = call() // its answer is lost
	}
	return f.err
}

func (s *faultyStore) Get(
	ctx context.Context, id sessionstore.SessionID, now time.Time,
) (k sessionstore.Session, err error) {
	err = s.fail(sessionstore.OpGet, func() error { k, err = s.Store.Get(ctx, id, now); return err })
	return k, err
}

func (s *faultyStore) Connection(
	ctx context.Context, conn sessionstore.Connection,
) (k sessionstore.ConnectionRow, err error) {
	err = s.fail(sessionstore.OpConnection, func() error { k, err = s.Store.Connection(ctx, conn); return err })
	return k, err
}

func (s *faultyStore) Close(ctx context.Context, r sessionstore.CloseRequest) (k sessionstore.Session, err error) {
	err = s.fail(sessionstore.OpClose, func() error { k, err = s.Store.Close(ctx, r); return err })
	return k, err
}

func (s *faultyStore) Answer(ctx context.Context, r sessionstore.AnswerRequest) error {
	return s.fail(sessionstore.OpAnswer, func() error { return s.Store.Answer(ctx, r) })
}

func (s *faultyStore) Park(ctx context.Context, r sessionstore.ParkRequest) error {
	return s.fail(sessionstore.OpPark, func() error { return s.Store.Park(ctx, r) })
}

func (s *faultyStore) Upgrade(
	ctx context.Context, id sessionstore.SessionID, c sessionstore.Connection, l sessionstore.Lease,
) (k sessionstore.Session, err error) {
	err = s.fail(sessionstore.OpUpgrade, func() error { k, err = s.Store.Upgrade(ctx, id, c, l); return err })
	return k, err
}

func (s *faultyStore) Release(ctx context.Context, id sessionstore.SessionID, o sessionstore.Owner, n int) error {
	return s.fail(sessionstore.OpRelease, func() error { return s.Store.Release(ctx, id, o, n) })
}

func (s *faultyStore) Probe(ctx context.Context, id sessionstore.SessionID, c sessionstore.Connection) error {
	return s.fail(sessionstore.OpProbe, func() error { return s.Store.Probe(ctx, id, c) })
}

func (s *faultyStore) Update(ctx context.Context, r sessionstore.Registration) error {
	return s.fail(sessionstore.OpUpdate, func() error { return s.Store.Update(ctx, r) })
}

func (s *faultyStore) Finish(ctx context.Context, id sessionstore.SessionID, o sessionstore.Owner, at time.Time) error {
	return s.fail(sessionstore.OpFinish, func() error { return s.Store.Finish(ctx, id, o, at) })
}

func (s *faultyStore) Beat(ctx context.Context, id sessionstore.SessionID, at time.Time) error {
	return s.fail(sessionstore.OpBeat, func() error { return s.Store.Beat(ctx, id, at) })
}

// app is the application: it does what its messages say, and remembers them and the sessions that closed.
type app struct {
	mu       sync.Mutex
	messages []string
	closed   []string // reasons
	closeErr []error  // what the next calls of Closed return
}

func (a *app) Message(ctx context.Context, inv *engine.Invocation, p engineio.Packet) error {
	a.mu.Lock()
	a.messages = append(a.messages, p.Encode())
	a.mu.Unlock()
	verb, rest, _ := strings.Cut(p.Data, " ")
	switch verb {
	case "reply":
		return inv.Reply(ctx, "4"+rest)
	case "send":
		return inv.Send(ctx, "4"+rest)
	case "close":
		inv.Close(rest)
		return nil
	case "refuse":
		return &engine.CloseError{Reason: rest}
	case "fail":
		return errors.New("failed")
	case "panic":
		panic("bug")
	default:
		return nil
	}
}

// seen returns the messages so far, told the reasons of sessions that closed.
func (a *app) seen() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.messages)
}

func (a *app) told() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.closed)
}

func (a *app) Done(context.Context, *engine.Invocation) error { return nil }

func (a *app) Closed(_ context.Context, s sessionstore.Session) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.closeErr) > 0 {
		err := a.closeErr[0]
		a.closeErr = a.closeErr[1:]
		return err
	}
	a.closed = append(a.closed, s.Reason)
	return nil
}

// world is an engine over a store in memory.
type world struct {
	t       *testing.T
	store   *faultyStore
	meter   *sessionstore.Meter
	pusher  *pushtest.Pusher
	app     *app
	engine  *engine.Engine
	options engine.Options
	n       int
}

// inWorld runs a test in a bubble of its own time.
func inWorld(t *testing.T, o engine.Options, f func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, meter: &sessionstore.Meter{}, pusher: pushtest.New(), app: &app{}, options: o}
		w.store = &faultyStore{
			Store:  memstore.New(memstore.Options{Meter: w.meter}),
			faults: map[sessionstore.Op][]fault{}, before: map[sessionstore.Op]func(){},
		}
		w.engine = w.instance(true)
		f(t, w)
	})
}

// instance returns one more engine over the same store, which tells it of changes or does not.
func (w *world) instance(waking bool) *engine.Engine {
	var store sessionstore.Store = w.store
	if waking {
		store = wakingStore{w.store, w.store.Store.(sessionstore.Waker)}
	}
	return engine.New(engine.Config{Store: store, Pusher: w.pusher, Handler: w.app, Options: w.options})
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func sidOf(t testing.TB, frame string) sessionstore.SessionID {
	t.Helper()
	var h struct{ SID string }
	if len(frame) == 0 || frame[0] != '0' || json.Unmarshal([]byte(frame[1:]), &h) != nil {
		t.Fatalf("open packet %q", frame)
	}
	return sessionstore.SessionID(h.SID)
}

// polling begins a session on polling.
func (w *world) polling() sessionstore.SessionID {
	w.t.Helper()
	frame, err := w.engine.Handshake(w.t.Context(), sessionstore.Handshake{})
	w.must(err)
	return sidOf(w.t, frame)
}

func (w *world) connection() sessionstore.Connection {
	w.n++
	return sessionstore.Connection{ID: fmt.Sprint("c", w.n), Endpoint: "http://127.0.0.1"}
}

// webSocket begins a session on WebSocket.
func (w *world) webSocket() (sessionstore.SessionID, sessionstore.Connection) {
	w.t.Helper()
	conn := w.connection()
	step, err := w.engine.Connect(w.t.Context(), conn, sessionstore.Handshake{})
	w.must(err)
	w.must(w.engine.Run(w.t.Context(), step))
	return sidOf(w.t, w.pushed(conn)), conn
}

// bind offers a WebSocket to a session.
func (w *world) bind(id sessionstore.SessionID) sessionstore.Connection {
	w.t.Helper()
	conn := w.connection()
	step, err := w.engine.Bind(w.t.Context(), conn, id)
	if err != nil || step.Kind != engine.StepNone {
		w.t.Fatalf("bind: %+v, %v", step, err)
	}
	return conn
}

// message sends a frame by WebSocket and returns the reply.
func (w *world) message(conn sessionstore.Connection, frame string) string {
	w.t.Helper()
	reply, err := w.engine.Message(w.t.Context(), conn, frame)
	if err != nil {
		w.t.Errorf("message %q: %v", frame, err)
	}
	return reply
}

// upgraded moves a session to a new WebSocket.
func (w *world) upgraded(id sessionstore.SessionID) sessionstore.Connection {
	w.t.Helper()
	conn := w.bind(id)
	if reply := w.message(conn, "2probe"); reply != "3probe" {
		w.t.Fatalf("answer to the probe: %q", reply)
	}
	w.message(conn, "5")
	return conn
}

// deliver emits a packet to a session, wherever it is.
func (w *world) deliver(id sessionstore.SessionID, frames ...string) {
	w.t.Helper()
	w.n++
	p := sessionstore.Packet{ID: sessionstore.PacketID(fmt.Sprint("p", w.n)), Frames: frames}
	if _, err := w.engine.Delivery().
		Deliver(w.t.Context(), delivery.Target{Session: id}, []sessionstore.Packet{p}); err != nil {
		w.t.Fatalf("deliver %q: %v", frames, err)
	}
}

func (w *world) pushed(conn sessionstore.Connection) string {
	return strings.Join(w.pusher.Take(conn), " ")
}

// readable shows a payload with its separators as spaces.
func readable(payload string) string { return strings.ReplaceAll(payload, "\x1e", " ") }

// stamp makes of a short name a t as the official client sends it. Other values of t stay as they are.
func stamp(t string) string {
	if len(t) == 2 {
		return "PggDzUx." + t
	}
	return t
}

// get is one GET that must succeed.
func (w *world) get(id sessionstore.SessionID, t string) string {
	w.t.Helper()
	body, err := w.engine.Poll(w.t.Context(), id, stamp(t))
	if err != nil {
		w.t.Errorf("GET %s: %v", t, err)
	}
	return readable(body)
}

// answer is what a GET that was parked came back with.
type answer struct {
	body  string
	err   error
	after time.Duration
}

// park sends a GET and returns when it waits. The answer comes by the channel.
func (w *world) park(id sessionstore.SessionID, t string) <-chan answer {
	return w.parkAt(w.t.Context(), w.engine, id, t)
}

func (w *world) parkAt(ctx context.Context, e *engine.Engine, id sessionstore.SessionID, t string) <-chan answer {
	w.t.Helper()
	start := time.Now()
	c := make(chan answer, 1)
	go func() {
		body, err := e.Poll(ctx, id, stamp(t))
		c <- answer{readable(body), err, time.Since(start)}
	}()
	synctest.Wait()
	return c
}

// expectState fails the test unless the session is open (no reason) or closed for the reason, in the store
// and for the application.
func (w *world) expectState(id sessionstore.SessionID, reason string) {
	w.t.Helper()
	s := w.session(id)
	want := sessionstore.Open
	var told []string
	if reason != "" {
		want, told = sessionstore.Closed, []string{reason}
	}
	if s.State != want || s.Reason != reason {
		w.t.Errorf("session is %s for %q, want %s for %q", s.State, s.Reason, want, reason)
	}
	if fmt.Sprint(w.app.told()) != fmt.Sprint(told) {
		w.t.Errorf("the application was told of %q, want %q", w.app.told(), told)
	}
}

func (w *world) session(id sessionstore.SessionID) sessionstore.Session {
	w.t.Helper()
	s, err := w.store.Store.Get(context.Background(), id, time.Now())
	w.must(err)
	return s
}

// sweeping runs the sweeper beside f.
func (w *world) sweeping(f func()) {
	w.t.Helper()
	ctx, cancel := context.WithCancel(w.t.Context())
	done := make(chan error, 1)
	go func() { done <- w.engine.Sweep(ctx) }()
	f()
	cancel()
	w.must(<-done)
}

// sweepingAs runs a sweeper of that name beside f.
func (w *world) sweepingAs(name sessionstore.Owner, f func()) {
	w.t.Helper()
	ctx, cancel := context.WithCancel(w.t.Context())
	done := make(chan error, 1)
	go func() { done <- w.engine.SweepAs(ctx, name, engine.Part{}) }()
	f()
	cancel()
	w.must(<-done)
}
