package protocol_test

import (
	"testing"
	"time"

	"github.com/nonstick-io/nonstick/internal/protocol"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// "What names a GET."
func TestNames(t *testing.T) {
	tests := []struct {
		name      string
		t, opened string
		want      bool
	}{
		{"of the form of official clients", mine, "", true},
		{"another one than the handshake's", mine, theirs, true},
		{"the handshake's", mine, mine, false},
		{"none", "", "", false},
		{"a second of the clock", "1767323045", "", false},
		{"a clock of 15 ms", "1767323045015", "", false},
		{"a parameter of the application's own", "tenant-1", "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := protocol.Names(tt.t, tt.opened, now); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

// get is a GET that has come now.
func get(s *sessionstore.Session, changes ...func(*protocol.GetState)) protocol.GetState {
	g := protocol.GetState{
		Session: s, T: mine, Began: now, Deadline: now.Add(time.Minute), PingTimeout: timeout, Now: now,
	}
	for _, change := range changes {
		change(&g)
	}
	return g
}

// hasParked is a GET that was parked five seconds ago, before any probe.
func hasParked(g *protocol.GetState) {
	g.Parked, g.Unprobed, g.Began = true, true, now.Add(-5*time.Second)
}

func sinceProbe(g *protocol.GetState) { g.Unprobed = false }

func passed(g *protocol.GetState) { g.Passed = true }

func late(g *protocol.GetState) { g.Deadline = now }

func clientClosed(g *protocol.GetState) { g.ClientClosed = true }

func began(ago time.Duration) func(*protocol.GetState) {
	return func(g *protocol.GetState) { g.Began = now.Add(-ago) }
}

// "A GET": its rules, in their order.
func TestGet(t *testing.T) {
	const ping, noop, end, both = "2", "6", "1", "6\x1e1"
	soon := now.Add(time.Second)
	closed, closing := state(sessionstore.Closed), state(sessionstore.Closing)
	probing := candidate(ws, soon)
	do := func(v protocol.GetVerb) protocol.GetAction { return protocol.GetAction{Do: v} }
	tell := func(say string) protocol.GetAction { return protocol.GetAction{Do: protocol.GetTell, Say: say} }
	answer := func(say string) protocol.GetAction { return protocol.GetAction{Do: protocol.GetAnswer, Say: say} }
	tests := []struct {
		name string
		get  protocol.GetState
		want protocol.GetAction
	}{
		// 1. Not open.
		{"1: closed, answered before", get(polling(closed, last(mine), buffer(2, 1))), do(protocol.GetRepeat)},
		{"1: closed, answered before, without entries", get(polling(closed, last(mine))), tell(both)},
		{"1: closed, a ping was the answer", get(polling(closed, last(mine), pinged)), tell(both)},
		{"1: drained, packets left", get(polling(drain, buffer(2, 1))), do(protocol.GetGive)},
		{
			"1: drained, none left, parked", get(polling(drain, buffer(1, 1)), hasParked),
			protocol.GetAction{Do: protocol.GetEndDrain, Say: end},
		},
		{
			"1: drained, none left, new", get(polling(drain)),
			protocol.GetAction{Do: protocol.GetEndDrain, Say: both},
		},
		{"1: parked, the client closed", get(polling(closing), hasParked, clientClosed), tell(noop)},
		{"1: parked, the server closed", get(polling(closing), hasParked), tell(end)},
		{"1: new", get(polling(closing)), do(protocol.GetUnknown)},
		{"1: new, though the client closed", get(polling(closed), clientClosed), do(protocol.GetUnknown)},
		{"1: packets left without Drain", get(polling(closed, buffer(1, 0))), do(protocol.GetUnknown)},
		{"1: comes before 2", get(upgraded(closed)), do(protocol.GetUnknown)},

		// 2. On WebSocket.
		{"2: parked before the probe", get(upgraded(probed), hasParked), tell(noop)},
		{"2: parked, no probe", get(upgraded(), hasParked), tell(end)},
		{"2: parked since the probe", get(upgraded(probed), hasParked, sinceProbe), do(protocol.GetBad)},
		{"2: new", get(upgraded()), do(protocol.GetBad)},
		{"2: new, probed", get(upgraded(probed)), do(protocol.GetBad)},
		{"2: comes before 3", get(upgraded(last(mine), buffer(1, 1))), do(protocol.GetBad)},

		// 3. The ping timeout is over.
		{"3: timed out", get(polling(pingDue(timeout))), do(protocol.GetTimeOut)},
		{
			"3: timed out, parked", get(polling(pingDue(timeout), parked(mine, soon)), hasParked),
			do(protocol.GetTimeOut),
		},
		{"3: almost", get(polling(pinged, pingDue(timeout-1))), do(protocol.GetPark)},
		{"3: comes before 4", get(polling(pingDue(timeout), last(mine))), do(protocol.GetTimeOut)},

		// 4. LastT is its t.
		{"4: repeated", get(polling(last(mine), buffer(3, 2))), do(protocol.GetRepeat)},
		{"4: repeated, a ping", get(polling(last(mine), pinged)), tell(ping)},
		{"4: repeated, no entries", get(polling(last(mine), buffer(1, 0))), tell(noop)},
		{"4: comes before 6", get(polling(last(mine), parked(theirs, soon))), tell(noop)},

		{"4: passed, packets", get(polling(last(theirs), buffer(1, 0)), passed), tell(noop)},
		{"4: passed, a ping is due", get(polling(last(theirs), pingDue(0)), passed), tell(noop)},
		{"4: passed, another is parked", get(polling(parked(theirs, soon)), passed), tell(noop)},
		{"4: passed, its place was taken", get(polling(parked(theirs, soon)), hasParked, passed), tell(noop)},
		{"4: passed, in Drain", get(polling(drain, buffer(1, 0)), passed), tell(noop)},
		{"4: passed, in Drain, nothing left", get(polling(drain), hasParked, passed), tell(noop)},
		{"4: passed, closed", get(polling(closed, buffer(1, 0)), passed), do(protocol.GetUnknown)},
		{"4: passed, on WebSocket", get(upgraded(probed), hasParked, passed), tell(noop)},

		// 5. It is parked, and Poll has another t.
		{"5: its place was taken", get(polling(parked(theirs, soon)), hasParked), do(protocol.GetOverlap)},
		{"5: its place is gone", get(polling(), hasParked), do(protocol.GetOverlap)},
		{"5: comes before 7", get(polling(pingDue(0)), hasParked), do(protocol.GetOverlap)},

		// 6. Poll has another t and is not past its time.
		{"6: overlap", get(polling(parked(theirs, soon))), do(protocol.GetCloseOverlap)},
		{"6: a copy of itself is parked", get(polling(parked(mine, soon))), do(protocol.GetPark)},
		{"6: the other is past its time", get(polling(parked(theirs, now))), do(protocol.GetPark)},
		{"6: comes before 8", get(polling(parked(theirs, soon), buffer(1, 0))), do(protocol.GetCloseOverlap)},

		// 7. A ping is due.
		{"7: ping", get(polling(pingDue(0))), answer(ping)},
		{"7: ping, parked", get(polling(pingDue(0), parked(mine, soon)), hasParked), answer(ping)},
		{"7: almost due", get(polling(pingDue(-1))), do(protocol.GetPark)},
		{"7: pinged already", get(polling(pingDue(0), pinged)), do(protocol.GetPark)},
		{"7: packets go first", get(polling(pingDue(0), buffer(1, 0))), do(protocol.GetGive)},
		{"7: packets still go first", get(polling(pingDue(timeout/4-1), buffer(1, 0))), do(protocol.GetGive)},
		{"7: packets went first for a quarter", get(polling(pingDue(timeout/4), buffer(1, 0))), answer(ping)},
		{"7: what was given does not wait", get(polling(pingDue(0), buffer(1, 1))), answer(ping)},

		// 8. Entries after Given.
		{"8: packets", get(polling(buffer(1, 0))), do(protocol.GetGive)},
		{"8: packets behind those given", get(polling(buffer(3, 2))), do(protocol.GetGive)},
		{"8: packets, parked", get(polling(buffer(1, 0), parked(mine, soon)), hasParked), do(protocol.GetGive)},
		{"8: none but those given", get(polling(buffer(2, 2))), do(protocol.GetPark)},
		{"8: comes before 9", get(polling(buffer(1, 0), probing, probed), late), do(protocol.GetGive)},

		// 9. Probed, or its time is up.
		{"9: parked before the probe", get(polling(probing, probed, parked(mine, soon)), hasParked), answer(noop)},
		{"9: came after the probe", get(polling(probing, probed)), do(protocol.GetPark)},
		{"9: waited almost 50 ms", get(polling(probing, probed), began(50*time.Millisecond-1)), do(protocol.GetPark)},
		{"9: waited 50 ms", get(polling(probing, probed), began(50*time.Millisecond)), answer(noop)},
		{"9: not probed", get(polling(probing), began(time.Minute)), do(protocol.GetPark)},
		{
			"9: the candidate is past its time", get(polling(candidate(ws, now), probed), began(time.Minute)),
			do(protocol.GetPark),
		},
		{"9: its time is up", get(polling(), late), answer(noop)},
		{"9: its time is up, parked", get(polling(parked(mine, soon)), hasParked, late), answer(noop)},

		// 10. It is parked. Else.
		{"10: waits", get(polling(parked(mine, soon)), hasParked), do(protocol.GetWait)},
		{"10: its own lease is over", get(polling(parked(mine, now)), hasParked), do(protocol.GetWait)},
		{"10: parks", get(polling()), do(protocol.GetPark)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := protocol.Get(tt.get); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// "The wait ends with a change of the session, when a ping is due, and when the time is up."
func TestTurn(t *testing.T) {
	probing := candidate(ws, now.Add(time.Second))
	tests := []struct {
		name string
		get  protocol.GetState
		want time.Duration
	}{
		{"a ping", get(polling()), 10 * time.Second},
		{"a ping that was sent", get(polling(pinged)), time.Minute},
		{"its time", get(polling(), func(g *protocol.GetState) { g.Deadline = now.Add(time.Second) }), time.Second},
		{"a probe before it", get(polling(probing, probed)), protocol.ProbePause},
		{"a probe after it", get(polling(probing, probed), hasParked), -5 * time.Second},
		{"no probe", get(polling(probing)), 10 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.get.Turn(); !got.Equal(now.Add(tt.want)) {
				t.Errorf("got %v from now, want %v", got.Sub(now), tt.want)
			}
		})
	}
}
