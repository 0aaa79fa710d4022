package dynamostore

import (
	"context"
	"fmt"
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
	keeps sessionstore.Keeping
	// least is until when the room has to have a mark, until when a new one is there, and marked says that it is new.
	least, until time.Time
	marked       bool
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
	if r.marked {
		markKnown(u, r.keeps.Mark(r.until))
	}
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
	r := &recording{pk: historyPK(nsp, room), end: e.At.Add(k.For + historyMargin), keeps: k}
	r.least, r.until = s.markLife(&k, e.At)
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
		if !r.marked && !k.Marked && !markOf(found.found).Serves(&k, r.least) {
			if err := s.putMark(ctx, op, markKey(nsp, room), k.Mark(r.until)); err != nil {
				return 0, fmt.Errorf("%s: put mark: %w", what, certain(err)) // nothing was recorded
			}
			r.marked = true
			continue
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

// certain is the error of a write before the one that counts: so nothing is in doubt.
func certain(err error) error {
	if sessionstore.InDoubt(err) {
		return fmt.Errorf("%w: %w", sessionstore.ErrUnavailable, err)
	}
	return err
}

// record appends to the list, if that has room, and if the room is known to have the mark that it needs.
func (s *Store) record(ctx context.Context, op sessionstore.Op, r *recording) (int, error) {
	u := r.change()
	u.values[":new"], u.values[":none"], u.values[":zero"] = r.list(), list(), num(0)
	u.assign(attrBuffer, "list_append(if_not_exists(#"+attrBuffer+",:none),:new)")
	u.add(attrBufferWeight, r.entry.weight())
	condition := atMost(attrBufferWeight, ":room", maxWeight-r.entry.weight(), u.values)
	if !r.marked && !r.keeps.Marked {
		condition += " AND " + markServes(u, &r.keeps, r.least)
	}
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
			return 0, fmt.Errorf("put page: %w", certain(err)) // nothing was recorded, and the page does no harm
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
		Mark: markOf(it),
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
