package delivery

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/nonstick-io/nonstick/internal/again"
	"github.com/nonstick-io/nonstick/internal/protocol"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// Errors of a delivery.
var (
	// ErrClosed: the session is closed or unknown; nothing was delivered.
	ErrClosed = errors.New("delivery: session is closed")
	// ErrBufferFull: the session's buffer is at its limit. The session was closed.
	ErrBufferFull = errors.New("delivery: session's buffer is full")
	// ErrNotSerial: a packet with attachments is for a session that is not made for them (sessionstore.Session.Serial);
	// nothing was delivered.
	ErrNotSerial = errors.New("delivery: the session takes no packets with attachments over WebSocket")
	// ErrPacketTooLarge: a frame is above the limit that holds for every transport; nothing was delivered.
	ErrPacketTooLarge = errors.New("delivery: packet too large")
	// ErrHeldUp: the store takes too long for what this process delivered to the session before, by another call;
	// nothing was delivered, and the session goes on.
	ErrHeldUp = errors.New("delivery: the store holds up what was emitted to the session before")
)

// Limits of what a client, or the application on its behalf, may have the store keep. Zero fields mean the defaults.
type Limits struct {
	// Socket bounds what one socket keeps: by default 32 KB of auth (what one message of a WebSocket carries on API
	// Gateway), 16 KB of data and 1,000 rooms.
	Socket sessionstore.SocketLimits
	// Sockets is the most namespaces that a session may be in at a time; default 32.
	Sockets int
	// Children is the most namespaces that clients may make under one parent; default 10,000. Instances that let
	// sockets into new ones at the same moment may exceed it by as many.
	Children int

	// Buffer bounds a session's buffer; default 1,000 entries and 4 MB. What one request sends to its own session is
	// one entry for each 256 KB, however many packets that is; so is what it emits to another one by its socket,
	// after the first 32 packets. A broadcast is an entry.
	Buffer sessionstore.BufferLimits
	// Frame is the most bytes of one Engine.IO packet. A packet taken while the client polls must fit after
	// the upgrade, so one limit holds for every transport; default 128 KB, API Gateway's limit for a message.
	Frame int
}

// WithDefaults returns l with its zero fields filled in.
func (l Limits) WithDefaults() Limits {
	if l.Buffer.Packets == 0 {
		l.Buffer.Packets = 1000
	}
	if l.Buffer.Bytes == 0 {
		l.Buffer.Bytes = 4 << 20
	}
	if l.Frame == 0 {
		l.Frame = 128 << 10
	}
	if l.Socket.Auth == 0 {
		l.Socket.Auth = 32 << 10
	}
	if l.Socket.Data == 0 {
		l.Socket.Data = 16 << 10
	}
	if l.Socket.Rooms == 0 {
		l.Socket.Rooms = 1000
	}
	if l.Sockets == 0 {
		l.Sockets = 32
	}
	if l.Children == 0 {
		l.Children = 10_000
	}
	return l
}

// storeTries is how often a write is tried that was certainly not applied.
const storeTries = 6

// Target is a session to deliver to, and how it was last known to be reached.
type Target struct {
	Session sessionstore.SessionID
	// Hint is a connection to push to with no store call, or none.
	Hint sessionstore.Connection
	// Volatile says that packets which the client cannot take at once are dropped, with [ErrDropped]: those for which
	// no GET is parked, those behind others that wait, and those for a connection that is busy.
	Volatile bool
}

// Store is what a [Delivery] needs of a store.
type Store interface {
	sessionstore.Sessions
	sessionstore.Buffers
	sessionstore.Flushes
	sessionstore.Outboxes
	sessionstore.Histories
	// InRoom is that of [sessionstore.Rooms].
	InRoom(ctx context.Context, k sessionstore.Socket, room sessionstore.Room) (bool, error)
}

// Delivery brings packets to one session: by a push to its WebSocket, or by its buffer.
type Delivery struct {
	store   Store
	pusher  Pusher
	groups  GroupPusher     // nil if the pusher sends single messages only
	now     ImmediatePusher // nil if pushes may wait
	closing *Closing
	limits  Limits
	serial  *known // sessions seen to be serial and on WebSocket: neither ever changes
	ending  *known // sessions that this process is closing

	collections *collections // what is kept for later, for all copies of this Delivery
	// end closes a session, in place.
	end func(ctx context.Context, id sessionstore.SessionID, reason string, o CloseOptions) error
	// patiently makes a push and repeats it while the connection is busy, in place; nil if the caller waits for this
	// session alone.
	patiently func(ctx context.Context, push Try) error
	rules     *protocol.Rules
	immediate bool // the store is a sessionstore.Immediate
}

// Try makes one try at a push. Busy says that nothing was sent, and that the push may be repeated in place after a
// pause; err is then the reason.
type Try func(ctx context.Context) (busy bool, err error)

// New returns a Delivery. Closing says what happens to sessions that have to be closed.
func New(store Store, pusher Pusher, closing *Closing, limits Limits) *Delivery {
	groups, _ := pusher.(GroupPusher)
	now, _ := pusher.(ImmediatePusher)
	_, immediate := store.(sessionstore.Immediate)
	return &Delivery{
		store: store, pusher: pusher, groups: groups, now: now, closing: closing,
		limits: limits.WithDefaults(), serial: &known{}, ending: &known{}, collections: &collections{},
		end: closing.Close, rules: protocol.Of(store), immediate: immediate,
	}
}

// With returns a Delivery for one of many sessions that a caller delivers to side by side: patiently makes a push and
// repeats it while the connection is busy, and end closes a session, both in place of what a Delivery does by itself.
func (d *Delivery) With(
	patiently func(ctx context.Context, push Try) error,
	end func(ctx context.Context, id sessionstore.SessionID, reason string, o CloseOptions) error,
) Delivery {
	one := *d
	one.patiently, one.end = patiently, end
	return one
}

// Closing returns what ends sessions.
func (d *Delivery) Closing() *Closing { return d.closing }

// Limits returns the limits, with the defaults filled in.
func (d *Delivery) Limits() Limits { return d.limits }

// Deliver brings packets to the target, in order, and returns how the session is reached in truth:
// its connection, or none for its buffer.
//
// Errors: [ErrClosed], with [ErrEnding] if a push to the session has failed a moment ago, [ErrBufferFull],
// [ErrPacketTooLarge], [ErrDropped], [ErrHeldUp]; after any other error either nothing was delivered (see
// sessionstore.InDoubt) or the session has been closed, since it is unknown what the client got.
func (d *Delivery) Deliver(
	ctx context.Context, t Target, packets []sessionstore.Packet,
) (sessionstore.Connection, error) {
	if err := d.check(packets); err != nil {
		return t.Hint, err
	}
	if err := d.lead(ctx, t.Session); err != nil {
		return t.Hint, err
	}
	return d.deliver(ctx, t, packets)
}

// deliver is Deliver with no regard to what is collected for the session.
func (d *Delivery) deliver(
	ctx context.Context, t Target, packets []sessionstore.Packet,
) (sessionstore.Connection, error) {
	if t.Session.IsOutbox() {
		return t.Hint, d.toOutbox(ctx, t, packets)
	}
	if d.ending.has(t.Session) {
		return t.Hint, fmt.Errorf("%w: %w", ErrClosed, ErrEnding)
	}
	d = d.patient()
	switch {
	case t.Volatile && t.Hint.IsZero():
		return d.bufferVolatile(ctx, t.Session, packets)
	case t.Volatile:
		return t.Hint, d.pushVolatile(ctx, t.Session, t.Hint, packets)
	case t.Hint.IsZero():
		return d.buffer(ctx, t.Session, packets, First{})
	}
	return t.Hint, d.push(ctx, t.Session, t.Hint, packets)
}

// First is the first try of a delivery, see [Delivery.First]. The zero value is that none was made.
type First struct {
	made bool
	err  error
}

// Done reports whether the packets are delivered: there is nothing left to do.
func (f First) Done() bool { return f.made && f.err == nil }

// First makes the first try of a delivery, in place, if that waits for nothing: the packets go into a buffer of a
// [sessionstore.Immediate], or to a connection of an [ImmediatePusher]. For a caller that delivers to many sessions;
// unless the first try is Done, it goes on with [Delivery.After]. The packets must have passed [Delivery.Check].
func (d *Delivery) First(ctx context.Context, t Target, packets []sessionstore.Packet) First {
	if t.Volatile || t.Session.IsOutbox() || d.ending.has(t.Session) || d.collections.has(t.Session) {
		return First{}
	}
	if !t.Hint.IsZero() {
		return First{made: d.pushNow(t.Hint, packets)}
	}
	if !d.immediate || d.serial.has(t.Session) {
		return First{}
	}
	return First{made: true, err: d.store.Deliver(ctx, t.Session, packets, d.limits.Buffer)}
}

// pushNow sends a packet to a connection if that waits for nothing, and reports whether it has. If not, nothing was
// sent.
func (d *Delivery) pushNow(conn sessionstore.Connection, packets []sessionstore.Packet) bool {
	if d.now == nil || len(packets) != 1 {
		return false
	}
	frames := packets[0].Frames
	for group := range groups(frames) { // more than one are not all or nothing
		return len(group) == len(frames) && d.now.PushNow(conn, frames)
	}
	return false
}

// After is Deliver behind a first try, which is not repeated.
func (d *Delivery) After(
	ctx context.Context, t Target, packets []sessionstore.Packet, first First,
) (sessionstore.Connection, error) {
	if first.made {
		return d.patient().buffer(ctx, t.Session, packets, first)
	}
	return d.Deliver(ctx, t, packets)
}

// Check refuses frames that are too large for any transport, with [ErrPacketTooLarge].
func (d *Delivery) Check(frames []string) error {
	for _, f := range frames {
		if len(f) > d.limits.Frame {
			return fmt.Errorf("%w: %d bytes, at most %d", ErrPacketTooLarge, len(f), d.limits.Frame)
		}
	}
	return nil
}

func (d *Delivery) check(packets []sessionstore.Packet) error {
	for _, p := range packets {
		if err := d.Check(p.Frames); err != nil {
			return err
		}
	}
	return nil
}

// mayMix reports whether there is a packet of several messages, between which those of others could come.
func (d *Delivery) mayMix(packets []sessionstore.Packet) bool {
	if d.groups != nil {
		return false
	}
	for _, p := range packets {
		for group := range groups(p.Frames) {
			if len(group) > 1 {
				return true
			}
		}
	}
	return false
}

// groups walks the messages of an entry of a buffer, those together that belong together: a packet and its attachments.
// An entry may hold several packets. One that is binary itself has all that belongs to it.
func groups(frames []string) iter.Seq[[]string] {
	return func(yield func([]string) bool) {
		for len(frames) > 0 {
			n := 1
			for !isBinary(frames[0]) && n < len(frames) && isBinary(frames[n]) {
				n++
			}
			if !yield(frames[:n:n]) {
				return
			}
			frames = frames[n:]
		}
	}
}

// isBinary reports whether a message is binary: an attachment of the text before it, or a packet of
// [socketio.MsgPack], whose clients get no text.
func isBinary(frame string) bool { return strings.HasPrefix(frame, "b") }

// push sends the packets to a connection. A push that is not a clear success ends the session: it is never
// repeated, nor is the next one tried. [ErrNotSerial] for packets that would have to be pushed one message at a time.
func (d *Delivery) push(
	ctx context.Context, id sessionstore.SessionID, conn sessionstore.Connection, packets []sessionstore.Packet,
) error {
	if d.mayMix(packets) {
		return ErrNotSerial
	}
	for _, p := range packets {
		err := d.pushPacket(ctx, conn, p.Frames)
		if errors.Is(err, ErrDropped) {
			return err
		}
		if err != nil {
			return d.lost(ctx, id, conn, err)
		}
	}
	return nil
}

// pushPacket sends the messages of one entry, those that belong together as a group.
func (d *Delivery) pushPacket(ctx context.Context, conn sessionstore.Connection, frames []string) error {
	for group := range groups(frames) {
		push := func(ctx context.Context) (bool, error) { return d.judged(d.pusher.Push(ctx, conn, group[0])) }
		if len(group) > 1 { // which only a pusher of groups is given
			push = func(ctx context.Context) (bool, error) { return d.judged(d.groups.PushGroup(ctx, conn, group)) }
		}
		if err := d.patiently(ctx, push); err != nil {
			return err
		}
	}
	return nil
}

// judged is what became of a push that returned err. After an error there is no next one.
func (d *Delivery) judged(err error) (busy bool, _ error) {
	action := d.rules.Push(err)
	if action == protocol.PushOn {
		return false, nil
	}
	return action == protocol.PushRepeat, err
}

// Push sends one frame and waits, in place and bounded, while the connection is busy.
func (d *Delivery) Push(ctx context.Context, conn sessionstore.Connection, frame string) error {
	return d.patient().patiently(ctx, func(ctx context.Context) (bool, error) {
		return d.judged(d.pusher.Push(ctx, conn, frame))
	})
}

// patient returns d with the patience for one delivery.
func (d *Delivery) patient() *Delivery {
	if d.patiently != nil {
		return d
	}
	one := *d
	one.patiently = (&patience{}).push
	return &one
}

// lost closes a session after a push that failed or is in doubt.
func (d *Delivery) lost(
	ctx context.Context, id sessionstore.SessionID, conn sessionstore.Connection, cause error,
) error {
	reason, why := ReasonTransportError, "push: "+cause.Error()
	if d.rules.Push(cause) == protocol.PushCloseGone {
		reason, cause = ReasonTransportClose, ErrClosed
	}
	err := d.close(ctx, id, reason, conn, why)
	return errors.Join(fmt.Errorf("push: %w", cause), err)
}

// endingFor is how long nothing is delivered to a session that another caller is closing. By then it is closed; or it
// cannot be closed, and it is as if the close had never been tried.
const endingFor = time.Minute

// close ends a session. From the first moment on this process delivers nothing more to it: the next packet must not
// come without the one that is in doubt. Why is told to the session's disconnect handlers. The error matches
// [ErrEnding] if others see to the rest.
func (d *Delivery) close(
	ctx context.Context, id sessionstore.SessionID, reason string, doubtful sessionstore.Connection, why string,
) error {
	d.ending.add(id, endingFor)
	err := d.end(ctx, id, reason, CloseOptions{Doubtful: doubtful, Details: sessionstore.Details{Description: why}})
	if !errors.Is(err, ErrEnding) {
		d.ending.remove(id) // the store says what the session is
	}
	return err
}

// buffer appends to the session's buffer, and learns from a refusal where the session is. It goes on from the first
// try, if the caller has made that.
func (d *Delivery) buffer(
	ctx context.Context, id sessionstore.SessionID, packets []sessionstore.Packet, first First,
) (sessionstore.Connection, error) {
	none := sessionstore.Connection{}
	if d.serial.has(id) && !first.made {
		return none, d.enqueue(ctx, id, packets)
	}
	err := first.err
	for tries := again.Times(storeTries); tries.Next(ctx); first.made = false {
		if !first.made {
			err = d.store.Deliver(ctx, id, packets, d.limits.Buffer)
		}
		switch action := d.rules.Deliver(err, packets, d.limits.Buffer); action {
		case protocol.DeliverDone:
			return none, nil
		case protocol.DeliverPush:
			cur, _ := sessionstore.Current(err)
			return cur.Conn, d.push(ctx, id, cur.Conn, packets)
		case protocol.DeliverEnqueue:
			d.serial.add(id, forever)
			return none, d.enqueue(ctx, id, packets)
		case protocol.DeliverDoubt:
			return none, d.inDoubt(ctx, id, packets, err)
		case protocol.DeliverRepeat:
		default:
			return none, d.refused(ctx, id, action)
		}
	}
	return none, fmt.Errorf("deliver: %w", err)
}

// refused is the end of a delivery to a session that takes nothing: it is over, or its client fetches too slowly.
func (d *Delivery) refused(ctx context.Context, id sessionstore.SessionID, action protocol.DeliverAction) error {
	switch action {
	case protocol.DeliverGone:
		return ErrClosed
	case protocol.DeliverFull:
		return errors.Join(ErrBufferFull, d.close(ctx, id, ReasonBufferFull, sessionstore.Connection{}, ""))
	default:
		return fmt.Errorf("deliver: %w: refused an open session within its limits", sessionstore.ErrConflict)
	}
}

// inDoubt settles a delivery that may have happened. If the packet is in the buffer, it has. Otherwise it may
// have come and gone, or may yet come: the session is closed before the error is returned.
func (d *Delivery) inDoubt(
	ctx context.Context, id sessionstore.SessionID, packets []sessionstore.Packet, cause error,
) error {
	ctx = context.WithoutCancel(ctx)
	_, waits, err := d.waiting(ctx, id, packets[len(packets)-1].ID)
	switch protocol.Doubt(!errors.Is(err, ErrClosed), waits) {
	case protocol.DoubtGone:
		return ErrClosed
	case protocol.DoubtDone:
		return nil
	case protocol.DoubtClose:
	}
	err = d.close(ctx, id, ReasonTransportError, sessionstore.Connection{}, "deliver: "+cause.Error())
	return errors.Join(fmt.Errorf("deliver: %w", cause), err)
}

// diedInDelivery is why a session is closed whose deliverer died.
const diedInDelivery = "the instance that delivered a packet died"

// Settle ends the doubt that is left of a caller that died while it delivered a packet to a session: unless the packet
// waits in the session's buffer, the session is closed, since it is unknown whether the client has got it. [ErrClosed]
// if it is closed, by this call or before.
func (d *Delivery) Settle(ctx context.Context, id sessionstore.SessionID, packet sessionstore.PacketID) error {
	s, waits, err := d.waiting(ctx, id, packet)
	switch protocol.Doubt(!errors.Is(err, ErrClosed), waits) {
	case protocol.DoubtGone:
		return ErrClosed
	case protocol.DoubtDone:
		return nil
	case protocol.DoubtClose:
	}
	if e := d.close(ctx, id, ReasonTransportError, s.Conn, diedInDelivery); e != nil {
		return errors.Join(err, e)
	}
	return ErrClosed
}

// waiting reads whether a packet waits in the buffer of an open session; [ErrClosed] if it is not open. The names of
// packets that are kept in pages are read too, if need be.
func (d *Delivery) waiting(
	ctx context.Context, id sessionstore.SessionID, packet sessionstore.PacketID,
) (s sessionstore.Session, waits bool, err error) {
	s, err = d.readAgain(ctx, id)
	if errors.Is(err, sessionstore.ErrNotFound) || err == nil && s.State != sessionstore.Open {
		return s, false, ErrClosed
	}
	if err != nil || holds(s.Buffer, packet) {
		return s, err == nil, err
	}
	paged := slices.DeleteFunc(slices.Clone(s.Buffer), func(p sessionstore.Packet) bool { return p.Page.IsZero() })
	if len(paged) > 0 {
		paged, err = d.store.Bodies(ctx, id, paged)
	}
	return s, err == nil && holds(paged, packet), err
}

func (d *Delivery) readAgain(ctx context.Context, id sessionstore.SessionID) (s sessionstore.Session, err error) {
	for tries := again.Times(storeTries); tries.Next(ctx); {
		if s, err = d.store.Get(ctx, id, time.Now()); err == nil || errors.Is(err, sessionstore.ErrNotFound) {
			return s, err
		}
	}
	return s, err
}

func holds(buffer []sessionstore.Packet, id sessionstore.PacketID) bool {
	for _, p := range buffer {
		if p.ID == id {
			return true
		}
	}
	return false
}
