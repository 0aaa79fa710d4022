package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/internal/engineio"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// Client is what a request in a session says of its client. The zero value is one of version 4.
type Client struct {
	// Codec is of the version that the request names; which of those of version 3 does not matter.
	Codec engineio.Codec
	// Binary says that a body is application/octet-stream.
	Binary bool
	// Script says that the answer will be a script, which takes up to six times as many bytes.
	Script bool
}

// ofVersion reports whether a request of the client may be one of the session.
func (c Client) ofVersion(s *sessionstore.Session) bool {
	return c.Codec.Version() == engineio.Codec(s.Codec).Version()
}

// maxScriptBytes is what an answer may carry that will be a script.
const maxScriptBytes = maxAnswerBytes / 8

func (c Client) maxAnswer() int {
	if c.Script {
		return maxScriptBytes
	}
	return maxAnswerBytes
}

// errOldID: the id of a session of version 3 is that of its sockets, too, which are known by the length of theirs.
var errOldID = fmt.Errorf(
	"%w: a client of version 3 needs one of %d characters", ErrSessionID, len(sessionstore.NewID()),
)

// AllowsEIO3 reports whether clients of version 3 may begin sessions.
func (e *Engine) AllowsEIO3() bool { return e.opts.AllowEIO3 }

// SetAllowEIO3 says whether they may. Call it before serving.
func (e *Engine) SetAllowEIO3(allow bool) { e.opts.AllowEIO3 = allow }

// codecOf is the codec of a session that begins.
func (e *Engine) codecOf(query map[string]string) engineio.Codec {
	if !e.opts.AllowEIO3 {
		return engineio.V4
	}
	return engineio.CodecOf(query)
}

// opened tells the handler of a session of version 3 that has begun. What it sends waits in the buffer, or is pushed.
func (e *Engine) opened(ctx context.Context, s sessionstore.Session) error {
	h, ok := e.handler.(Opener)
	if !ok {
		return nil
	}
	inv := e.newInvocation(s, sessionstore.Connection{})
	inv.guard(ctx, func() error { return h.Opened(ctx, inv) })
	if _, err := inv.finish(ctx); err != nil && !errors.Is(err, delivery.ErrClosed) {
		return fmt.Errorf("engine: opened: %w", err)
	}
	return nil
}

// openedOnPolling is opened for a session that was put into the store just now.
func (e *Engine) openedOnPolling(ctx context.Context, n sessionstore.NewSession) error {
	if n.Codec == "" {
		return nil
	}
	return e.opened(ctx, sessionstore.Session{
		ID: n.ID, State: sessionstore.Open, Transport: n.Transport, PingAt: n.PingAt, CreatedAt: n.CreatedAt,
		OpenedT: n.OpenedT, Serial: n.Serial, Codec: n.Codec,
	})
}

// openedOnWebSocket is opened for a session whose open packet has been pushed.
func (e *Engine) openedOnWebSocket(ctx context.Context, step Step) error {
	if step.Codec == engineio.V4 {
		return nil
	}
	s, err := e.store.Get(ctx, step.Session, time.Now())
	switch {
	case errors.Is(err, sessionstore.ErrNotFound), err == nil && s.State != sessionstore.Open:
		return nil
	case err != nil:
		return e.dropped(ctx, step.Session, step.Conn, err)
	}
	return e.opened(ctx, s)
}

// slack is how much earlier than the interval a ping of the client may come and be no write. The client sends the next
// one an interval later, and then half of the ping timeout is left at least.
func (e *Engine) slack() time.Duration { return min(e.opts.PingInterval, e.opts.PingTimeout) / 2 }

// pinged answers a ping that came by POST. It moves the time on by which the next has to come, as a pong does.
func (e *Engine) pinged(ctx context.Context, inv *Invocation) error {
	if err := e.moveOn(ctx, &inv.session); err != nil {
		return err
	}
	return inv.Send(ctx, engineio.PongFrame)
}

func (e *Engine) moveOn(ctx context.Context, s *sessionstore.Session) error {
	next := time.Now().Add(e.opts.PingInterval)
	if next.Sub(s.PingAt) < e.slack() {
		return nil
	}
	s.PingAt = next
	err := e.store.Pong(ctx, s.ID, next)
	if errors.Is(err, sessionstore.ErrConflict) || errors.Is(err, sessionstore.ErrNotFound) {
		return nil
	}
	if err == nil {
		err = e.beat(ctx, s.ID, next)
	}
	if err != nil {
		return fmt.Errorf("engine: ping: %w", err)
	}
	return nil
}

// pingOf answers a ping that came over the session's own WebSocket, and looks whether the caller that pushes to the
// session has died, as a sweeper does that pings.
func (e *Engine) pingOf(
	ctx context.Context, id sessionstore.SessionID, conn sessionstore.Connection,
) (reply string, err error) {
	k, known := e.conns.get(conn)
	if err := e.beatOf(ctx, id, conn, engineio.V3); err != nil {
		return "", err
	}
	if known && time.Now().Before(k.calm) {
		return engineio.PongFrame, nil
	}
	if err := e.deadHold(ctx, sessionstore.Registration{Session: id, Conn: conn}); err != nil {
		e.log.WarnContext(ctx, "hold not looked at", "session", NameInLog(id), "error", err)
	}
	return engineio.PongFrame, nil
}

// said is an answer to a GET without entries as the session's client reads it.
func said(s *sessionstore.Session, payload string) string {
	if s.Codec == "" {
		return payload
	}
	return engineio.Codec(s.Codec).EncodePayload(strings.Split(payload, separator))
}

// separator stands between the packets of a payload that was decided on, see package protocol.
const separator = "\x1e"
