package nonstick

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/gateway/engine"
	"github.com/nonstick-io/nonstick/internal/ids"
	"github.com/nonstick-io/nonstick/internal/socketio"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// Errors of acknowledgements that the server waits for.
var (
	// ErrAckOwnSession: a handler wants to wait for an acknowledgement of the client whose message it is handling.
	// What it emits leaves when it has returned, so it would wait for ever.
	ErrAckOwnSession = errors.New(
		"nonstick: cannot wait for an acknowledgement of the client whose message is being handled: emit with EmitThen, and take the answer with OnAck",
	)
	// ErrAckTimeout: the client did not acknowledge in time.
	ErrAckTimeout = errors.New("nonstick: acknowledgement timed out")
	// ErrTooManyAcks: the client owes as many acknowledgements as it may, see sessionstore.AckPlaces; with very many
	// the error may come a little earlier. Nothing was emitted.
	ErrTooManyAcks = errors.New("nonstick: too many acknowledgements pending")
	// ErrNoHandler: no [OnAck] of that name is registered.
	ErrNoHandler = errors.New("nonstick: no such acknowledgement handler")
)

const (
	// ackWait is how long [EmitWithAck] waits unless its caller has set a deadline.
	ackWait = 10 * time.Second
	// answerMargin is what is left of the platform's time to a handler whose wait has ended in vain, but for calls that
	// have little of it: a quarter of that.
	answerMargin = 3 * time.Second
	// ackDraws bounds how often an id is drawn again because it is in use.
	ackDraws = 16
	// ackLife is how long a continuation is kept.
	ackLife = 24 * time.Hour
	// maxAckID is the greatest id that every client reads: those in Java, Kotlin and Rust have 31 bits for it, and
	// lose the event above.
	maxAckID = 1<<31 - 1
)

// RemoteSocket is a socket of the namespace that need not be the one whose event is handled.
type RemoteSocket struct {
	nsp    *Namespace
	member sessionstore.Member
	row    sessionstore.Socket // and kept, if read is true
	kept   map[string]string
	read   bool
}

var _ Target = (*RemoteSocket)(nil)

// Socket finds a socket by its id. [ErrDisconnected] if it is not in the namespace.
func (n *Namespace) Socket(ctx context.Context, id string) (*RemoteSocket, error) {
	m, err := n.server.store.Member(ctx, n.name, sessionstore.SocketID(id))
	if errors.Is(err, sessionstore.ErrNotFound) {
		return nil, ErrDisconnected
	}
	if err != nil {
		return nil, fmt.Errorf("nonstick: find socket: %w", err)
	}
	return &RemoteSocket{nsp: n, member: m}, nil
}

// ID returns the socket's id.
func (r *RemoteSocket) ID() string { return string(r.member.Socket) }

// EmitArgs emits to this socket. [ErrDisconnected] if it has left. Of what one handler emits to a socket that polls
// the first 32 packets leave at once; more of them are sent on together, at the latest when the handler has returned
// or emits something else. What goes wrong then is logged.
func (r *RemoteSocket) EmitArgs(ctx context.Context, event string, args Args) error {
	if err := r.nsp.check(event, args); err != nil {
		return err
	}
	return r.send(ctx, r.nsp.eventFrames(event, args), true)
}

// send sends frames. Those that may wait are sent together with others of the same handler, where there are many.
func (r *RemoteSocket) send(ctx context.Context, frames []string, mayWait bool) error {
	c := callOf(ctx)
	switch {
	case c == nil:
	case c.socket.phase == connecting:
		c.socket.later(func(ctx context.Context) error { return r.send(ctx, frames, mayWait) })
		return nil
	case c.session() == r.member.Session && c.inv == nil:
		return ErrDisconnected
	case c.session() == r.member.Session:
		return c.inv.Send(ctx, frames...)
	case r.member.Hint.IsZero() && mayWait:
		if err := r.nsp.server.engine.Delivery().Check(frames); err != nil {
			return fmt.Errorf("nonstick: emit: %w", err)
		}
		return c.bulk.send(ctx, r.member.Session, frames)
	default:
		r.nsp.server.flush(ctx, c, false)
	}
	return r.nsp.server.deliver(ctx, delivery.Target{Session: r.member.Session, Hint: r.member.Hint}, frames)
}

// EmitWithAck emits to a socket and waits for the client's acknowledgement: until the deadline that the caller has
// set on ctx, or for 10 s; in a handler at most until 3 s before its platform ends it, so that the client which it
// serves gets an answer. Errors: [ErrAckTimeout], [ErrDisconnected], [ErrAckOwnSession], [ErrArgs].
func EmitWithAck[In, Out any](ctx context.Context, to *RemoteSocket, event string, v In) (out Out, err error) {
	if c := callOf(ctx); c != nil && c.session() == to.member.Session {
		return out, ErrAckOwnSession
	}
	args, err := EncodeArgs(v)
	if err != nil {
		return out, err
	}
	ctx, cancel := context.WithDeadline(ctx, ackDeadline(ctx, time.Now()))
	defer cancel()
	answer, err := to.ask(ctx, event, args)
	if err != nil {
		return out, err
	}
	return DecodeArgs[Out](answer)
}

// ackDeadline is when the wait for an acknowledgement ends. The deadline of a handler's context is the platform's,
// and says nothing of how long its caller wants to wait.
func ackDeadline(ctx context.Context, now time.Time) time.Time {
	deadline, set := ctx.Deadline()
	c := callOf(ctx)
	if c == nil || c.deadline.IsZero() {
		if !set {
			deadline = now.Add(ackWait)
		}
		return deadline
	}
	if !set || deadline.Equal(c.deadline) {
		deadline = now.Add(ackWait)
	}
	if last := c.deadline.Add(-min(answerMargin, c.deadline.Sub(now)/4)); last.Before(deadline) {
		return last
	}
	return deadline
}

// ask emits with an acknowledgement id and waits for the answer.
func (r *RemoteSocket) ask(ctx context.Context, event string, args Args) (Args, error) {
	if err := r.nsp.check(event, args); err != nil {
		return Args{}, err
	}
	store := r.nsp.server.store
	deadline, _ := ctx.Deadline()
	a, err := r.nsp.server.expectAck(
		ctx, sessionstore.Ack{Session: r.member.Session, Namespace: r.nsp.name, ExpiresAt: deadline.Add(time.Minute)},
	)
	switch {
	case err != nil && ctx.Err() != nil:
		return Args{}, ErrAckTimeout
	case err != nil:
		return Args{}, err
	}
	err = r.send(ctx, r.nsp.eventFramesAck(event, args, &a.ID), false)
	if err == nil {
		a, err = r.nsp.server.await(ctx, a)
	}
	if e := store.DeleteAck(context.WithoutCancel(ctx), a.Session, a.ID); e != nil {
		r.nsp.server.log.WarnContext(ctx, "acknowledgement not removed", "error", e) // its time to live does it
	}
	if err != nil {
		return Args{}, err
	}
	return r.nsp.server.answer(a)
}

// await waits until an acknowledgement is answered.
func (s *Server) await(ctx context.Context, a sessionstore.Ack) (sessionstore.Ack, error) {
	pause := delivery.NewPause()
	for {
		var changed <-chan struct{}
		if s.waker != nil {
			changed = s.waker.Changed(a.Session)
		}
		now, err := s.store.Ack(ctx, a.Session, a.ID)
		switch {
		case ctx.Err() != nil:
			return a, ErrAckTimeout
		case err != nil:
			return a, fmt.Errorf("nonstick: await acknowledgement: %w", err)
		case now.Answer != nil:
			return now, nil
		}
		if changed == nil {
			pause.Wait(ctx)
			continue
		}
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
}

// answer decodes the frames of an answer.
func (s *Server) answer(a sessionstore.Ack) (Args, error) {
	p, err := s.assemble(a.Answer)
	if err != nil {
		return Args{}, fmt.Errorf("%w: %w", ErrArgs, err)
	}
	return Args{JSON: p.Data, Attachments: p.Attachments}, nil
}

// expectAck stores an acknowledgement under an id that no other of its session has.
func (s *Server) expectAck(ctx context.Context, a sessionstore.Ack) (sessionstore.Ack, error) {
	var err error
	for range ackDraws {
		a.ID = uint64(ids.Number(ctx) & maxAckID)
		if err = s.store.PutAck(ctx, a); err == nil {
			return a, nil
		}
		if !errors.Is(err, sessionstore.ErrExists) {
			break
		}
	}
	if errors.Is(err, sessionstore.ErrExists) {
		return a, &limitError{"Too many acknowledgements pending", ErrTooManyAcks}
	}
	return a, fmt.Errorf("nonstick: ask: %w", err)
}

// OnAck sets the handler that takes the answers to events emitted by [EmitThen] under its name: on whichever instance
// the answer arrives. It gets the answer and the state that was kept. OnAck panics with [ErrServing] after the first
// message of a client.
func OnAck[In, State any](
	n *Namespace, name string, h func(ctx context.Context, s *Socket, answer In, state State) error,
) {
	handler := func(ctx context.Context, s *Socket, answer Args, raw json.RawMessage) error {
		in, err := DecodeArgs[In](answer)
		if err != nil {
			return err
		}
		var state State
		if len(raw) > 0 {
			if err := json.Unmarshal(raw, &state); err != nil {
				return fmt.Errorf("nonstick: state of acknowledgement %q: %w", name, err)
			}
		}
		return h(ctx, s, in, state)
	}
	n.register(fmt.Sprintf("the acknowledgement handler %q", name), func() { n.acks[name] = handler })
}

// EmitThen emits to the socket whose event is handled and asks for an acknowledgement, which the handler set by
// [OnAck] under the name takes when it comes, with the state. It waits for nothing.
func EmitThen[In, State any](ctx context.Context, s *Socket, event string, v In, name string, state State) error {
	if err := s.inHandler(); err != nil {
		return err
	}
	if s.nsp.acks[name] == nil {
		return fmt.Errorf("%w: %q", ErrNoHandler, name)
	}
	args, err := EncodeArgs(v)
	if err != nil {
		return err
	}
	if err := s.nsp.check(event, args); err != nil {
		return err
	}
	kept, err := json.Marshal(state)
	if err != nil {
		return fmt.Errorf("nonstick: state of acknowledgement %q: %w", name, err)
	}
	a, err := s.nsp.server.expectAck(ctx, sessionstore.Ack{
		Session: s.row.Session, Namespace: s.nsp.name, Continuation: name, State: string(kept),
		ExpiresAt: time.Now().Add(ackLife),
	})
	if err != nil {
		return err
	}
	return s.send(ctx, s.nsp.eventFramesAck(event, args, &a.ID))
}

// ack handles a client's acknowledgement. One that nobody waits for (any more) is ignored.
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
		Session: inv.Session.ID, Namespace: row.Namespace, ID: p.ID,
		Answer: append([]string{p.Encode()}, attachmentFrames(p)...),
	}
	a, err = s.store.AnswerAck(ctx, a, time.Now())
	if errors.Is(err, sessionstore.ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("nonstick: acknowledgement: %w", err)
	}
	n := s.namespaces[row.Namespace]
	if a.Continuation == "" || n == nil {
		return nil
	}
	h := n.acks[a.Continuation]
	if h == nil {
		s.log.ErrorContext(ctx, "no handler for an acknowledgement", "nsp", string(n.name), "name", a.Continuation)
		return nil
	}
	socket := &Socket{nsp: n, row: row, inv: inv, hint: inv.Session.Hint(), phase: connected}
	continued := func(ctx context.Context, k *Socket, args Args) (Args, error) {
		return Args{}, h(ctx, k, args, stateOf(a))
	}
	_, err = s.run(ctx, inv, socket, a.Continuation, continued, Args{JSON: p.Data, Attachments: p.Attachments})
	socket.keep()
	return err
}

// pending reports whether an acknowledgement may be waited for. The store is asked once in a request, whatever the
// client sends.
func (s *Server) pending(ctx context.Context, inv *engine.Invocation, id uint64) (bool, error) {
	if id > maxAckID {
		return false, nil
	}
	if inv.Acks == nil {
		ids, all, err := s.store.PendingAcks(ctx, inv.Session.ID)
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

func attachmentFrames(p socketio.Packet) []string {
	return frames(p)[1:]
}
