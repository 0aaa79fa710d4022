package delivery_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/internal/pushtest"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// serial makes the serial session S on WebSocket.
func serial(w *world) {
	w.T.Helper()
	now := time.Now()
	w.Must(w.Store.Create(w.T.Context(), sessionstore.NewSession{
		ID: sid, Transport: sessionstore.WebSocket, Conn: conn("S"), Serial: true, CreatedAt: now,
		PingAt: now.Add(time.Minute),
	}))
}

// busySerial is a serial session that another caller is pushing to, until the time given.
func busySerial(until time.Duration) func(w *world) {
	return func(w *world) {
		serial(w)
		hold := sessionstore.Lease{Owner: "other", Until: time.Now().Add(until)}
		_, err := w.Store.Store.Enqueue(
			w.T.Context(), sid, []sessionstore.Packet{w.Packet("4first")},
			sessionstore.BufferLimits{Packets: 9, Bytes: 99}, hold,
		)
		w.Must(err)
	}
}

// deadSerial is a serial session, known as such, whose pusher died.
func deadSerial(w *world) {
	serial(w)
	w.Must(w.deliverSerial())
	w.Pushed(sid)
	_, err := w.Store.Store.Enqueue(
		w.T.Context(), sid, []sessionstore.Packet{w.Packet("4lost")},
		sessionstore.BufferLimits{Packets: 9, Bytes: 99}, sessionstore.Lease{Owner: "dead", Until: time.Now()},
	)
	w.Must(err)
}

func (w *world) deliverSerial() error {
	_, err := w.Delivery.Deliver(
		w.T.Context(), delivery.Target{Session: sid},
		[]sessionstore.Packet{w.Packet("4a"), w.Packet("451-[]", "bAA==")},
	)
	return err
}

// What becomes of "4a" and, of two frames, "451-[]" "bAA==" on a serial session.
func TestDeliverSerial(t *testing.T) {
	for _, c := range []struct {
		name  string
		make  func(w *world)
		store map[sessionstore.Op][]fault
		push  []error

		pushed, buffered string
		err              error
		reason           string
	}{
		{name: "pushed", make: serial, pushed: "4a 451-[] bAA=="},
		{
			name: "busy for a while", make: serial, push: []error{delivery.ErrBusy, nil, delivery.ErrBusy},
			pushed: "4a 451-[] bAA==",
		},
		{name: "somebody else pushes", make: busySerial(time.Minute), buffered: "4first 4a 451-[] bAA=="},
		{
			name: "somebody else died while pushing", make: deadSerial, err: delivery.ErrClosed,
			reason: "transport error",
		},
		{name: "no such session", make: nothing, err: delivery.ErrClosed},
		{name: "closed", make: closed, err: delivery.ErrClosed},
		{
			name: "gone", make: serial, push: []error{delivery.ErrGone}, err: delivery.ErrClosed,
			reason: "transport close",
		},
		{
			name: "gone before the attachment", make: serial, push: []error{nil, nil, delivery.ErrGone},
			pushed: "4a 451-[]", err: delivery.ErrClosed, reason: "transport close",
		},
		{
			name: "in doubt", make: serial, push: []error{nil, pushtest.ErrArrived}, pushed: "4a 451-[]",
			err: pushtest.ErrArrived, reason: "transport error",
		},
		{
			name: "append throttled", make: serial, store: faults(sessionstore.OpEnqueue, certain, certain),
			pushed: "4a 451-[] bAA==",
		},
		{
			name: "append in doubt, and done", make: serial, store: faults(sessionstore.OpEnqueue, done),
			pushed: "4a 451-[] bAA==",
		},
		{
			name: "append in doubt, and done, while somebody else pushes", make: busySerial(time.Minute),
			store: faults(sessionstore.OpEnqueue, done), buffered: "4first 4a 451-[] bAA==",
		},
		{
			name: "append in doubt, and not done", make: serial, store: faults(sessionstore.OpEnqueue, notDone),
			err: errNoAnswer, reason: "transport error",
		},
		{
			name: "release in doubt, and done", make: serial, store: faults(sessionstore.OpRelease, done),
			pushed: "4a 451-[] bAA==",
		},
		{
			name: "release in doubt, and not done", make: serial, store: faults(sessionstore.OpRelease, notDone),
			pushed: "4a 451-[] bAA==",
		},
		{
			name: "release throttled", make: serial, store: faults(sessionstore.OpRelease, certain),
			pushed: "4a 451-[] bAA==",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, delivery.Limits{}, func(t *testing.T, w *world) {
				c.make(w)
				for op, list := range c.store {
					w.Store.Fail(op, list...)
				}
				w.Pusher.Answer(conn("S"), c.push...)
				if err := w.deliverSerial(); !errors.Is(err, c.err) {
					t.Errorf("error %v, want %v", err, c.err)
				}
				w.expectSession(c.pushed, c.buffered, c.reason)
				if c.err == nil && c.buffered == "" && w.Session(sid).Hold.Held() {
					t.Error("the hold is left")
				}
				if c.err == nil && c.buffered == "" { // and once more, with what was learnt
					if err := w.deliverSerial(); err != nil {
						t.Errorf("once more: %v", err)
					}
					w.expectSession("4a 451-[] bAA==", "", "")
				}
			})
		})
	}
}

func TestSerialBufferFull(t *testing.T) {
	inWorld(t, delivery.Limits{
		Buffer: sessionstore.BufferLimits{Packets: 2, Bytes: 100},
	}, func(t *testing.T, w *world) {
		busySerial(time.Minute)(w)
		if err := w.deliverSerial(); !errors.Is(err, delivery.ErrBufferFull) {
			t.Errorf("error %v", err)
		}
		w.expectSession("", "", delivery.ReasonBufferFull)
	})
}

// Many callers deliver at once: each packet arrives once and whole, and those of one caller in order.
func TestSerialAtOnce(t *testing.T) {
	const emitters, packets = 8, 20
	inWorld(t, delivery.Limits{}, func(t *testing.T, w *world) {
		serial(w)
		// So that others come between.
		w.Pusher.OnPush = func(sessionstore.Connection, string) { time.Sleep(time.Millisecond) }
		var group sync.WaitGroup
		for e := range emitters {
			group.Go(func() {
				for i := range packets {
					name := fmt.Sprint(e, ".", i)
					p := sessionstore.Packet{
						ID: sessionstore.PacketID(name), Frames: []string{"head." + name, "tail." + name},
					}
					if _, err := w.Delivery.Deliver(
						t.Context(), delivery.Target{Session: sid}, []sessionstore.Packet{p},
					); err != nil {
						t.Error(err)
					}
				}
			})
		}
		group.Wait()
		synctest.Wait()
		got := w.Pusher.Take(conn("S"))
		if len(got) != 2*emitters*packets {
			t.Fatalf("%d frames, want %d", len(got), 2*emitters*packets)
		}
		next := make([]int, emitters)
		for i := 0; i < len(got); i += 2 {
			var e, n int
			if _, err := fmt.Sscanf(strings.ReplaceAll(got[i], ".", " "), "head %d %d", &e, &n); err != nil {
				t.Fatalf("frame %q: %v", got[i], err)
			}
			if got[i+1] != fmt.Sprintf("tail.%d.%d", e, n) || n != next[e] {
				t.Fatalf("frames %q, after %d packets of that emitter", got[i:i+2], next[e])
			}
			next[e]++
		}
		w.expectSession("", "", "")
	})
}

// A flush that takes longer than its hold renews it; if it cannot, it stops before others take it for dead.
func TestLongFlush(t *testing.T) {
	for _, c := range []struct {
		name   string
		faults int // renewals that fail
		reason string
	}{
		{"renewed", 0, ""},
		{"renewed at the second attempt", 1, ""},
		{"never renewed", 1000, "transport error"},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, delivery.Limits{}, func(t *testing.T, w *world) {
				serial(w)
				w.Store.Fail(sessionstore.OpRenew, slices.Repeat([]fault{notDone}, c.faults)...)
				w.Pusher.OnPush = func(sessionstore.Connection, string) {
					if s := w.Session(sid); !s.Hold.Held() || s.Hold.Expired(time.Now()) {
						t.Errorf("pushed without a hold: %+v", s.Hold)
					}
					time.Sleep(time.Second)
				}
				frames := strings.Fields(strings.Repeat("4x ", 60))
				_, err := w.Delivery.Deliver(
					t.Context(), delivery.Target{Session: sid}, []sessionstore.Packet{w.Packet(frames...)},
				)
				if (err != nil) != (c.reason != "") {
					t.Errorf("error %v", err)
				}
				if n := len(w.Pusher.Take(conn("S"))); (n == 60) != (c.reason == "") {
					t.Errorf("%d frames were pushed", n)
				}
				w.expectSession("", "", c.reason)
			})
		})
	}
}
