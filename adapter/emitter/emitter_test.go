package emitter_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nonstick-io/nonstick"
	"github.com/nonstick-io/nonstick/adapter"
	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/adapter/emitter"
	"github.com/nonstick-io/nonstick/internal/deliverytest"
	"github.com/nonstick-io/nonstick/internal/pushtest"
	"github.com/nonstick-io/nonstick/internal/socketio"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// outside is an emitter beside a server, which only sweeps.
type outside struct {
	t       *testing.T
	store   *deliverytest.Store
	pusher  *pushtest.Pusher
	emitter *emitter.Emitter
	server  *nonstick.Server

	mu   sync.Mutex
	left []string // socket and reason, as the server's disconnect handlers saw them
}

// besides runs a test in a bubble of its own time.
func besides(t *testing.T, f func(t *testing.T, o *outside)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		o := &outside{t: t, pusher: pushtest.New()}
		o.store = deliverytest.NewStore()
		o.emitter = emitter.New(o.store, o.pusher, emitter.Options{})
		o.server = nonstick.New(
			nonstick.Config{Logger: slog.New(slog.DiscardHandler), Store: o.store.Store, Pusher: o.pusher},
		)
		for _, nsp := range []string{"/", "/admin"} {
			o.server.Of(nsp).OnDisconnect(func(_ context.Context, s *nonstick.Socket, reason nonstick.Reason) error {
				o.mu.Lock()
				defer o.mu.Unlock()
				o.left = append(o.left, s.ID()+" "+string(reason))
				return nil
			})
		}
		f(t, o)
	})
}

func (o *outside) must(err error) {
	o.t.Helper()
	if err != nil {
		o.t.Fatal(err)
	}
}

// client makes a session and its socket in the main namespace, both of the same name, in the rooms named.
func (o *outside) client(name string, transport sessionstore.Transport, rooms ...string) {
	o.t.Helper()
	now := time.Now()
	n := sessionstore.NewSession{
		ID: sessionstore.SessionID(name), Transport: transport, CreatedAt: now, PingAt: now.Add(time.Hour),
	}
	if transport == sessionstore.WebSocket {
		n.Conn = conn(name)
	}
	o.must(o.store.Create(o.t.Context(), n))
	if transport == sessionstore.WebSocket {
		o.must(
			o.store.Register(o.t.Context(), sessionstore.Registration{Session: n.ID, Conn: n.Conn, PingAt: n.PingAt}),
		)
	}
	o.socket(name, "/", name, rooms...)
}

// socket adds a socket to a session.
func (o *outside) socket(session, nsp, id string, rooms ...string) {
	o.t.Helper()
	k := sessionstore.NewSocket{
		ID: sessionstore.SocketID(
			id,
		),
		Session: sessionstore.SessionID(session), Namespace: sessionstore.Namespace(nsp), ConnectedAt: time.Now(),
	}
	for _, r := range rooms {
		k.Rooms = append(k.Rooms, sessionstore.Room(r))
	}
	s, err := o.store.Store.Get(o.t.Context(), k.Session, time.Now())
	o.must(err)
	o.must(o.store.PutSocket(o.t.Context(), k, s.Hint(), delivery.Limits{}.WithDefaults().Socket))
}

// sockets is what is selected.
func (o *outside) sockets(s emitter.Selection) adapter.Selection {
	o.t.Helper()
	sel, err := s.Sockets()
	o.must(err)
	return sel
}

// got returns what a client was pushed since the last call, or what waits for its next GET.
func (o *outside) got(name string) string {
	o.t.Helper()
	if frames := o.pusher.Take(conn(name)); len(frames) > 0 {
		return strings.Join(frames, " ")
	}
	s, err := o.store.Store.Get(context.Background(), sessionstore.SessionID(name), time.Now())
	o.must(err)
	var frames []string
	for _, p := range s.Buffer {
		frames = append(frames, p.Frames...)
	}
	return strings.Join(frames, " ")
}

// swept lets the server sweep for a while and returns what its disconnect handlers saw since the last call.
func (o *outside) swept(d time.Duration) string {
	o.t.Helper()
	ctx, cancel := context.WithTimeout(o.t.Context(), d)
	defer cancel()
	o.must(o.server.Engine().Sweep(ctx))
	o.mu.Lock()
	defer o.mu.Unlock()
	slices.Sort(o.left)
	left := strings.Join(o.left, "; ")
	o.left = nil
	return left
}

// args makes arguments of JSON texts.
func args(values ...string) emitter.Args {
	return emitter.Args{JSON: json.RawMessage("[" + strings.Join(values, ",") + "]")}
}

func list(values ...string) []string { return values }

func TestEmitterSelects(t *testing.T) {
	const id = "socket-of-20-letters" // long enough to be a room of its own
	tests := []struct {
		name   string
		choose func(e *emitter.Emitter) emitter.Selection
		want   string
	}{
		{"everybody", func(e *emitter.Emitter) emitter.Selection { return e.Of("/").Selection }, "ws poll " + id},
		{"a room", func(e *emitter.Emitter) emitter.Selection { return e.To("a") }, "ws poll"},
		{"a room by its other name", func(e *emitter.Emitter) emitter.Selection { return e.In("b") }, "poll"},
		{
			"rooms, each socket once", func(e *emitter.Emitter) emitter.Selection { return e.To("a").In("b", "a") },
			"ws poll",
		},
		{"except", func(e *emitter.Emitter) emitter.Selection { return e.Except("b") }, "ws " + id},
		{"a room without another", func(e *emitter.Emitter) emitter.Selection { return e.To("a").Except("b") }, "ws"},
		{"one socket", func(e *emitter.Emitter) emitter.Selection { return e.To(id) }, id},
		{"nobody", func(e *emitter.Emitter) emitter.Selection { return e.To("empty") }, ""},
		{"another namespace", func(e *emitter.Emitter) emitter.Selection { return e.Of("/admin").Selection }, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			besides(t, func(t *testing.T, o *outside) {
				o.client("ws", sessionstore.WebSocket, "a")
				o.client("poll", sessionstore.Polling, "a", "b")
				o.client(id, sessionstore.WebSocket)
				r, err := tt.choose(o.emitter).EmitArgs(t.Context(), "news", args(`1`, `{"a":"b"}`))
				o.must(err)
				var got []string
				for _, name := range []string{"ws", "poll", id} {
					switch frames := o.got(name); frames {
					case "":
					case `42["news",1,{"a":"b"}]`:
						got = append(got, name)
					default:
						t.Errorf("%s got %s", name, frames)
					}
				}
				if strings.Join(got, " ") != tt.want || r != (adapter.Result{Delivered: len(got)}) {
					t.Errorf("reached %v with %+v, want %s", got, r, tt.want)
				}
			})
		})
	}
}

func TestEmitterEncodes(t *testing.T) {
	placed := `{"_placeholder":true,"num":0}`
	tests := []struct {
		name, nsp, event string
		args             []string
		attachments      [][]byte
		want             string
		err              error
	}{
		{name: "no arguments", nsp: "/", event: "e", want: `42["e"]`},
		{name: "a namespace", nsp: "/admin", event: "é\"", args: list(`null`), want: `42/admin,["é\"",null]`},
		{
			name: "an attachment", nsp: "/", event: "e", args: list(placed), attachments: [][]byte{[]byte("hi")},
			want: `451-["e",` + placed + `] baGk=`,
		},
		{name: "reserved", nsp: "/", event: "disconnect", err: emitter.ErrReserved},
		{name: "no JSON", nsp: "/", event: "e", args: list(`{`), err: emitter.ErrEvent},
		{name: "two values in one", nsp: "/", event: "e", args: list(`1]`), err: emitter.ErrEvent},
		{
			name: "a placeholder for what is not there", nsp: "/", event: "e",
			args: list(`{"_placeholder":true,"num":1}`), attachments: [][]byte{nil}, err: emitter.ErrEvent,
		},
		{name: "too many attachments", nsp: "/", event: "e", attachments: make([][]byte, 11), err: emitter.ErrEvent},
		{name: "no slash", nsp: "admin", event: "e", err: adapter.ErrName},
		{
			name: "long namespace", nsp: "/" + strings.Repeat("n", sessionstore.MaxName), event: "e",
			err: adapter.ErrName,
		},
		{
			name: "too large", nsp: "/", event: "e", args: list(`"` + strings.Repeat("x", 128<<10) + `"`),
			err: delivery.ErrPacketTooLarge,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			besides(t, func(t *testing.T, o *outside) {
				o.client("poll", sessionstore.Polling)
				o.socket("poll", "/admin", "admin")
				_, err := o.emitter.Of(tt.nsp).EmitArgs(
					t.Context(), tt.event, emitter.Args{JSON: args(tt.args...).JSON, Attachments: tt.attachments},
				)
				if !errors.Is(err, tt.err) {
					t.Fatalf("error %v, want %v", err, tt.err)
				}
				if got := o.got("poll"); got != tt.want {
					t.Errorf("got %s, want %s", got, tt.want)
				}
			})
		})
	}
	besides(t, func(t *testing.T, o *outside) {
		for _, room := range []string{"", strings.Repeat("r", sessionstore.MaxName+1)} {
			if err := o.emitter.To("a", room).Emit(t.Context(), "e"); !errors.Is(err, adapter.ErrName) {
				t.Errorf("room of %d bytes: error %v", len(room), err)
			}
			if err := o.emitter.Of("/").Join(t.Context(), room); !errors.Is(err, adapter.ErrName) {
				t.Errorf("join of a room of %d bytes: error %v", len(room), err)
			}
		}
	})
}

// A session that the emitter has to close is finished by the server's sweeper at once, and its disconnect handlers run
// there.
func TestEmitterLeavesClosedSessionsToTheSweeper(t *testing.T) {
	tests := []struct {
		name   string
		answer error
		result adapter.Result
		reason string
	}{
		{"gone", delivery.ErrGone, adapter.Result{Delivered: 1, Gone: 1}, delivery.ReasonTransportClose},
		{"in doubt", pushtest.ErrLost, adapter.Result{Delivered: 1, Failed: 1}, delivery.ReasonTransportError},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			besides(t, func(t *testing.T, o *outside) {
				o.client("one", sessionstore.WebSocket)
				o.client("two", sessionstore.WebSocket)
				o.pusher.AnswerAlways(conn("one"), tt.answer)
				r, err := o.emitter.Of("/").EmitArgs(t.Context(), "e", emitter.Args{})
				if r != tt.result || err != nil {
					t.Errorf("%+v, %v; want %+v", r, err, tt.result)
				}
				s, err := o.store.Store.Get(t.Context(), "one", time.Now())
				o.must(err)
				if s.State != sessionstore.Closing || !s.Handler.Expired(time.Now()) {
					t.Errorf("the session is %s, its handler lease %+v", s.State, s.Handler)
				}
				if got, want := o.swept(100*time.Millisecond), "one "+tt.reason; got != want {
					t.Errorf("the handlers saw %q, want %q", got, want)
				}
				if got := o.got("two"); got != `42["e"]` {
					t.Errorf("the other got %q", got)
				}
			})
		})
	}
}

func TestEmitterJoinsAndLeaves(t *testing.T) {
	besides(t, func(t *testing.T, o *outside) {
		o.client("ws", sessionstore.WebSocket, "a")
		o.client("poll", sessionstore.Polling, "a")
		o.client("other", sessionstore.Polling)
		check := func(room string, want ...string) {
			t.Helper()
			found, err := o.emitter.To(room).Fetch(t.Context(), 10)
			o.must(err)
			var got []string
			for _, k := range found {
				got = append(got, k.ID())
			}
			slices.Sort(got)
			if !slices.Equal(got, want) {
				t.Errorf("in %s are %v, want %v", room, got, want)
			}
		}
		both := adapter.Result{Delivered: 2}
		r, err := o.emitter.Adapter().Join(t.Context(), o.sockets(o.emitter.To("a")), "b", "c", "a")
		if err != nil || r != both {
			t.Errorf("join: %+v, %v", r, err)
		}
		check("b", "poll", "ws")
		check("c", "poll", "ws")
		if r, err = o.emitter.Adapter().Leave(t.Context(), o.sockets(o.emitter.To("a")), "b", "nowhere"); err != nil ||
			r != both {
			t.Errorf("leave: %+v, %v", r, err)
		}
		check("b")
		check("a", "poll", "ws")
		o.must(o.emitter.To("c").Emit(t.Context(), "e"))
		if got := o.got("ws"); got != `42["e"]` {
			t.Errorf("got %q", got)
		}
	})
}

func conn(name string) sessionstore.Connection { return deliverytest.Conn(name) }

func TestEmitterDisconnects(t *testing.T) {
	tests := []struct {
		name         string
		closeSession bool
		want         string
	}{
		{"sockets", false, "41"},
		{"sessions", true, "41 41/admin,"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			besides(t, func(t *testing.T, o *outside) {
				o.client("ws", sessionstore.WebSocket, "a")
				o.socket("ws", "/admin", "admin")
				o.client("poll", sessionstore.Polling, "a")
				o.client("other", sessionstore.WebSocket)
				r, err := o.emitter.Adapter().Disconnect(t.Context(), o.sockets(o.emitter.To("a")), tt.closeSession)
				if err != nil || r != (adapter.Result{Delivered: 2}) {
					t.Errorf("%+v, %v", r, err)
				}
				if got := o.got("ws"); got != tt.want {
					t.Errorf("pushed %q, want %q", got, tt.want)
				}
				if !o.pusher.Closed(conn("ws")) || o.pusher.Closed(conn("other")) {
					t.Error("the wrong connections were closed")
				}
				if got := o.got("poll"); got != "41" {
					t.Errorf("%q waits for the next GET, want 41", got)
				}
				const reason = " " + delivery.ReasonServerDisconnect
				if got, want := o.swept(
					100*time.Millisecond,
				), "admin"+reason+"; poll"+reason+"; ws"+reason; got != want {
					t.Errorf("the handlers saw %q, want %q", got, want)
				}
				r, err = o.emitter.Adapter().Disconnect(t.Context(), o.sockets(o.emitter.To("a")), tt.closeSession)
				if err != nil || r != (adapter.Result{}) {
					t.Errorf("again: %+v, %v", r, err)
				}
			})
		})
	}
}

func TestEmitterFetches(t *testing.T) {
	besides(t, func(t *testing.T, o *outside) {
		for i := range 5 {
			o.client(fmt.Sprint(i), sessionstore.Polling, "a")
			time.Sleep(time.Second)
		}
		o.must(
			o.store.SetData(
				t.Context(), sessionstore.Socket{ID: "0", Session: "0", Namespace: "/"}, "name", `"x"`,
				delivery.Limits{}.WithDefaults().Socket,
			),
		)
		all, err := o.emitter.Of("/").Fetch(t.Context(), 10)
		o.must(err)
		if len(all) != 5 {
			t.Fatalf("fetched %d", len(all))
		}
		name, ok, err := emitter.Data[string](t.Context(), all[0], "name")
		o.must(err)
		rooms, err := all[0].Rooms(t.Context())
		o.must(err)
		if all[0].ID() != "0" || name != "x" || !ok || !slices.Equal(rooms, []string{"a"}) {
			t.Errorf("the first: %s, name %q, in %q", all[0].ID(), name, rooms)
		}
		if some, err := o.emitter.To("a").Fetch(t.Context(), 3); err != nil || len(some) != 3 {
			t.Errorf("fetched %d of at most 3, %v", len(some), err)
		}
		if none, err := o.emitter.To("b").Fetch(t.Context(), 3); err != nil || len(none) != 0 {
			t.Errorf("fetched %d from an empty room, %v", len(none), err)
		}
		o.store.Fail(sessionstore.OpReadSocket, deliverytest.NotDone(deliverytest.ErrNoAnswer))
		if some, err := o.emitter.Of("/").Fetch(t.Context(), 10); !errors.Is(err, deliverytest.ErrNoAnswer) ||
			len(some) != 4 {
			t.Errorf("fetched %d, %v; want 4 and an error", len(some), err)
		}
	})
}

func TestEmitterCarriesParts(t *testing.T) {
	besides(t, func(t *testing.T, o *outside) {
		o.client("poll", sessionstore.Polling, "a")
		o.client("other", sessionstore.Polling, "a", "b")
		frames := []string{`451-["e",{"_placeholder":true,"num":0}]`, "baGk="}
		for n := range 16 { // in one of them
			raw := fmt.Sprintf(
				`{"namespace":"/","rooms":["a"],"except":["b"],"range":%d,"packet":{"id":"p","type":5,"data":["e",{"_placeholder":true,"num":0}],"attachments":["aGk="]}}`,
				n,
			)
			part, err := adapter.ParsePart(raw)
			o.must(err)
			if _, err := o.emitter.Carry(t.Context(), part); err != nil {
				t.Errorf("part %d: %v", n, err)
			}
		}
		if got := o.got("poll"); got != strings.Join(frames, " ") {
			t.Errorf("got %q", got)
		}
		if got := o.got("other"); got != "" {
			t.Errorf("the other got %q", got)
		}
		event := func(data string) *adapter.Packet {
			return adapter.NewPacket(
				t.Context(), socketio.JSON,
				socketio.Packet{Type: socketio.Event, Namespace: "/", Data: json.RawMessage(data)},
			)
		}
		nowhere := adapter.Part{Packet: event(`["e"]`)}
		if _, err := o.emitter.Carry(t.Context(), nowhere); !errors.Is(err, adapter.ErrName) {
			t.Errorf("no namespace: %v", err)
		}
		large := adapter.Part{
			Selection: adapter.Selection{Namespace: "/"}, Packet: event(`["` + strings.Repeat("x", 200<<10) + `"]`),
		}
		if _, err := o.emitter.Carry(t.Context(), large); !errors.Is(err, delivery.ErrPacketTooLarge) {
			t.Errorf("too large: %v", err)
		}
	})
}

// A program that only emits pays for no server.
func TestEmitterLinksNoServer(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "github.com/nonstick-io/nonstick/adapter/emitter").Output()
	if err != nil {
		t.Fatal(err)
	}
	deps := strings.Fields(string(out))
	if !slices.Contains(deps, "github.com/nonstick-io/nonstick/sessionstore") {
		t.Fatalf("the list is not what it should be: %v", deps)
	}
	for _, dep := range deps {
		server := dep == "github.com/nonstick-io/nonstick" ||
			strings.HasPrefix(dep, "github.com/nonstick-io/nonstick/gateway/engine/") ||
			dep == "github.com/nonstick-io/nonstick/gateway/engine" ||
			strings.HasPrefix(dep, "github.com/nonstick-io/nonstick/gateway/apigw")
		if server || dep == "net/http" || strings.HasPrefix(dep, "github.com/aws/") {
			t.Errorf("links %s", dep)
		}
	}
}
