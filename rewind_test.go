package nonstick_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/nonstick-io/nonstick"
	"github.com/nonstick-io/nonstick/adapter"
	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/adapter/emitter"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// keeping registers a server whose rooms that begin with "kept" have a history, and an event that joins one.
func keeping(s *nonstick.Server) {
	s.ConnectionStateRecovery(nonstick.ConnectionStateRecovery{MaxDisconnectionDuration: time.Minute})
	s.KeepHistory(nonstick.History{Rooms: []string{"kept*"}, Events: 10_000, For: time.Hour})
	type rewind = nonstick.Args2[string, int]
	nonstick.OnAck(s, "rewind", func(ctx context.Context, k *nonstick.Socket, in rewind) (string, error) {
		err := k.JoinRewind(ctx, in.First, nonstick.Rewind{Events: in.Second})
		switch {
		case errors.Is(err, nonstick.ErrNoHistory):
			return "no history", nil
		case errors.Is(err, nonstick.ErrNotRecoverable):
			return "not recoverable", nil
		}
		return "joined", err
	})
	nonstick.OnReply(s, "replied", func(context.Context, *nonstick.Socket, string, int) error { return nil })
	type text = nonstick.Args2[string, string]
	nonstick.OnAck(s, "tell", func(ctx context.Context, k *nonstick.Socket, in text) (int, error) {
		return 0, k.To(in.First).Emit(ctx, "said", in.Second)
	})
}

// said returns what the events "said" among frames say, and the last offset.
func saidOf(frames []string) (all []string, offset string) {
	for _, f := range frames {
		var args []any
		if !strings.HasPrefix(f, "42[") || json.Unmarshal([]byte(f[2:]), &args) != nil || args[0] != "said" {
			continue
		}
		all = append(all, fmt.Sprint(args[1]))
		offset, _ = args[2].(string)
	}
	return all, offset
}

func numbers(from, to int) (all []string) {
	for i := from; i <= to; i++ {
		all = append(all, fmt.Sprint(i))
	}
	return all
}

func TestRewind(t *testing.T) {
	for _, polls := range []bool{false, true} {
		t.Run(fmt.Sprint("polling ", polls), func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				a, b := w.server(keeping), w.server(keeping)
				for i := range 30 {
					if err := a.To("kept").Emit(t.Context(), "said", i+1); err != nil {
						t.Fatal(err)
					}
				}
				join := w.join
				if polls {
					join = w.joinPolling
				}
				c := join(b)
				c.send(`420["rewind","kept",20]`)
				if err := a.To("kept").Emit(t.Context(), "said", 31); err != nil {
					t.Fatal(err)
				}
				got, _ := saidOf(c.take())
				if want := numbers(11, 31); !slices.Equal(got, want) {
					t.Errorf("got  %v\nwant %v", got, want)
				}
			})
		})
	}
}

func TestRewindErrors(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		c := w.join(w.server(keeping))
		c.send(`420["rewind","other",20]`)
		c.expect(`430["no history"]`)
		c = w.join(w.server(func(s *nonstick.Server) {
			keeping(s)
			s.ConnectionStateRecovery(nonstick.ConnectionStateRecovery{})
		}))
		c.send(`420["rewind","kept",20]`)
		c.expect(`430["not recoverable"]`)
	})
}

// TestRewindOfEmitter: what another program emits is kept, too: once a server has emitted to the room or let a socket
// join it with history, or from the start if the program is told that there are histories.
func TestRewindOfEmitter(t *testing.T) {
	for _, c := range []struct {
		name      string
		histories bool
		before    string // what is done with the room before
		from      int    // the first event that is kept
	}{
		{"nothing was emitted before", false, "", 3},
		{"the emitter is told", true, "", 1},
		{"a server has emitted", false, "emit", 1},
		{"a socket has joined", false, "join", 1},
		{"a socket has joined, and left", false, "leave", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				s := w.server(keeping, patient)
				first := w.joinLasting(s, "websocket")
				switch c.before {
				case "emit":
					w.emits(s.To("kept"), "else")
				case "leave", "join":
					first.send(`420["rewind","kept",20]`)
				}
				if c.before == "leave" {
					w.must(s.In("kept").Leave(t.Context(), "kept"))
				}
				first.events()
				e := emitter.New(w.store, w.pusher, emitter.Options{Options: adapter.Options{Histories: c.histories}})
				w.must(e.To("kept").Emit(t.Context(), "said", "1"))
				w.must(e.To("kept", "other").Emit(t.Context(), "said", "2"))
				if c.before == "join" {
					if got := first.said(); !slices.Equal(got, numbers(1, 2)) {
						t.Errorf("a member got %v", got)
					}
				}
				k := w.joinLasting(s, "polling")
				k.send(`420["rewind","kept",20]`)
				w.must(e.To("other", "kept").Emit(t.Context(), "said", "3"))
				if got := k.said(); !slices.Equal(got, numbers(c.from, 3)) {
					t.Errorf("got %v", got)
				}
				last := w.joinLasting(s, "polling")
				last.send(`420["rewind","kept",20]`)
				if got := last.said(); !slices.Equal(got, numbers(c.from, 3)) {
					t.Errorf("the last got %v", got)
				}
			})
		})
	}
}

// TestRewindOfOtherParser: what was emitted when clients had another parser they cannot read, and do not get.
func TestRewindOfOtherParser(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s := w.server(keeping, patient)
		w.emits(s.To("kept"), "said", "1")
		other := emitter.New(w.store, w.pusher, emitter.Options{Options: adapter.Options{Parser: emitter.MsgPack}})
		w.must(other.To("kept").Emit(t.Context(), "said", "packed"))
		w.emits(s.To("kept"), "said", "2")
		for _, transport := range []string{"websocket", "polling"} {
			c := w.joinLasting(s, transport)
			c.send(`420["rewind","kept",20]`)
			if got := c.events(); !slices.Equal(got, []string{`42["said","1"]`, `42["said","2"]`, `430["joined"]`}) {
				t.Errorf("got %q", got)
			}
		}
	})
}

// TestNotForWebSocket: packets with attachments, of a program that does not know better, do not reach a client on a
// WebSocket that takes none: neither live, nor when it comes back, nor as history. It gets what is before and behind.
func TestNotForWebSocket(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s := w.server(keeping, patient)
		outside := emitter.New(w.store, w.pusher, emitter.Options{})
		c := w.joinLasting(s, "websocket")
		to, err := outside.Socket(t.Context(), c.id)
		w.must(err)
		emit := func(k interface {
			Emit(ctx context.Context, event string, args ...any) error
		}, want error,
		) {
			t.Helper()
			w.must(k.Emit(t.Context(), "said", "1"))
			if err := k.Emit(t.Context(), "said", nonstick.Binary("abc")); !errors.Is(err, want) {
				t.Errorf("error %v, want %v", err, want)
			}
			w.must(k.Emit(t.Context(), "said", "2"))
		}
		is := func(when string) {
			t.Helper()
			if got := c.said(); !slices.Equal(got, numbers(1, 2)) || c.state().State != sessionstore.Open {
				t.Errorf("%s: got %q, on a session that is %s", when, got, c.state().State)
			}
		}
		emit(to, delivery.ErrNotSerial)
		is("live")
		c.lose()
		emit(to, nil)
		c.back(s, "websocket")
		is("what was missed")
		w.emits(s.To("kept"), "else")
		emit(outside.To("kept"), nil)
		c.send(`420["rewind","kept",20]`)
		is("a history")
		c.lose()
		c.back(s, "websocket")
		if got := c.events(); len(got) > 0 {
			t.Errorf("got again %q", got)
		}
	})
}

// TestRewindOfOldServer: an instance that keeps no history, as during a deploy, does not tear that of the others.
func TestRewindOfOldServer(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s, old := w.server(keeping, patient), w.server(func(*nonstick.Server) {}, patient)
		a := w.joinLasting(s, "websocket")
		a.send(`420["rewind","kept",20]`)
		w.emits(old.To("kept"), "said", "1")
		w.emits(s.To("kept"), "said", "2")
		b := w.joinLasting(s, "polling")
		b.send(`420["rewind","kept",20]`)
		w.emits(old.To("kept"), "said", "3")
		for _, c := range []*lasting{a, b} {
			if got := c.said(); !slices.Equal(got, numbers(1, 3)) {
				t.Errorf("got %v", got)
			}
		}
	})
}

// TestRewindLost: a client that loses its connection in the middle of a history gets the rest when it comes back, and
// what was emitted meanwhile behind it.
func TestRewindLost(t *testing.T) {
	transports(t, func(t *testing.T, w *world, before, after string) {
		one, two := w.server(keeping, patient), w.server(keeping, patient)
		const size = 20_000
		for i := range 200 {
			w.emits(two.To("kept"), "said", fmt.Sprint(i+1), strings.Repeat("x", size))
		}
		c := w.joinLasting(one, before)
		if before == "websocket" {
			w.pusher.Answer(c.conn, append(make([]error, 70), delivery.ErrGone)...)
		}
		var got []string
		c.send(`420["rewind","kept",150]`)
		got = append(got, c.said()...)
		if n := len(got); n == 0 || n > 120 {
			t.Fatalf("%d events came at first, want some of 150", n)
		}
		w.emits(one.To("kept"), "said", "201")
		for i := range 2 {
			c.lose()
			w.emits(two.To("kept"), "said", fmt.Sprint(202+i))
			c.back(two, after)
			if after == "websocket" {
				w.pusher.Answer(c.conn, append(make([]error, 20), delivery.ErrGone)...)
			}
			got = append(got, c.said()...)
		}
		for len(got) < 153 {
			more := c.said()
			if len(more) == 0 {
				c.lose()
				c.back(two, after)
			}
			got = append(got, more...)
		}
		if want := numbers(51, 203); !slices.Equal(got, want) {
			t.Errorf("got  %v\nwant %v", got, want)
		}
	})
}

// said returns what the events say that have come since.
func (c *lasting) said() (all []string) {
	c.w.t.Helper()
	for _, e := range c.events() {
		var args []any
		if strings.HasPrefix(e, `42["said"`) && json.Unmarshal([]byte(e[2:]), &args) == nil {
			all = append(all, fmt.Sprint(args[1]))
		}
	}
	return all
}

// TestRewindOfTenThousand: a long history is never in memory, in the outbox or in a buffer as a whole; it takes a read
// for each page.
func TestRewindOfTenThousand(t *testing.T) {
	const events, size = 10_000, 500
	for _, transport := range []string{"websocket", "polling"} {
		t.Run(transport, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				s := w.server(keeping, patient)
				for i := range events + 5 {
					w.emits(s.To("kept"), "said", fmt.Sprint(i+1), strings.Repeat("x", size))
				}
				c := w.joinLasting(s, transport)
				most := 0
				look := func() {
					n := 0
					for _, p := range c.state().Buffer {
						n += p.Bytes()
					}
					for _, p := range w.session(c.box()).Buffer {
						n += p.Bytes()
					}
					most = max(most, n)
				}
				w.pusher.OnPush = func(_ sessionstore.Connection, frame string) {
					if strings.HasSuffix(frame, "00") {
						look()
					}
				}
				reads := w.meter.Op(sessionstore.OpEvents).Reads
				c.send(`420["rewind","kept",10000]`)
				var got []string
				for len(got) < events {
					look()
					more := c.said()
					if len(more) == 0 {
						break
					}
					got = append(got, more...)
				}
				if !slices.Equal(got, numbers(6, events+5)) {
					t.Fatalf("%d events came, from %q on", len(got), got[:min(3, len(got))])
				}
				if most > 3<<20 {
					t.Errorf("%d bytes waited at once", most)
				}
				if n := w.meter.Op(sessionstore.OpEvents).Reads - reads; n > events/100 {
					t.Errorf("%d reads", n)
				}
				if s := w.session(c.box()); s.Seq() != 1 || s.Buffer[0].Bytes() != 0 {
					t.Errorf("the outbox has %d entries, the first of %d bytes", s.Seq(), s.Buffer[0].Bytes())
				}
			})
		})
	}
}

// TestRewindDeadJoiner: an instance dies while a socket joins with history. A broadcast ends the socket, whose client
// is told that it is new.
func TestRewindDeadJoiner(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s := w.server(keeping, patient)
		c := w.joinLasting(s, "websocket")
		box := w.session(c.box())
		k, _ := box.Socket("/")
		w.must(w.store.JoinLater(t.Context(), k, "kept", sessionstore.Lease{
			Owner: "dead", Until: time.Now().Add(time.Second),
		}, sessionstore.SocketLimits{Rooms: 9}))
		other := w.joinLasting(s, "websocket")
		other.send(`420["rewind","kept",10]`)
		other.take()
		w.emits(s.To("kept"), "said", "1")
		if got := other.said(); !slices.Equal(got, numbers(1, 1)) {
			t.Errorf("another member got %v", got)
		}
		if c.comeBack(s, "websocket") {
			t.Error("the socket is still there")
		}
		c.send(`420["rewind","kept",10]`)
		if got := c.said(); !slices.Equal(got, numbers(1, 1)) {
			t.Errorf("got %v", got)
		}
	})
}

// TestRewindSelections: what of a selection a socket gets that joins later.
func TestRewindSelections(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s := w.server(keeping, patient)
		a := w.joinLasting(s, "websocket")
		a.send(`421["tell","kept","of a"]`)
		w.emits(s.To("kept", "other"), "said", "to two")
		w.emits(s.To("kept", "kept-2"), "said", "to two that are kept")
		w.emits(s.To("kept").Except(a.id), "said", "not to a")
		w.emits(s.To("kept").Except("other"), "said", "not to another room")
		w.emits(s.To("kept").And("kept-2"), "said", "to both")
		w.emits(s.To("kept").Volatile(), "said", "volatile")
		w.emits(s.Except("nobody"), "said", "to all")
		a.take()
		b := w.joinLasting(s, "polling")
		b.send(`422["rewind","kept-2",9]`)
		if got, want := b.said(), []string{"to two that are kept"}; !slices.Equal(got, want) {
			t.Errorf("b got  %q\nwant %q", got, want)
		}
		for _, c := range []struct {
			of   *lasting
			want []string
		}{
			{a, []string{"to two", "to two that are kept", "not to another room"}},
			{b, []string{
				"of a", "to two", "to two that are kept", "not to a", "not to another room", "to both",
			}},
		} {
			c.of.send(`423["rewind","kept",9]`)
			if got := c.of.said(); !slices.Equal(got, c.want) {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
			c.of.send(`424["rewind","kept",9]`) // it is in the room
			if got := c.of.said(); len(got) > 0 {
				t.Errorf("got again %q", got)
			}
		}
	})
}

// TestRewindWithin: by time, of what is kept.
func TestRewindWithin(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s := w.server(func(s *nonstick.Server) {
			keeping(s)
			nonstick.On(s, "within", func(ctx context.Context, k *nonstick.Socket, minutes int) error {
				return k.JoinRewind(ctx, "kept", nonstick.Rewind{Within: time.Duration(minutes) * time.Minute})
			})
		}, patient)
		for i := range 90 {
			w.emits(s.To("kept"), "said", fmt.Sprint(i+1))
			time.Sleep(time.Minute)
		}
		for minutes, want := range map[int][]string{10: numbers(81, 90), 1000: numbers(31, 90), 0: numbers(31, 90)} {
			c := w.joinLasting(s, "polling")
			c.send(fmt.Sprintf(`42["within",%d]`, minutes))
			if got := c.said(); !slices.Equal(got, want) {
				t.Errorf("within %d minutes: %v\nwant %v", minutes, got, want)
			}
		}
	})
}

// TestRewindInConnectHandler: it comes behind the answer to CONNECT, and behind what the handler emitted before.
func TestRewindInConnectHandler(t *testing.T) {
	for _, transport := range []string{"websocket", "polling"} {
		inWorld(t, func(t *testing.T, w *world) {
			s := w.server(func(s *nonstick.Server) {
				keeping(s)
				s.OnConnect(func(ctx context.Context, k *nonstick.Socket) error {
					if err := k.Emit(ctx, "said", "hello"); err != nil {
						return err
					}
					return k.JoinRewind(ctx, "kept", nonstick.Rewind{})
				})
			}, patient)
			for i := range 3 {
				w.emits(s.To("kept"), "said", fmt.Sprint(i+1))
			}
			c := w.joinLasting(s, transport)
			if got, want := c.said(), append([]string{"hello"}, numbers(1, 3)...); !slices.Equal(got, want) {
				t.Errorf("%s: got %q, want %q", transport, got, want)
			}
		})
	}
}

func TestKeepHistoryPanics(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.server(func(s *nonstick.Server) {
			for _, h := range []nonstick.History{
				{},
				{Rooms: []string{""}},
				{Rooms: []string{"a*b*c"}},
				{Rooms: []string{"a"}, Events: -1},
				{Rooms: []string{"a"}, For: time.Millisecond},
				{Rooms: []string{"a"}, For: 1000 * time.Hour},
				{Rooms: []string{"a"}, Events: 2_000_000},
			} {
				func() {
					defer func() {
						if recover() == nil {
							t.Errorf("%+v is accepted", h)
						}
					}()
					s.KeepHistory(h)
				}()
			}
		})
	})
}

// TestRewindPage is the code of docs/rewind.md.
func TestRewindPage(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s := w.server(func(io *nonstick.Server) {
			io.ConnectionStateRecovery(nonstick.ConnectionStateRecovery{MaxDisconnectionDuration: 2 * time.Minute})
			io.KeepHistory(nonstick.History{Rooms: []string{"news", "chat-*"}, Events: 1000, For: 24 * time.Hour})
			nonstick.On(io, "enter", func(ctx context.Context, s *nonstick.Socket, room string) error {
				return s.JoinRewind(ctx, room, nonstick.Rewind{Events: 100, Within: time.Hour})
			})
		}, patient)
		w.emits(s.To("chat-7"), "said", "before")
		c := w.joinLasting(s, "websocket")
		c.send(`42["enter","chat-7"]`)
		w.emits(s.To("chat-7"), "said", "now")
		if got := c.said(); !slices.Equal(got, []string{"before", "now"}) {
			t.Errorf("got %q", got)
		}
	})
}

// TestRewindThenQuestion: an event that asks for an acknowledgement, behind a history that has come, is not sent again.
func TestRewindThenQuestion(t *testing.T) {
	transports(t, func(t *testing.T, w *world, before, after string) {
		s := w.server(keeping, patient)
		c := w.joinLasting(s, before)
		w.emits(s.To("kept"), "said", "1")
		c.send(`421["tell","kept","own"]`) // which it does not get as history
		c.send(`420["rewind","kept",10]`)
		c.events()
		to, err := s.Socket(t.Context(), c.id)
		w.must(err)
		w.must(nonstick.EmitThen(t.Context(), to, "question", "replied", 1))
		if got := c.events(); len(got) != 1 {
			t.Errorf("got %q", got)
		}
		c.lose()
		w.emits(s.To("kept"), "said", "2")
		c.back(s, after)
		if got := c.said(); !slices.Equal(got, []string{"2"}) {
			t.Errorf("missed %q", got)
		}
		c.lose()
		c.back(s, after)
		if got := c.events(); len(got) > 0 {
			t.Errorf("got again %q", got)
		}
	})
}

// slowRows is a store whose rows of rooms take a while to read: what is read is old when it comes.
type slowRows struct{ sessionstore.Store }

func (s slowRows) RoomMember(
	ctx context.Context, nsp sessionstore.Namespace, room sessionstore.Room, id sessionstore.SocketID,
) (sessionstore.Member, error) {
	m, err := s.Store.RoomMember(ctx, nsp, room, id)
	time.Sleep(50 * time.Millisecond)
	return m, err
}

// TestRewindAtOnce: of several instances that have a socket join one room at once, one brings the history. All succeed,
// once the socket is in the room.
func TestRewindAtOnce(t *testing.T) {
	transports(t, func(t *testing.T, w *world, before, _ string) {
		slow := func(c *nonstick.Config) { c.Store = slowRows{c.Store} }
		var all []*nonstick.Server
		for range 3 {
			all = append(all, w.server(keeping, patient, slow))
		}
		c := w.joinLasting(all[0], before)
		w.emits(all[0].To("kept"), "said", "1")
		w.emits(all[0].To("kept"), "said", "2")
		var asked errgroup.Group
		replies := make([]string, len(all)) // of a WebSocket
		for i, s := range all {
			asked.Go(func() (err error) {
				frame := fmt.Sprintf(`42%d["rewind","kept",10]`, i)
				if c.conn.IsZero() {
					return s.Engine().Post(t.Context(), c.sid, frame)
				}
				replies[i], err = s.Engine().Message(t.Context(), c.conn, frame)
				return err
			})
		}
		w.must(asked.Wait())
		w.emits(all[0].To("kept"), "said", "3")
		got := append(c.take(), replies...)
		if said, _ := saidOf(got); !slices.Equal(said, numbers(1, 3)) {
			t.Errorf("got %q", got)
		}
		for i := range all {
			if !slices.Contains(got, fmt.Sprintf(`43%d["joined"]`, i)) {
				t.Errorf("call %d has not joined: %q", i, got)
			}
		}
	})
}

// leavers is a store whose sockets leave a room, or end, just before they are in it.
type leavers struct {
	sessionstore.Store
	end bool
}

func (s leavers) Joined(
	ctx context.Context, k sessionstore.Socket, room sessionstore.Room, owner sessionstore.Owner, rewound int,
) error {
	err := s.Leave(ctx, k, room)
	if s.end {
		_, removed := s.RemoveSocket(ctx, k)
		err = errors.Join(err, removed)
	}
	return errors.Join(err, s.Store.Joined(ctx, k, room, owner, rewound))
}

// TestRewindLeaves: a socket that leaves the room as it joins has not ended, and one that ends has.
func TestRewindLeaves(t *testing.T) {
	for _, end := range []bool{false, true} {
		t.Run(fmt.Sprint("and ends ", end), func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				var got error
				s := w.server(func(s *nonstick.Server) {
					keeping(s)
					nonstick.On(s, "enter", func(ctx context.Context, k *nonstick.Socket, _ nonstick.Args) error {
						got = k.JoinRewind(ctx, "kept", nonstick.Rewind{})
						return nil
					})
				}, patient, func(c *nonstick.Config) { c.Store = leavers{c.Store, end} })
				c := w.joinLasting(s, "websocket")
				c.send(`42["enter"]`)
				if got == nil || errors.Is(got, nonstick.ErrDisconnected) != end {
					t.Error(got)
				}
			})
		})
	}
}

// unread is a store whose histories cannot be read, as long as it says so.
type unread struct {
	sessionstore.Store
	refuses *bool
}

func (s unread) History(
	ctx context.Context, nsp sessionstore.Namespace, room sessionstore.Room,
) (sessionstore.History, error) {
	if *s.refuses {
		return sessionstore.History{}, sessionstore.ErrThrottled
	}
	return s.Store.History(ctx, nsp, room)
}

// TestRewindTakenBack: a socket whose join fails is not in the room, and may join it later.
func TestRewindTakenBack(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		refuses := true
		var got error
		s := w.server(func(s *nonstick.Server) {
			keeping(s)
			nonstick.On(s, "enter", func(ctx context.Context, k *nonstick.Socket, _ nonstick.Args) error {
				got = k.JoinRewind(ctx, "kept", nonstick.Rewind{})
				return nil
			})
		}, patient, func(c *nonstick.Config) { c.Store = unread{c.Store, &refuses} })
		c := w.joinLasting(s, "websocket")
		c.send(`42["enter"]`)
		if !errors.Is(got, sessionstore.ErrThrottled) {
			t.Error(got)
		}
		began := time.Now()
		w.emits(s.To("kept"), "said", "1")
		if took := time.Since(began); took > time.Second {
			t.Errorf("the emit took %s", took)
		}
		if said := c.said(); len(said) > 0 {
			t.Errorf("got %q", said)
		}
		refuses = false
		c.send(`42["enter"]`)
		if said := c.said(); got != nil || !slices.Equal(said, numbers(1, 1)) {
			t.Errorf("got %q, %v", said, got)
		}
	})
}

// TestRewindLeftMeanwhile: a broadcast that waits for a socket which joins goes on without it when it leaves.
func TestRewindLeftMeanwhile(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s := w.server(keeping, patient)
		c := w.joinLasting(s, "websocket")
		k, _ := new(w.session(c.box())).Socket("/")
		joining := sessionstore.Lease{Owner: "slow", Until: time.Now().Add(time.Minute)}
		w.must(w.store.JoinLater(t.Context(), k, "kept", joining, sessionstore.SocketLimits{Rooms: 9}))
		emitted := make(chan error, 1)
		go func() { emitted <- s.To("kept").Emit(t.Context(), "said", "1") }()
		time.Sleep(time.Second)
		select {
		case err := <-emitted:
			t.Fatalf("the broadcast has not waited: %v", err)
		default:
		}
		w.must(w.store.Leave(t.Context(), k, "kept"))
		w.must(<-emitted)
		if said := c.said(); len(said) > 0 {
			t.Errorf("got %q", said)
		}
		if !c.comeBack(s, "websocket") {
			t.Error("its socket has ended")
		}
	})
}

// TestRewindUpgrade: a client that has part of a history by polling gets the rest by WebSocket.
func TestRewindUpgrade(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s := w.server(keeping, patient)
		for i := range 200 {
			w.emits(s.To("kept"), "said", fmt.Sprint(i+1), strings.Repeat("x", 20_000))
		}
		c := w.joinLasting(s, "polling")
		c.send(`420["rewind","kept",150]`)
		got := c.said()
		if n := len(got); n == 0 || n > 120 {
			t.Fatalf("%d events came at first, want some of 150", n)
		}
		c.upgrade()
		w.emits(s.To("kept"), "said", "201")
		if got = append(got, c.said()...); !slices.Equal(got, numbers(51, 201)) {
			t.Errorf("got %v", got)
		}
	})
}
