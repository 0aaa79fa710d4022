package nonsticktest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/nonstick-io/nonstick"
	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/sessionstore"
	"github.com/nonstick-io/nonstick/sessionstore/memstore"
)

// patience is how long a client waits for what it expects.
const patience = 5 * time.Second

// quiet is how long a client waits for what it does not expect.
const quiet = 50 * time.Millisecond

// Server is an application that is tested.
type Server struct {
	t   testing.TB
	io  *nonstick.Server
	log *log

	parser nonstick.Parser

	mu      sync.Mutex
	clients map[string]*Client // by the id of their connection
}

// Options refine [NewWith]. Zero fields mean the defaults.
type Options struct {
	// Parser is that of the server and of all clients; default [nonstick.JSON].
	Parser nonstick.Parser
}

// New returns a server with the handlers that register sets. What the server logs is shown if the test fails.
func New(t testing.TB, register func(*nonstick.Server)) *Server {
	t.Helper()
	return NewWith(t, Options{}, register)
}

// NewWith is [New] with options: those that the program is served with where it matters to its handlers.
func NewWith(t testing.TB, o Options, register func(*nonstick.Server)) *Server {
	t.Helper()
	if o.Parser == nil {
		o.Parser = nonstick.JSON
	}
	s := &Server{t: t, log: &log{}, parser: o.Parser, clients: make(map[string]*Client)}
	s.io = nonstick.New(nonstick.Config{
		Store: memstore.New(memstore.Options{}), Pusher: pusher{s}, Parser: o.Parser,
		Logger: slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	register(s.io)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("log of the server:\n%s", s.log.String())
		}
	})
	return s
}

// IO returns the server that the handlers are registered on, to emit from outside of a handler.
func (s *Server) IO() *nonstick.Server { return s.io }

// Log returns what the server has logged.
func (s *Server) Log() string { return s.log.String() }

// Connect connects a client to the main namespace with auth, which is encoded by encoding/json; nil means none. The
// test fails if the client is refused.
func (s *Server) Connect(auth any) *Client {
	s.t.Helper()
	return s.ConnectTo("/", auth)
}

// ConnectTo connects a client to a namespace. The test fails if the client is refused.
func (s *Server) ConnectTo(namespace string, auth any) *Client {
	s.t.Helper()
	c, err := s.TryConnect(namespace, auth)
	if err != nil {
		s.t.Fatalf("nonsticktest: connect to %s: %v", namespace, err)
	}
	return c
}

// TryConnect connects a client to a namespace. The error is a [*nonstick.Error] if the client is refused: what its
// connect_error handler would see, with Data as json.RawMessage.
func (s *Server) TryConnect(namespace string, auth any) (*Client, error) {
	s.t.Helper()
	c := s.client(namespace)
	if err := c.open(); err != nil {
		return nil, err
	}
	var data json.RawMessage
	if auth != nil {
		b, err := json.Marshal(auth)
		if err != nil {
			return nil, fmt.Errorf("nonsticktest: encode auth: %w", err)
		}
		data = b
	}
	c.auth = data
	return c, c.join(data)
}

func (s *Server) client(namespace string) *Client {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := &Client{
		server: s, nsp: namespace, news: make(chan struct{}, 1),
		conn:   sessionstore.Connection{ID: fmt.Sprintf("client-%d", len(s.clients)+1), Endpoint: "http://127.0.0.1"},
		acks:   make(map[uint64]chan nonstick.Args),
		answer: make(map[string]func(nonstick.Args) any),
	}
	s.clients[c.conn.ID] = c
	return c
}

// reconnect gives a client another connection.
func (s *Server) reconnect(c *Client) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.conn.ID = fmt.Sprintf("client-%d", len(s.clients)+1)
	s.clients[c.conn.ID] = c
}

// pusher hands frames to the clients of a server.
type pusher struct{ server *Server }

var _ delivery.GroupPusher = pusher{}

func (p pusher) of(conn sessionstore.Connection) *Client {
	p.server.mu.Lock()
	defer p.server.mu.Unlock()
	return p.server.clients[conn.ID]
}

// Push implements [delivery.Pusher].
func (p pusher) Push(ctx context.Context, conn sessionstore.Connection, frame string) error {
	return p.PushGroup(ctx, conn, []string{frame})
}

// PushGroup implements [delivery.GroupPusher].
func (p pusher) PushGroup(_ context.Context, conn sessionstore.Connection, frames []string) error {
	c := p.of(conn)
	if c == nil || !c.take(frames) {
		return delivery.ErrGone
	}
	return nil
}

// Close implements [delivery.Pusher].
func (p pusher) Close(_ context.Context, conn sessionstore.Connection) error {
	c := p.of(conn)
	if c == nil || !c.cut() {
		return delivery.ErrGone
	}
	return nil
}

// log is a buffer that several goroutines write to.
type log struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
