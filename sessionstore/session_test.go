package sessionstore_test

import (
	"testing"
	"time"

	"github.com/nonstick-io/nonstick/sessionstore"
)

var noon = time.Date(2050, time.March, 1, 12, 0, 0, 0, time.UTC)

func TestLease(t *testing.T) {
	l := sessionstore.Lease{Owner: "me", Until: noon}
	for _, c := range []struct {
		lease         sessionstore.Lease
		now           time.Time
		held, expired bool
	}{
		{l, noon.Add(-time.Nanosecond), true, false},
		{l, noon, true, true},
		{sessionstore.Lease{}, noon, false, false},
	} {
		if c.lease.Held() != c.held || c.lease.Expired(c.now) != c.expired {
			t.Errorf("%+v at %v: held %v, expired %v", c.lease, c.now, c.lease.Held(), c.lease.Expired(c.now))
		}
	}
	p := sessionstore.Poll{T: "t", Until: noon}
	if !p.Live(noon.Add(-1)) || p.Live(noon) || (sessionstore.Poll{Until: noon}).Live(noon.Add(-1)) {
		t.Error("a poll is live until its time, if it is one")
	}
}

func TestHint(t *testing.T) {
	conn := sessionstore.Connection{ID: "c", Endpoint: "e"}
	good := sessionstore.Session{State: sessionstore.Open, Transport: sessionstore.WebSocket, Conn: conn}
	closing, polling, held := good, good, good
	closing.State = sessionstore.Closing
	polling.Transport = sessionstore.Polling
	held.Hold = sessionstore.Lease{Owner: "me"}
	for _, c := range []struct {
		name string
		s    sessionstore.Session
		want sessionstore.Connection
	}{
		{"websocket", good, conn},
		{"closing", closing, sessionstore.Connection{}},
		{"polling", polling, sessionstore.Connection{}},
		{"held", held, sessionstore.Connection{}},
	} {
		if got := c.s.Hint(); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}

func TestExceeded(t *testing.T) {
	s := sessionstore.Session{Buffer: []sessionstore.Packet{
		{Frames: []string{"4abc", "bAA=="}}, // 9 bytes
		{Size: 100},                         // stored apart
	}, Given: 1}
	more := []sessionstore.Packet{{Frames: []string{"4"}}, {Frames: []string{}}}
	for _, c := range []struct {
		limits sessionstore.BufferLimits
		want   bool
	}{
		{sessionstore.BufferLimits{Packets: 4, Bytes: 110}, false},
		{sessionstore.BufferLimits{Packets: 3, Bytes: 110}, true},
		{sessionstore.BufferLimits{Packets: 4, Bytes: 109}, true},
	} {
		if got := c.limits.Exceeded(&s, more); got != c.want {
			t.Errorf("%+v: exceeded %v, want %v", c.limits, got, c.want)
		}
	}
	if n := len(s.Pending()); n != 1 {
		t.Errorf("%d pending", n)
	}
	p := sessionstore.Partial{
		Packets: []sessionstore.Packet{{ID: "a", Frames: []string{"51-[]"}}, {ID: "b", Frames: []string{"bAA==", "b"}}},
	}
	if n := p.Bytes(); n != 11 || p.ID() != "a" {
		t.Errorf("a partial packet of %d bytes called %q, want 11 and a", n, p.ID())
	}
}

// What only a client that takes it at once may get is appended for a parked GET that has nothing to carry yet, or where
// no other caller pushes.
func TestTakes(t *testing.T) {
	at := noon
	one := []sessionstore.Packet{{Frames: []string{"4x"}}}
	poll := sessionstore.Poll{T: "t", Until: at.Add(1)}
	hold := sessionstore.Lease{Owner: "other", Until: at}
	for _, tt := range []struct {
		name string
		s    sessionstore.Session
		want bool
	}{
		{"a GET is parked", sessionstore.Session{Transport: sessionstore.Polling, Poll: poll}, true},
		{"no GET is", sessionstore.Session{Transport: sessionstore.Polling}, false},
		{
			"its time is over",
			sessionstore.Session{Transport: sessionstore.Polling, Poll: sessionstore.Poll{T: "t", Until: at}},
			false,
		},
		{
			"something waits", sessionstore.Session{Transport: sessionstore.Polling, Poll: poll, Buffer: one}, false,
		},
		{"on WebSocket", sessionstore.Session{Transport: sessionstore.WebSocket}, true},
		{
			"on WebSocket, something waits",
			sessionstore.Session{Transport: sessionstore.WebSocket, Buffer: one},
			false,
		},
		{
			"on WebSocket, held, even by a caller that has died",
			sessionstore.Session{Transport: sessionstore.WebSocket, Hold: hold},
			false,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := (sessionstore.BufferLimits{IfTaken: at}).Takes(&tt.s); got != tt.want {
				t.Errorf("%v, want %v", got, tt.want)
			}
			if !(sessionstore.BufferLimits{}).Takes(&tt.s) {
				t.Error("without the condition it is refused")
			}
		})
	}
}

// TestHome: a row that links an outbox leads to where the socket is; other rows stay as they are.
func TestHome(t *testing.T) {
	link := sessionstore.Socket{ID: "k", Session: "s", Namespace: "/a", Outbox: "~o", Parent: "p"}
	home := sessionstore.Socket{
		ID: "k", Session: "~o", Namespace: "/a", Outbox: "~o", Parent: "p", HasAuth: true, HasData: true, Rooms: 1,
	}
	plain := sessionstore.Socket{ID: "l", Session: "s", Namespace: "/b", Rooms: 2}
	own := sessionstore.Socket{ID: "m", Session: "~o", Namespace: "/a", Outbox: "~o", Rooms: 3}
	for _, c := range []struct{ row, want sessionstore.Socket }{
		{link, home}, {plain, plain}, {own, own}, {home, home},
	} {
		if got := c.row.Home(); got != c.want {
			t.Errorf("%+v is at home %+v, want %+v", c.row, got, c.want)
		}
	}
	v := sessionstore.Session{Sockets: []sessionstore.Socket{link, plain}}
	if got, ok := v.Socket("/a"); !ok || got != home {
		t.Errorf("the socket of /a is %+v, %v", got, ok)
	}
	if got, ok := v.Socket("/b"); !ok || got != plain {
		t.Errorf("the socket of /b is %+v, %v", got, ok)
	}
}
