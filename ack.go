package nonstick

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nonstick-io/nonstick/adapter"
	"github.com/nonstick-io/nonstick/adapter/emitter"
	"github.com/nonstick-io/nonstick/gateway/engine"
	"github.com/nonstick-io/nonstick/internal/socketio"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// Errors of acknowledgements that the server waits for.
var (
	// ErrAckOwnSession: a handler wants to wait for an acknowledgement of the client whose message it is handling.
	// What it emits leaves when it has returned, so it would wait for ever.
	ErrAckOwnSession = errors.New("nonstick: cannot wait for an acknowledgement of the client whose message is being " +
		"handled: emit with EmitThen, and take the answer with OnReply")
	// ErrAckTimeout: the client did not acknowledge in time.
	ErrAckTimeout = emitter.ErrAckTimeout
	// ErrTooManyAcks: the client owes as many acknowledgements as it may, see sessionstore.AckPlaces; with very many
	// the error may come a little earlier. Nothing was emitted.
	ErrTooManyAcks = emitter.ErrTooManyAcks
	// ErrNoHandler: no [OnReply] of that name is registered.
	ErrNoHandler = errors.New("nonstick: no such reply handler")
)

// ackLife is how long an answer to [EmitThen] is waited for.
const ackLife = 24 * time.Hour

// EmitWithAck emits an event to a socket and waits for its client's acknowledgement: until the deadline that the
// caller has set on ctx, or for 10 s; in a handler at most until 3 s before its platform ends it, so that the client
// which it serves gets an answer. Errors: [ErrAckTimeout], [ErrDisconnected], [ErrAckOwnSession], [ErrTooManyAcks],
// [ErrArgs] and those of an emit.
func EmitWithAck[Out any](ctx context.Context, to *RemoteSocket, event string, args ...any) (out Out, err error) {
	answer, err := to.EmitWithAck(ctx, event, args...)
	if err != nil {
		return out, withLimit(err)
	}
	return DecodeArgs[Out](answer)
}

// EmitThen emits to the socket whose event is handled and asks for an acknowledgement, which the handler that
// [OnReply] set under the name takes when it comes, within a day, with the state, on any instance. It waits for
// nothing. The state is encoded by encoding/json, at most sessionstore.MaxAckState bytes.
func EmitThen[State any](ctx context.Context, s *Socket, event, name string, state State, args ...any) error {
	encoded, err := EncodeArgs(args...)
	if err != nil {
		return err
	}
	kept, err := json.Marshal(state)
	if err != nil {
		return fmt.Errorf("nonstick: state of reply %q: %w", name, err)
	}
	return s.emitThen(ctx, event, encoded, name, string(kept))
}

func (s *Socket) emitThen(ctx context.Context, event string, args Args, name, state string) error {
	if err := s.inHandler(); err != nil {
		return err
	}
	if s.nsp.handler == s.nsp.table && s.nsp.table.replies[name] == nil {
		return fmt.Errorf("%w: %q", ErrNoHandler, name)
	}
	if err := s.nsp.server.via.Accepts(event, args); err != nil {
		return err
	}
	a, err := emitter.ExpectAck(ctx, s.nsp.server.store, sessionstore.Ack{
		Session: s.row.Session, Namespace: s.nsp.name, Continuation: name, State: state,
		ExpiresAt: time.Now().Add(ackLife),
	})
	if err != nil {
		return withLimit(err)
	}
	p, err := s.nsp.server.via.Event(ctx, s.nsp.name, event, args, &a.ID)
	if err != nil {
		return err
	}
	if err := s.send(ctx, p); err != nil {
		return err
	}
	s.emitting(ctx, event, args)
	return nil
}

// ack handles a client's acknowledgement. One for which no caller and no reply handler waits (any more) is ignored.
func (s *Server) ack(ctx context.Context, inv *engine.Invocation, p socketio.Packet) error {
	row, ok, err := s.joined(ctx, inv, p)
	if !ok || err != nil {
		return err
	}
	if !p.HasID {
		return nil
	}
	if pending, err := s.pending(ctx, inv, p.ID); err != nil || !pending {
		return err
	}
	a := sessionstore.Ack{
		Session: inv.ID(), Namespace: row.Namespace, ID: p.ID,
		Answer: append([]string{p.Encode()}, adapter.NewPacket(ctx, p).Frames()[1:]...),
	}
	a, err = s.store.AnswerAck(ctx, a, time.Now())
	if errors.Is(err, sessionstore.ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("nonstick: acknowledgement: %w", err)
	}
	n := s.namespaceOf(row)
	if a.Continuation == "" || n == nil {
		return nil
	}
	socket := &Socket{nsp: n, row: row, inv: inv, hint: inv.Hint(), phase: connected}
	answer := Args{JSON: p.Data, Attachments: p.Attachments}
	s.run(ctx, socket, a.Continuation, func(ctx context.Context) (Args, error) {
		err := n.serve.Reply(ctx, socket, a.Continuation, answer, stateOf(a))
		if errors.Is(err, ErrUnhandled) {
			err = fmt.Errorf("%w: %q", ErrNoHandler, a.Continuation)
		}
		return Args{}, err
	})
	socket.keep()
	return nil
}

// pending reports whether an acknowledgement may be waited for. The store is asked once in a request, whatever the
// client sends.
func (s *Server) pending(ctx context.Context, inv *engine.Invocation, id uint64) (bool, error) {
	if id > emitter.MaxAckID {
		return false, nil
	}
	if inv.Acks == nil {
		ids, all, err := s.store.PendingAcks(ctx, inv.ID())
		if err != nil {
			return false, fmt.Errorf("nonstick: acknowledgement: %w", err)
		}
		inv.Acks = &engine.Acks{Pending: make(map[uint64]bool, len(ids)), All: all}
		for _, n := range ids {
			inv.Acks.Pending[n] = true
		}
	}
	pending := inv.Acks.Pending[id] || !inv.Acks.All
	if inv.Acks.All {
		delete(inv.Acks.Pending, id) // it is answered once
	}
	return pending, nil
}
