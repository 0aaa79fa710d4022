package nonstick

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"

	"github.com/nonstick-io/nonstick/adapter"
	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/gateway/engine"
	"github.com/nonstick-io/nonstick/internal/socketio"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// event dispatches an event to its handler and acknowledges it if asked to.
func (s *Server) event(ctx context.Context, inv *engine.Invocation, p socketio.Packet) error {
	row, ok, err := s.joined(ctx, inv, p)
	if !ok || err != nil {
		return err
	}
	if len(p.Data) == 0 {
		return nil
	}
	n := s.namespaceOf(row)
	if n == nil {
		return violation("an event came for the namespace %q, which this instance does not have", p.Namespace)
	}
	name, args, err := socketio.EventName(p.Data)
	if err != nil {
		return invalid(err)
	}
	socket := &Socket{nsp: n, row: row, inv: inv, hint: inv.Hint(), phase: connected}
	out := s.run(ctx, socket, name, func(ctx context.Context) (Args, error) {
		in := Args{JSON: args, Attachments: p.Attachments}
		answer, err := n.dispatch(ctx, socket, name, in)
		if err == nil || errors.Is(err, ErrUnhandled) {
			s.tellEvent(ctx, row, name, in)
		}
		return answer, err
	})
	socket.keep()
	if out == nil || !p.HasID {
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
	if len(out.Attachments) == 0 || n.server.attaches() {
		err, told = n.reply(ctx, inv, ackPacket(id, out)), errAckTooLarge
		if !errors.Is(err, delivery.ErrPacketTooLarge) {
			return err
		}
	}
	n.server.log.ErrorContext(ctx, "event not acknowledged", "nsp", string(n.name), "event", event, "error", err)
	instead, err := EncodeArgs(told)
	if err != nil {
		return err
	}
	return n.reply(ctx, inv, ackPacket(id, instead))
}

// ackPacket is the packet of an acknowledgement.
func ackPacket(id uint64, args Args) socketio.Packet {
	data := args.JSON
	if len(data) == 0 {
		data = json.RawMessage("[]")
	}
	return socketio.Packet{Type: socketio.Ack, ID: id, HasID: true, Data: data, Attachments: args.Attachments}
}

// reply sends what belongs to the packet that is handled.
func (n *Namespace) reply(ctx context.Context, inv *engine.Invocation, p socketio.Packet) error {
	p.Namespace = string(n.name)
	return n.server.reply(ctx, inv, p)
}

func (s *Server) reply(ctx context.Context, inv *engine.Invocation, p socketio.Packet) error {
	to := sessionstore.Member{Session: inv.ID()}
	if row, ok := inv.Socket(sessionstore.Namespace(p.Namespace)); ok && p.Type != socketio.Connect {
		to.Session = row.Session
	}
	_, err := adapter.Send(ctx, inv.Replies(), to, s.via.Adapter.NewPacket(ctx, p))
	return err
}

// run calls a handler for an event or a reply. No answer means that there is nothing to acknowledge with: the handler
// failed.
func (s *Server) run(
	ctx context.Context, socket *Socket, name string, handle func(context.Context) (Args, error),
) (answer *Args) {
	defer s.via.Bulk.Flush(ctx)
	defer socket.end()
	nsp := slog.String("nsp", string(socket.nsp.name))
	event := slog.String("event", name)
	defer func() {
		if r := recover(); r != nil {
			s.log.ErrorContext(ctx, "event handler panicked", nsp, event, slog.Any("panic", fmt.Sprint(r)),
				slog.String("stack", string(debug.Stack())))
			answer = nil
		}
	}()
	out, err := handle(withCall(ctx, socket))
	switch told, isTold := errors.AsType[*Error](err); {
	case err == nil:
		return &out
	case errors.Is(err, ErrUnhandled):
		s.log.DebugContext(ctx, "event without a handler", nsp, event)
		return nil
	case isTold:
		s.log.DebugContext(ctx, "event refused", nsp, event, slog.Any("error", err))
		if out, err = EncodeArgs(told); err == nil {
			return &out
		}
		s.log.ErrorContext(ctx, "event not acknowledged", nsp, event, slog.Any("error", err))
		return nil
	default:
		s.log.ErrorContext(ctx, "event handler failed", nsp, event, slog.Any("error", err))
		return nil
	}
}

// keep brings what a handler changed of its socket to the events that follow in the same request.
func (s *Socket) keep() {
	if !s.changed {
		return
	}
	sockets := slices.Clone(s.inv.Session().Sockets) // what was read is shared
	for i := range sockets {
		if sockets[i].ID == s.row.ID {
			sockets[i] = s.row
		}
	}
	s.inv.SetSockets(sockets)
}

// joined finds the socket that a packet is for. It is false without an error for a packet that is to be ignored: it
// was overtaken by the end of its namespace, or came in the same request right behind that end, where the reference
// ignores it too.
func (s *Server) joined(
	ctx context.Context, inv *engine.Invocation, p socketio.Packet,
) (sessionstore.Socket, bool, error) {
	name := sessionstore.Namespace(p.Namespace)
	row, ok := inv.Socket(name)
	if ok {
		return row, true, nil
	}
	if inv.Left[name] {
		return row, false, nil
	}
	if s.unordered && inv.OnWebSocket() && s.find(name) != nil {
		left, err := s.justLeft(ctx, inv.ID(), name)
		if err != nil {
			return row, false, err
		}
		if left {
			s.log.InfoContext(
				ctx, "packet dropped: it was overtaken by the end of its namespace", "session",
				engine.NameInLog(inv.ID()), "nsp", p.Namespace, "type", p.Type.String(),
			)
			return row, false, nil
		}
	}
	return row, false, violation("a client sent %s to %q, which it has not joined", p.Type, p.Namespace)
}

// stateOf is the JSON that a continuation is given back.
func stateOf(kept string) json.RawMessage {
	if kept == "" {
		return nil
	}
	return json.RawMessage(kept)
}
