package delivery

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/nonstick-io/nonstick/internal/again"
	"github.com/nonstick-io/nonstick/internal/protocol"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// Disconnect reasons, as Socket.IO servers name them.
const (
	ReasonTransportError     = "transport error"
	ReasonTransportClose     = "transport close"
	ReasonForcedClose        = "forced close"
	ReasonPingTimeout        = "ping timeout"
	ReasonParseError         = "parse error"
	ReasonForcedServer       = "forced server close"
	ReasonClientDisconnect   = "client namespace disconnect"
	ReasonServerDisconnect   = "server namespace disconnect"
	ReasonServerShuttingDown = "server shutting down"
	// ReasonBufferFull is ours: the client fetched too slowly, see [ErrBufferFull].
	ReasonBufferFull = "buffer full"
	// ReasonOutOfOrder is ours: frames of the connection were handled in an order that does not tell what belongs
	// together. Only where the platform does that, see nonstick.Config.Unordered.
	ReasonOutOfOrder = "frames out of order"
	// ReasonInDoubt is ours: an instance died while it handled a frame, and how far it came is unknown.
	ReasonInDoubt = "frame in doubt"
)

// Leases and bounded repeats. The work of a call ends at its context's deadline, or after callTime if it has none; a
// lease outlives the work by LeaseMargin, so that no caller takes over from one that still works.
const (
	callTime   = 30 * time.Second
	closeTries = 8
)

// LeaseMargin is how long a lease outlives the work that it is for.
const LeaseMargin = 5 * time.Second

// LeaseUntil returns when a lease taken now for the work under ctx ends.
func LeaseUntil(ctx context.Context, now time.Time) time.Time {
	deadline, ok := ctx.Deadline()
	if !ok || deadline.After(now.Add(callTime)) {
		deadline = now.Add(callTime)
	}
	return deadline.Add(LeaseMargin)
}

// Closing is the end of sessions, whichever caller causes it.
type Closing struct {
	Sessions sessionstore.Sessions
	Pusher   Pusher
	// Finish sees to it that the disconnect handlers of a session that this process closed run, its rows are removed
	// and closed is written; the session is as it was before, and the lease is the handlers'. If nil, that is left to
	// the sweeper, which finds the lease already over.
	Finish func(ctx context.Context, old sessionstore.Session, lease sessionstore.Lease) error
	// Announce, unless nil, tells the sweeper beforehand when to look at a session that is about to be closed: the
	// caller that closes it may die before its client is cut off, and a client that only answers pings would never be
	// noticed. Not asked for when the session's connection has ended, or its ping timeout is decided: then the
	// sweeper knows.
	Announce func(ctx context.Context, id sessionstore.SessionID, at time.Time)
	// Leave, if Finish is nil, tells the sweeper that there is a session to finish. If nil too, it finds out by itself.
	Leave func(ctx context.Context, id sessionstore.SessionID) error
	// Later, unless nil, takes a session that CloseWithin has no more time for, and sees to it that [Closing.Resume] is
	// called for it until that succeeds. When it returns nil that is certain, as far as the pool or the queue that
	// takes it can make it.
	Later func(ctx context.Context, e Ending) error
	// Logger is told when Later refuses; default none.
	Logger *slog.Logger
}

// Ending is a session that is to be closed, on its way to the caller that closes it. It is encoded as JSON in a queue.
type Ending struct {
	Session sessionstore.SessionID `json:"session"`
	// Owner names the close: an earlier call that was applied is recognised by it.
	Owner sessionstore.Owner `json:"owner"`
	// Reason is never empty.
	Reason string `json:"reason"`
	// Doubtful is a connection to cut, see [CloseOptions].
	Doubtful sessionstore.Connection `json:"doubtful,omitzero"`
	// Details say more than the reason.
	Details sessionstore.Details `json:"details,omitzero"`
}

// ErrEnding says that the session is being closed: nothing is delivered to it any more, but its client may not have
// been cut off yet.
var ErrEnding = errors.New("delivery: session is being closed")

// CloseOptions refine [Closing.Close].
type CloseOptions struct {
	// Doubtful are connections to cut whichever caller wins: a push to them is in doubt.
	Doubtful sessionstore.Connection
	// Details say more than the reason; what is too long is cut off.
	Details sessionstore.Details
	// Drain leaves the buffer for the next GETs.
	Drain    bool
	IfPingAt time.Time
	IfConn   sessionstore.Connection
	// IfCarrier is that of a sessionstore.CloseRequest.
	IfCarrier sessionstore.SessionID
}

// Close ends a session: it writes closing, cuts the transport and has the disconnect handlers run. It returns nil if
// another caller closed the session first (that caller does the rest), and a *sessionstore.ConflictError if a condition
// of o failed on a session that is open.
//
// The close is repeated while it is in doubt: it can only be applied once, and the owner token tells an earlier call of
// this very Close from another caller's.
func (c *Closing) Close(ctx context.Context, id sessionstore.SessionID, reason string, o CloseOptions) error {
	ctx = context.WithoutCancel(ctx) // a caller that gives up must not leave the client in doubt
	return c.close(ctx, id, reason, sessionstore.Owner(sessionstore.NewID()), o)
}

// laterTime bounds the handing over of a close.
const laterTime = time.Second

// CloseWithin is Close for a caller that has other sessions to see to: what is not done within patience is handed to
// Later, at once if that is 0, and the error is [ErrEnding]. Without Later, or if that fails, it takes as long as
// Close. Of the options it knows Doubtful and Details only.
func (c *Closing) CloseWithin(
	ctx context.Context, patience time.Duration, id sessionstore.SessionID, reason string, o CloseOptions,
) error {
	if c.Later == nil {
		return c.Close(ctx, id, reason, o)
	}
	ctx = context.WithoutCancel(ctx)
	owner := sessionstore.Owner(sessionstore.NewID())
	if patience > 0 {
		quick, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		if c.close(quick, id, reason, owner, o) == nil { // whatever else it says, the session has to end
			return nil
		}
	}
	handing, cancel := context.WithTimeout(ctx, laterTime)
	defer cancel()
	err := c.Later(
		handing, Ending{
			Session: id, Owner: owner, Reason: reason, Doubtful: o.Doubtful, Details: o.Details.Bounded(),
		},
	)
	if err == nil {
		return ErrEnding
	}
	if c.Logger != nil {
		c.Logger.WarnContext(
			ctx, "the end of a session was not handed over: the emit waits for it", "reason", reason, "error", err,
		)
	}
	return c.close(ctx, id, reason, owner, o) // no other caller will
}

// Resume is one try at an end that was handed to Later. It may be called again, and after it has succeeded too.
func (c *Closing) Resume(ctx context.Context, e Ending) error {
	return c.close(ctx, e.Session, e.Reason, e.Owner, CloseOptions{Doubtful: e.Doubtful, Details: e.Details})
}

func (c *Closing) close(
	ctx context.Context, id sessionstore.SessionID, reason string, owner sessionstore.Owner, o CloseOptions,
) error {
	old, lease, err := c.write(ctx, id, reason, owner, o)
	if !o.Doubtful.IsZero() {
		err = errors.Join(err, c.Cut(ctx, o.Doubtful))
	}
	if err != nil || !lease.Held() {
		return err
	}
	if id.IsOutbox() {
		if err := c.CloseCarrier(ctx, &old, reason, o.Details); err != nil {
			return err // it is not finished before: a sweeper takes it over
		}
	} else {
		for _, conn := range []sessionstore.Connection{old.Conn, old.Candidate.Conn} {
			if !conn.IsZero() && conn != o.Doubtful {
				err = errors.Join(err, c.Cut(ctx, conn))
			}
		}
	}
	switch {
	case c.Finish != nil:
		err = errors.Join(err, c.Finish(ctx, old, lease))
	case c.Leave != nil:
		err = errors.Join(err, c.Leave(ctx, id))
	}
	return err
}

// CloseCarrier closes the session that carries an outbox which is being closed, unless that closes for what its client
// is told or knows: a client must not go on as if its socket were there. It may be called again.
func (c *Closing) CloseCarrier(
	ctx context.Context, outbox *sessionstore.Session, reason string, details sessionstore.Details,
) error {
	switch reason {
	case ReasonClientDisconnect, ReasonServerDisconnect, ReasonTransportClose:
		return nil
	}
	if outbox.Carrier == "" {
		return nil
	}
	return c.Close(ctx, outbox.Carrier, reason, CloseOptions{Details: details})
}

// write moves the session to closing. The lease has no owner if there is nothing left to do for this caller.
func (c *Closing) write(
	ctx context.Context, id sessionstore.SessionID, reason string, owner sessionstore.Owner, o CloseOptions,
) (sessionstore.Session, sessionstore.Lease, error) {
	now := time.Now()
	lease := sessionstore.Lease{
		Owner: owner, Until: LeaseUntil(context.WithoutCancel(ctx), now),
	} // the end is for others, too
	if c.Finish == nil {
		lease.Until = now
	}
	announces := c.Announce != nil && o.IfConn.IsZero() && o.IfPingAt.IsZero() && reason != ReasonPingTimeout
	if announces {
		c.Announce(ctx, id, lease.Until.Add(LeaseMargin))
	}
	r := sessionstore.CloseRequest{
		Session: id, Reason: reason, Details: o.Details.Bounded(), Handler: lease, Drain: o.Drain,
		IfPingAt: o.IfPingAt, IfConn: o.IfConn, IfCarrier: o.IfCarrier,
	}
	var err error
	for tries := again.Times(closeTries); tries.Next(ctx); {
		var old sessionstore.Session
		old, err = c.Sessions.Close(ctx, r)
		cur, _ := sessionstore.Current(err)
		switch protocol.Close(err, owner) {
		case protocol.CloseWon:
			return old, lease, nil
		case protocol.CloseApplied:
			return cur, cur.Handler, nil
		case protocol.CloseRefused:
			return cur, sessionstore.Lease{}, err
		case protocol.CloseLost:
			if announces && cur.State == sessionstore.Closing { // or each of us would put off the look at the winner
				c.Announce(ctx, id, cur.Handler.Until.Add(LeaseMargin))
			}
			return cur, sessionstore.Lease{}, nil
		case protocol.CloseRepeat:
		}
	}
	return sessionstore.Session{}, sessionstore.Lease{}, fmt.Errorf("delivery: close session: %w", err)
}

// Cut ends a connection, and repeats that where it fails: the platform may be busy. One that is gone is ended.
func (c *Closing) Cut(ctx context.Context, conn sessionstore.Connection) error {
	var err error
	for tries := again.Times(closeTries); tries.Next(ctx); {
		if err = c.Pusher.Close(ctx, conn); err == nil || errors.Is(err, ErrGone) {
			return nil
		}
	}
	return fmt.Errorf("delivery: cut connection: %w", err)
}
