package apigw_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/nonstick-io/nonstick/gateway/apigw"
	"github.com/nonstick-io/nonstick/gateway/engine"
	"github.com/nonstick-io/nonstick/internal/engineio"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// endpoint is the management API of the handlers under test.
const endpoint = "https://api.execute-api.eu-west-1.amazonaws.com/prod"

// fakeGateway is a gateway with sessions in a map: what was posted is what a poll returns.
type fakeGateway struct {
	sessions    map[sessionstore.SessionID]*fakeSession
	connections map[sessionstore.Connection]sessionstore.SessionID
	handshake   sessionstore.Handshake
	ran         []engine.Step
	err         error // what every call fails with
	panics      bool
	hooks       engine.RequestHooks
	from        engine.Client
	panicked    []string // hooks
	details     sessionstore.Details
}

type fakeSession struct {
	posted string
	failed string // the reason
	polled string // the last t
}

func newFake() *fakeGateway {
	return &fakeGateway{
		sessions:    map[sessionstore.SessionID]*fakeSession{"SESSION": {}},
		connections: map[sessionstore.Connection]sessionstore.SessionID{},
	}
}

func (f *fakeGateway) trouble() error {
	if f.panics {
		panic("bug")
	}
	return f.err
}

func (f *fakeGateway) session(sid sessionstore.SessionID) (*fakeSession, error) {
	if err := f.trouble(); err != nil {
		return nil, err
	}
	if s, ok := f.sessions[sid]; ok && s.failed == "" {
		return s, nil
	}
	return nil, engineio.ErrUnknownSession
}

func (f *fakeGateway) Handshake(_ context.Context, h sessionstore.Handshake) (string, error) {
	f.handshake = h
	f.sessions["NEW"] = &fakeSession{}
	return `0{"sid":"NEW"}`, f.trouble()
}

func (f *fakeGateway) PollAs(
	_ context.Context, sid sessionstore.SessionID, t string, from engine.Client,
) (string, error) {
	s, err := f.session(sid)
	if err != nil {
		return "", err
	}
	s.polled, f.from = t, from
	return s.posted, nil
}

func (f *fakeGateway) PostAs(
	_ context.Context, sid sessionstore.SessionID, body string, from engine.Client,
) error {
	f.from = from
	s, err := f.session(sid)
	if err == nil {
		s.posted = body
	}
	return err
}

func (f *fakeGateway) Known(_ context.Context, sid sessionstore.SessionID, on engineio.Transport) error {
	if _, err := f.session(sid); err != nil {
		return err
	}
	if on != engineio.Polling {
		return engineio.ErrBadRequest
	}
	return nil
}

func (f *fakeGateway) FailFor(_ context.Context, sid sessionstore.SessionID, reason, _ string) error {
	s, err := f.session(sid)
	if err == nil {
		s.failed = reason
	}
	return err
}

func (f *fakeGateway) Connect(
	_ context.Context, conn sessionstore.Connection, h sessionstore.Handshake,
) (engine.Step, error) {
	f.handshake = h
	f.connections[conn] = "NEW"
	return engine.Step{Kind: engine.StepOpen, Conn: conn, Session: "NEW"}, f.trouble()
}

func (f *fakeGateway) BindAs(
	_ context.Context, conn sessionstore.Connection, sid sessionstore.SessionID, from engine.Client,
) (engine.Step, error) {
	f.from = from
	if _, err := f.session(sid); err != nil {
		return engine.Step{}, err
	}
	for _, bound := range f.connections {
		if bound == sid {
			return engine.Step{Kind: engine.StepClose, Conn: conn}, nil
		}
	}
	f.connections[conn] = sid
	return engine.Step{}, nil
}

func (f *fakeGateway) Run(_ context.Context, step engine.Step) error {
	f.ran = append(f.ran, step)
	return f.trouble()
}

func (f *fakeGateway) Message(_ context.Context, conn sessionstore.Connection, frame string) (string, error) {
	if err := f.trouble(); err != nil {
		return "", err
	}
	if f.connections[conn] == "" {
		return "", engineio.ErrUnknownSession
	}
	return frame, nil
}

func (f *fakeGateway) DisconnectFor(
	_ context.Context, conn sessionstore.Connection, details sessionstore.Details,
) error {
	f.details = details
	delete(f.connections, conn)
	return f.trouble()
}

func (f *fakeGateway) Requests() *engine.RequestHooks { return &f.hooks }

func (f *fakeGateway) Guard(_ context.Context, name string, hook func()) {
	defer func() {
		if recover() != nil {
			f.panicked = append(f.panicked, name)
		}
	}()
	hook()
}

// fakeQueue keeps the steps.
type fakeQueue struct {
	steps []engine.Step
	err   error
}

func (q *fakeQueue) Enqueue(_ context.Context, step engine.Step) error {
	q.steps = append(q.steps, step)
	return q.err
}

// handler returns a handler for the fakes; change may alter its configuration.
func handler(g *fakeGateway, q *fakeQueue, change func(*apigw.Config)) *apigw.Handler {
	c := apigw.Config{Gateway: g, Queue: q, Endpoint: endpoint}
	if change != nil {
		change(&c)
	}
	return apigw.New(c)
}

// fixture reads an event.
func fixture[T any](t *testing.T, name string) T {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	var e T
	if err := json.Unmarshal(b, &e); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return e
}
