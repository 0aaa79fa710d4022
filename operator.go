package nonstick

import (
	"context"
	"time"
)

// Operator is a socket in its handler with what modifies its events: [Socket.Volatile], [Socket.Compress] and
// [Socket.Timeout] return one. It is a value: each of its methods returns a new one. As the socket, it is not to be
// kept.
type Operator struct {
	socket   *Socket
	volatile bool
	timeout  time.Duration
}

// Emit emits an event to the socket itself, see [Socket.Emit]. One that is volatile is dropped, without an error, if
// the client cannot take it when what the handler sends to it leaves, see [emitter.Selection.Volatile].
func (o Operator) Emit(ctx context.Context, event string, args ...any) error {
	return o.socket.emit(ctx, o.volatile, event, args)
}

// Send emits the event "message" to the socket itself.
func (o Operator) Send(ctx context.Context, args ...any) error {
	return o.Emit(ctx, messageEvent, args...)
}

// EmitThen emits to the socket itself and asks for an acknowledgement, see the function [EmitThen].
func (o Operator) EmitThen(ctx context.Context, then Then, event string, args ...any) error {
	return o.socket.emitThen(ctx, o.timeout, then, event, args...)
}

// Volatile returns the operator for events that the clients may miss.
func (o Operator) Volatile() Operator {
	o.volatile = true
	return o
}

// Compress returns the operator as it is, see [Socket.Compress].
func (o Operator) Compress(bool) Operator { return o }

// Timeout returns the operator with a bound of how long acknowledgements are waited for.
func (o Operator) Timeout(d time.Duration) Operator {
	o.timeout = d
	return o
}

// Broadcast is [Socket.Broadcast] with the operator's modifiers.
func (o Operator) Broadcast() Selection {
	s := o.socket.Broadcast()
	if o.volatile {
		s = s.Volatile()
	}
	if o.timeout != 0 {
		s = s.Timeout(o.timeout)
	}
	return s
}

// To is [Socket.To] with the operator's modifiers.
func (o Operator) To(rooms ...string) Selection { return o.Broadcast().To(rooms...) }

// In is another name of [Operator.To].
func (o Operator) In(rooms ...string) Selection { return o.To(rooms...) }

// And is [Socket.And] with the operator's modifiers.
func (o Operator) And(rooms ...string) Selection { return o.Broadcast().And(rooms...) }

// Except is [Socket.Except] with the operator's modifiers.
func (o Operator) Except(rooms ...string) Selection { return o.Broadcast().Except(rooms...) }

// messageEvent is the event of Send.
const messageEvent = "message"

// Send emits the event "message" to this socket, see [Socket.Emit].
func (s *Socket) Send(ctx context.Context, args ...any) error {
	return s.Emit(ctx, messageEvent, args...)
}

// Volatile returns the socket for events that clients may miss: s.Volatile().Emit to its own client,
// s.Volatile().Broadcast().Emit to the others. A client that cannot take the event at that moment does not get it.
func (s *Socket) Volatile() Operator { return Operator{socket: s, volatile: true} }

// Compress returns the socket for further modifiers. It has no effect: API Gateway compresses no single messages, and
// answers to polls are compressed by their size.
func (s *Socket) Compress(bool) Operator { return Operator{socket: s} }

// Timeout returns the socket with a bound of how long acknowledgements are waited for.
func (s *Socket) Timeout(d time.Duration) Operator { return Operator{socket: s, timeout: d} }

// Volatile returns the sockets of the namespace for events that clients may miss: a client that cannot take one at that
// moment does not get it.
func (n *Namespace) Volatile() Selection { return n.all().Volatile() }

// Compress returns the sockets of the namespace. It has no effect, see [Socket.Compress].
func (n *Namespace) Compress(on bool) Selection { return n.all().Compress(on) }

// Local returns the sockets of the namespace, of all instances: no socket belongs to one.
func (n *Namespace) Local() Selection { return n.all().Local() }

// Send emits the event "message" to all sockets of the namespace.
func (n *Namespace) Send(ctx context.Context, args ...any) error { return n.all().Send(ctx, args...) }
