package delivery_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/internal/deliverytest"
	"github.com/nonstick-io/nonstick/internal/pushtest"
	"github.com/nonstick-io/nonstick/sessionstore"
	"github.com/nonstick-io/nonstick/sessionstore/memstore"
)

// park makes the polling session S, whose client waits for an answer, until the time given.
func park(until time.Duration) func(w *world) {
	return func(w *world) {
		w.T.Helper()
		w.Polling(sid)
		s := w.Session(sid)
		poll := sessionstore.Poll{T: "t1", Until: time.Now().Add(until)}
		w.Must(w.Store.Park(w.T.Context(), sessionstore.ParkRequest{Read: &s, Poll: poll}))
	}
}

func parked(w *world) { park(time.Minute)(w) }

// waiting is a client that waits, and has not got yet what waits for it.
func waiting(w *world) {
	parked(w)
	first := []sessionstore.Packet{w.Packet("4first")}
	_, err := w.Delivery.Deliver(w.T.Context(), delivery.Target{Session: sid}, first)
	w.Must(err)
}

// metered makes the store of an empty world one that counts.
func metered(w *world) *sessionstore.Meter {
	m := &sessionstore.Meter{}
	w.Store.Store = memstore.New(memstore.Options{Meter: m})
	return m
}

// A volatile packet reaches a client that can take it at that moment, and no other. It is nowhere kept, ends no
// session, waits for nothing, and costs no more writes and pushes than another packet.
func TestVolatile(t *testing.T) {
	for _, c := range []struct {
		name  string
		make  func(w *world)
		hint  bool
		push  []error
		store []fault

		pushed, buffered string
		err              error
		closed           bool
	}{
		{name: "a GET is parked", make: parked, buffered: "4a"},
		{name: "no GET is parked", make: polling, err: delivery.ErrDropped},
		{name: "a GET was parked", make: park(-time.Second), err: delivery.ErrDropped},
		{name: "another packet waits", make: waiting, buffered: "4first", err: delivery.ErrDropped},
		{name: "by the hint", make: webSocket, hint: true, pushed: "4a"},
		{name: "a refusal tells the WebSocket", make: webSocket, pushed: "4a"},
		{
			name: "the connection is busy", make: webSocket, hint: true, push: []error{delivery.ErrBusy},
			err: delivery.ErrDropped,
		},
		{
			name: "the connection is busy, as a refusal told", make: webSocket, push: []error{delivery.ErrBusy},
			err: delivery.ErrDropped,
		},
		{name: "another caller flushes", make: held, err: delivery.ErrDropped},
		{name: "serial", make: serial, pushed: "4a"},
		{
			name: "serial, and another caller pushes", make: busySerial(time.Minute), buffered: "4first",
			err: delivery.ErrDropped,
		},
		{name: "serial, and busy", make: serial, push: []error{delivery.ErrBusy}, err: delivery.ErrDropped},
		{name: "no such session", make: nothing, err: delivery.ErrClosed},
		{name: "closed", make: closed, err: delivery.ErrClosed},
		{
			name: "the connection is gone", make: webSocket, hint: true, push: []error{delivery.ErrGone},
			err: delivery.ErrClosed, closed: true,
		},
		{
			name: "in doubt", make: webSocket, hint: true, push: []error{pushtest.ErrLost}, err: pushtest.ErrLost,
			closed: true,
		},
		{
			name: "the store was slow once", make: parked,
			store: []fault{deliverytest.NotDone(sessionstore.ErrThrottled)}, buffered: "4a",
		},
		{
			name: "the append is in doubt, and applied", make: parked,
			store: []fault{deliverytest.Done(deliverytest.ErrNoAnswer)}, buffered: "4a",
		},
		{
			name: "the append is in doubt, and not applied", make: parked,
			store: []fault{deliverytest.NotDone(deliverytest.ErrNoAnswer)}, err: deliverytest.ErrNoAnswer, closed: true,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, delivery.Limits{}, func(t *testing.T, w *world) {
				closes := 0 // before
				deliver := func(volatile bool) sessionstore.Usage {
					m := metered(w)
					w.Delivery = delivery.New(w.Store, w.Pusher, w.Closing, delivery.Limits{}) // which has seen nothing
					c.make(w)
					closes = len(w.Store.Closes())
					w.Pusher.Answer(conn("S"), c.push...)
					w.Store.Fail(sessionstore.OpDeliver, c.store...)
					to := delivery.Target{Session: sid, Volatile: volatile}
					if c.hint {
						to.Hint = conn("S")
					}
					before, pushes, begun := m.Total(), w.Pusher.Pushes(), time.Now()
					_, err := w.Delivery.Deliver(t.Context(), to, []sessionstore.Packet{w.Packet("4a")})
					u := m.Total().Sub(before)
					u.Calls = int64(w.Pusher.Pushes() - pushes)
					if volatile && !errors.Is(err, c.err) {
						t.Errorf("%v, want %v", err, c.err)
					}
					if volatile && c.store == nil && time.Since(begun) > 0 {
						t.Errorf("it waited %s", time.Since(begun))
					}
					return u
				}
				spent := deliver(true)
				pushed, buffered := w.Pushed(sid), ""
				if !errors.Is(c.err, delivery.ErrClosed) && !c.closed {
					buffered = w.Buffered(sid)
				}
				if pushed != c.pushed || buffered != c.buffered {
					t.Errorf("pushed %q and buffered %q, want %q and %q", pushed, buffered, c.pushed, c.buffered)
				}
				if c.closed != (len(w.Store.Closes()) > closes) {
					t.Errorf("closes: %v", w.Store.Closes())
				}
				if c.closed {
					return
				}
				more := spent.Sub(deliver(false))
				if more.Writes > 0 || more.Reads > 0 || more.Calls > 0 {
					t.Errorf("it took %+v more than an ordinary packet", more)
				}
			})
		})
	}
}

// A burst to a client that polls is one packet: behind that the next has to wait. So it ends no session for a full
// buffer, as that of other packets does.
func TestVolatileBurst(t *testing.T) {
	inWorld(t, delivery.Limits{Buffer: sessionstore.BufferLimits{Packets: 3}}, func(t *testing.T, w *world) {
		parked(w)
		dropped := 0
		for i := range 100 {
			to := delivery.Target{Session: sid, Volatile: true}
			_, err := w.Delivery.Deliver(t.Context(), to, []sessionstore.Packet{w.Packet(fmt.Sprint("4", i))})
			if errors.Is(err, delivery.ErrDropped) {
				dropped++
				err = nil
			}
			w.Must(err)
		}
		if got := w.Buffered(sid); got != "40" || dropped != 99 {
			t.Errorf("buffered %q, dropped %d", got, dropped)
		}
	})
}

// What a handler sends to its own client leaves together: the volatile packets with the others if the client takes them
// then, or else without.
func TestVolatileAmongCollected(t *testing.T) {
	const (
		plain = false
		loose = true
	)
	for _, c := range []struct {
		name     string
		make     func(w *world)
		kinds    []bool
		hint     bool
		push     []error
		want     string
		writes   int64
		buffered bool
	}{
		{"polling, a GET is parked", parked, []bool{plain, loose, plain}, false, nil, "40 41 42", 1, true},
		{"polling, a GET is parked, all volatile", parked, []bool{loose, loose}, false, nil, "40 41", 1, true},
		{"polling, none is", polling, []bool{plain, loose, plain, loose}, false, nil, "40 42", 2, true},
		{"polling, none is, all volatile", polling, []bool{loose, loose}, false, nil, "", 1, true},
		{"polling, none is volatile", polling, []bool{plain, plain}, false, nil, "40 41", 1, true},
		{"WebSocket", webSocket, []bool{loose, plain, loose}, true, nil, "40 41 42", 0, false},
		{
			"WebSocket, busy at the first", webSocket,
			[]bool{loose, plain, loose},
			true,
			[]error{delivery.ErrBusy},
			"41 42", 0, false,
		},
		{
			"WebSocket, busy at the second", webSocket,
			[]bool{plain, loose, loose, plain},
			true,
			[]error{nil, delivery.ErrBusy},
			"40 42 43", 0, false,
		},
		{"moved to WebSocket meanwhile", webSocket, []bool{plain, loose}, false, nil, "40 41", 3, false},
		{
			"moved to WebSocket, which is busy", webSocket,
			[]bool{plain, loose, plain},
			false,
			[]error{nil, delivery.ErrBusy},
			"40 42", 4, false,
		},
		{"serial", serial, []bool{plain, loose}, false, nil, "40 41", 7, false},
		{"serial, and busy", serial, []bool{loose, plain}, false, []error{delivery.ErrBusy}, "41", 7, false},
		{"another caller flushes", held, []bool{plain, loose}, false, nil, "40", 2, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, delivery.Limits{}, func(t *testing.T, w *world) {
				m := metered(w)
				c.make(w)
				w.Pusher.Answer(conn("S"), c.push...)
				to := delivery.Target{Session: sid}
				if c.hint {
					to.Hint = conn("S")
				}
				collection := w.Delivery.Collect(to)
				for i, volatile := range c.kinds {
					one := []sessionstore.Packet{w.Packet(fmt.Sprint("4", i))}
					_, err := collection.Deliver(t.Context(), delivery.Target{Volatile: volatile}, one)
					w.Must(err)
				}
				before := m.Total()
				w.Must(collection.End(t.Context()))
				if n := m.Total().Sub(before).Writes; n > c.writes {
					t.Errorf("%d writes, want at most %d", n, c.writes)
				}
				got := w.Pushed(sid)
				if c.buffered {
					got = w.Buffered(sid)
				}
				if got != c.want {
					t.Errorf("got %q, want %q", got, c.want)
				}
				s, flushed := w.Session(sid), c.name == "another caller flushes"
				if s.State != sessionstore.Open || s.Hold.Held() != flushed {
					t.Errorf("the session is %s, held by %q", s.State, s.Hold.Owner)
				}
			})
		})
	}
}

// What is collected for a session that takes nothing is lost with an error, volatile or not, and not in silence.
func TestVolatileCollectedFails(t *testing.T) {
	unavailable := deliverytest.NotDone(sessionstore.ErrThrottled)
	for _, c := range []struct {
		name  string
		make  func(w *world)
		store []fault
		err   error
	}{
		{"no session", nothing, nil, delivery.ErrClosed},
		{"closed", closed, nil, delivery.ErrClosed},
		{
			"the store refuses", parked,
			[]fault{unavailable, unavailable, unavailable, unavailable, unavailable, unavailable},
			sessionstore.ErrThrottled,
		},
		{"in doubt", parked, []fault{deliverytest.NotDone(deliverytest.ErrNoAnswer)}, deliverytest.ErrNoAnswer},
	} {
		for _, kinds := range [][]bool{{true}, {true, false}, {false, true}} {
			t.Run(fmt.Sprint(c.name, kinds), func(t *testing.T) {
				inWorld(t, delivery.Limits{}, func(t *testing.T, w *world) {
					c.make(w)
					w.Store.Fail(sessionstore.OpDeliver, c.store...)
					collection := w.Delivery.Collect(delivery.Target{Session: sid})
					for _, volatile := range kinds {
						_, err := collection.Deliver(
							t.Context(), delivery.Target{Volatile: volatile}, []sessionstore.Packet{w.Packet("4x")},
						)
						w.Must(err)
					}
					if err := collection.End(t.Context()); !errors.Is(err, c.err) {
						t.Errorf("%v, want %v", err, c.err)
					}
				})
			})
		}
	}
}
