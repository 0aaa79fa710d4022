package adapter

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nonstick-io/nonstick/sessionstore"
)

// Disconnect reasons, as Socket.IO servers name them.
const (
	ReasonTransportError   = "transport error"
	ReasonTransportClose   = "transport close"
	ReasonForcedClose      = "forced close"
	ReasonPingTimeout      = "ping timeout"
	ReasonParseError       = "parse error"
	ReasonForcedServer     = "forced server close"
	ReasonClientDisconnect = "client namespace disconnect"
	ReasonServerDisconnect = "server namespace disconnect"
	// ReasonBufferFull is ours: the client fetched too slowly, see [ErrBufferFull].
	ReasonBufferFull = "buffer full"
	// ReasonOutOfOrder is ours: frames of the connection were handled in an order from which nobody can tell what belongs
	// together. Only where the platform does that, see gateway.Config.Unordered.
	ReasonOutOfOrder = "frames out of order"
	// ReasonInDoubt is ours: an instance died while it handled a frame, and nobody knows how far it came.
	ReasonInDoubt = "frame in doubt"
)

// Leases and bounded repeats. The work of a call ends at its context's deadline, or after callTime if it
// has none; a lease outlives the work by LeaseMargin, so that nobody takes over from one who still works.
const (
	callTime     = 30 * time.Second
	closeRepeats = 8
	firstPause   = 10 * time.Millisecond
	longestPause = 500 * time.Millisecond
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

// Closing is the end of sessions, whoever causes it.
type Closing struct {
	Sessions sessionstore.Sessions
	Pusher   Pusher
	// Finish sees to it that the disconnect handlers of a session that this process closed run, its rows are removed and
	// closed is written; the session is as it was before, and the lease is the handlers'. If nil, that is left to the sweeper, which finds
	// the lease already over.
	Finish func(ctx context.Context, old sessionstore.Session, lease sessionstore.Lease) error
	// Announce, unless nil, tells the sweeper beforehand when to look at a session that is about to be closed: whoever
	// closes it may die before its client is cut off, and a client that only answers pings would never be noticed.
	// Not asked for when the session's connection has ended, or its ping timeout is decided: then the sweeper knows.
	Announce func(ctx context.Context, id sessionstore.SessionID, at time.Time)
	// Leave, if Finish is nil, tells the sweeper that there is a session to finish. If nil too, it finds out by itself.
	Leave func(ctx context.Context, id sessionstore.SessionID) error
}

// CloseOptions refine [Closing.Close].
type CloseOptions struct {
	// Doubtful are connections to cut whoever wins: a push to them is in doubt.
	Doubtful sessionstore.Connection
	// Drain leaves the buffer for the next GETs.
	Drain    bool
	IfPingAt time.Time
	IfConn   sessionstore.Connection
}

// Close ends a session: it writes closing, cuts the transport and has the disconnect handlers run. It
// returns nil if somebody else closed the session first (they do the rest), and a *sessionstore.ConflictError
// if a condition of o failed on a session that is open.
//
// The close is repeated while it is in doubt: it can only be applied once, and the owner token tells an
// earlier call of this very Close from somebody else's.
func (c *Closing) Close(ctx context.Context, id sessionstore.SessionID, reason string, o CloseOptions) error {
	ctx = context.WithoutCancel(ctx) // a caller that gives up must not leave the client in doubt
	old, lease, err := c.write(ctx, id, reason, o)
	if !o.Doubtful.IsZero() {
		err = errors.Join(err, c.cut(ctx, o.Doubtful))
	}
	if err != nil || !lease.Held() {
		return err
	}
	for _, conn := range []sessionstore.Connection{old.Conn, old.Candidate.Conn} {
		if !conn.IsZero() && conn != o.Doubtful {
			err = errors.Join(err, c.cut(ctx, conn))
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

// write moves the session to closing. Nobody has the lease if there is nothing left to do for this caller.
func (c *Closing) write(ctx context.Context, id sessionstore.SessionID, reason string, o CloseOptions) (sessionstore.Session, sessionstore.Lease, error) {
	now := time.Now()
	lease := sessionstore.Lease{Owner: sessionstore.Owner(sessionstore.NewID()), Until: LeaseUntil(ctx, now)}
	if c.Finish == nil {
		lease.Until = now
	}
	if c.Announce != nil && o.IfConn.IsZero() && o.IfPingAt.IsZero() && reason != ReasonPingTimeout {
		c.Announce(ctx, id, lease.Until.Add(LeaseMargin))
	}
	r := sessionstore.CloseRequest{Session: id, Reason: reason, Handler: lease, Drain: o.Drain, IfPingAt: o.IfPingAt, IfConn: o.IfConn}
	var err error
	pause := NewPause()
	for range closeRepeats {
		var old sessionstore.Session
		old, err = c.Sessions.Close(ctx, r)
		if err == nil {
			return old, lease, nil
		}
		if cur, ok := sessionstore.Current(err); ok {
			switch {
			case cur.State == sessionstore.Open:
				return cur, sessionstore.Lease{}, err
			case cur.Handler.Owner == lease.Owner:
				return cur, lease, nil
			default:
				return cur, sessionstore.Lease{}, nil
			}
		}
		if errors.Is(err, sessionstore.ErrNotFound) {
			return old, sessionstore.Lease{}, nil
		}
		pause.Wait(ctx)
	}
	return sessionstore.Session{}, sessionstore.Lease{}, fmt.Errorf("adapter: close session: %w", err)
}

// cut ends a connection, repeating while the platform is busy.
func (c *Closing) cut(ctx context.Context, conn sessionstore.Connection) error {
	var err error
	pause := NewPause()
	for range closeRepeats {
		if err = c.Pusher.Close(ctx, conn); err == nil || errors.Is(err, ErrGone) {
			return nil
		}
		pause.Wait(ctx)
	}
	return fmt.Errorf("adapter: cut connection: %w", err)
}
