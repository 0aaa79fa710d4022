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

// Bind takes a WebSocket that came with the id of a session: it is a candidate until its upgrade packet. A
// second one, or one for a session that is on WebSocket already, is to be opened and then closed.
func (e *Engine) Bind(ctx context.Context, conn sessionstore.Connection, id sessionstore.SessionID) (Step, error) {
	now := time.Now()
	until := now.Add(e.opts.UpgradeTimeout)
	row := sessionstore.ConnectionRow{Conn: conn, Session: id, ExpiresAt: now.Add(connectionLife)}
	if err := e.store.PutConnection(ctx, row); err != nil {
		return Step{}, fmt.Errorf("engine: bind: %w", err)
	}
	err := e.store.Bind(ctx, id, sessionstore.Candidate{Conn: conn, Until: until}, now)
	switch protocol.Bind(err) {
	case protocol.BindUnknown:
		return Step{}, errors.Join(engineio.ErrUnknownSession, e.store.DeleteConnection(ctx, conn))
	case protocol.BindClose:
		return Step{Kind: StepClose, Conn: conn}, nil
	case protocol.BindFail:
		return Step{}, fmt.Errorf("engine: bind: %w", err)
	case protocol.BindDone:
	}
	if err := e.store.Look(ctx, id, until); err != nil && !errors.Is(err, sessionstore.ErrNotFound) {
		return Step{}, fmt.Errorf("engine: bind: %w", err)
	}
	e.conns.put(conn, cached{session: id, candidate: true})
	return Step{Kind: StepNone, Conn: conn, Session: id}, nil
}

// BindAs is Bind for what the request says of its client: [engineio.ErrVersion] for one of version 3, if the session
// is of another. It takes a read.
func (e *Engine) BindAs(
	ctx context.Context, conn sessionstore.Connection, id sessionstore.SessionID, from Client,
) (Step, error) {
	if from.Codec == engineio.V4 {
		return e.Bind(ctx, conn, id)
	}
	s, err := e.store.Get(ctx, id, time.Now())
	switch {
	case errors.Is(err, sessionstore.ErrNotFound):
		return Step{}, engineio.ErrUnknownSession
	case err != nil:
		return Step{}, fmt.Errorf("engine: bind: %w", err)
	case !from.ofVersion(&s):
		return Step{}, engineio.ErrVersion
	}
	return e.Bind(ctx, conn, id)
}

// candidate serves a frame of a WebSocket that wants to take over from polling.
func (e *Engine) candidate(
	ctx context.Context, s *sessionstore.Session, conn sessionstore.Connection, frame string,
) (string, error) {
	switch protocol.Candidate(frame, s.Probed) {
	case protocol.CandidateProbe:
		return e.probe(ctx, s, conn)
	case protocol.CandidateUpgrade:
		return "", e.upgrade(ctx, s.ID, conn)
	case protocol.CandidateWait:
		return e.early(ctx, s.ID, conn, frame, WaitUpgrade)
	case protocol.CandidateWaitBin:
		return e.early(ctx, s.ID, conn, frame, WaitUpgradeBinary)
	case protocol.CandidateAbort:
	}
	return "", e.giveUp(ctx, s.ID, conn)
}

// probe answers "2probe". The answer is a promise that the upgrade can be completed: a client whose WebSocket
// ends after it is deaf until its ping timeout.
func (e *Engine) probe(ctx context.Context, s *sessionstore.Session, conn sessionstore.Connection) (string, error) {
	err := e.store.Probe(ctx, s.ID, conn)
	switch protocol.Probe(err) {
	case protocol.ProbeAnswer:
		return engineio.ProbePong, nil
	case protocol.ProbeRefuse:
		err = nil
	case protocol.ProbeFail:
		err = fmt.Errorf("engine: probe: %w", err)
	}
	return "", errors.Join(err, e.refuse(ctx, conn))
}

// crowdedPatience is how long a message waits for its connection's upgrade packet if another waits already: a client
// sends what it had to hold back right after that packet, and API Gateway may hand over all of it at once.
const crowdedPatience = 100 * time.Millisecond

// early serves a message of a probed candidate once the upgrade is done.
func (e *Engine) early(
	ctx context.Context, id sessionstore.SessionID, conn sessionstore.Connection, frame string, what Wait,
) (string, error) {
	upgraded := func(s *sessionstore.Session) bool { return s.Candidate.Conn != conn }
	s, err := e.Overtaken(ctx, id, what, Lateness, upgraded)
	if errors.Is(err, ErrCrowded) {
		s, err = e.readUntil(ctx, id, crowdedPatience, upgraded)
	}
	if err != nil { // no upgrade packet: a wrong frame, which costs the client its WebSocket and nothing else
		e.log.InfoContext(
			ctx, "upgrade aborted: a message came before the upgrade packet", "session", NameInLog(id), "cause", err,
		)
		return "", e.giveUp(ctx, id, conn)
	}
	return e.frame(ctx, &s, conn, frame)
}

// giveUp takes a candidate back and ends its connection; the session stays on polling.
func (e *Engine) giveUp(ctx context.Context, id sessionstore.SessionID, conn sessionstore.Connection) error {
	return errors.Join(e.abort(ctx, id, conn), e.refuse(ctx, conn))
}

// upgrade is the client's "5": one write makes the session WebSocket and holds deliveries back until what is
// in the buffer has been pushed.
func (e *Engine) upgrade(ctx context.Context, id sessionstore.SessionID, conn sessionstore.Connection) error {
	hold := delivery.NewHold()
	var err error
	for tries := again.Times(upgradeTries); tries.Next(ctx); {
		var s sessionstore.Session
		s, err = e.store.Upgrade(ctx, id, conn, hold)
		switch protocol.Upgrade(err, hold.Owner) {
		case protocol.UpgradeFlush:
			return e.flush(ctx, s, hold)
		case protocol.UpgradeApplied:
			cur, _ := sessionstore.Current(err)
			return e.flush(ctx, cur, hold)
		case protocol.UpgradeRefuse:
			return e.refuse(ctx, conn)
		case protocol.UpgradeRepeat:
		}
	}
	return e.dropped(ctx, id, conn, err)
}

// upgradeTries is how often an upgrade is tried. One in doubt is safe to repeat: it is applied once, and its owner
// token tells.
const upgradeTries = 6

// flush pushes what is in the buffer of an upgraded session and tells deliverers and the sweeper where it is.
func (e *Engine) flush(ctx context.Context, s sessionstore.Session, hold sessionstore.Lease) error {
	done, err := e.delivery.Flush(ctx, s, hold)
	if err != nil {
		return fmt.Errorf("engine: upgrade: %w", err)
	}
	if !done {
		return e.refuse(ctx, s.Conn)
	}
	return e.upgraded(ctx, s.ID)
}

// upgraded writes the connection where deliverers and the sweeper look for it. Until then they find the session
// by its buffer, whose refusal tells the connection.
func (e *Engine) upgraded(ctx context.Context, id sessionstore.SessionID) error {
	now := time.Now()
	s, err := e.store.Get(ctx, id, now)
	if errors.Is(err, sessionstore.ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("engine: upgrade: %w", err)
	}
	if s.State != sessionstore.Open || s.Transport != sessionstore.WebSocket {
		return nil
	}
	r := sessionstore.Registration{Session: id, Conn: s.Conn, PingAt: s.PingAt}
	r.LookAt = protocol.NextLook(&s, e.connectBy(s.CreatedAt), now)
	if err := e.store.Update(ctx, r); err != nil && !errors.Is(err, sessionstore.ErrNotFound) {
		return fmt.Errorf("engine: upgrade: %w", err)
	}
	if !s.Hint().IsZero() {
		for _, k := range s.Sockets {
			if k.Outbox != "" { // its rows name no connection
				continue
			}
			if err := e.store.SetHint(ctx, k, s.Conn); err != nil {
				return fmt.Errorf("engine: upgrade: %w", err)
			}
		}
	}
	e.tellUpgraded(ctx, s)
	if len(s.RewindsLeft()) > 0 { // which the client's GETs have not brought
		return e.tend(ctx, &s)
	}
	return nil
}

// abort takes a candidate back.
func (e *Engine) abort(ctx context.Context, id sessionstore.SessionID, conn sessionstore.Connection) error {
	err := e.store.Abort(ctx, id, conn)
	if err == nil || errors.Is(err, sessionstore.ErrConflict) || errors.Is(err, sessionstore.ErrNotFound) {
		return nil
	}
	return fmt.Errorf("engine: abort upgrade: %w", err)
}
