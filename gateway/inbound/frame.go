package inbound

import (
	"cmp"
	"slices"

	"github.com/nonstick-io/nonstick/sessionstore"
)

// Frame is what the WebSocket API sent to the queue: a frame, or the end of a connection.
type Frame struct {
	// Message is the id of the message in the queue, Receipt that of this delivery of it.
	Message, Receipt string
	Conn             sessionstore.Connection
	// Event is the type of the event: [Disconnect], or what the handler knows.
	Event string
	Body  string
	// Received is when the WebSocket API received it, in milliseconds since 1970.
	Received int64
	// Receives is how often the queue has delivered it, with this time; 1 at first.
	Receives int
}

// Disconnect is the type of the event that ends a connection.
const Disconnect = "DISCONNECT"

// inOrder sorts frames of one connection by their receipt, and counts those that change places. The WebSocket API may
// hand frames that come close together to the queue in another order. Frames of one millisecond stay as they are; the
// end comes last.
func inOrder(frames []Frame) (moved int) {
	before := slices.Clone(frames)
	slices.SortStableFunc(frames, func(a, b Frame) int {
		if ends := cmp.Compare(rank(a), rank(b)); ends != 0 {
			return ends
		}
		return cmp.Compare(a.Received, b.Received)
	})
	for i := range frames {
		if frames[i].Message != before[i].Message {
			moved++
		}
	}
	return moved
}

// rank puts the end of a connection behind its frames.
func rank(f Frame) int {
	if f.Event == Disconnect {
		return 1
	}
	return 0
}
