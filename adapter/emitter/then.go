package emitter

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nonstick-io/nonstick/internal/ids"
	"github.com/nonstick-io/nonstick/sessionstore"
)

const (
	// ThenWait is how long answers to EmitThen are waited for, unless the caller says another time.
	ThenWait = 24 * time.Hour
	// MaxThenWait is the longest that they may be waited for.
	MaxThenWait = 30 * 24 * time.Hour
)

// ErrThen says that what is to be done with the answers to an EmitThen is invalid: no name, or a time above
// [MaxThenWait].
// Nothing was emitted.
var ErrThen = errors.New("nonstick: invalid continuation")

// Then says what takes the answers to an event, on whichever instance they arrive.
type Then struct {
	// Name is that of the handler, which the server's nonstick.OnReply has registered.
	Name string
	// State is what the handler gets with each answer, encoded by encoding/json: at most sessionstore.MaxAckState
	// bytes.
	State any
}

// KindReply is the [sessionstore.Timer.Kind] of the end of the time that answers are waited for; its body is [Late] in
// JSON.
const KindReply = "reply"

// Late names what may not have been answered in time: a question to several sockets, or the acknowledgement of one.
type Late struct {
	Namespace sessionstore.Namespace `json:"nsp"`
	ID        uint64                 `json:"id"`
	// Session and Socket are those of the one that was asked; empty for a question to several.
	Session sessionstore.SessionID `json:"session,omitempty"`
	Socket  sessionstore.SocketID  `json:"socket,omitempty"`
}

// continuation is a [Then] that is checked.
type continuation struct {
	name, state string
	expires     time.Time
	told        bool // who has not answered is told to the server's handler
}

// continuation checks what takes the answers.
func (v *Via) continuation(nsp sessionstore.Namespace, t Then, wait time.Duration) (continuation, error) {
	if t.Name == "" || len(t.Name) > sessionstore.MaxName {
		return continuation{}, fmt.Errorf("%w: name of %d bytes", ErrThen, len(t.Name))
	}
	if wait <= 0 {
		wait = ThenWait
	}
	if wait > MaxThenWait {
		return continuation{}, fmt.Errorf("%w: wait of %v, at most %v", ErrThen, wait, MaxThenWait)
	}
	state, err := json.Marshal(t.State)
	if err != nil {
		return continuation{}, fmt.Errorf("nonstick: state of reply %q: %w", t.Name, err)
	}
	c := continuation{name: t.Name, state: string(state), expires: time.Now().Add(wait), told: true}
	if len(c.state) > sessionstore.MaxAckState {
		return c, fmt.Errorf(
			"nonstick: state of reply %q: %d bytes: %w",
			t.Name,
			len(c.state),
			sessionstore.ErrTooLarge,
		)
	}
	if v.Continues != nil {
		c.told, err = v.Continues(nsp, t.Name)
	}
	return c, err
}

// tell has the server look at the end of the time who has not answered.
func (v *Via) tell(ctx context.Context, c continuation, l Late) error {
	if !c.told {
		return nil
	}
	body, err := json.Marshal(l)
	if err != nil {
		return fmt.Errorf("nonstick: reply %q: %w", c.name, err)
	}
	t := sessionstore.Timer{At: c.expires, Name: ids.New(ctx), Kind: KindReply, Body: string(body)}
	return wrapped("reply", v.Store.PutTimer(ctx, t))
}

// EmitThen emits an event to the sockets selected and asks for acknowledgements, which the server's handler of the name
// takes as they come, once for each socket, on whichever instance it arrives. It waits for nothing. Answers are taken
// for as long as [Selection.Timeout] says, up to 30 days, or for a day; then the server is told who has not answered
// (nonstick.OnNoReply). Beside the emit it takes one read of the members and one write for each 128 sockets, one more
// to be told, and a read and a write for each answer. Errors: [ErrThen], [ErrTooManyAsked], [adapter.ErrParent], and
// those of [Selection.Emit].
func (s Selection) EmitThen(ctx context.Context, then Then, event string, args ...any) error {
	encoded, err := EncodeArgs(args...)
	if err = errors.Join(s.mistake(), err); err != nil {
		return err
	}
	c, err := s.via.continuation(s.sel.Namespace, then, s.timeout)
	if err != nil {
		return err
	}
	if err := s.via.Accepts(event, encoded); err != nil {
		return err
	}
	emit := func(ctx context.Context) error {
		q, err := s.asked(ctx, event, encoded)
		if err != nil || len(q.list) == 0 {
			return err
		}
		ask := sessionstore.Ask{Continuation: c.name, State: c.state, ExpiresAt: c.expires}
		if err := q.put(ctx, ask); err != nil {
			return err
		}
		if err := s.via.tell(ctx, c, Late{Namespace: q.nsp, ID: q.id}); err != nil {
			return err
		}
		return q.emit(ctx, s.sel, event, encoded)
	}
	if s.via.later(emit) {
		return nil
	}
	return emit(ctx)
}

// EmitThen is [Selection.EmitThen] to this socket. It takes one write beside the emit, and one more to be told;
// [ErrDisconnected] if the socket has left, [ErrTooManyAcks] if its client owes as many as it may.
func (r *RemoteSocket) EmitThen(ctx context.Context, then Then, event string, args ...any) error {
	encoded, err := EncodeArgs(args...)
	if err != nil {
		return err
	}
	emit := func(ctx context.Context, id uint64) error {
		p, err := r.via.Event(ctx, r.nsp, event, encoded, &id)
		if err != nil {
			return err
		}
		if r.via.later(func(ctx context.Context) error { return r.send(ctx, p, true) }) {
			return nil
		}
		return r.send(ctx, p, true)
	}
	return r.via.Then(ctx, r.nsp, r.member, then, r.timeout, event, encoded, emit)
}

// Then asks one socket with an event that emit sends, given its id, and has the answer taken.
func (v *Via) Then(
	ctx context.Context, nsp sessionstore.Namespace, m sessionstore.Member, then Then, wait time.Duration, event string,
	args Args, emit func(ctx context.Context, id uint64) error,
) error {
	c, err := v.continuation(nsp, then, wait)
	if err != nil {
		return err
	}
	if err := v.Accepts(event, args); err != nil {
		return err
	}
	a, err := ExpectAck(ctx, v.Store, sessionstore.Ack{
		Session: m.Session, Namespace: nsp, Continuation: c.name, State: c.state, ExpiresAt: c.expires,
	})
	if err != nil {
		return err
	}
	err = v.tell(ctx, c, Late{Namespace: nsp, ID: a.ID, Session: m.Session, Socket: m.Socket})
	if err == nil {
		err = emit(ctx, a.ID)
	}
	if err != nil {
		v.forget(ctx, a)
	}
	return err
}
