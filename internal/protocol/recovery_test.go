package protocol_test

import (
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nonstick-io/nonstick/internal/protocol"
	"github.com/nonstick-io/nonstick/sessionstore"
)

const (
	box      = sessionstore.SessionID("~AAAAAAAAAAAAAAAAAAAA")
	otherBox = sessionstore.SessionID("~BBBBBBBBBBBBBBBBBBBB")
)

// outbox is an open one whose carrier is on WebSocket, with changes. Its buffer has the entries 5 to 8.
func outbox(changes ...func(*sessionstore.Session)) *sessionstore.Session {
	s := &sessionstore.Session{
		ID: box, State: sessionstore.Open, Transport: sessionstore.Outbox, Carrier: "s", Conn: ws, Trimmed: 4,
		CreatedAt: now.Add(-time.Minute),
	}
	buffer(4, 4)(s)
	for _, change := range changes {
		change(s)
	}
	return s
}

// over is an outbox that is away, until a time.
func over(at time.Time) func(*sessionstore.Session) {
	return func(s *sessionstore.Session) {
		s.Carrier, s.Conn, s.PingAt = "", sessionstore.Connection{}, at
		s.Hold.Owner = sessionstore.HoldAway
	}
}

func moved(times int) func(*sessionstore.Session) {
	return func(s *sessionstore.Session) { s.Moves = times }
}

// number is what a carrier has of the outbox.
func number(n int) func(*sessionstore.Session) {
	return func(s *sessionstore.Session) {
		s.Numbers = map[sessionstore.SessionID]int{box: n, otherBox: 99}
	}
}

// "Recovery", Enqueue to an outbox: the hold says what to do.
func TestCarry(t *testing.T) {
	for _, tt := range []struct {
		name string
		hold sessionstore.Lease
		want protocol.CarryAction
	}{
		{"mine", sessionstore.Lease{Owner: me, Until: now.Add(time.Second)}, protocol.CarryPush},
		{"mine, at its time", sessionstore.Lease{Owner: me, Until: now}, protocol.CarryPush},
		{"another's", sessionstore.Lease{Owner: another, Until: now.Add(time.Second)}, protocol.CarryDone},
		{"another's, at its time", sessionstore.Lease{Owner: another, Until: now}, protocol.CarryCloseDead},
		{"polling", sessionstore.Lease{Owner: sessionstore.HoldPolling}, protocol.CarryNumber},
		{
			"polling, and being recovered",
			sessionstore.Lease{Owner: sessionstore.HoldPolling, Until: now.Add(time.Second)},
			protocol.CarryNumber,
		},
		{
			"polling, the recovery past its time",
			sessionstore.Lease{Owner: sessionstore.HoldPolling, Until: now},
			protocol.CarryNumber,
		},
		{"away", sessionstore.Lease{Owner: sessionstore.HoldAway}, protocol.CarryWaits},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := protocol.Carry(tt.hold, me, now); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
	// a sweeper, and a caller that only looks, has no hold
	held := sessionstore.Lease{Owner: another, Until: now.Add(time.Second)}
	if got := protocol.Carry(held, "", now); got != protocol.CarryDone {
		t.Errorf("a look at another's hold: %q, want %q", got, protocol.CarryDone)
	}
}

// "Recovery", Deliver to a carrier by number.
func TestNumbered(t *testing.T) {
	behind := sessionstore.Number{Outbox: box, From: 6, To: 8}
	begun := sessionstore.Number{Outbox: box, From: 0, To: 8, First: true}
	resent := sessionstore.Number{Outbox: box, From: -1, To: 8}
	for _, tt := range []struct {
		name   string
		err    error
		outbox *sessionstore.Session
		number sessionstore.Number
		want   protocol.NumberAction
		got    int
	}{
		{"applied", nil, outbox(), behind, protocol.NumberDone, 8},
		{"no carrier", sessionstore.ErrNotFound, outbox(), behind, protocol.NumberLost, 0},
		{"in doubt", errDoubt, outbox(), behind, protocol.NumberRepeat, 0},
		{"throttled", sessionstore.ErrThrottled, outbox(), behind, protocol.NumberRepeat, 0},
		{
			"the carrier is closing", refusal(polling(state(sessionstore.Closing), number(6))), outbox(), behind,
			protocol.NumberLost, 6,
		},
		{"the carrier is closed", refusal(polling(drain, number(8))), outbox(), behind, protocol.NumberLost, 8},
		{"it has it", refusal(polling(number(8))), outbox(), behind, protocol.NumberDone, 8},
		{"it has more", refusal(polling(number(9))), outbox(), behind, protocol.NumberDone, 9},
		{"it has less", refusal(polling(number(5))), outbox(), behind, protocol.NumberBehind, 5},
		{"it has some of it", refusal(polling(number(7))), outbox(), behind, protocol.NumberBehind, 7},
		{"it has none, the first carrier", refusal(polling()), outbox(), behind, protocol.NumberBehind, 0},
		{"it has none, and is recovering", refusal(polling()), outbox(moved(1)), behind, protocol.NumberLeave, 0},
		{"the first ones: full", refusal(polling(buffer(9, 0))), outbox(), begun, protocol.NumberFull, 0},
		{"the first ones: others were first", refusal(polling(number(3))), outbox(), begun, protocol.NumberBehind, 3},
		{"full", refusal(polling(number(6))), outbox(), behind, protocol.NumberFull, 6},
		{"on WebSocket", refusal(upgraded(number(6))), outbox(), behind, protocol.NumberSwitch, 6},
		{"on WebSocket, which has less", refusal(upgraded(number(5))), outbox(), behind, protocol.NumberSwitch, 5},
		{"on WebSocket, which has it", refusal(upgraded(number(8))), outbox(), behind, protocol.NumberDone, 8},
		{
			"on WebSocket, serial and held", refusal(upgraded(serial, held(another, now), number(5))), outbox(), behind,
			protocol.NumberSwitch, 5,
		},
		{"on WebSocket, with none of it", refusal(upgraded()), outbox(), behind, protocol.NumberSwitch, 0},
		{
			"on WebSocket, and being flushed", refusal(upgraded(held(another, now), number(5))),
			outbox(), behind, protocol.NumberBehind, 5,
		},
		{"resent: applied", nil, outbox(moved(1)), resent, protocol.NumberDone, 8},
		{
			"resent: an earlier try was applied", refusal(polling(number(8))), outbox(moved(1)), resent,
			protocol.NumberDone, 8,
		},
		{
			"resent: and others came behind it", refusal(polling(number(9))), outbox(moved(1)), resent,
			protocol.NumberDone, 9,
		},
		{"resent: full", refusal(polling(buffer(9, 0))), outbox(moved(1)), resent, protocol.NumberFull, 0},
		{
			"resent: closing", refusal(polling(state(sessionstore.Closing))), outbox(moved(1)), resent,
			protocol.NumberLost, 0,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, has := protocol.Numbered(tt.err, tt.outbox, tt.number)
			if got != tt.want || has != tt.got {
				t.Errorf("got %q, %d; want %q, %d", got, has, tt.want, tt.got)
			}
		})
	}
}

// "Recovery", a client that comes back: it is the socket that it was if all that it missed is there.
func TestResumes(t *testing.T) {
	at := func(entry, packets int) string {
		return protocol.Offset{Entry: entry, Packets: packets}.Encode(box)
	}
	untrimmed := func(s *sessionstore.Session) { s.Trimmed = 0 }
	for _, tt := range []struct {
		name   string
		outbox *sessionstore.Session
		offset string
		want   protocol.ResumeAction
		from   protocol.Offset
	}{
		{"the last entry", outbox(), at(8, 0), protocol.Resume, protocol.Offset{Entry: 8}},
		{"the first that is there", outbox(), at(5, 0), protocol.Resume, protocol.Offset{Entry: 5}},
		{"the one before that", outbox(), at(4, 0), protocol.Resume, protocol.Offset{Entry: 4}},
		{"part of the first", outbox(), at(5, 1), protocol.Resume, protocol.Offset{Entry: 5, Packets: 1}},
		{"part of the one before that", outbox(), at(4, 1), protocol.ResumeNew, protocol.Offset{Entry: 4, Packets: 1}},
		{"trimmed", outbox(), at(3, 0), protocol.ResumeNew, protocol.Offset{Entry: 3}},
		{"too new", outbox(), at(9, 0), protocol.ResumeNew, protocol.Offset{Entry: 9}},
		{"none, and nothing was trimmed", outbox(untrimmed), "", protocol.Resume, protocol.Offset{}},
		{"none", outbox(), "", protocol.ResumeNew, protocol.Offset{}},
		{
			"that of another outbox", outbox(untrimmed), protocol.Offset{Entry: 3}.Encode(otherBox), protocol.Resume,
			protocol.Offset{},
		},
		{"a string of the application", outbox(untrimmed), "hello", protocol.Resume, protocol.Offset{}},
		{"a number", outbox(untrimmed), "3", protocol.Resume, protocol.Offset{}},
		{
			"its tag, and no number", outbox(untrimmed), "x!" + at(1, 0)[1:], protocol.ResumeNew,
			protocol.Offset{Entry: -1},
		},
		{"a negative one", outbox(untrimmed), "-" + at(1, 0), protocol.ResumeNew, protocol.Offset{Entry: -1}},
		{"zeros before it", outbox(untrimmed), "0" + at(1, 0), protocol.ResumeNew, protocol.Offset{Entry: -1}},
		{"closing", outbox(state(sessionstore.Closing)), at(8, 0), protocol.ResumeNew, protocol.Offset{Entry: 8}},
		{"closed", outbox(state(sessionstore.Closed)), at(8, 0), protocol.ResumeNew, protocol.Offset{Entry: 8}},
		{"away", outbox(over(now.Add(time.Millisecond))), at(8, 0), protocol.Resume, protocol.Offset{Entry: 8}},
		{"over", outbox(over(now)), at(8, 0), protocol.ResumeNew, protocol.Offset{Entry: 8}},
		{"no outbox", polling(), "", protocol.ResumeNew, protocol.Offset{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, from := protocol.Resumes(tt.outbox, tt.offset, now)
			if got != tt.want || from != tt.from {
				t.Errorf("got %q from %+v; want %q from %+v", got, from, tt.want, tt.from)
			}
		})
	}
}

// What a client says is taken for a place only if it is one that was given out for this outbox.
func FuzzOffset(f *testing.F) {
	full := outbox()
	full.Trimmed = 0
	full.Buffer = make([]sessionstore.Packet, 100)
	for _, o := range []protocol.Offset{{}, {Entry: 1}, {Entry: 100}, {Entry: 101}, {Entry: 36, Packets: 36}} {
		f.Add(o.Encode(box), o.Entry, o.Packets)
		f.Add(o.Encode(otherBox), o.Entry, o.Packets)
	}
	for _, s := range []string{"", ".", ":", "1:.", "1:1:1.x", strings.Repeat("z", 65), "\x00", "1e0.x"} {
		f.Add(s, 0, 0)
		f.Add(s+protocol.Offset{}.Encode(box)[1:], -1, -1)
	}
	f.Fuzz(func(t *testing.T, text string, entry, packets int) {
		action, at := protocol.Resumes(full, text, now)
		switch {
		case action == protocol.Resume && at != protocol.Offset{} && at.Encode(box) != text:
			t.Errorf("%q is taken for %+v, which is %q", text, at, at.Encode(box))
		case action == protocol.Resume && (at.Entry < 0 || at.Entry > 100 || at.Packets < 0):
			t.Errorf("%q is %+v, which is no place in the outbox", text, at)
		case action == protocol.ResumeNew && !strings.Contains(text, protocol.Offset{}.Encode(box)[1:]):
			t.Errorf("%q without the tag of the outbox makes its client a new one", text)
		}
		want := protocol.Offset{Entry: entry, Packets: packets}
		encoded := want.Encode(box)
		if len(encoded) > protocol.MaxOffset || strconv.Quote(encoded) != `"`+encoded+`"` {
			t.Errorf("%+v is %q: too long, or not what JSON leaves as it is", want, encoded)
		}
		if entry < 0 || entry > 100 || packets < 0 || packets > 1000 || entry == 0 && packets > 0 {
			return
		}
		if action, at := protocol.Resumes(full, encoded, now); action != protocol.Resume || at != want {
			t.Errorf("%q is %q from %+v, want %+v", encoded, action, at, want)
		}
	})
}

// "Recovery", Recover: a refusal tells whether it was applied, and which session has the outbox.
func TestRecovered(t *testing.T) {
	r := &sessionstore.RecoverRequest{Read: outbox(moved(3)), Carrier: "new"}
	by := func(carrier sessionstore.SessionID) func(*sessionstore.Session) {
		return func(s *sessionstore.Session) { s.Carrier = carrier }
	}
	for _, tt := range []struct {
		name string
		err  error
		want protocol.RecoverAction
	}{
		{"applied", nil, protocol.RecoverDone},
		{"applied before", refusal(outbox(moved(4), by("new"))), protocol.RecoverApplied},
		{"applied before, and lost", refusal(outbox(moved(4), over(now))), protocol.RecoverAgain},
		{"another session has it", refusal(outbox(moved(4), by("other"))), protocol.RecoverCompare},
		{"another session had it", refusal(outbox(moved(5), over(now))), protocol.RecoverAgain},
		{"several others", refusal(outbox(moved(6), by("other"))), protocol.RecoverCompare},
		{"this one, long ago", refusal(outbox(moved(6), by("new"))), protocol.RecoverCompare},
		{"over", refusal(outbox(moved(3), over(now))), protocol.RecoverNew},
		{"closing", refusal(outbox(moved(4), by("new"), state(sessionstore.Closing))), protocol.RecoverNew},
		{"closed", refusal(outbox(moved(4), by("other"), state(sessionstore.Closed))), protocol.RecoverNew},
		{"unknown", sessionstore.ErrNotFound, protocol.RecoverNew},
		{"throttled", sessionstore.ErrThrottled, protocol.RecoverRepeat},
		{"in doubt", errDoubt, protocol.RecoverRepeat},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := protocol.Recovered(tt.err, r); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// Of two sessions that come for an outbox at once the later one gets it, unless the other has closed.
func TestFollows(t *testing.T) {
	created := func(at time.Time, changes ...func(*sessionstore.Session)) *sessionstore.Session {
		return polling(append(changes, func(s *sessionstore.Session) { s.CreatedAt = at })...)
	}
	for _, tt := range []struct {
		name     string
		s, other *sessionstore.Session
		want     bool
	}{
		{"later", created(now), created(now.Add(-time.Millisecond)), true},
		{"at the same time", created(now), created(now), true},
		{"earlier", created(now), created(now.Add(time.Millisecond)), false},
		{"the other is closing", created(now), created(now.Add(time.Second), state(sessionstore.Closing)), true},
		{"the other is closed", created(now), created(now.Add(time.Second), state(sessionstore.Closed)), true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := protocol.Follows(tt.s, tt.other); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

// "The answer to CONNECT is pushed first": a client that loses its connection between the two must not have what it
// missed in hand, for it gets that again.
func TestWelcome(t *testing.T) {
	packets := func(ids ...sessionstore.PacketID) (p []sessionstore.Packet) {
		for _, id := range ids {
			p = append(p, sessionstore.Packet{ID: id})
		}
		return p
	}
	got := protocol.Welcome(packets("answer"), packets("1", "2"))
	if want := packets("answer", "1", "2"); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
