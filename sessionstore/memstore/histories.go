package memstore

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nonstick-io/nonstick/sessionstore"
)

// histories are those of all rooms, and what is kept of namespaces.
type histories struct {
	mu    sync.Mutex
	rooms map[historyKey]*history
	queue []historyKey // of rooms, to look at in turn
	kept  map[sessionstore.Namespace]keeping
	marks map[historyKey]sessionstore.Mark
	due   []historyKey // of marks, to look at in turn
	some  atomic.Bool  // there is, or was, a mark
}

type historyKey struct {
	nsp  sessionstore.Namespace
	room sessionstore.Room
}

type keeping struct {
	sessionstore.Keeping
	until time.Time
}

// history is that of one room.
type history struct {
	first, last int
	begun       time.Time
	events      []sessionstore.Event // the last ones, in order; readers may share what is in it
	over        time.Time            // when all of it is
}

const (
	// sweepAtRecord is how many histories a record looks at to forget those that are over.
	sweepAtRecord = 2
	// eventsChunk is how many events a walk copies under one hold of the lock, and a read brings.
	eventsChunk = 200
	// recordedLast is how many events Recorded looks at.
	recordedLast = 1000
)

func weighEvent(e *sessionstore.Event) int64 {
	n := packetWeight + e.Bytes() + socketIDWeight*len(e.Not)
	for _, r := range e.Except {
		n += len(r)
	}
	for _, r := range e.And {
		n += len(r)
	}
	return int64(n)
}

func (k *historyKey) weigh() int64 { return int64(historyWeight + len(k.nsp) + len(k.room)) }

// Record implements [sessionstore.Histories]. Numbers begin with the microseconds since 1970.
func (s *Store) Record(
	ctx context.Context, nsp sessionstore.Namespace, room sessionstore.Room, e sessionstore.Event,
	k sessionstore.Keeping,
) (int, error) {
	if err := sessionstore.NotSent(ctx); err != nil {
		return 0, err
	}
	s.wrote(sessionstore.OpRecord, 1)
	if s.full() {
		return 0, fmt.Errorf("record event: %w", sessionstore.ErrFull)
	}
	e.At = inMillis(e.At)
	hs := &s.histories
	hs.mu.Lock()
	defer hs.mu.Unlock()
	s.sweepHistories(e.At)
	key := historyKey{nsp, room}
	if !k.Marked {
		s.mark(sessionstore.OpRecord, key, k, e.At)
	}
	h := hs.rooms[key]
	if h == nil {
		if hs.rooms == nil {
			hs.rooms = make(map[historyKey]*history)
		}
		h = &history{last: int(e.At.UnixMicro()), begun: e.At}
		h.first = h.last + 1
		hs.rooms[key] = h
		hs.queue = append(hs.queue, key)
		s.heldBytes.Add(key.weigh())
	}
	h.last++
	e.Number = h.last
	h.over = e.At.Add(k.For)
	h.events = append(h.events, e)
	s.heldBytes.Add(weighEvent(&e))
	s.trimHistory(h, e.At, k)
	return e.Number, nil
}

// rowLife is how long a mark is there for the sake of members.
const rowLife = 90 * 24 * time.Hour

// mark has a room have a mark, which counts as writes of an operation if it has none that serves.
func (s *Store) mark(op sessionstore.Op, key historyKey, k sessionstore.Keeping, now time.Time) {
	hs := &s.histories
	least, until := k.MarkLife(now, rowLife)
	was, there := hs.marks[key]
	if was.Serves(&k, least) {
		return
	}
	s.wrote(op, 1)
	if hs.marks == nil {
		hs.marks = make(map[historyKey]sessionstore.Mark)
	}
	hs.marks[key] = k.Mark(until)
	hs.some.Store(true)
	if !there {
		hs.due = append(hs.due, key)
		s.heldBytes.Add(key.weigh())
	}
}

// trimHistory forgets events beyond the limits, many at a time.
func (s *Store) trimHistory(h *history, now time.Time, k sessionstore.Keeping) {
	if len(h.events) < k.Events+k.Events/8+1 && !ended(h.events[0].At.Add(k.For+k.For/8), now) {
		return
	}
	n := max(len(h.events)-k.Events, 0)
	for n < len(h.events)-1 && ended(h.events[n].At.Add(k.For), now) {
		n++
	}
	for i := range n {
		s.heldBytes.Add(-weighEvent(&h.events[i]))
	}
	h.events = slices.Clone(h.events[n:])
}

// sweepHistories forgets some of the histories that are over, and of the marks.
func (s *Store) sweepHistories(now time.Time) {
	hs := &s.histories
	for range min(sweepAtRecord, len(hs.due)) {
		key := hs.due[0]
		hs.due = hs.due[1:]
		if ended(hs.marks[key].Until, now) {
			s.heldBytes.Add(-key.weigh())
			delete(hs.marks, key)
		} else {
			hs.due = append(hs.due, key)
		}
	}
	for range min(sweepAtRecord, len(hs.queue)) {
		key := hs.queue[0]
		hs.queue = hs.queue[1:]
		h := hs.rooms[key]
		if !ended(h.over, now) {
			hs.queue = append(hs.queue, key)
			continue
		}
		for i := range h.events {
			s.heldBytes.Add(-weighEvent(&h.events[i]))
		}
		s.heldBytes.Add(-key.weigh())
		delete(hs.rooms, key)
	}
}

// between returns some events of a room with numbers above from, up to to, and the history.
func (s *Store) between(key historyKey, from, to int) ([]sessionstore.Event, *history) {
	hs := &s.histories
	hs.mu.Lock()
	defer hs.mu.Unlock()
	h := hs.rooms[key]
	if h == nil {
		return nil, &history{}
	}
	begin := h.last - len(h.events) // the number before that of the first event
	i, j := max(from-begin, 0), min(to, h.last)-begin
	if i >= j {
		return nil, &history{first: h.first, last: h.last, begun: h.begun}
	}
	return slices.Clip(h.events[i:j]), &history{first: h.first, last: h.last, begun: h.begun}
}

// Recorded implements [sessionstore.Histories].
func (s *Store) Recorded(
	ctx context.Context, nsp sessionstore.Namespace, room sessionstore.Room, id sessionstore.PacketID,
) (int, error) {
	if err := sessionstore.NotSent(ctx); err != nil {
		return 0, err
	}
	s.read(sessionstore.OpHistory)
	_, h := s.between(historyKey{nsp, room}, 0, 0)
	events, _ := s.between(historyKey{nsp, room}, h.last-recordedLast, h.last)
	for i := range events {
		if events[i].ID == id {
			return events[i].Number, nil
		}
	}
	return 0, fmt.Errorf("recorded event: %w", sessionstore.ErrNotFound)
}

// History implements [sessionstore.Histories].
func (s *Store) History(
	ctx context.Context, nsp sessionstore.Namespace, room sessionstore.Room,
) (sessionstore.History, error) {
	if err := sessionstore.NotSent(ctx); err != nil {
		return sessionstore.History{}, err
	}
	s.read(sessionstore.OpHistory)
	_, h := s.between(historyKey{nsp, room}, 0, 0)
	mark, _ := s.histories.markOf(historyKey{nsp, room})
	return sessionstore.History{First: h.first, Last: h.last, Begun: h.begun, Mark: mark}, nil
}

// Since implements [sessionstore.Histories].
func (s *Store) Since(
	ctx context.Context, nsp sessionstore.Namespace, room sessionstore.Room, from, to int, at time.Time,
) (int, error) {
	if err := sessionstore.NotSent(ctx); err != nil {
		return 0, err
	}
	s.read(sessionstore.OpHistory)
	events, _ := s.between(historyKey{nsp, room}, from, to)
	for i := range events {
		if !events[i].At.Before(at) {
			return events[i].Number, nil
		}
	}
	return to + 1, nil
}

// Events implements [sessionstore.Histories].
func (s *Store) Events(
	ctx context.Context, nsp sessionstore.Namespace, room sessionstore.Room, from, to int,
) iter.Seq2[sessionstore.Event, error] {
	return func(yield func(sessionstore.Event, error) bool) {
		for at := from; at < to; {
			err := sessionstore.NotSent(ctx)
			var events []sessionstore.Event
			if err == nil {
				s.read(sessionstore.OpEvents)
				events, _ = s.between(historyKey{nsp, room}, at, min(at+eventsChunk, to))
				if len(events) == 0 || events[0].Number != at+1 {
					err = fmt.Errorf("events of a room: %w", sessionstore.ErrNotFound)
				}
			}
			if err != nil {
				yield(sessionstore.Event{}, err)
				return
			}
			for _, e := range events {
				if !yield(e, nil) {
					return
				}
			}
			at = events[len(events)-1].Number
		}
	}
}

// JoinLater implements [sessionstore.Histories].
func (s *Store) JoinLater(
	ctx context.Context, k sessionstore.Socket, room sessionstore.Room, joining sessionstore.Lease,
	limits sessionstore.SocketLimits,
) error {
	return s.join(
		ctx, k, room, limits, func(m sessionstore.Member) bool { return m.Joining.Owner != joining.Owner },
		func(m *sessionstore.Member) { m.Joining = joining },
	)
}

// Joined implements [sessionstore.Histories].
func (s *Store) Joined(
	ctx context.Context, k sessionstore.Socket, room sessionstore.Room, owner sessionstore.Owner, rewound int,
) error {
	if err := sessionstore.NotSent(ctx); err != nil {
		return err
	}
	s.wrote(sessionstore.OpJoin, 1)
	at := inRoom(k.Namespace, room)
	st := s.roomStripe(at)
	st.mu.Lock()
	defer st.mu.Unlock()
	if t := st.tables[at]; t != nil {
		if m, ok := t.get(k.ID); ok && m.Joining.Owner == owner && owner != "" {
			m.Joining, m.Rewound = sessionstore.Lease{}, rewound
			t.put(k.ID, m)
			return nil
		}
	}
	return fmt.Errorf("joined room: %w", sessionstore.ErrNotFound)
}

// RoomMember implements [sessionstore.Histories].
func (s *Store) RoomMember(
	ctx context.Context, nsp sessionstore.Namespace, room sessionstore.Room, id sessionstore.SocketID,
) (sessionstore.Member, error) {
	if err := sessionstore.NotSent(ctx); err != nil {
		return sessionstore.Member{}, err
	}
	return s.member(inRoom(nsp, room), id, "read member of a room")
}

// Mark implements [sessionstore.Histories].
func (s *Store) Mark(
	ctx context.Context, nsp sessionstore.Namespace, room sessionstore.Room, k sessionstore.Keeping,
	_ sessionstore.History, now time.Time,
) error {
	if err := sessionstore.NotSent(ctx); err != nil {
		return err
	}
	if s.full() {
		return fmt.Errorf("mark room: %w", sessionstore.ErrFull)
	}
	hs := &s.histories
	hs.mu.Lock()
	defer hs.mu.Unlock()
	s.sweepHistories(now)
	s.mark(sessionstore.OpMark, historyKey{nsp, room}, k, now)
	return nil
}

// markOf returns the mark of a room. Where no room has one, callers do not meet at a lock.
func (hs *histories) markOf(key historyKey) (m sessionstore.Mark, ok bool) {
	if !hs.some.Load() {
		return m, false
	}
	hs.mu.Lock()
	defer hs.mu.Unlock()
	m, ok = hs.marks[key]
	return m, ok
}

// Unmarked implements [sessionstore.Histories].
func (s *Store) Unmarked(
	ctx context.Context, nsp sessionstore.Namespace, room sessionstore.Room,
) iter.Seq2[sessionstore.Member, error] {
	members := s.Members(ctx, nsp, room, sessionstore.Range{})
	return func(yield func(sessionstore.Member, error) bool) {
		mark, marked := s.histories.markOf(historyKey{nsp, room})
		if !marked || sessionstore.NotSent(ctx) != nil {
			members(yield)
			return
		}
		s.read(sessionstore.OpMembers)
		yield(sessionstore.Member{}, &sessionstore.MarkedError{Room: room, Mark: mark})
	}
}

// PutKeeping implements [sessionstore.Histories].
func (s *Store) PutKeeping(
	ctx context.Context, nsp sessionstore.Namespace, k sessionstore.Keeping, until time.Time,
) error {
	if err := sessionstore.NotSent(ctx); err != nil {
		return err
	}
	s.wrote(sessionstore.OpKeeping, 1)
	hs := &s.histories
	hs.mu.Lock()
	defer hs.mu.Unlock()
	if hs.kept == nil {
		hs.kept = make(map[sessionstore.Namespace]keeping)
	}
	if _, there := hs.kept[nsp]; !there {
		if s.full() {
			return fmt.Errorf("put keeping: %w", sessionstore.ErrFull)
		}
		s.heldBytes.Add(int64(historyWeight + len(nsp)))
	}
	hs.kept[nsp] = keeping{k, until}
	return nil
}

// Keeping implements [sessionstore.Histories].
func (s *Store) Keeping(
	ctx context.Context, nsp sessionstore.Namespace, now time.Time,
) (sessionstore.Keeping, error) {
	if err := sessionstore.NotSent(ctx); err != nil {
		return sessionstore.Keeping{}, err
	}
	s.read(sessionstore.OpKeeping)
	hs := &s.histories
	hs.mu.Lock()
	defer hs.mu.Unlock()
	k, ok := hs.kept[nsp]
	if !ok || ended(k.until, now) {
		return sessionstore.Keeping{}, fmt.Errorf("keeping of a namespace: %w", sessionstore.ErrNotFound)
	}
	return k.Keeping, nil
}
