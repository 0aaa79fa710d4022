package nonstick_test

import (
	"context"
	"errors"
	"log"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/nonstick-io/nonstick"
	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/adapter/emitter"
	"github.com/nonstick-io/nonstick/gateway/apigw"
	"github.com/nonstick-io/nonstick/nonsticktest"
	"github.com/nonstick-io/nonstick/sessionstore/memstore"
)

// The functions named migrated... are the Go code of docs/migrate.md.

func migratedConnection(io *nonstick.Server) {
	io.OnConnected(func(ctx context.Context, s *nonstick.Socket) error {
		return s.Emit(ctx, "welcome", s.ID())
	})
	nonstick.On(io, "say", func(ctx context.Context, s *nonstick.Socket, text string) error {
		return io.Emit(ctx, "said", text)
	})
}

func TestMigratedConnection(t *testing.T) {
	io := nonsticktest.New(t, migratedConnection)
	ann, bob := io.Connect(nil), io.Connect(nil)
	for _, c := range []*nonsticktest.Client{ann, bob} {
		if id := nonsticktest.Next[string](c, "welcome"); id != c.ID() {
			t.Errorf("%s is welcomed as %s", c.ID(), id)
		}
	}
	ann.Emit("say", "hello")
	for _, c := range []*nonsticktest.Client{ann, bob} {
		if text := nonsticktest.Next[string](c, "said"); text != "hello" {
			t.Errorf("said %q", text)
		}
	}
}

// userOf stands for a check of a token.
func userOf(token string) (string, error) {
	user, ok := strings.CutPrefix(token, "token of ")
	if !ok {
		return "", errors.New("no such token")
	}
	return user, nil
}

func migratedAuth(io *nonstick.Server) {
	io.Use(func(ctx context.Context, s *nonstick.Socket) error {
		auth, err := nonstick.Auth[struct{ Token string }](ctx, s)
		if err != nil {
			return err
		}
		user, err := userOf(auth.Token)
		if err != nil {
			return &nonstick.Error{Message: "unauthorized"}
		}
		return s.SetData(ctx, "user", user)
	})
}

func TestMigratedAuth(t *testing.T) {
	io := nonsticktest.New(t, func(io *nonstick.Server) {
		migratedAuth(io)
		nonstick.OnAck(io, "user", func(ctx context.Context, s *nonstick.Socket, _ nonstick.Args) (string, error) {
			user, _, err := nonstick.Data[string](ctx, s, "user")
			return user, err
		})
	})
	var refused *nonstick.Error
	_, err := io.TryConnect("/", map[string]string{"token": "none"})
	if !errors.As(err, &refused) || refused.Message != "unauthorized" {
		t.Errorf("refused with %v", err)
	}
	ann := io.Connect(map[string]string{"token": "token of ann"})
	if user := nonsticktest.Ask[string](ann, "user"); user != "ann" {
		t.Errorf("user %q", user)
	}
}

func migratedNamespaces(io *nonstick.Server) {
	admin := io.Of("/admin")
	nonstick.On(admin, "kick", func(ctx context.Context, _ *nonstick.Socket, id string) error {
		return io.In(id).Disconnect(ctx, true)
	})

	tenants := io.OfPattern("tenants", regexp.MustCompile(`^/tenant-\d+$`))
	nonstick.On(tenants, "say", func(ctx context.Context, s *nonstick.Socket, text string) error {
		return s.Namespace().Emit(ctx, "said", text)
	})
}

func TestMigratedNamespaces(t *testing.T) {
	io := nonsticktest.New(t, migratedNamespaces)
	admin, ann := io.ConnectTo("/admin", nil), io.Connect(nil)
	one, two := io.ConnectTo("/tenant-1", nil), io.ConnectTo("/tenant-2", nil)
	one.Emit("say", "hello")
	if text := nonsticktest.Next[string](one, "said"); text != "hello" {
		t.Errorf("said %q", text)
	}
	two.Nothing()
	admin.Emit("kick", ann.ID())
	if ann.Connected() || !admin.Connected() {
		t.Errorf("connected: ann %v, admin %v", ann.Connected(), admin.Connected())
	}
	if _, err := io.TryConnect("/tenant-x", nil); err == nil {
		t.Error("a namespace that does not match is there")
	}
}

func migratedRooms(io *nonstick.Server) {
	nonstick.On(io, "join", func(ctx context.Context, s *nonstick.Socket, room string) error {
		if err := s.Join(ctx, room); err != nil {
			return err
		}
		return s.To(room).Emit(ctx, "joined", s.ID())
	})
	nonstick.On(io, "leave", func(ctx context.Context, s *nonstick.Socket, room string) error {
		return s.Leave(ctx, room)
	})
}

func migratedBroadcasts(io *nonstick.Server) {
	nonstick.On(io, "news", func(ctx context.Context, s *nonstick.Socket, text string) error {
		return errors.Join(
			io.Emit(ctx, "to all", text),
			s.Broadcast().Emit(ctx, "to the others", text),
			io.To("readers").Except("muted").Emit(ctx, "to readers", text),
			io.In("readers").Join(ctx, "archive"),
		)
	})
}

func TestMigratedRooms(t *testing.T) {
	io := nonsticktest.New(t, func(io *nonstick.Server) {
		migratedRooms(io)
		migratedBroadcasts(io)
	})
	ann, bob, cat := io.Connect(nil), io.Connect(nil), io.Connect(nil)
	for _, room := range []string{"readers", "muted", "archive"} {
		bob.Ask("join", room)
	}
	for _, room := range []string{"muted", "archive"} {
		bob.Ask("leave", room)
	}
	cat.Emit("join", "readers")
	if id := nonsticktest.Next[string](bob, "joined"); id != cat.ID() {
		t.Errorf("%s joined", id)
	}
	cat.Emit("join", "muted")
	ann.Emit("news", "rain")
	for _, c := range []*nonsticktest.Client{ann, bob, cat} {
		c.Next("to all")
	}
	for _, c := range []*nonsticktest.Client{bob, cat} {
		c.Next("to the others")
	}
	bob.Next("to readers")
	for _, c := range []*nonsticktest.Client{ann, bob, cat} {
		c.Nothing()
	}
	if n, err := io.IO().To("archive").Count(t.Context()); n != 2 || err != nil {
		t.Errorf("%d in the archive, %v", n, err)
	}
}

func migratedAcks(io *nonstick.Server) {
	nonstick.OnAck(io, "add", func(_ context.Context, _ *nonstick.Socket, in nonstick.Args2[int, int]) (int, error) {
		return in.First + in.Second, nil
	})
}

func migratedAsks(io *nonstick.Server) {
	nonstick.OnAck(io, "call", func(ctx context.Context, s *nonstick.Socket, id string) (string, error) {
		other, err := io.Socket(ctx, id)
		if err != nil {
			return "", err
		}
		return nonstick.EmitWithAck[string](ctx, other.Timeout(5*time.Second), "ring", s.ID())
	})
}

func migratedVotes(io *nonstick.Server) {
	nonstick.OnAck(io, "vote", func(ctx context.Context, s *nonstick.Socket, question string) (int, error) {
		votes, err := nonstick.EmitWithAcks[bool](ctx, s.Broadcast().Timeout(5*time.Second), "vote", question)
		if err != nil && !errors.Is(err, nonstick.ErrAckTimeout) {
			return 0, err
		}
		yes := 0
		for _, vote := range votes.Answered {
			if vote.Value {
				yes++
			}
		}
		return yes, nil // votes.Missing have not answered in time
	})
}

func migratedReplies(io *nonstick.Server) {
	nonstick.On(io, "seen", func(ctx context.Context, s *nonstick.Socket, film string) error {
		return nonstick.EmitThen(ctx, s, "rate", "rated", film, film)
	})
	nonstick.OnReply(io, "rated", func(ctx context.Context, s *nonstick.Socket, stars int, film string) error {
		return s.Emit(ctx, "thanks", film, stars)
	})
}

func TestMigratedAcks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		io := nonsticktest.New(t, func(io *nonstick.Server) {
			migratedAcks(io)
			migratedAsks(io)
			migratedVotes(io)
			migratedReplies(io)
		})
		ann, bob, cat := io.Connect(nil), io.Connect(nil), io.Connect(nil)
		bob.Answer("ring", func(nonstick.Args) any { return "hello?" })
		bob.Answer("vote", func(nonstick.Args) any { return true })
		cat.Answer("vote", func(nonstick.Args) any { return false })
		ann.Answer("rate", func(nonstick.Args) any { return 5 })
		if sum := nonsticktest.Ask[int](ann, "add", 1, 2); sum != 3 {
			t.Errorf("sum %d", sum)
		}
		if got := nonsticktest.Ask[nonstick.Error](ann, "add", "one"); got.Message != "Invalid arguments" {
			t.Errorf("no numbers: %+v", got)
		}
		if answer := nonsticktest.Ask[string](ann, "call", bob.ID()); answer != "hello?" {
			t.Errorf("answered %q", answer)
		}
		if yes := nonsticktest.Ask[int](ann, "vote", "tea?"); yes != 1 {
			t.Errorf("%d votes", yes)
		}
		ann.Emit("seen", "Metropolis")
		ann.Next("rate")
		thanks := nonsticktest.Next[nonstick.Args2[string, int]](ann, "thanks")
		if thanks.First != "Metropolis" || thanks.Second != 5 {
			t.Errorf("thanks for %+v", thanks)
		}
	})
}

// A client that does not answer is missing, and the rest is counted.
func TestMigratedVoteWithoutAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		io := nonsticktest.New(t, migratedVotes)
		ann, bob := io.Connect(nil), io.Connect(nil)
		bob.Answer("vote", func(nonstick.Args) any { return true })
		io.Connect(nil) // mute
		answer := make(chan int, 1)
		go func() { answer <- nonsticktest.Ask[int](ann, "vote", "tea?") }()
		if yes := <-answer; yes != 1 {
			t.Errorf("%d votes", yes)
		}
	})
}

func migratedData(io *nonstick.Server) {
	nonstick.On(io, "name", func(ctx context.Context, s *nonstick.Socket, name string) error {
		return s.SetData(ctx, "name", name)
	})
	nonstick.OnAck(io, "score", func(ctx context.Context, s *nonstick.Socket, points int) (int, error) {
		return nonstick.AddData(ctx, s, "score", points)
	})
}

func migratedState(io *nonstick.Server) {
	nonstick.OnAck(io, "add to cart", func(ctx context.Context, s *nonstick.Socket, item string) (int, error) {
		cart, err := nonstick.UpdateData(ctx, s, "cart", func(cart []string, _ bool) ([]string, error) {
			return append(cart, item), nil
		})
		return len(cart), err
	})
}

func migratedFetch(io *nonstick.Server) {
	nonstick.OnAck(io, "who", func(ctx context.Context, _ *nonstick.Socket, room string) ([]string, error) {
		names := []string{}
		for other, err := range io.In(room).All(ctx) {
			if err != nil {
				return nil, err
			}
			name, _, err := nonstick.Data[string](ctx, other, "name")
			if err != nil {
				return nil, err
			}
			names = append(names, name)
		}
		return names, nil
	})
}

func TestMigratedData(t *testing.T) {
	io := nonsticktest.New(t, func(io *nonstick.Server) {
		migratedRooms(io)
		migratedData(io)
		migratedState(io)
		migratedFetch(io)
	})
	ann, bob := io.Connect(nil), io.Connect(nil)
	ann.Emit("name", "Ann")
	bob.Emit("name", "Bob")
	nonsticktest.Ask[int](ann, "score", 3)
	if score := nonsticktest.Ask[int](ann, "score", 4); score != 7 {
		t.Errorf("score %d", score)
	}
	nonsticktest.Ask[int](ann, "add to cart", "tea")
	if items := nonsticktest.Ask[int](ann, "add to cart", "milk"); items != 2 {
		t.Errorf("%d in the cart", items)
	}
	if names := nonsticktest.Ask[[]string](ann, "who", "lobby"); len(names) != 0 {
		t.Errorf("in the lobby: %q", names)
	}
	ann.Emit("join", "lobby")
	bob.Emit("join", "lobby")
	names := nonsticktest.Ask[[]string](ann, "who", "lobby")
	if slices.Sort(names); !slices.Equal(names, []string{"Ann", "Bob"}) {
		t.Errorf("in the lobby: %q", names)
	}
}

func migratedEnd(io *nonstick.Server) {
	io.OnDisconnecting(func(ctx context.Context, s *nonstick.Socket, reason nonstick.Reason) error {
		rooms, err := s.Rooms(ctx)
		if err != nil || len(rooms) == 0 { // To without rooms means all sockets
			return err
		}
		return s.To(rooms...).Emit(ctx, "left", s.ID(), reason)
	})
	io.OnDisconnect(func(ctx context.Context, _ *nonstick.Socket, _ nonstick.Reason) error {
		online, err := io.Count(ctx)
		if err != nil {
			return err
		}
		return io.Emit(ctx, "online", online)
	})
}

func TestMigratedEnd(t *testing.T) {
	io := nonsticktest.New(t, func(io *nonstick.Server) {
		migratedRooms(io)
		migratedEnd(io)
	})
	ann, bob, cat := io.Connect(nil), io.Connect(nil), io.Connect(nil)
	ann.Emit("join", "lobby")
	bob.Emit("join", "lobby")
	ann.Next("joined")
	ann.Disconnect()
	left := nonsticktest.Next[nonstick.Args2[string, nonstick.Reason]](bob, "left")
	if left.First != ann.ID() || left.Second != nonstick.ReasonClientDisconnect {
		t.Errorf("left: %+v", left)
	}
	for _, c := range []*nonsticktest.Client{bob, cat} {
		if online := nonsticktest.Next[int](c, "online"); online != 2 {
			t.Errorf("%d online", online)
		}
	}
	cat.Drop() // was in no room
	if online := nonsticktest.Next[int](bob, "online"); online != 1 {
		t.Errorf("%d online", online)
	}
	bob.Nothing()
}

func migratedCatchAll(io *nonstick.Server) {
	io.OnAny(func(_ context.Context, s *nonstick.Socket, event string, args nonstick.Args) {
		log.Println(s.ID(), event, string(args.JSON))
	})
	io.UseEvent(func(_ context.Context, _ *nonstick.Socket, event string, _ nonstick.Args) error {
		if event == "shout" {
			return &nonstick.Error{Message: "quietly, please"}
		}
		return nil
	})
}

// logLines is what package log writes in a test.
func logLines(t *testing.T) *strings.Builder {
	t.Helper()
	logged, before := &strings.Builder{}, log.Writer()
	log.SetOutput(logged)
	t.Cleanup(func() { log.SetOutput(before) })
	return logged
}

func TestMigratedCatchAll(t *testing.T) {
	logged := logLines(t)
	io := nonsticktest.New(t, func(io *nonstick.Server) {
		migratedCatchAll(io)
		migratedAcks(io)
	})
	ann := io.Connect(nil)
	if sum := nonsticktest.Ask[int](ann, "add", 1, 2); sum != 3 {
		t.Errorf("sum %d", sum)
	}
	if got := nonsticktest.Ask[nonstick.Error](ann, "shout", "HEY"); got.Message != "quietly, please" {
		t.Errorf("shouting: %+v", got)
	}
	for _, want := range []string{ann.ID() + " add [1,2]\n", ann.ID() + ` shout ["HEY"]` + "\n"} {
		if !strings.Contains(logged.String(), want) {
			t.Errorf("logged %q, not %q", logged.String(), want)
		}
	}
}

func migratedEmitter(ctx context.Context, store emitter.Store, pusher delivery.Pusher, order int) error {
	e := emitter.New(store, pusher, emitter.Options{}) // once, when the program starts
	return errors.Join(
		e.To("orders").Emit(ctx, "shipped", order),
		e.Of("/admin").Emit(ctx, "shipped", order),
		e.To("orders").Join(ctx, "archive"),
	)
}

func TestMigratedEmitter(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s := w.server(func(io *nonstick.Server) {
			migratedRooms(io)
			io.Of("/admin")
		})
		ann, bob := w.join(s), w.join(s)
		ann.send(`42["join","orders"]`)
		ann.send("40/admin,")
		ann.take()
		if err := migratedEmitter(t.Context(), w.store, w.pusher, 7); err != nil {
			t.Error(err)
		}
		ann.expect(`42["shipped",7]`, `42/admin,["shipped",7]`)
		bob.expect()
		if n, err := s.To("archive").Count(t.Context()); n != 1 || err != nil {
			t.Errorf("%d in the archive, %v", n, err)
		}
	})
}

func migratedServerSide(io *nonstick.Server) {
	nonstick.OnServerSideEmit(io, "prices", func(ctx context.Context, nsp *nonstick.Namespace, day string) error {
		return nsp.To("buyers").Emit(ctx, "prices", day)
	})
	nonstick.On(io, "publish", func(ctx context.Context, _ *nonstick.Socket, day string) error {
		return io.ServerSideEmit(ctx, "prices", day)
	})
}

func migratedTimers(io *nonstick.Server) {
	nonstick.On(io, "start auction", func(ctx context.Context, _ *nonstick.Socket, item string) error {
		return io.ServerSideEmitAt(ctx, time.Now().Add(time.Hour), "auction over", item)
	})
	nonstick.OnServerSideEmit(io, "auction over", func(ctx context.Context, n *nonstick.Namespace, item string) error {
		return n.Emit(ctx, "sold", item)
	})
}

// sweep has the server do what is due.
func sweep(t *testing.T, io *nonsticktest.Server) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if err := io.IO().Engine().Sweep(ctx); err != nil {
		t.Error(err)
	}
}

func TestMigratedServerSide(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		io := nonsticktest.New(t, func(io *nonstick.Server) {
			migratedRooms(io)
			migratedServerSide(io)
			migratedTimers(io)
		})
		ann, bob := io.Connect(nil), io.Connect(nil)
		bob.Emit("join", "buyers")
		ann.Emit("publish", "monday")
		ann.Emit("start auction", "a vase")
		sweep(t, io)
		if day := nonsticktest.Next[string](bob, "prices"); day != "monday" {
			t.Errorf("prices of %q", day)
		}
		ann.Nothing()
		time.Sleep(time.Hour)
		sweep(t, io)
		if item := nonsticktest.Next[string](ann, "sold"); item != "a vase" {
			t.Errorf("sold %q", item)
		}
		sweep(t, io)
		ann.Nothing()
	})
}

func migratedRequests(io *nonstick.Server) {
	io.AllowRequest(func(_ context.Context, h nonstick.Handshake) error {
		if h.Query["version"] == "1" {
			return &nonstick.Error{Message: "please update"}
		}
		return nil
	})
}

func TestMigratedRequests(t *testing.T) {
	io := nonsticktest.New(t, migratedRequests)
	for version, want := range map[string]string{"1": "please update", "2": ""} {
		h := nonstick.Handshake{Time: time.Now(), Query: map[string]string{"version": version}}
		_, err := io.IO().Engine().Handshake(t.Context(), h)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("version %s: %v, want %q", version, err, want)
		}
	}
}

func migratedEngine(io *nonstick.Server) {
	io.OnInitialHeaders(func(_ context.Context, _ nonstick.Handshake, header http.Header) {
		header.Set("X-Served-By", "Nonstick")
	})
	io.OnConnectionError(func(_ context.Context, e nonstick.ConnectionError) {
		log.Println(e.Code, e.Message)
	})
}

func TestMigratedEngine(t *testing.T) {
	logged := logLines(t)
	config := nonstick.Config{Store: memstore.New(memstore.Options{})}
	front := apigw.Start(nonstick.App("migrated", migratedEngine), config, apigw.Config{})
	get := func(query string) events.APIGatewayV2HTTPResponse {
		e := events.APIGatewayV2HTTPRequest{RawPath: "/socket.io/", RawQueryString: query}
		e.RequestContext.HTTP.Method = http.MethodGet
		res, err := front.HTTP(t.Context(), e)
		if err != nil {
			t.Fatal(err)
		}
		return res
	}
	if res := get("EIO=4&transport=polling"); res.StatusCode != 200 || res.Headers["X-Served-By"] != "Nonstick" {
		t.Errorf("answered %d with %v", res.StatusCode, res.Headers)
	}
	if res := get("EIO=3&transport=polling"); res.StatusCode != 400 || res.Headers["X-Served-By"] != "" {
		t.Errorf("refused %d with %v", res.StatusCode, res.Headers)
	}
	if want := "5 Unsupported protocol version\n"; !strings.HasSuffix(logged.String(), want) {
		t.Errorf("logged %q, want %q", logged.String(), want)
	}
}

// An example of a test, as the page has it.
func TestMigratedTest(t *testing.T) {
	io := nonsticktest.New(t, migratedRooms)
	ann, bob := io.Connect(nil), io.Connect(nil)
	ann.Emit("join", "lobby")
	bob.Emit("join", "lobby")
	if id := nonsticktest.Next[string](ann, "joined"); id != bob.ID() {
		t.Errorf("%s joined", id)
	}
	bob.Nothing()
}
