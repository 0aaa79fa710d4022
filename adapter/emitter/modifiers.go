package emitter

import (
	"context"
	"time"
)

// messageEvent is the event of Send.
const messageEvent = "message"

// Volatile returns the selection for events that a client may miss: one that cannot take the event at that moment does
// not get it. That is a client between two polls, one for which other packets wait, and one whose connection is busy.
// Nothing of it is kept in a buffer, no such client is waited for, and none is closed for not reading. It costs what
// any other emit costs. An event whose acknowledgement is asked for is never volatile.
func (s Selection) Volatile() Selection {
	s.volatile = true
	return s
}

// Compress returns the selection as it is. Socket.IO compresses single messages, or does not; API Gateway compresses
// none on a WebSocket, and answers to polls are compressed by their size.
func (s Selection) Compress(bool) Selection { return s }

// Local returns the selection as it is. In Socket.IO it means the sockets of this server; here sockets belong to none.
func (s Selection) Local() Selection { return s }

// Send emits the event "message", see [Selection.Emit].
func (s Selection) Send(ctx context.Context, args ...any) error {
	return s.Emit(ctx, messageEvent, args...)
}

// Volatile returns the socket for events that its client may miss, see [Selection.Volatile].
func (r *RemoteSocket) Volatile() *RemoteSocket {
	c := *r
	c.volatile = true
	return &c
}

// Compress returns the socket as it is, see [Selection.Compress].
func (r *RemoteSocket) Compress(bool) *RemoteSocket { return r }

// Local returns the socket as it is, see [Selection.Local].
func (r *RemoteSocket) Local() *RemoteSocket { return r }

// Send emits the event "message" to the socket, see [RemoteSocket.Emit].
func (r *RemoteSocket) Send(ctx context.Context, args ...any) error {
	return r.Emit(ctx, messageEvent, args...)
}

// Volatile returns the sockets of the main namespace for events that clients may miss, see [Selection.Volatile].
func (e *Emitter) Volatile() Selection { return e.main().Volatile() }

// Compress returns the sockets of the main namespace, see [Selection.Compress].
func (e *Emitter) Compress(on bool) Selection { return e.main().Compress(on) }

// Local returns the sockets of the main namespace, see [Selection.Local].
func (e *Emitter) Local() Selection { return e.main().Local() }

// Timeout returns the sockets of the main namespace, with a bound of how long acknowledgements are waited for.
func (e *Emitter) Timeout(d time.Duration) Selection { return e.main().Timeout(d) }

// Send emits the event "message" to all sockets of the main namespace, see [Selection.Emit].
func (e *Emitter) Send(ctx context.Context, args ...any) error { return e.main().Send(ctx, args...) }
