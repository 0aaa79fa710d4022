package nonstick_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nonstick-io/nonstick"
	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/internal/pushtest"
	"github.com/nonstick-io/nonstick/internal/socketio"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// A client that has a part of what a handler has sent at once gets the rest of it.
func TestRecoveryWithinAMessage(t *testing.T) {
	transports(t, func(t *testing.T, w *world, before, after string) {
		var n notes
		s := w.server(lastingApp(&n), recovering)
		c := w.joinLasting(s, before)
		c.send(`42["twice","x"]`)
		got := c.take()
		if len(got) != 2 {
			t.Fatalf("got %q", got)
		}
		c.note(got[:1]) // the rest is lost with the connection
		c.back(s, after)
		c.expectEvents(`42["two","x"]`)
		c.back(s, before)
		c.expectEvents()
		w.emits(s.To("room"), "live")
		c.expectEvents(`42["live"]`)
	})
}

// A client that polls and upgrades gets each event once, by one transport or the other, whenever it is emitted.
func TestRecoveryAndUpgrade(t *testing.T) {
	inWorlds(t, func(t *testing.T, w *world) {
		var n notes
		s := w.server(lastingApp(&n), recovering)
		c := w.joinLasting(s, "polling")
		w.emits(s.To("room"), "ev", 1)
		c.expectEvents(`42["ev",1]`)
		c.probe()
		w.emits(s.To("room"), "ev", 2)
		c.send("5")
		c.expectEvents(`42["ev",2]`)
		w.emits(s.To("room"), "ev", 3)
		w.emits(s.To("room").Volatile(), "ev", 4)
		c.expectEvents(`42["ev",3]`, `42["ev",4]`)
		c.lose()
		w.emits(s.To("room"), "ev", 5)
		c.back(s, "polling")
		c.expectEvents(`42["ev",5]`)
		c.probe()
		w.emits(s.To("room"), "ev", 6)
		c.send("5")
		c.expectEvents(`42["ev",6]`)
		c.lose()
		c.back(s, "polling")
		c.upgrade()
		w.emits(s.To("room").Volatile(), "ev", 7) // the first thing that meets the new transport
		w.emits(s.To("room"), "ev", 8)
		c.expectEvents(`42["ev",7]`, `42["ev",8]`)
	})
}

// What is too much for the buffer of a client that is away ends its socket, which gets nothing of it when it comes
// back; what was sent makes room for what is to come.
func TestRecoveryBuffers(t *testing.T) {
	small := func(c *nonstick.Config) {
		recovering(c)
		c.Options.Limits.Buffer = sessionstore.BufferLimits{Packets: 8, Bytes: 100_000}
	}
	transports(t, func(t *testing.T, w *world, before, after string) {
		var n notes
		s := w.server(lastingApp(&n), small)
		c := w.joinLasting(s, before)
		emit := func(from, to int) (events []string) {
			for i := from; i <= to; i++ {
				w.emits(s.To("room"), "ev", i)
				events = append(events, fmt.Sprintf(`42["ev",%d]`, i))
			}
			return events
		}
		for i := range 20 { // what is sent is trimmed
			c.expectEvents(emit(i, i)...)
		}
		if k := w.session(c.box()); k.Trimmed == 0 || len(k.Buffer) > 6 {
			t.Errorf("%d entries, %d trimmed", len(k.Buffer), k.Trimmed)
		}
		n.list = nil
		c.lose()
		events := emit(20, 21)
		c.back(s, after)
		c.expectEvents(events...)
		n.expect(t, "connected true")
		c.lose()
		for i := range 9 {
			if err := s.To("room").Emit(t.Context(), "ev", i); err != nil && !errors.Is(err, delivery.ErrBufferFull) {
				t.Errorf("emit: %v", err)
			}
		}
		synctest.Wait()
		n.expect(t, "disconnecting [room] Ann: buffer full", "disconnect: buffer full")
		if c.comeBack(s, after) {
			t.Error("recovered what was full")
		}
		c.expectEvents()
		// and an offset that was trimmed: the client would miss what was between
		w.emits(s.To("room"), "ev", 0)
		c.expectEvents(`42["ev",0]`)
		first := c.offset
		for i := range 20 {
			c.expectEvents(emit(i, i)...)
		}
		c.lose()
		c.offset = first
		n.list = nil
		if c.comeBack(s, after) {
			t.Error("recovered from what was trimmed")
		}
		n.expect(
			t, "disconnecting [room] Ann: transport close", "disconnect: transport close", "connect false",
			"connected false",
		)
	})
}

// A client that polls too slowly loses its session, and what it has not fetched comes with the next one.
func TestRecoveryOfASlowClient(t *testing.T) {
	inWorlds(t, func(t *testing.T, w *world) {
		var n notes
		s := w.server(lastingApp(&n), recovering, func(c *nonstick.Config) {
			c.Options.Limits.Buffer = sessionstore.BufferLimits{Packets: 8, Bytes: 100_000}
		})
		c := w.joinLasting(s, "polling")
		var want []string
		for i := range 5 {
			w.emits(s.To("room"), "ev", i)
			want = append(want, fmt.Sprintf(`42["ev",%d]`, i))
		}
		for range 4 { // whose acknowledgements are for this session alone
			_ = c.try(`421["echo","full"]`)
		}
		c.expectClosed("buffer full")
		c.back(s, "polling")
		c.expectEvents(want...)
		n.expect(t, "connect false", "connected false", "connected true")
	})
}

// What waits at a client that does not poll is kept in its outbox too, though it was sent to its session: the client
// has it from a recovery. What it has fetched makes room.
func TestRecoveryOfWhatWasNotFetched(t *testing.T) {
	inWorlds(t, func(t *testing.T, w *world) {
		s := w.server(lastingApp(new(notes)), recovering, func(c *nonstick.Config) {
			c.Options.Limits.Buffer = sessionstore.BufferLimits{Packets: 32, Bytes: 100_000}
		})
		c := w.joinLasting(s, "polling")
		for i := range 20 {
			w.emits(s.To("room"), "ev", i)
			c.expectEvents(fmt.Sprintf(`42["ev",%d]`, i))
		}
		var want []string
		for i := range 28 {
			w.emits(s.To("room"), "ev", i)
			want = append(want, fmt.Sprintf(`42["ev",%d]`, i))
		}
		if k := w.session(c.box()); k.Trimmed < 16 || k.Trimmed > 20 {
			t.Errorf("%d trimmed, and it has fetched 20", k.Trimmed)
		}
		c.back(s, "polling")
		c.expectEvents(want...)
	})
}

// shared is a connection with several sockets.
type shared struct {
	*peer
	of map[string]*lasting
}

// route hands what has come to the sockets that it is for.
func (l *shared) route() {
	l.w.t.Helper()
	for _, f := range l.take() {
		if f == "6" {
			continue
		}
		p, _, err := socketio.Decode(strings.TrimPrefix(f, "4"), socketio.Limits{})
		if err != nil {
			l.w.t.Fatalf("frame %q: %v", f, err)
		}
		c := l.of[p.Namespace]
		c.got = append(c.got, f)
	}
}

// connect sends a CONNECT for a namespace, and reads the answer.
func (l *shared) connect(nsp, auth string) (id, pid string) {
	l.w.t.Helper()
	c := l.of[nsp]
	l.send("40" + c.nsp + auth)
	l.route()
	var k struct{ SID, PID string }
	if text, ok := strings.CutPrefix(c.got[0], "40"+c.nsp); !ok || json.Unmarshal([]byte(text), &k) != nil {
		l.w.t.Fatalf("answer to CONNECT: %q", c.got)
	}
	c.got = c.got[1:]
	return k.SID, k.PID
}

// Namespaces of one connection are recovered each by itself, those of a parent too; one without recovery is new.
func TestRecoveryOfNamespaces(t *testing.T) {
	names := []string{"/", "/other", "/room-7", "/short"}
	transports(t, func(t *testing.T, w *world, before, after string) {
		var n, short notes
		s := w.server(func(s *nonstick.Server) {
			lastingNamespace(s.Namespace, &n)
			lastingNamespace(s.Of("/other"), &n)
			lastingNamespace(s.OfPattern("rooms", regexp.MustCompile(`^/room-\d+$`)), &n)
			lastingNamespace(s.Of("/short"), &short)
			s.Of("/short").ConnectionStateRecovery(nonstick.ConnectionStateRecovery{})
		}, recovering)
		l := &shared{peer: w.openOn(s, before), of: map[string]*lasting{}}
		for _, name := range names {
			c := &lasting{peer: &peer{w: w}, nsp: name + ","}
			if name == "/" {
				c.nsp = ""
			}
			l.of[name] = c
			c.id, c.pid = l.connect(name, "")
			if (c.pid == "") != (name == "/short") {
				t.Errorf("%s: pid %q", name, c.pid)
			}
		}
		(&lasting{peer: l.peer}).lose()
		synctest.Wait()
		short.expect(
			t, "connect false", "connected false", "disconnecting [room] Ann: transport close",
			"disconnect: transport close",
		)
		n.list = nil
		for _, name := range names {
			w.must(emitterOf(t, w).Of(name).Emit(t.Context(), "missed"))
		}
		l.peer = w.openOn(s, after)
		for _, name := range names {
			c := l.of[name]
			id, pid := l.connect(name, strings.TrimPrefix(c.hello(), "40"+c.nsp))
			if recovered := id == c.id && pid == c.pid; recovered != (name != "/short") {
				t.Errorf("%s: recovered %v", name, recovered)
			}
		}
		w.must(emitterOf(t, w).Parent("rooms").Emit(t.Context(), "parent"))
		l.route()
		for name, want := range map[string]string{
			"/": `42["missed"]`, "/other": `42/other,["missed"]`, "/short": "",
			"/room-7": `42/room-7,["missed"] 42/room-7,["parent"]`,
		} {
			c := l.of[name]
			if got := strings.Join(c.note(c.got), " "); got != want {
				t.Errorf("%s: got %q, want %q", name, got, want)
			}
		}
		n.expect(t, "connected true", "connected true", "connected true")
	})
}

// One namespace alone may be recovered, and others of its server not.
func TestRecoveryOfOneNamespace(t *testing.T) {
	inWorlds(t, func(t *testing.T, w *world) {
		s := w.server(func(s *nonstick.Server) {
			s.Of("/kept").ConnectionStateRecovery(nonstick.ConnectionStateRecovery{MaxDisconnectionDuration: keep})
		}, patient)
		l := &shared{peer: w.openOn(s, "websocket"), of: map[string]*lasting{
			"/": {peer: &peer{w: w}}, "/kept": {peer: &peer{w: w}, nsp: "/kept,"},
		}}
		_, none := l.connect("/", "")
		id, pid := l.connect("/kept", "")
		if none != "" || pid == "" {
			t.Errorf("pids %q and %q", none, pid)
		}
		(&lasting{peer: l.peer}).lose()
		l.peer = w.openOn(s, "polling")
		if again, _ := l.connect("/kept", fmt.Sprintf(`{"pid":%q}`, pid)); again != id {
			t.Error("not recovered")
		}
		// a pid is good in its namespace alone
		(&lasting{peer: l.peer}).lose()
		l.peer = w.openOn(s, "websocket")
		if other, again := l.connect("/", fmt.Sprintf(`{"pid":%q}`, pid)); other == id || again != "" {
			t.Error("recovered in another namespace")
		}
	})
}

// Durations that cannot be are refused at start.
func TestRecoveryChecks(t *testing.T) {
	inWorlds(t, func(t *testing.T, w *world) {
		for _, d := range []time.Duration{-1, nonstick.MaxDisconnectionDuration + 1} {
			func() {
				defer func() {
					if r := recover(); r == nil || !strings.Contains(fmt.Sprint(r), "MaxDisconnectionDuration") {
						t.Errorf("%v: panic %v", d, r)
					}
				}()
				w.server(func(s *nonstick.Server) {
					s.ConnectionStateRecovery(nonstick.ConnectionStateRecovery{MaxDisconnectionDuration: d})
				})
			}()
		}
	})
}

// Attachments stay with their event, in a recovery too, with serial sessions and with a pusher of groups.
func TestRecoveryOfAttachments(t *testing.T) {
	for _, groups := range []bool{false, true} {
		t.Run(fmt.Sprint("groups ", groups), func(t *testing.T) {
			transports(t, func(t *testing.T, w *world, before, after string) {
				var n notes
				s := w.server(func(s *nonstick.Server) { s.AllowAttachments(); lastingApp(&n)(s) }, recovering,
					func(c *nonstick.Config) {
						if groups {
							c.Pusher = groupPusher{w.pusher}
						}
					})
				c := w.joinLasting(s, before)
				event := []string{`451-["bin",{"_placeholder":true,"num":0},"end"]`, "bAQI="}
				emit := func() { w.emits(s.To("room"), "bin", nonstick.Binary{1, 2}, "end") }
				emit()
				c.expectEvents(event...)
				c.lose()
				emit()
				w.emits(s.To("room"), "text", 1)
				emit()
				c.back(s, after)
				c.expectEvents(slices.Concat(event, []string{`42["text",1]`}, event)...)
				emit()
				c.expectEvents(event...)
			})
		})
	}
}

// groupPusher sends several frames together.
type groupPusher struct{ *pushtest.Pusher }

func (p groupPusher) PushGroup(ctx context.Context, conn sessionstore.Connection, frames []string) error {
	for _, f := range frames {
		if err := p.Push(ctx, conn, f); err != nil {
			return err
		}
	}
	return nil
}

// An event that asks is not asked again. Its answer counts, by whichever connection it comes.
func TestRecoveryOfQuestions(t *testing.T) {
	transports(t, func(t *testing.T, w *world, before, after string) {
		var n notes
		s := w.server(lastingApp(&n), recovering)
		c := w.joinLasting(s, before)
		remote, err := s.Socket(t.Context(), c.id)
		w.must(err)
		type outcome struct {
			args nonstick.Args
			err  error
		}
		ask := func() chan outcome {
			done := make(chan outcome, 1)
			go func() {
				args, err := remote.Timeout(25*time.Second).EmitWithAck(t.Context(), "q", "x")
				done <- outcome{args, err}
			}()
			synctest.Wait()
			return done
		}
		done := ask()
		got := c.take()
		var id string
		if len(got) != 1 || !strings.HasPrefix(got[0], "42") || !strings.HasSuffix(got[0], `["q","x"]`) {
			t.Fatalf("got %q, want a question without an offset", got)
		}
		id = strings.TrimSuffix(strings.TrimPrefix(got[0], "42"), `["q","x"]`)
		c.lose()
		c.back(s, after)
		c.expectEvents()
		c.send("43" + id + `["yes"]`)
		if o := <-done; o.err != nil || string(o.args.JSON) != `["yes"]` {
			t.Errorf("answer %s, %v", o.args.JSON, o.err)
		}
		c.lose()
		done = ask() // of a client that is away: no client answers
		c.back(s, after)
		c.expectEvents()
		if o := <-done; !errors.Is(o.err, nonstick.ErrAckTimeout) {
			t.Errorf("answer %s, %v", o.args.JSON, o.err)
		}
	})
}

// A shutdown of all sessions leaves recoverable sockets to wait for their clients; the time of a token goes on for one
// that is away.
func TestRecoveryAndTimes(t *testing.T) {
	transports(t, func(t *testing.T, w *world, before, after string) {
		var n notes
		s := w.server(func(s *nonstick.Server) {
			lastingApp(&n)(s)
			s.OnConnected(func(ctx context.Context, k *nonstick.Socket) error {
				if k.Recovered() {
					return nil
				}
				return k.ExpireAt(ctx, time.Now().Add(time.Minute))
			})
			s.OnExpire(func(ctx context.Context, k *nonstick.RemoteSocket) error {
				n.add("expire")
				return k.Disconnect(ctx, true)
			})
		}, recovering)
		c := w.joinLasting(s, before)
		if count, err := s.ClientsCount(t.Context()); count != 1 || err != nil {
			t.Errorf("%d clients, %v", count, err)
		}
		if ended, err := s.Shutdown(t.Context(), 0); err != nil || ended != 1 {
			t.Errorf("%d ended, %v", ended, err)
		}
		c.expectClosed("server shutting down")
		if count, err := s.ClientsCount(t.Context()); count != 0 || err != nil {
			t.Errorf("%d clients, %v", count, err)
		}
		w.emits(s.To("room"), "missed")
		c.back(s, after)
		c.expectEvents(`42["missed"]`)
		n.expect(t, "connect false", "connected false", "connected true")
		c.lose()
		time.Sleep(time.Minute)
		w.sweep(s, 3*time.Second)
		n.expect(
			t, "expire", "disconnecting [room] Ann: server namespace disconnect",
			"disconnect: server namespace disconnect",
		)
		w.expectNobody("/")
		if c.comeBack(s, after) {
			t.Error("recovered what had expired")
		}
	})
}

// The pid is a secret: who has it has the socket.
func TestPrivateIDStaysPrivate(t *testing.T) {
	transports(t, func(t *testing.T, w *world, before, after string) {
		var n notes
		o := &outside{}
		s := w.server(lastingApp(&n), recovering, withDebug(w), telling(t, o, "connect,disconnect,join,leave,event:*"))
		c := w.joinLasting(s, before)
		pids := []string{c.pid}
		var seen []string
		see := func(what ...any) { seen = append(seen, fmt.Sprintf("%+v", what)) }
		look := func() {
			all, err := s.Fetch(t.Context(), 10)
			see(err)
			for _, k := range all {
				rooms, err := k.Rooms(t.Context())
				see(k.ID(), rooms, err)
				_, err = k.EmitWithAck(t.Context(), "q") // no client answers
				see(err)
				see(k.Emit(t.Context(), "ev", strings.Repeat("x", 1<<20)))
			}
		}
		c.send(`42["say","x"]`, `42["twice","x"]`)
		c.events()
		look()
		c.lose()
		look()
		c.back(s, after)
		c.send(`42["say","x"]`)
		for _, f := range c.take() {
			see(f)
		}
		_ = c.try(`42["say`) // a packet that is none
		c.comeBack(s, before)
		pids = append(pids, c.pid)
		if !c.conn.IsZero() {
			w.pusher.AnswerAlways(c.conn, errors.New("no answer"))
		}
		see(s.To("room").Emit(t.Context(), "lost"))
		synctest.Wait()
		time.Sleep(keep)
		w.sweep(s, 3*time.Second)
		seen = append(seen, o.take(t)...)
		seen = append(seen, w.log.String())
		if len(w.log.String()) == 0 || len(seen) < 10 {
			t.Errorf("too little to look at: %q", seen)
		}
		for _, pid := range pids {
			for _, text := range seen {
				if strings.Contains(text, pid) {
					t.Errorf("the pid %q is in %q", pid, text)
				}
			}
		}
	})
}

// Without recovery no client gets a pid or an offset, and one that says that it comes back is a new one.
func TestRecoveryOff(t *testing.T) {
	inWorlds(t, func(t *testing.T, w *world) {
		var n notes
		on, off := w.server(lastingApp(&n), recovering), w.server(lastingApp(&n), patient)
		for _, transport := range []string{"websocket", "polling"} {
			c := w.openOn(off, transport)
			c.send(`40{"pid":"x","offset":"1.x"}`)
			c.connected()
			c.send(`42["say","x"]`)
			c.expect(`42["said","x"]`)
		}
		if s := w.session(w.open(off).sid); len(s.Numbers) != 0 {
			t.Errorf("numbers %v", s.Numbers)
		}
		// turned off by a deployment, while a client is away: its socket ends at its time, and it is a new one
		c := w.joinLasting(on, "websocket")
		n.list = nil
		c.lose()
		id := c.id
		c.peer = w.openOn(off, "websocket")
		c.send(c.hello())
		c.connected()
		if c.id == id {
			t.Error("recovered without recovery")
		}
		n.expect(t, "connect false", "connected false")
	})
}

// dying is the store of an instance that dies: at the n-th call of those below, which is done or not; no call after it
// is.
type dying struct {
	sessionstore.Store
	mu   sync.Mutex
	left int // calls that it lives for, that at which it dies included
	done bool
	dead bool
}

func (s *dying) call(do func() error) error {
	s.mu.Lock()
	if s.dead {
		s.mu.Unlock()
		return sessionstore.ErrUnavailable
	}
	s.left--
	s.dead = s.left == 0
	dies := s.dead
	s.mu.Unlock()
	if dies && !s.done {
		return sessionstore.ErrUnavailable
	}
	err := do()
	if dies {
		return sessionstore.ErrUnavailable
	}
	return err
}

func (s *dying) Get(
	ctx context.Context, id sessionstore.SessionID, now time.Time,
) (k sessionstore.Session, err error) {
	err = s.call(func() error { k, err = s.Store.Get(ctx, id, now); return err })
	return k, err
}

func (s *dying) Link(ctx context.Context, k sessionstore.Socket) error {
	return s.call(func() error { return s.Store.Link(ctx, k) })
}

func (s *dying) Unlink(ctx context.Context, k sessionstore.Socket) error {
	return s.call(func() error { return s.Store.Unlink(ctx, k) })
}

func (s *dying) PutTimer(ctx context.Context, k sessionstore.Timer) error {
	return s.call(func() error { return s.Store.PutTimer(ctx, k) })
}

func (s *dying) DeleteTimer(ctx context.Context, k sessionstore.Timer) error {
	return s.call(func() error { return s.Store.DeleteTimer(ctx, k) })
}

func (s *dying) Recover(ctx context.Context, r sessionstore.RecoverRequest) (k sessionstore.Session, err error) {
	err = s.call(func() error { k, err = s.Store.Recover(ctx, r); return err })
	return k, err
}

func (s *dying) Lose(
	ctx context.Context, id, carrier sessionstore.SessionID, over time.Time, reason string,
) error {
	return s.call(func() error { return s.Store.Lose(ctx, id, carrier, over, reason) })
}

func (s *dying) Sent(ctx context.Context, k *sessionstore.Session, o sessionstore.Owner, n int) error {
	return s.call(func() error { return s.Store.Sent(ctx, k, o, n) })
}

func (s *dying) Bodies(
	ctx context.Context, id sessionstore.SessionID, packets []sessionstore.Packet,
) (list []sessionstore.Packet, err error) {
	err = s.call(func() error { list, err = s.Store.Bodies(ctx, id, packets); return err })
	return list, err
}

func (s *dying) Deliver(
	ctx context.Context, id sessionstore.SessionID, p []sessionstore.Packet, l sessionstore.BufferLimits,
) error {
	return s.call(func() error { return s.Store.Deliver(ctx, id, p, l) })
}

func (s *dying) Close(ctx context.Context, r sessionstore.CloseRequest) (k sessionstore.Session, err error) {
	err = s.call(func() error { k, err = s.Store.Close(ctx, r); return err })
	return k, err
}

// An instance dies at any of its calls while a client comes back: the client comes back once more, at another, and is
// the socket that it was, with all that it missed. What is left of the one between ends, and takes nothing with it.
func TestRecoveryThatDies(t *testing.T) {
	for n := 1; ; n++ {
		survived := false
		for _, done := range []bool{false, true} {
			for _, after := range []string{"websocket", "polling"} {
				t.Run(fmt.Sprint(after, ", call ", n, ", done ", done), func(t *testing.T) {
					inWorlds(t, func(t *testing.T, w *world) {
						var heard, unheard notes
						s := w.server(lastingApp(&heard), recovering)
						c := w.joinLasting(s, after)
						w.emits(s.To("room"), "ev", 1)
						c.expectEvents(`42["ev",1]`)
						c.lose()
						w.emits(s.To("room"), "ev", 2)
						store := &dying{Store: w.store, left: 1 << 20, done: done}
						mortal := w.server(
							lastingApp(&unheard), recovering, func(c *nonstick.Config) { c.Store = store },
						)
						id := c.id
						c.peer = w.openOn(mortal, after)
						store.mu.Lock()
						store.left = n
						store.mu.Unlock()
						_ = c.try(c.hello())
						if !store.dead {
							survived = true
							return
						}
						time.Sleep(time.Second)
						w.emits(s.To("room"), "ev", 3)
						c.peer = w.openOn(s, after)
						c.send(c.hello())
						c.welcome()
						if c.id != id {
							t.Fatal("not recovered")
						}
						c.expectEvents(`42["ev",2]`, `42["ev",3]`)
						for range 4 {
							time.Sleep(time.Minute)
							w.sweep(s, 3*time.Second)
						}
						w.emits(s.To("room"), "ev", 4)
						c.expectEvents(`42["ev",4]`)
						c.expectOpen()
						heard.expect(t, "connect false", "connected false", "connected true")
					})
				})
			}
		}
		if survived {
			if n < 8 {
				t.Errorf("there are only %d calls to die at", n)
			}
			return
		}
	}
}
