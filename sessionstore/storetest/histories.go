package storetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nonstick-io/nonstick/sessionstore"
)

var historyTests = []test{
	{"events of a room", recordEvents},
	{"events of all sizes", largeEvents},
	{"no history", noHistory},
	{"a history that is read while it is written", recordRaces},
	{"a history that is trimmed", trimHistory},
	{"events since a time", eventsSince},
	{"a record in doubt", recordedEvent},
	{"a socket that joins later", joinLater},
	{"a socket that joins later twice at once", joinLaterAtOnce},
	{"a socket that cannot join later", joinLaterRefused},
	{"what is kept of a namespace", keepings},
	{"a room that has a mark", markedRoom},
	{"a mark that is renewed", markRenewed},
	{"an entry that is a rewind", rewindEntry},
	{"histories with a cancelled context", historyCancelled},
}

var keepAll = sessionstore.Keeping{Rooms: []string{"*"}, Events: 100_000, For: time.Hour}

// newRoom is a room of no other test.
func newRoom() sessionstore.Room { return sessionstore.Room("room " + sessionstore.NewID()) }

const historyNsp = sessionstore.Namespace("/a#b")

// record appends an event and returns it as it is to be read.
func (x *tester) record(room sessionstore.Room, e sessionstore.Event) sessionstore.Event {
	x.Helper()
	var err error
	e.Number, err = x.store.Record(x.Context(), historyNsp, room, e, keepAll)
	x.must(err)
	return e
}

func newEvent(d time.Duration, frames ...string) sessionstore.Event {
	return sessionstore.Event{ID: sessionstore.PacketID(sessionstore.NewID()), Frames: frames, At: after(d)}
}

// events reads those with numbers above from, up to to.
func (x *tester) events(room sessionstore.Room, from, to int) []sessionstore.Event {
	x.Helper()
	all := collect(x, x.store.Events(x.Context(), historyNsp, room, from, to))
	for i := range all {
		all[i].At = all[i].At.UTC()
	}
	return all
}

// gone checks that some of the events are not there.
func (x *tester) gone(room sessionstore.Room, from, to int) {
	x.Helper()
	var last error
	for _, err := range x.store.Events(x.Context(), historyNsp, room, from, to) {
		last = err
	}
	x.is(last, sessionstore.ErrNotFound)
}

func recordEvents(x *tester) {
	room := newRoom()
	var want []sessionstore.Event
	for i := range 5 {
		e := newEvent(time.Duration(i)*time.Millisecond, `42["é",1]`)
		switch i {
		case 1:
			e.Not = []sessionstore.SocketID{"a", "b"}
		case 2:
			e.Except, e.And = []sessionstore.Room{"c", "#"}, []sessionstore.Room{"d"}
		case 3:
			e.Frames = []string{`451-["x",{"_placeholder":true,"num":0}]`, "bAAAA"}
		}
		want = append(want, x.record(room, e))
	}
	first := want[0].Number
	for i := range want {
		equal(x, "number", want[i].Number, first+i)
	}
	h, err := x.store.History(x.Context(), historyNsp, room)
	x.must(err)
	equal(x, "history", [3]any{h.First, h.Last, h.Begun.UTC()}, [3]any{first, first + 4, after(0)})
	equal(x, "all events", x.events(room, first-1, first+4), want)
	equal(x, "some events", x.events(room, first+1, first+3), want[2:4])
	equal(x, "no events", len(x.events(room, first+4, first+4)), 0)
	walk := x.store.Events(x.Context(), historyNsp, room, first-1, first+4)
	for e, err := range walk {
		x.must(err)
		equal(x, "the first event of a walk that is left", e.Number, first)
		break
	}
	equal(x, "events of a walk that is walked again", len(collect(x, walk)), 5)
	x.gone(room, first-2, first+4)
	x.gone(room, first-1, first+5)
}

func largeEvents(x *tester) {
	room := newRoom()
	var want []sessionstore.Event
	random := rand.New(rand.NewPCG(1, 2))
	for i := range 160 {
		size := []int{10, 200, 900, 1100, 5000}[random.IntN(5)]
		if i%40 == 7 {
			size = 100 << 10
		}
		e := newEvent(time.Duration(i)*time.Second, body(fmt.Sprint(i), size))
		if i%9 == 0 {
			e.Not = []sessionstore.SocketID{"somebody's own"}
		}
		want = append(want, x.record(room, e))
	}
	first := want[0].Number
	equal(x, "all events", x.events(room, first-1, first+159), want)
	for range 20 {
		from := random.IntN(160)
		to := from + 1 + random.IntN(160-from)
		equal(x, fmt.Sprint("events ", from, " to ", to), x.events(room, first+from-1, first+to-1), want[from:to])
	}
}

func noHistory(x *tester) {
	room := newRoom()
	h, err := x.store.History(x.Context(), historyNsp, room)
	x.must(err)
	equal(x, "history", [2]int{h.First, h.Last}, [2]int{})
	x.gone(room, 0, 1)
	equal(x, "events", len(x.events(room, 0, 0)), 0)
	_, err = x.store.Recorded(x.Context(), historyNsp, room, "p")
	x.is(err, sessionstore.ErrNotFound)
	n, err := x.store.Since(x.Context(), historyNsp, room, 0, 5, start)
	x.must(err)
	equal(x, "since", n, 6)
}

// recordRaces: numbers have no gap, those of one writer ascend, and whatever History tells can be read.
func recordRaces(x *tester) {
	const writers, each = 6, 40
	room := newRoom()
	var mu sync.Mutex
	of := make(map[int]sessionstore.PacketID)
	done := make(chan struct{})
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for {
				h, err := x.store.History(x.Context(), historyNsp, room)
				if err != nil {
					x.Errorf("history: %v", err)
					return
				}
				if h.Last == 0 {
					continue // nothing has come yet
				}
				from, n := max(h.First-1, h.Last-70), 0
				for e, err := range x.store.Events(x.Context(), historyNsp, room, from, h.Last) {
					if n++; err != nil || e.Number != from+n {
						x.Errorf("event %d: number %d, %v", from+n, e.Number, err)
						return
					}
				}
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	errs := race(writers, func(w int) error {
		last := 0
		for i := range each {
			e := newEvent(time.Duration(i)*time.Millisecond, body(fmt.Sprint(w), 20+i*5))
			n, err := x.store.Record(x.Context(), historyNsp, room, e, keepAll)
			if err != nil {
				return err
			}
			if n <= last {
				return fmt.Errorf("number %d after %d", n, last)
			}
			last = n
			mu.Lock()
			of[n] = e.ID
			mu.Unlock()
		}
		return nil
	})
	close(done)
	readers.Wait()
	for _, err := range errs {
		x.must(err)
	}
	h, err := x.store.History(x.Context(), historyNsp, room)
	x.must(err)
	equal(x, "events", [2]int{h.Last - h.First + 1, len(of)}, [2]int{writers * each, writers * each})
	for _, e := range x.events(room, h.First-1, h.Last) {
		equal(x, fmt.Sprint("event ", e.Number), e.ID, of[e.Number])
	}
}

func trimHistory(x *tester) {
	room, keep := newRoom(), sessionstore.Keeping{Rooms: []string{"*"}, Events: 20, For: time.Hour}
	first, last := 0, 0
	for i := range 300 {
		e := newEvent(time.Duration(i)*time.Millisecond, strings.Repeat("x", 100+(i%10)*150))
		n, err := x.store.Record(x.Context(), historyNsp, room, e, keep)
		x.must(err)
		if first == 0 {
			first = n
		}
		if last = n; i%37 == 0 {
			from := max(first-1, last-20)
			equal(x, "events kept", len(x.events(room, from, last)), last-from)
		}
	}
	x.gone(room, first-1, first)
	x.gone(room, first-1, last)
	h, err := x.store.History(x.Context(), historyNsp, room)
	x.must(err)
	equal(x, "last", h.Last, last)
}

func eventsSince(x *tester) {
	room := newRoom()
	var all []sessionstore.Event
	for i := range 120 {
		all = append(all, x.record(room, newEvent(time.Duration(i/2)*time.Second, strings.Repeat("x", 150))))
	}
	first := all[0].Number
	since := func(from, to int, at time.Duration) int {
		x.Helper()
		n, err := x.store.Since(x.Context(), historyNsp, room, first+from-1, first+to-1, after(at))
		x.must(err)
		return n - first
	}
	for _, c := range []struct {
		from, to int
		at       time.Duration
		want     int
	}{
		{0, 120, 0, 0},
		{0, 120, -time.Hour, 0},
		{5, 120, 0, 5},
		{0, 120, time.Second, 2},
		{0, 120, 500 * time.Millisecond, 2},
		{0, 120, 30 * time.Second, 60},
		{61, 120, 30 * time.Second, 61},
		{0, 120, 59 * time.Second, 118},
		{0, 120, time.Minute, 120},
		{0, 40, 30 * time.Second, 40},
		{100, 120, 10 * time.Second, 100},
		{119, 120, time.Hour, 120},
		{0, 61, 30 * time.Second, 60},
	} {
		equal(x, fmt.Sprintf("since %v of %d to %d", c.at, c.from, c.to), since(c.from, c.to, c.at), c.want)
	}
}

func recordedEvent(x *tester) {
	room := newRoom()
	var all []sessionstore.Event
	for range 100 {
		all = append(all, x.record(room, newEvent(0, "42[1]")))
	}
	for _, e := range []sessionstore.Event{all[0], all[50], all[99]} {
		n, err := x.store.Recorded(x.Context(), historyNsp, room, e.ID)
		x.must(err)
		equal(x, "number", n, e.Number)
	}
	_, err := x.store.Recorded(x.Context(), historyNsp, room, "another")
	x.is(err, sessionstore.ErrNotFound)
}

// newOutboxSocket stores an outbox with a socket.
func (x *tester) newOutboxSocket() sessionstore.Socket {
	x.Helper()
	k := newSocket(sessionstore.OutboxID(sessionstore.NewID()), historyNsp)
	x.must(x.store.Create(x.Context(), sessionstore.NewSession{
		ID: k.Session, Transport: sessionstore.Outbox, Carrier: "carrier", CreatedAt: start,
	}))
	x.must(x.putSocket(k, sessionstore.Connection{}))
	return k.Row()
}

func (x *tester) roomMember(room sessionstore.Room, k sessionstore.Socket, want sessionstore.Member) {
	x.Helper()
	want.Socket, want.Session = k.ID, k.Session
	got, err := x.store.RoomMember(x.Context(), k.Namespace, room, k.ID)
	x.must(err)
	got.Joining.Until, want.Joining.Until = got.Joining.Until.UTC(), want.Joining.Until.UTC()
	if want.Joining.Owner == "" {
		got.Joining.Until, want.Joining.Until = time.Time{}, time.Time{}
	}
	equal(x, "row of the room", got, want)
	all := collect(x, x.store.Members(x.Context(), k.Namespace, room, sessionstore.Range{}))
	equal(x, "members", len(all), 1)
	equal(x, "row as it is walked", [2]any{all[0].Rewound, all[0].Joining.Owner}, [2]any{
		want.Rewound, want.Joining.Owner,
	})
}

func joinLater(x *tester) {
	room, k := newRoom(), x.newOutboxSocket()
	limits := sessionstore.SocketLimits{Rooms: 10}
	x.must(x.store.JoinLater(x.Context(), k, room, lease(me), limits))
	x.roomMember(room, k, sessionstore.Member{Joining: lease(me)})
	x.is(x.store.JoinLater(x.Context(), k, room, lease(other), limits), sessionstore.ErrExists)
	x.must(x.store.JoinLater(x.Context(), k, room, lease(me), limits)) // the same call, again
	x.roomMember(room, k, sessionstore.Member{Joining: lease(me)})
	x.is(x.store.Joined(x.Context(), k, room, other, 5), sessionstore.ErrNotFound)
	x.must(x.store.Join(x.Context(), k, room, sessionstore.Connection{}, limits)) // which leaves it to be seen
	x.roomMember(room, k, sessionstore.Member{Joining: lease(me)})
	const number = 1_700_000_000_000_123
	x.must(x.store.Joined(x.Context(), k, room, me, number))
	x.roomMember(room, k, sessionstore.Member{Rewound: number})
	x.is(x.store.Joined(x.Context(), k, room, me, 5), sessionstore.ErrNotFound)
	x.must(x.store.Join(x.Context(), k, room, sessionstore.Connection{}, limits))
	x.roomMember(room, k, sessionstore.Member{Rewound: number})
	err := x.store.JoinLater(x.Context(), k, room, lease(other), limits)
	if x.is(err, sessionstore.ErrExists); sessionstore.InDoubt(err) {
		x.Errorf("in doubt: %v", err)
	}
	x.roomMember(room, k, sessionstore.Member{Rewound: number})
	k.Rooms = 1
	rooms, err := x.store.RoomsOf(x.Context(), k)
	x.must(err)
	equal(x, "rooms", rooms, []sessionstore.Room{room})
	x.must(x.store.Leave(x.Context(), k, room))
	_, err = x.store.RoomMember(x.Context(), k.Namespace, room, k.ID)
	x.is(err, sessionstore.ErrNotFound)
	x.is(x.store.Joined(x.Context(), k, room, me, 5), sessionstore.ErrNotFound)
}

// joinLaterAtOnce: of calls that have a socket join a room at once one does; the room is kept, and counted, once.
func joinLaterAtOnce(x *tester) {
	for range 10 {
		room, k := newRoom(), x.newOutboxSocket()
		const calls = 3
		var done [calls]error
		var all sync.WaitGroup
		for i := range calls {
			all.Go(func() {
				owner := lease(sessionstore.Owner(fmt.Sprint("call ", i)))
				done[i] = x.store.JoinLater(x.Context(), k, room, owner, sessionstore.SocketLimits{Rooms: 10})
			})
		}
		all.Wait()
		joined := 0
		for _, err := range done {
			if err == nil {
				joined++
				continue
			}
			x.is(err, sessionstore.ErrExists)
		}
		equal(x, "joined", joined, 1)
		s, err := x.store.Get(x.Context(), k.Session, start)
		x.must(err)
		kept, _ := s.Socket(k.Namespace)
		equal(x, "rooms that are counted", kept.Rooms, 1)
		rooms, err := x.store.RoomsOf(x.Context(), kept)
		x.must(err)
		equal(x, "rooms", rooms, []sessionstore.Room{room})
	}
}

func joinLaterRefused(x *tester) {
	room, k := newRoom(), x.newOutboxSocket()
	x.must(x.store.JoinLater(x.Context(), k, newRoom(), lease(me), sessionstore.SocketLimits{Rooms: 1}))
	err := x.store.JoinLater(x.Context(), k, room, lease(me), sessionstore.SocketLimits{Rooms: 1})
	x.is(err, sessionstore.ErrTooManyRooms)
	k.ID = "another"
	err = x.store.JoinLater(x.Context(), k, room, lease(me), sessionstore.SocketLimits{Rooms: 9})
	x.is(err, sessionstore.ErrNotFound)
	equal(x, "members", len(x.ids(k.Namespace, room)), 0)
}

func keepings(x *tester) {
	nsp := sessionstore.Namespace("/" + sessionstore.NewID() + "#é")
	_, err := x.store.Keeping(x.Context(), nsp, start)
	x.is(err, sessionstore.ErrNotFound)
	for _, k := range []sessionstore.Keeping{
		keepAll, {Rooms: []string{"a", "b#*"}, Events: 7, For: 90 * time.Second},
	} {
		x.must(x.store.PutKeeping(x.Context(), nsp, k, after(time.Minute)))
		got, err := x.store.Keeping(x.Context(), nsp, start)
		x.must(err)
		equal(x, "keeping", got, k)
	}
	_, err = x.store.Keeping(x.Context(), nsp, after(time.Minute))
	x.is(err, sessionstore.ErrNotFound)
}

// unmarked checks whether the walk of a room ends at a mark, or meets so many members.
func (x *tester) unmarked(room sessionstore.Room, want *sessionstore.Keeping, members int) {
	x.Helper()
	n := 0
	var failed error
	for _, err := range x.store.Unmarked(x.Context(), historyNsp, room) {
		if failed = err; err == nil {
			n++
		}
	}
	var m *sessionstore.MarkedError
	switch {
	case want == nil:
		x.must(failed)
		equal(x, "members of a room without a mark", n, members)
	case !errors.As(failed, &m):
		x.Errorf("the walk of a room with a mark: %d members, %v", n, failed)
	default:
		equal(x, "members before a mark", n, 0)
		equal(x, "room", m.Room, room)
		equal(x, "mark", [2]any{m.Mark.Events, m.Mark.For}, [2]any{want.Events, want.For})
	}
}

// markedRoom: the first event makes a mark, and so does Mark. It is no member.
func markedRoom(x *tester) {
	for _, how := range []string{"record", "mark"} {
		room, k := newRoom(), x.newOutboxSocket()
		x.must(x.store.Join(x.Context(), k, room, sessionstore.Connection{}, sessionstore.SocketLimits{Rooms: 1}))
		x.unmarked(room, nil, 1)
		if how == "record" {
			x.record(room, newEvent(0, "42[1]"))
		} else {
			x.must(x.store.Mark(x.Context(), historyNsp, room, keepAll, sessionstore.History{}, start))
		}
		x.unmarked(room, &keepAll, 1)
		all := collect(x, x.store.Members(x.Context(), historyNsp, room, sessionstore.Range{}))
		equal(x, "members", len(all), 1)
		equal(x, "member", all[0].Socket, k.ID)
		some := collect(x, x.store.Members(x.Context(), historyNsp, room, sessionstore.Range{To: k.ID}))
		equal(x, "members below it", len(some), 0)
		for _, most := range []int{0, 1, 2} {
			n, err := x.store.CountMembers(x.Context(), historyNsp, room, most)
			x.must(err)
			equal(x, "count", n, 1)
		}
		x.must(x.store.Leave(x.Context(), k, room))
		x.unmarked(room, &keepAll, 0) // it stays
	}
}

// markRenewed: a mark is there for as long as it must, and says what was kept last; but not for what it has said
// itself.
func markRenewed(x *tester) {
	room, marked := newRoom(), sessionstore.Mark{Events: 7, For: time.Minute}.Keeping()
	_, err := x.store.Record(x.Context(), historyNsp, room, newEvent(0, "42[1]"), marked)
	x.must(err)
	x.unmarked(room, nil, 0)
	first := x.mark(room)
	equal(x, "mark of a room that has none", first.Until.IsZero(), true)
	x.record(room, newEvent(0, "42[2]"))
	x.unmarked(room, &keepAll, 0)
	first = x.mark(room)
	least, _ := keepAll.MarkLife(after(0), 0)
	equal(x, "lasts", first.Serves(&keepAll, least), true)
	x.record(room, newEvent(time.Minute, "42[3]"))
	equal(x, "mark of another event", x.mark(room).Until.UTC(), first.Until.UTC())
	const long = 200 * 24 * time.Hour
	_, err = x.store.Record(x.Context(), historyNsp, room, newEvent(long, "42[4]"), marked)
	x.must(err)
	equal(x, "mark that has been met", x.mark(room).Until.UTC(), first.Until.UTC())
	x.record(room, newEvent(long, "42[5]"))
	least, _ = keepAll.MarkLife(after(long), 0)
	equal(x, "is renewed", x.mark(room).Serves(&keepAll, least), true)
	other := sessionstore.Keeping{Events: 9, For: time.Hour}
	_, err = x.store.Record(x.Context(), historyNsp, room, newEvent(long, "42[6]"), other)
	x.must(err)
	x.unmarked(room, &other, 0)
	h, err := x.store.History(x.Context(), historyNsp, room)
	x.must(err)
	x.must(x.store.Mark(x.Context(), historyNsp, room, keepAll, h, after(long)))
	x.unmarked(room, &keepAll, 0)
	equal(x, "is known", x.mark(room).Serves(&keepAll, least), true)
	equal(x, "events", [2]int{h.Last - h.First + 1, len(x.events(room, h.Last-2, h.Last))}, [2]int{6, 2})
}

func (x *tester) mark(room sessionstore.Room) sessionstore.Mark {
	x.Helper()
	h, err := x.store.History(x.Context(), historyNsp, room)
	x.must(err)
	return h.Mark
}

// rewindEntry: an entry of an outbox keeps what it stands for, among others and in pages.
func rewindEntry(x *tester) {
	k := x.newOutboxSocket()
	rewind := sessionstore.Rewind{
		Namespace: historyNsp, Room: `a "room"#é`, Socket: k.ID, From: 1_700_000_000_000_123, To: 1_700_000_000_000_999,
		Binary: true,
	}
	var s sessionstore.Session
	var err error
	for i := range 60 {
		p := packet(`42["` + strings.Repeat("x", 100) + `"]`)
		if i == 10 {
			p = sessionstore.Packet{ID: p.ID, Frames: []string{}, Rewind: &rewind}
		}
		s, err = x.store.Enqueue(x.Context(), k.Session, []sessionstore.Packet{p}, wide, lease(me))
		x.must(err)
	}
	whole, err := x.store.Bodies(x.Context(), k.Session, s.Buffer)
	x.must(err)
	at := slices.IndexFunc(whole, func(p sessionstore.Packet) bool { return p.Rewind != nil })
	if equal(x, "place", at, 10); at >= 0 {
		equal(x, "rewind", *whole[at].Rewind, rewind)
		equal(x, "bytes", whole[at].Bytes(), 0)
	}
}

func historyCancelled(x *tester) {
	room, k, ctx := newRoom(), x.newOutboxSocket(), x.cancelled()
	e := x.record(room, newEvent(0, "42[1]"))
	_, err := x.store.Record(ctx, historyNsp, room, newEvent(0, "42[2]"), keepAll)
	x.notSent("Record", err)
	_, err = x.store.Recorded(ctx, historyNsp, room, e.ID)
	x.notSent("Recorded", err)
	_, err = x.store.History(ctx, historyNsp, room)
	x.notSent("History", err)
	_, err = x.store.Since(ctx, historyNsp, room, e.Number-1, e.Number, start)
	x.notSent("Since", err)
	for _, err := range x.store.Events(ctx, historyNsp, room, e.Number-1, e.Number) {
		x.notSent("Events", err)
	}
	x.notSent("JoinLater", x.store.JoinLater(ctx, k, room, lease(me), sessionstore.SocketLimits{Rooms: 9}))
	x.notSent("Joined", x.store.Joined(ctx, k, room, me, 1))
	_, err = x.store.RoomMember(ctx, historyNsp, room, k.ID)
	x.notSent("RoomMember", err)
	x.notSent("PutKeeping", x.store.PutKeeping(ctx, historyNsp, keepAll, after(0)))
	x.notSent("Mark", x.store.Mark(ctx, historyNsp, room, keepAll, sessionstore.History{}, start))
	for _, err := range x.store.Unmarked(ctx, historyNsp, room) {
		x.notSent("Unmarked", err)
	}
	_, err = x.store.Keeping(ctx, historyNsp, start)
	x.notSent("Keeping", err)
	h, err := x.store.History(x.Context(), historyNsp, room)
	x.must(err)
	equal(x, "last", h.Last, e.Number)
	equal(x, "members", len(x.ids(k.Namespace, room)), 0)
}
