package delivery_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/internal/protocol"
	"github.com/nonstick-io/nonstick/internal/pushtest"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// box is the outbox whose carrier is S.
var box = sessionstore.OutboxID("pid")

// makeBox makes the outbox, with a hold.
func makeBox(w *world, hold sessionstore.Lease, hint sessionstore.Connection) {
	w.T.Helper()
	w.Must(w.Store.Create(w.T.Context(), sessionstore.NewSession{
		ID: box, Transport: sessionstore.Outbox, Carrier: sid, Conn: hint, CreatedAt: time.Now(), Hold: hold,
	}))
}

func onWebSocket(w *world) {
	w.WebSocket(sid)
	makeBox(w, sessionstore.Lease{}, conn("S"))
}

func onPolling(w *world) {
	w.Polling(sid)
	makeBox(w, sessionstore.Lease{Owner: sessionstore.HoldPolling}, sessionstore.Connection{})
}

// upgraded is a carrier that has moved to WebSocket, which its outbox does not know.
func upgraded(w *world) {
	w.Held(sid)
	w.Must(w.Store.Release(w.T.Context(), sid, "flusher", 0))
	makeBox(w, sessionstore.Lease{Owner: sessionstore.HoldPolling}, sessionstore.Connection{})
}

// upgrading is one that is being flushed to.
func upgrading(w *world) {
	w.Held(sid)
	makeBox(w, sessionstore.Lease{Owner: sessionstore.HoldPolling}, sessionstore.Connection{})
}

func away(w *world) {
	onWebSocket(w)
	w.Must(w.Closing.Close(w.T.Context(), sid, "transport close", delivery.CloseOptions{}))
	w.ForgetFinished()
	w.Must(w.Store.Lose(w.T.Context(), box, sid, time.Now().Add(time.Minute), "transport close"))
}

// pushedTo is one that another caller pushes to, until then.
func pushedTo(until time.Duration) func(w *world) {
	return func(w *world) {
		w.WebSocket(sid)
		makeBox(w, sessionstore.Lease{Owner: "other", Until: time.Now().Add(until)}, conn("S"))
	}
}

// plain takes the offsets off frames; last is that of the last of them.
func plain(frames string) (events []string, last string) {
	tag := protocol.Offset{}.Encode(box)[1:]
	for f := range strings.FieldsSeq(frames) {
		i := strings.LastIndex(f, `,"`)
		if i < 0 || !strings.HasSuffix(f, tag+`"]`) {
			events = append(events, f+" without an offset")
			continue
		}
		events, last = append(events, f[:i]+"]"), f[i+2:len(f)-2]
	}
	return events, last
}

// comeBack recovers the outbox on a new session, on WebSocket or polling, and returns what that is sent behind "40".
func (w *world) comeBack(offset string, to sessionstore.Transport) (recovered bool, got string) {
	w.T.Helper()
	id := sessionstore.SessionID("new" + string(to))
	if to == sessionstore.Polling {
		w.Polling(id)
	} else {
		w.WebSocket(id)
	}
	outbox, carrier := w.Session(box), w.Session(id)
	recovered, err := w.Delivery.Recover(w.T.Context(), delivery.Recovery{
		Outbox: &outbox, Offset: offset, Carrier: &carrier, First: []sessionstore.Packet{w.Packet("40")},
	})
	w.Must(err)
	if to == sessionstore.Polling {
		got = w.Buffered(id)
	} else {
		got = w.Pushed(id)
	}
	if !recovered {
		return false, got
	}
	if got, ok := strings.CutPrefix(got+" ", "40 "); ok {
		return true, strings.TrimSpace(got)
	}
	w.T.Errorf("the first of %q is not the answer to CONNECT", got)
	return true, got
}

// What becomes of an event for an outbox, whatever goes wrong; and of the client that comes back afterwards: it has
// each event once, in order, or is told that it is new.
func TestDeliverToOutbox(t *testing.T) {
	const event = `42["a"]`
	for _, c := range []struct {
		name  string
		make  func(w *world)
		store map[sessionstore.Op][]fault
		push  []error

		arrives bool   // at the client that is there
		err     error  // of the delivery
		reason  string // for which the carrier is closed
		over    bool   // the outbox, too: the client is new
	}{
		{name: "on WebSocket", make: onWebSocket, arrives: true},
		{name: "on polling", make: onPolling, arrives: true},
		{name: "away", make: away},
		{name: "another caller pushes", make: pushedTo(time.Minute)},
		{name: "another caller has died", make: pushedTo(-time.Second), reason: "transport error"},
		{name: "the carrier has moved to WebSocket", make: upgraded, arrives: true},
		{name: "the carrier is being flushed to", make: upgrading, arrives: true},

		{name: "gone", make: onWebSocket, push: []error{delivery.ErrGone}, reason: "transport close"},
		{name: "push in doubt, lost", make: onWebSocket, push: []error{pushtest.ErrLost}, reason: "transport error"},
		{
			name: "push in doubt, arrived", make: onWebSocket, push: []error{pushtest.ErrArrived}, arrives: true,
			reason: "transport error",
		},
		{name: "busy for a while", make: onWebSocket, push: []error{delivery.ErrBusy, nil}, arrives: true},
		{
			name: "gone, after the move to WebSocket", make: upgraded, push: []error{delivery.ErrGone},
			reason: "transport close",
		},

		{
			name: "append throttled", make: onWebSocket,
			store: faults(sessionstore.OpEnqueue, certain, certain), arrives: true,
		},
		{name: "append in doubt, done", make: onWebSocket, store: faults(sessionstore.OpEnqueue, done), arrives: true},
		{
			name: "append in doubt, done, polling", make: onPolling,
			store: faults(sessionstore.OpEnqueue, done), arrives: true,
		},
		{name: "append in doubt, done, away", make: away, store: faults(sessionstore.OpEnqueue, done)},
		{
			name: "append in doubt, not done", make: onWebSocket, store: faults(sessionstore.OpEnqueue, notDone),
			err: errNoAnswer, reason: "transport error", over: true,
		},
		{
			name: "append in doubt, not done, polling", make: onPolling, store: faults(sessionstore.OpEnqueue, notDone),
			err: errNoAnswer, reason: "transport error", over: true,
		},
		{
			name: "append in doubt, not done, away", make: away, store: faults(sessionstore.OpEnqueue, notDone),
			err: errNoAnswer, over: true,
		},
		{name: "sent in doubt, done", make: onWebSocket, store: faults(sessionstore.OpSent, done), arrives: true},
		{
			name: "sent in doubt, not done", make: onWebSocket,
			store: faults(sessionstore.OpSent, notDone), arrives: true,
		},
		{name: "sent throttled", make: onWebSocket, store: faults(sessionstore.OpSent, certain), arrives: true},

		{name: "by number: throttled", make: onPolling, store: faults(sessionstore.OpDeliver, certain), arrives: true},
		{
			name: "by number: in doubt, done", make: onPolling,
			store: faults(sessionstore.OpDeliver, done), arrives: true,
		},
		{
			name: "by number: in doubt, not done", make: onPolling,
			store: faults(sessionstore.OpDeliver, notDone), arrives: true,
		},
		{
			name: "by number: in doubt for good", make: onPolling,
			store:  faults(sessionstore.OpDeliver, slices.Repeat([]fault{notDone}, 8)...),
			reason: "transport error",
		},
		{
			name: "switch in doubt, not done", make: upgraded,
			store: faults(sessionstore.OpSwitch, notDone), reason: "transport error",
		},
		{
			name: "switch in doubt, done", make: upgraded,
			store: faults(sessionstore.OpSwitch, done), reason: "transport error",
		},
	} {
		for _, to := range []sessionstore.Transport{sessionstore.WebSocket, sessionstore.Polling} {
			t.Run(fmt.Sprint(c.name, ", then to ", to), func(t *testing.T) {
				inWorld(t, delivery.Limits{}, func(t *testing.T, w *world) {
					c.make(w)
					for op, list := range c.store {
						w.Store.Fail(op, list...)
					}
					w.Pusher.Answer(conn("S"), c.push...)
					_, err := w.Delivery.Deliver(
						t.Context(), delivery.Target{Session: box}, []sessionstore.Packet{w.Packet(event)},
					)
					if !errors.Is(err, c.err) || c.err == nil && err != nil {
						t.Errorf("error %v, want %v", err, c.err)
					}
					frames := w.Pushed(sid)
					carrier := w.Session(sid)
					if carrier.State == sessionstore.Open {
						frames = strings.TrimSpace(frames + " " + w.Buffered(sid))
					}
					has, offset := plain(frames)
					if arrived := len(has) > 0; arrived != c.arrives {
						t.Errorf("arrived: %q, want %v", frames, c.arrives)
					}
					if c.reason != "" && (carrier.State != sessionstore.Closed || carrier.Reason != c.reason) {
						t.Errorf("the carrier is %s for %q, want %q", carrier.State, carrier.Reason, c.reason)
					}
					if c.reason == "" && c.err == nil && w.Finished() > 0 {
						t.Errorf("%d sessions were closed", w.Finished())
					}
					recovered, missed := w.comeBack(offset, to)
					if recovered == c.over {
						t.Fatalf("recovered %v", recovered)
					}
					if c.over {
						return
					}
					events, _ := plain(missed)
					if all := append(has, events...); len(all) != 1 || all[0] != event {
						t.Errorf("the client has %q, want the event once", all)
					}
					// and what comes next comes, and nothing again
					if _, err := w.Delivery.Deliver(
						t.Context(), delivery.Target{Session: box}, []sessionstore.Packet{w.Packet(`42["b"]`)},
					); err != nil {
						t.Errorf("deliver: %v", err)
					}
					id := sessionstore.SessionID("new" + string(to))
					live := w.Pushed(id)
					if to == sessionstore.Polling {
						live = strings.TrimPrefix(w.Buffered(id), strings.TrimSpace("40 "+missed))
					}
					if events, _ := plain(live); len(events) != 1 || events[0] != `42["b"]` {
						t.Errorf("then the client gets %q", events)
					}
				})
			})
		}
	}
}

// Many callers deliver at once, while the client is on one transport: each event arrives once, with numbers that rise,
// and those of one caller in order.
func TestOutboxAtOnce(t *testing.T) {
	const emitters, events = 8, 20
	for name, make := range map[string]func(*world){
		"WebSocket": onWebSocket, "polling": onPolling, "upgraded": upgraded,
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, delivery.Limits{}, func(t *testing.T, w *world) {
				make(w)
				w.Pusher.OnPush = func(sessionstore.Connection, string) { time.Sleep(time.Millisecond) }
				var group sync.WaitGroup
				for e := range emitters {
					group.Go(func() {
						for i := range events {
							p := sessionstore.Packet{
								ID:     sessionstore.PacketID(fmt.Sprint(e, ".", i)),
								Frames: []string{fmt.Sprintf(`42["%d.%d"]`, e, i)},
							}
							_, err := w.Delivery.Deliver(
								t.Context(), delivery.Target{Session: box}, []sessionstore.Packet{p},
							)
							if err != nil {
								t.Error(err)
							}
						}
					})
				}
				group.Wait()
				got := w.Pushed(sid)
				if name == "polling" {
					got = w.Buffered(sid)
				}
				all, last := plain(got)
				if len(all) != emitters*events {
					t.Fatalf("%d events, want %d", len(all), emitters*events)
				}
				var next [emitters]int
				for _, f := range all {
					var e, n int
					if _, err := fmt.Sscanf(f, `42["%d.%d"]`, &e, &n); err != nil || n != next[e] {
						t.Fatalf("event %q, after %d of that emitter", f, next[e])
					}
					next[e]++
				}
				if want := (protocol.Offset{Entry: emitters * events}).Encode(box); last != want {
					t.Errorf("the last offset is %q, want %q", last, want)
				}
				if s := w.Session(box); name != "polling" && s.Hold.Held() {
					t.Errorf("the hold is left: %+v", s.Hold)
				}
			})
		})
	}
}

// An event has to fit with its offset, whether the client is there or not; a packet above that harms no socket.
func TestOutboxTooLarge(t *testing.T) {
	for _, make := range []func(*world){onWebSocket, onPolling, away} {
		inWorld(t, delivery.Limits{Frame: 200}, func(t *testing.T, w *world) {
			make(w)
			most := 200 - protocol.MaxOffset - len(`,""`)
			for _, size := range []int{most, most + 1} {
				frame := `42["` + strings.Repeat("x", size-len(`42[""]`)) + `"]`
				_, err := w.Delivery.Deliver(
					t.Context(), delivery.Target{Session: box}, []sessionstore.Packet{w.Packet(frame)},
				)
				if large := size > most; errors.Is(err, delivery.ErrPacketTooLarge) != large || !large && err != nil {
					t.Errorf("%d bytes: %v", size, err)
				}
			}
			if s := w.Session(box); s.State != sessionstore.Open || s.Seq() != 1 {
				t.Errorf("the outbox is %s, with %d entries", s.State, s.Seq())
			}
		})
	}
}

// Volatile events reach a client that can take them at that moment. They are not kept for one that cannot, and not sent
// again.
func TestOutboxVolatile(t *testing.T) {
	for _, c := range []struct {
		name string
		make func(w *world)
		push []error
		err  error
		got  string // by the client that is there
	}{
		{name: "on WebSocket", make: onWebSocket, got: `42["v"]`},
		{name: "busy", make: onWebSocket, push: []error{delivery.ErrBusy}, err: delivery.ErrDropped},
		{name: "another caller pushes", make: pushedTo(time.Minute), err: delivery.ErrDropped},
		{name: "between two polls", make: onPolling, err: delivery.ErrDropped},
		{
			name: "a GET is parked", got: `42["v"]`,
			make: func(w *world) {
				parked(w)
				makeBox(w, sessionstore.Lease{Owner: sessionstore.HoldPolling}, sessionstore.Connection{})
			},
		},
		{name: "moved to WebSocket", make: upgraded, got: `42["v"]`},
		{name: "away", make: away, err: delivery.ErrDropped},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, delivery.Limits{}, func(t *testing.T, w *world) {
				c.make(w)
				w.Pusher.Answer(conn("S"), c.push...)
				_, err := w.Delivery.Deliver(
					t.Context(), delivery.Target{Session: box, Volatile: true},
					[]sessionstore.Packet{w.Packet(`42["v"]`)},
				)
				if !errors.Is(err, c.err) || c.err == nil && err != nil {
					t.Errorf("error %v, want %v", err, c.err)
				}
				frames := w.Pushed(sid)
				if w.Session(sid).State == sessionstore.Open {
					frames = strings.TrimSpace(frames + " " + w.Buffered(sid))
				}
				if got, _ := plain(frames); strings.Join(got, " ") != c.got {
					t.Errorf("got %q, want %q", got, c.got)
				}
				recovered, missed := w.comeBack("", sessionstore.WebSocket)
				if !recovered || missed != "" {
					t.Errorf("recovered %v, with %q", recovered, missed)
				}
			})
		})
	}
}

// A recovery in doubt is applied once, and goes on; one that a later connection was before with is none.
func TestRecoverInDoubt(t *testing.T) {
	for name, list := range map[string][]fault{
		"done": {done}, "not done": {notDone}, "throttled": {certain}, "again and again": {notDone, certain, done},
	} {
		for _, to := range []sessionstore.Transport{sessionstore.WebSocket, sessionstore.Polling} {
			t.Run(fmt.Sprint(name, " ", to), func(t *testing.T) {
				inWorld(t, delivery.Limits{}, func(t *testing.T, w *world) {
					away(w)
					_, err := w.Delivery.Deliver(
						t.Context(), delivery.Target{Session: box}, []sessionstore.Packet{w.Packet(`42["a"]`)},
					)
					w.Must(err)
					old := w.Session(box)
					w.WebSocket("early")
					time.Sleep(time.Millisecond)
					w.Store.Fail(sessionstore.OpRecover, list...)
					recovered, missed := w.comeBack("", to)
					if events, _ := plain(missed); !recovered || len(events) != 1 || events[0] != `42["a"]` {
						t.Errorf("recovered %v, with %q", recovered, missed)
					}
					if s := w.Session(box); s.Moves != 1 {
						t.Errorf("%d moves", s.Moves)
					}
					early := w.Session("early")
					recovered, err = w.Delivery.Recover(t.Context(), delivery.Recovery{Outbox: &old, Carrier: &early})
					if recovered || err != nil || w.Pushed("early") != "" {
						t.Errorf("what another was before with: %v, %v", recovered, err)
					}
					if s := w.Session(box); s.Moves != 1 {
						t.Errorf("%d moves", s.Moves)
					}
				})
			})
		}
	}
}

// Of two connections of a client that come for its socket at once it is the later one that gets it, whichever is
// handled first: the earlier one is not there any more.
func TestRecoverFollows(t *testing.T) {
	const first = sessionstore.SessionID("first")
	for _, c := range []struct {
		name string
		// meanwhile is what the first, which the outbox has moved to, does before the other gets on.
		meanwhile func(w *world)
		later     bool // the other is
		recovered bool
	}{
		{"later", func(*world) {}, true, true},
		{"earlier", func(*world) {}, false, false},
		{"earlier, and the first is read at the third try", func(w *world) {
			w.Store.Fail(sessionstore.OpGet, certain, certain)
		}, false, false},
		{"earlier, and the first has closed", func(w *world) {
			w.Must(w.Closing.Close(w.T.Context(), first, "transport close", delivery.CloseOptions{}))
		}, false, true},
		{"earlier, and the first was lost", func(w *world) {
			w.Must(w.Store.Lose(w.T.Context(), box, first, time.Now().Add(time.Minute), "transport close"))
		}, false, true},
		{"later, and it is over", func(w *world) {
			w.Must(w.Store.Lose(w.T.Context(), box, first, time.Now().Add(-time.Minute), "transport close"))
		}, true, false},
		{"later, and it has ended", func(w *world) {
			w.Must(w.Closing.Close(w.T.Context(), box, "client namespace disconnect", delivery.CloseOptions{}))
		}, true, false},
	} {
		for _, again := range []bool{false, true} {
			t.Run(fmt.Sprint(c.name, ", read again ", again), func(t *testing.T) {
				inWorld(t, delivery.Limits{}, func(t *testing.T, w *world) {
					away(w)
					_, err := w.Delivery.Deliver(
						t.Context(), delivery.Target{Session: box}, []sessionstore.Packet{w.Packet(`42["a"]`)},
					)
					w.Must(err)
					read := w.Session(box)
					if !c.later {
						w.WebSocket("other")
						time.Sleep(time.Millisecond)
					}
					w.WebSocket(first)
					carrier := w.Session(first)
					_, err = w.Delivery.Recover(t.Context(), delivery.Recovery{Outbox: &read, Carrier: &carrier})
					w.Must(err)
					c.meanwhile(w)
					if c.later {
						time.Sleep(time.Millisecond)
						w.WebSocket("other")
					}
					carrier = w.Session("other")
					if again { // it comes after that in any case
						read = w.Session(box)
					}
					back := delivery.Recovery{Outbox: &read, Carrier: &carrier}
					recovered, err := w.Delivery.Recover(t.Context(), back)
					w.Must(err)
					events, _ := plain(w.Pushed("other"))
					if recovered != c.recovered || recovered != slices.Equal(events, []string{`42["a"]`}) {
						t.Errorf("recovered %v, with %q", recovered, events)
					}
					open := w.Session(first).State == sessionstore.Open
					if recovered && open && w.Session(box).Carrier == first {
						t.Error("both have it")
					}
				})
			})
		}
	}
}

// A recovery whose answer was lost has taken the socket from its carrier; then a later connection takes it from that.
// The first carrier is closed all the same: of it the later one does not know.
func TestRecoverLostAnswer(t *testing.T) {
	inWorld(t, delivery.Limits{}, func(t *testing.T, w *world) {
		onWebSocket(w)
		var read [2]sessionstore.Session
		read[0] = w.Session(box)
		w.WebSocket("middle")
		time.Sleep(time.Millisecond)
		w.WebSocket("last")
		middle, last := w.Session("middle"), w.Session("last")
		w.Store.Fail(sessionstore.OpRecover, done)
		ended := make(chan error)
		go func() {
			recovered, err := w.Delivery.Recover(t.Context(), delivery.Recovery{Outbox: &read[0], Carrier: &middle})
			if recovered {
				err = errors.Join(err, errors.New("recovered"))
			}
			ended <- err
		}()
		synctest.Wait() // it pauses before it tries again
		read[1] = w.Session(box)
		if read[1].Carrier != "middle" {
			t.Fatalf("the carrier is %s", read[1].Carrier)
		}
		recovered, err := w.Delivery.Recover(t.Context(), delivery.Recovery{Outbox: &read[1], Carrier: &last})
		if !recovered || err != nil {
			t.Errorf("recovered %v: %v", recovered, err)
		}
		w.Must(<-ended)
		for id, open := range map[sessionstore.SessionID]bool{sid: false, "middle": false, "last": true} {
			if s := w.Session(id); (s.State == sessionstore.Open) != open {
				t.Errorf("%s is %s", id, s.State)
			}
		}
		if now := w.Session(box); now.Carrier != "last" {
			t.Errorf("the carrier is %s", now.Carrier)
		}
	})
}

// As long as it is not known which of two connections is the later one, neither takes the socket from the other.
func TestRecoverUnread(t *testing.T) {
	inWorld(t, delivery.Limits{}, func(t *testing.T, w *world) {
		onWebSocket(w)
		read := w.Session(box)
		w.WebSocket("other")
		other := w.Session("other")
		w.Store.Fail(sessionstore.OpGet, slices.Repeat([]fault{certain}, 20)...)
		recovered, err := w.Delivery.Recover(t.Context(), delivery.Recovery{Outbox: &read, Carrier: &other})
		if recovered || !errors.Is(err, sessionstore.ErrThrottled) {
			t.Errorf("recovered %v: %v", recovered, err)
		}
		if now := w.Session(box); now.Carrier != sid {
			t.Errorf("the carrier is %s", now.Carrier)
		}
	})
}

// What an outbox has taken is an error to its caller where the client can neither get it nor be told to come back; but
// a rewind is not, for its caller would take it for one that was not sent, and send another.
func TestAppendedButNotBrought(t *testing.T) {
	for _, rewind := range []bool{false, true} {
		t.Run(fmt.Sprint("rewind ", rewind), func(t *testing.T) {
			inWorld(t, delivery.Limits{}, func(t *testing.T, w *world) {
				onWebSocket(w)
				p := w.Packet(`42["a"]`)
				if rewind {
					p.Frames = []string{}
					p.Rewind = &sessionstore.Rewind{Namespace: "/", Room: "room", Socket: "k", From: 0, To: 1}
				}
				w.Pusher.Answer(conn("S"), pushtest.ErrLost) // the event; of the rewind there is none any more
				w.Store.Fail(sessionstore.OpClose, slices.Repeat([]fault{certain}, 20)...)
				_, err := w.Delivery.Deliver(t.Context(), delivery.Target{Session: box}, []sessionstore.Packet{p})
				if (err == nil) != rewind {
					t.Errorf("error %v", err)
				}
				if now := w.Session(box); now.State != sessionstore.Open || len(now.Buffer) != 1 {
					t.Errorf("the outbox is %s with %d entries", now.State, len(now.Buffer))
				}
			})
		})
	}
}

// A connection that cannot be recovered, since what it missed was trimmed, closes the outbox; not one that another
// connection of its client has taken meanwhile, which was told that it is recovered.
func TestRecoverOvertaken(t *testing.T) {
	for _, overtaken := range []bool{false, true} {
		t.Run(fmt.Sprint(overtaken), func(t *testing.T) {
			inWorld(t, delivery.Limits{}, func(t *testing.T, w *world) {
				onWebSocket(w)
				_, err := w.Delivery.Deliver(
					t.Context(), delivery.Target{Session: box}, []sessionstore.Packet{w.Packet(`42["a"]`)},
				)
				w.Must(err)
				read := w.Session(box)
				w.Must(w.Store.Trim(t.Context(), new(w.Session(box)), 1))
				w.WebSocket("early")
				w.WebSocket("late")
				early, late := w.Session("early"), w.Session("late")
				recovered, err := w.Delivery.Recover(t.Context(), delivery.Recovery{
					Outbox: &read, Carrier: &early, Moved: func(ctx context.Context) (bool, error) {
						if !overtaken {
							return true, nil
						}
						now := w.Session(box)
						ok, err := w.Delivery.Recover(ctx, delivery.Recovery{
							Outbox: &now, Offset: protocol.Offset{Entry: 1}.Encode(box), Carrier: &late,
						})
						if !ok || err != nil {
							t.Errorf("the other: recovered %v, %v", ok, err)
						}
						return true, nil
					},
				})
				if recovered || err != nil {
					t.Errorf("recovered %v, %v", recovered, err)
				}
				if now := w.Session(box); (now.State == sessionstore.Open) != overtaken {
					t.Errorf("the outbox is %s, carried by %s", now.State, now.Carrier)
				}
			})
		})
	}
}

// A client that takes the socket of another ends that one's session, whatever comes of it itself: the other has the
// socket no more, and gets nothing of what is accepted for it.
func TestRecoverEndsTheCarrierBefore(t *testing.T) {
	for name, c := range map[string]struct {
		trimmed   bool // what the client misses, since the outbox was read
		moved     func(ctx context.Context) (bool, error)
		recovered bool
		err       error
	}{
		"recovered":           {recovered: true},
		"what it missed went": {trimmed: true},
		"its session closed":  {moved: func(context.Context) (bool, error) { return false, nil }},
		"its session is in doubt": {
			moved: func(context.Context) (bool, error) { return false, errNoAnswer }, err: errNoAnswer,
		},
	} {
		for _, to := range []sessionstore.Transport{sessionstore.WebSocket, sessionstore.Polling} {
			t.Run(fmt.Sprint(name, " ", to), func(t *testing.T) {
				inWorld(t, delivery.Limits{}, func(t *testing.T, w *world) {
					onWebSocket(w)
					_, err := w.Delivery.Deliver(
						t.Context(), delivery.Target{Session: box}, []sessionstore.Packet{w.Packet(`42["a"]`)},
					)
					w.Must(err)
					read := w.Session(box)
					if c.trimmed {
						w.Must(w.Store.Trim(t.Context(), new(w.Session(box)), 1))
					}
					w.Polling("polling")
					w.WebSocket("websocket")
					carrier := w.Session(sessionstore.SessionID(to))
					recovered, err := w.Delivery.Recover(t.Context(), delivery.Recovery{
						Outbox: &read, Carrier: &carrier, Moved: c.moved,
					})
					if recovered != c.recovered || !errors.Is(err, c.err) {
						t.Errorf("recovered %v, %v", recovered, err)
					}
					if s := w.Session(sid); s.State == sessionstore.Open || s.Reason != "transport close" {
						t.Errorf("the carrier before is %s: %q", s.State, s.Reason)
					}
					if !w.Pusher.Closed(conn("S")) {
						t.Error("its connection was not cut")
					}
				})
			})
		}
	}
}
