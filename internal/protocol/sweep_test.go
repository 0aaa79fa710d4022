package protocol_test

import (
	"testing"
	"time"

	"github.com/nonstick-io/nonstick/internal/protocol"
	"github.com/nonstick-io/nonstick/sessionstore"
)

const early = time.Second

// row is a row of a session on WebSocket whose ping has been due for so long.
func row(due time.Duration, changes ...func(*sessionstore.Registration)) sessionstore.Registration {
	r := sessionstore.Registration{Session: "s", Conn: ws, PingAt: now.Add(-due)}
	for _, change := range changes {
		change(&r)
	}
	return r
}

func clientPings(r *sessionstore.Registration) { r.ClientPings = true }

func onPolling(r *sessionstore.Registration) { r.Conn = sessionstore.Connection{} }

func expired(r *sessionstore.Registration) { r.Expired = true }

func lookAt(at time.Duration) func(*sessionstore.Registration) {
	return func(r *sessionstore.Registration) { r.LookAt = now.Add(at) }
}

// pingedAt has another sweeper have recorded a push, so long ago.
func pingedAt(ago time.Duration) func(*sessionstore.Registration) {
	return func(r *sessionstore.Registration) { r.PingedAt = now.Add(-ago) }
}

// "The sweeper": its table, and "A client that was not pinged is not expired."
func TestRow(t *testing.T) {
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	// What a sweeper knows of the ping that has been due for so long.
	tried := func(due, first time.Duration, next time.Time) protocol.Attempt {
		return protocol.Attempt{PingAt: ago(due), First: ago(first), Next: next}
	}
	pushed := func(due, at time.Duration) protocol.Attempt {
		return protocol.Attempt{PingAt: ago(due), First: ago(due), Pushed: ago(at)}
	}
	recorded := func(due, at time.Duration) protocol.Attempt {
		a := pushed(due, at)
		a.Recorded = true
		return a
	}
	fresh := func(due time.Duration) protocol.Attempt { return protocol.Attempt{PingAt: ago(due)} }
	seen := func(due, at time.Duration) protocol.Attempt {
		return protocol.Attempt{PingAt: ago(due), Pushed: ago(at), Recorded: true}
	}
	const long, give = time.Hour, interval + timeout
	soon := min(5*time.Second, timeout/8) // when a push is recorded
	tests := []struct {
		name    string
		row     sessionstore.Registration
		attempt protocol.Attempt
		trust   time.Time
		look    bool
		want    protocol.PingVerb
		after   protocol.Attempt
	}{
		// WebSocket, ping due, or within half a period.
		{name: "not due", row: row(-early - 1), want: protocol.PingNone},
		{name: "due within half a period", row: row(-early), want: protocol.PingPush, after: fresh(-early)},
		{name: "due", row: row(0), want: protocol.PingPush, after: fresh(0)},
		{name: "long due, and never pinged", row: row(long), want: protocol.PingPush, after: fresh(long)},
		{
			name: "a pong has come", row: row(-interval), attempt: recorded(3*time.Second, time.Second),
			want: protocol.PingNone,
		},
		{
			name: "the next ping is due", row: row(0), attempt: recorded(interval, interval-time.Second),
			want: protocol.PingPush, after: fresh(0),
		},
		{
			name: "is being pushed", row: row(long), attempt: protocol.Attempt{PingAt: ago(long), Pushing: true},
			want: protocol.PingNone, after: protocol.Attempt{PingAt: ago(long), Pushing: true},
		},
		{
			name: "busy or in doubt, not yet again", row: row(2), attempt: tried(2, 1, now.Add(1)),
			want: protocol.PingNone, after: tried(2, 1, now.Add(1)),
		},
		{
			name: "busy or in doubt, again", row: row(2), attempt: tried(2, 1, now),
			want: protocol.PingPush, after: tried(2, 1, now),
		},
		// A ping pushed some seconds ago and not answered.
		{
			name: "pushed just now", row: row(soon), attempt: pushed(soon, soon-1),
			want: protocol.PingNone, after: pushed(soon, soon-1),
		},
		{
			name: "pushed some seconds ago", row: row(soon), attempt: pushed(soon, soon),
			want: protocol.PingRecord, after: pushed(soon, soon),
		},
		{
			name: "the row says so already", row: row(soon, pingedAt(soon)), attempt: recorded(soon, soon),
			want: protocol.PingNone, after: recorded(soon, soon),
		},
		// A ping pushed a ping timeout ago.
		{
			name: "pushed almost a timeout ago", row: row(long), attempt: recorded(long, timeout-1),
			want: protocol.PingNone, after: recorded(long, timeout-1),
		},
		{
			name: "pushed a timeout ago", row: row(long), attempt: recorded(long, timeout),
			want: protocol.PingExpire, after: recorded(long, timeout),
		},
		{
			name: "pushed a timeout ago, not recorded", row: row(long), attempt: pushed(long, timeout),
			want: protocol.PingExpire, after: pushed(long, timeout),
		},
		{
			name: "another sweeper pushed it a timeout ago", row: row(long, pingedAt(timeout)),
			want: protocol.PingExpire, after: seen(long, timeout),
		},
		{
			name: "another sweeper pushed it just now", row: row(long, pingedAt(1)),
			want: protocol.PingNone, after: seen(long, 1),
		},
		{
			name: "another sweeper pushed the ping before it", row: row(long, pingedAt(long+1)),
			want: protocol.PingPush, after: fresh(long),
		},
		// No ping could be pushed for an interval and a timeout.
		{
			name: "refused for almost so long", row: row(long), attempt: tried(long, give-1, now),
			want: protocol.PingPush, after: tried(long, give-1, now),
		},
		{
			name: "refused for so long", row: row(long), attempt: tried(long, give, now),
			want: protocol.PingExpire, after: tried(long, give, now),
		},
		{
			name: "refused for so long, not to be tried yet", row: row(long), attempt: tried(long, give, now.Add(1)),
			want: protocol.PingExpire, after: tried(long, give, now.Add(1)),
		},
		// After a stall, pings of before no longer count.
		{
			name: "stalled since the push", row: row(give - 1), attempt: recorded(give-1, timeout),
			trust: ago(timeout - 1), want: protocol.PingPush, after: tried(give-1, give-1, time.Time{}),
		},
		{
			name: "stalled before the push", row: row(long), attempt: recorded(long, timeout), trust: ago(timeout),
			want: protocol.PingExpire, after: recorded(long, timeout),
		},
		{
			name: "stalled since another's push", row: row(long, pingedAt(timeout)), trust: ago(timeout - 1),
			want: protocol.PingPush, after: fresh(long),
		},
		// The client sends the pings.
		{name: "client pings, in time", row: row(timeout-1, clientPings), want: protocol.PingNone},
		{name: "client pings, timed out", row: row(timeout, clientPings), want: protocol.PingExpire},
		{
			name: "client pings, timed out, stalled", row: row(timeout, clientPings), trust: ago(timeout - 1),
			want: protocol.PingNone,
		},
		{
			name: "client pings, on polling, timed out", row: row(timeout, clientPings, onPolling), look: true,
			want: protocol.PingNone,
		},
		// Polling, timeout by the row.
		{name: "polling, in time", row: row(timeout-1, onPolling), want: protocol.PingNone},
		{name: "polling, timed out", row: row(timeout, onPolling), look: true, want: protocol.PingNone},
		{
			name: "polling, timed out, stalled", row: row(timeout, onPolling), trust: ago(timeout - 1),
			want: protocol.PingNone,
		},
		{
			name: "polling, timed out since the stall", row: row(long, onPolling), trust: ago(timeout),
			look: true, want: protocol.PingNone,
		},
		// Time to look.
		{name: "not yet time to look", row: row(-long, lookAt(1)), want: protocol.PingNone},
		{name: "time to look", row: row(-long, lookAt(0)), look: true, want: protocol.PingNone},
		{
			name: "time to look, and ping due", row: row(0, lookAt(0)), look: true, want: protocol.PingPush,
			after: fresh(0),
		},
		// A row that is marked.
		{name: "expired", row: row(long, expired), want: protocol.PingNone},
		{name: "expired, on polling", row: row(long, expired, onPolling), want: protocol.PingNone},
		{name: "expired, time to look", row: row(long, expired, lookAt(0)), look: true, want: protocol.PingNone},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := protocol.Row(protocol.RowState{
				Row: tt.row, Attempt: tt.attempt, Trust: tt.trust, Early: early, PingInterval: interval,
				PingTimeout: timeout, Now: now,
			})
			if want := (protocol.RowAction{Look: tt.look, Ping: tt.want, Attempt: tt.after}); got != want {
				t.Errorf("got %+v\nwant %+v", got, want)
			}
		})
	}
}

// "The sweeper", time to look: what reading the session shows.
func TestLook(t *testing.T) {
	const minute = time.Minute
	closing, later := state(sessionstore.Closing), now.Add(minute)
	onRow := row(-minute)
	known := row(-10*time.Second, onPolling) // as polling has it
	due := row(-10*time.Second, onPolling, lookAt(0))
	on := func(at time.Time) protocol.LookAction { return protocol.LookAction{Do: protocol.LookOn, At: at} }
	do := func(v protocol.LookVerb) protocol.LookAction { return protocol.LookAction{Do: v} }
	tests := []struct {
		name      string
		s         *sessionstore.Session
		row       sessionstore.Registration
		connectBy time.Time
		want      protocol.LookAction
	}{
		{"no session", nil, known, later, do(protocol.LookUnregister)},
		{"closed", polling(state(sessionstore.Closed)), known, later, do(protocol.LookUnregister)},
		{"closing", polling(closing, handled(another, later)), known, now, on(later)},
		{"closing past its lease", polling(closing, handled(another, now)), known, now, do(protocol.LookTakeOver)},
		{
			"closing past its lease, with a dead hold", upgraded(closing, handled(another, now), held(another, now)),
			onRow, now, do(protocol.LookTakeOver),
		},
		{"hold past its time", upgraded(joined, held(another, now)), onRow, now, do(protocol.LookDeadHold)},
		{"held", upgraded(joined, held(another, later)), onRow, now, on(later)},
		{"the row is marked", upgraded(joined), row(minute, expired), now, do(protocol.LookEnded)},
		{"polling, timed out", polling(joined, pingDue(timeout)), known, now, do(protocol.LookTimeOut)},
		{
			"polling, in time, and the row does not say so", polling(joined, pingDue(timeout-1)), known, now,
			protocol.LookAction{Do: protocol.LookOn, Beat: true},
		},
		{"polling, as the row says", polling(joined), known, now, on(time.Time{})},
		{"WebSocket: its times are in the row", upgraded(joined, pingDue(timeout)), onRow, now, on(time.Time{})},
		{"no namespace after the connect timeout", polling(), due, now, do(protocol.LookUnjoined)},
		{"the same on WebSocket", upgraded(), row(-minute, lookAt(0)), now, do(protocol.LookUnjoined)},
		{"it is not why it is looked at", polling(), known, now, on(time.Time{})},
		{"no namespace, in time", polling(), due, later, on(later)},
		{"no namespace, no connect timeout", polling(), due, time.Time{}, on(time.Time{})},
		{"in a namespace after the connect timeout", polling(joined), due, now, on(time.Time{})},
		{
			"candidate past its time", polling(joined, candidate(ws, now)), known, now,
			protocol.LookAction{Do: protocol.LookAbort},
		},
		{
			"candidate past its time, no namespace yet", polling(candidate(ws, now), pingDue(0)), known, later,
			protocol.LookAction{Do: protocol.LookAbort, Beat: true, At: later},
		},
		{"candidate", polling(joined, candidate(ws, later)), known, now, on(later)},
		{
			"candidate, and the connect timeout is sooner", polling(candidate(ws, later)), known, now.Add(1),
			on(now.Add(1)),
		},
		{"on WebSocket and the row does not say so", upgraded(joined), known, now, do(protocol.LookUpgraded)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := protocol.Look(protocol.LookState{
				Session: tt.s, Row: tt.row, ConnectBy: tt.connectBy, PingTimeout: timeout, Now: now,
			})
			if got != tt.want {
				t.Errorf("got %+v\nwant %+v", got, tt.want)
			}
		})
	}
}
