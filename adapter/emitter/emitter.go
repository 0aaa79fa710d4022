// Package emitter speaks to the clients of a server from a program that serves none: another Lambda function, a job, a
// command. It needs the server's table and a way to push, and links no server.
package emitter

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nonstick-io/nonstick/adapter"
	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/internal/engineio"
	"github.com/nonstick-io/nonstick/internal/socketio"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// ErrEvent tells of an event that no client would accept: a name that Socket.IO keeps to itself, arguments that are no
// JSON, placeholders that do not fit the attachments, or too many of these. Nothing was done.
var ErrEvent = errors.New("emitter: invalid event")

// Store is what an [Emitter] needs of a store.
type Store interface {
	adapter.Store
	sessionstore.Claims
}

// Options refine [New]. Zero fields mean the defaults.
type Options struct {
	// Limits, and what is in Options, should be those of the server.
	Limits delivery.Limits
	// Later takes sessions that have to be closed and whose close takes too long for an emit, see
	// [delivery.Closing.Later]; default none: then an emit waits for it. The server's queue of ends is one.
	Later func(ctx context.Context, e delivery.Ending) error
	adapter.Options
}

// Emitter speaks to the clients of a server. Safe for concurrent use.
//
// Where a session has to be closed, the emitter closes it and leaves what remains, the disconnect handlers among it, to
// the server's sweeper.
type Emitter struct {
	store   Store
	adapter *adapter.Adapter
}

// New returns an Emitter.
func New(store Store, pusher delivery.Pusher, o Options) *Emitter {
	e := &Emitter{store: store}
	closing := &delivery.Closing{Sessions: store, Pusher: pusher, Leave: e.leave, Later: o.Later, Logger: o.Logger}
	e.adapter = adapter.New(store, delivery.New(store, pusher, closing, o.Limits), o.Options)
	return e
}

// leave has the sweeper look at a session that was closed.
func (e *Emitter) leave(ctx context.Context, id sessionstore.SessionID) error {
	err := e.store.Look(ctx, id, time.Now())
	if err == nil || errors.Is(err, sessionstore.ErrNotFound) {
		return nil
	}
	return fmt.Errorf("emitter: leave a closed session: %w", err)
}

// InOrder returns an Emitter whose emits arrive in the order in which they were made, also where some of them are to so
// many sockets that they are queued: what it emits in a namespace after that is queued too. Make one for each sequence
// of emits.
func (e *Emitter) InOrder() *Emitter {
	in := *e
	in.adapter = e.adapter.InOrder()
	return &in
}

// Of returns all sockets of a namespace.
func (e *Emitter) Of(namespace string) Emission {
	b := Emission{e: e, sel: adapter.Selection{Namespace: sessionstore.Namespace(namespace)}}
	if namespace == "" || namespace[0] != '/' || len(namespace) > sessionstore.MaxName {
		b.err = fmt.Errorf("%w: namespace %q", adapter.ErrName, namespace)
	}
	return b
}

// To returns the members of rooms of the main namespace, see [Emission.To].
func (e *Emitter) To(rooms ...string) Emission { return e.Of(socketio.MainNamespace).To(rooms...) }

// In is another name of [Emitter.To].
func (e *Emitter) In(rooms ...string) Emission { return e.To(rooms...) }

// Except returns all sockets of the main namespace but the members of rooms.
func (e *Emitter) Except(rooms ...string) Emission {
	return e.Of(socketio.MainNamespace).Except(rooms...)
}

// Emission is a selection of sockets to emit to, or to do something with. It is a value: each operator returns a new
// one. A mistake in a name is the error of whatever is done.
type Emission struct {
	e   *Emitter
	sel adapter.Selection
	err error
}

// To adds rooms: a socket in any of them is selected, once. No rooms at all mean all sockets of the namespace. A
// socket's id is a room with that socket alone.
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
func (b Emission) narrowed(sel adapter.Selection, err error) Emission {
	b.sel, b.err = sel, errors.Join(b.err, err)
	return b
}

// Emit emits an event and returns when all selected have been tried, so that the events of one caller arrive in order;
// or, with a [adapter.Fanout] and very many selected, when that is queued, see [adapter.Adapter.Broadcast]. Each
// argument is JSON. Binary data is socketio.Binary, or the object {"_placeholder":true,"num":i} in place of
// attachments[i].
//
// Errors: [ErrEvent], [adapter.ErrName], [delivery.ErrPacketTooLarge]: nothing was sent. Any other says that not all
// sockets could be found, or that the packet is none for some of them; the result tells how far it came. A single
// socket that fails is no error: the result counts it.
func (b Emission) Emit(
	ctx context.Context, event string, args []json.RawMessage, attachments ...[]byte,
) (adapter.Result, error) {
	if b.err != nil {
		return adapter.Result{}, b.err
	}
	frames, err := eventFrames(b.sel.Namespace, event, args, attachments)
	if err != nil {
		return adapter.Result{}, err
	}
	p := sessionstore.Packet{ID: sessionstore.PacketID(sessionstore.NewID()), Frames: frames}
	r, err := b.e.adapter.Broadcast(ctx, b.sel, p, nil)
	if err != nil {
		return r, fmt.Errorf("emitter: emit: %w", err)
	}
	return r, nil
}

// SocketsJoin puts the selected sockets into rooms, see [adapter.Adapter.Join].
func (b Emission) SocketsJoin(ctx context.Context, rooms ...string) (adapter.Result, error) {
	if b.err != nil {
		return adapter.Result{}, b.err
	}
	return b.e.adapter.Join(ctx, b.sel, rooms...)
}

// SocketsLeave takes the selected sockets out of rooms, see [adapter.Adapter.Leave].
func (b Emission) SocketsLeave(ctx context.Context, rooms ...string) (adapter.Result, error) {
	if b.err != nil {
		return adapter.Result{}, b.err
	}
	return b.e.adapter.Leave(ctx, b.sel, rooms...)
}

// DisconnectSockets ends the selected sockets, see [adapter.Adapter.Disconnect].
func (b Emission) DisconnectSockets(ctx context.Context, closeSession bool) (adapter.Result, error) {
	if b.err != nil {
		return adapter.Result{}, b.err
	}
	return b.e.adapter.Disconnect(ctx, b.sel, closeSession)
}

// Fetch reads the selected sockets, at most limit of them, see [adapter.Adapter.Fetch].
func (b Emission) Fetch(ctx context.Context, limit int) ([]adapter.Found, error) {
	if b.err != nil {
		return nil, b.err
	}
	return b.e.adapter.Fetch(ctx, b.sel, limit)
}

// FetchEach reads the selected sockets from a place on, see [adapter.Adapter.FetchEach].
func (b Emission) FetchEach(
	ctx context.Context, from string, limit int, take func(adapter.Found) bool,
) (next string, err error) {
	if b.err != nil {
		return "", b.err
	}
	return b.e.adapter.FetchEach(ctx, b.sel, from, limit, take)
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

// Carry delivers a part of a broadcast that came out of a [adapter.Fanout], see [adapter.Adapter.Carry].
func (e *Emitter) Carry(ctx context.Context, p adapter.Part) (adapter.Result, error) {
	if err := e.Of(string(p.Namespace)).err; err != nil {
		return adapter.Result{}, err
	}
	return e.adapter.Carry(ctx, e.store, p)
}
