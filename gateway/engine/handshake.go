package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/internal/again"
	"github.com/nonstick-io/nonstick/internal/engineio"
	"github.com/nonstick-io/nonstick/internal/protocol"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// StepKind is what is left to do after a WebSocket's connect has been answered.
type StepKind string

// The kinds of steps.
const (
	// StepNone: nothing; the client speaks next.
	StepNone StepKind = ""
	// StepOpen sends the open packet, which must not be pushed before the connect has been answered.
	StepOpen StepKind = "open"
	// StepClose closes a connection that is refused: a stock client wants it to open first.
	StepClose StepKind = "close"
)

// Step is work that is queued at a WebSocket's connect and done by [Engine.Run]. Doing it twice is harmless.
type Step struct {
	Kind    StepKind                `json:"kind"`
	Conn    sessionstore.Connection `json:"conn"`
	Session sessionstore.SessionID  `json:"session,omitempty"`
	// Codec is the session's, of [StepOpen].
	Codec engineio.Codec `json:"codec,omitempty"`
}

// Handshake begins a session on polling and returns the body that answers the request. The error is an
// [*engineio.Error] if Options.AllowRequest refuses it, if it is too large, if the store is full, and if it got no id.
func (e *Engine) Handshake(ctx context.Context, h sessionstore.Handshake) (string, error) {
	if err := e.allow(ctx, h); err != nil {
		return "", err
	}
	s, err := e.newSession(ctx, sessionstore.Polling, h)
	if err != nil {
		return "", err
	}
	if err := e.store.Create(ctx, s); err != nil {
		return "", e.notBegun(ctx, "handshake", err)
	}
	if err := e.openedOnPolling(ctx, s); err != nil {
		return "", err
	}
	return engineio.Codec(s.Codec).EncodePayload([]string{e.open(s.ID, e.upgrades())}), nil
}

// upgrades are the transports that a client on polling is told to move to.
func (e *Engine) upgrades() []string {
	if e.opts.NoUpgrades {
		return nil
	}
	return []string{string(sessionstore.WebSocket)}
}

// notBegun is the error of a session that could not begin: a limit of the store is told to the client.
func (e *Engine) notBegun(ctx context.Context, what string, err error) error {
	switch {
	case errors.Is(err, sessionstore.ErrExists) && e.Requests().GenerateID != nil:
		return e.noID(ctx, err)
	case errors.Is(err, sessionstore.ErrFull):
		return engineio.ErrFull
	case errors.Is(err, sessionstore.ErrTooLarge):
		return engineio.ErrHandshakeTooLarge
	default:
		return fmt.Errorf("engine: %s: %w", what, err)
	}
}

// allow asks the application whether a session may begin. The error is what the client is told.
func (e *Engine) allow(ctx context.Context, h sessionstore.Handshake) error {
	if e.opts.AllowRequest == nil {
		return nil
	}
	err := e.opts.AllowRequest(ctx, h)
	if err == nil {
		return nil
	}
	if refusal, ok := errors.AsType[*engineio.Error](err); ok {
		return refusal
	}
	e.log.WarnContext(ctx, "handshake refused", "error", err)
	return engineio.ErrForbidden
}

func (e *Engine) newSession(
	ctx context.Context, t sessionstore.Transport, h sessionstore.Handshake,
) (sessionstore.NewSession, error) {
	id, err := e.sessionID(ctx, h)
	if err != nil {
		return sessionstore.NewSession{}, err
	}
	now := time.Now()
	codec := e.codecOf(h.Query)
	if codec != engineio.V4 && len(id) != len(sessionstore.NewID()) {
		return sessionstore.NewSession{}, e.noID(ctx, errOldID)
	}
	openedT := h.Query["t"]
	if t == sessionstore.WebSocket || !engineio.Unique(openedT, now) {
		openedT = ""
	}
	return sessionstore.NewSession{
		ID: id, Transport: t, Handshake: h, CreatedAt: now,
		PingAt: now.Add(e.opts.PingInterval), LookAt: e.connectBy(now), OpenedT: openedT,
		Serial: e.serial || codec != engineio.V4, Tend: e.carries.Load(), Codec: string(codec),
		ClientPings: codec.ClientPings(),
	}, nil
}

// connectBy is when a session without a namespace is closed; zero for never.
func (e *Engine) connectBy(created time.Time) time.Time {
	if e.opts.ConnectTimeout == 0 {
		return time.Time{}
	}
	return created.Add(e.opts.ConnectTimeout)
}

func (e *Engine) open(id sessionstore.SessionID, upgrades []string) string {
	return engineio.Handshake{
		SID: string(id), Upgrades: upgrades, PingInterval: e.opts.PingInterval,
		PingTimeout: e.opts.PingTimeout, MaxPayload: e.opts.MaxPayload,
	}.Encode()
}

// Connect begins a session on WebSocket. Nothing may be pushed before the request has been answered, so the
// open packet is a step of its own. The error is an [*engineio.Error] if Options.AllowRequest refuses it.
func (e *Engine) Connect(ctx context.Context, conn sessionstore.Connection, h sessionstore.Handshake) (Step, error) {
	if err := e.allow(ctx, h); err != nil {
		return Step{}, err
	}
	s, err := e.newSession(ctx, sessionstore.WebSocket, h)
	if err != nil {
		return Step{}, err
	}
	s.Conn = conn
	if err := e.store.Create(ctx, s); err != nil {
		return Step{}, e.notBegun(ctx, "connect", err)
	}
	row := sessionstore.ConnectionRow{
		Conn: conn, Session: s.ID, Handshake: &h, ExpiresAt: s.CreatedAt.Add(connectionLife),
	}
	if err := e.store.PutConnection(ctx, row); err != nil {
		return Step{}, fmt.Errorf("engine: connect: %w", err)
	}
	codec := engineio.Codec(s.Codec)
	e.conns.put(conn, cached{session: s.ID, calm: e.calm(codec, s.CreatedAt), pings: codec.ClientPings()})
	return Step{Kind: StepOpen, Conn: conn, Session: s.ID, Codec: codec}, nil
}

// connectionLife is longer than any WebSocket of API Gateway lives (2 h); localdev without limits may
// keep one for longer than its row, which the cache of its instance and then a reconnect make up for.
const connectionLife = 25 * time.Hour

// Run does a step.
func (e *Engine) Run(ctx context.Context, s Step) error {
	switch s.Kind {
	case StepOpen:
		return e.sendOpen(ctx, s)
	case StepClose:
		return e.closeRefused(ctx, s.Conn)
	case StepNone:
		return nil
	default:
		return fmt.Errorf("engine: unknown step %q", s.Kind)
	}
}

// openTries bounds the wait for a connection whose connect may not have been answered yet: until then it is gone to
// the management API.
const openTries = 12

// closeRefused closes a connection that was only let in to be closed.
func (e *Engine) closeRefused(ctx context.Context, conn sessionstore.Connection) error {
	var err error
	for tries := again.Times(openTries); tries.Next(ctx); {
		if err = e.pusher.Close(ctx, conn); err == nil {
			return nil
		}
	}
	if errors.Is(err, delivery.ErrGone) { // its client has left by itself
		return nil
	}
	return fmt.Errorf("engine: refuse connection: %w", err)
}

// sendOpen registers the session, which is the claim on this step, and pushes the open packet.
func (e *Engine) sendOpen(ctx context.Context, s Step) error {
	now := time.Now()
	err := e.store.Register(ctx, sessionstore.Registration{
		Session: s.Session, Conn: s.Conn, PingAt: now.Add(e.opts.PingInterval), LookAt: e.connectBy(now),
		Serial: e.serial || e.carries.Load() || s.Codec != engineio.V4, ClientPings: s.Codec.ClientPings(),
	})
	switch e.rules.Open(err) {
	case protocol.OpenNone:
		return nil
	case protocol.OpenPush:
		if err = e.pushOpen(ctx, s); err == nil {
			return e.openedOnWebSocket(ctx, s)
		}
	case protocol.OpenFail:
	}
	reason, o := delivery.ReasonTransportError, delivery.CloseOptions{Doubtful: s.Conn, Details: described(err.Error())}
	if errors.Is(err, delivery.ErrGone) {
		reason, err = delivery.ReasonTransportClose, nil
	}
	return errors.Join(err, e.closing.Close(ctx, s.Session, reason, o))
}

func (e *Engine) pushOpen(ctx context.Context, s Step) (err error) {
	frame := e.open(s.Session, []string{})
	for tries := again.Times(openTries); tries.Next(ctx); {
		if err = e.delivery.Push(ctx, s.Conn, frame); !errors.Is(err, delivery.ErrGone) {
			break
		}
	}
	return err
}
