// Package engine runs Engine.IO sessions, of version 4 and where that is allowed of version 3, that live in a store:
// any instance may serve any request of any session. It knows polling, WebSocket, the upgrade between them, the
// heartbeat and the end of sessions; what the messages mean is up to its [Handler] (package gateway makes Socket.IO of
// them; an echo is a handler of three lines). It knows no HTTP and no AWS: package apigw brings the requests of API
// Gateway.
//
// Every change of a session is one conditional write, see package sessionstore and docs/protocol.md.
package engine

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/internal/engineio"
	"github.com/nonstick-io/nonstick/internal/protocol"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// Options are the settings of an [Engine]. Zero fields mean the default.
type Options struct {
	// PingInterval and PingTimeout are the heartbeat's; defaults 25 s and 20 s.
	PingInterval, PingTimeout time.Duration
	// UpgradeTimeout is how long a WebSocket may take from its connect to the upgrade packet; default 10 s.
	UpgradeTimeout time.Duration
	// ConnectTimeout closes a session that has joined no namespace; 0 means never.
	ConnectTimeout time.Duration
	// PollHold is how long a GET is parked at most; default 20 s. API Gateway ends a request after 30 s.
	PollHold time.Duration
	// PollPace is how long a parked GET waits at most before it reads the session again, on a store that cannot tell of
	// changes: an event comes so much later at worst, and half of it as a rule. Default 250 ms, at least
	// [LeastPollPace]. Each reading is a read of the store.
	PollPace time.Duration
	// MaxPayload is the most bytes that a client may send at once; default 1,000,000. It is told to the client. The
	// caller that reads a POST holds it to that; a greater frame of a WebSocket ends its session.
	MaxPayload int
	// NoUpgrades has clients on polling told of no transport to move to.
	NoUpgrades bool
	// Limits bound what is delivered to a session.
	Limits delivery.Limits
	// PushReplies says that frames come through a queue: an answer to one cannot travel with it, and is pushed.
	PushReplies bool
	// AllowRequest judges the request of a client that begins a session, on polling or on WebSocket, before anything
	// is stored; default: every one is let in. Requests with the id of a session are not asked about. An
	// [*engineio.Error] is the answer to the client, [engineio.Forbidden] for instance: 403 on polling, 400 on
	// WebSocket. After any other error the client gets engineio.ErrForbidden, and the error goes to the log.
	AllowRequest func(ctx context.Context, h sessionstore.Handshake) error
	// AllowEIO3 lets clients of version 3 of the protocol begin sessions, those of Socket.IO v2 and before. They are
	// served Serial. A [Handler] that is an [Opener] is told when one has begun.
	AllowEIO3 bool
	// Requests, unless nil, returns the hooks of requests. It is called for each request; what it returns must not
	// change.
	Requests func() *RequestHooks
}

func (o Options) withDefaults() Options {
	set := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	set(&o.PingInterval, 25*time.Second)
	set(&o.PingTimeout, 20*time.Second)
	set(&o.UpgradeTimeout, 10*time.Second)
	set(&o.PollHold, 20*time.Second)
	set(&o.PollPace, 250*time.Millisecond)
	o.PollPace = max(o.PollPace, LeastPollPace)
	if o.MaxPayload == 0 {
		o.MaxPayload = 1e6
	}
	o.Limits = o.Limits.WithDefaults()
	return o
}

// Handler is what sits on top of the sessions.
type Handler interface {
	// Message handles one message of a session. Messages of one request come one after the other; those of
	// concurrent requests of one session may overlap. An error closes the session, with the reason of
	// the [*CloseError] if it is one.
	Message(ctx context.Context, inv *Invocation, p engineio.Packet) error
	// Done is called after the last message of a request, before what was sent leaves.
	Done(ctx context.Context, inv *Invocation) error
	// Closed is called once for a session that has closed, with its sockets: again only if the instance that called
	// it died, or if it returned an error; at once if that matches [ErrUnfinished], with the sockets that are left.
	Closed(ctx context.Context, s sessionstore.Session) error
}

// Opener is an optional ability of a [Handler]: to be told that a session of version 3 has begun, after its open
// packet, as it is of a message. A client of Socket.IO v2 does not ask for the main namespace.
type Opener interface {
	Opened(ctx context.Context, inv *Invocation) error
}

// CloseError is a handler's wish to close the session.
type CloseError struct {
	// Reason is a disconnect reason, see package adapter.
	Reason string
	// Cause is for the log; it may be nil.
	Cause error
}

// Error says why the session is closed.
func (e *CloseError) Error() string {
	if e.Cause == nil {
		return "engine: " + e.Reason
	}
	return "engine: " + e.Reason + ": " + e.Cause.Error()
}

// Unwrap returns the cause.
func (e *CloseError) Unwrap() error { return e.Cause }

// Store is what an [Engine] needs of a store.
type Store interface {
	sessionstore.Sessions
	sessionstore.Buffers
	sessionstore.Polls
	sessionstore.Upgrades
	sessionstore.Flushes
	sessionstore.Outboxes
	sessionstore.Histories
	// InRoom is that of [sessionstore.Rooms].
	InRoom(ctx context.Context, k sessionstore.Socket, room sessionstore.Room) (bool, error)
	sessionstore.Connections
	sessionstore.Registry
	sessionstore.Sockets
	sessionstore.Partials
	sessionstore.Claims
	sessionstore.Timers
}

// Config is what an [Engine] is made of.
type Config struct {
	Store   Store
	Pusher  delivery.Pusher
	Handler Handler
	Options Options
	// Ends takes the ends of sessions; default none: the caller that closes a session finishes it.
	Ends Ends
	// Hooks tell of what happens.
	Hooks Hooks
	// Logger gets what goes wrong; default none.
	Logger *slog.Logger
}

// Engine serves the requests of sessions. Safe for concurrent use; it keeps nothing of a session but a
// bounded cache of which connection belongs to which.
type Engine struct {
	store     Store
	waker     sessionstore.Waker  // nil if the store cannot tell
	hinter    sessionstore.Hinter // nil if it does not try to either
	immediate bool                // to read the store costs nothing
	pusher    delivery.Pusher
	rules     *protocol.Rules
	handler   Handler
	opts      Options
	log       *slog.Logger
	closing   *delivery.Closing
	delivery  *delivery.Delivery
	attach    bool        // packets with attachments may be sent; set before it serves
	serial    bool        // and need serial sessions for that
	carries   atomic.Bool // sessions may carry outboxes
	conns     connCache
	ends      Ends // nil if the caller that closes a session finishes it
	hooks     Hooks
}

// New returns an Engine.
func New(c Config) *Engine {
	e := &Engine{
		store: c.Store, pusher: c.Pusher, handler: c.Handler, opts: c.Options.withDefaults(), log: c.Logger,
		ends: c.Ends, hooks: c.Hooks, rules: protocol.Of(c.Store),
	}
	if e.log == nil {
		e.log = slog.New(slog.DiscardHandler)
	}
	e.waker, _ = c.Store.(sessionstore.Waker)
	e.hinter, _ = c.Store.(sessionstore.Hinter)
	_, e.immediate = c.Store.(sessionstore.Immediate)
	e.closing = &delivery.Closing{
		Sessions: c.Store, Pusher: c.Pusher, Finish: e.closed, Announce: e.announce, Logger: e.log,
	}
	if e.ends != nil {
		e.closing.Later = e.later
	}
	e.delivery = delivery.New(c.Store, c.Pusher, e.closing, e.opts.Limits)
	return e
}

// AllowAttachments lets packets of several messages (with attachments) be sent to sessions on WebSocket. Unless the
// pusher is an delivery.GroupPusher, sessions are created serial from then on, and each packet to such a WebSocket
// costs two writes of the store. Call it before serving.
func (e *Engine) AllowAttachments() {
	_, groups := e.pusher.(delivery.GroupPusher)
	e.attach, e.serial = true, !groups
}

// AllowUpgrades says whether clients on polling are told to move to WebSocket; by default they are. One that moves
// though it is told not to is let, as by the reference. Call it before serving.
func (e *Engine) AllowUpgrades(allow bool) { e.opts.NoUpgrades = !allow }

// MaxPayload is the most bytes that a client may send at once, see [Options].
func (e *Engine) MaxPayload() int { return e.opts.MaxPayload }

// SetMaxPayload changes that. Call it before serving.
func (e *Engine) SetMaxPayload(n int) { e.opts.MaxPayload = n }

// AllowRecovery lets sessions carry outboxes: sweepers look after those, and at their timers. Sessions that were made
// before may not.
func (e *Engine) AllowRecovery() { e.carries.Store(true) }

// Attachments reports whether packets with attachments may be sent.
func (e *Engine) Attachments() bool { return e.attach }

// Delivery returns what brings packets to sessions, for an adapter.Adapter on top.
func (e *Engine) Delivery() *delivery.Delivery { return e.delivery }

// Close ends a session for a reason. The client of a polling session fetches what is in its buffer first.
func (e *Engine) Close(ctx context.Context, id sessionstore.SessionID, reason string) error {
	return e.close(ctx, id, reason, "")
}

// close is Close for a reason that there is more to say about.
func (e *Engine) close(ctx context.Context, id sessionstore.SessionID, reason, details string) error {
	return e.closing.Close(ctx, id, reason, delivery.CloseOptions{Drain: true, Details: described(details)})
}

// described are details that are a description alone.
func described(s string) sessionstore.Details { return sessionstore.Details{Description: s} }

// Fail ends a session at once: its client broke the rules of the transport.
func (e *Engine) Fail(ctx context.Context, id sessionstore.SessionID, reason string) error {
	return e.FailFor(ctx, id, reason, "")
}

// FailFor is Fail for a reason that there is more to say about, to disconnect handlers.
func (e *Engine) FailFor(ctx context.Context, id sessionstore.SessionID, reason, details string) error {
	return e.closing.Close(ctx, id, reason, delivery.CloseOptions{Details: described(details)})
}

// announce has the sweeper look at a session that is about to be closed. Where that fails, the close goes on: the
// sweeper is needed only if this instance dies right now.
func (e *Engine) announce(ctx context.Context, id sessionstore.SessionID, at time.Time) {
	look := e.lookAgain
	if id.IsOutbox() { // which no row of the registry tells of
		look = func(ctx context.Context, id sessionstore.SessionID, at time.Time) error {
			return e.timeOutbox(ctx, id, 0, at)
		}
	}
	if err := look(ctx, id, at); err != nil {
		e.log.WarnContext(ctx, "close not announced", "error", err)
	}
}
