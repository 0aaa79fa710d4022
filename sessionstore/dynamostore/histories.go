package dynamostore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/nonstick-io/nonstick/sessionstore"
)

// The history of a room is a partition. One item has the number of the last event, and a list of the last ones. Where
// the list is full, what is in it is put into a page, an item whose key has the number of its first event; then the
// list begins anew. So no item refers to pages, and none grows with the history. Events above a kilobyte are stored
// apart, as bodies. See docs/adr/0031.

const (
	// historyMargin is how much longer than they can be asked for events are there: for clients that have begun to get
	// them.
	historyMargin = 2 * time.Hour
	// pagesAtOnce is how many pages a walk reads at once: some 50 KB.
	pagesAtOnce = 16
	// bodiesAtOnce is how many bytes of large events a walk reads at once.
	bodiesAtOnce = 512 << 10
	// trimAtOnce is how many pages go at most for one that comes.
	trimAtOnce = 3
)

// eventEntry is an event in a list.
type eventEntry struct {
	sessionstore.Event
	size int // of the frames
}

// newEventEntry is an event as a list has it, and what is stored apart of it.
func newEventEntry(pk string, e sessionstore.Event, end time.Time) (eventEntry, []types.WriteRequest) {
	e.Frames = valid(e.Frames)
	n := eventEntry{Event: e, size: size(e.Frames)}
	if n.size+len(n.Frames) <= maxEntry {
		return n, nil
	}
	apart := body{eventBody(pk, string(e.ID)), e.Frames}.puts()
	for i := range apart {
		apart[i].PutRequest.Item[attrTTL] = seconds(end)
	}
	n.Frames = nil
	return n, apart
}

func stringsOf[T ~string](list []T) types.AttributeValue {
	values := make([]types.AttributeValue, len(list))
	for i, v := range list {
		values[i] = str(v)
	}
	return &types.AttributeValueMemberL{Value: values}
}

func withList[T ~string](m item, name string, list []T) {
	if len(list) > 0 {
		m[name] = stringsOf(list)
	}
}

func textsOf[T ~string](it item, name string) []T {
	var out []T
	for _, v := range elements(it, name) {
		if s, ok := v.(*types.AttributeValueMemberS); ok {
			out = append(out, T(s.Value))
		}
	}
	return out
}

func (e *eventEntry) weight() int {
	n := entryWeight + len(e.ID) + 10
	for _, f := range e.Frames {
		n += len(f) + 1
	}
	for _, id := range e.Not {
		n += len(id) + 3
	}
	for _, r := range append(e.Except[:len(e.Except):len(e.Except)], e.And...) {
		n += len(r) + 3
	}
	return n
}

func (e *eventEntry) value() types.AttributeValue {
	m := item{attrID: str(e.ID), attrCreatedAt: millis(e.At)}
	if e.Frames != nil {
		m[attrFrames] = frames(e.Frames)
	} else {
		m[attrSize] = num(e.size)
	}
	withList(m, attrNot, e.Not)
	withList(m, attrExcept, e.Except)
	withList(m, attrAnd, e.And)
	return &types.AttributeValueMemberM{Value: m}
}

// eventsOf reads the events of a list whose first one has a number.
func eventsOf(it item, first int) []eventEntry {
	elements := elements(it, attrBuffer)
	events := make([]eventEntry, 0, len(elements))
	for i, v := range elements {
		m, ok := v.(*types.AttributeValueMemberM)
		if !ok {
			continue
		}
		e := eventEntry{Event: sessionstore.Event{
			Number: first + i, ID: sessionstore.PacketID(text(m.Value, attrID)), At: moment(m.Value, attrCreatedAt),
			Frames: framesOf(m.Value[attrFrames]), Not: textsOf[sessionstore.SocketID](m.Value, attrNot),
			Except: textsOf[sessionstore.Room](m.Value, attrExcept), And: textsOf[sessionstore.Room](m.Value, attrAnd),
		}}
		if e.size = size(e.Frames); e.Frames == nil {
			e.size = int(number(m.Value, attrSize))
		}
		events = append(events, e)
	}
	return events
}

// lastEvents are those in the list of a history's item.
func lastEvents(it item) []eventEntry {
	return eventsOf(it, int(number(it, attrLast))-len(elements(it, attrBuffer))+1)
}

// pageEvents are those of a page.
func pageEvents(it item) []eventEntry { return eventsOf(it, firstOfPage(it)) }

func firstOfPage(it item) int {
	n, _ := strconv.Atoi(strings.TrimPrefix(text(it, attrSK), skPage)) // this package wrote it
	return n
}

// recording is the record of one event.
type recording struct {
	pk    string
	entry eventEntry
	end   time.Time // the time to live
}

// change appends to the number; what it does with the list, and when, is for the caller to add. Numbers begin with the
// microseconds since 1970: so they are higher than those of a history that has been forgotten.
func (r *recording) change() *clauses {
	base := int(r.entry.At.UnixMicro())
	u := &clauses{values: item{":base": num(base), ":one": num(1), ":first": num(base + 1)}}
	u.assign(attrLast, "if_not_exists(#"+attrLast+",:base)+:one")
	u.assign(attrFirstNumber, "if_not_exists(#"+attrFirstNumber+",:first)")
	u.values[":at"] = millis(r.entry.At)
	u.assign(attrCreatedAt, "if_not_exists(#"+attrCreatedAt+",:at)")
	u.put(attrTTL, seconds(r.end))
	return u
}

func (r *recording) list() types.AttributeValue { return list(r.entry.value()) }

// Record implements [sessionstore.Histories].
func (s *Store) Record(
	ctx context.Context, nsp sessionstore.Namespace, room sessionstore.Room, e sessionstore.Event,
	k sessionstore.Keeping,
) (int, error) {
	const op, what = sessionstore.OpRecord, "record event"
	if err := s.begin(ctx, op); err != nil {
		return 0, fmt.Errorf("%s: %w", what, err)
	}
	r := &recording{pk: historyPK(nsp, room), end: e.At.Add(k.For + historyMargin)}
	var apart []types.WriteRequest
	if r.entry, apart = newEventEntry(r.pk, e, r.end); len(apart) > 0 {
		if err := s.putApart(ctx, op, apart); err != nil {
			return 0, fmt.Errorf("%s: put body: %w", what, err)
		}
	}
	for round := range changes {
		if round > 1 && backOff(ctx, round-1) != nil {
			break
		}
		n, err := s.record(ctx, op, r)
		found := refused(err)
		if found == nil {
			if err != nil {
				return 0, fmt.Errorf("%s: %w", what, err)
			}
			return n, nil
		}
		if n, err = s.recordTurned(ctx, op, r, found.found); refused(err) != nil {
			continue // another caller's event came first
		}
		if err != nil {
			return 0, fmt.Errorf("%s: %w", what, err)
		}
		if n-int(number(found.found, attrFirstNumber)) >= 2*k.Events {
			s.trimHistory(ctx, op, r, n-2*k.Events)
		}
		return n, nil
	}
	return 0, fmt.Errorf("%s: %w", what, changing())
}

// record appends to the list, if that has room.
func (s *Store) record(ctx context.Context, op sessionstore.Op, r *recording) (int, error) {
	u := r.change()
	u.values[":new"], u.values[":none"], u.values[":zero"] = r.list(), list(), num(0)
	u.assign(attrBuffer, "list_append(if_not_exists(#"+attrBuffer+",:none),:new)")
	u.add(attrBufferWeight, r.entry.weight())
	condition := atMost(attrBufferWeight, ":room", maxWeight-r.entry.weight(), u.values)
	it, err := s.update(ctx, op, change{
		key: key{r.pk, skSession}, update: u.String(), condition: condition, values: u.values,
		returns: types.ReturnValueUpdatedNew,
	})
	return int(number(it, attrLast)), err
}

// recordTurned puts the list as it was found into a page, and begins a new one. The page of several callers at once is
// the same one, and it keeps the most: what was in a list is never changed. It is refused if the list has changed.
func (s *Store) recordTurned(ctx context.Context, op sessionstore.Op, r *recording, found item) (int, error) {
	was, events := int(number(found, attrLast)), elements(found, attrBuffer)
	if len(events) > 0 {
		p := eventsKey(r.pk, was-len(events)+1).item()
		p[attrBuffer], p[attrPackets], p[attrTTL] = found[attrBuffer], num(len(events)), seconds(r.end)
		err := s.putIf(
			ctx, op, p, absent+" OR #"+attrPackets+" < :more", item{":more": num(len(events))},
		)
		if err != nil && refused(err) == nil {
			if sessionstore.InDoubt(err) { // nothing was recorded, and the page does no harm
				err = fmt.Errorf("%w: %w", sessionstore.ErrUnavailable, err)
			}
			return 0, fmt.Errorf("put page: %w", err)
		}
	}
	u := r.change()
	u.values[":was"] = num(was)
	u.put(attrBuffer, r.list())
	u.put(attrBufferWeight, num(r.entry.weight()))
	condition := "#" + attrLast + " = :was"
	if found == nil {
		delete(u.values, ":was")
		condition = absent
	}
	it, err := s.update(ctx, op, change{
		key: key{r.pk, skSession}, update: u.String(), condition: condition, values: u.values,
		returns: types.ReturnValueUpdatedNew,
	})
	return int(number(it, attrLast)), err
}

// trimHistory removes the oldest pages of a history that is twice as long as it must be: of events up to a number. What
// fails is left to the next page, or to its time to live.
func (s *Store) trimHistory(ctx context.Context, op sessionstore.Op, r *recording, cut int) {
	out, err := s.pages(ctx, op, r.pk, pagesQuery{from: 0, to: cut, most: trimAtOnce})
	if err != nil || len(out) < 2 {
		return
	}
	var writes []types.WriteRequest
	for i := range len(out) - 1 { // the last may have events above the cut
		events := pageEvents(out[i])
		writes = append(writes, deleteRequest(eventsKey(r.pk, firstOfPage(out[i]))))
		for j := range events {
			if events[j].Frames == nil {
				for n := range mostParts(events[j].size) {
					writes = append(writes, deleteRequest(eventBody(r.pk, string(events[j].ID)).part(n)))
				}
			}
		}
	}
	_ = s.writeAll(ctx, op, writes)
}

// pagesQuery selects pages by the numbers of their first events.
type pagesQuery struct {
	from, to int
	most     int
	last     bool // the last of them first
}

// pages reads pages, in one call.
func (s *Store) pages(ctx context.Context, op sessionstore.Op, pk string, q pagesQuery) ([]item, error) {
	condition := "#" + attrPK + " = :pk AND " + sk + " BETWEEN :from AND :to"
	out, err := send(ctx, &dynamodb.QueryInput{
		TableName: &s.table, KeyConditionExpression: &condition, ConsistentRead: new(true),
		ExpressionAttributeNames: names(condition),
		ExpressionAttributeValues: item{
			":pk": str(pk), ":from": str(eventsKey(pk, q.from).sk), ":to": str(eventsKey(pk, q.to).sk),
		},
		ScanIndexForward: new(!q.last), Limit: new(int32(q.most)), //nolint:gosec // a small constant
		ReturnConsumedCapacity: types.ReturnConsumedCapacityTotal,
	}, true, s.client.Query)
	if err != nil {
		return nil, err
	}
	s.countRead(op, out.ConsumedCapacity)
	return out.Items, nil
}

// pageOf reads the page that an event of a number is in, if that is in a page and there: its events.
func (s *Store) pageOf(ctx context.Context, op sessionstore.Op, pk string, number int) ([]eventEntry, error) {
	found, err := s.pages(ctx, op, pk, pagesQuery{to: number, most: 1, last: true})
	if err != nil || len(found) == 0 {
		return nil, err
	}
	events := pageEvents(found[0])
	if len(events) == 0 || events[len(events)-1].Number < number {
		return nil, nil
	}
	return events, nil
}

// History implements [sessionstore.Histories].
func (s *Store) History(
	ctx context.Context, nsp sessionstore.Namespace, room sessionstore.Room,
) (sessionstore.History, error) {
	const op = sessionstore.OpHistory
	if err := s.begin(ctx, op); err != nil {
		return sessionstore.History{}, fmt.Errorf("history: %w", err)
	}
	it, err := s.get(ctx, op, key{historyPK(nsp, room), skSession})
	if err != nil {
		return sessionstore.History{}, fmt.Errorf("history: %w", err)
	}
	return sessionstore.History{
		First: int(number(it, attrFirstNumber)), Last: int(number(it, attrLast)), Begun: moment(it, attrCreatedAt),
	}, nil
}

// Recorded implements [sessionstore.Histories].
func (s *Store) Recorded(
	ctx context.Context, nsp sessionstore.Namespace, room sessionstore.Room, id sessionstore.PacketID,
) (int, error) {
	const op, what = sessionstore.OpHistory, "recorded event"
	if err := s.begin(ctx, op); err != nil {
		return 0, fmt.Errorf("%s: %w", what, err)
	}
	pk := historyPK(nsp, room)
	it, err := s.get(ctx, op, key{pk, skSession})
	if err != nil {
		return 0, fmt.Errorf("%s: %w", what, err)
	}
	events := lastEvents(it)
	pages, err := s.pages(ctx, op, pk, pagesQuery{to: int(number(it, attrLast)), most: pagesAtOnce, last: true})
	if err != nil {
		return 0, fmt.Errorf("%s: %w", what, err)
	}
	for i := range pages {
		events = append(events, pageEvents(pages[i])...)
	}
	for i := range events {
		if events[i].ID == id {
			return events[i].Number, nil
		}
	}
	return 0, fmt.Errorf("%s: %w", what, sessionstore.ErrNotFound)
}

// Since implements [sessionstore.Histories]: by a look at the first, and a search by halves where that is too old.
func (s *Store) Since(
	ctx context.Context, nsp sessionstore.Namespace, room sessionstore.Room, from, to int, at time.Time,
) (int, error) {
	const op, what = sessionstore.OpHistory, "events since"
	if err := s.begin(ctx, op); err != nil {
		return 0, fmt.Errorf("%s: %w", what, err)
	}
	pk := historyPK(nsp, room)
	n, done, err := s.sinceIn(ctx, op, pk, from, from+1, to, at)
	if !done && err == nil {
		n, err = s.sinceInLast(ctx, op, pk, from, to, at)
	}
	if err != nil {
		return 0, fmt.Errorf("%s: %w", what, err)
	}
	return n, nil
}

// sinceIn looks into the page of an event, of those with numbers above from. It is done if that has the first that
// came late enough and one that did not, or begins with from+1.
func (s *Store) sinceIn(
	ctx context.Context, op sessionstore.Op, pk string, from, number, to int, at time.Time,
) (least int, done bool, err error) {
	events, err := s.pageOf(ctx, op, pk, number)
	if err != nil || len(events) == 0 {
		return number + 1, false, err // too old to be there, or in no page
	}
	for i := range events {
		if e := &events[i]; e.Number > from && e.Number <= to && !e.At.Before(at) {
			return e.Number, i > 0 || e.Number == from+1, nil
		}
	}
	return events[len(events)-1].Number + 1, false, nil
}

// sinceInLast searches in the list of the history's item, then in pages by halves.
func (s *Store) sinceInLast(
	ctx context.Context, op sessionstore.Op, pk string, from, to int, at time.Time,
) (int, error) {
	it, err := s.get(ctx, op, key{pk, skSession})
	if err != nil {
		return 0, err
	}
	found, events := to+1, lastEvents(it)
	for i := range events {
		if e := &events[i]; e.Number > from && e.Number <= to && !e.At.Before(at) {
			found = e.Number
			break
		}
	}
	if len(events) == 0 || found > events[0].Number && events[0].At.Before(at) {
		return found, nil
	}
	for low, high := from+1, min(events[0].Number-1, to); low <= high; {
		mid := low + (high-low)/2
		page, err := s.pageOf(ctx, op, pk, mid)
		if err != nil {
			return 0, err
		}
		if len(page) == 0 { // gone: it was too old
			low = mid + 1
			continue
		}
		n := page[len(page)-1].Number + 1
		for i := range page {
			if e := &page[i]; e.Number > from && e.Number <= to && !e.At.Before(at) {
				n = e.Number
				break
			}
		}
		if n <= page[len(page)-1].Number {
			found = n
			if high = page[0].Number - 1; n > page[0].Number {
				return found, nil
			}
		} else {
			low = n
		}
	}
	return found, nil
}

// Events implements [sessionstore.Histories].
func (s *Store) Events(
	ctx context.Context, nsp sessionstore.Namespace, room sessionstore.Room, from, to int,
) iter.Seq2[sessionstore.Event, error] {
	w := eventsWalk{s: s, pk: historyPK(nsp, room), at: from, to: to}
	return func(yield func(sessionstore.Event, error) bool) {
		walk := w // it may be walked again
		walk.yield = yield
		if err := walk.run(ctx); err != nil && !errors.Is(err, errLeft) {
			yield(sessionstore.Event{}, fmt.Errorf("events of a room: %w", err))
		}
	}
}

// errLeft says that the consumer of a walk has left.
var errLeft = errors.New("left")

// eventsWalk is a walk over events with numbers above at, up to to.
type eventsWalk struct {
	s      *Store
	pk     string
	at, to int
	yield  func(sessionstore.Event, error) bool
}

// run looks into the list first, and then into pages, until it has all. A page may have been made of the list between
// the two, or a page have got more: so it looks again as long as that brings it on.
func (w *eventsWalk) run(ctx context.Context) error {
	const op = sessionstore.OpEvents
	if w.at >= w.to {
		return nil
	}
	if err := w.s.begin(ctx, op); err != nil {
		return err
	}
	for stuck := 0; stuck < 2; stuck++ {
		before := w.at
		it, err := w.s.get(ctx, op, key{w.pk, skSession})
		if err != nil {
			return err
		}
		if events := lastEvents(it); len(events) > 0 && events[0].Number <= w.at+1 {
			err = w.all(ctx, events)
		} else {
			err = w.inPages(ctx)
		}
		if err != nil || w.at >= w.to {
			return err
		}
		if w.at > before {
			stuck = -1
		}
	}
	return sessionstore.ErrNotFound
}

// inPages walks what is in pages, as far as there is no gap.
func (w *eventsWalk) inPages(ctx context.Context) error {
	const op = sessionstore.OpEvents
	first, err := w.s.pageOf(ctx, op, w.pk, w.at+1)
	if err == nil {
		err = w.all(ctx, first)
	}
	for err == nil && len(first) > 0 && w.at < w.to {
		var pages []item
		pages, err = w.s.pages(ctx, op, w.pk, pagesQuery{from: w.at + 1, to: w.to, most: pagesAtOnce})
		if err != nil || len(pages) == 0 {
			return err
		}
		for _, p := range pages {
			if firstOfPage(p) > w.at+1 {
				return nil
			}
			if err := w.all(ctx, pageEvents(p)); err != nil {
				return err
			}
		}
	}
	return err
}

// all yields those of a list that are next, with their bodies, as many at a time as are no burden.
func (w *eventsWalk) all(ctx context.Context, events []eventEntry) error {
	for len(events) > 0 {
		if events[0].Number <= w.at {
			events = events[1:]
			continue
		}
		n, bytes := 0, 0
		var refs []bodyRef
		for n < len(events) && events[n].Number <= w.to && (n == 0 || bytes+events[n].size <= bodiesAtOnce) {
			bytes += events[n].size
			if events[n].Frames == nil {
				refs = append(refs, bodyRef{eventBody(w.pk, string(events[n].ID)), events[n].size})
			}
			n++
		}
		if n == 0 {
			return nil // they are behind the end
		}
		bodies, err := w.s.bodies(ctx, sessionstore.OpEvents, refs)
		if err != nil {
			return err
		}
		for i := range n {
			e := events[i].Event
			if e.Frames == nil {
				e.Frames = bodies[eventBody(w.pk, string(e.ID))]
			}
			w.at = e.Number
			if !w.yield(e, nil) {
				return errLeft
			}
		}
		events = events[n:]
	}
	return nil
}

// JoinLater implements [sessionstore.Histories].
func (s *Store) JoinLater(
	ctx context.Context, k sessionstore.Socket, room sessionstore.Room, joining sessionstore.Lease,
	limits sessionstore.SocketLimits,
) error {
	return s.join(ctx, k, room, limits, func(ctx context.Context, op sessionstore.Op, at key) error {
		u := s.memberChange(k.Session)
		u.put(attrJoining, str(joining.Owner))
		u.put(attrJoiningEnds, millis(joining.Until))
		_, err := s.update(ctx, op, change{key: at, update: u.String(), values: u.values})
		return err
	})
}

// Joined implements [sessionstore.Histories].
func (s *Store) Joined(
	ctx context.Context, k sessionstore.Socket, room sessionstore.Room, owner sessionstore.Owner, rewound int,
) error {
	const op = sessionstore.OpJoin
	if err := s.begin(ctx, op); err != nil {
		return fmt.Errorf("joined room: %w", err)
	}
	u := &clauses{values: item{":owner": str(owner)}}
	u.put(attrRewound, num(rewound))
	u.remove(attrJoining)
	u.remove(attrJoiningEnds)
	_, err := s.update(ctx, op, change{
		key: roomKey(k.Namespace, room, k.ID), update: u.String(), condition: "#" + attrJoining + " = :owner",
		values: u.values,
	})
	if err != nil {
		return lost(err, "joined room", sessionstore.ErrNotFound)
	}
	return nil
}

// RoomMember implements [sessionstore.Histories].
func (s *Store) RoomMember(
	ctx context.Context, nsp sessionstore.Namespace, room sessionstore.Room, id sessionstore.SocketID,
) (sessionstore.Member, error) {
	const op = sessionstore.OpMember
	if err := s.begin(ctx, op); err != nil {
		return sessionstore.Member{}, fmt.Errorf("read member of a room: %w", err)
	}
	it, err := s.get(ctx, op, roomKey(nsp, room, id))
	if err == nil && it == nil {
		err = sessionstore.ErrNotFound
	}
	if err != nil {
		return sessionstore.Member{}, fmt.Errorf("read member of a room: %w", err)
	}
	return memberOf(it), nil
}

// PutKeeping implements [sessionstore.Histories].
func (s *Store) PutKeeping(
	ctx context.Context, nsp sessionstore.Namespace, k sessionstore.Keeping, until time.Time,
) error {
	const op, what = sessionstore.OpKeeping, "put keeping"
	if err := s.begin(ctx, op); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	b, err := json.Marshal(k)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	it := keepingKey(nsp).item()
	it[attrKeeping], it[attrExpiresAt], it[attrTTL] = str(string(b)), millis(until), seconds(until)
	if err := s.put(ctx, op, it, ""); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// Keeping implements [sessionstore.Histories].
func (s *Store) Keeping(
	ctx context.Context, nsp sessionstore.Namespace, now time.Time,
) (sessionstore.Keeping, error) {
	const op, what = sessionstore.OpKeeping, "keeping of a namespace"
	var k sessionstore.Keeping
	if err := s.begin(ctx, op); err != nil {
		return k, fmt.Errorf("%s: %w", what, err)
	}
	it, err := s.get(ctx, op, keepingKey(nsp))
	if err == nil && (it == nil || ended(moment(it, attrExpiresAt), now)) {
		err = sessionstore.ErrNotFound
	}
	if err == nil {
		err = json.Unmarshal([]byte(text(it, attrKeeping)), &k)
	}
	if err != nil {
		return k, fmt.Errorf("%s: %w", what, err)
	}
	return k, nil
}
