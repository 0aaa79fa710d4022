package sessionstore

import (
	"context"
	"fmt"
	"iter"
	"time"
)

// SocketLimits bound what one socket may keep in the store.
type SocketLimits struct {
	// Auth is the most bytes of [NewSocket.Auth]; never above [MaxKept].
	Auth int
	// Data is the most bytes of all keys and values of the socket's data together; never above [MaxKept].
	Data int
	// Rooms is the most rooms that the socket may be in, without that of its own id.
	Rooms int
}

// MaxKept is the most bytes of auth, or of data, whatever the limits say: an item of a DynamoDB table has room for it.
const MaxKept = 256 << 10

// MaxDataKey is the most bytes of a key of a socket's data: what DynamoDB takes as the name of an attribute, less one.
const MaxDataKey = 254

// Check reports what of a new socket is above the limits: ErrTooLarge or ErrTooManyRooms.
func (l SocketLimits) Check(n *NewSocket) error {
	if len(n.Auth) > min(l.Auth, MaxKept) {
		return fmt.Errorf("auth of %d bytes: %w", len(n.Auth), ErrTooLarge)
	}
	if len(n.Rooms) > l.Rooms {
		return fmt.Errorf("%d rooms: %w", len(n.Rooms), ErrTooManyRooms)
	}
	return l.CheckData(n.Data)
}

// CheckData reports whether data is above the limits: ErrTooLarge.
func (l SocketLimits) CheckData(data map[string]string) error {
	n := 0
	for key, value := range data {
		if len(key) > MaxDataKey {
			return fmt.Errorf("key of %d bytes: %w", len(key), ErrTooLarge)
		}
		n += len(key) + len(value)
	}
	if n > min(l.Data, MaxKept) {
		return fmt.Errorf("data of %d bytes: %w", n, ErrTooLarge)
	}
	return nil
}

// Sockets are the rows of a session's namespaces, and what their sockets keep: auth, data and rooms, each in items of
// their own, so that no other request pays for them.
//
// Of a [Socket] that is handed in, Session, Namespace and ID are needed; so a caller can read and change what any
// socket keeps, wherever its events are handled. HasAuth, HasData and Rooms are those of the row as the caller read it:
// they spare calls where there is nothing to read. A caller that has not read the row sets HasData, and Rooms to 1.
type Sockets interface {
	// PutSocket stores the socket's row and its namespace's member row with the hint, one item each for auth and data
	// if there are any, and two for each room (2 to 4 writes and two for each room; the socket's own row is the
	// last). ErrExists if the session has a socket in that namespace; ErrTooLarge or ErrTooManyRooms above the
	// limits, ErrFull if the store takes no further socket.
	PutSocket(ctx context.Context, s NewSocket, hint Connection, limits SocketLimits) error
	// RemoveSocket removes the socket's row, so that no join can follow, then its member row, auth, data and rooms (2
	// writes, one each for auth and data, two for each room; 1 read if it was in rooms). It returns the row as it was;
	// ErrNotFound if it was gone, after removing the member row and what is left of its rooms all the same. It may be
	// called again after an error, and goes on where it stopped.
	RemoveSocket(ctx context.Context, s Socket) (Socket, error)
	// ClaimSocket takes, renews or hands over the right to end a socket (1 write), and returns its row as it is after.
	// The lease lies in the row, and from then on no join succeeds: for that, the socket is gone. So the rooms that the
	// row counts are all that there will be. Condition: the row is there (ErrNotFound), and has no owner, or its lease
	// has ended at now, or its owner is from or lease.Owner; a [HeldError] otherwise. So a holder renews it, or hands
	// it over, as that of a [Claims.Claim].
	ClaimSocket(ctx context.Context, s Socket, lease Lease, from Owner, now time.Time) (Socket, error)
	// Vacate takes a socket, as it was claimed, out of its namespace and its rooms (1 write and two for each room; 1
	// read if s.Rooms is not 0). Its row, auth and data stay. It may be called again, and goes on where it stopped.
	Vacate(ctx context.Context, s Socket) error
	// DropSocket removes what Vacate has left: auth and data, and the row (1 write, and one each for auth and data).
	// ErrNotFound if the row was gone. It may be called again.
	DropSocket(ctx context.Context, s Socket) error
	// ReadSocket reads the row and the data of a member's socket in one call. ErrNotFound if it is gone, or its
	// session is not open.
	ReadSocket(ctx context.Context, nsp Namespace, m Member) (Socket, map[string]string, error)
	// Auth reads what the client sent with CONNECT (1 read, none if s.HasAuth is false). ErrNotFound if the socket is
	// gone.
	Auth(ctx context.Context, s Socket) (string, error)
	// Data reads the socket's data (1 read, none if s.HasData is false). Empty if the socket is gone.
	Data(ctx context.Context, s Socket) (map[string]string, error)
	// SetData sets one key of the socket's data to a JSON value, or removes it if value is empty, whatever it was (1
	// read and 1 write, or 2 writes for the first key; more while others change the same key, or fill the data up).
	// Setting it again is no error. ErrNotFound if the socket is gone, ErrTooLarge above the limits.
	SetData(ctx context.Context, s Socket, key, value string, limits SocketLimits) error
	// SwapData sets one key of the socket's data to a JSON value if it has another, old. This is compare and set:
	// callers that read a value, compute the next and swap do not undo one another. An empty old means that the key
	// must not be there, an empty value removes it. Old is compared byte by byte with what was set, as [Sockets.Data]
	// returns it (1 write; 2 for the first key, or 3 where s.HasData says otherwise). Condition: the key has old, and
	// the data are within the limits afterwards. A [ChangedError] if the key has another value: it carries the data as
	// they are, so that the next try needs no read. ErrTooLarge above the limits, ErrNotFound if the socket is gone.
	//
	// The same call after one in doubt is not applied a second time, unless the key has got back to old meanwhile. But
	// its refusal does not tell whether the first was applied: a caller that computes from what the refusal found, as
	// to add to it, might do it twice. It returns the error in doubt instead.
	//
	// A caller adds to a number by such a loop, too. An addition in the store would spare its read at most, and could
	// keep neither the limits, for which the length of the sum has to be known before, nor numbers as JSON has them:
	// those of DynamoDB have 38 digits and no notation.
	SwapData(ctx context.Context, s Socket, key, old, value string, limits SocketLimits) error
	// SetExpiry sets [Socket.ExpiresAt], to the millisecond, or removes it if at is zero (1 write). ErrNotFound if the
	// socket is gone.
	SetExpiry(ctx context.Context, s Socket, at time.Time) error
	// SetHint writes the hint into the socket's member row and the rows of its rooms, each only if it is there
	// (1 write and one for each room; 1 read if s.Rooms is not 0).
	SetHint(ctx context.Context, s Socket, hint Connection) error
	// ClearSockets removes the items of those sockets of a session whose row is gone, or never came, because an
	// instance died while it removed or put them (1 read, and two writes for each room found). The session must be
	// closing or closed.
	ClearSockets(ctx context.Context, id SessionID) error
}

// Range is a range of socket ids in the order of their bytes; the zero value is all of them.
type Range struct {
	// From is the least id of the range.
	From SocketID
	// To is the least id above it, or empty if the range has no end.
	To SocketID
}

// Contains reports whether an id is in the range.
func (r Range) Contains(id SocketID) bool { return id >= r.From && (r.To == "" || id < r.To) }

// Rooms are the members of rooms and namespaces.
type Rooms interface {
	// Join puts the room's row among the session's items and the socket's row among the room's members, then counts the
	// room in the socket's row if that is there, not claimed and below the limit (3 writes). If not, it removes both
	// rows again and returns ErrNotFound or ErrTooManyRooms. Joining twice is no error, at the limit too, and counts
	// once.
	Join(ctx context.Context, s Socket, room Room, hint Connection, limits SocketLimits) error
	// Leave removes the socket from the room's members, then the room's row among the session's items, then counts it
	// no more (2 or 3 writes). Leaving twice, or as a socket that is gone, is no error. A join and a leave of one
	// room by one socket at the same time may leave a member whose room is not among those of the socket, or the
	// reverse; the next join or leave sets it right.
	Leave(ctx context.Context, s Socket, room Room) error
	// RoomsOf reads the rooms that a socket is in, sorted (a read for each 1 MB; none if s.Rooms is 0).
	RoomsOf(ctx context.Context, s Socket) ([]Room, error)
	// InRoom reports whether a socket is in a room (1 read; none if s.Rooms is 0).
	InRoom(ctx context.Context, s Socket, room Room) (bool, error)
	// Member reads the member row of one socket. ErrNotFound if there is none.
	Member(ctx context.Context, nsp Namespace, id SocketID) (Member, error)
	// Members walks the members of a room whose ids are in the range, in order of socket ids, page by page. Sockets
	// that join or leave meanwhile may be missed or met.
	Members(ctx context.Context, nsp Namespace, room Room, ids Range) iter.Seq2[Member, error]
	// NamespaceMembers walks one shard of a namespace in the same way; there are [Registry.Shards] of them.
	NamespaceMembers(ctx context.Context, nsp Namespace, shard int, ids Range) iter.Seq2[Member, error]
	// CountMembers counts the members of a room, or stops at most of them unless that is 0 (1 read, and one for each
	// further 1 MB of rows; few bytes where most is small). It sees every join that returned before.
	CountMembers(ctx context.Context, nsp Namespace, room Room, most int) (int, error)
	// CountNamespaceMembers counts one shard of a namespace in the same way.
	CountNamespaceMembers(ctx context.Context, nsp Namespace, shard, most int) (int, error)
	// RepairHint writes m's hint into its member row, in the room or, if room is empty, in the namespace, if
	// that is there (1 write): it was found stale.
	RepairHint(ctx context.Context, nsp Namespace, room Room, m Member) error
	// Reap removes the member row of a socket, in the room or, if room is empty, in the namespace: an orphan
	// that an emit met.
	Reap(ctx context.Context, nsp Namespace, room Room, id SocketID) error
}
