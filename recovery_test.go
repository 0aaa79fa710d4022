package nonstick_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nonstick-io/nonstick"
	"github.com/nonstick-io/nonstick/internal/protocol"
	"github.com/nonstick-io/nonstick/internal/socketio"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// keep is how long the servers of these tests wait for a client.
const keep = 2 * time.Minute

// recovering has sockets of all namespaces be recovered, and leaves pings out.
func recovering(c *nonstick.Config) {
	patient(c)
	c.Recovery = keep
}

// lasting is a client that may lose its connection and come back.
type lasting struct {
	*peer
	nsp         string // as it stands before a payload: "" or "/x,"
	pid, offset string
}

// joinLasting opens a session with a socket in the main namespace.
func (w *world) joinLasting(at *nonstick.Server, transport string) *lasting {
	w.t.Helper()
	c := &lasting{peer: w.openOn(at, transport)}
	c.send("40")
	c.welcome()
	return c
}

// welcome reads the answer to CONNECT, and leaves what came behind it.
func (c *lasting) welcome() {
	c.w.t.Helper()
	got := c.take()
	for len(got) > 0 && (got[0] == "6" || got[0] == "2") {
		got = got[1:]
	}
	var k struct{ SID, PID string }
	if len(got) == 0 || !strings.HasPrefix(got[0], "40"+c.nsp) ||
		json.Unmarshal([]byte(got[0][2+len(c.nsp):]), &k) != nil || k.SID == "" {
		c.w.t.Fatalf("answer to CONNECT: %q", got)
	}
	c.id, c.pid = k.SID, k.PID
	c.got = append(got[1:], c.got...)
}

// box is the client's outbox.
func (c *lasting) box() sessionstore.SessionID { return sessionstore.OutboxID(c.pid) }

// events returns the events that have come since the last call without their offsets, which it notes as clients do:
// the last string of each event that does not ask.
func (c *lasting) events() []string {
	c.w.t.Helper()
	return c.note(c.take())
}

func (c *lasting) note(frames []string) []string {
	c.w.t.Helper()
	var events []string
	for _, f := range frames {
		if f == "" || f == "6" || f == "2" {
			continue
		}
		plain, offset := c.split(f)
		if offset != "" {
			c.offset = offset
		}
		events = append(events, plain)
	}
	return events
}

// split takes the offset off a frame; one that should have one and has none fails the test.
func (c *lasting) split(frame string) (plain, offset string) {
	c.w.t.Helper()
	text, ok := strings.CutPrefix(frame, "4")
	if !ok {
		return frame, ""
	}
	p, _, err := socketio.Decode(text, socketio.Limits{})
	if err != nil {
		c.w.t.Fatalf("frame %q: %v", frame, err)
	}
	if p.Type != socketio.Event && p.Type != socketio.BinaryEvent || p.HasID {
		return frame, ""
	}
	i := strings.LastIndex(frame, `,"`)
	tag := protocol.Offset{}.Encode(c.box())[1:]
	if i < 0 || !strings.HasSuffix(frame, tag+`"]`) {
		c.w.t.Fatalf("frame %q has no offset that ends in %q", frame, tag)
	}
	return frame[:i] + "]", frame[i+2 : len(frame)-2]
}

// expectEvents fails the test unless exactly these have come.
func (c *lasting) expectEvents(want ...string) {
	c.w.t.Helper()
	if got := c.events(); !slices.Equal(got, want) {
		c.w.t.Errorf("got  %q\nwant %q", got, want)
	}
}

// lose ends the connection as a network does, and returns when the server has noticed.
func (c *lasting) lose() {
	c.w.t.Helper()
	if c.conn.IsZero() {
		c.send("1")
		return
	}
	if err := c.at.Engine().Disconnect(c.w.t.Context(), c.conn); err != nil {
		c.w.t.Fatalf("disconnect: %v", err)
	}
}

// comeBack opens another session and connects with what the client has; it reports whether that is the socket that it
// was.
func (c *lasting) comeBack(at *nonstick.Server, transport string) bool {
	c.w.t.Helper()
	id, pid := c.id, c.pid
	c.peer = c.w.openOn(at, transport)
	c.send(c.hello())
	c.welcome()
	if (id == c.id) != (pid == c.pid) {
		c.w.t.Errorf("id %q, pid %q came back as %q, %q", id, pid, c.id, c.pid)
	}
	return id == c.id
}

// hello is CONNECT with what the client has.
func (c *lasting) hello() string {
	auth := map[string]string{"pid": c.pid}
	if c.offset != "" {
		auth["offset"] = c.offset
	}
	data, err := json.Marshal(auth)
	if err != nil {
		c.w.t.Fatal(err)
	}
	return "40" + c.nsp + string(data)
}

// back is comeBack for a client that has to be the socket that it was.
func (c *lasting) back(at *nonstick.Server, transport string) {
	c.w.t.Helper()
	if !c.comeBack(at, transport) {
		c.w.t.Fatal("not recovered")
	}
}

// lastingApp notes what happens to sockets, and does as it is told.
func lastingApp(n *notes) func(s *nonstick.Server) {
	return func(s *nonstick.Server) {
		lastingNamespace(s.Namespace, n)
	}
}

func lastingNamespace(s *nonstick.Namespace, n *notes) {
	s.OnConnect(func(ctx context.Context, k *nonstick.Socket) error {
		n.add("connect %v", k.Recovered())
		return errors.Join(k.Join(ctx, "room"), k.SetData(ctx, "name", "Ann"))
	})
	s.OnConnected(func(_ context.Context, k *nonstick.Socket) error {
		n.add("connected %v", k.Recovered())
		return nil
	})
	s.OnDisconnecting(func(ctx context.Context, k *nonstick.Socket, reason nonstick.Reason) error {
		rooms, err := k.Rooms(ctx)
		name, _, dataErr := nonstick.Data[string](ctx, k, "name")
		n.add("disconnecting %v %s: %s", rooms, name, reason)
		return errors.Join(err, dataErr)
	})
	s.OnDisconnect(func(_ context.Context, _ *nonstick.Socket, reason nonstick.Reason) error {
		n.add("disconnect: %s", reason)
		return nil
	})
	nonstick.On(s, "say", func(ctx context.Context, k *nonstick.Socket, what string) error {
		return k.Emit(ctx, "said", what)
	})
	nonstick.On(s, "twice", func(ctx context.Context, k *nonstick.Socket, what string) error {
		return errors.Join(k.Emit(ctx, "one", what), k.Emit(ctx, "two", what))
	})
	nonstick.OnAck(s, "echo", func(_ context.Context, _ *nonstick.Socket, what string) (string, error) {
		return what, nil
	})
	nonstick.On(s, "kick", func(ctx context.Context, k *nonstick.Socket, session bool) error {
		return k.Disconnect(ctx, session)
	})
	nonstick.OnAck(s, "who", func(ctx context.Context, k *nonstick.Socket, _ int) (string, error) {
		rooms, err := k.Rooms(ctx)
		name, _, dataErr := nonstick.Data[string](ctx, k, "name")
		return fmt.Sprint(rooms, name, k.Recovered()), errors.Join(err, dataErr)
	})
}

// emits emits an event to a selection.
func (w *world) emits(to nonstick.Selection, event string, args ...any) {
	w.t.Helper()
	if err := to.Emit(w.t.Context(), event, args...); err != nil {
		w.t.Errorf("emit %s: %v", event, err)
	}
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// transports is all pairs of a transport before the loss and one after it.
func transports(t *testing.T, f func(t *testing.T, w *world, before, after string)) {
	t.Helper()
	for _, before := range []string{"websocket", "polling"} {
		for _, after := range []string{"websocket", "polling"} {
			t.Run(before+" to "+after, func(t *testing.T) {
				inWorld(t, func(t *testing.T, w *world) { f(t, w, before, after) })
			})
		}
	}
}

// A client that comes back is the socket that it was, and gets what it missed, in order and once; again and again, at
// whichever instance, and from before its first event on.
func TestRecovery(t *testing.T) {
	transports(t, func(t *testing.T, w *world, before, after string) {
		var n notes
		one, two := w.server(lastingApp(&n), recovering), w.server(lastingApp(&n), recovering)
		c := w.joinLasting(one, before)
		n.expect(t, "connect false", "connected false")
		for round := range 3 {
			c.lose()
			w.emits(two.To(c.id), "direct", round)
			w.emits(two.To("room"), "room", round)
			w.emits(one.To("room").Volatile(), "volatile", round)
			w.emits(one.Except("nobody"), "all", round)
			c.back(two, after)
			c.expectEvents(
				fmt.Sprintf(`42["direct",%d]`, round), fmt.Sprintf(`42["room",%d]`, round),
				fmt.Sprintf(`42["all",%d]`, round),
			)
			n.expect(t, "connected true")
			w.emits(one.To("room"), "live", round)
			c.send(`427["who",0]`)
			live := fmt.Sprintf(`42["live",%d]`, round)
			c.expectEvents(live, `437["[room]Annfalse"]`)
			one, two, before, after = two, one, after, before
		}
	})
}

// Each event has an offset, however it was emitted, and whatever its last argument is; an event that asks has none, and
// an acknowledgement has none.
func TestRecoveryOffsets(t *testing.T) {
	for _, transport := range []string{"websocket", "polling"} {
		t.Run(transport, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				var n notes
				s := w.server(lastingApp(&n), recovering)
				c := w.joinLasting(s, transport)
				seen := map[string]bool{}
				expect := func(want ...string) {
					t.Helper()
					c.expectEvents(want...)
					if seen[c.offset] {
						t.Errorf("offset %q was there already", c.offset)
					}
					seen[c.offset] = true
				}
				c.send(`42["say","hello"]`)
				expect(`42["said","hello"]`)
				w.emits(s.To(c.id), "none")
				expect(`42["none"]`)
				own := c.offset // as its last argument an application has what looks like an offset
				w.emits(s.To("room"), "string", own)
				expect(fmt.Sprintf(`42["string",%q]`, own))
				c.send(`42["twice","x"]`)
				expect(`42["one","x"]`, `42["two","x"]`)
				c.send(`425["echo","y"]`)
				c.expect(`435["y"]`)
				if c.conn.IsZero() { // a GET is parked: it is taken
					done := make(chan string, 1)
					go func() { done <- c.get() }()
					synctest.Wait()
					w.emits(s.To(c.id).Volatile(), "volatile", "z")
					if got := c.note([]string{<-done}); !slices.Equal(got, []string{`42["volatile","z"]`}) {
						t.Errorf("got %q", got)
					}
				} else {
					w.emits(s.To(c.id).Volatile(), "volatile", "z")
					expect(`42["volatile","z"]`)
				}
				c.lose()
				w.emits(s.To(c.id), "missed")
				c.back(s, transport)
				expect(`42["missed"]`)
			})
		})
	}
}

// What a client says when it comes back, and whether it is the socket that it was.
func TestRecoveryRefused(t *testing.T) {
	// the client has the first of three events when it is lost
	const missed, all = `42["ev",2] 42["ev",3]`, `42["ev",1] 42["ev",2] 42["ev",3]`
	foreign := protocol.Offset{Entry: 2}.Encode(sessionstore.OutboxID("x"))
	for _, tt := range []struct {
		name      string
		before    func(w *world, c *lasting)
		hello     func(c *lasting) string
		recovered bool
		got       string
	}{
		{name: "its offset", recovered: true, got: missed},
		{
			name: "no offset", recovered: true, got: all,
			hello: func(c *lasting) string { return fmt.Sprintf(`40{"pid":%q}`, c.pid) },
		},
		{
			name: "the offset of another outbox", recovered: true, got: all,
			hello: func(c *lasting) string { return fmt.Sprintf(`40{"pid":%q,"offset":%q}`, c.pid, foreign) },
		},
		{
			name: "a string of the application", recovered: true, got: all,
			hello: func(c *lasting) string { return fmt.Sprintf(`40{"pid":%q,"offset":"hello"}`, c.pid) },
		},
		{
			name: "a string beyond any offset", recovered: true, got: all,
			hello: func(c *lasting) string {
				return fmt.Sprintf(`40{"pid":%q,"offset":%q}`, c.pid, strings.Repeat("z", 9000))
			},
		},
		{
			name: "with auth beside it", recovered: true, got: missed,
			hello: func(c *lasting) string {
				return fmt.Sprintf(`40{"token":"t","pid":%q,"offset":%q}`, c.pid, c.offset)
			},
		},
		{
			name: "an offset that is to come",
			hello: func(c *lasting) string {
				return fmt.Sprintf(`40{"pid":%q,"offset":%q}`, c.pid, protocol.Offset{Entry: 9}.Encode(c.box()))
			},
		},
		{
			name: "its tag, and garbage",
			hello: func(c *lasting) string {
				return fmt.Sprintf(`40{"pid":%q,"offset":%q}`, c.pid, "-1"+protocol.Offset{}.Encode(c.box())[1:])
			},
		},
		{
			name:  "an offset that is no string",
			hello: func(c *lasting) string { return fmt.Sprintf(`40{"pid":%q,"offset":7}`, c.pid) },
		},
		{name: "no pid", hello: func(*lasting) string { return `40` }},
		{name: "another's pid", hello: func(*lasting) string { return `40{"pid":"abcdefghijabcdefghij"}` }},
		{name: "a pid that is no string", hello: func(*lasting) string { return `40{"pid":{"a":1},"offset":"x"}` }},
		{
			name:  "a pid beyond any",
			hello: func(c *lasting) string { return fmt.Sprintf(`40{"pid":%q}`, strings.Repeat("x", 5000)) },
		},
		{name: "the id of its session", hello: func(c *lasting) string { return fmt.Sprintf(`40{"pid":%q}`, c.sid) }},
		{
			name:      "at the last moment",
			before:    func(*world, *lasting) { time.Sleep(keep - 2*time.Millisecond) },
			recovered: true, got: missed,
		},
		{name: "over, and not swept", before: func(*world, *lasting) { time.Sleep(keep) }},
		{
			name: "over, and swept",
			before: func(w *world, c *lasting) {
				time.Sleep(keep)
				w.sweep(c.at, 2*time.Second)
			},
		},
	} {
		for _, transport := range []string{"websocket", "polling"} {
			t.Run(tt.name+", "+transport, func(t *testing.T) {
				inWorlds(t, func(t *testing.T, w *world) {
					var n notes
					s := w.server(lastingApp(&n), recovering)
					c := w.joinLasting(s, transport)
					w.emits(s.To(c.id), "ev", 1)
					c.expectEvents(`42["ev",1]`)
					c.lose()
					w.emits(s.To(c.id), "ev", 2)
					w.emits(s.To(c.id), "ev", 3)
					if tt.before != nil {
						tt.before(w, c)
					}
					hello := c.hello()
					if tt.hello != nil {
						hello = tt.hello(c)
					}
					id, old := c.id, *c
					c.peer = w.openOn(s, transport)
					c.send(hello)
					c.welcome()
					if recovered := id == c.id; recovered != tt.recovered {
						t.Fatalf("recovered: %v, want %v", recovered, tt.recovered)
					}
					if tt.recovered {
						c.expectEvents(strings.Split(tt.got, " ")...)
						return
					}
					c.expectEvents()
					if c.pid == old.pid {
						t.Error("a new socket has the old pid")
					}
					w.emits(s.To("room"), "live")
					c.expectEvents(`42["live"]`)
				})
			})
		}
	}
}

// Of two sessions with one pid the one that came last has the socket, and the other is closed. What the server has not
// noticed is no matter: the client is back before its old connection is known to have ended.
func TestRecoveryOfTwo(t *testing.T) {
	transports(t, func(t *testing.T, w *world, before, after string) {
		var n notes
		s := w.server(lastingApp(&n), recovering)
		c := w.joinLasting(s, before)
		first := *c
		w.emits(s.To("room"), "ev", 1)
		c.expectEvents(`42["ev",1]`)
		c.back(s, after)
		first.expectClosed("transport close")
		w.emits(s.To("room"), "ev", 2)
		c.expectEvents(`42["ev",2]`)
		second := *c
		c.back(s, before)
		second.expectClosed("transport close")
		w.emits(s.To("room"), "ev", 3)
		c.expectEvents(`42["ev",3]`)
		time.Sleep(keep)
		w.sweep(s, 2*time.Second) // what ended cost the socket nothing
		w.emits(s.To("room"), "ev", 4)
		c.expectEvents(`42["ev",4]`)
		n.expect(t, "connect false", "connected false", "connected true", "connected true")
	})
}

// A client may come back while its session is being closed, or after that, by an instance that died before it gave the
// socket up.
func TestRecoveryFromADeadInstance(t *testing.T) {
	transports(t, func(t *testing.T, w *world, before, after string) {
		var n notes
		s := w.server(lastingApp(&n), recovering)
		c := w.joinLasting(s, before)
		old := c.state()
		_, err := w.store.Close(t.Context(), sessionstore.CloseRequest{
			Session: c.sid, Reason: "transport close",
			Handler: sessionstore.Lease{Owner: "dead", Until: time.Now().Add(30 * time.Second)},
		})
		w.must(err)
		w.emits(s.To("room"), "missed")
		c.back(s, after)
		c.expectEvents(`42["missed"]`)
		time.Sleep(time.Minute)
		w.sweep(s, 5*time.Second) // takes the end over, and meets a link of what is another's
		if got := w.session(old.ID).State; got == sessionstore.Open {
			t.Errorf("the old session is %s", got)
		}
		w.emits(s.To("room"), "live")
		c.expectEvents(`42["live"]`)
		n.expect(t, "connect false", "connected false", "connected true")
	})
}

// A socket that is away is there for all others: it is found, counted, moved and told of; what it missed is what it was
// in when that was emitted.
func TestAway(t *testing.T) {
	transports(t, func(t *testing.T, w *world, before, after string) {
		ctx := t.Context()
		var n notes
		s := w.server(lastingApp(&n), recovering)
		c := w.joinLasting(s, before)
		c.lose()
		if count, err := s.To("room").Count(ctx); count != 1 || err != nil {
			t.Errorf("%d are in the room, %v", count, err)
		}
		all, err := s.Fetch(ctx, 10)
		if err != nil || len(all) != 1 || all[0].ID() != c.id {
			t.Fatalf("fetched %v, %v", all, err)
		}
		remote := all[0]
		if _, err := remote.Handshake(ctx); !errors.Is(err, nonstick.ErrDisconnected) {
			t.Errorf("the handshake of what is away: %v", err)
		}
		w.emits(s.To("new"), "before", 0)
		w.must(remote.Join(ctx, "new"))
		w.emits(s.To("new"), "in", 0)
		w.must(s.To("new").Leave(ctx, "room"))
		w.emits(s.To("room"), "out", 0)
		w.must(remote.SetData(ctx, "name", "Bob"))
		w.must(remote.Emit(ctx, "remote"))
		w.must(emitterOf(t, w).To("new").Emit(ctx, "outside"))
		c.back(s, after)
		c.expectEvents(`42["in",0]`, `42["remote"]`, `42["outside"]`)
		c.send(`427["who",0]`)
		c.expectEvents(`437["[new]Bobfalse"]`)
		if _, err := remote.Handshake(ctx); err != nil {
			t.Errorf("the handshake of what came back: %v", err)
		}
	})
}

// A socket whose client does not come back ends once, for the reason that its connection was lost for.
func TestRecoveryExpires(t *testing.T) {
	for _, tt := range []struct {
		transport, reason string
		lose              func(w *world, c *lasting)
	}{
		{"websocket", "transport close", func(_ *world, c *lasting) { c.lose() }},
		{"polling", "transport close", func(_ *world, c *lasting) { c.lose() }},
		{"websocket", "transport error", func(w *world, c *lasting) {
			w.pusher.AnswerAlways(c.conn, errors.New("no answer"))
			w.emits(c.at.To("room"), "lost")
		}},
		{"websocket", "ping timeout", func(w *world, c *lasting) {
			w.must(c.at.Engine().Fail(w.t.Context(), c.sid, "ping timeout"))
		}},
		{"polling", "ping timeout", func(w *world, c *lasting) {
			w.must(c.at.Engine().Fail(w.t.Context(), c.sid, "ping timeout"))
		}},
	} {
		t.Run(tt.transport+", "+tt.reason, func(t *testing.T) {
			inWorlds(t, func(t *testing.T, w *world) {
				var n notes
				one, two := w.server(lastingApp(&n), recovering), w.server(lastingApp(&n), recovering)
				c := w.joinLasting(one, tt.transport)
				n.expect(t, "connect false", "connected false")
				tt.lose(w, c)
				n.expect(t)
				time.Sleep(keep - time.Second)
				w.sweep(two, 500*time.Millisecond)
				n.expect(t)
				time.Sleep(time.Second)
				w.sweep(two, 3*time.Second)
				w.sweep(one, 3*time.Second)
				n.expect(t, "disconnecting [room] Ann: "+tt.reason, "disconnect: "+tt.reason)
				w.expectNobody("/")
				if c.comeBack(one, tt.transport) {
					t.Error("recovered what was over")
				}
			})
		})
	}
}

// A disconnection that one of the two asked for, and a packet that is none, end the socket at once.
func TestRecoveryEnds(t *testing.T) {
	for _, tt := range []struct {
		name, reason string
		end          func(w *world, c *lasting)
	}{
		{"DISCONNECT", "client namespace disconnect", func(_ *world, c *lasting) { c.send("41") }},
		{"the handler", "server namespace disconnect", func(_ *world, c *lasting) { c.send(`42["kick",false]`) }},
		{
			"the handler, and its session", "server namespace disconnect",
			func(_ *world, c *lasting) { c.send(`42["kick",true]`) },
		},
		{"from outside", "server namespace disconnect", func(w *world, c *lasting) {
			w.must(emitterOf(w.t, w).To("room").Disconnect(w.t.Context(), false))
		}},
		{"from outside, and its session", "server namespace disconnect", func(w *world, c *lasting) {
			w.must(emitterOf(w.t, w).To("room").Disconnect(w.t.Context(), true))
		}},
		{"a remote socket", "server namespace disconnect", func(w *world, c *lasting) {
			remote, err := c.at.Socket(w.t.Context(), c.id)
			w.must(err)
			w.must(remote.Disconnect(w.t.Context(), false))
		}},
		{"a remote socket, and its session", "server namespace disconnect", func(w *world, c *lasting) {
			remote, err := c.at.Socket(w.t.Context(), c.id)
			w.must(err)
			w.must(remote.Disconnect(w.t.Context(), true))
		}},
		{"a packet that is none", "parse error", func(_ *world, c *lasting) { _ = c.try("x") }},
	} {
		for _, transport := range []string{"websocket", "polling"} {
			for _, away := range []bool{false, true} {
				if away && !strings.Contains(tt.name, "outside") && !strings.Contains(tt.name, "remote") {
					continue
				}
				t.Run(fmt.Sprintf("%s, %s, away %v", tt.name, transport, away), func(t *testing.T) {
					inWorlds(t, func(t *testing.T, w *world) {
						var n notes
						s := w.server(lastingApp(&n), recovering)
						c := w.joinLasting(s, transport)
						n.expect(t, "connect false", "connected false")
						if away {
							c.lose()
						}
						old := *c
						tt.end(w, c)
						synctest.Wait()
						if strings.Contains(tt.name, "outside") { // whose ends are left to the sweeper
							w.sweep(s, 3*time.Second)
						}
						if strings.Contains(tt.name, "session") {
							reason := tt.reason
							if away { // its connection had ended before
								reason = "transport close"
							}
							old.expectClosed(reason)
						}
						n.expect(t, "disconnecting [room] Ann: "+tt.reason, "disconnect: "+tt.reason)
						w.expectNobody("/")
						if c.comeBack(s, transport) {
							t.Error("recovered what had ended")
						}
						c.expectEvents()
						time.Sleep(keep)
						n.expect(t, "connect false", "connected false")
						w.sweep(s, 3*time.Second)
						n.expect(t)
						w.emits(s.To("room"), "live")
						c.expectEvents(`42["live"]`)
					})
				})
			}
		}
	}
}

// With Middlewares they are asked again, and may refuse; without, neither they nor the connect handler are.
func TestRecoveryMiddlewares(t *testing.T) {
	for _, middlewares := range []bool{false, true} {
		for _, transport := range []string{"websocket", "polling"} {
			t.Run(fmt.Sprint(transport, " ", middlewares), func(t *testing.T) {
				inWorlds(t, func(t *testing.T, w *world) {
					var n notes
					refuse := false
					s := w.server(func(s *nonstick.Server) {
						s.ConnectionStateRecovery(nonstick.ConnectionStateRecovery{
							MaxDisconnectionDuration: keep, Middlewares: middlewares,
						})
						s.Use(func(_ context.Context, k *nonstick.Socket) error {
							n.add("use %v", k.Recovered())
							if refuse {
								return &nonstick.Error{Message: "not any more"}
							}
							return nil
						})
						s.OnConnect(func(context.Context, *nonstick.Socket) error { n.add("connect"); return nil })
						s.OnDisconnect(func(_ context.Context, _ *nonstick.Socket, r nonstick.Reason) error {
							n.add("disconnect: %s", r)
							return nil
						})
					}, patient)
					c := w.joinLasting(s, transport)
					n.expect(t, "use false", "connect")
					c.lose()
					w.emits(s.To(c.id), "missed")
					c.back(s, transport)
					c.expectEvents(`42["missed"]`)
					if middlewares {
						n.expect(t, "use true", "connect")
					} else {
						n.expect(t)
					}
					c.lose()
					refuse = true
					if !middlewares {
						c.back(s, transport)
						n.expect(t)
						return
					}
					c.peer = w.openOn(s, transport)
					c.send(c.hello())
					c.expect(`44{"message":"not any more"}`)
					synctest.Wait()
					n.expect(t, "use true", "disconnect: server namespace disconnect")
					w.expectNobody("/")
					refuse = false
					if c.comeBack(s, transport) {
						t.Error("recovered what was refused")
					}
				})
			})
		}
	}
}
