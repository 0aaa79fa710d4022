package sessionstore

import (
	"fmt"
	"time"
)

// State is where a session is in its life.
type State string

// The states of a session.
const (
	// Open: packets flow.
	Open State = "open"
	// Closing: the closer is running the disconnect handlers under the handler lease.
	Closing State = "closing"
	// Closed: nothing is left to do; the item waits for its time to live.
	Closed State = "closed"
)

// Transport is how a session's client is reached.
type Transport string

// The transports, spelled as in the query of a request.
const (
	Polling   Transport = "polling"
	WebSocket Transport = "websocket"
)

// Lease is a right that ends by itself. Other instances respect it until Until, and act as if its
// holder were dead afterwards.
type Lease struct {
	Owner Owner
	Until time.Time
}

// Held reports whether the lease has an owner, expired or not.
func (l Lease) Held() bool { return l.Owner != "" }

// Expired reports whether the lease has a holder whose time is up.
func (l Lease) Expired(now time.Time) bool { return l.Held() && !now.Before(l.Until) }

// Candidate is a WebSocket that wants to take over from polling.
type Candidate struct {
	Conn  Connection
	Until time.Time
}

// Poll is the lease of a parked GET. It belongs to the GET that T names. Where that is the client's cache buster, a
// copy of the same GET may park and be answered too; else each handler of a GET makes a name of its own.
type Poll struct {
	T     string
	Until time.Time
}

// Live reports whether a GET is parked at now.
func (p Poll) Live(now time.Time) bool { return p.T != "" && now.Before(p.Until) }

// Packet is one entry of a session's outbound buffer: the Engine.IO packets of one message, which reach
// the client next to one another or not at all: a Socket.IO packet and its attachments, or several such packets of one
// sender. A message that begins with "b" belongs to the one before it.
type Packet struct {
	ID PacketID
	// Frames are Engine.IO packets encoded as text: a type digit and data, or "b" and base64.
	// A packet that was read from the store may have no frames, when they are stored apart: see
	// [Buffers.Bodies].
	Frames []string
	// Size is the length of all frames together in bytes. A store fills it in for packets it returns.
	Size int
	// Once says that a recovery does not send the packet again: it is volatile. Kept in the buffers of outboxes.
	Once bool
	// Rewind, unless nil, says that this is an entry of an outbox that stands for events of a room: then there are no
	// frames.
	Rewind *Rewind
	// Page is where a store keeps the packet together with others. Such a packet, as it is read with its session, has
	// neither ID nor frames nor Once nor Rewind, and its Size is its share of what those of its page have together:
	// right in the sum, and no more than a guess for itself. [Buffers.Bodies] returns it whole, without a Page.
	Page Page
}

// Page is a store's note for itself of where a packet is kept with others; the zero value says that it is not. Only
// the store that made it can read it.
type Page struct {
	// ID names the page, At is the packet's place in it.
	ID string
	At int
}

// IsZero reports whether p is no page.
func (p Page) IsZero() bool { return p == Page{} }

// Bytes returns the length of all frames together.
func (p Packet) Bytes() int {
	if p.Frames == nil {
		return p.Size
	}
	n := 0
	for _, f := range p.Frames {
		n += len(f)
	}
	return n
}

// Session is one Engine.IO session: the item on which everything that can race is decided.
type Session struct {
	ID        SessionID
	State     State
	Transport Transport
	// Conn is the WebSocket of a session on [WebSocket].
	Conn Connection
	// Candidate is the WebSocket that is probing, and Probed says that its "2probe" has come.
	Candidate Candidate
	Probed    bool
	// Serial says that packets with attachments are pushed to the session: then the caller that delivers to its
	// WebSocket does it under Hold, so that nothing comes between a packet and its attachments, and no hint leads
	// past that.
	Serial bool
	// Hold is the lease of the caller that flushes the buffer to Conn; while it is held, deliveries append.
	Hold Lease
	// Poll is the parked GET.
	Poll Poll
	// Buffer holds what has not been acknowledged by the client, oldest first.
	Buffer []Packet
	// Given is how many of the first entries of Buffer the last answered GET carried, LastT the name of that GET.
	Given int
	LastT string
	// OpenedT is the t of the handshake, if it is one that names a request: a GET with the same is not named by it.
	OpenedT string
	// Codec is how the client's packets are written, by its name in package engineio; empty is version 4 of Engine.IO.
	Codec string
	// PingAt is when the next ping is due, Pinged that it has been sent (polling only: the times of a
	// session on WebSocket live in its [Registration]).
	PingAt time.Time
	Pinged bool
	// Reason is why the session closed: a disconnect reason of Socket.IO. Empty while open, but that an [Outbox] has
	// the one for which its carrier was lost last.
	Reason string
	// Details say more about it, if more is known.
	Details Details
	// Drain says that a closed polling session still has its Buffer for the next GETs to fetch.
	Drain bool
	// Handler is the lease of the caller that runs the disconnect handlers of a closing session.
	Handler   Lease
	CreatedAt time.Time
	// ExpiresAt is the time to live; zero while none is set.
	ExpiresAt time.Time

	// Carrier is the session that brings the entries of an [Outbox] to the client; empty while it is away. Of an
	// outbox, Conn is the carrier's WebSocket, where it may be pushed to without a look at the carrier, and PingAt is
	// when it is over, while it is away.
	Carrier SessionID
	// Trimmed is how many entries of an outbox have been removed from the front of Buffer: the number of Buffer[i] is
	// Trimmed+i+1.
	Trimmed int
	// Moves is how often an outbox has been recovered.
	Moves int
	// Numbers says of each outbox that the session carries, or carried while it was on polling, the number of the last
	// entry that came into Buffer. Nil if there are none.
	Numbers map[SessionID]int

	// Sockets are the session's sockets, one for each namespace it joined. Filled by [Sessions.Get] only.
	Sockets []Socket
	// Partial is the Socket.IO packet whose attachments have not all come, unless it is past its Deadline. Filled by
	// [Sessions.Get] only.
	Partial *Partial
}

// Pending returns the entries of the buffer that no GET has carried yet.
func (s *Session) Pending() []Packet { return s.Buffer[s.Given:] }

// Socket returns the session's socket in a namespace. Of one that is recoverable it is what can be said without a look
// into its outbox, see [Socket.Home].
func (s *Session) Socket(nsp Namespace) (Socket, bool) {
	for _, k := range s.Sockets {
		if k.Namespace == nsp {
			return k.Home(), true
		}
	}
	return Socket{}, false
}

// Hint is how the session is best reached as this reading of it says: its connection if it is on an open WebSocket,
// without a hold, and not Serial; else none.
func (s *Session) Hint() Connection {
	if s.State == Open && s.Transport == WebSocket && !s.Serial && !s.Hold.Held() {
		return s.Conn
	}
	return Connection{}
}

// Socket is the row of a session's membership of one namespace. It is read with the session at every request, so it
// holds nothing that a client or the application can make large: that is read on demand, see [Sockets].
type Socket struct {
	ID        SocketID
	Session   SessionID
	Namespace Namespace
	// HasAuth and HasData say that there is something to read for [Sockets.Auth] and [Sockets.Data].
	HasAuth, HasData bool
	// Rooms is the number of rooms joined, without the room of the socket's own id. An instance that died during a
	// join or a leave may leave it one too low or too high; [Rooms.RoomsOf] reads the rooms themselves.
	Rooms       int
	ConnectedAt time.Time
	// Parent is what let the socket into its namespace, if that is one of those that clients made, see [Children].
	Parent string
	// Leaving is the lease of the caller that ends the socket, see [Sockets.ClaimSocket].
	Leaving Lease
	// ExpiresAt is when what let the socket in ends, see [Sockets.SetExpiry]; zero for never.
	ExpiresAt time.Time
	// Outbox says that the socket is recoverable, and lives there: this row, of the session that carries the outbox,
	// has nothing else but its ID. See [Outboxes.Link].
	Outbox SessionID
}

// Home returns the row of a recoverable socket as it is known by the row that links its outbox to its carrier: it lives
// in the outbox, and may keep anything. Other rows it returns as they are.
func (k Socket) Home() Socket {
	if k.Outbox == "" || k.Session == k.Outbox {
		return k
	}
	k.Session, k.HasAuth, k.HasData, k.Rooms = k.Outbox, true, true, 1
	return k
}

// NewSocket is what a CONNECT stores.
type NewSocket struct {
	ID        SocketID
	Session   SessionID
	Namespace Namespace
	// Auth is the JSON that the client sent with CONNECT; empty if it sent none.
	Auth string
	// Rooms are the rooms to join at once, in any order, without the room of the socket's own id.
	Rooms []Room
	// Data is the application's data: JSON values by key.
	Data        map[string]string
	ConnectedAt time.Time
	// Parent and ExpiresAt are kept in the row, see [Socket].
	Parent    string
	ExpiresAt time.Time
}

// Row is the socket's row as it is stored.
func (n *NewSocket) Row() Socket {
	return Socket{
		ID: n.ID, Session: n.Session, Namespace: n.Namespace, HasAuth: n.Auth != "", HasData: len(n.Data) > 0,
		Rooms: len(n.Rooms), ConnectedAt: n.ConnectedAt, Parent: n.Parent, ExpiresAt: n.ExpiresAt,
	}
}

// Handshake is the request that created a session. Written once, read on demand.
type Handshake struct {
	Time    time.Time         `json:"time"`
	Address string            `json:"address,omitempty"`
	URL     string            `json:"url,omitempty"`
	Headers map[string]string `json:"headers,omitempty"`
	Query   map[string]string `json:"query,omitempty"`
	Secure  bool              `json:"secure,omitempty"`
}

// Issued is the time of the request in milliseconds since 1970, as Socket.IO's handshake.issued.
func (h *Handshake) Issued() int64 { return h.Time.UnixMilli() }

// XDomain reports whether the request had an Origin header, as Socket.IO's handshake.xdomain.
func (h *Handshake) XDomain() bool { return h.Headers["origin"] != "" }

// MaxHandshake is the most bytes of a [Handshake]; a store refuses what is above with [ErrTooLarge].
const MaxHandshake = 32 << 10

// Bytes is the length of all text of the handshake together; 0 of none.
func (h *Handshake) Bytes() int {
	if h == nil {
		return 0
	}
	n := len(h.Address) + len(h.URL)
	for _, m := range []map[string]string{h.Headers, h.Query} {
		for name, value := range m {
			n += len(name) + len(value)
		}
	}
	return n
}

// Check refuses a handshake above the limit, with [ErrTooLarge].
func (h *Handshake) Check() error {
	if n := h.Bytes(); n > MaxHandshake {
		return fmt.Errorf("handshake of %d bytes: %w", n, ErrTooLarge)
	}
	return nil
}

// Limits of a [Partial]; a store refuses what is above with [ErrTooLarge].
const (
	// MaxPartialWant is the most attachments of a packet.
	MaxPartialWant = 256
	// MaxPartialBytes is the most that is kept of a packet, in bytes of its frames.
	MaxPartialBytes = 24 << 20
)

// Partial is a Socket.IO packet with binary attachments of which some have yet to come. What came is kept apart,
// since the session is read at every request.
type Partial struct {
	// Want is the number of attachments that the header announced, Count how many have come. If more than Want have
	// come, it is unknown which of them belong to it, and no caller may take it.
	Want, Count int
	// Packets are the frames that came and are kept, in order: the first of them is the header's text, the others
	// attachments as "b" and base64. The first packet's ID is the partial packet's own. See [Buffers.Bodies] for
	// those without frames.
	Packets []Packet
	// Deadline is when it is forgotten if they have not all come.
	Deadline time.Time
}

// ID names the partial packet.
func (p *Partial) ID() PacketID {
	if len(p.Packets) == 0 {
		return ""
	}
	return p.Packets[0].ID
}

// Bytes is what is kept of the partial packet.
func (p *Partial) Bytes() int {
	n := 0
	for _, k := range p.Packets {
		n += k.Bytes()
	}
	return n
}

// Check returns ErrTooLarge if the partial packet is above a limit.
func (p *Partial) Check() error {
	if p.Want < 1 || p.Want > MaxPartialWant || p.Bytes() > MaxPartialBytes {
		return fmt.Errorf("a packet of %d attachments and %d bytes: %w", p.Want, p.Bytes(), ErrTooLarge)
	}
	return nil
}

// Member is one row of a room or of a namespace: the socket to deliver to, its session, and a hint how to reach that.
type Member struct {
	Socket  SocketID
	Session SessionID
	// Hint is the connection to push to at once, or none: then the session's buffer is to be tried. It
	// may be stale. Correctness never depends on it.
	Hint Connection
	// Rewound is the number of the last event of the room's history that the socket gets as history, if it does; what
	// was recorded up to it is not delivered to it.
	Rewound int
	// Joining says that the socket is about to join with history: until it is known which events belong to that,
	// nothing that is recorded is delivered to it.
	Joining Lease
}

// Registration is a session's row in the sharded registry, which the sweeper walks.
type Registration struct {
	Session SessionID
	// Conn is set for a session on WebSocket; its ping times live here.
	Conn Connection
	// PingAt is when the next ping is due (WebSocket), or the ping of the session as last known (polling).
	PingAt time.Time
	// LookAt is when the sweeper must read the session itself for another deadline (an upgrade, a
	// connect timeout, a lease); zero for never.
	LookAt time.Time
	// Serial says that the session is, or may carry outboxes: a sweeper that pings it looks at its holds, too.
	Serial bool
	// ClientPings says that the client sends the pings: a sweeper sends none, and ends the session when none came.
	ClientPings bool
	// PingedAt is when an unanswered ping was pushed, if a sweeper has recorded that. A time before PingAt is that of
	// an earlier ping and says nothing.
	PingedAt time.Time
	// Expired says that the ping timeout has been decided: a pong no longer counts.
	Expired bool
}
