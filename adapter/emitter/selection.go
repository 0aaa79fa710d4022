package emitter

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nonstick-io/nonstick/adapter"
	"github.com/nonstick-io/nonstick/internal/socketio"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// Errors of emitting.
var (
	// ErrReserved: the event's name is one of Socket.IO's own (connect, disconnect, ...), which a client would refuse.
	// Nothing was sent.
	ErrReserved = errors.New("nonstick: reserved event name")
	// ErrEvent: an event that no client would accept: arguments that are no JSON, placeholders that do not fit the
	// attachments, or too many of these. Nothing was sent.
	ErrEvent = errors.New("nonstick: invalid event")
	// ErrDisconnected: the socket has left its namespace.
	ErrDisconnected = errors.New("nonstick: socket is disconnected")
)

// Selection is a choice of a namespace's sockets, and what can be done with them. It is a value: each of its operators
// (To, In, And, Except, Volatile, ...) returns a new one. A mistake in a name is the error of whatever is done with the
// selection.
type Selection struct {
	via     *Via
	sel     adapter.Selection
	timeout time.Duration // of acknowledgements; 0 for the default
	err     error

	volatile bool
}

// Select returns all sockets of a namespace, or those of sel.
func (v *Via) Select(sel adapter.Selection) Selection { return Selection{via: v, sel: sel} }

// To adds rooms: a socket in any of them is selected, once. No rooms at all mean all sockets of the namespace. A
// socket's id is a room with that socket alone.
func (s Selection) To(rooms ...string) Selection { return s.narrowed(s.sel.To(rooms...)) }

// In is another name of [Selection.To].
func (s Selection) In(rooms ...string) Selection { return s.To(rooms...) }

// And narrows the selection to the sockets that are in all of the rooms: To("a", "b").And("c", "d") is in a or b, and
// in c, and in d. The order of To and And does not matter. Without To the first room of And is read in place of the
// namespace. The rooms are walked side by side, so the largest of them tells what it costs.
func (s Selection) And(rooms ...string) Selection { return s.narrowed(s.sel.Within(rooms...)) }

// Except leaves out the sockets in the rooms.
func (s Selection) Except(rooms ...string) Selection { return s.narrowed(s.sel.Without(rooms...)) }

// Timeout says how long acknowledgements of the sockets are waited for, see [Selection.EmitWithAck] and
// [Selection.EmitThen]; 0 means the default. An emit without them does not wait.
func (s Selection) Timeout(d time.Duration) Selection {
	s.timeout = d
	return s
}

// narrowed is another selection by the same way.
func (s Selection) narrowed(sel adapter.Selection, err error) Selection {
	s.sel, s.err = sel, errors.Join(s.err, err)
	return s
}

// mistake is an error before anything is done.
func (s Selection) mistake() error {
	if s.err != nil {
		return s.err
	}
	return s.via.refuse()
}

// Sockets returns what is selected, as package adapter takes it. The error is that of a name.
func (s Selection) Sockets() (adapter.Selection, error) { return s.sel, s.err }

// Emit emits an event to the sockets selected, and returns when all have been tried: the emits of one caller arrive in
// order. With very many sockets it returns once the packet is queued, see [adapter.Adapter.Broadcast]. Each argument is
// encoded by encoding/json; [Binary] at any depth travels as an attachment; [Args] stand for all that are in them.
//
// A socket that has gone, or whose client does not read, is no error: it is counted and logged, and its session ends.
// Nor is one for which the store takes nothing at the moment: it is counted and logged, and goes on without the event.
// The error says that nothing was sent ([ErrReserved], [ErrArgs], [adapter.ErrName], [delivery.ErrPacketTooLarge] and
// others), or that not all sockets could be read.
func (s Selection) Emit(ctx context.Context, event string, args ...any) error {
	encoded, err := EncodeArgs(args...)
	if err = errors.Join(s.err, err); err != nil {
		return err
	}
	_, err = s.EmitArgs(ctx, event, encoded)
	return err
}

// EmitArgs is [Selection.Emit] with arguments that are encoded already, and tells what became of the packet.
// Arguments from outside may not be what a client accepts: then the error matches [ErrEvent].
func (s Selection) EmitArgs(ctx context.Context, event string, args Args) (adapter.Result, error) {
	if err := s.mistake(); err != nil {
		return adapter.Result{}, err
	}
	p, err := s.via.Event(ctx, s.sel.Namespace, event, args, nil)
	if err != nil {
		return adapter.Result{}, err
	}
	p.Volatile = s.volatile
	if s.via.later(func(ctx context.Context) error { _, err := s.send(ctx, p); return err }) {
		return adapter.Result{}, nil
	}
	return s.send(ctx, p)
}

func (s Selection) send(ctx context.Context, p *adapter.Packet) (adapter.Result, error) {
	r, err := s.via.Adapter.Broadcast(ctx, s.sel, p)
	if err != nil {
		return r, fmt.Errorf("nonstick: emit: %w", err)
	}
	return r, nil
}

// Join puts the sockets selected into rooms. The error tells of those that could not join, for instance because they
// are in as many rooms as they may be; sockets that have left meanwhile are no error.
func (s Selection) Join(ctx context.Context, rooms ...string) error {
	if err := s.mistake(); err != nil {
		return err
	}
	_, err := s.via.Adapter.Join(ctx, s.sel, rooms...)
	return err
}

// Leave takes the sockets selected out of rooms.
func (s Selection) Leave(ctx context.Context, rooms ...string) error {
	if err := s.mistake(); err != nil {
		return err
	}
	_, err := s.via.Adapter.Leave(ctx, s.sel, rooms...)
	return err
}

// Disconnect ends the sockets selected: each client is told, and does not come back by itself. The session ends with
// them, because their disconnect handlers run where sessions are finished. So sockets of the same clients in other
// namespaces are cut off too, but connect again by themselves; with closeSession they are told not to.
func (s Selection) Disconnect(ctx context.Context, closeSession bool) error {
	if err := s.mistake(); err != nil {
		return err
	}
	_, err := s.via.Adapter.Disconnect(ctx, s.sel, closeSession)
	return err
}

// Fetch reads the sockets selected with their rooms and data: two reads of the store each, at most limit of them, in
// the order in which they connected. A socket that joins or leaves meanwhile may be missed. With an error come those
// that could be read.
func (s Selection) Fetch(ctx context.Context, limit int) ([]*RemoteSocket, error) {
	if err := s.mistake(); err != nil {
		return nil, err
	}
	found, err := s.via.Adapter.Fetch(ctx, s.sel, limit)
	out := make([]*RemoteSocket, len(found))
	for i := range found {
		out[i] = &RemoteSocket{via: s.via, nsp: s.sel.Namespace, member: found[i].Member, found: &found[i]}
	}
	return out, wrapped("fetch sockets", err)
}

// Accepts returns why an event may not be emitted; nil if it may. [ErrReserved], or what Check says.
func (v *Via) Accepts(event string, args Args) error {
	if socketio.IsReserved(event) {
		return fmt.Errorf("%w: %q", ErrReserved, event)
	}
	if v.Check == nil {
		return nil
	}
	return v.Check(event, args)
}

// Event makes the packet of an event, see [Selection.Emit]. With an id the client is asked for an acknowledgement.
// Errors are those of [Via.Accepts].
func (v *Via) Event(
	ctx context.Context, nsp sessionstore.Namespace, event string, args Args, ack *uint64,
) (*adapter.Packet, error) {
	if err := v.Accepts(event, args); err != nil {
		return nil, err
	}
	if v.Emitting != nil {
		v.Emitting(ctx, event, args)
	}
	p := socketio.Packet{
		Type: socketio.Event, Namespace: string(nsp), Data: socketio.EventData(event, args.array()),
		Attachments: args.Attachments,
	}
	if ack != nil {
		p.ID, p.HasID = *ack, true
	}
	return v.Adapter.NewPacket(ctx, p), nil
}
