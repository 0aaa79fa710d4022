package protocol_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/nonstick-io/nonstick/internal/protocol"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// "A delivery": what a refusal, or an error, of Deliver and of Enqueue says.
func TestDeliver(t *testing.T) {
	const none = protocol.DeliverAction("")
	later := now.Add(time.Second)
	tests := []struct {
		name             string
		err              error
		deliver, enqueue protocol.DeliverAction
	}{
		{"applied", nil, protocol.DeliverDone, protocol.DeliverDone},
		{"no session", sessionstore.ErrNotFound, protocol.DeliverGone, protocol.DeliverGone},
		{"closing", refusal(polling(state(sessionstore.Closing))), protocol.DeliverGone, protocol.DeliverGone},
		{"over, WebSocket", refusal(upgraded(state(sessionstore.Closed))), protocol.DeliverGone, protocol.DeliverGone},
		{"drained", refusal(polling(drain)), protocol.DeliverGone, protocol.DeliverGone},
		{"on WebSocket", refusal(upgraded()), protocol.DeliverPush, none},
		{"on WebSocket, serial", refusal(upgraded(serial)), protocol.DeliverEnqueue, none},
		{
			"on WebSocket, serial and held", refusal(upgraded(serial, held(another, later), buffer(9, 0))),
			protocol.DeliverEnqueue, protocol.DeliverFull,
		},
		{
			"on WebSocket, held, full", refusal(upgraded(held(another, later), buffer(9, 0))),
			protocol.DeliverFull, protocol.DeliverFull,
		},
		{"polling, full", refusal(polling(buffer(9, 0))), protocol.DeliverFull, none},
		{"polling, not full", refusal(polling(buffer(8, 0))), protocol.DeliverWrong, none},
		{"in doubt", errDoubt, protocol.DeliverDoubt, protocol.DeliverDoubt},
		{"throttled", sessionstore.ErrThrottled, protocol.DeliverRepeat, protocol.DeliverRepeat},
		{"not sent", sessionstore.ErrUnavailable, protocol.DeliverRepeat, protocol.DeliverRepeat},
		{
			"wrapped", fmt.Errorf("store: %w", sessionstore.ErrThrottled),
			protocol.DeliverRepeat, protocol.DeliverRepeat,
		},
	}
	packets := []sessionstore.Packet{{Frames: []string{"4x"}}}
	limits := sessionstore.BufferLimits{Packets: 9, Bytes: 1000}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := protocol.Deliver(tt.err, packets, limits); got != tt.deliver {
				t.Errorf("Deliver: got %q, want %q", got, tt.deliver)
			}
			if tt.enqueue == none { // Enqueue is for sessions on WebSocket
				return
			}
			if got := protocol.Enqueue(tt.err, packets, limits); got != tt.enqueue {
				t.Errorf("Enqueue: got %q, want %q", got, tt.enqueue)
			}
		})
	}
}

// "A volatile packet": what a refusal, or an error, says of a client that cannot take it.
func TestDeliverVolatile(t *testing.T) {
	later := now.Add(time.Second)
	for _, tt := range []struct {
		name string
		err  error
		want protocol.DeliverAction
	}{
		{"applied", nil, protocol.DeliverDone},
		{"no session", sessionstore.ErrNotFound, protocol.DeliverGone},
		{"closing", refusal(polling(state(sessionstore.Closing))), protocol.DeliverGone},
		{"closing, held", refusal(upgraded(state(sessionstore.Closing), held(another, later))), protocol.DeliverGone},
		{"polling", refusal(polling()), protocol.DeliverDropped},
		{"polling, full", refusal(polling(buffer(9, 0))), protocol.DeliverDropped},
		{"on WebSocket", refusal(upgraded()), protocol.DeliverPush},
		{"on WebSocket, held", refusal(upgraded(held(another, later))), protocol.DeliverDropped},
		{"on WebSocket, a dead hold", refusal(upgraded(held(another, now))), protocol.DeliverDropped},
		{"on WebSocket, serial", refusal(upgraded(serial)), protocol.DeliverEnqueue},
		{"on WebSocket, serial, held", refusal(upgraded(serial, held(another, later))), protocol.DeliverDropped},
		{"in doubt", errDoubt, protocol.DeliverDoubt},
		{"throttled", sessionstore.ErrThrottled, protocol.DeliverRepeat},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := protocol.DeliverVolatile(tt.err); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// "Deliver in doubt", "Enqueue in doubt": the session is read.
func TestDoubt(t *testing.T) {
	tests := []struct {
		name        string
		open, waits bool
		want        protocol.DoubtAction
	}{
		{"the packet is in the buffer", true, true, protocol.DoubtDone},
		{"it is not", true, false, protocol.DoubtClose},
		{"not open", false, false, protocol.DoubtGone},
		{"not open, but its buffer is kept", false, true, protocol.DoubtGone},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := protocol.Doubt(tt.open, tt.waits); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// "With a hint": the first push that is not a clear success ends it.
func TestPush(t *testing.T) {
	tests := []struct {
		name   string
		err    error
		want   protocol.PushAction
		pinged protocol.PingedAction
	}{
		{"taken", nil, protocol.PushOn, protocol.PingedTaken},
		{"gone", fmt.Errorf("push: %w", protocol.ErrGone), protocol.PushCloseGone, protocol.PingedEnds},
		{"busy", fmt.Errorf("push: %w", protocol.ErrBusy), protocol.PushRepeat, protocol.PingedLater},
		{"in doubt", errDoubt, protocol.PushCut, protocol.PingedLater},
		{"too large", errors.New("frame too large"), protocol.PushCut, protocol.PingedLater},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := protocol.Push(tt.err); got != tt.want {
				t.Errorf("Push: got %q, want %q", got, tt.want)
			}
			if got := protocol.Pinged(tt.err); got != tt.pinged {
				t.Errorf("Pinged: got %q, want %q", got, tt.pinged)
			}
		})
	}
}

// "The caller that gets Hold by it pushes the buffer, and every other caller is done."
func TestEnqueued(t *testing.T) {
	tests := []struct {
		name string
		s    *sessionstore.Session
		want protocol.FlushAction
	}{
		{"mine", upgraded(held(me, now.Add(1))), protocol.FlushPush},
		{"mine, past its time", upgraded(held(me, now)), protocol.FlushPush}, // it looks at the clock before each push
		{"another's", upgraded(held(another, now.Add(1))), protocol.FlushDone},
		{"another's, past its time", upgraded(held(another, now)), protocol.FlushCloseDead},
		{"released", upgraded(), protocol.FlushDone},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := protocol.Enqueued(tt.s.Hold, me, now); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// "The upgrade": the flusher skips the first Given entries, and releases the hold with the number that the client has.
func TestRelease(t *testing.T) {
	if got := protocol.Skip(upgraded(buffer(3, 2)).Given); got != 2 {
		t.Errorf("skips %d, want 2", got)
	}
	tests := []struct {
		name string
		cur  *sessionstore.Session
		want protocol.FlushAction
	}{
		{"applied", nil, protocol.FlushDone},
		{"something was appended", upgraded(held(me, now), buffer(1, 0)), protocol.FlushPush},
		{"an earlier one was applied", upgraded(), protocol.FlushDone},
		{"the same, and another has it", upgraded(held(another, now)), protocol.FlushDone},
		{"closing", upgraded(state(sessionstore.Closing)), protocol.FlushOver},
		{"closing, with a hold", upgraded(state(sessionstore.Closing), held(me, now)), protocol.FlushOver},
		{"no session", &sessionstore.Session{State: sessionstore.Closed}, protocol.FlushOver},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := protocol.Released(tt.cur, me); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
