package nonstick

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"

	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/gateway/engine"
	"github.com/nonstick-io/nonstick/internal/socketio"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// On sets the handler of an event. In is what the client sends: one argument, [None], several as [Args2] or
// [Args3], or [Args] as they come. Out is what the handler acknowledges with, in the same way; it is dropped if the
// client did not ask. An [*Error] is acknowledged as {"message", "data"}; any other error is logged, and the
// client gets no acknowledgement.
//
// On panics at a name that Socket.IO keeps to itself, and with [ErrServing] after the first message of a client: both
// are mistakes in the program.
func On[In, Out any](n *Namespace, event string, h func(ctx context.Context, s *Socket, in In) (Out, error)) {
	if err := checkEvent(event); err != nil {
		panic(err)
	}
	handler := func(ctx context.Context, s *Socket, args Args) (Args, error) {
		in, err := DecodeArgs[In](args)
		if err != nil {
			return Args{}, &badArgsError{event: event, cause: err}
		}
		out, err := h(ctx, s, in)
		if err != nil {
			return Args{}, err
		}
		return EncodeArgs(out)
	}
	n.register(fmt.Sprintf("the handler of %q", event), func() { n.events[event] = handler })
}

// badArgsError is an event whose arguments do not fit: the client's mistake, so the client is told.
type badArgsError struct {
	event string
	cause error
}

func (e *badArgsError) Error() string { return fmt.Sprintf("event %q: %v", e.event, e.cause) }

// As lets errors.As find what the client is told.
func (e *badArgsError) As(target any) bool {
	if t, ok := target.(**Error); ok {
		*t = &Error{Message: "Invalid arguments"}
		return true
	}
	return false
}

// event dispatches an event to its handler and acknowledges it if asked to.
func (s *Server) event(ctx context.Context, inv *engine.Invocation, p socketio.Packet) error {
	row, ok, err := s.joined(ctx, inv, p)
	if !ok || err != nil {
		return err
	}
	if len(p.Data) == 0 {
		return nil
	}
	n := s.namespaces[row.Namespace]
	if n == nil {
		return violation("an event came for the namespace %q, which this instance does not have", p.Namespace)
	}
	name, args, err := socketio.EventName(p.Data)
	if err != nil {
		return invalid(err)
	}
	h := n.events[name]
	if h == nil {
		return nil
	}
	socket := &Socket{nsp: n, row: row, inv: inv, hint: inv.Session.Hint(), phase: connected}
	out, err := s.run(ctx, inv, socket, name, h, Args{JSON: args, Attachments: p.Attachments})
	socket.keep()
	if err != nil || !p.HasID {
		return err
	}
	if out == nil {
		return nil
	}
	return n.acknowledge(ctx, inv, p.ID, name, *out)
}

// What a client is told whose answer cannot be sent.
var (
	errAckTooLarge    = &Error{Message: "Acknowledgement too large"}
	errAckAttachments = &Error{Message: "Acknowledgement with binary data"}
)

// acknowledge answers an event. An answer that cannot be sent is the handler's mistake: the client is told so in its
// place, and keeps its connection.
func (n *Namespace) acknowledge(ctx context.Context, inv *engine.Invocation, id uint64, event string, out Args) error {
	err, told := error(ErrAttachments), errAckAttachments
	if len(out.Attachments) == 0 || n.server.engine.Attachments() {
		err, told = inv.Reply(ctx, n.ackFrames(id, out)...), errAckTooLarge
		if !errors.Is(err, delivery.ErrPacketTooLarge) {
			return err
		}
	}
	n.server.log.ErrorContext(ctx, "event not acknowledged", "nsp", string(n.name), "event", event, "error", err)
	instead, err := EncodeArgs(told)
	if err != nil {
		return err
	}
	return inv.Reply(ctx, n.ackFrames(id, instead)...)
}

// run calls a handler. No answer means that there is nothing to acknowledge with: the handler failed.
func (s *Server) run(
	ctx context.Context, inv *engine.Invocation, socket *Socket, name string, h eventHandler, args Args,
) (answer *Args, err error) {
	c := &call{inv: inv, socket: socket}
	defer s.flush(ctx, c, true)
	defer socket.end()
	defer func() {
		if r := recover(); r != nil {
			s.log.ErrorContext(
				ctx, "event handler panicked", "nsp", string(socket.nsp.name), "event", name, "panic", fmt.Sprint(r),
				"stack", string(debug.Stack()),
			)
			answer, err = nil, nil
		}
	}()
	out, err := h(withCall(ctx, c), socket, args)
	if err == nil {
		return &out, nil
	}
	var told *Error
	if errors.As(err, &told) {
		s.log.DebugContext(ctx, "event refused", "nsp", string(socket.nsp.name), "event", name, "error", err)
		out, err := EncodeArgs(told)
		if err == nil {
			return &out, nil
		}
		s.log.ErrorContext(ctx, "event not acknowledged", "nsp", string(socket.nsp.name), "event", name, "error", err)
		return nil, nil
	}
	s.log.ErrorContext(ctx, "event handler failed", "nsp", string(socket.nsp.name), "event", name, "error", err)
	return nil, nil
}

// keep brings what a handler changed of its socket to the events that follow in the same request.
func (s *Socket) keep() {
	if !s.changed {
		return
	}
	sockets := slices.Clone(s.inv.Session.Sockets) // what was read is shared
	for i := range sockets {
		if sockets[i].ID == s.row.ID {
			sockets[i] = s.row
		}
	}
	s.inv.Session.Sockets = sockets
}

// joined finds the socket that a packet is for. It is false without an error for a packet that is to be ignored: it
// was overtaken by the end of its namespace, or came in the same request right behind that end, where the reference
// ignores it too.
func (s *Server) joined(
	ctx context.Context, inv *engine.Invocation, p socketio.Packet,
) (sessionstore.Socket, bool, error) {
	name := sessionstore.Namespace(p.Namespace)
	row, ok := inv.Session.Socket(name)
	if ok {
		return row, true, nil
	}
	if inv.Left[name] {
		return row, false, nil
	}
	if s.unordered && inv.OnWebSocket() && s.namespaces[name] != nil {
		left, err := s.justLeft(ctx, inv.Session.ID, name)
		if err != nil {
			return row, false, err
		}
		if left {
			s.log.InfoContext(
				ctx, "packet dropped: it was overtaken by the end of its namespace", "session",
				engine.NameInLog(inv.Session.ID), "nsp", p.Namespace, "type", p.Type.String(),
			)
			return row, false, nil
		}
	}
	return row, false, violation("a client sent %s to %q, which it has not joined", p.Type, p.Namespace)
}

// stateOf is the JSON that a continuation is given back.
func stateOf(a sessionstore.Ack) json.RawMessage {
	if a.State == "" {
		return nil
	}
	return json.RawMessage(a.State)
}
