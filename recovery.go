package nonstick

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/gateway"
	"github.com/nonstick-io/nonstick/gateway/engine"
	"github.com/nonstick-io/nonstick/internal/socketio"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// ConnectionStateRecovery lets a client that lost its connection come back as the socket that it was: with the same id,
// rooms and data, and with all that was emitted to it meanwhile, once and in order, whichever instances died. See
// docs/recovery.md.
type ConnectionStateRecovery struct {
	// MaxDisconnectionDuration is how long a socket waits for its client; at most [MaxDisconnectionDuration]. 0 means
	// that sockets are not recovered.
	MaxDisconnectionDuration time.Duration
	// Middlewares asks middleware and connect handler again when a client comes back, as Socket.IO does with
	// skipMiddlewares: false. One that they refuse is told so, and its socket ends.
	Middlewares bool
}

// MaxDisconnectionDuration is the longest time that a socket may wait for its client.
const MaxDisconnectionDuration = gateway.MaxRecovery

func (r ConnectionStateRecovery) check() {
	if d := r.MaxDisconnectionDuration; d < 0 || d > MaxDisconnectionDuration {
		panic(fmt.Sprintf(
			"nonstick: connection state recovery: MaxDisconnectionDuration is %v, want 0 to %v", d, gateway.MaxRecovery,
		))
	}
}

// ConnectionStateRecovery sets whether sockets are recovered, in all namespaces that say nothing else; by default as
// the program says (localdev --recovery, the template's parameter Recovery), and that is not at all. It panics at a
// duration below 0 or above [MaxDisconnectionDuration], and with [ErrServing] after the first request of a client.
func (s *Server) ConnectionStateRecovery(r ConnectionStateRecovery) {
	r.check()
	s.seal.register("connection state recovery", func() { s.recovery = r; s.allowRecovery(r) })
}

// ConnectionStateRecovery is [Server.ConnectionStateRecovery] for the sockets of this namespace, or of all children of
// a parent. For the main namespace alone it is set by Of("/").
func (n *Namespace) ConnectionStateRecovery(r ConnectionStateRecovery) {
	r.check()
	n.register("connection state recovery", func() { n.hooks.recovery = &r; n.server.allowRecovery(r) })
}

func (s *Server) allowRecovery(r ConnectionStateRecovery) {
	if r.MaxDisconnectionDuration > 0 {
		s.engine.AllowRecovery()
	}
}

// recovery is whether sockets of the namespace are recovered.
func (n *Namespace) recovery() ConnectionStateRecovery {
	if n.hooks.recovery != nil {
		return *n.hooks.recovery
	}
	return n.server.recovery
}

// Recovered reports whether the socket's client has come back, and is the socket that it was, in this very request. It
// is of use in hooks of [Namespace.OnConnected], and in middleware and connect handlers that are asked again.
func (s *Socket) Recovered() bool { return s.recovered }

// comeBack is what a client says of itself with CONNECT that wants to be recovered.
type comeBack struct {
	PID    string `json:"pid"`
	Offset string `json:"offset"`
}

// makeOutbox makes the outbox of a socket that joins.
func (s *Server) makeOutbox(ctx context.Context, inv *engine.Invocation, entry *sessionstore.NewSocket) error {
	session := inv.Session()
	box := sessionstore.NewSession{
		ID: entry.Session, Transport: sessionstore.Outbox, Carrier: session.ID, Conn: session.Hint(),
		Serial: session.Serial, CreatedAt: entry.ConnectedAt,
	}
	if session.Transport == sessionstore.Polling {
		box.Hold.Owner = sessionstore.HoldPolling
	}
	if err := s.store.Create(ctx, box); err != nil {
		return err
	}
	return s.store.Link(ctx, link(session.ID, new(entry.Row())))
}

// link is the row by which a session knows that it carries a recoverable socket.
func link(session sessionstore.SessionID, row *sessionstore.Socket) sessionstore.Socket {
	return sessionstore.Socket{
		ID: row.ID, Session: session, Namespace: row.Namespace, Outbox: row.Session, Parent: row.Parent,
	}
}

// recover lets a client come back. It reports false if that is a new one: it does not say that it comes back, or what
// it was is over, or what it missed cannot be sent whole.
func (s *Server) recover(
	ctx context.Context, inv *engine.Invocation, n *Namespace, auth json.RawMessage,
) (done bool, err error) {
	keep := n.recovery().MaxDisconnectionDuration
	var back comeBack
	if keep == 0 || !carriesMore(inv) || json.Unmarshal(auth, &back) != nil || back.PID == "" ||
		len(back.PID) > maxPID {
		return false, nil
	}
	box, err := s.store.Get(ctx, sessionstore.OutboxID(back.PID), time.Now())
	if errors.Is(err, sessionstore.ErrNotFound) {
		n.notRecovered(ctx, inv, "its socket has ended")
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("nonstick: recover: %w", err)
	}
	row, ok := box.Socket(n.name)
	if !ok || row.Leaving.Held() {
		n.notRecovered(ctx, inv, "its socket has ended, or is of another namespace")
		return false, nil
	}
	if !s.engine.Delivery().Recoverable(&box, back.Offset) { // what it was need not wait any more
		n.notRecovered(ctx, inv, "its time is over, or what it missed is not there whole")
		if err := s.engine.CloseAway(ctx, box.ID, noDetails); err != nil {
			return false, fmt.Errorf("nonstick: recover: %w", err)
		}
		return false, nil
	}
	socket := &Socket{nsp: n, inv: inv, row: row, phase: connected, recovered: true}
	defer socket.end()
	if n.recovery().Middlewares {
		if refusal := n.ask(ctx, socket); refusal != nil {
			if err := s.endRefused(ctx, box.ID); err != nil {
				return false, fmt.Errorf("nonstick: recover: %w", err)
			}
			return true, s.refuse(ctx, inv, string(n.name), refusal)
		}
	}
	if refusal, err := refusalOf(n.name, s.store.Link(ctx, link(inv.ID(), &row))); err != nil || refusal != nil {
		if refusal != nil {
			err = s.refuse(ctx, inv, string(n.name), refusal)
		}
		return true, err
	}
	watched, err := s.engine.Watch(ctx, box.ID, keep)
	if err != nil {
		return false, fmt.Errorf("nonstick: recover: %w", err)
	}
	session := inv.Session()
	recovered, err := s.engine.Delivery().Recover(ctx, delivery.Recovery{
		Outbox: &box, Offset: back.Offset, Carrier: &session,
		First: []sessionstore.Packet{n.connectAnswer(ctx, &row)},
		Moved: func(ctx context.Context) (bool, error) { return s.carries(ctx, inv, &row, keep) },
	})
	if err != nil {
		return false, &engine.CloseError{Reason: delivery.ReasonTransportError, Cause: fmt.Errorf("recover: %w", err)}
	}
	watched(ctx)
	if !recovered {
		if err := s.store.Unlink(ctx, link(inv.ID(), &row)); err != nil {
			return false, fmt.Errorf("nonstick: recover: %w", err)
		}
		n.notRecovered(ctx, inv, "another caller was first, or what it missed is not there whole")
		return false, nil
	}
	inv.SetSockets(append(slices.Clip(inv.Session().Sockets), row.Home()))
	defer s.via.Bulk.Flush(ctx)
	n.tellConnected(ctx, socket)
	socket.keep()
	return true, nil
}

// endRefused ends the socket of a client that was refused when it came back, and the session that carries it: the
// client there is not told that its socket has ended. Which session that is shows once the outbox has closed.
func (s *Server) endRefused(ctx context.Context, outbox sessionstore.SessionID) error {
	if err := s.engine.Fail(ctx, outbox, delivery.ReasonServerDisconnect); err != nil {
		return err
	}
	box, err := s.store.Get(ctx, outbox, time.Now())
	if errors.Is(err, sessionstore.ErrNotFound) || err == nil && box.Carrier == "" {
		return nil
	}
	if err != nil {
		return fmt.Errorf("its carrier: %w", err)
	}
	const why = "its client came back by another connection, and a middleware refused it"
	return s.engine.FailFor(ctx, box.Carrier, delivery.ReasonTransportClose, why)
}

// notRecovered logs why a client that came back is a new one: what it missed is lost to it.
func (n *Namespace) notRecovered(ctx context.Context, inv *engine.Invocation, why string) {
	n.server.log.InfoContext(
		ctx, "a client that came back is new", "session", engine.NameInLog(inv.ID()), "nsp", string(n.name),
		"cause", why,
	)
}

// maxCarried is how many outboxes a session may carry in its life while it is on polling: what it notes of each stays
// in its item. It is twice the namespaces that it may be in at a time by default.
const maxCarried = 64

// carriesMore reports whether a session may carry another outbox. A socket beyond that is not recoverable, nor are
// those of old clients, which do not ask for it.
func carriesMore(inv *engine.Invocation) bool {
	session := inv.Session()
	return !isOld(inv) && len(session.Numbers) < maxCarried
}

// maxPID is the longest private id that a client may offer.
const maxPID = 64

// connectAnswer is the answer to CONNECT of a recoverable socket.
func (n *Namespace) connectAnswer(ctx context.Context, row *sessionstore.Socket) sessionstore.Packet {
	p := n.server.via.Adapter.NewPacket(ctx, socketio.Packet{
		Type: socketio.Connect, Namespace: string(n.name), Data: connectData(row),
	})
	return sessionstore.Packet{ID: p.PacketID(), Frames: p.Frames()}
}

// connectData is what the answer to CONNECT carries.
func connectData(row *sessionstore.Socket) json.RawMessage {
	data := `{"sid":"` + string(row.ID) + `"`
	if pid := row.Session.PID(); pid != "" {
		data += `,"pid":"` + pid + `"`
	}
	return json.RawMessage(data + "}")
}

// carries makes sure that the session that carries an outbox from now on is still open: the caller that closes it reads
// its rows after the close, so either they see the link and give the outbox up, or this reading sees the close.
func (s *Server) carries(
	ctx context.Context, inv *engine.Invocation, row *sessionstore.Socket, keep time.Duration,
) (bool, error) {
	now, err := s.store.Get(ctx, inv.ID(), time.Now())
	if err != nil && !errors.Is(err, sessionstore.ErrNotFound) {
		return false, fmt.Errorf("nonstick: recover: %w", err)
	}
	if err == nil && now.State == sessionstore.Open {
		return true, nil
	}
	if err := s.engine.Lose(ctx, row.Session, inv.ID(), keep, delivery.ReasonTransportClose); err != nil {
		return false, fmt.Errorf("nonstick: recover: %w", err)
	}
	return false, closedMeanwhile()
}

// recoverable reports whether a socket may come back whose session has closed for a reason: Socket.IO's list.
func recoverable(reason string) bool {
	switch reason {
	case delivery.ReasonParseError, delivery.ReasonClientDisconnect, delivery.ReasonServerDisconnect:
		return false
	default:
		return true
	}
}

// lost gives up the recoverable socket of a session that has closed: it waits for its client, or ends with the session.
func (s *Server) lost(ctx context.Context, row sessionstore.Socket, how ending) error {
	home := row.Home()
	n := s.namespaceOf(home)
	keep := time.Duration(0)
	if n != nil {
		keep = n.recovery().MaxDisconnectionDuration
	}
	var err error
	if keep > 0 && recoverable(how.reason) {
		err = s.engine.Lose(ctx, row.Outbox, row.Session, keep, how.reason)
	} else {
		err = s.engine.EndOutbox(ctx, row.Outbox, row.Session, how.reason, how.details)
	}
	if err == nil {
		err = s.store.Unlink(ctx, row)
	}
	if err != nil {
		return fmt.Errorf("nonstick: lost socket: %w", err)
	}
	return nil
}

// endOutbox ends a recoverable socket of the session that carries it, and its link there. If another session has it by
// now, that keeps it.
func (s *Server) endOutbox(
	ctx context.Context, inv *engine.Invocation, row *sessionstore.Socket, reason string,
) error {
	if err := s.engine.EndOutbox(ctx, row.Session, inv.ID(), reason, noDetails); err != nil {
		return err
	}
	return s.store.Unlink(ctx, link(inv.ID(), row))
}

// noDetails are of an end of which nothing is known but its reason.
var noDetails sessionstore.Details

// outboxOf is the outbox that a row is of, or nothing.
func outboxOf(row *sessionstore.Socket) sessionstore.SessionID {
	if row.Session.IsOutbox() {
		return row.Session
	}
	return ""
}

// linksNothing reports whether a row that a CONNECT met is of an outbox that has ended, and removes it then: the caller
// that ended it was about to.
func (s *Server) linksNothing(
	ctx context.Context, inv *engine.Invocation, row sessionstore.Socket,
) (bool, error) {
	if !row.Session.IsOutbox() {
		return false, nil
	}
	box, err := s.store.Get(ctx, row.Session, time.Now())
	if err == nil && box.State == sessionstore.Open || err != nil && !errors.Is(err, sessionstore.ErrNotFound) {
		return false, err
	}
	if err := s.store.Unlink(ctx, link(inv.ID(), &row)); err != nil {
		return false, fmt.Errorf("nonstick: connect: %w", err)
	}
	inv.SetSockets(without(inv, row.Namespace))
	return true, nil
}
