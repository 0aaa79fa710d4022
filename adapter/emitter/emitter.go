// Package emitter speaks to the clients of a server from a program that serves none: another Lambda function, a job, a
// command. It needs the server's table and a way to push, and links no server.
package emitter

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nonstick-io/nonstick/adapter"
	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/internal/socketio"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// Store is what an [Emitter] needs of a store.
type Store interface {
	adapter.Store
	sessionstore.Claims
	sessionstore.Acks
	sessionstore.Asks
	sessionstore.Timers
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
	store Store
	via   Via
}

// New returns an Emitter.
func New(store Store, pusher delivery.Pusher, o Options) *Emitter {
	e := &Emitter{store: store}
	closing := &delivery.Closing{Sessions: store, Pusher: pusher, Leave: e.leave, Later: o.Later, Logger: o.Logger}
	e.via = Via{
		Adapter: adapter.New(store, delivery.New(store, pusher, closing, o.Limits), o.Options), Store: store,
		Check: checkOutside(o.Parser), Logger: o.Logger,
	}
	return e
}

// checkOutside refuses what no client would accept: an emitter's arguments may be text of others.
func checkOutside(parser Parser) func(event string, args Args) error {
	limits := socketio.Limits{}
	if parser != nil && parser.Whole() {
		limits.MaxAttachments = socketio.MaxBinaries
	}
	return func(event string, args Args) error {
		p := socketio.Packet{
			Type: socketio.Event, Data: socketio.EventData(event, args.array()), Attachments: args.Attachments,
		}
		if len(p.Attachments) > 0 {
			p.Type = socketio.BinaryEvent
		}
		if _, _, err := socketio.Decode(p.Encode(), limits); err != nil {
			return fmt.Errorf("%w: %w", ErrEvent, err)
		}
		return nil
	}
}

// leave has the sweeper look at a session that was closed.
func (e *Emitter) leave(ctx context.Context, id sessionstore.SessionID) error {
	err := e.look(ctx, id, time.Now())
	if err == nil || errors.Is(err, sessionstore.ErrNotFound) {
		return nil
	}
	return fmt.Errorf("emitter: leave a closed session: %w", err)
}

func (e *Emitter) look(ctx context.Context, id sessionstore.SessionID, at time.Time) error {
	if !id.IsOutbox() {
		return e.store.Look(ctx, id, at)
	}
	t, err := delivery.OutboxTimer{Outbox: id}.Due(at)
	if err != nil {
		return err
	}
	return e.store.PutTimer(ctx, t)
}

// InOrder returns an Emitter whose emits arrive in the order in which they were made, also where some of them are to so
// many sockets that they are queued: what it emits in a namespace after that is queued too. Make one for each sequence
// of emits.
func (e *Emitter) InOrder() *Emitter {
	in := *e
	in.via.Adapter = e.via.Adapter.InOrder()
	return &in
}

// Adapter returns what the emitter emits by.
func (e *Emitter) Adapter() *adapter.Adapter { return e.via.Adapter }

// Namespace is a namespace of the server, as an emitter sees it: a [Selection] of all its sockets.
type Namespace struct{ Selection }

// Socket finds a socket of the namespace by its id. [ErrDisconnected] if there is none.
func (n Namespace) Socket(ctx context.Context, id string) (*RemoteSocket, error) {
	if n.err != nil {
		return nil, n.err
	}
	return n.via.Socket(ctx, n.sel.Namespace, id)
}

// Of returns a namespace. A mistake in its name is the error of whatever is done with it.
func (e *Emitter) Of(namespace string) Namespace {
	s := e.via.Select(adapter.Selection{Namespace: sessionstore.Namespace(namespace)})
	if namespace == "" || namespace[0] != '/' || len(namespace) > sessionstore.MaxName {
		s.err = fmt.Errorf("%w: namespace %q", adapter.ErrName, namespace)
	}
	return Namespace{s}
}

// To returns the members of rooms of the main namespace, see [Selection.To].
func (e *Emitter) To(rooms ...string) Selection { return e.Of(socketio.MainNamespace).To(rooms...) }

// In is another name of [Emitter.To].
func (e *Emitter) In(rooms ...string) Selection { return e.To(rooms...) }

// And returns the sockets of the main namespace that are in all of the rooms, see [Selection.And].
func (e *Emitter) And(rooms ...string) Selection { return e.Of(socketio.MainNamespace).And(rooms...) }

// Except returns all sockets of the main namespace but the members of rooms.
func (e *Emitter) Except(rooms ...string) Selection {
	return e.Of(socketio.MainNamespace).Except(rooms...)
}

// Emit emits to all sockets of the main namespace, see [Selection.Emit].
func (e *Emitter) Emit(ctx context.Context, event string, args ...any) error {
	return e.Of(socketio.MainNamespace).Emit(ctx, event, args...)
}

// Socket finds a socket of the main namespace by its id. [ErrDisconnected] if there is none.
func (e *Emitter) Socket(ctx context.Context, id string) (*RemoteSocket, error) {
	return e.Of(socketio.MainNamespace).Socket(ctx, id)
}

// Shutdown ends all sessions that are there, within so much time, see [adapter.Adapter.Shutdown]. Their disconnect
// handlers run where the server's sweeper is.
func (e *Emitter) Shutdown(ctx context.Context, over time.Duration) (ended int, err error) {
	return e.via.Adapter.Shutdown(ctx, over)
}

// Carry delivers a part of a broadcast that came out of a [adapter.Fanout], see [adapter.Adapter.Carry].
func (e *Emitter) Carry(ctx context.Context, p adapter.Part) (adapter.Result, error) {
	if err := e.Of(string(p.Namespace)).err; err != nil {
		return adapter.Result{}, err
	}
	return e.via.Adapter.Carry(ctx, e.store, p)
}
