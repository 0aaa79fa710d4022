package engine

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/gateway/eventsout"
	"github.com/nonstick-io/nonstick/internal/engineio"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// Invocation is one request of one session: a POST, or a WebSocket message. Packets for the session itself
// are collected and leave, in order, when its messages have been handled; so a reply never overtakes what was
// sent before it. Send, Reply and Close are safe for concurrent use.
type Invocation struct {
	// Incoming is the packet whose attachments have not all come, if there is one. The handler keeps it up to date.
	Incoming *Incoming

	// Acks is what the handler has learned of acknowledgements in this request.
	Acks Acks
	// Left are namespaces that the session has left in this request: what comes for them behind that is ignored. The
	// handler keeps it.
	Left map[sessionstore.Namespace]bool
	// Told is what the handler tells other services in this request; nil if it tells nothing.
	Told *eventsout.Batch

	engine  *Engine
	session sessionstore.Session    // as read when the request began, or since
	conn    sessionstore.Connection // the WebSocket that the request came by, or none

	mu         sync.Mutex
	sole       sessionstore.Packet  // the only packet sent, if that is a reply by WebSocket; else without frames
	collection *delivery.Collection // for the session; nil unless something else was sent
	reply      bool                 // the packet sent last may travel as the answer to the request
	handled    bool                 // it is too late to send
	reason     string
	details    string // say more about it
	discard    bool   // what has not left is given up
}

// Acks is what is known of the acknowledgements that came with a request.
type Acks struct {
	// Strays counts those that no caller waits for, AskStrays those of questions to several sockets.
	Strays, AskStrays int
	// Pending are the ids that the session owes, or an outbox that it carries, once they have been read.
	Pending map[sessionstore.SessionID]map[uint64]bool
}

// Incoming is a packet of several messages as far as it has come.
type Incoming struct {
	// Want is how many attachments its header announced.
	Want int
	// Deadline is until when they have to come.
	Deadline time.Time
	// Stored is what the store has of it; nil if that is nothing.
	Stored *sessionstore.Partial
	// New are the frames that came with this request: the header, unless that is stored, and attachments.
	New []string
}

// Count returns how many attachments have come.
func (in *Incoming) Count() int {
	if in.Stored != nil {
		return in.Stored.Count + len(in.New)
	}
	return len(in.New) - 1
}

// Bytes returns the length of what has come.
func (in *Incoming) Bytes() int {
	n := 0
	if in.Stored != nil {
		n = in.Stored.Bytes()
	}
	for _, f := range in.New {
		n += len(f)
	}
	return n
}

func (e *Engine) newInvocation(s sessionstore.Session, conn sessionstore.Connection) *Invocation {
	i := &Invocation{session: s, engine: e, conn: conn}
	if s.Partial != nil {
		i.Incoming = &Incoming{Want: s.Partial.Want, Deadline: s.Partial.Deadline, Stored: s.Partial}
	}
	return i
}

// Deliver sends packets to the session, whichever the target names, or to an outbox that it carries; those of one that
// is volatile are dropped if the client cannot take them when they leave. They leave when the request has been handled,
// or before that together with something else that this process sends to the session. The error is
// delivery.ErrPacketTooLarge, or that of earlier packets that had to be sent on to make room.
func (i *Invocation) Deliver(
	ctx context.Context, t delivery.Target, packets []sessionstore.Packet,
) (sessionstore.Connection, error) {
	return i.send(ctx, packets, false, t)
}

func (i *Invocation) send(
	ctx context.Context, packets []sessionstore.Packet, reply bool, t delivery.Target,
) (sessionstore.Connection, error) {
	if reply && len(packets) == 1 {
		if err := i.engine.delivery.Check(packets[0].Frames); err != nil {
			return i.session.Hint(), err
		}
	}
	if reply && !i.keepsFor(t.Session) {
		t.Session = i.session.ID
	}
	c, err := i.collect(ctx, packets, reply)
	if c == nil || err != nil {
		return i.session.Hint(), err
	}
	return c.Deliver(ctx, t, packets)
}

// keepsFor reports whether something has been sent to an outbox in this request and has not left: then a reply must not
// overtake it.
func (i *Invocation) keepsFor(id sessionstore.SessionID) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return id.IsOutbox() && i.collection != nil && i.collection.Has(id)
}

// errHandled is the error of sending by an invocation that has ended.
var errHandled = errors.New("engine: the request has been handled")

// collect returns what collects packets for the session; nil if it has kept them. A message of a WebSocket has one
// reply, and in general sends nothing else: then nothing is to be collected.
func (i *Invocation) collect(
	ctx context.Context, packets []sessionstore.Packet, reply bool,
) (*delivery.Collection, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.handled {
		return nil, errHandled
	}
	was := i.reply
	i.reply = reply
	if i.collection != nil {
		return i.collection, nil
	}
	if reply && !was && !i.conn.IsZero() && len(packets) == 1 {
		i.sole = packets[0]
		return nil, nil
	}
	err := i.begin(ctx)
	return i.collection, err
}

// begin begins to collect, with what was kept apart so far.
func (i *Invocation) begin(ctx context.Context) error {
	i.collection = i.engine.delivery.Collect(delivery.Target{Session: i.session.ID, Hint: i.session.Hint()})
	if i.sole.Frames == nil {
		return nil
	}
	_, err := i.collection.Deliver(ctx, delivery.Target{}, []sessionstore.Packet{i.sole})
	i.sole = sessionstore.Packet{}
	return err
}

// InOrder has whatever else this process delivers to the session arrive behind what was sent and replied so far, which
// a lone reply would not be without it. The reply may still travel as the answer to the request.
func (i *Invocation) InOrder(ctx context.Context) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.handled || i.collection != nil {
		return nil
	}
	return i.begin(ctx)
}

// Flush has what was sent so far leave at once, unless it is a lone reply.
func (i *Invocation) Flush(ctx context.Context) error {
	i.mu.Lock()
	c := i.collection
	i.mu.Unlock()
	if c == nil {
		return nil
	}
	return c.Flush(ctx)
}

// Send sends one message to the session: its Engine.IO packets, encoded as text. See [Invocation.Deliver].
func (i *Invocation) Send(ctx context.Context, frames ...string) error {
	_, err := i.send(ctx, []sessionstore.Packet{packetOf(frames)}, false, delivery.Target{})
	return err
}

// Reply is Send for what belongs to the packet just handled (an acknowledgement, the answer to CONNECT): it
// may travel as the answer to the WebSocket message itself, which costs no push.
func (i *Invocation) Reply(ctx context.Context, frames ...string) error {
	_, err := i.send(ctx, []sessionstore.Packet{packetOf(frames)}, true, delivery.Target{})
	return err
}

func packetOf(frames []string) sessionstore.Packet {
	return sessionstore.Packet{ID: sessionstore.PacketID(sessionstore.NewID()), Frames: frames}
}

// Replies is the way of what belongs to the packet just handled, see [Invocation.Reply].
func (i *Invocation) Replies() Replies { return Replies{i} }

// Replies brings packets to the session of an invocation as answers to its request.
type Replies struct{ inv *Invocation }

// Deliver is [Invocation.Deliver], but the last of the packets may be the answer to the request.
func (r Replies) Deliver(
	ctx context.Context, t delivery.Target, packets []sessionstore.Packet,
) (sessionstore.Connection, error) {
	t.Volatile = false
	return r.inv.send(ctx, packets, true, t)
}

// Session returns the session as it was read when the request began, with what the handler has changed since.
func (i *Invocation) Session() sessionstore.Session { return i.session }

// ID returns the session's id.
func (i *Invocation) ID() sessionstore.SessionID { return i.session.ID }

// Socket returns the socket that the session has in a namespace; false if it has none.
func (i *Invocation) Socket(nsp sessionstore.Namespace) (sessionstore.Socket, bool) {
	return i.session.Socket(nsp)
}

// Hint returns the connection to push to with no store call, or none.
func (i *Invocation) Hint() sessionstore.Connection { return i.session.Hint() }

// SetSockets says which sockets the session has, for the messages that follow in the same request.
func (i *Invocation) SetSockets(sockets []sessionstore.Socket) { i.session.Sockets = sockets }

// Reread takes the session as the handler has read it again. What has come of a packet with attachments is forgotten.
func (i *Invocation) Reread(s sessionstore.Session) { i.session, i.Incoming = s, nil }

// OnWebSocket reports whether the request is a WebSocket message, of which others of the same session may be under way.
func (i *Invocation) OnWebSocket() bool { return !i.conn.IsZero() }

// Close closes the session once everything sent has left.
func (i *Invocation) Close(reason string) { i.CloseFor(reason, "") }

// CloseFor is Close for a reason that there is more to say about, to disconnect handlers.
func (i *Invocation) CloseFor(reason, details string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.reason, i.details = reason, details
}

// Discard has a Close of the session give up what has not left: what waits for the client, what was sent in this
// request among it.
func (i *Invocation) Discard() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.discard = true
}

// Closing reports whether the session is to be closed: what comes after is not handled.
func (i *Invocation) Closing() bool { return i.Reason() != "" }

// Reason is why the session is to be closed; empty if it is not.
func (i *Invocation) Reason() string {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.reason
}

// handle gives one packet to the handler. What goes wrong in it closes the session.
func (i *Invocation) handle(ctx context.Context, p engineio.Packet) {
	i.guard(ctx, func() error { return i.engine.handler.Message(ctx, i, p) })
}

// guard runs f and turns an error or a panic into the wish to close the session.
func (i *Invocation) guard(ctx context.Context, f func() error) {
	defer func() {
		if r := recover(); r != nil {
			i.engine.log.ErrorContext(ctx, "handler panicked", "panic", fmt.Sprint(r), "stack", string(debug.Stack()))
			i.CloseFor(delivery.ReasonForcedClose, "a handler panicked")
		}
	}()
	err := f()
	if err == nil {
		return
	}
	reason, details := delivery.ReasonForcedClose, err.Error()
	var c *CloseError
	if errors.As(err, &c) {
		reason, details = c.Reason, ""
		if c.Cause != nil {
			details = c.Cause.Error()
		}
		i.engine.log.InfoContext(
			ctx, "session closed by its handler", "session", NameInLog(i.session.ID), "reason", reason, "cause",
			c.Cause,
		)
	} else {
		i.engine.log.ErrorContext(ctx, "handler failed", "session", NameInLog(i.session.ID), "error", err)
	}
	i.CloseFor(reason, details)
}

// finish lets what was sent leave. The reply is a frame to answer the request with, or empty.
func (i *Invocation) finish(ctx context.Context) (reply string, err error) {
	i.guard(ctx, func() error { return i.engine.handler.Done(ctx, i) })
	if reason, details, discard := i.ends(); discard && reason != "" {
		return "", i.engine.FailFor(ctx, i.session.ID, reason, details)
	}
	reply, err = i.sendAll(ctx)
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.reason == "" {
		return reply, err
	}
	if errors.Is(err, delivery.ErrClosed) {
		err = nil
	}
	return "", errors.Join(err, i.engine.close(ctx, i.session.ID, i.reason, i.details))
}

// ends returns why the session is to be closed, and whether what has not left is given up.
func (i *Invocation) ends() (reason, details string, discard bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.reason, i.details, i.discard
}

// sendAll has everything leave that was sent, but for a last packet that the request is answered with.
func (i *Invocation) sendAll(ctx context.Context) (reply string, err error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.handled = true
	switch {
	case i.collection == nil && i.sole.Frames == nil:
		return "", nil
	case i.collection == nil && i.answerable(i.sole):
		return i.sole.Frames[0], nil
	case i.collection == nil:
		target := delivery.Target{Session: i.session.ID, Hint: i.session.Hint()}
		_, err := i.engine.delivery.Deliver(ctx, target, []sessionstore.Packet{i.sole})
		return "", err
	}
	if p, ok := i.collection.Last(i.answerable); ok {
		reply = p.Frames[0]
	}
	return reply, i.collection.End(ctx)
}

// answerable reports whether a packet may go back as the answer to the request: only to a session that was read as
// being on this very connection, without a hold, and not to one that is being closed.
func (i *Invocation) answerable(p sessionstore.Packet) bool {
	o := &i.engine.opts
	return i.reply && i.reason == "" && !o.PushReplies && len(p.Frames) == 1 && len(p.Frames[0]) <= o.Limits.Frame &&
		!i.conn.IsZero() && i.session.Hint() == i.conn
}
