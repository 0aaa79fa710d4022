package nonstick_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nonstick-io/nonstick"
	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/gateway/engine"
	"github.com/nonstick-io/nonstick/internal/engineio"
	"github.com/nonstick-io/nonstick/sessionstore"
	"github.com/nonstick-io/nonstick/sessionstore/memstore"
)

// limitApp does what its clients ask for: in connect handlers by what auth says, and in events.
func limitApp(s *nonstick.Server) {
	for _, name := range []string{"/", "/a", "/b"} {
		n := s.Of(name)
		n.OnConnect(func(ctx context.Context, k *nonstick.Socket) error {
			in, err := nonstick.Auth[struct {
				Rooms []string
				Data  string
			}](ctx, k)
			if err == nil && in.Rooms != nil {
				err = k.Join(ctx, in.Rooms...)
			}
			if err == nil && in.Data != "" {
				err = k.SetData(ctx, "d", in.Data)
			}
			return err
		})
		nonstick.On(n, "join", func(ctx context.Context, k *nonstick.Socket, room string) error {
			return k.Join(ctx, room)
		})
		nonstick.On(n, "set", func(ctx context.Context, k *nonstick.Socket, v string) error {
			return k.SetData(ctx, "d", v)
		})
	}
}

func limited(c *nonstick.Config) {
	c.Options.Limits = delivery.Limits{
		Socket:  sessionstore.SocketLimits{Auth: 40, Data: 10, Rooms: 2},
		Sockets: 2,
	}
}

// What a client asks for above a limit is refused in words, and costs it nothing else: on both transports, in both
// kinds of handlers.
func TestClientsAreToldOfLimits(t *testing.T) {
	auth := func(n int) string { return `{"x":"` + strings.Repeat("x", n-len(`{"x":""}`)) + `"}` }
	long := strings.Repeat("r", sessionstore.MaxName)
	for _, c := range []struct {
		name string
		send []string
		want string // the last answer; a CONNECT that succeeds has one that is made up
	}{
		{"auth at the limit", []string{"40" + auth(40)}, "40"},
		{"auth above it", []string{"40" + auth(41)}, `44{"message":"Auth too large"}`},
		{"rooms of a connect handler, at the limit", []string{`40{"rooms":["a","b","a"]}`}, "40"},
		{"above it", []string{`40{"rooms":["a","b","c"]}`}, `44{"message":"Too many rooms"}`},
		{"a room without a name", []string{`40{"rooms":[""]}`}, `44{"message":"Invalid room name"}`},
		{"data of a connect handler, at the limit", []string{`40{"data":"1234567"}`}, "40"}, // with key and quotes
		{"above it", []string{`40{"data":"12345678"}`}, `44{"message":"Data too large"}`},
		{
			"rooms of events, at the limit",
			[]string{"40", `421["join","a"]`, `422["join","b"]`, `423["join","a"]`},
			`433[]`,
		},
		{
			"above it",
			[]string{"40", `421["join","a"]`, `422["join","b"]`, `423["join","c"]`},
			`433[{"message":"Too many rooms"}]`,
		},
		{"the longest room", []string{"40", `421["join","` + long + `"]`}, `431[]`},
		{"one longer", []string{"40", `421["join","` + long + `r"]`}, `431[{"message":"Invalid room name"}]`},
		{"data of events, at the limit", []string{"40", `421["set","1234567"]`}, `431[]`},
		{"above it", []string{"40", `421["set","12345678"]`}, `431[{"message":"Data too large"}]`},
		{"namespaces at the limit", []string{"40", "40/b,"}, "40/b,"},
		{"above it", []string{"40", "40/a,", "40/b,"}, `44/b,{"message":"Too many namespaces"}`},
		{"one left before", []string{"40", "40/a,", "41/a,", "40/b,"}, "40/b,"},
		{
			"the longest namespace",
			[]string{"40/" + long[1:] + ","},
			"44/" + long[1:] + `,{"message":"Invalid namespace"}`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, transport := range []string{"websocket", "polling"} {
				inWorld(t, func(t *testing.T, w *world) {
					s := w.server(limitApp, limited)
					p := w.open(s)
					if transport == "polling" {
						p = w.openPolling(s)
					}
					p.send(c.send...)
					got := append([]string{""}, p.take()...)
					last := got[max(len(got), 1)-1:][0]
					if made := strings.HasPrefix(last, c.want+`{"sid":"`); last != c.want && !made {
						t.Errorf("%s: %q, want %q at the end", transport, got, c.want)
					}
					p.expectOpen()
				})
			}
		})
	}
}

// Several CONNECTs at once, none of which has seen the others, do not get past the limit.
func TestNamespacesAtOnce(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var both sync.WaitGroup
		both.Add(2)
		s := w.server(func(s *nonstick.Server) {
			for _, name := range []string{"/a", "/b"} {
				s.Of(name).OnConnect(func(context.Context, *nonstick.Socket) error {
					both.Done()
					both.Wait()
					return nil
				})
			}
		}, limited)
		p := w.join(s)
		var wg sync.WaitGroup
		answers := make([]string, 2)
		for i, frame := range []string{"40/a,", "40/b,"} {
			wg.Go(func() {
				reply, err := s.Engine().Message(t.Context(), p.conn, frame)
				if err != nil {
					t.Error(err)
				}
				answers[i] = reply
			})
		}
		wg.Wait()
		refused := 0
		for _, a := range answers {
			if strings.Contains(a, "Too many namespaces") {
				refused++
			}
		}
		if n := len(p.state().Sockets); n != 3-refused || refused == 0 {
			t.Errorf("%d sockets, %d refused: %q", n, refused, answers)
		}
		for _, name := range []sessionstore.Namespace{"/a", "/b"} {
			members := 0
			for shard := range w.store.Shards() {
				for _, err := range w.store.NamespaceMembers(t.Context(), name, shard, sessionstore.Range{}) {
					if err != nil {
						t.Error(err)
					}
					members++
				}
			}
			state := p.state()
			if _, there := state.Socket(name); there != (members == 1) {
				t.Errorf("%d members of %s", members, name)
			}
		}
	})
}

// What begins a session is limited on both transports, and so is the number of sessions in memory.
func TestSessionsThatDoNotBegin(t *testing.T) {
	large := func(n int) sessionstore.Handshake { return sessionstore.Handshake{URL: strings.Repeat("u", n)} }
	for _, c := range []struct {
		name      string
		handshake sessionstore.Handshake
		full      bool
		want      error
	}{
		{"at the limit", large(sessionstore.MaxHandshake), false, nil},
		{"above it", large(sessionstore.MaxHandshake + 1), false, engineio.ErrHandshakeTooLarge},
		{"the store is full", large(0), true, engineio.ErrFull},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				if c.full {
					w.store = memstore.New(memstore.Options{MaxBytes: 1})
				}
				s := w.server(limitApp)
				if c.full { // it takes one, which fills it
					w.open(s)
				}
				_, err := s.Engine().Handshake(t.Context(), c.handshake)
				step, wsErr := s.Engine().Connect(t.Context(), w.connection(), c.handshake)
				if !errors.Is(err, c.want) || !errors.Is(wsErr, c.want) ||
					(c.want == nil) != (step.Kind == engine.StepOpen) {
					t.Errorf("polling: %v, WebSocket: %v, %+v; want %v", err, wsErr, step, c.want)
				}
			})
		})
	}
}

// A socket that the store has no room for is refused in words.
func TestFullStoreTakesNoSockets(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.store = memstore.New(memstore.Options{MaxBytes: 1})
		p := w.open(w.server(limitApp))
		p.send("40")
		p.expect(`44{"message":"Server is full"}`)
		p.expectOpen()
	})
}

// A client that owes very many acknowledgements is not asked for more, and the handler says so.
func TestTooManyAcks(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		p := w.join(w.server(func(s *nonstick.Server) {
			n := s.Namespace
			nonstick.OnReply(
				n, "done", func(context.Context, *nonstick.Socket, nonstick.Args, string) error { return nil },
			)
			nonstick.On(n, "ask", func(ctx context.Context, k *nonstick.Socket, _ nonstick.Args) error {
				err := nonstick.EmitThen(ctx, k, "question", "done", "state", 1)
				if err != nil && !errors.Is(err, nonstick.ErrTooManyAcks) {
					t.Errorf("error %v", err)
				}
				return err
			})
			nonstick.OnAck(n, "ask other", func(ctx context.Context, _ *nonstick.Socket, id string) (int, error) {
				other, err := s.Socket(ctx, id)
				if err != nil {
					return 0, err
				}
				return nonstick.EmitWithAck[int](ctx, other, "question", 1)
			})
		}))
		other := w.join(p.at)
		for i := range uint64(sessionstore.AckPlaces) {
			if err := w.store.PutAck(t.Context(), sessionstore.Ack{Session: p.sid, ID: i}, time.Now()); err != nil {
				t.Fatal(err)
			}
		}
		p.send(`421["ask"]`)
		p.expect(`431[{"message":"Too many acknowledgements pending"}]`)
		other.send(`421["ask other","` + p.id + `"]`)
		other.expect(`431[{"message":"Too many acknowledgements pending"}]`)
		if err := w.store.DeleteAck(t.Context(), p.sid, 5); err != nil {
			t.Fatal(err)
		}
		p.expectOpen()
	})
}
