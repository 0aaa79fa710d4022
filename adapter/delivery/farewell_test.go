package delivery_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/internal/pushtest"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// fullBox is an outbox that has as much as it may have, all of it sent.
func fullBox(w *world) {
	onWebSocket(w)
	for range w.Delivery.Limits().Buffer.Packets {
		_, err := w.Store.Enqueue(w.T.Context(), box, []sessionstore.Packet{w.Packet(`42["old"]`)},
			w.Delivery.Limits().Buffer, sessionstore.Lease{Owner: "other", Until: time.Now().Add(time.Minute)})
		w.Must(err)
	}
	w.Must(w.Store.Sent(w.T.Context(), new(w.Session(box)), "other", w.Delivery.Limits().Buffer.Packets))
}

// pushesFor is an outbox to whose carrier another caller pushes an event, which takes a while.
func pushesFor(d time.Duration) func(w *world) {
	return func(w *world) {
		onWebSocket(w)
		w.Pusher.OnPush = func(_ sessionstore.Connection, frame string) {
			if strings.Contains(frame, "slow") {
				time.Sleep(d)
			}
		}
		go func() {
			_, _ = w.Delivery.Deliver(
				w.T.Context(), delivery.Target{Session: box}, []sessionstore.Packet{w.Packet(`42["slow"]`)},
			)
		}()
		synctest.Wait()
	}
}

// What a carrier gets last is what tells its client to leave: whatever is emitted behind it waits, for a session that
// carries the outbox later.
func TestFarewell(t *testing.T) {
	const bye = "41"
	for _, c := range []struct {
		name    string
		make    func(w *world)
		store   map[sessionstore.Op][]fault
		push    []error
		carrier sessionstore.SessionID // that is thought to carry the outbox; S if empty

		told bool
		why  string   // part of what is said if it was not; that its client takes nothing, if empty
		gone bool     // the outbox has closed
		gets []string // in all, the event behind it included
	}{
		{name: "on WebSocket", make: onWebSocket, told: true, gets: []string{bye}},
		{name: "on polling", make: onPolling, told: true, gets: []string{bye}},
		{name: "moved to WebSocket", make: upgraded, told: true, gets: []string{bye}},
		{name: "being flushed to", make: upgrading, told: true, gets: []string{bye}},
		{name: "away", make: away},
		{name: "another session", make: onWebSocket, carrier: "other", gets: []string{`42["behind"]`}},
		{name: "another session, on polling", make: onPolling, carrier: "other", gets: []string{`42["behind"]`}},
		{
			name: "another caller pushes", make: pushesFor(time.Second), told: true,
			gets: []string{`42["slow"]`, bye},
		},
		{
			name: "another caller pushes for long", make: pushesFor(time.Minute),
			gets: []string{`42["slow"]`, `42["behind"]`},
		},
		{name: "another caller has died", make: pushedTo(-time.Second)},
		{name: "full", make: fullBox},
		{
			name: "throttled", make: onWebSocket, store: faults(sessionstore.OpEnqueue, certain, certain), told: true,
			gets: []string{bye},
		},
		{
			name: "in doubt, not done", make: onWebSocket, store: faults(sessionstore.OpEnqueue, notDone),
			gets: []string{`42["behind"]`}, why: errNoAnswer.Error(),
		},
		{
			name: "in doubt, done", make: onWebSocket, store: faults(sessionstore.OpEnqueue, done),
			why: errNoAnswer.Error(),
		},
		{name: "a push in doubt", make: onWebSocket, push: []error{pushtest.ErrLost}},
		{name: "closed", make: func(w *world) {
			onWebSocket(w)
			w.Must(w.Closing.Close(w.T.Context(), box, "client namespace disconnect", delivery.CloseOptions{}))
		}, gone: true},
		{
			name: "on polling, throttled", make: onPolling, store: faults(sessionstore.OpDeliver, slices.Repeat(
				[]fault{certain}, 12)...), why: sessionstore.ErrThrottled.Error(),
		},
		{
			name: "on polling, in doubt", make: onPolling, store: faults(sessionstore.OpDeliver, done), told: true,
			gets: []string{bye},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, delivery.Limits{}, func(t *testing.T, w *world) {
				c.make(w)
				for op, list := range c.store {
					w.Store.Fail(op, list...)
				}
				w.Pusher.Answer(conn("S"), c.push...)
				carrier := c.carrier
				if carrier == "" {
					carrier = sid
				}
				now, why, err := w.Delivery.Farewell(t.Context(), box, carrier, w.Packet(bye))
				w.Must(err)
				if gone := now.State != sessionstore.Open; (why == "") != c.told || gone != c.gone {
					t.Errorf("gone %v, not told for %q", gone, why)
				}
				if c.why == "" {
					c.why = "takes nothing"
				}
				if entries := w.Session(box).Buffer; carrier != sid && len(entries) > 0 {
					if e := entries[len(entries)-1]; strings.Contains(strings.Join(e.Frames, " "), bye) && !e.Once {
						t.Error("what was to tell another to leave is sent again to the next")
					}
				}
				if why != "" && !strings.Contains(why, c.why) {
					t.Errorf("not told for %q, want %q", why, c.why)
				}
				_, _ = w.Delivery.Deliver(
					t.Context(), delivery.Target{Session: box}, []sessionstore.Packet{w.Packet(`42["behind"]`)},
				)
				time.Sleep(2 * time.Minute)
				got := w.Pushed(sid)
				if _, err := w.Store.Store.Get(t.Context(), sid, time.Now()); err == nil { // it is there
					got += " " + w.Buffered(sid)
				}
				events, _ := plain(got)
				for i := range events {
					events[i] = strings.TrimSuffix(events[i], " without an offset")
				}
				if !slices.Equal(events, c.gets) {
					t.Errorf("got %q, want %q", events, c.gets)
				}
			})
		})
	}
}

// A carrier that was told to leave while it polled, and has moved to WebSocket before its outbox closes, gets nothing
// of what comes behind that, be it volatile or not.
func TestFarewellThenUpgrade(t *testing.T) {
	for _, volatile := range []bool{true, false} {
		t.Run(fmt.Sprint("volatile ", volatile), func(t *testing.T) {
			inWorld(t, delivery.Limits{}, func(t *testing.T, w *world) {
				onPolling(w)
				_, why, err := w.Delivery.Farewell(t.Context(), box, sid, w.Packet("41"))
				w.Must(err)
				if why != "" {
					t.Errorf("not told: %s", why)
				}
				now := time.Now()
				c := conn("S")
				bind := sessionstore.Candidate{Conn: c, Until: now.Add(time.Minute)}
				w.Must(w.Store.Bind(t.Context(), sid, bind, now))
				s, err := w.Store.Upgrade(
					t.Context(), sid, c, sessionstore.Lease{Owner: "flusher", Until: now.Add(time.Minute)},
				)
				w.Must(err)
				w.Must(w.Store.Release(t.Context(), sid, "flusher", len(s.Buffer)))
				for _, to := range []delivery.Target{{Session: box, Volatile: volatile}, {Session: box}} {
					_, _ = w.Delivery.Deliver(t.Context(), to, []sessionstore.Packet{w.Packet(`42["behind"]`)})
				}
				if got := w.Pushed(sid); got != "" {
					t.Errorf("got %q", got)
				}
			})
		})
	}
}
