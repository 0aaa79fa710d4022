package adapter

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nonstick-io/nonstick/gateway/engineio"
	"github.com/nonstick-io/nonstick/gateway/socketio"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// Errors of an [Emitter]'s caller. Nothing was done.
var (
	// ErrEvent: an event that no client would accept: a name that Socket.IO keeps to itself, arguments that are no
	// JSON, placeholders that do not fit the attachments, or too many of these.
	ErrEvent = errors.New("adapter: invalid event")
)

// EmitterStore is what an [Emitter] needs of a store.
type EmitterStore interface {
	BroadcastStore
	sessionstore.Registry
	sessionstore.Sockets
	sessionstore.Claims
}

// EmitterOptions refine [NewEmitter]. Zero fields mean the defaults.
type EmitterOptions struct {
	// Limits, and what is in Options, should be those of the server.
	Limits Limits
	// Later takes sessions that have to be closed and whose close takes too long for an emit, see [Closing.Later];
	// default none: then an emit waits for it. The server's queue of ends is one.
	Later func(ctx context.Context, e Ending) error
	Options
}

// Emitter speaks to the clients of a server from a program that serves none. It needs the server's store and a way to
// push, and no server. Safe for concurrent use.
//
// Where a session has to be closed, the emitter closes it and leaves what remains, the disconnect handlers among it, to
// the server's sweeper.
type Emitter struct {
	store    EmitterStore
	adapter  *Adapter
	delivery *Delivery
	closing  *Closing
	limits   Limits
}

// NewEmitter returns an Emitter.
func NewEmitter(store EmitterStore, pusher Pusher, o EmitterOptions) *Emitter {
	e := &Emitter{store: store, limits: o.Limits.WithDefaults()}
	e.closing = &Closing{Sessions: store, Pusher: pusher, Leave: e.leave, Later: o.Later, Logger: o.Logger}
	e.delivery = NewDelivery(store, pusher, e.closing, o.Limits)
	e.adapter = New(store, e.delivery, o.Options)
	return e
}

// leave has the sweeper look at a session that was closed.
func (e *Emitter) leave(ctx context.Context, id sessionstore.SessionID) error {
	err := e.store.Look(ctx, id, time.Now())
	if err == nil || errors.Is(err, sessionstore.ErrNotFound) {
		return nil
	}
	return fmt.Errorf("adapter: leave a closed session: %w", err)
}

// InOrder returns an Emitter whose emits arrive in the order in which they were made, also where some of them are to
// so many sockets that they are queued: what it emits in a namespace after that is queued too. Make one for each
// sequence of emits.
func (e *Emitter) InOrder() *Emitter {
	in := *e
	in.adapter = e.adapter.InOrder()
	return &in
}

// Of returns everybody in a namespace.
func (e *Emitter) Of(namespace string) Emission {
	b := Emission{e: e, sel: Selection{Namespace: sessionstore.Namespace(namespace)}}
	if namespace == "" || namespace[0] != '/' || len(namespace) > sessionstore.MaxName {
		b.err = fmt.Errorf("%w: namespace %q", ErrName, namespace)
	}
	return b
}

// To returns the members of rooms of the main namespace, see [Emission.To].
func (e *Emitter) To(rooms ...string) Emission { return e.Of(socketio.MainNamespace).To(rooms...) }

// In is another name of [Emitter.To].
func (e *Emitter) In(rooms ...string) Emission { return e.To(rooms...) }

// Except returns everybody in the main namespace but the members of rooms.
func (e *Emitter) Except(rooms ...string) Emission {
	return e.Of(socketio.MainNamespace).Except(rooms...)
}

// Emission is a selection of sockets to emit to, or to do something with. It is a value: each operator returns a new
// one. A mistake in a name is the error of whatever is done.
type Emission struct {
	e   *Emitter
	sel Selection
	err error
}

// To adds rooms: a socket in any of them is selected, once. No rooms at all mean everybody. A socket's id is a room
// with that socket alone.
func (b Emission) To(rooms ...string) Emission {
	return b.narrowed(b.sel.To(rooms...))
}

// In is another name of [Emission.To].
func (b Emission) In(rooms ...string) Emission { return b.To(rooms...) }

// Except leaves out the sockets in the rooms.
func (b Emission) Except(rooms ...string) Emission {
	return b.narrowed(b.sel.Without(rooms...))
}

// narrowed is the emission to another selection.
func (b Emission) narrowed(sel Selection, err error) Emission {
	b.sel, b.err = sel, errors.Join(b.err, err)
	return b
}

// Emit emits an event and returns when all selected have been tried, so that the events of one caller arrive in
// order; or, with a [Fanout] and very many selected, when that is queued, see [Adapter.Broadcast]. Each argument is
// JSON. Binary data is socketio.Binary, or the object {"_placeholder":true,"num":i} in place of attachments[i].
//
// Errors: [ErrEvent], [ErrName], [ErrPacketTooLarge]: nobody was tried. Any other says that not all sockets could be
// found, or that the packet is none for some of them; the result tells how far it came. A single socket that fails is
// no error: the result counts it.
func (b Emission) Emit(
	ctx context.Context, event string, args []json.RawMessage, attachments ...[]byte,
) (Result, error) {
	if b.err != nil {
		return Result{}, b.err
	}
	frames, err := eventFrames(b.sel.Namespace, event, args, attachments)
	if err != nil {
		return Result{}, err
	}
	return b.send(ctx, frames)
}

func (b Emission) send(ctx context.Context, frames []string) (Result, error) {
	p := sessionstore.Packet{ID: sessionstore.PacketID(sessionstore.NewID()), Frames: frames}
	r, err := b.e.adapter.Broadcast(ctx, b.sel, p, nil)
	if err != nil {
		return r, fmt.Errorf("adapter: emit: %w", err)
	}
	return r, nil
}

// eventFrames encodes an event as a client will decode it.
func eventFrames(
	nsp sessionstore.Namespace, event string, args []json.RawMessage, attachments [][]byte,
) ([]string, error) {
	p := socketio.Packet{Type: socketio.Event, Namespace: string(nsp), Attachments: attachments}
	list := array(args)
	if len(attachments) == 0 {
		list, p.Attachments = socketio.Extract(list)
	}
	if len(p.Attachments) > 0 {
		p.Type = socketio.BinaryEvent
	}
	p.Data = socketio.EventData(event, list)
	text := p.Encode()
	if _, _, err := socketio.Decode(text, socketio.Limits{}); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrEvent, err)
	}
	frames := []string{engineio.EncodeMessage(text)}
	for _, a := range p.Attachments {
		frames = append(frames, engineio.EncodeBinary(a))
	}
	return frames, nil
}

// array joins JSON values to an array.
func array(values []json.RawMessage) json.RawMessage {
	out := json.RawMessage{'['}
	for i, v := range values {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, v...)
	}
	return append(out, ']')
}

// Carry delivers a part of a broadcast that came out of a [Fanout], each packet once however often the part comes. A
// call that finds no time for all of it, or dies, leaves the rest to the next: then the error matches
// [ErrUnfinished], and the part is to come again. The result counts what this call did. Other errors are those of
// [Emission.Emit].
func (e *Emitter) Carry(ctx context.Context, p Part) (Result, error) {
	if err := e.Of(string(p.Namespace)).err; err != nil {
		return Result{}, err
	}
	r, err := e.adapter.carry(ctx, e.store, &p)
	if err != nil {
		return r, fmt.Errorf("adapter: carry out a part: %w", err)
	}
	return r, nil
}
