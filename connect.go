package nonstick

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"time"

	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/gateway/engine"
	"github.com/nonstick-io/nonstick/internal/again"
	"github.com/nonstick-io/nonstick/internal/ids"
	"github.com/nonstick-io/nonstick/internal/socketio"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// What a client is told when it may not join.
var (
	errInvalidNamespace = &Error{Message: "Invalid namespace"}
	errInternal         = &Error{Message: "Internal server error"}
	errStillLeaving     = &Error{Message: "Namespace is still being left"}
	errAuthTooLarge     = &Error{Message: "Auth too large"}
	errBusy             = &Error{Message: "Server is busy"}
	errFull             = &Error{Message: "Server is full"}
	errTooManySockets   = &Error{Message: "Too many namespaces"}
)

// connect handles CONNECT: it asks the connect handler, stores the socket, tells the client, and then
// lets everything happen that the handler wished for.
func (s *Server) connect(ctx context.Context, inv *engine.Invocation, p socketio.Packet) error {
	name := sessionstore.Namespace(p.Namespace)
	if s.find(name) == nil {
		return s.refuse(ctx, inv, p.Namespace, errInvalidNamespace)
	}
	if row, joined := inv.Socket(name); joined {
		if over, err := s.linksNothing(ctx, inv, row); err != nil {
			return err
		} else if over {
			return s.connect(ctx, inv, p)
		}
		if free, err := s.vacate(ctx, inv, row); !free || err != nil {
			return err
		}
	}
	switch {
	case len(p.Data) > s.limits.Socket.Auth:
		return s.refuse(ctx, inv, p.Namespace, errAuthTooLarge)
	case len(inv.Session().Sockets) >= s.limits.Sockets:
		return s.refuse(ctx, inv, p.Namespace, errTooManySockets)
	}
	entry := &sessionstore.NewSocket{
		ID: sessionstore.SocketID(ids.New(ctx)), Session: inv.ID(), Namespace: name,
		Auth: string(p.Data), ConnectedAt: time.Now(),
	}
	if isOld(inv) {
		entry.ID = sessionstore.OldSocketID(inv.ID(), name)
	}
	n, refusal := s.admit(ctx, entry)
	if refusal != nil {
		return s.refuse(ctx, inv, p.Namespace, refusal)
	}
	if n.child {
		entry.Parent = n.parent.name
	}
	n.sayKept(ctx)
	if done, err := s.recover(ctx, inv, n, p.Data); done || err != nil {
		return err
	}
	if n.recovery().MaxDisconnectionDuration > 0 && carriesMore(inv) {
		entry.Session = sessionstore.OutboxID(ids.New(ctx))
	}
	socket := &Socket{nsp: n, inv: inv, hint: inv.Hint(), row: entry.Row(), entry: entry}
	defer socket.end()
	if refusal := n.ask(ctx, socket); refusal != nil {
		return s.refuse(ctx, inv, p.Namespace, refusal)
	}
	rooms := entry.Rooms
	before, err := n.entrances(ctx, rooms)
	if err != nil {
		return err
	}
	if refusal, err := s.enter(ctx, inv, socket); err != nil {
		return err
	} else if refusal != nil {
		return s.refuse(ctx, inv, p.Namespace, refusal)
	}
	s.tellConnect(ctx, socket)
	socket.phase, socket.entry = connected, nil
	answer := socketio.Packet{Type: socketio.Connect}
	if !isOld(inv) {
		answer.Data = connectData(&socket.row)
	}
	if err := n.reply(ctx, inv, answer); err != nil {
		return fmt.Errorf("nonstick: connect: %w", err)
	}
	defer s.via.Bulk.Flush(ctx)
	callCtx := withCall(ctx, socket)
	for _, f := range socket.deferred {
		if err := f(callCtx); err != nil {
			s.log.ErrorContext(ctx, "emit of a connect handler failed", "nsp", p.Namespace, "error", err)
		}
	}
	if len(n.hooks.connected) == 0 && len(before) == 0 {
		return nil
	}
	if err := inv.InOrder(ctx); err != nil {
		return fmt.Errorf("nonstick: connect: %w", err)
	}
	n.entered(callCtx, socket.row, rooms, before)
	n.tellConnected(ctx, socket)
	socket.keep()
	return nil
}

// ask runs the connect handler; a refusal is what the client is told.
func (n *Namespace) ask(ctx context.Context, socket *Socket) (refusal *Error) {
	defer n.server.via.Bulk.Flush(ctx)
	defer func() {
		if r := recover(); r != nil {
			n.server.log.ErrorContext(
				ctx, "connect handler panicked", "nsp", string(n.name), "panic", fmt.Sprint(r), "stack",
				string(debug.Stack()),
			)
			refusal = errInternal
		}
	}()
	err := n.passed(withCall(ctx, socket), socket)
	if err == nil {
		return nil
	}
	if errors.As(err, &refusal) {
		return refusal
	}
	n.server.log.ErrorContext(ctx, "connect handler failed", "nsp", string(n.name), "error", err)
	return errInternal
}

func (s *Server) refuse(ctx context.Context, inv *engine.Invocation, nsp string, why *Error) error {
	data, err := refusalData(inv, why)
	if err != nil { // of the error's data, which are the handler's
		s.log.ErrorContext(ctx, "connect error not sent as it is", "nsp", nsp, "error", err)
		return s.refuse(ctx, inv, nsp, errInternal)
	}
	err = s.reply(ctx, inv, socketio.Packet{Type: socketio.ConnectError, Namespace: nsp, Data: data})
	switch {
	case !errors.Is(err, delivery.ErrPacketTooLarge):
		return err
	case len(nsp) > sessionstore.MaxName: // what is too large is the client's own
		return invalid(fmt.Errorf("a client connected to a namespace of %d bytes", len(nsp)))
	}
	s.log.ErrorContext(ctx, "connect error not sent as it is", "nsp", nsp, "error", err)
	return s.refuse(ctx, inv, nsp, errInternal)
}

// enter stores the socket and makes sure that the session is still open afterwards: the caller that closes it reads its
// sockets after the close, so either they see this one, or this reading sees the close. The same reading shows if
// several CONNECTs at once have made the session too many sockets: then this one is taken back.
func (s *Server) enter(ctx context.Context, inv *engine.Invocation, socket *Socket) (*Error, error) {
	if socket.nsp.child {
		if refusal, err := socket.nsp.list(ctx); err != nil || refusal != nil {
			return refusal, err
		}
	}
	recoverable := socket.entry.Session.IsOutbox()
	var watched func(context.Context) // it stays where anything goes wrong
	if recoverable {
		var err error
		watched, err = s.engine.Watch(ctx, socket.entry.Session, socket.nsp.recovery().MaxDisconnectionDuration)
		if err == nil {
			err = s.makeOutbox(ctx, inv, socket.entry)
		}
		if refusal, err := refusalOf(socket.nsp.name, err); err != nil || refusal != nil {
			return refusal, err
		}
		socket.hint = sessionstore.Connection{}
	}
	err := s.store.PutSocket(ctx, *socket.entry, socket.hint, s.limits.Socket)
	if refusal, err := refusalOf(socket.nsp.name, err); err != nil || refusal != nil {
		return refusal, err
	}
	socket.row = socket.entry.Row()
	socket.row.Outbox = outboxOf(&socket.row)
	now, err := s.store.Get(ctx, inv.ID(), time.Now())
	if err != nil && !errors.Is(err, sessionstore.ErrNotFound) {
		return nil, fmt.Errorf("nonstick: connect: %w", err)
	}
	if err != nil || now.State != sessionstore.Open {
		return nil, s.tooLate(ctx, inv, socket)
	}
	if len(now.Sockets) > s.limits.Sockets {
		if recoverable {
			if err := s.endOutbox(ctx, inv, &socket.row, delivery.ReasonServerDisconnect); err != nil {
				return nil, fmt.Errorf("nonstick: connect: %w", err)
			}
			return errTooManySockets, nil
		}
		if _, err := s.store.RemoveSocket(ctx, socket.row); err != nil && !errors.Is(err, sessionstore.ErrNotFound) {
			return nil, fmt.Errorf("nonstick: connect: %w", err)
		}
		return errTooManySockets, nil
	}
	if recoverable { // whose row in the session says less
		watched(ctx)
	} else {
		socket.row, _ = now.Socket(socket.nsp.name)
	}
	inv.SetSockets(now.Sockets)
	return nil, nil
}

// refusalOf is what a client is told that may not join because of the store; its CONNECT ends with the error, if that
// is another.
func refusalOf(nsp sessionstore.Namespace, err error) (*Error, error) {
	switch {
	case err == nil:
		return nil, nil
	case errors.Is(err, sessionstore.ErrExists):
		return nil, twice(nsp)
	case errors.Is(err, sessionstore.ErrFull):
		return errFull, nil
	case errors.Is(err, ErrBusy):
		return errBusy, nil
	default:
		return nil, fmt.Errorf("nonstick: connect: %w", err)
	}
}

// tooLatePatience bounds the wait for a close that is under way. If the closer has crashed, the instance that takes
// over sees this socket's row.
const tooLatePatience = 3 * time.Second

// closedMeanwhile ends a CONNECT whose session closed during it.
func closedMeanwhile() error {
	return &engine.CloseError{
		Reason: delivery.ReasonTransportClose, Cause: errors.New("the session closed during CONNECT"),
	}
}

// tooLate undoes a CONNECT whose session closed meanwhile. The closer of the session, or of the outbox that it was to
// carry, may have seen the socket or not, which shows when that is closed: a row that is still there is this caller's
// to remove, and so is the run of its disconnect handler.
func (s *Server) tooLate(ctx context.Context, inv *engine.Invocation, socket *Socket) error {
	if socket.row.Session.IsOutbox() { // its client never knew of it, so it need not wait for that
		if err := s.endOutbox(ctx, inv, &socket.row, delivery.ReasonTransportClose); err != nil {
			return fmt.Errorf("nonstick: connect: %w", err)
		}
	}
	gone := closedMeanwhile()
	var how ending
	for tries := again.Until(time.Now().Add(tooLatePatience)); ; {
		if !tries.Next(ctx) {
			return gone
		}
		now, err := s.store.Get(ctx, socket.row.Session, time.Now())
		if errors.Is(err, sessionstore.ErrNotFound) || err == nil && now.State == sessionstore.Closed {
			how = endingOf(&now)
			break
		}
	}
	_, err := s.store.RemoveSocket(ctx, socket.row)
	switch {
	case errors.Is(err, sessionstore.ErrNotFound):
		return gone
	case err != nil:
		return fmt.Errorf("nonstick: connect: %w", err)
	}
	// What it kept is gone from the store, and still at hand.
	timed, end := s.handlerContext(ctx)
	defer end()
	entry := *socket.entry
	if !socket.nsp.disconnecting(timed, socket.row, &entry, how) {
		entry.Rooms = nil
		socket.nsp.disconnected(timed, socket.row, &entry, how)
	}
	return gone
}

// clientDisconnect handles DISCONNECT: the socket leaves, the session stays.
func (s *Server) clientDisconnect(ctx context.Context, inv *engine.Invocation, p socketio.Packet) error {
	row, ok, err := s.joined(ctx, inv, p)
	if !ok || err != nil {
		return err
	}
	return s.leave(ctx, inv, row, delivery.ReasonClientDisconnect)
}

// leaveOutbox ends a recoverable socket. The end of its outbox decides: if another session has it by now, it stays.
// What was sent to it in this request goes before; then the word that it has to leave, if that is the server's wish. A
// client that takes nothing loses its session, or it would not come to know.
func (s *Server) leaveOutbox(
	ctx context.Context, inv *engine.Invocation, row *sessionstore.Socket, reason string,
) error {
	if reason != delivery.ReasonServerDisconnect {
		if err := inv.Flush(ctx); err != nil && !errors.Is(err, delivery.ErrClosed) {
			return err
		}
	} else if untold, err := s.tellToLeave(ctx, inv, row); err != nil {
		return err
	} else if untold != "" {
		inv.CloseFor(delivery.ReasonTransportError, untold)
	}
	return s.endOutbox(ctx, inv, row, reason)
}

// tellToLeave tells the client of a recoverable socket that it has to leave, behind what was sent to it in this
// request. It returns why the session has to end, if the client does not take that.
func (s *Server) tellToLeave(
	ctx context.Context, inv *engine.Invocation, row *sessionstore.Socket,
) (untold string, err error) {
	if err := inv.Flush(ctx); err != nil && !errors.Is(err, delivery.ErrClosed) {
		return "", err
	}
	now, untold, err := s.engine.Delivery().Farewell(ctx, row.Session, inv.ID(), s.bye(ctx, row))
	if err != nil {
		return "", fmt.Errorf("nonstick: tell a client to leave: %w", err)
	}
	if now.State != sessionstore.Open || now.Carrier != inv.ID() {
		return "", nil // it was not this session's to tell
	}
	return untold, nil
}

// leave runs the disconnect handler of a socket whose session goes on, and removes it. If another instance is doing so,
// it is left to that instance.
func (s *Server) leave(ctx context.Context, inv *engine.Invocation, row sessionstore.Socket, reason string) error {
	if err := s.markLeft(ctx, inv.ID(), row.Namespace); err != nil {
		return err
	}
	inv.Told.Flush(ctx) // before the end of the socket, which is told by itself
	if row.Session.IsOutbox() {
		if err := s.leaveOutbox(ctx, inv, &row, reason); err != nil {
			return fmt.Errorf("nonstick: leave: %w", err)
		}
	} else if _, err := s.part(ctx, row, ending{reason: reason, transport: inv.Session().Transport}); err != nil {
		return err
	}
	rest := without(inv, row.Namespace)
	inv.SetSockets(rest)
	if inv.Left == nil {
		inv.Left = make(map[sessionstore.Namespace]bool)
	}
	inv.Left[row.Namespace] = true
	if len(rest) > 0 {
		return nil
	}
	session := inv.Session()
	return s.engine.Joined(ctx, &session)
}

// without returns the sockets of an invocation's session but for that in a namespace.
func without(inv *engine.Invocation, nsp sessionstore.Namespace) []sessionstore.Socket {
	all := slices.Clone(inv.Session().Sockets) // what was read is shared
	return slices.DeleteFunc(all, func(k sessionstore.Socket) bool { return k.Namespace == nsp })
}
