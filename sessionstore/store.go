package sessionstore

import (
	"context"
	"iter"
	"time"
)

// Store is all roles together, for wiring and for storetest. Code that works with a store asks for the roles it needs.
type Store interface {
	Sessions
	Buffers
	Polls
	Upgrades
	Flushes
	Outboxes
	Connections
	Registry
	Sockets
	Rooms
	Partials
	Acks
	Asks
	Claims
	Children
	Timers
	Histories
}

// NewSession is what a handshake stores.
type NewSession struct {
	ID        SessionID
	Transport Transport
	// Conn is the connection of a session that begins as WebSocket.
	Conn      Connection
	Handshake Handshake
	CreatedAt time.Time
	PingAt    time.Time
	// LookAt and Serial go into the session's [Registration]; Serial into the session as well.
	LookAt time.Time
	Serial bool
	// Tend has the Registration be Serial also where the session is not.
	Tend bool
	// OpenedT and Codec are kept in the session, see there; ClientPings goes into the [Registration].
	OpenedT     string
	Codec       string
	ClientPings bool
	// Carrier and Hold are those of a new [Outbox]; see [Outboxes].
	Carrier SessionID
	Hold    Lease
}

// CloseRequest asks to close a session.
type CloseRequest struct {
	Session SessionID
	Reason  string
	// Details are kept with the reason; they are [Details.Bounded].
	Details Details
	// Handler is the lease under which the winner runs the disconnect handlers.
	Handler Lease
	// Drain keeps the buffer of a polling session for the GETs that follow.
	Drain bool
	// IfPingAt, unless zero, makes the close conditional on PingAt being as read: a ping timeout.
	IfPingAt time.Time
	// IfConn, unless zero, makes the close conditional on Conn being it: that connection has ended.
	IfConn Connection
	// IfCarrier, unless empty, makes the close of an outbox conditional on Carrier being it.
	IfCarrier SessionID
}

// Sessions creates, reads and ends sessions.
type Sessions interface {
	// Create stores a session. For polling its handshake and its [Registration] too (3 writes); for
	// WebSocket the handshake goes with the connection row, see [Connections.PutConnection], and the open
	// step makes the registration, see [Registry.Register] (1 write). ErrExists if the id is taken, ErrTooLarge if
	// the handshake is above [MaxHandshake], ErrFull if the store takes no further session.
	Create(ctx context.Context, s NewSession) error
	// Get reads a session with its sockets' rows and partial packet in one read. ErrNotFound if there is none.
	// A session past its time to live at now is not found.
	Get(ctx context.Context, id SessionID, now time.Time) (Session, error)
	// Handshake reads what the session began with, on either transport and from anywhere (1 read; 2 for a session that
	// began as WebSocket). ErrNotFound if there is none: also once the session is closed, or its connection's row is
	// removed or never came. While its disconnect handlers run it is there.
	Handshake(ctx context.Context, id SessionID) (Handshake, error)
	// Close moves an open session to closing: sets Reason, Details and Handler; removes Hold, Poll, Candidate,
	// Probed, and, unless Drain is asked for and the session is on polling, Buffer and Given. Returns the session
	// as it was before. Condition: open, and IfPingAt, IfConn and IfCarrier if given.
	// A refusal whose session has Handler.Owner as in the request means that an earlier call was applied.
	Close(ctx context.Context, r CloseRequest) (Session, error)
	// TakeOver replaces the handler lease of a closing session. Condition: closing, and the old lease
	// has ended at now, or is from's: so an owner renews its lease or hands it over. From may be empty.
	TakeOver(ctx context.Context, id SessionID, handler Lease, from Owner, now time.Time) error
	// Finish moves a closing session to closed and sets its time to live; it drops the Handshake. Condition:
	// closing, and the handler lease is owner's.
	Finish(ctx context.Context, id SessionID, owner Owner, expiresAt time.Time) error
}

// BufferLimits bounds a session's buffer, and says what may be appended to it.
type BufferLimits struct {
	// Packets and Bytes are the most that the buffer may hold after a delivery.
	Packets, Bytes int
	// IfTaken, unless zero, makes an append conditional on the client taking it at that time: the buffer is empty, and
	// on polling a GET is parked, or on WebSocket no other caller has the hold. Of an outbox: there is no hold.
	IfTaken time.Time
	// Number, unless zero, makes an append to the buffer of a carrier conditional on its number.
	Number Number
}

// Takes reports whether a session allows an append by IfTaken.
func (l BufferLimits) Takes(s *Session) bool {
	switch {
	case l.IfTaken.IsZero():
		return true
	case s.Transport == Polling:
		return len(s.Buffer) == 0 && s.Poll.Live(l.IfTaken)
	case s.Transport == Outbox:
		return !s.Hold.Held()
	default:
		return len(s.Buffer) == 0 && !s.Hold.Held()
	}
}

// Buffers appends to the outbound buffer.
type Buffers interface {
	// Deliver appends packets, in order, in one write. Condition: open, and on polling or held, and the buffer within
	// limits afterwards, and limits.IfTaken if given. The session in the ConflictError says which of them failed; see
	// [BufferLimits.Exceeded] and [BufferLimits.Takes]. Large packets are stored apart first; a body without its
	// reference is garbage that the time to live removes.
	Deliver(ctx context.Context, id SessionID, packets []Packet, limits BufferLimits) error
	// Bodies returns the packets with the frames of those that are stored apart, and all of those that have a
	// [Packet.Page]. ErrNotFound if a body is gone, which happens only after the session closed.
	Bodies(ctx context.Context, id SessionID, packets []Packet) ([]Packet, error)
}

// Exceeded reports whether appending the packets to the session's buffer breaks the limits.
func (l BufferLimits) Exceeded(s *Session, packets []Packet) bool {
	n := 0
	for _, p := range s.Buffer {
		n += p.Bytes()
	}
	for _, p := range packets {
		n += p.Bytes()
	}
	return len(s.Buffer)+len(packets) > l.Packets || n > l.Bytes
}

// AnswerRequest is the write behind an answered GET.
type AnswerRequest struct {
	// Read is the session as read: State, LastT, Given and Buffer are used.
	Read *Session
	// T names this GET; it becomes LastT.
	T string
	// Give is how many entries after Read.Given the answer carries; 0 for an answer of "2", "6" or "1" alone.
	Give int
	// Ping says that the answer carries the ping: sets Pinged.
	Ping bool
	// EndDrain says that the answer told a draining client that it is over: clears Drain.
	EndDrain bool
}

// ParkRequest is the write that parks a GET.
type ParkRequest struct {
	Read *Session
	Poll Poll
}

// Polls are the transitions of the polling transport.
type Polls interface {
	// Answer removes the first Read.Given entries, which this GET acknowledges, sets Given to Give and
	// LastT to T, and removes Poll. Condition: open (or Drain set), polling, LastT and Given as read.
	Answer(ctx context.Context, r AnswerRequest) error
	// Park removes the first Read.Given entries, sets Given to 0 and Poll. Condition: open, polling, LastT
	// and Given as read, and nothing in the buffer beyond Given.
	Park(ctx context.Context, r ParkRequest) error
	// Pong sets PingAt and removes Pinged. Condition: open, polling.
	Pong(ctx context.Context, id SessionID, pingAt time.Time) error
}

// Upgrades are the transitions from polling to WebSocket.
type Upgrades interface {
	// Bind makes c the candidate. Condition: open, polling, and no candidate or one whose time has passed
	// at now; a candidate that is c already counts as bound.
	Bind(ctx context.Context, id SessionID, c Candidate, now time.Time) error
	// Probe sets Probed. Condition: open, polling, conn is the candidate.
	Probe(ctx context.Context, id SessionID, conn Connection) error
	// Upgrade moves the session to WebSocket: Conn = conn, Hold = hold; removes Candidate and Poll. Probed stays,
	// for it says what a GET that is still parked is to be answered.
	// Buffer and Given stay: the first Given entries were acknowledged by the client's upgrade packet. Returns
	// the session as it is after. Condition: open, polling, conn is the candidate.
	Upgrade(ctx context.Context, id SessionID, conn Connection, hold Lease) (Session, error)
	// Abort removes Candidate and Probed. Condition: open, polling, conn is the candidate.
	Abort(ctx context.Context, id SessionID, conn Connection) error
}

// Flushes are the transitions of the caller that holds the buffer back to push it.
type Flushes interface {
	// Enqueue appends packets to the buffer of a session on WebSocket that is Serial and takes the hold if it is free,
	// in one write. Returns the session as it is after: if its Hold is hold.Owner's, the caller has to push the buffer;
	// else the owner of the hold does. Condition: open, on WebSocket and Serial or an [Outbox], and the buffer within
	// limits afterwards, and limits.IfTaken if given.
	Enqueue(ctx context.Context, id SessionID, packets []Packet, limits BufferLimits, hold Lease) (Session, error)
	// Renew extends the hold. Condition: Hold is hold.Owner's.
	Renew(ctx context.Context, id SessionID, hold Lease) error
	// Release removes Hold, Buffer and Given. Condition: open, Hold is owner's, and the buffer has exactly n entries.
	Release(ctx context.Context, id SessionID, owner Owner, n int) error
}

// ConnectionRow says which session a connection belongs to. It is immutable: instances may cache it for ever.
type ConnectionRow struct {
	Conn    Connection
	Session SessionID
	// Handshake is set for a connection that began its session, and nil for a candidate.
	Handshake *Handshake
	ExpiresAt time.Time
}

// Connections finds the session of a connection.
type Connections interface {
	// PutConnection stores the row. ErrTooLarge if the handshake is above [MaxHandshake].
	PutConnection(ctx context.Context, r ConnectionRow) error
	// Connection reads it. ErrNotFound if there is none.
	Connection(ctx context.Context, c Connection) (ConnectionRow, error)
	// DeleteConnection removes it; removing what is not there is no error.
	DeleteConnection(ctx context.Context, c Connection) error
}

// Registry is the list of sessions, in shards, that the sweeper walks.
type Registry interface {
	// Shards is the number of shards.
	Shards() int
	// Register puts a row if there is none; ErrExists otherwise. It is the claim of a WebSocket's open step.
	Register(ctx context.Context, r Registration) error
	// Update replaces Conn, PingAt and LookAt of a row that is there and not Expired; ErrNotFound otherwise.
	Update(ctx context.Context, r Registration) error
	// Look sets LookAt alone on a row that is there; ErrNotFound otherwise.
	Look(ctx context.Context, id SessionID, at time.Time) error
	// Beat sets PingAt alone on a row that is there and not Expired; ErrNotFound otherwise.
	Beat(ctx context.Context, id SessionID, pingAt time.Time) error
	// Expire marks a row as Expired and sets LookAt. Condition: PingAt and Conn as in r, the row as it was
	// read; ErrNotFound otherwise.
	Expire(ctx context.Context, r Registration, lookAt time.Time) error
	// Pinged records that the ping for which the row's PingAt asked was pushed at a time, so that another sweeper knows
	// it too. Condition: PingAt and Conn as in r, the row as it was read, and not Expired; ErrNotFound otherwise.
	Pinged(ctx context.Context, r Registration, at time.Time) error
	// Unregister removes a row; removing what is not there is no error.
	Unregister(ctx context.Context, id SessionID) error
	// Registrations walks a shard, page by page. Eventually consistent.
	Registrations(ctx context.Context, shard int) iter.Seq2[Registration, error]
	// CountRegistrations counts the rows of a shard (1 read, and one more for each further 1 MB of them). Eventually
	// consistent.
	CountRegistrations(ctx context.Context, shard int) (int, error)
	// LeaseShard takes or renews the sweeper's lease of a shard. ErrExists if another owner has it at now.
	LeaseShard(ctx context.Context, shard int, lease Lease, now time.Time) error
}

// Partials keep a Socket.IO packet until its attachments have come, over as many requests as it takes. A packet past
// its Deadline at now is none. Where the frames of a connection may be handled at once, nothing in an attachment tells
// which packet it belongs to. So one attachment too many spoils a packet for good, and no caller gets it.
type Partials interface {
	// PutPartial stores a packet of which p.Packets came: the header, and maybe attachments. If another is waiting it
	// spoils that one and returns ErrExists (2 writes). ErrTooLarge above the limits.
	PutPartial(ctx context.Context, id SessionID, p Partial, now time.Time) error
	// AddAttachments stores more frames of a packet and counts them; it returns the packet as it is after. Condition:
	// it is p, with Count as read; ErrNotFound otherwise. ErrTooLarge above the limits.
	AddAttachments(ctx context.Context, id SessionID, p Partial, more Packet) (Partial, error)
	// CountAttachment counts an attachment that the caller keeps, and returns the packet as it is after: the caller
	// that makes Count equal to Want has them all. ErrNotFound if none is waiting, ErrSpoilt if Count is above Want
	// then.
	CountAttachment(ctx context.Context, id SessionID, now time.Time) (Partial, error)
	// TakePartial removes a packet. Condition: it is p, with Count as in p; ErrNotFound otherwise. Of several callers
	// one gets it.
	TakePartial(ctx context.Context, id SessionID, p Partial) error
	// DeletePartial removes whatever is there; removing what is not there is no error.
	DeletePartial(ctx context.Context, id SessionID) error
}

// Ack is an acknowledgement that the server waits for, of one client.
type Ack struct {
	Session   SessionID
	Namespace Namespace
	ID        uint64
	// Continuation names the handler that takes the answer; empty if a caller waits for it.
	Continuation string
	// State is JSON that the continuation gets back; at most [MaxAckState] bytes.
	State string
	// Answer is the client's answer as encoded Socket.IO frames; nil until it came.
	Answer    []string
	ExpiresAt time.Time
}

// AckPlaces is the most acknowledgements that may be stored for a session. The place of one is its id modulo
// AckPlaces, and a place takes one at a time: so the limit is exact and costs nothing. Ids are drawn at random, and
// drawn again if the place is taken.
const AckPlaces = 1024

// AckPlace is where an acknowledgement is stored among those of its session.
func AckPlace(id uint64) uint64 { return id % AckPlaces }

// MaxAckState is the most bytes of [Ack.State] and of [Ask.State].
const MaxAckState = 1 << 10

// AckKept is how long what has a continuation stays after its end, so that the end can be told.
const AckKept = 24 * time.Hour

// AckRead is how long an answer keeps its place for the caller that waits for it: many times as long as that takes
// between two reads.
const AckRead = 5 * time.Second

// Acks are the acknowledgements of single clients that the server waits for.
type Acks interface {
	// PutAck stores a pending acknowledgement (1 write). Condition: its place is free, or what has it has expired at
	// now and has no continuation; ErrExists otherwise. ErrTooLarge if its state is above [MaxAckState].
	PutAck(ctx context.Context, a Ack, now time.Time) error
	// AnswerAck records the client's answer, once, and returns the acknowledgement with it (1 write). One with a
	// continuation is removed; of another ExpiresAt is [AckRead] after now from then on. Condition: it is there,
	// a.Continuation is its own, it has not expired at now, and is not answered; ErrNotFound otherwise. An answer above
	// 4 KB takes a write for each 300 KB or part of it more.
	AnswerAck(ctx context.Context, a Ack, now time.Time) (Ack, error)
	// Ack reads it (1 read). ErrNotFound if there is none.
	Ack(ctx context.Context, id SessionID, ack uint64) (Ack, error)
	// PendingAcks returns the ids of those that may be answered at now (a read for each 1 MB of what is stored for the
	// session). It sees every PutAck that returned before.
	PendingAcks(ctx context.Context, id SessionID, now time.Time) ([]uint64, error)
	// DeleteAck removes it (1 write); removing what is not there is no error.
	DeleteAck(ctx context.Context, id SessionID, ack uint64) error
}

// Waker is an optional ability of a store: to tell when a session changes, instead of being read again.
// A store that would have to ask another process should not have it.
type Waker interface {
	// Changed returns a channel that is closed at the next change of the session's item, or of one of its
	// acknowledgements, after the call. Reading after the call sees every change that came before it.
	Changed(id SessionID) <-chan struct{}
	// Answered returns a channel that is closed at the next answer to an ask of that namespace and id, in whichever
	// part, after the call. Reading after the call sees every answer that came before it.
	Answered(nsp Namespace, id uint64) <-chan struct{}
}

// Hinter is an optional ability of a store: to tell soon that a session has changed, without a promise to. It is for a
// store that cannot be a [Waker]; a caller that waits reads again by itself too.
type Hinter interface {
	// Hint returns a channel that gets a value when it is heard that the session, or one of its acknowledgements, has
	// changed after the call. The caller calls stop when it waits no more.
	Hint(id SessionID) (heard <-chan struct{}, stop func())
}

// Immediate is an optional ability of a store: its calls wait for nothing but a lock of this process. A caller then
// needs no goroutines to make many calls side by side, and pays nothing to read again.
type Immediate interface {
	// Immediate does nothing; it marks the store.
	Immediate()
}
