package nonsticktest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nonstick-io/nonstick"
	"github.com/nonstick-io/nonstick/nonsticktest"
)

// register is an application with a little of everything.
func register(io *nonstick.Server) {
	io.AllowAttachments()
	io.OnConnect(func(ctx context.Context, s *nonstick.Socket) error {
		auth, err := nonstick.Auth[struct{ Name string }](ctx, s)
		if err != nil {
			return err
		}
		if auth.Name == "" {
			return &nonstick.Error{Message: "no name", Data: 7}
		}
		return errors.Join(s.SetData(ctx, "name", auth.Name), s.Join(ctx, "lobby"), s.Emit(ctx, "welcome", auth.Name))
	})
	io.OnDisconnect(func(ctx context.Context, s *nonstick.Socket, reason nonstick.Reason) error {
		return s.To("lobby").Emit(ctx, "left", s.ID(), reason)
	})
	nonstick.OnAck(io, "say", func(ctx context.Context, _ *nonstick.Socket, text string) (int, error) {
		return len(text), io.To("lobby").Emit(ctx, "said", text)
	})
	nonstick.On(io, "draw", func(ctx context.Context, s *nonstick.Socket, b nonstick.Binary) error {
		return s.Broadcast().Emit(ctx, "drawn", b, len(b))
	})
	nonstick.OnAck(io, "ask", func(ctx context.Context, _ *nonstick.Socket, id string) (string, error) {
		other, err := io.Socket(ctx, id)
		if err != nil {
			return "", err
		}
		return nonstick.EmitWithAck[string](ctx, other, "question", "why?")
	})
	nonstick.On(io, "bye", func(ctx context.Context, s *nonstick.Socket, _ nonstick.Args) error {
		return s.Disconnect(ctx, false)
	})
	io.Of("/open")
}

// parsers are those that clients and server may have.
var parsers = []nonstick.Parser{nonstick.JSON, nonstick.MsgPack}

type named struct {
	Name string `json:"name"`
}

func TestClients(t *testing.T) {
	for _, parser := range parsers {
		t.Run(parser.String(), func(t *testing.T) { testClients(t, nonsticktest.Options{Parser: parser}) })
	}
}

func testClients(t *testing.T, o nonsticktest.Options) {
	t.Helper()
	io := nonsticktest.NewWith(t, o, register)
	ann, bob := io.Connect(named{"Ann"}), io.Connect(named{"Bob"})
	if ann.ID() == "" || ann.ID() == bob.ID() {
		t.Errorf("ids %q and %q", ann.ID(), bob.ID())
	}
	for _, c := range []*nonsticktest.Client{ann, bob} {
		nonsticktest.Next[string](c, "welcome")
	}
	if n := nonsticktest.Ask[int](ann, "say", "hello"); n != 5 {
		t.Errorf("acknowledged with %d", n)
	}
	for _, c := range []*nonsticktest.Client{ann, bob} {
		if text := nonsticktest.Next[string](c, "said"); text != "hello" {
			t.Errorf("said %q", text)
		}
	}
	ann.Emit("draw", nonstick.Binary("ink"))
	if drawn := nonsticktest.Next[nonstick.Args2[[]byte, int]](
		bob, "drawn",
	); string(drawn.First) != "ink" ||
		drawn.Second != 3 {
		t.Errorf("drawn %q", drawn.First)
	}
	ann.Nothing()
	bob.Answer("question", func(args nonstick.Args) any { return "because of " + string(args.JSON) })
	if answer := nonsticktest.Ask[string](ann, "ask", bob.ID()); answer != `because of ["why?"]` {
		t.Errorf("answered %q", answer)
	}
	bob.Next("question")
	if err := io.IO().To(bob.ID()).Emit(t.Context(), "news", 1); err != nil {
		t.Error(err)
	}
	bob.Next("news")
	bob.Drop()
	if left := nonsticktest.Next[nonstick.Args2[string, nonstick.Reason]](ann, "left"); left.First != bob.ID() ||
		left.Second != nonstick.ReasonTransportClose {
		t.Errorf("left %+v", left)
	}
	if !ann.Connected() || bob.Connected() {
		t.Errorf("connected: %t, %t", ann.Connected(), bob.Connected())
	}
	ann.Emit("bye")
	if ann.Connected() {
		t.Error("ann is connected after the server has disconnected her")
	}
	cat := io.Connect(named{"Cat"})
	cat.Disconnect()
	open := io.ConnectTo("/open", nil)
	if !open.Connected() || cat.Connected() {
		t.Errorf("connected: %t, %t", open.Connected(), cat.Connected())
	}
}

func TestRefused(t *testing.T) {
	io := nonsticktest.New(t, register)
	_, err := io.TryConnect("/", nil)
	if told, ok := errors.AsType[*nonstick.Error](err); !ok || told.Message != "no name" ||
		string(told.Data.(json.RawMessage)) != "7" {
		t.Errorf("%v", err)
	}
	if _, err := io.TryConnect("/other", nil); err == nil || err.Error() != "Invalid namespace" {
		t.Errorf("%v", err)
	}
}

// failing is a test that is to fail.
type failing struct {
	testing.TB
	said []string
}

type failed struct{}

func (f *failing) Fatalf(format string, args ...any) {
	f.said = append(f.said, fmt.Sprintf(format, args...))
	panic(failed{})
}

func (f *failing) Helper() {}

// What a test expects and does not happen fails it, with what happened instead.
func TestFailures(t *testing.T) {
	for _, tt := range []struct {
		name, want string
		do         func(io *nonsticktest.Server, c *nonsticktest.Client)
	}{
		{
			"another event", `event "welcome"["Ann"] came, want "said"`,
			func(_ *nonsticktest.Server, c *nonsticktest.Client) { c.Next("said") },
		},
		{
			"an event that should not be", `event "welcome"["Ann"] came, want none`,
			func(_ *nonsticktest.Server, c *nonsticktest.Client) { c.Nothing() },
		},
		{"refused", "connect to /: no name", func(io *nonsticktest.Server, _ *nonsticktest.Client) { io.Connect(nil) }},
		{
			"another type", `event "welcome": nonstick: invalid arguments`,
			func(_ *nonsticktest.Server, c *nonsticktest.Client) { nonsticktest.Next[int](c, "welcome") },
		},
		{
			"what cannot be encoded", `emit "say"`,
			func(_ *nonsticktest.Server, c *nonsticktest.Client) { c.Emit("say", func() {}) },
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := &failing{TB: t}
			io := nonsticktest.New(f, register)
			c := io.Connect(named{"Ann"})
			func() {
				defer func() {
					if r := recover(); r != (failed{}) {
						t.Errorf("the test did not fail: %v", r)
					}
				}()
				tt.do(io, c)
			}()
			if len(f.said) != 1 || !strings.Contains(f.said[0], tt.want) {
				t.Errorf("said %q, want %q", f.said, tt.want)
			}
		})
	}
}

// A client that was cut off comes back as the socket that it was, with what it missed; one that left is new.
func TestComeBack(t *testing.T) {
	for _, parser := range parsers {
		t.Run(parser.String(), func(t *testing.T) { testComeBack(t, nonsticktest.Options{Parser: parser}) })
	}
}

func testComeBack(t *testing.T, o nonsticktest.Options) {
	t.Helper()
	s := nonsticktest.NewWith(t, o, func(io *nonstick.Server) {
		io.ConnectionStateRecovery(nonstick.ConnectionStateRecovery{MaxDisconnectionDuration: time.Minute})
		io.OnConnect(func(ctx context.Context, k *nonstick.Socket) error { return k.Join(ctx, "room") })
	})
	c := s.Connect(map[string]string{"token": "t"})
	id := c.ID()
	for round := range 2 {
		c.Drop()
		for range 2 {
			if err := s.IO().To("room").Emit(t.Context(), "news", "a", round); err != nil {
				t.Error(err)
			}
		}
		if !c.ComeBack() || c.ID() != id || !c.Connected() {
			t.Fatalf("came back as %q, connected: %v; was %q", c.ID(), c.Connected(), id)
		}
		for range 2 {
			if got, want := string(c.Next("news").JSON), fmt.Sprintf(`["a",%d]`, round); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		}
		c.Nothing()
	}
	c.Disconnect()
	c.Drop()
	if c.ComeBack() || c.ID() == id {
		t.Error("recovered after it had left")
	}
	if err := s.IO().To("room").Emit(t.Context(), "news"); err != nil {
		t.Error(err)
	}
	if got := string(c.Next("news").JSON); got != "[]" {
		t.Errorf("got %s", got)
	}
}

// The answer to a question is what the client answered: what looks like an attachment, and as much binary data as its
// parser takes.
func TestAnswers(t *testing.T) {
	for _, parser := range parsers {
		t.Run(parser.String(), func(t *testing.T) {
			s := nonsticktest.NewWith(t, nonsticktest.Options{Parser: parser}, func(io *nonstick.Server) {
				io.AllowAttachments()
				type args = nonstick.Args
				nonstick.OnAck(io, "ask", func(ctx context.Context, _ *nonstick.Socket, id string) (args, error) {
					other, err := io.Socket(ctx, id)
					if err != nil {
						return args{}, err
					}
					return nonstick.EmitWithAck[args](ctx, other, "question")
				})
			})
			ann, bob := s.Connect(nil), s.Connect(nil)
			most := 10
			if parser == nonstick.MsgPack {
				most = 30
			}
			var pieces []nonstick.Binary
			for i := range most {
				pieces = append(pieces, nonstick.Binary{byte(i)})
			}
			bob.Answer("question", func(nonstick.Args) any { return pieces })
			got := nonsticktest.Ask[[]nonstick.Binary](ann, "ask", bob.ID())
			if len(got) != most || string(got[most-1]) != string(pieces[most-1]) {
				t.Errorf("%d pieces", len(got))
			}
			plain := json.RawMessage(`{"_placeholder":true,"num":0}`)
			bob.Answer("question", func(nonstick.Args) any { return plain })
			if got := nonsticktest.Ask[json.RawMessage](ann, "ask", bob.ID()); string(got) != string(plain) {
				t.Errorf("answered %s", got)
			}
		})
	}
}

// TestJoinRewind: a client gets what was emitted to a room before it came, by each parser, and goes on in the middle.
func TestJoinRewind(t *testing.T) {
	for _, parser := range parsers {
		t.Run(parser.String(), func(t *testing.T) {
			s := nonsticktest.NewWith(t, nonsticktest.Options{Parser: parser}, func(io *nonstick.Server) {
				io.AllowAttachments()
				io.ConnectionStateRecovery(nonstick.ConnectionStateRecovery{MaxDisconnectionDuration: time.Minute})
				io.KeepHistory(nonstick.History{Rooms: []string{"room"}})
				nonstick.On(io, "enter", func(ctx context.Context, k *nonstick.Socket, events int) error {
					return k.JoinRewind(ctx, "room", nonstick.Rewind{Events: events})
				})
			})
			emit := func(n int) {
				t.Helper()
				if err := s.IO().To("room").Emit(t.Context(), "news", n, nonstick.Binary("ink")); err != nil {
					t.Error(err)
				}
			}
			for n := range 4 {
				emit(n)
			}
			c := s.Connect(nil)
			c.Emit("enter", 2)
			emit(4)
			c.Drop()
			emit(5)
			if !c.ComeBack() {
				t.Fatal("not recovered")
			}
			for n := 2; n < 6; n++ {
				got := nonsticktest.Next[nonstick.Args2[int, []byte]](c, "news")
				if got.First != n || string(got.Second) != "ink" {
					t.Errorf("got %d and %q, want %d", got.First, got.Second, n)
				}
			}
			c.Nothing()
		})
	}
}
