package adapter

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/nonstick-io/nonstick/internal/again"
	"github.com/nonstick-io/nonstick/internal/socketio"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// logged is the number of a packet in the history of a room that it goes to; 0 if the room keeps none.
type logged struct {
	Room   sessionstore.Room `json:"room"`
	Number int               `json:"number,omitempty"`
}

// Keeper says what of a namespace is kept; nil if that is nothing.
type Keeper func(ctx context.Context, nsp sessionstore.Namespace) (*sessionstore.Keeping, error)

const (
	// keepingFresh is how long what is kept of a namespace, or of a room, is not read again.
	keepingFresh = time.Minute
	// freshMost is of how many of them it is remembered.
	freshMost = 4096
	// historyTries is how often a call for a history is tried that was certainly not made.
	historyTries = 6
)

// fresh remembers what was read of things for [keepingFresh]. Safe for concurrent use.
type fresh[K comparable, V any] struct {
	mu sync.Mutex
	of map[K]readAt[V]
}

type readAt[V any] struct {
	v  V
	at time.Time
}

func (f *fresh[K, V]) get(k K) (V, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	known, ok := f.of[k]
	return known.v, ok && time.Since(known.at) < keepingFresh
}

// put remembers what was read at a time.
func (f *fresh[K, V]) put(k K, v V, at time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.of == nil || len(f.of) >= freshMost {
		f.of = make(map[K]readAt[V])
	}
	f.of[k] = readAt[V]{v, at}
}

// keepings are [Options.Histories]: what is kept of namespaces, as a server has stored it, nil if nothing is.
type keepings struct {
	store sessionstore.Histories
	known fresh[sessionstore.Namespace, *sessionstore.Keeping]
}

// keeping is a [Keeper] that reads the store.
func (k *keepings) keeping(ctx context.Context, nsp sessionstore.Namespace) (*sessionstore.Keeping, error) {
	if known, ok := k.known.get(nsp); ok {
		return known, nil
	}
	now := time.Now()
	var keeping *sessionstore.Keeping
	switch read, err := k.store.Keeping(ctx, nsp, now); {
	case err == nil:
		keeping = &read
	case !errors.Is(err, sessionstore.ErrNotFound):
		return nil, fmt.Errorf("what is kept of a namespace: %w", err)
	}
	k.known.put(nsp, keeping, now)
	return keeping, nil
}

// marks remember what is kept of rooms that an emitter has met the marks of: it records what it emits to them before it
// walks them. A room that it has met no mark of it walks, and so meets the mark if there is one.
type marks = fresh[markedRoom, sessionstore.Keeping]

type markedRoom struct {
	nsp  sessionstore.Namespace
	room sessionstore.Room
}

// recordable reports whether a packet may come into a history: an event that all clients get, whenever they come, and
// that none is asked about.
func (p *Packet) recordable() bool {
	return (p.Type == socketio.Event || p.Type == socketio.BinaryEvent) && !p.Volatile && !p.HasID
}

// recorded is Broadcast of a packet within a namespace: it records the packet in the histories of the rooms that it
// goes to, before it goes to any of their members. A room of which it is not known that it keeps one has a mark if it
// does, see [sessionstore.Mark]: its walk ends there, before any member of any room was met, and is made again once
// the packet is recorded. After an error of a record the packet has gone to none; but it may be in a history.
func (a *Adapter) recorded(ctx context.Context, sel Selection, p *Packet) (Result, error) {
	p.history, p.heeds = nil, false
	if len(sel.Rooms) == 0 || !p.recordable() {
		return a.broadcast(ctx, sel, p)
	}
	keeping, err := a.keeper(ctx, sel.Namespace)
	if err != nil {
		return Result{}, fmt.Errorf("broadcast: %w", err)
	}
	for _, room := range sel.Rooms {
		known, marked := a.marks.get(markedRoom{sel.Namespace, room})
		if keeping != nil && keeping.Keeps(room) {
			known, marked = *keeping, true
		}
		if !marked {
			p.heeds = true
		} else if err := a.record(ctx, sel, p, room, known); err != nil {
			return Result{}, err
		}
	}
	for {
		r, err := a.broadcast(ctx, sel, p)
		m := (*sessionstore.MarkedError)(nil)
		if !errors.As(err, &m) {
			return r, err
		}
		keeping := m.Mark.Keeping()
		a.marks.put(markedRoom{sel.Namespace, m.Room}, keeping, time.Now())
		if err := a.record(ctx, sel, p, m.Room, keeping); err != nil {
			return Result{}, err
		}
	}
}

// record appends a packet to the history of a room.
func (a *Adapter) record(
	ctx context.Context, sel Selection, p *Packet, room sessionstore.Room, k sessionstore.Keeping,
) error {
	if err := a.delivery.CheckEvent(p.frames); err != nil {
		return err
	}
	n, err := a.recordIn(ctx, sel.Namespace, room, sessionstore.Event{
		ID: p.id, Frames: p.frames, At: time.Now(), Not: slices.Sorted(maps.Keys(sel.skipped())), Except: sel.Except,
		And: sel.And,
	}, k)
	if err != nil {
		return fmt.Errorf("broadcast: history of room %q: %w", room, err)
	}
	if p.history == nil {
		for _, r := range sel.Rooms {
			p.history = append(p.history, logged{Room: r})
		}
	}
	for i := range p.history {
		if p.history[i].Room == room {
			p.history[i].Number = n
		}
	}
	return nil
}

// recordIn appends an event to the history of one room. If that is in doubt, the history tells; unless it is there, it
// may yet come, and the caller learns so.
func (a *Adapter) recordIn(
	ctx context.Context, nsp sessionstore.Namespace, room sessionstore.Room, e sessionstore.Event,
	k sessionstore.Keeping,
) (number int, err error) {
	for tries := again.Times(historyTries); tries.Next(ctx); {
		number, err = a.store.Record(ctx, nsp, room, e, k)
		if err == nil {
			return number, nil
		}
		if sessionstore.InDoubt(err) {
			return a.lookFor(context.WithoutCancel(ctx), nsp, room, e.ID, err)
		}
		if !errors.Is(err, sessionstore.ErrThrottled) && !errors.Is(err, sessionstore.ErrUnavailable) {
			break
		}
	}
	return 0, err
}

// lookFor returns the number of an event whose record was in doubt, or the cause of that if the event is not there.
func (a *Adapter) lookFor(
	ctx context.Context, nsp sessionstore.Namespace, room sessionstore.Room, id sessionstore.PacketID, cause error,
) (int, error) {
	for tries := again.Times(historyTries); tries.Next(ctx); {
		number, err := a.store.Recorded(ctx, nsp, room, id)
		if err == nil {
			return number, nil
		}
		if errors.Is(err, sessionstore.ErrNotFound) {
			break
		}
	}
	return 0, cause
}

// isPast is the Rewound of a member that gets a packet as history.
const isPast = int(^uint(0) >> 1)

// placed walks the members of a room as they are to one packet, of which the room's history has the number: whether
// they get it as history, or whether that is to be seen. With 0 none does.
func placed(all members, number int) members {
	return func(yield func(sessionstore.Member, error) bool) {
		for m, err := range all {
			if number == 0 {
				m.Rewound, m.Joining = 0, sessionstore.Lease{}
			} else if m.Rewound >= number {
				m.Rewound = isPast
			} else {
				m.Rewound = 0
			}
			if !yield(m, err) {
				return
			}
		}
	}
}

// number is that of the packet in the history of a room; 0 for none.
func (p *Packet) number(room sessionstore.Room) int {
	for _, at := range p.history {
		if at.Room == room {
			return at.Number
		}
	}
	return 0
}

// past reports whether a member gets the packet as history. It may have to be seen yet, see [Adapter.seam].
func (p *Packet) past(m *sessionstore.Member) (past, open bool) {
	if p.history == nil {
		return false, false
	}
	return m.Rewound == isPast, m.Joining.Held()
}

// errLeft says that a member has left the room, or never came into it.
var errLeft = errors.New("adapter: not in the room")

const (
	// joinTime is how long a socket may take to join with history; beyond it its instance has died.
	joinTime = 10 * time.Second
	// joinSkew is how much the clocks of two instances may differ.
	joinSkew = 500 * time.Millisecond
	// seamPause is the longest pause between two looks at a member that is joining.
	seamPause = 100 * time.Millisecond
)

// readAgain reads something, again if it must.
func readAgain[T any](ctx context.Context, read func() (T, error)) (v T, err error) {
	for tries := again.Times(historyTries); tries.Next(ctx); {
		if v, err = read(); err == nil || errors.Is(err, sessionstore.ErrNotFound) {
			break
		}
	}
	return v, err
}

// roomMember reads a row of a room.
func (a *Adapter) roomMember(
	ctx context.Context, nsp sessionstore.Namespace, room sessionstore.Room, id sessionstore.SocketID,
) (m sessionstore.Member, err error) {
	return readAgain(ctx, func() (sessionstore.Member, error) { return a.store.RoomMember(ctx, nsp, room, id) })
}

// seam waits until it is known which events a member that is joining a room gets as history, and reports whether the
// packet is one of them. That takes a few milliseconds, unless the instance of the member has died: then its socket
// ends. errLeft if it is in none of the rooms.
func (a *Adapter) seam(
	ctx context.Context, nsp sessionstore.Namespace, p *Packet, m sessionstore.Member,
) (past bool, err error) {
	for pause := again.NewPauseOf(seamPause); ; pause.Wait(ctx) {
		var joining sessionstore.Lease
		in := false
		for _, at := range p.history {
			row, err := a.roomMember(ctx, nsp, at.Room, m.Socket)
			switch {
			case errors.Is(err, sessionstore.ErrNotFound):
			case err != nil:
				return false, fmt.Errorf("member that is joining: %w", err)
			case at.Number > 0 && row.Joining.Held():
				joining = row.Joining
			default:
				in = true
				past = past || at.Number > 0 && row.Rewound >= at.Number
			}
		}
		switch {
		case !joining.Held() && !in:
			return false, errLeft
		case !joining.Held():
			return past, nil
		case joining.Expired(time.Now().Add(-joinSkew)):
			return false, a.delivery.Settle(ctx, m.Session, p.id)
		case ctx.Err() != nil:
			return false, fmt.Errorf("member that is joining: %w", ctx.Err())
		}
	}
}
