package emitter

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nonstick-io/nonstick/adapter"
	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// RemoteSocket is a socket that need not be the one whose event is handled: of any instance, on any transport. Of
// what it reads, rooms and data are those of when it was fetched or first asked.
type RemoteSocket struct {
	via    *Via
	nsp    sessionstore.Namespace
	member sessionstore.Member
	found  *adapter.Found // nil until it is read

	timeout  time.Duration // of acknowledgements; 0 for the default
	volatile bool
}

// Timeout returns the socket with another time that acknowledgements of it are waited for, see
// [RemoteSocket.EmitWithAck] and [RemoteSocket.EmitThen]; 0 means the default.
func (r *RemoteSocket) Timeout(d time.Duration) *RemoteSocket {
	with := *r
	with.timeout = d
	return &with
}

// Socket finds a socket of a namespace by its id. [ErrDisconnected] if there is none.
func (v *Via) Socket(ctx context.Context, nsp sessionstore.Namespace, id string) (*RemoteSocket, error) {
	m, err := v.Store.Member(ctx, nsp, sessionstore.SocketID(id))
	if errors.Is(err, sessionstore.ErrNotFound) {
		return nil, ErrDisconnected
	}
	if err != nil {
		return nil, fmt.Errorf("nonstick: find socket: %w", err)
	}
	return &RemoteSocket{via: v, nsp: nsp, member: m}, nil
}

// ID returns the socket's id.
func (r *RemoteSocket) ID() string { return string(r.member.Socket) }

// read reads the socket, once.
func (r *RemoteSocket) read(ctx context.Context) (*adapter.Found, error) {
	if r.found != nil {
		return r.found, nil
	}
	found, err := r.via.Adapter.FetchMember(ctx, r.nsp, r.member)
	if errors.Is(err, delivery.ErrClosed) {
		return nil, ErrDisconnected
	}
	if err != nil {
		return nil, fmt.Errorf("nonstick: fetch socket: %w", err)
	}
	r.found = &found
	return r.found, nil
}

// Rooms returns the rooms that the socket is in, sorted, without that of its own id. [ErrDisconnected] if it has left.
func (r *RemoteSocket) Rooms(ctx context.Context) ([]string, error) {
	found, err := r.read(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]string, len(found.Rooms))
	for i, room := range found.Rooms {
		out[i] = string(room)
	}
	return out, nil
}

// ConnectedAt returns when the socket joined its namespace. [ErrDisconnected] if it has left.
func (r *RemoteSocket) ConnectedAt(ctx context.Context) (time.Time, error) {
	found, err := r.read(ctx)
	if err != nil {
		return time.Time{}, err
	}
	return found.ConnectedAt, nil
}

// Handshake reads the request that the socket's session began with. [ErrDisconnected] if the session has ended.
func (r *RemoteSocket) Handshake(ctx context.Context) (sessionstore.Handshake, error) {
	h, err := r.via.Store.Handshake(ctx, r.member.Session)
	if errors.Is(err, sessionstore.ErrNotFound) {
		return h, ErrDisconnected
	}
	return h, wrapped("handshake", err)
}

// Emit emits an event to this socket, see [Selection.Emit]. [ErrDisconnected] if it has left. In a server, of what
// goes to one socket that polls the first 32 packets leave at once; more of them are sent on together, at the latest
// when the handler has returned, or 100 ms later. What goes wrong then is logged.
func (r *RemoteSocket) Emit(ctx context.Context, event string, args ...any) error {
	encoded, err := EncodeArgs(args...)
	if err != nil {
		return err
	}
	p, err := r.via.Event(ctx, r.nsp, event, encoded, nil)
	if err != nil {
		return err
	}
	p.Volatile = r.volatile
	if r.via.later(func(ctx context.Context) error { return r.send(ctx, p, true) }) {
		return nil
	}
	return r.send(ctx, p, true)
}

// send sends a packet to the socket. One that may wait is put together with others, where there are many.
func (r *RemoteSocket) send(ctx context.Context, p *adapter.Packet, mayWait bool) error {
	var by adapter.Way
	if mayWait && r.via.Bulk != nil && r.member.Hint.IsZero() {
		by = r.via.Bulk
	}
	err := r.via.Adapter.Send(ctx, by, r.member, p)
	if errors.Is(err, delivery.ErrDropped) {
		return nil
	}
	if errors.Is(err, delivery.ErrClosed) {
		return ErrDisconnected
	}
	if err != nil {
		return fmt.Errorf("nonstick: emit: %w", err)
	}
	return nil
}

// alone is the selection of this socket.
func (r *RemoteSocket) alone() adapter.Selection {
	return adapter.Selection{
		Namespace: r.nsp, Rooms: []sessionstore.Room{sessionstore.Room(r.member.Socket)},
	}
}

// Join puts the socket into rooms, see [Selection.Join]. [ErrDisconnected] if it has left.
func (r *RemoteSocket) Join(ctx context.Context, rooms ...string) error {
	r.found = nil
	return there(r.via.Adapter.Join(ctx, r.alone(), rooms...))
}

// Leave takes the socket out of rooms. [ErrDisconnected] if it has left.
func (r *RemoteSocket) Leave(ctx context.Context, rooms ...string) error {
	r.found = nil
	return there(r.via.Adapter.Leave(ctx, r.alone(), rooms...))
}

// Disconnect ends the socket, see [Selection.Disconnect]. [ErrDisconnected] if it has left.
func (r *RemoteSocket) Disconnect(ctx context.Context, closeSession bool) error {
	return there(r.via.Adapter.Disconnect(ctx, r.alone(), closeSession))
}

// there is [ErrDisconnected] if what was done reached no socket.
func there(r adapter.Result, err error) error {
	if err == nil && r.Delivered == 0 {
		return ErrDisconnected
	}
	return err
}

func wrapped(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("nonstick: %s: %w", what, err)
}
