package nonstick

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
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
	// ErrTooManyAsked: more sockets are selected than may be asked at once, see sessionstore.MaxAsked. Nothing was
	// emitted.
	ErrTooManyAsked = emitter.ErrTooManyAsked
	// ErrNoHandler: no [OnReply] of that name is registered.
	ErrNoHandler = errors.New("nonstick: no such reply handler")
)

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

// Answers are the acknowledgements of the sockets that a selection's EmitWithAck went to, and who did not answer.
type Answers = emitter.Answers

// Answer is what one socket has acknowledged.
type Answer = emitter.Answer

// Response is what one socket has acknowledged, decoded.
type Response[Out any] struct {
	// ID is the socket's.
	ID string
	// Value is what its client has acknowledged with; the zero value with an error.
	Value Out
	// Err tells that the acknowledgement does not fit; it matches [ErrArgs].
	Err error
}

// Responses are what the sockets of a selection have acknowledged.
type Responses[Out any] struct {
	// Answered are those that came in time, sorted by the ids of their sockets.
	Answered []Response[Out]
	// Missing are the ids of the sockets that did not answer in time, sorted.
	Missing []string
}

// Asked is what [EmitWithAcks] can ask: a [Selection], a [*Namespace] or a [*Server].
type Asked interface {
	EmitWithAck(ctx context.Context, event string, args ...any) (Answers, error)
}

// EmitWithAcks emits an event to all sockets selected and waits for the acknowledgements of all of their clients: for
// as long as the selection's Timeout says, or until the deadline that the caller has set on ctx, or for 10 s; in a
// handler at most until 3 s before its platform ends it. If some have not answered by then, the error matches
// [ErrAckTimeout], and who has answered what is returned with it. See emitter.Selection.EmitWithAck for limits and
// costs. Errors: [ErrAckTimeout]; [ErrAckOwnSession] if the client is among them whose message is being handled, which
// a selection of [Socket.To] leaves out; [ErrTooManyAsked], [ErrParent] and those of an emit: nothing was emitted.
func EmitWithAcks[Out any](ctx context.Context, to Asked, event string, args ...any) (Responses[Out], error) {
	answers, err := to.EmitWithAck(ctx, event, args...)
	out := Responses[Out]{Missing: answers.Missing}
	for _, a := range answers.Answered {
		r := Response[Out]{ID: a.ID}
		r.Value, r.Err = DecodeArgs[Out](a.Args)
		out.Answered = append(out.Answered, r)
	}
	return out, withLimit(err)
}

// Then says what takes the answers to an event, on whichever instance they arrive.
type Then = emitter.Then

// Continued is what [EmitThen] can ask: a [*Socket], its Timeout, a [*RemoteSocket], a [Selection], a [*Namespace] or a
// [*Server].
type Continued interface {
	EmitThen(ctx context.Context, then Then, event string, args ...any) error
}

var (
	_ Asked = Selection{}
	_ Asked = (*Server)(nil)

	_ Continued = Selection{}
	_ Continued = (*Socket)(nil)
	_ Continued = (*RemoteSocket)(nil)
	_ Continued = (*Server)(nil)
)

// EmitThen emits an event and asks for acknowledgements, which the handler that [OnReply] set under the name takes when
// they come, once for each socket, with the state, on any instance. It waits for nothing. Answers are taken within a
// day, or within what Timeout says of whom it is emitted to, up to 30 days. Then the handler of [OnNoReply], if there
// is one of that name, is told who has not answered. The state is encoded by encoding/json, at most
// sessionstore.MaxAckState bytes. Errors: [ErrNoHandler], [ErrTooManyAcks], [ErrTooManyAsked], [ErrTooLarge],
// emitter.ErrThen, and those of an emit: nothing was emitted.
func EmitThen[State any](ctx context.Context, to Continued, event, name string, state State, args ...any) error {
	return withLimit(to.EmitThen(ctx, Then{Name: name, State: state}, event, args...))
}

// EmitThen emits to the socket whose event is handled, see the function [EmitThen].
func (s *Socket) EmitThen(ctx context.Context, then Then, event string, args ...any) error {
	return s.emitThen(ctx, 0, then, event, args...)
}

func (s *Socket) emitThen(ctx context.Context, wait time.Duration, then Then, event string, args ...any) error {
	encoded, err := EncodeArgs(args...)
	if err != nil {
		return err
	}
	if err := s.inHandler(); err != nil {
		return err
	}
	via := &s.nsp.server.via
	m := sessionstore.Member{Socket: s.row.ID, Session: s.row.Session}
	return via.Then(ctx, s.nsp.name, m, then, wait, event, encoded, func(ctx context.Context, id uint64) error {
		p, err := via.Event(ctx, s.nsp.name, event, encoded, &id)
		if err != nil {
			return err
		}
		if err := s.send(ctx, p); err != nil {
			return err
		}
		s.emitting(ctx, event, encoded)
		return nil
	})
}

// EmitWithAck emits an event to all sockets of the namespace and waits for their acknowledgements, see [EmitWithAcks]
// for typed ones.
func (n *Namespace) EmitWithAck(ctx context.Context, event string, args ...any) (Answers, error) {
	return n.all().EmitWithAck(ctx, event, args...)
}

// EmitThen emits to all sockets of the namespace, see the function [EmitThen].
func (n *Namespace) EmitThen(ctx context.Context, then Then, event string, args ...any) error {
	return n.all().EmitThen(ctx, then, event, args...)
}

// Timeout returns all sockets of the namespace, with a time that acknowledgements are waited for.
func (n *Namespace) Timeout(d time.Duration) Selection { return n.all().Timeout(d) }

// continues refuses the name of a reply handler that there is not, and reports whether [OnNoReply] has one.
func (s *Server) continues(nsp sessionstore.Namespace, name string) (told bool, err error) {
	n := s.find(nsp)
	if n == nil {
		return false, fmt.Errorf("%w: %q", ErrNoHandler, name)
	}
	if n.handler == n.table && n.table.replies[name] == nil {
		return false, fmt.Errorf("%w: %q", ErrNoHandler, name)
	}
	return n.table.late[name] != nil, nil
}

const (
	// fewStrays is how many acknowledgements of a request the store is asked about in vain, one by one. What a client
	// answers late is in vain too, so a few are no fault of its. For more, all that it owes are read at once.
	fewStrays = 4
	// maxAskStrays is the same of questions to several sockets, which cannot be read at once: those behind are ignored.
	maxAskStrays = 32
)

// ack handles a client's acknowledgement. One for which no caller and no reply handler waits (any more) is ignored: a
// client may send whatever it likes, so it writes nothing, and the store is not asked for each.
func (s *Server) ack(ctx context.Context, inv *engine.Invocation, p socketio.Packet) error {
	row, ok, err := s.joined(ctx, inv, p)
	if !ok || err != nil {
		return err
	}
	if !p.HasID || p.ID > emitter.MaxAckID {
		return nil
	}
	take := s.takeOne
	if sessionstore.IsAsk(p.ID) {
		take = s.takeOfMany
	}
	a, taken, err := take(ctx, inv, row, p)
	if err != nil {
		return fmt.Errorf("nonstick: acknowledgement: %w", err)
	}
	if !taken {
		return nil
	}
	n := s.namespaceOf(row)
	if a.Continuation == "" || n == nil {
		return nil
	}
	socket := &Socket{nsp: n, row: row, inv: inv, hint: inv.Hint(), phase: connected}
	answer := Args{JSON: p.Data, Attachments: p.Attachments}
	s.run(ctx, socket, a.Continuation, func(ctx context.Context) (Args, error) {
		err := n.serve.Reply(ctx, socket, a.Continuation, answer, stateOf(a.State))
		if errors.Is(err, ErrUnhandled) {
			err = fmt.Errorf("%w: %q", ErrNoHandler, a.Continuation)
		}
		return Args{}, err
	})
	socket.keep()
	return nil
}

// expected is what an acknowledgement is the answer to.
type expected struct{ Continuation, State string }

// takeOne records the answer to what one socket was asked.
func (s *Server) takeOne(
	ctx context.Context, inv *engine.Invocation, row sessionstore.Socket, p socketio.Packet,
) (e expected, taken bool, err error) {
	now := time.Now()
	if pending := inv.Acks.Pending[row.Session]; pending != nil && !pending[p.ID] {
		return e, false, nil
	}
	a, err := s.store.Ack(ctx, row.Session, p.ID)
	if err == nil &&
		(a.Answer != nil || a.Namespace != row.Namespace || !a.ExpiresAt.IsZero() && !now.Before(a.ExpiresAt)) {
		err = sessionstore.ErrNotFound
	}
	if err == nil {
		a.Answer = answerFrames(ctx, p)
		a, err = s.store.AnswerAck(ctx, a, now)
	}
	if errors.Is(err, sessionstore.ErrNotFound) {
		return e, false, s.stray(ctx, inv, row.Session, now)
	}
	return expected{a.Continuation, a.State}, err == nil, err
}

// stray counts an acknowledgement that no caller waits for. After a few it reads which the session owes at all.
func (s *Server) stray(
	ctx context.Context, inv *engine.Invocation, id sessionstore.SessionID, now time.Time,
) error {
	if inv.Acks.Strays++; inv.Acks.Strays < fewStrays || inv.Acks.Pending[id] != nil {
		return nil
	}
	ids, err := s.store.PendingAcks(ctx, id, now)
	if err != nil {
		return err
	}
	if inv.Acks.Pending == nil {
		inv.Acks.Pending = make(map[sessionstore.SessionID]map[uint64]bool)
	}
	pending := make(map[uint64]bool, len(ids))
	for _, id := range ids {
		pending[id] = true
	}
	inv.Acks.Pending[id] = pending
	return nil
}

// takeOfMany records the answer of a socket that was asked with others.
func (s *Server) takeOfMany(
	ctx context.Context, inv *engine.Invocation, row sessionstore.Socket, p socketio.Packet,
) (e expected, taken bool, err error) {
	if inv.Acks.AskStrays >= maxAskStrays {
		return e, false, nil
	}
	a, err := s.asks.of(ctx, s.store, row, p.ID)
	if err == nil && (!time.Now().Before(a.ExpiresAt) || !slices.Contains(a.Sockets, row.ID)) {
		err = sessionstore.ErrNotFound
	}
	if err == nil {
		answer := sessionstore.AskAnswer{Socket: row.ID}
		if a.Continuation == "" { // else the handler has it
			answer.Answer = answerFrames(ctx, p)
		}
		err = s.store.PutAnswer(ctx, a, answer)
	}
	switch {
	case errors.Is(err, sessionstore.ErrNotFound), errors.Is(err, sessionstore.ErrExists):
		if inv.Acks.AskStrays++; inv.Acks.AskStrays == maxAskStrays {
			s.log.InfoContext(
				ctx, "acknowledgements ignored: a request has too many that no caller waits for", "session",
				engine.NameInLog(inv.ID()),
			)
		}
		return e, false, nil
	case err != nil:
		return e, false, err
	}
	return expected{a.Continuation, a.State}, true, nil
}

// answerFrames is an acknowledgement as it is stored, whichever parser it came by.
func answerFrames(ctx context.Context, p socketio.Packet) []string {
	return append([]string{p.Encode()}, adapter.NewPacket(ctx, socketio.JSON, p).Frames()[1:]...)
}

// maxAsks bounds the questions to several sockets that an instance remembers; past it, it starts anew.
const maxAsks = 256

// asks are questions to several sockets as this instance has read them, which never change: all of a room answer at
// once, and each answer needs the question. Safe for concurrent use.
type asks struct {
	mu   sync.Mutex
	read map[askKey]sessionstore.Ask
}

type askKey struct {
	nsp  sessionstore.Namespace
	id   uint64
	part int
}

// of reads the part of a question that a socket belongs to.
func (k *asks) of(
	ctx context.Context, store sessionstore.Asks, row sessionstore.Socket, id uint64,
) (sessionstore.Ask, error) {
	key := askKey{row.Namespace, id, sessionstore.AskPart(id, row.ID)}
	k.mu.Lock()
	a, known := k.read[key]
	k.mu.Unlock()
	if known && time.Now().Before(a.ExpiresAt) { // then the id may be another question's
		return a, nil
	}
	a, err := store.Ask(ctx, key.nsp, key.id, key.part)
	if err != nil {
		return a, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.read == nil || len(k.read) >= maxAsks {
		k.read = make(map[askKey]sessionstore.Ask)
	}
	k.read[key] = a
	return a, nil
}
