package nonstick_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/nonstick-io/nonstick"
	"github.com/nonstick-io/nonstick/gateway/engine"
	"github.com/nonstick-io/nonstick/internal/engineio"
	"github.com/nonstick-io/nonstick/sessionstore"
	"github.com/nonstick-io/nonstick/sessionstore/memstore"
)

// A namespace whose sockets share a room, and an event whose returned value is the acknowledgement.
func Example() {
	store := memstore.New(memstore.Options{})
	srv := nonstick.New(nonstick.Config{Store: store}) // a server with WebSockets needs a Pusher too

	chat := srv.Namespace
	chat.OnConnect(func(ctx context.Context, s *nonstick.Socket) error {
		return s.Join(ctx, "lobby")
	})
	nonstick.OnAck(chat, "say", func(ctx context.Context, s *nonstick.Socket, text string) (int, error) {
		if text == "" {
			return 0, &nonstick.Error{Message: "say something"}
		}
		return len(text), chat.To("lobby").Emit(ctx, "said", text)
	})

	talk(srv, `420["say","hello"]`, `421["say",""]`)
	// Output:
	// 42["said","hello"]
	// 430[5]
	// 431[{"message":"say something"}]
}

// What is kept for a socket lives in the store, so the next event finds it on any instance.
func ExampleData() {
	srv := nonstick.New(nonstick.Config{Store: memstore.New(memstore.Options{})})
	nsp := srv.Namespace
	nonstick.On(nsp, "name", func(ctx context.Context, s *nonstick.Socket, name string) error {
		return s.SetData(ctx, "name", name)
	})
	nonstick.OnAck(nsp, "who", func(ctx context.Context, s *nonstick.Socket, _ nonstick.Args) (string, error) {
		name, _, err := nonstick.Data[string](ctx, s, "name")
		return name, err
	})

	talk(srv, `42["name","Ada"]`, `420["who"]`)
	// Output:
	// 430["Ada"]
}

// An acknowledgement of the client is taken by a handler with a name, on whichever instance it arrives.
func ExampleEmitThen() {
	srv := nonstick.New(nonstick.Config{Store: memstore.New(memstore.Options{})})
	nsp := srv.Namespace
	nonstick.OnReply(nsp, "rated", func(ctx context.Context, s *nonstick.Socket, stars int, film string) error {
		return s.Emit(ctx, "thanks", fmt.Sprintf("%s: %d", film, stars))
	})
	nonstick.On(nsp, "seen", func(ctx context.Context, s *nonstick.Socket, film string) error {
		return nonstick.EmitThen(ctx, s, "rate", "rated", film, film)
	})

	c := newClient(srv)
	asked := c.say(`42["seen","Metropolis"]`)[0]
	id, event, _ := strings.Cut(strings.TrimPrefix(asked, "42"), "[")
	fmt.Println("[" + event)
	fmt.Println(c.say("43" + id + "[5]")[0])
	// Output:
	// ["rate","Metropolis"]
	// 42["thanks","Metropolis: 5"]
}

// talk prints what a new client gets back for its packets.
func talk(srv *nonstick.Server, packets ...string) {
	for _, frame := range newClient(srv).say(packets...) {
		fmt.Println(frame)
	}
}

// client is a client on polling that has joined the main namespace.
type client struct {
	engine *engine.Engine
	id     sessionstore.SessionID
}

func newClient(srv *nonstick.Server) client {
	open, err := srv.Engine().Handshake(context.Background(), sessionstore.Handshake{})
	if err != nil {
		panic(err)
	}
	sid, _, _ := strings.Cut(strings.TrimPrefix(open, `0{"sid":"`), `"`)
	c := client{srv.Engine(), sessionstore.SessionID(sid)}
	c.say("40") // 40{"sid":"..."}
	return c
}

// say posts packets and returns what the next GET carries.
func (c client) say(packets ...string) []string {
	ctx := context.Background()
	if err := c.engine.Post(ctx, c.id, engineio.EncodePayload(packets)); err != nil {
		panic(err)
	}
	answer, err := c.engine.Poll(ctx, c.id, "")
	if err != nil {
		panic(err)
	}
	return strings.Split(answer, "\x1e")
}
