package delivery

import (
	"context"
	"errors"

	"github.com/nonstick-io/nonstick/internal/protocol"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// Errors of a [Pusher]. Any other error leaves open whether the frame was sent.
var (
	// ErrGone: the connection does not exist (any more); nothing was sent, and nothing will ever be.
	ErrGone = protocol.ErrGone
	// ErrBusy: the connection or the account is at a limit for now; nothing was sent, so the push may be
	// repeated in place after a pause.
	ErrBusy = protocol.ErrBusy
	// ErrFrameTooLarge: the frame is above the platform's limit for a message; nothing was sent.
	ErrFrameTooLarge = errors.New("delivery: frame too large")
)

// Pusher sends to WebSocket connections, whichever instance they arrived at.
type Pusher interface {
	// Push sends one Engine.IO packet, encoded as text, as one WebSocket message. It returns nil when the
	// platform has taken the frame. Frames pushed one after the other arrive in that order; concurrent
	// pushes have none. Errors are [ErrGone], [ErrBusy] and [ErrFrameTooLarge]; any other error is in doubt:
	// the frame may have been sent.
	Push(ctx context.Context, conn sessionstore.Connection, frame string) error
	// Close closes the connection. [ErrGone] if there is none, which most callers take for success.
	Close(ctx context.Context, conn sessionstore.Connection) error
}

// GroupPusher is an optional ability of a [Pusher]: to send several messages with nothing of other callers between
// them. The management API of API Gateway has no such call.
type GroupPusher interface {
	// PushGroup sends the frames, each as one message, or none of them. Errors are those of [Pusher.Push].
	PushGroup(ctx context.Context, conn sessionstore.Connection, frames []string) error
}

// ImmediatePusher is an optional ability of a [Pusher]: to send to connections of its own process with no wait but for
// a lock. A caller that sends to many then does so in place, without a goroutine for each.
type ImmediatePusher interface {
	// PushNow sends the frames with nothing between them, if it can without waiting, and reports whether it has. If
	// not, nothing was sent, and [Pusher.Push] tells why.
	PushNow(conn sessionstore.Connection, frames []string) bool
}
