package engine

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/internal/again"
	"github.com/nonstick-io/nonstick/internal/engineio"
	"github.com/nonstick-io/nonstick/internal/protocol"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// Message serves one message of a WebSocket. The reply, if any, is the frame to answer it with. A frame that
// cannot be served ends the connection, so that nothing is lost in silence; the error is for the log. With
// [Options].PushReplies there is no reply.
func (e *Engine) Message(ctx context.Context, conn sessionstore.Connection, frame string) (reply string, err error) {
	reply, err = e.message(ctx, conn, frame)
	if reply == "" || err != nil || !e.opts.PushReplies {
		return reply, err
	}
	if err := e.delivery.Push(ctx, conn, reply); err != nil && !errors.Is(err, delivery.ErrGone) {
		return "", errors.Join(fmt.Errorf("engine: answer a frame: %w", err), e.refuse(ctx, conn))
	}
	return "", nil
}

func (e *Engine) message(ctx context.Context, conn sessionstore.Connection, frame string) (reply string, err error) {
	id, err := e.session(ctx, conn)
	if errors.Is(err, sessionstore.ErrNotFound) {
		return "", e.refuse(ctx, conn)
	}
	if err != nil {
		return "", errors.Join(fmt.Errorf("engine: message: %w", err), e.refuse(ctx, conn))
	}
	switch k, _ := e.conns.get(conn); {
	case k.candidate:
	case frame == engineio.PongFrame && !k.pings:
		return "", e.beatOf(ctx, id, conn, engineio.V4)
	case frame == engineio.PingFrame && k.pings:
		return e.pingOf(ctx, id, conn)
	}
	s, err := e.store.Get(ctx, id, time.Now())
	switch {
	case errors.Is(err, sessionstore.ErrNotFound):
		return "", e.refuse(ctx, conn)
	case err != nil:
		return "", e.dropped(ctx, id, conn, err)
	}
	return e.frame(ctx, &s, conn, frame)
}

// session finds the session of a connection.
func (e *Engine) session(ctx context.Context, conn sessionstore.Connection) (sessionstore.SessionID, error) {
	if k, ok := e.conns.get(conn); ok {
		return k.session, nil
	}
	row, err := e.store.Connection(ctx, conn)
	if err != nil {
		return "", err
	}
	k := cached{session: row.Session, candidate: row.Handshake == nil} // the next frame tells whether it still is
	if row.Handshake != nil {
		k.pings = e.codecOf(row.Handshake.Query).ClientPings()
	}
	e.conns.put(conn, k)
	return row.Session, nil
}

// calm returns until when the sweeper sends no ping to a client whose next one is due an interval from now. It is
// half of the interval, so that it holds by the clock of any sweeper. For a client that pings it is as long as its
// pings are no write.
func (e *Engine) calm(c engineio.Codec, now time.Time) time.Time {
	if c.ClientPings() {
		return now.Add(e.slack())
	}
	return now.Add(e.opts.PingInterval / 2)
}

// refuse ends a connection that has no session (any more), or of which a frame was not served: one that went on would
// not know what it has lost.
func (e *Engine) refuse(ctx context.Context, conn sessionstore.Connection) error {
	e.conns.drop(conn)
	if err := e.closing.Cut(ctx, conn); err != nil {
		return fmt.Errorf("engine: refuse connection: %w", err)
	}
	return nil
}

// dropped ends a session of which a frame could not be served.
func (e *Engine) dropped(
	ctx context.Context, id sessionstore.SessionID, conn sessionstore.Connection, cause error,
) error {
	err := e.closing.Close(
		ctx, id, delivery.ReasonTransportError,
		delivery.CloseOptions{Doubtful: conn, Details: described("message: " + cause.Error())},
	)
	return errors.Join(fmt.Errorf("engine: message: %w", cause), err)
}

// beatTries is how often a pong's write is tried, which may be applied twice.
const beatTries = 3

// beatOf is the pong of a WebSocket: its times live in the registry, so the session is not read. A pong that cannot be
// written ends nothing: the sweeper is in the same trouble with the store, and pings once more. One without a ping is
// no write, as far as this instance can tell: it comes soon after another that counted, and no ping is due.
//
// The ping of an old client is the same, but that the next one comes after the whole interval.
func (e *Engine) beatOf(
	ctx context.Context, id sessionstore.SessionID, conn sessionstore.Connection, c engineio.Codec,
) error {
	now := time.Now()
	if k, _ := e.conns.get(conn); now.Before(k.calm) {
		return nil
	}
	next := e.nextPing(id, now)
	if c.ClientPings() {
		next = now.Add(e.opts.PingInterval)
	}
	var err error
	for tries := again.Times(beatTries); tries.Next(ctx); {
		if err = e.beat(ctx, id, next); err == nil {
			e.conns.calmUntil(conn, e.calm(c, now))
			return nil
		}
	}
	return fmt.Errorf("engine: pong: %w", err)
}

// frame serves a frame by what the connection is to the session.
func (e *Engine) frame(
	ctx context.Context, s *sessionstore.Session, conn sessionstore.Connection, frame string,
) (string, error) {
	switch protocol.Frame(s, conn) {
	case protocol.FrameServe:
		if k, ok := e.conns.get(conn); ok && k.candidate { // it has taken over
			e.conns.put(conn, cached{session: s.ID, pings: engineio.Codec(s.Codec).ClientPings()})
		}
		return e.established(ctx, s, conn, frame)
	case protocol.FrameCandidate:
		return e.candidate(ctx, s, conn, frame)
	case protocol.FrameRefuse:
	}
	return "", e.refuse(ctx, conn)
}

// What broke, as disconnect handlers are told.
const (
	closedByClient = "the client sent a close packet"
	wrongHeartbeat = "invalid heartbeat direction"
	largeFrame     = "max payload size exceeded"
)

// tooLarge reports whether a frame is above the limit. Binary data counts as it was sent by clients that send binary
// frames.
func (e *Engine) tooLarge(frame string) bool {
	size := len(frame)
	if size > 0 && frame[0] == 'b' {
		size = base64.RawStdEncoding.DecodedLen(size - 1)
	}
	return size > e.opts.MaxPayload
}

// established serves a frame of the session's own WebSocket.
func (e *Engine) established(
	ctx context.Context, s *sessionstore.Session, conn sessionstore.Connection, frame string,
) (string, error) {
	if e.tooLarge(frame) {
		return "", e.FailFor(ctx, s.ID, delivery.ReasonTransportError, largeFrame)
	}
	codec := engineio.Codec(s.Codec)
	p, err := codec.Decode(frame)
	if err != nil {
		e.unreadable(ctx, s.ID, err)
		return "", e.FailFor(ctx, s.ID, delivery.ReasonParseError, err.Error())
	}
	switch protocol.Packet(p.Type, codec) {
	case protocol.PacketServe:
		inv := e.newInvocation(*s, conn)
		inv.handle(ctx, p)
		reply, err := inv.finish(ctx)
		if err != nil && !errors.Is(err, delivery.ErrClosed) {
			return "", fmt.Errorf("engine: message: %w", err)
		}
		return reply, nil
	case protocol.PacketClose:
		return "", e.FailFor(ctx, s.ID, delivery.ReasonTransportClose, closedByClient)
	case protocol.PacketRefuse:
		return "", e.FailFor(ctx, s.ID, delivery.ReasonTransportError, wrongHeartbeat)
	case protocol.PacketPong:
		return "", e.beatOf(ctx, s.ID, conn, codec)
	case protocol.PacketPing:
		return e.pingOf(ctx, s.ID, conn)
	case protocol.PacketIgnore:
	}
	return "", nil
}

// Disconnect is told that a WebSocket has ended. It may be called more than once, late, or never.
func (e *Engine) Disconnect(ctx context.Context, conn sessionstore.Connection) error {
	return e.DisconnectFor(ctx, conn, sessionstore.Details{})
}

// DisconnectFor is Disconnect with what is known of why, for disconnect handlers.
func (e *Engine) DisconnectFor(
	ctx context.Context, conn sessionstore.Connection, details sessionstore.Details,
) error {
	id, err := e.session(ctx, conn)
	if errors.Is(err, sessionstore.ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("engine: disconnect: %w", err)
	}
	return e.ended(ctx, id, conn, delivery.ReasonTransportClose, delivery.CloseOptions{IfConn: conn, Details: details})
}

// Cut ends a connection, and the session that is on it, for a reason: an instance died while it handled a frame of it.
func (e *Engine) Cut(ctx context.Context, conn sessionstore.Connection, reason string) error {
	id, err := e.session(ctx, conn)
	if errors.Is(err, sessionstore.ErrNotFound) {
		return e.refuse(ctx, conn)
	}
	if err != nil {
		return fmt.Errorf("engine: cut: %w", err)
	}
	return e.ended(ctx, id, conn, reason, delivery.CloseOptions{IfConn: conn, Doubtful: conn})
}

// Alive is told that frames of a connection wait for the one that is being handled, and maybe a pong among them: the
// next ping is due anew. The client is pinged first, since it gives up if it is not pinged in time; if it cannot be,
// all stays as it was.
func (e *Engine) Alive(ctx context.Context, conn sessionstore.Connection) error {
	id, err := e.session(ctx, conn)
	on := false
	if err == nil {
		on, err = e.takenOver(ctx, id, conn)
	}
	frame, next := engineio.PingFrame, e.nextPing(id, time.Now())
	if k, _ := e.conns.get(conn); k.pings { // it takes an answer that it did not ask for
		frame, next = engineio.PongFrame, time.Now().Add(e.opts.PingInterval)
	}
	if on { // else only a probe's answer may come over it
		err = e.pingOnce(ctx, conn, frame)
	}
	switch {
	case errors.Is(err, sessionstore.ErrNotFound), errors.Is(err, delivery.ErrGone):
		return nil // its end is on its way
	case err == nil:
		err = e.beat(ctx, id, next)
	}
	if err != nil {
		return fmt.Errorf("engine: alive: %w", err)
	}
	return nil
}

// takenOver reports whether a session is on a connection. It is read only if the connection was a candidate when it
// was last seen here.
func (e *Engine) takenOver(ctx context.Context, id sessionstore.SessionID, conn sessionstore.Connection) (bool, error) {
	if k, ok := e.conns.get(conn); ok && !k.candidate {
		return true, nil
	}
	s, err := e.store.Get(ctx, id, time.Now())
	if err != nil || s.Conn != conn {
		return false, err
	}
	e.conns.put(conn, cached{session: id, pings: engineio.Codec(s.Codec).ClientPings()})
	return true, nil
}

// ended closes the session of a connection that has ended, or takes a candidate back.
func (e *Engine) ended(
	ctx context.Context, id sessionstore.SessionID, conn sessionstore.Connection, reason string,
	o delivery.CloseOptions,
) error {
	e.conns.drop(conn)
	err := e.closing.Close(ctx, id, reason, o)
	switch protocol.ConnEnds(err, conn) {
	case protocol.ConnEndAbort:
		err = errors.Join(e.abort(ctx, id, conn), e.store.DeleteConnection(ctx, conn))
	case protocol.ConnEndRow:
		err = e.store.DeleteConnection(ctx, conn)
	case protocol.ConnEndDone, protocol.ConnEndFail:
	}
	if err != nil {
		return fmt.Errorf("engine: disconnect: %w", err)
	}
	return nil
}
