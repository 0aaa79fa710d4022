package adapter_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nonstick-io/nonstick/adapter"
	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/internal/deliverytest"
	"github.com/nonstick-io/nonstick/internal/pushtest"
	"github.com/nonstick-io/nonstick/sessionstore"
)

const nsp = sessionstore.Namespace("/")

// long is a room with a name that could be a socket's id.
const long = sessionstore.Room("a-room-of-20-letters")

// socket puts a socket of a session, by the session's name, into rooms. Its hint is that of the session as it is.
func (w *world) socket(id sessionstore.SessionID, rooms ...sessionstore.Room) sessionstore.SocketID {
	w.T.Helper()
	k := sessionstore.NewSocket{ID: socketID(id), Session: id, Namespace: nsp, Rooms: rooms}
	s := w.Session(id)
	w.Must(w.Store.PutSocket(w.T.Context(), k, s.Hint(), delivery.Limits{}.WithDefaults().Socket))
	return k.ID
}

// socketID is a socket id of the right length.
func socketID(id sessionstore.SessionID) sessionstore.SocketID {
	return sessionstore.SocketID(strings.Repeat("-", 20-len(id)) + string(id))
}

// hall is ten sockets: A to E on WebSocket, V to Z on polling. In room a: A B V W. In room b: B C W X. In
// long: C Z. In none: D E Y.
func hall(w *world) {
	in := map[string][]sessionstore.Room{
		"A": {"a"}, "B": {"a", "b"}, "C": {long, "b"}, "Z": {long}, "V": {"a"}, "W": {"a", "b"}, "X": {"b"},
	}
	for _, name := range strings.Split("ABCDE", "") {
		w.WebSocket(sessionstore.SessionID(name))
		w.socket(sessionstore.SessionID(name), in[name]...)
	}
	for _, name := range strings.Split("VWXYZ", "") {
		w.Polling(sessionstore.SessionID(name))
		w.socket(sessionstore.SessionID(name), in[name]...)
	}
	other := sessionstore.NewSocket{
		ID: socketID("other"), Session: "E", Namespace: "/other", Rooms: []sessionstore.Room{"a"},
	}
	w.Must(w.Store.PutSocket(w.T.Context(), other, conn("E"), delivery.Limits{}.WithDefaults().Socket))
}

// reached names the members of the hall that got the frame, with a number if more than once.
func (w *world) reached(frame string) string {
	out := ""
	for _, name := range strings.Split("ABCDEVWXYZ", "") {
		id := sessionstore.SessionID(name)
		got := w.Pushed(id)
		if s, err := w.Store.Store.Get(
			w.T.Context(), id, w.Session(id).CreatedAt,
		); err == nil &&
			s.Transport == sessionstore.Polling {
			got = w.Buffered(id)
		}
		if n := strings.Count(got, frame); n == 1 {
			out += name
		} else if n > 1 {
			out += fmt.Sprint(name, n)
		}
	}
	return out
}

func TestBroadcast(t *testing.T) {
	if len(long) != 20 {
		t.Fatal("long has the wrong length")
	}
	a, y := sessionstore.Room(socketID("A")), sessionstore.Room(socketID("Y"))
	for _, c := range []struct {
		name   string
		rooms  []sessionstore.Room
		except []sessionstore.Room
		want   string
	}{
		{"everybody", nil, nil, "ABCDEVWXYZ"},
		{"a room", []sessionstore.Room{"a"}, nil, "ABVW"},
		{"two rooms, each socket once", []sessionstore.Room{"a", "b"}, nil, "ABCVWX"},
		{"a room twice", []sessionstore.Room{"a", "a"}, nil, "ABVW"},
		{"a room without members", []sessionstore.Room{"none"}, nil, ""},
		{"a socket by its id", []sessionstore.Room{a}, nil, "A"},
		{"sockets and a room", []sessionstore.Room{a, y, "b"}, nil, "ABCWXY"},
		{"a socket that is in the room too", []sessionstore.Room{a, "a"}, nil, "ABVW"},
		{"an id that nobody has", []sessionstore.Room{sessionstore.Room(socketID("nobody"))}, nil, ""},
		{"everybody except a room", nil, []sessionstore.Room{"a"}, "CDEXYZ"},
		{"everybody except two rooms", nil, []sessionstore.Room{"b", "a"}, "DEYZ"},
		{"everybody except a socket", nil, []sessionstore.Room{y}, "ABCDEVWXZ"},
		{"everybody except a room and a socket", nil, []sessionstore.Room{"a", y}, "CDEXZ"},
		{"a room except another", []sessionstore.Room{"a"}, []sessionstore.Room{"b"}, "AV"},
		{"rooms except a room and a socket", []sessionstore.Room{"a", "b"}, []sessionstore.Room{"b", a}, "V"},
		{"a room except itself", []sessionstore.Room{"a"}, []sessionstore.Room{"a"}, ""},
		{"a room with a name as long as an id", []sessionstore.Room{long}, nil, "CZ"},
		{"everybody except a room with a name as long as an id", nil, []sessionstore.Room{long}, "ABDEVWXY"},
		{"except a room without members", []sessionstore.Room{"a"}, []sessionstore.Room{"none"}, "ABVW"},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, delivery.Limits{}, func(t *testing.T, w *world) {
				hall(w)
				sel := adapter.Selection{Namespace: nsp, Rooms: c.rooms, Except: c.except}
				r, err := w.adapter.Broadcast(t.Context(), sel, adapter.PacketOf(w.Packet("4x")))
				if err != nil || r.Delivered != len(c.want) || r.Gone+r.Failed > 0 {
					t.Errorf("%+v, %v", r, err)
				}
				if got := w.reached("4x"); got != c.want {
					t.Errorf("reached %q, want %q", got, c.want)
				}
				var selected string
				for m, err := range w.adapter.Select(t.Context(), sel) {
					w.Must(err)
					selected += strings.TrimLeft(string(m.Socket), "-")
				}
				if got := sorted(selected); got != c.want {
					t.Errorf("selected %q, want %q", got, c.want)
				}
			})
		})
	}
}

func sorted(s string) string {
	list := strings.Split(s, "")
	slices.Sort(list)
	return strings.Join(list, "")
}

func TestExceptSelf(t *testing.T) {
	inWorld(t, delivery.Limits{}, func(t *testing.T, w *world) {
		hall(w)
		for rooms, want := range map[string]string{"": "ABCDEVXYZ", "a": "ABV"} {
			sel := adapter.Selection{Namespace: nsp, Skip: []sessionstore.SocketID{socketID("W")}}
			if rooms != "" {
				sel.Rooms = []sessionstore.Room{sessionstore.Room(rooms)}
			}
			p := w.Packet("4 to " + rooms + "!")
			if _, err := w.adapter.Broadcast(t.Context(), sel, adapter.PacketOf(p)); err != nil {
				t.Error(err)
			}
			if got := w.reached(p.Frames[0]); got != want {
				t.Errorf("to %q: reached %q, want %q", rooms, got, want)
			}
		}
	})
}

// What one member does to a broadcast harms no other.
func TestBroadcastTrouble(t *testing.T) {
	for _, c := range []struct {
		name    string
		prepare func(w *world)
		want    adapter.Result
		reached string
	}{
		{
			"one is gone", func(w *world) { w.Pusher.Answer(conn("B"), delivery.ErrGone) },
			adapter.Result{Delivered: 3, Gone: 1},
			"AVW",
		},
		{
			"one is in doubt", func(w *world) { w.Pusher.Answer(conn("A"), pushtest.ErrLost) },
			adapter.Result{Delivered: 3, Failed: 1},
			"BVW",
		},
		{"one has closed", func(w *world) {
			w.Must(w.Closing.Close(w.T.Context(), "V", "test", delivery.CloseOptions{}))
		}, adapter.Result{Delivered: 3, Gone: 1}, "ABW"},
		{"an append fails", func(w *world) {
			w.Store.Fail(sessionstore.OpDeliver, deliverytest.NotDone(deliverytest.ErrNoAnswer))
		}, adapter.Result{Delivered: 3, Failed: 1}, ""},
		{"one is busy for a while", func(w *world) {
			w.Pusher.Answer(conn("A"), delivery.ErrBusy, delivery.ErrBusy, delivery.ErrBusy)
		}, adapter.Result{Delivered: 4}, "ABVW"},
		{
			"one does not read", func(w *world) { w.Pusher.AnswerAlways(conn("A"), delivery.ErrBusy) },
			adapter.Result{Delivered: 3, Failed: 1},
			"BVW",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, delivery.Limits{}, func(t *testing.T, w *world) {
				hall(w)
				c.prepare(w)
				r, err := w.adapter.Broadcast(
					t.Context(), adapter.Selection{Namespace: nsp, Rooms: []sessionstore.Room{"a"}},
					adapter.PacketOf(w.Packet("4x")))
				if r != c.want || err != nil {
					t.Errorf("%+v, %v, want %+v and no error", r, err, c.want)
				}
				if got := w.reached("4x"); c.reached != "" && got != c.reached {
					t.Errorf("reached %q, want %q", got, c.reached)
				}
			})
		})
	}
}

// Members that do not read hold a broadcast for half a second, however many they are, and for no longer; while they
// get on, because the platform is at its limit, they are waited for.
func TestBroadcastToMembersThatDoNotRead(t *testing.T) {
	const slow = 500
	for _, c := range []struct {
		name      string
		refusals  int // of each push, before it is taken; 0 means for ever
		delivered int
		atMost    time.Duration
	}{
		{"never", 0, 1, 1200 * time.Millisecond},
		{"the third time", 3, slow + 1, 1200 * time.Millisecond},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, delivery.Limits{}, func(t *testing.T, w *world) {
				for i := range slow {
					id := fmt.Sprintf("S%d", i)
					w.WebSocket(sessionstore.SessionID(id))
					w.socket(sessionstore.SessionID(id), "crowd")
					if c.refusals == 0 {
						w.Pusher.AnswerAlways(conn(id), delivery.ErrBusy)
					} else {
						w.Pusher.Answer(conn(id), slices.Repeat([]error{delivery.ErrBusy}, c.refusals)...)
					}
				}
				w.WebSocket("Z")
				w.socket("Z", "crowd")
				begun := time.Now()
				r, err := w.adapter.Broadcast(
					t.Context(), adapter.Selection{Namespace: nsp, Rooms: []sessionstore.Room{"crowd"}},
					adapter.PacketOf(w.Packet("4x")),
				)
				if took := time.Since(
					begun,
				); err != nil || r.Delivered != c.delivered || r.Delivered+r.Failed != slow+1 ||
					took > c.atMost {
					t.Errorf("%+v, %v after %s", r, err, took)
				}
				if open := w.Session("S0").State == sessionstore.Open; open != (c.refusals > 0) {
					t.Errorf("open: %v", open)
				}
			})
		})
	}
}

// Members that left without a word are met once: their row is removed, from the room or from the namespace.
func TestGoneIsReaped(t *testing.T) {
	for _, c := range []struct {
		name  string
		rooms []sessionstore.Room
	}{
		{"from a room", []sessionstore.Room{"a"}},
		{"from the namespace", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, delivery.Limits{}, func(t *testing.T, w *world) {
				hall(w)
				w.Pusher.AnswerAlways(conn("A"), delivery.ErrGone)
				sel := adapter.Selection{Namespace: nsp, Rooms: c.rooms}
				for i, gone := range []int{1, 0} {
					r, err := w.adapter.Broadcast(t.Context(), sel, adapter.PacketOf(w.Packet("4x")))
					if err != nil || r.Gone != gone {
						t.Errorf("broadcast %d: %+v, %v; want %d gone", i+1, r, err, gone)
					}
				}
				for m, err := range w.adapter.Select(t.Context(), sel) {
					w.Must(err)
					if m.Session == "A" {
						t.Error("the row is still there")
					}
				}
			})
		})
	}
}

// A broadcast to several rooms cannot know which row it met; reaping must not take the row of another socket.
func TestGoneFromSeveralRooms(t *testing.T) {
	inWorld(t, delivery.Limits{}, func(t *testing.T, w *world) {
		hall(w)
		w.Pusher.AnswerAlways(conn("B"), delivery.ErrGone)
		sel := adapter.Selection{Namespace: nsp, Rooms: []sessionstore.Room{"a", "b"}}
		if r, err := w.adapter.Broadcast(
			t.Context(), sel, adapter.PacketOf(w.Packet("4x")),
		); err != nil ||
			r != (adapter.Result{Delivered: 5, Gone: 1}) {
			t.Errorf("%+v, %v", r, err)
		}
		if r, err := w.adapter.Broadcast(
			t.Context(), sel, adapter.PacketOf(w.Packet("4y")),
		); err != nil || r.Delivered != 5 ||
			r.Failed != 0 {
			t.Errorf("again: %+v, %v", r, err)
		}
		if got := w.reached("4y"); got != "ACVWX" {
			t.Errorf("reached %q", got)
		}
	})
}

// A hint that turns out stale is repaired where it was met, so that the next broadcast pushes at once.
func TestHintIsRepaired(t *testing.T) {
	for _, c := range []struct {
		name  string
		rooms []sessionstore.Room
		fault bool
	}{
		{"in the namespace", nil, false},
		{"in a room", []sessionstore.Room{"a"}, false},
		{"not, which is no error", []sessionstore.Room{"a"}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, delivery.Limits{}, func(t *testing.T, w *world) {
				w.WebSocket("A")
				k := sessionstore.NewSocket{
					ID: socketID("A"), Session: "A", Namespace: nsp, Rooms: []sessionstore.Room{"a"},
				}
				w.Must(
					w.Store.PutSocket(
						t.Context(), k, sessionstore.Connection{}, delivery.Limits{}.WithDefaults().Socket,
					),
				)
				if c.fault {
					w.Store.Fail(sessionstore.OpSetHint, deliverytest.NotDone(sessionstore.ErrThrottled))
				}
				sel := adapter.Selection{Namespace: nsp, Rooms: c.rooms}
				if r, err := w.adapter.Broadcast(
					t.Context(), sel, adapter.PacketOf(w.Packet("4x")),
				); err != nil ||
					r.Delivered != 1 {
					t.Errorf("%+v, %v", r, err)
				}
				for m, err := range w.adapter.Select(t.Context(), sel) {
					w.Must(err)
					if repaired := m.Hint == conn("A"); repaired == c.fault {
						t.Errorf("hint %q", m.Hint)
					}
				}
			})
		})
	}
}

// What is for the caller's own session leaves by the caller's way, and a socket that leaves gets nothing.
func TestBroadcastBy(t *testing.T) {
	inWorld(t, delivery.Limits{}, func(t *testing.T, w *world) {
		hall(w)
		own := &collector{}
		a := w.adapter.By(adapter.Caller{Session: "B", Socket: socketID("B"), Way: own})
		sel := adapter.Selection{Namespace: nsp, Rooms: []sessionstore.Room{"a"}}
		r, err := a.Broadcast(t.Context(), sel, adapter.PacketOf(w.Packet("4x")))
		if err != nil || r.Delivered != 4 {
			t.Errorf("%+v, %v", r, err)
		}
		if got := w.reached("4x"); got != "AVW" || len(own.frames) != 1 {
			t.Errorf("reached %q, collected %q", got, own.frames)
		}
		left := w.adapter.Leaving(socketID("V"))
		r, err = w.adapter.Broadcast(t.Context(), sel, adapter.PacketOf(w.Packet("4y")))
		if got := w.reached("4y"); err != nil || r.Delivered != 3 || got != "ABW" {
			t.Errorf("while V leaves: %+v, %v, reached %q", r, err, got)
		}
		if err := w.adapter.Send(
			t.Context(), nil, sessionstore.Member{Socket: socketID("V"), Session: "V"},
			adapter.PacketOf(w.Packet("4z")),
		); !errors.Is(err, delivery.ErrClosed) {
			t.Errorf("send to V: %v", err)
		}
		left()
		r, err = w.adapter.Broadcast(t.Context(), sel, adapter.PacketOf(w.Packet("4z")))
		if got := w.reached("4z"); err != nil || r.Delivered != 4 || got != "ABVW" {
			t.Errorf("then: %+v, %v, reached %q", r, err, got)
		}
	})
}

func TestBroadcastTooLarge(t *testing.T) {
	inWorld(t, delivery.Limits{Frame: 10}, func(t *testing.T, w *world) {
		hall(w)
		r, err := w.adapter.Broadcast(
			t.Context(), adapter.Selection{Namespace: nsp}, adapter.PacketOf(w.Packet("4xxxxxxxxxx")),
		)
		if !errors.Is(err, delivery.ErrPacketTooLarge) || r != (adapter.Result{}) || w.reached("4x") != "" {
			t.Errorf("%+v, %v, reached %q", r, err, w.reached("4x"))
		}
	})
}

// What is too large only with the offset that a recoverable socket gets is an error, and the others get it.
func TestBroadcastTooLargeToRecover(t *testing.T) {
	inWorld(t, delivery.Limits{Frame: 100}, func(t *testing.T, w *world) {
		hall(w)
		box := sessionstore.OutboxID("pid")
		w.Must(w.Store.Create(t.Context(), sessionstore.NewSession{
			ID: box, Transport: sessionstore.Outbox, Carrier: "D", Conn: conn("D"), CreatedAt: time.Now(),
		}))
		w.Must(w.Store.PutSocket(t.Context(), sessionstore.NewSocket{
			ID: socketID("kept"), Session: box, Namespace: nsp, Rooms: []sessionstore.Room{"a"},
		}, sessionstore.Connection{}, delivery.Limits{}.WithDefaults().Socket))
		event := `42["` + strings.Repeat("x", 90) + `"]`
		r, err := w.adapter.Broadcast(
			t.Context(), adapter.Selection{Namespace: nsp, Rooms: []sessionstore.Room{"a"}},
			adapter.PacketOf(w.Packet(event)),
		)
		want := adapter.Result{Delivered: 4, Failed: 1}
		if !errors.Is(err, delivery.ErrPacketTooLarge) || r != want || w.reached(event) != "ABVW" {
			t.Errorf("%+v, %v, reached %q", r, err, w.reached(event))
		}
	})
}

// A source that cannot be read to its end is an error; members that were read before it have been delivered to.
func TestSourceFails(t *testing.T) {
	for _, c := range []struct {
		name   string
		rooms  []sessionstore.Room
		except []sessionstore.Room
	}{
		{"one room", []sessionstore.Room{"a"}, nil},
		{"several rooms", []sessionstore.Room{"a", "b"}, nil},
		{"the exception", nil, []sessionstore.Room{"a"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, delivery.Limits{}, func(t *testing.T, w *world) {
				hall(w)
				w.Store.Fail(sessionstore.OpMembers, deliverytest.NotDone(deliverytest.ErrNoAnswer))
				sel := adapter.Selection{Namespace: nsp, Rooms: c.rooms, Except: c.except}
				r, err := w.adapter.Broadcast(t.Context(), sel, adapter.PacketOf(w.Packet("4x")))
				if !errors.Is(err, deliverytest.ErrNoAnswer) {
					t.Errorf("%+v, %v", r, err)
				}
				got := w.reached("4x")
				if len(got) != r.Delivered || strings.ContainsAny(got, "23") {
					t.Errorf("reached %q, said %d", got, r.Delivered)
				}
				if c.except != nil && strings.ContainsAny(got, "AB") {
					t.Error("somebody who was to be left out was not")
				}
			})
		})
	}
}

// Whatever the rooms, a selection is the union of the rooms less the union of the exceptions, each socket once and,
// where rooms are merged, in order.
func TestSelectProperties(t *testing.T) {
	const seed = 7
	dice := rand.New(rand.NewPCG(seed, 0))
	rooms := []sessionstore.Room{"r0", "r1", "r2", "r3", "r4", "r5"}
	for run := range 60 {
		inWorld(t, delivery.Limits{}, func(t *testing.T, w *world) {
			in := map[sessionstore.SocketID][]sessionstore.Room{}
			w.Polling("all")
			for i := range dice.IntN(40) {
				k := sessionstore.NewSocket{
					ID:      socketID(sessionstore.SessionID(fmt.Sprint(i))),
					Session: sessionstore.SessionID(fmt.Sprint(i)), Namespace: nsp, Rooms: some(dice, rooms),
				}
				in[k.ID] = k.Rooms
				w.Must(
					w.Store.PutSocket(
						context.Background(), k, sessionstore.Connection{}, delivery.Limits{}.WithDefaults().Socket,
					),
				)
			}
			sel := adapter.Selection{Namespace: nsp, Rooms: some(dice, rooms), Except: some(dice, rooms)}
			var want []sessionstore.SocketID
			for id, of := range in {
				if (len(sel.Rooms) == 0 || meet(of, sel.Rooms)) && !meet(of, sel.Except) {
					want = append(want, id)
				}
			}
			var got []sessionstore.SocketID
			for m, err := range w.adapter.Select(t.Context(), sel) {
				w.Must(err)
				got = append(got, m.Socket)
			}
			if len(sel.Rooms) > 0 && !slices.IsSorted(got) {
				t.Errorf("run %d: not in order: %v", run, got)
			}
			slices.Sort(got)
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Errorf("run %d, to %v except %v:\ngot  %v\nwant %v", run, sel.Rooms, sel.Except, got, want)
			}
			for range w.adapter.Select(t.Context(), sel) {
				break // the caller that stops early leaves nothing behind: the bubble would not end
			}
		})
	}
}

func some(dice *rand.Rand, rooms []sessionstore.Room) []sessionstore.Room {
	var out []sessionstore.Room
	for _, r := range rooms {
		if dice.IntN(3) == 0 {
			out = append(out, r)
		}
	}
	return out
}

func meet(a, b []sessionstore.Room) bool {
	return slices.ContainsFunc(a, func(r sessionstore.Room) bool { return slices.Contains(b, r) })
}
