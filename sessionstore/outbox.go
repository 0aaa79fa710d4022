package sessionstore

import (
	"context"
	"strings"
	"time"
)

// Outbox is the transport of a session that is an outbox: one recoverable socket's own session, which no request names.
// What is delivered to the socket is appended here and numbered. The session that the client is on, the carrier, brings
// it to the client. If the carrier is lost, the outbox stays, and with it the socket, its rooms and its data, until
// another session of the client carries it. See docs/protocol.md, Recovery.
const Outbox Transport = "outbox"

// outboxPrefix begins the ids of outboxes, and of no other sessions: the server makes both.
const outboxPrefix = "~"

// OutboxID returns the id of the outbox whose client knows it by pid, the private id of connection state recovery.
func OutboxID(pid string) SessionID { return SessionID(outboxPrefix + pid) }

// IsOutbox reports whether a session's id is that of an outbox.
func (id SessionID) IsOutbox() bool { return strings.HasPrefix(string(id), outboxPrefix) }

// PID returns the private id of an outbox, by which its client names it; empty for other sessions.
func (id SessionID) PID() string {
	if !id.IsOutbox() {
		return ""
	}
	return strings.TrimPrefix(string(id), outboxPrefix)
}

// Owners of the [Session.Hold] of an outbox that no caller has. The hold changes by the methods of [Outboxes] alone,
// and an Enqueue leaves it as it is.
const (
	// HoldPolling: the carrier is on polling. Callers append to its buffer by number, see [BufferLimits.Number], and
	// need no hold for that. Its end, if it has one, is that of the time in which the caller that recovered the outbox
	// appends the first of them.
	HoldPolling Owner = "polling"
	// HoldAway: there is no carrier. What is appended waits for one.
	HoldAway Owner = "away"
)

// Lasting reports whether a lease is one of an outbox that no caller has: [HoldPolling] or [HoldAway].
func (l Lease) Lasting() bool { return l.Owner == HoldPolling || l.Owner == HoldAway }

// Seq is the number of the last entry that was appended to an outbox; the first is 1.
func (s *Session) Seq() int { return s.Trimmed + len(s.Buffer) }

// Number makes an append to a carrier's buffer conditional on the number of the outbox's entry that the carrier got
// last, and sets it. So entries come into the buffer once and in the order of their numbers, whichever caller brings
// them, and a late write of one that was thought dead does no harm.
type Number struct {
	Outbox SessionID
	// From is the number that the carrier has to have, To the one that it has afterwards.
	From, To int
	// First says that the carrier may have none of this outbox yet instead; with From below 0 it must have none.
	First bool
	// PartFrom and PartTo are for an entry From+1 that is a [Rewind], of which a carrier gets some events at a time:
	// how many it has to have, and how many it has afterwards. It has 0 of an entry that has not begun, and of the next
	// one once To is beyond.
	PartFrom, PartTo int
}

// Bears reports whether a session on WebSocket that has a hold takes a Deliver by number: if that is the hold of an
// upgrade. One that is serial may have a hold at any time, and what it gets of an outbox is pushed by the caller with
// the outbox's hold.
func (n *Number) Bears(s *Session) bool { return n.Outbox == "" || !s.Serial }

// Meets reports whether a session has the number that an append is conditional on. The zero value's condition always
// holds.
func (n *Number) Meets(s *Session) bool {
	if n.Outbox == "" {
		return true
	}
	if s.Numbers[n.Outbox.Part()] != n.PartFrom {
		return false
	}
	got, ok := s.Numbers[n.Outbox]
	if !ok {
		return n.First || n.From < 0
	}
	return n.From >= 0 && got == n.From
}

// RecoverRequest moves an outbox to another carrier.
type RecoverRequest struct {
	// Read is the outbox as read: its ID and Moves are used.
	Read *Session
	// Carrier is the session that carries it from now on, Conn its WebSocket if it may be pushed to without a look at
	// the session.
	Carrier SessionID
	Conn    Connection
	// Hold is the lease of the caller, or has the owner [HoldPolling].
	Hold Lease
	// Now is the time by which an outbox that is away may be over.
	Now time.Time
}

// Outboxes are the transitions of outboxes. An outbox is made by [Sessions.Create], with Transport [Outbox], a Carrier,
// a Conn, Serial and a Hold (1 write: it has no row of the registry, and no handshake). [Sessions.Get], Close, TakeOver
// and Finish take it as any session, and so do [Flushes.Enqueue] and Renew, [Buffers.Bodies], [Sockets] and [Rooms];
// Close makes no difference of Drain. [Sessions.Handshake] of an outbox is that of its carrier (1 read more), and
// ErrNotFound while it is away. All other transitions refuse it. Its buffer keeps what was sent, for a client that
// comes back, until it is trimmed: [Session.Given] is how many of its first entries were sent, where its carrier is on
// WebSocket. What a store keeps apart of an entry lasts a day from its append on at least: of older ones
// [Buffers.Bodies] may be ErrNotFound, so a client cannot come back to them; Trim takes them all the same.
type Outboxes interface {
	// Link puts a row into a session which says that it carries an outbox in a namespace (1 write): a [Socket] of which
	// ID, Outbox and Parent are kept, and nothing else is stored for it. ErrExists if the session has a socket in that
	// namespace, or a link to another outbox. Linking again is no error. The row is no socket to the methods of
	// [Sockets] and [Rooms], but that [Sockets.PutSocket] finds the namespace taken.
	Link(ctx context.Context, k Socket) error
	// Unlink removes such a row (1 write). Condition: it is k's ID and Outbox; another, or none, is no error.
	Unlink(ctx context.Context, k Socket) error
	// Recover sets Carrier, Conn and Hold, counts Moves up, and removes PingAt. It returns the outbox as it was before.
	// Condition: open, Moves as read, and PingAt, if there is one, is after now. A refusal, or a reading, in which
	// Carrier is the request's and Moves one more than was read means that an earlier call was applied.
	Recover(ctx context.Context, r RecoverRequest) (Session, error)
	// Lose gives an outbox the hold [HoldAway] and sets PingAt, when it is over, and the Reason, which stays when it is
	// recovered; it removes Carrier and Conn. Condition: open, and carrier is its Carrier.
	Lose(ctx context.Context, id, carrier SessionID, over time.Time, reason string) error
	// Switch follows a carrier that has moved from polling to WebSocket: it sets Hold, Conn, and Given, for which sent
	// is the number of the last entry that the carrier got. It returns the outbox as it is after. Condition: open,
	// carrier is its Carrier, and its hold is [HoldPolling]. A sent below Trimmed makes Given 0; one above Seq is no
	// number.
	Switch(ctx context.Context, id, carrier SessionID, conn Connection, sent int, hold Lease) (Session, error)
	// Sent removes the hold and sets Given to n. Condition: open, the hold is owner's, Trimmed as read, and the buffer
	// has exactly n entries.
	Sent(ctx context.Context, read *Session, owner Owner, n int) error
	// Trim removes the first n entries of an outbox, counts them in Trimmed, and takes them off Given (1 write, and a
	// read for each level of pages of which a part goes; 1 write more for each page that others turned since the
	// reading). N is at most what read has. Condition: open, and Trimmed and Moves as read, for what a carrier got that
	// has been replaced may have to be sent again. A refusal in which Trimmed is n more than was read may mean that an
	// earlier call was applied; nothing is left to do then, whichever call it was.
	Trim(ctx context.Context, read *Session, n int) error
}
