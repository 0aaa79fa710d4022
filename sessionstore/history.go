package sessionstore

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"
)

// Keeping says of which rooms of a namespace the events are kept, and for how long.
type Keeping struct {
	// Rooms are patterns of names: a name, in which one * stands for any text.
	Rooms []string `json:"rooms"`
	// Events is how many of the last events of a room can be read, at least 1. A store may keep twice as many.
	Events int `json:"events"`
	// For is how long they can be read.
	For time.Duration `json:"for"`
	// Marked says that this is what the mark of a room says, see [Mark], which a Record then leaves as it is.
	Marked bool `json:"-"`
}

// Limits of a [Keeping].
const (
	MaxKeptEvents   = 1_000_000
	MaxKeptFor      = 30 * 24 * time.Hour
	MaxKeptPatterns = 100
)

// Keeps reports whether the events of a room are kept.
func (k *Keeping) Keeps(room Room) bool {
	for _, p := range k.Rooms {
		begin, end, several := strings.Cut(p, "*")
		switch {
		case !several && string(room) == p:
			return true
		case several && len(room) >= len(begin)+len(end) && strings.HasPrefix(string(room), begin) &&
			strings.HasSuffix(string(room), end):
			return true
		}
	}
	return false
}

// Check returns what is wrong about a Keeping.
func (k *Keeping) Check() error {
	switch {
	case len(k.Rooms) == 0 || len(k.Rooms) > MaxKeptPatterns:
		return fmt.Errorf("%d patterns of rooms, want 1 to %d", len(k.Rooms), MaxKeptPatterns)
	case k.Events < 1 || k.Events > MaxKeptEvents:
		return fmt.Errorf("%d events, want 1 to %d", k.Events, MaxKeptEvents)
	case k.For < time.Second || k.For > MaxKeptFor:
		return fmt.Errorf("kept for %v, want 1s to %v", k.For, MaxKeptFor)
	}
	for _, p := range k.Rooms {
		if p == "" || len(p) > MaxName || strings.Count(p, "*") > 1 {
			return fmt.Errorf("pattern %q, want 1 to %d bytes with one * at most", p, MaxName)
		}
	}
	return nil
}

// Event is an event in the history of a room: what a broadcast sent, and to which members it did not.
type Event struct {
	// Number is its place in the history: one more than that of the event before.
	Number int
	ID     PacketID
	// Frames are as in a [Packet].
	Frames []string
	At     time.Time
	// Not are sockets that it was not for. Neither was it for those in one of the rooms Except, nor for those that are
	// not in all of the rooms And.
	Not         []SocketID
	Except, And []Room
}

// Bytes returns the length of all frames together.
func (e *Event) Bytes() int {
	n := 0
	for _, f := range e.Frames {
		n += len(f)
	}
	return n
}

// History is what is known of the history of a room without its events.
type History struct {
	// First is the number of the first event that there ever was, Last of the last; both 0 if there is none.
	First, Last int
	// Begun is when the first came.
	Begun time.Time
	// Mark is what is known of the room's mark; there may be one of which nothing is known.
	Mark Mark
}

// Mark is met by those that walk the members of a room whose events are kept: by it an emitter learns that which knows
// no more of the room than its name. It is there before the first event is, and before a socket joins with history.
type Mark struct {
	Events int
	For    time.Duration
	// Until is until when it is certain to be there.
	Until time.Time
}

// Mark returns the mark of a room that is kept like that.
func (k *Keeping) Mark(until time.Time) Mark { return Mark{Events: k.Events, For: k.For, Until: until} }

// Keeping returns what is kept of a room with the mark.
func (m Mark) Keeping() Keeping { return Keeping{Events: m.Events, For: m.For, Marked: true} }

// Serves reports whether the mark says what a Keeping does, and does so until a time.
func (m Mark) Serves(k *Keeping, until time.Time) bool {
	return m.Events == k.Events && m.For == k.For && !m.Until.Before(until)
}

// markSlack is how much longer than it must be there a mark is there, so that it is renewed that seldom.
const markSlack = 30 * 24 * time.Hour

// MarkLife returns until when a mark has to be there at least, and until when a new one is: for as long as there may be
// events that are kept, and rows of members that live for rows.
func (k *Keeping) MarkLife(now time.Time, rows time.Duration) (least, until time.Time) {
	least = now.Add(max(k.For, rows))
	return least, least.Add(markSlack)
}

// MarkedError says of a room that it has a mark. See [Histories.Unmarked].
type MarkedError struct {
	Room Room
	Mark Mark
}

// Error names the room.
func (e *MarkedError) Error() string {
	return fmt.Sprintf("sessionstore: the events of room %q are kept", e.Room)
}

// Rewind is an entry of an [Outbox] that stands for events of a room's history: those with the numbers From+1 to To.
type Rewind struct {
	Namespace Namespace `json:"n"`
	Room      Room      `json:"r"`
	Socket    SocketID  `json:"s"`
	From      int       `json:"f"`
	To        int       `json:"t"`
	// Binary says that the client's parser has binary messages alone. It gets no events of another one.
	Binary bool `json:"b,omitempty"`
}

// Len is how many events a rewind stands for.
func (r *Rewind) Len() int { return r.To - r.From }

// partSuffix ends the names of parts.
const partSuffix = "/"

// Part is where [Session.Numbers] says of an outbox how many events of the next entry have come, if that is a [Rewind]
// of which not all have.
func (id SessionID) Part() SessionID { return id + partSuffix }

// RewindsLeft returns the outboxes of which the session, a carrier that polls, has got a part of a rewind.
func (s *Session) RewindsLeft() []SessionID {
	var left []SessionID
	for id := range s.Numbers {
		if outbox, is := strings.CutSuffix(string(id), partSuffix); is {
			left = append(left, SessionID(outbox))
		}
	}
	slices.Sort(left)
	return left
}

// Histories keep the last events of rooms. The events of a room are numbered in the order of their records, without a
// gap; what begins anew after the history of a room has been forgotten has higher numbers than ever before. Together
// with [Histories.JoinLater] that makes the seam between history and live events exact, see docs/protocol.md, Rewind.
type Histories interface {
	// Record appends an event to the history of a room and returns its number (1 write; 2 more for each about 2 KB of
	// events, and a read if there are very many; one more for each 300 KB of an event above 1 KB). Number is ignored.
	// What is beyond the limits of k may be forgotten. The room has a mark before it has the event, which takes a write
	// or two a month, unless k is what the mark says. If it is in doubt, see Recorded. ErrFull if the store takes no
	// more.
	Record(ctx context.Context, nsp Namespace, room Room, e Event, k Keeping) (int, error)
	// Recorded looks for an event among the last ones of a room, of which at least the last 100 are looked at, and
	// returns its number. ErrNotFound if it is not there. (A read or two.)
	Recorded(ctx context.Context, nsp Namespace, room Room, id PacketID) (int, error)
	// History reads where the history of a room begins and ends (1 read). It sees every Record that returned before.
	History(ctx context.Context, nsp Namespace, room Room) (History, error)
	// Since returns the least number above from whose event, as far as there is one, came at a time or later; to+1 if
	// there is none up to to. (A read, and some ten more unless that is from+1.)
	Since(ctx context.Context, nsp Namespace, room Room, from, to int, at time.Time) (int, error)
	// Events walks the events of a room with numbers above from, up to to, in order. ErrNotFound if one of them is not
	// there (any more). It keeps no more than about a megabyte in memory at a time. A read brings some hundreds of
	// small ones.
	Events(ctx context.Context, nsp Namespace, room Room, from, to int) iter.Seq2[Event, error]

	// JoinLater is [Rooms.Join] of a socket whose row of the room says [Member.Joining] until [Histories.Joined].
	// ErrExists if there is a row of the socket that is not the owner's: of two callers one joins.
	JoinLater(
		ctx context.Context, k Socket, room Room, joining Lease, limits SocketLimits,
	) error
	// Joined removes Joining of a row of a room, and sets Rewound (1 write). Condition: Joining is owner's; ErrNotFound
	// otherwise.
	Joined(ctx context.Context, k Socket, room Room, owner Owner, rewound int) error
	// RoomMember reads one row of a room (1 read). ErrNotFound if there is none.
	RoomMember(ctx context.Context, nsp Namespace, room Room, id SocketID) (Member, error)

	// Mark has a room have a mark, unless h, what History has returned, says that it has (1 write, and 1 if there are
	// events).
	Mark(ctx context.Context, nsp Namespace, room Room, k Keeping, h History, now time.Time) error
	// Unmarked is [Rooms.Members] of all members of a room that has no mark. Of one that has, it yields a [MarkedError]
	// and no member, for the price of as many members as are in the first read.
	Unmarked(ctx context.Context, nsp Namespace, room Room) iter.Seq2[Member, error]

	// PutKeeping stores what is kept of a namespace, for those that emit to it and do not know (1 write). It lasts
	// until a time.
	PutKeeping(ctx context.Context, nsp Namespace, k Keeping, until time.Time) error
	// Keeping reads it (1 read). ErrNotFound if there is none, or its time is over at now.
	Keeping(ctx context.Context, nsp Namespace, now time.Time) (Keeping, error)
}
