package protocol_test

import (
	"testing"

	"github.com/nonstick-io/nonstick/internal/engineio"
	"github.com/nonstick-io/nonstick/internal/protocol"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// "What may be repeated": the row of the registry is the claim on the step of $connect.
func TestOpen(t *testing.T) {
	tests := []struct {
		name string
		err  error
		want protocol.OpenAction
	}{
		{"registered", nil, protocol.OpenPush},
		{"the step came twice", sessionstore.ErrExists, protocol.OpenNone},
		{"in doubt", errDoubt, protocol.OpenFail},
		{"throttled", sessionstore.ErrThrottled, protocol.OpenFail},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := protocol.Open(tt.err); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// A message of a WebSocket and a POST, by what the session is to them.
func TestFrameAndPost(t *testing.T) {
	tests := []struct {
		name  string
		s     *sessionstore.Session
		frame protocol.FrameAction
		post  protocol.PostAction
	}{
		{"on this WebSocket", upgraded(), protocol.FrameServe, protocol.PostBad},
		{"on it, held", upgraded(held(another, now)), protocol.FrameServe, protocol.PostBad},
		{"on another", upgraded(elsewhere), protocol.FrameRefuse, protocol.PostBad},
		{"polling", polling(), protocol.FrameRefuse, protocol.PostServe},
		{"its candidate", polling(candidate(ws, now)), protocol.FrameCandidate, protocol.PostServe},
		{"another candidate", polling(candidate(otherWS, now)), protocol.FrameRefuse, protocol.PostServe},
		{"closing", upgraded(state(sessionstore.Closing)), protocol.FrameRefuse, protocol.PostUnknown},
		{"closed", polling(state(sessionstore.Closed), candidate(ws, now)), protocol.FrameRefuse, protocol.PostUnknown},
		{"drained", polling(drain), protocol.FrameRefuse, protocol.PostIgnore},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := protocol.Frame(tt.s, ws); got != tt.frame {
				t.Errorf("Frame: got %q, want %q", got, tt.frame)
			}
			if got := protocol.Post(tt.s); got != tt.post {
				t.Errorf("Post: got %q, want %q", got, tt.post)
			}
		})
	}
}

// otherWay is the heartbeat of an old client.
var otherWay = map[engineio.PacketType]protocol.PacketAction{
	engineio.Ping: protocol.PacketPing, engineio.Pong: protocol.PacketRefuse,
}

// Every type of packet that a client can send.
func TestPacket(t *testing.T) {
	tests := []struct {
		packet engineio.PacketType
		want   protocol.PacketAction
	}{
		{engineio.Message, protocol.PacketServe},
		{engineio.Pong, protocol.PacketPong},
		{engineio.Close, protocol.PacketClose},
		{engineio.Ping, protocol.PacketRefuse},
		{engineio.Open, protocol.PacketIgnore},
		{engineio.Upgrade, protocol.PacketIgnore},
		{engineio.Noop, protocol.PacketIgnore},
	}
	for _, tt := range tests {
		if got := protocol.Packet(tt.packet, engineio.V4); got != tt.want {
			t.Errorf("%c: got %q, want %q", tt.packet, got, tt.want)
		}
		want := tt.want // of an old client the heartbeat goes the other way
		if old, other := otherWay[tt.packet]; other {
			want = old
		}
		if got := protocol.Packet(tt.packet, engineio.V3); got != want {
			t.Errorf("%c of version 3: got %q, want %q", tt.packet, got, want)
		}
	}
}

// "The end": the caller whose Close is applied has won, and does the rest.
func TestClose(t *testing.T) {
	closing := state(sessionstore.Closing)
	tests := []struct {
		name string
		err  error
		want protocol.CloseAction
	}{
		{"applied", nil, protocol.CloseWon},
		{"Handler is mine", refusal(polling(closing, handled(me, now))), protocol.CloseApplied},
		{"Handler is another's", refusal(polling(closing, handled(another, now))), protocol.CloseLost},
		{"closed, by me", refusal(polling(state(sessionstore.Closed), handled(me, now))), protocol.CloseLost},
		{"no session any more", sessionstore.ErrNotFound, protocol.CloseLost},
		{"open: PingAt or Conn is another", refusal(polling()), protocol.CloseRefused},
		{"in doubt", errDoubt, protocol.CloseRepeat},
		{"throttled", sessionstore.ErrThrottled, protocol.CloseRepeat},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := protocol.Close(tt.err, me); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
