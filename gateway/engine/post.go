package engine

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/internal/engineio"
	"github.com/nonstick-io/nonstick/internal/protocol"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// Post serves a POST of a session: it handles the packets of the body in order. A body that does not parse
// closes the session after what came before the bad packet has been handled; the POST itself succeeds all the same, as
// the reference server has it.
func (e *Engine) Post(ctx context.Context, id sessionstore.SessionID, body string) error {
	return e.PostAs(ctx, id, body, Client{})
}

// PostAs is Post for what the request says of its client: [engineio.ErrVersion] for one of another version than the
// session's.
func (e *Engine) PostAs(ctx context.Context, id sessionstore.SessionID, body string, from Client) error {
	s, err := e.store.Get(ctx, id, time.Now())
	switch {
	case errors.Is(err, sessionstore.ErrNotFound):
		return engineio.ErrUnknownSession
	case err != nil:
		return fmt.Errorf("engine: post: %w", err)
	}
	action := protocol.Post(&s)
	if action != protocol.PostUnknown && !from.ofVersion(&s) {
		return engineio.ErrVersion
	}
	switch action {
	case protocol.PostIgnore:
		return nil
	case protocol.PostUnknown:
		return engineio.ErrUnknownSession
	case protocol.PostBad:
		return engineio.ErrBadRequest
	case protocol.PostServe:
	}
	inv := e.newInvocation(s, sessionstore.Connection{})
	broke, err := e.postedAll(ctx, inv, engineio.Codec(s.Codec).DecodePayload(body, from.Binary))
	if _, finishErr := inv.finish(ctx); !errors.Is(finishErr, delivery.ErrClosed) {
		err = errors.Join(err, finishErr)
	}
	if broke.reason != "" {
		err = errors.Join(err, e.endPolling(ctx, inv.session, broke))
	}
	if err != nil {
		return fmt.Errorf("engine: post: %w", err)
	}
	return nil
}

// postedAll handles packets, in order, until one ends the session. The reason is that to close the
// session for at once: the client asked for it, or broke a rule.
func (e *Engine) postedAll(
	ctx context.Context, inv *Invocation, packets iter.Seq2[engineio.Packet, error],
) (why failure, err error) {
	for p, parseErr := range packets {
		if parseErr != nil {
			e.unreadable(ctx, inv.session.ID, parseErr)
			return failure{delivery.ReasonParseError, parseErr.Error()}, nil
		}
		if why, err = e.posted(ctx, inv, p); err != nil || why.reason != "" || inv.Closing() {
			return why, err
		}
	}
	return failure{}, nil
}

// failure is why a session is closed for what its client posted.
type failure struct{ reason, details string }

// posted handles one packet that came by POST. The reason is that to close the session for, if it has to be.
func (e *Engine) posted(ctx context.Context, inv *Invocation, p engineio.Packet) (why failure, err error) {
	switch protocol.Packet(p.Type, engineio.Codec(inv.session.Codec)) {
	case protocol.PacketServe:
		inv.handle(ctx, p)
	case protocol.PacketPong:
		err = e.pong(ctx, &inv.session)
	case protocol.PacketPing:
		err = e.pinged(ctx, inv)
	case protocol.PacketClose:
		why = failure{delivery.ReasonTransportClose, closedByClient}
	case protocol.PacketRefuse:
		why = failure{delivery.ReasonTransportError, wrongHeartbeat}
	case protocol.PacketIgnore:
	}
	return why, err
}

// pong moves the ping of a polling session on, in its item and in the registry. A refusal means that the session has
// moved on by itself. A pong without a ping is no write: a client can send thousands in one POST.
func (e *Engine) pong(ctx context.Context, s *sessionstore.Session) error {
	now := time.Now()
	if !s.Pinged && now.Before(s.PingAt) {
		return nil
	}
	id, next := s.ID, e.nextPing(s.ID, now)
	s.Pinged, s.PingAt = false, next
	err := e.store.Pong(ctx, id, next)
	if errors.Is(err, sessionstore.ErrConflict) || errors.Is(err, sessionstore.ErrNotFound) {
		return nil
	}
	if err == nil {
		err = e.beat(ctx, id, next)
	}
	if err != nil {
		return fmt.Errorf("engine: pong: %w", err)
	}
	if err := e.tend(ctx, s); err != nil { // tried again at the next
		e.log.WarnContext(ctx, "outboxes not looked after", "session", NameInLog(id), "error", err)
	}
	return nil
}

func (e *Engine) beat(ctx context.Context, id sessionstore.SessionID, next time.Time) error {
	if err := e.store.Beat(ctx, id, next); !errors.Is(err, sessionstore.ErrNotFound) {
		return err
	}
	return nil // the ping timeout was first
}

// parkPatience is how long the end of a polling session waits for its client's GET. At a client's close, until the
// GET is parked: the two are sent together, and the GET is to be answered like any other that is open, not as one of
// an unknown session. A GET that is parked already takes what was said before the end.
const (
	parkPatience = 100 * time.Millisecond
	parkReread   = 10 * time.Millisecond
)

// endPolling closes a polling session because of what its client posted.
func (e *Engine) endPolling(ctx context.Context, s sessionstore.Session, why failure) error {
	switch {
	case s.Poll.Live(time.Now()):
		e.await(ctx, s, func(s *sessionstore.Session) bool { return len(s.Pending()) == 0 })
	case why.reason == delivery.ReasonTransportClose:
		e.await(ctx, s, func(s *sessionstore.Session) bool { return s.Poll.Live(time.Now()) })
	}
	return e.FailFor(ctx, s.ID, why.reason, why.details)
}

// await reads the session until it is as wished, ends, or patience does.
func (e *Engine) await(ctx context.Context, s sessionstore.Session, wished func(*sessionstore.Session) bool) {
	tick := time.NewTicker(parkReread)
	defer tick.Stop()
	for end := time.Now().Add(parkPatience); time.Now().Before(end); <-tick.C {
		var err error
		if s, err = e.store.Get(ctx, s.ID, time.Now()); err != nil || s.State != sessionstore.Open || wished(&s) {
			return
		}
	}
}
