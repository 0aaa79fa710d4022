package nonstick_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nonstick-io/nonstick"
	"github.com/nonstick-io/nonstick/nonsticktest"
)

// cheat is a row of docs/emit-cheatsheet.md: what it is called there, the line of code, and the clients that get the
// event. The line runs in a handler of ann's socket, with the id of bob's.
type cheat struct {
	name string
	emit func(ctx context.Context, s *nonstick.Socket, id string) error
	gets string
}

// cheatsheet are the rows of the page, where io is the server and nsp the namespace "/my-namespace". In the first,
// ann, bob and dan are in room1, cat is in room2, dan is in room3 as well, and eve is in none. In the other there are
// nat, in room1, and ned.
func cheatsheet(io *nonstick.Server, nsp *nonstick.Namespace) []cheat {
	return []cheat{
		{"to the sender", func(ctx context.Context, s *nonstick.Socket, _ string) error {
			return s.Emit(ctx, "hello", "world")
		}, "ann"},
		{"several arguments, binary data in one", func(ctx context.Context, s *nonstick.Socket, _ string) error {
			return s.Emit(ctx, "hello", 1, "2", map[int]any{3: "4", 5: nonstick.Binary{6}})
		}, "ann"},
		{"to the sender, who may miss it", func(ctx context.Context, s *nonstick.Socket, _ string) error {
			return s.Volatile().Emit(ctx, "hello")
		}, "ann"},
		{"to one socket, by its id", func(ctx context.Context, _ *nonstick.Socket, id string) error {
			return io.To(id).Emit(ctx, "hello")
		}, "bob"},
		{"to no socket: the sender is left out", func(ctx context.Context, s *nonstick.Socket, _ string) error {
			return s.To(s.ID()).Emit(ctx, "hello")
		}, ""},
		{"to all", func(ctx context.Context, _ *nonstick.Socket, _ string) error {
			return io.Emit(ctx, "hello")
		}, "ann bob cat dan eve"},
		{"to all but the sender", func(ctx context.Context, s *nonstick.Socket, _ string) error {
			return s.Broadcast().Emit(ctx, "hello")
		}, "bob cat dan eve"},
		{"to a room", func(ctx context.Context, _ *nonstick.Socket, _ string) error {
			return io.To("room1").Emit(ctx, "hello")
		}, "ann bob dan"},
		{"to a room, by the other name", func(ctx context.Context, _ *nonstick.Socket, _ string) error {
			return io.In("room1").Emit(ctx, "hello")
		}, "ann bob dan"},
		{"to a room, but not the sender", func(ctx context.Context, s *nonstick.Socket, _ string) error {
			return s.To("room1").Emit(ctx, "hello")
		}, "bob dan"},
		{"to several rooms, but not the sender", func(ctx context.Context, s *nonstick.Socket, _ string) error {
			return s.To("room1", "room2").Emit(ctx, "hello")
		}, "bob cat dan"},
		{"to all outside a room", func(ctx context.Context, _ *nonstick.Socket, _ string) error {
			return io.Except("room1").Emit(ctx, "hello")
		}, "cat eve"},
		{"to several rooms, without another", func(ctx context.Context, _ *nonstick.Socket, _ string) error {
			return io.To("room1", "room2").Except("room3").Emit(ctx, "hello")
		}, "ann bob cat"},
		{"room by room", func(ctx context.Context, _ *nonstick.Socket, _ string) error {
			return io.To("room1").To("room2", "room3").Except("room4").Emit(ctx, "hello")
		}, "ann bob cat dan"},
		{"to those in two rooms at once", func(ctx context.Context, _ *nonstick.Socket, _ string) error {
			return io.To("room1").And("room3").Emit(ctx, "hello")
		}, "dan"},
		{"to all but the sender, who may miss it", func(ctx context.Context, s *nonstick.Socket, _ string) error {
			return s.Volatile().Broadcast().Emit(ctx, "hello")
		}, "bob cat dan eve"},
		{"to all of a room, who may miss it", func(ctx context.Context, _ *nonstick.Socket, _ string) error {
			return io.Volatile().To("room1").Emit(ctx, "hello")
		}, "ann bob dan"},
		{"to a namespace", func(ctx context.Context, _ *nonstick.Socket, _ string) error {
			return nsp.Emit(ctx, "hello")
		}, "nat ned"},
		{"to a room of a namespace", func(ctx context.Context, _ *nonstick.Socket, _ string) error {
			return nsp.To("room1").Emit(ctx, "hello")
		}, "nat"},
	}
}

// crowd connects the clients of the cheat sheet. Each asks for its rooms.
func crowd(io *nonsticktest.Server) map[string]*nonsticktest.Client {
	all := map[string]*nonsticktest.Client{}
	for _, one := range []struct{ namespace, name, rooms string }{
		{"/", "ann", "room1"},
		{"/", "bob", "room1"},
		{"/", "cat", "room2"},
		{"/", "dan", "room1 room3"},
		{"/", "eve", ""},
		{"/my-namespace", "nat", "room1"},
		{"/my-namespace", "ned", ""},
	} {
		all[one.name] = io.ConnectTo(one.namespace, map[string]string{"rooms": one.rooms})
	}
	return all
}

// joinAsked puts a socket into the rooms that its client has asked for.
func joinAsked(ctx context.Context, s *nonstick.Socket) error {
	auth, err := nonstick.Auth[struct{ Rooms string }](ctx, s)
	if err != nil {
		return err
	}
	return s.Join(ctx, strings.Fields(auth.Rooms)...)
}

// Each line of the cheat sheet reaches the clients that it is meant for, and no other.
func TestCheatsheet(t *testing.T) {
	for _, row := range cheatsheet(nil, nil) {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				io := nonsticktest.New(t, func(io *nonstick.Server) {
					io.AllowAttachments()
					io.OnConnect(joinAsked)
					nsp := io.Of("/my-namespace")
					nsp.OnConnect(joinAsked)
					for _, row := range cheatsheet(io, nsp) {
						nonstick.On(io, row.name, row.emit)
					}
				})
				clients := crowd(io)
				clients["ann"].Ask(row.name, clients["bob"].ID())
				for name, c := range clients {
					if strings.Contains(row.gets, name) {
						c.Next("hello")
					}
					c.Nothing()
				}
			})
		})
	}
}

// What is sent arrives as it was.
func TestCheatsheetArguments(t *testing.T) {
	io := nonsticktest.New(t, func(io *nonstick.Server) {
		io.AllowAttachments()
		nonstick.On(io, "go", cheatsheet(io, nil)[1].emit)
	})
	ann := io.Connect(nil)
	ann.Emit("go", "")
	type object struct {
		Text string          `json:"3"`
		Data nonstick.Binary `json:"5"`
	}
	got := nonsticktest.Next[nonstick.Args3[int, string, object]](ann, "hello")
	if got.First != 1 || got.Second != "2" || got.Third.Text != "4" || string(got.Third.Data) != "\x06" {
		t.Errorf("got %+v", got)
	}
}

// ask is what the cheat sheet says of a client's acknowledgements: of the sender's, which a handler takes later, and
// of another's, which may be waited for.
func ask(io *nonstick.Server) {
	nonstick.OnReply(io, "answered", func(ctx context.Context, s *nonstick.Socket, answer, asked string) error {
		return s.Emit(ctx, "thanks", asked+" "+answer)
	})
	nonstick.On(io, "ask me", func(ctx context.Context, s *nonstick.Socket, question string) error {
		return nonstick.EmitThen(ctx, s, "hello", "answered", question, "world")
	})
	nonstick.OnAck(io, "ask", func(ctx context.Context, s *nonstick.Socket, id string) (string, error) {
		other, err := io.Socket(ctx, id)
		if err != nil {
			return "", err
		}
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		answer, err := nonstick.EmitWithAck[string](ctx, other, "hello", "world")
		if errors.Is(err, nonstick.ErrAckTimeout) {
			return "", &nonstick.Error{Message: "no answer"}
		}
		return answer, err
	})
	nonstick.OnAck(io, "vote", func(ctx context.Context, s *nonstick.Socket, _ nonstick.Args) (int, error) {
		votes, err := nonstick.EmitWithAcks[string](ctx, s.To("room1").Timeout(5*time.Second), "hello", "world")
		if err != nil && !errors.Is(err, nonstick.ErrAckTimeout) {
			return 0, err
		}
		return len(votes.Answered), nil
	})
	nonstick.OnNoReply(
		io, "answered", func(ctx context.Context, nsp *nonstick.Namespace, missing []string, asked string) error {
			return nsp.To("admins").Emit(ctx, "no answer", asked, missing)
		},
	)
	nonstick.On(io, "ask the room", func(ctx context.Context, s *nonstick.Socket, question string) error {
		return nonstick.EmitThen(ctx, io.To("room1").Timeout(72*time.Hour), "hello", "answered", question, "world")
	})
	nonstick.OnServerSideEmit(io, "tidy", func(ctx context.Context, nsp *nonstick.Namespace, day string) error {
		return nsp.To("admins").Emit(ctx, "tidied", day)
	})
	nonstick.On(io, "tidy up", func(ctx context.Context, s *nonstick.Socket, day string) error {
		return io.ServerSideEmitAt(ctx, time.Now().Add(time.Hour), "tidy", day)
	})
}

// All of a room are asked, and those that do not answer are told; at its time the server does what it was told to.
func TestCheatsheetRoomsAndServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		io := nonsticktest.New(t, func(io *nonstick.Server) {
			io.OnConnect(joinAsked)
			ask(io)
		})
		rooms := func(names string) any { return map[string]string{"rooms": names} }
		ann, admin := io.Connect(rooms("room1")), io.Connect(rooms("admins"))
		bob, mute := io.Connect(rooms("room1")), io.Connect(rooms("room1"))
		bob.Answer("hello", func(nonstick.Args) any { return "yes" })
		if got := nonsticktest.Ask[int](ann, "vote"); got != 1 {
			t.Errorf("%d votes", got)
		}
		bob.Next("hello")
		mute.Next("hello")
		ann.Emit("ask the room", "why?")
		for _, c := range []*nonsticktest.Client{ann, bob, mute} {
			c.Next("hello")
		}
		if got := nonsticktest.Next[string](bob, "thanks"); got != "why? yes" {
			t.Errorf("replied to with %q", got)
		}
		ann.Emit("tidy up", "monday")
		sweep := func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if err := io.IO().Engine().Sweep(ctx); err != nil {
				t.Error(err)
			}
		}
		sweep()
		admin.Nothing()
		time.Sleep(time.Hour)
		sweep()
		if got := nonsticktest.Next[string](admin, "tidied"); got != "monday" {
			t.Errorf("tidied %q", got)
		}
	})
}

// A client's acknowledgement comes to the handler that waits for it, and to the handler of replies if it is the
// sender's. A client that does not answer in time is an error.
func TestCheatsheetAcknowledgements(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		io := nonsticktest.New(t, ask)
		ann, bob, mute := io.Connect(nil), io.Connect(nil), io.Connect(nil)
		for _, c := range []*nonsticktest.Client{ann, bob} {
			c.Answer("hello", func(args nonstick.Args) any { return "re: " + string(args.JSON) })
		}
		ann.Emit("ask me", "why?")
		ann.Next("hello")
		if got := nonsticktest.Next[string](ann, "thanks"); got != `why? re: ["world"]` {
			t.Errorf("replied to with %q", got)
		}
		if got := nonsticktest.Ask[string](ann, "ask", bob.ID()); got != `re: ["world"]` {
			t.Errorf("bob answered %q", got)
		}
		bob.Next("hello")
		if got := nonsticktest.Ask[nonstick.Error](ann, "ask", mute.ID()); got.Message != "no answer" {
			t.Errorf("a client that does not answer: %+v", got)
		}
	})
}

// The names that Socket.IO keeps to itself are refused, and a handler of one is a panic.
func TestCheatsheetReserved(t *testing.T) {
	io := nonsticktest.New(t, func(*nonstick.Server) {}).IO()
	on := func(name string) (panicked bool) {
		defer func() { panicked = recover() != nil }()
		nonstick.On(io, name, func(context.Context, *nonstick.Socket, nonstick.Args) error { return nil })
		return false
	}
	for _, name := range []string{
		"connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener",
	} {
		if err := io.Emit(t.Context(), name); !errors.Is(err, nonstick.ErrReserved) {
			t.Errorf("emit %s: %v", name, err)
		}
		if !on(name) {
			t.Errorf("a handler of %s does not panic", name)
		}
	}
	if on("hello") {
		t.Error("a handler of hello panics")
	}
}
