package dynamostore

import (
	"context"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"time"

	"github.com/nonstick-io/nonstick/sessionstore"
)

// A room whose events are kept has a mark among its members: the first item that a walk of the room meets. The item of
// the history has what the mark says, and until when it is certain to be there, so that it is renewed in time, and
// seldom.

// markLife is [sessionstore.Keeping.MarkLife], also for events that are there for longer than they can be asked for.
func (s *Store) markLife(k *sessionstore.Keeping, now time.Time) (least, until time.Time) {
	return k.MarkLife(now, max(s.rowLife, k.For+historyMargin))
}

// markText is what a mark says.
func markText(m sessionstore.Mark) string {
	return strconv.Itoa(m.Events) + "/" + strconv.FormatInt(m.For.Milliseconds(), 10)
}

// markOf reads what an item says of a mark, or says as one.
func markOf(it item) sessionstore.Mark {
	events, length, _ := strings.Cut(text(it, attrMark), "/")
	n, _ := strconv.Atoi(events) // this package wrote it
	ms, _ := strconv.ParseInt(length, 10, 64)
	return sessionstore.Mark{
		Events: n, For: time.Duration(ms) * time.Millisecond, Until: moment(it, attrMarkEnds),
	}
}

// markKnown has a history know of the room's mark.
func markKnown(u *clauses, m sessionstore.Mark) {
	u.put(attrMark, str(markText(m)))
	u.put(attrMarkEnds, millis(m.Until))
}

// markServes is the condition that a history knows of a mark that serves, see [sessionstore.Mark.Serves].
func markServes(u *clauses, k *sessionstore.Keeping, least time.Time) string {
	u.values[":says"], u.values[":least"] = str(markText(k.Mark(least))), millis(least)
	return "#" + attrMark + " = :says AND #" + attrMarkEnds + " >= :least"
}

func (s *Store) putMark(ctx context.Context, op sessionstore.Op, at key, m sessionstore.Mark) error {
	it := at.item()
	it[attrMark], it[attrMarkEnds], it[attrTTL] = str(markText(m)), millis(m.Until), seconds(m.Until)
	return s.put(ctx, op, it, "")
}

// Mark implements [sessionstore.Histories].
func (s *Store) Mark(
	ctx context.Context, nsp sessionstore.Namespace, room sessionstore.Room, k sessionstore.Keeping,
	h sessionstore.History, now time.Time,
) error {
	const op, what = sessionstore.OpMark, "mark room"
	if err := s.begin(ctx, op); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	least, until := s.markLife(&k, now)
	if h.Mark.Serves(&k, least) {
		return nil
	}
	m := k.Mark(until)
	if err := s.putMark(ctx, op, markKey(nsp, room), m); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	if h.Last == 0 {
		return nil
	}
	u := &clauses{values: item{":last": num(h.Last)}}
	markKnown(u, m)
	_, err := s.update(ctx, op, change{
		key: key{historyPK(nsp, room), skSession}, update: u.String(), values: u.values,
		condition: "#" + attrLast + " >= :last",
	})
	if err != nil && refused(err) == nil {
		return fmt.Errorf("%s: history: %w", what, err)
	}
	return nil
}

// Unmarked implements [sessionstore.Histories].
func (s *Store) Unmarked(
	ctx context.Context, nsp sessionstore.Namespace, room sessionstore.Room,
) iter.Seq2[sessionstore.Member, error] {
	type row struct {
		sessionstore.Member
		mark *sessionstore.Mark
	}
	walked := rows(
		ctx, s, sessionstore.OpMembers, walkRoom, roomPK(nsp, room), sortKeys{}, true, func(it item) row {
			if text(it, attrSK) != skMark {
				return row{Member: memberOf(it)}
			}
			m := markOf(it)
			return row{mark: &m}
		},
	)
	return func(yield func(sessionstore.Member, error) bool) {
		for r, err := range walked {
			if r.mark != nil {
				yield(sessionstore.Member{}, &sessionstore.MarkedError{Room: room, Mark: *r.mark})
				return
			}
			if !yield(r.Member, err) {
				return
			}
		}
	}
}
