package dynamostore_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nonstick-io/nonstick/sessionstore"
	"github.com/nonstick-io/nonstick/sessionstore/dynamostore"
)

var kept = sessionstore.Keeping{Rooms: []string{"*"}, Events: 1000, For: time.Hour}

func eventOf(n, size int) sessionstore.Event {
	return sessionstore.Event{
		ID: sessionstore.PacketID(fmt.Sprint(n)), Frames: []string{strings.Repeat("x", size)}, At: now,
	}
}

// TestRecordUnderFaults: whatever call of a record fails, and however: what has succeeded is in the history under its
// number, what has certainly failed is not, what is in doubt may be, and there is no hole and no event twice. A room
// whose history has an event has a mark.
func TestRecordUnderFaults(t *testing.T) {
	t.Parallel() // it waits most of the time
	s, c := newFaulty(t)
	random := rand.New(rand.NewPCG(7, 7))
	faults := []fault{nil, nil, nil, reset, appliedUnheard, throttled, broken, unreachable}
	for room := range 6 {
		r := sessionstore.Room(fmt.Sprint(room))
		c.next()
		recorded, failed := map[sessionstore.PacketID]int{}, map[sessionstore.PacketID]bool{}
		for i := range 60 {
			var some []fault
			if i%2 == 0 {
				for range 1 + random.IntN(4) {
					some = append(some, faults[random.IntN(len(faults))])
				}
			}
			c.next(some...)
			e := eventOf(i, []int{20, 200, 900, 3000}[random.IntN(4)])
			n, err := s.Record(t.Context(), "/", r, e, kept)
			c.next()
			switch {
			case err == nil:
				recorded[e.ID] = n
			case !sessionstore.InDoubt(err):
				failed[e.ID] = true
			}
			if len(recorded) > 0 {
				checkMarked(t, s, r)
			}
		}
		h, err := s.History(t.Context(), "/", r)
		must(t, err)
		seen := map[sessionstore.PacketID]bool{}
		for e, err := range s.Events(t.Context(), "/", r, h.First-1, h.Last) {
			must(t, err)
			if seen[e.ID] || failed[e.ID] || recorded[e.ID] > 0 && recorded[e.ID] != e.Number {
				t.Errorf("event %s: twice %v, failed %v, number %d and %d", e.ID, seen[e.ID], failed[e.ID],
					recorded[e.ID], e.Number)
			}
			seen[e.ID] = true
			delete(recorded, e.ID)
		}
		if len(recorded) > 0 || len(failed) == 0 {
			t.Errorf("%d events are missing, %d have failed", len(recorded), len(failed))
		}
	}
}

func checkMarked(t *testing.T, s *dynamostore.Store, room sessionstore.Room) {
	t.Helper()
	for _, err := range s.Unmarked(t.Context(), "/", room) {
		if m := (*sessionstore.MarkedError)(nil); errors.As(err, &m) && m.Mark.Events == kept.Events {
			return
		}
		break
	}
	t.Errorf("room %s has no mark", room)
}

// TestMarkUnderFaults: a mark that is in doubt is not known to be there, so it is put again.
func TestMarkUnderFaults(t *testing.T) {
	s, c := newFaulty(t)
	c.next()
	_, err := s.Record(t.Context(), "/", "room", eventOf(1, 20), sessionstore.Mark{Events: 1, For: time.Hour}.Keeping())
	must(t, err)
	for _, faults := range [][]fault{{reset}, {appliedUnheard}, {nil, reset}, {nil, throttled, nil}} {
		h, err := s.History(t.Context(), "/", "room")
		must(t, err)
		c.next(faults...)
		err = s.Mark(t.Context(), "/", "room", kept, h, now)
		c.next()
		after, e := s.History(t.Context(), "/", "room")
		must(t, e)
		if known := after.Mark.Serves(&kept, now); known != (err == nil) {
			t.Errorf("known %v, %v", known, err)
		}
	}
	checkMarked(t, s, "room")
}

// TestHistoryTimeToLive: what is kept of a room goes by itself, a while after it can be asked for; its mark later, so
// that no event and no member is ever without it.
func TestHistoryTimeToLive(t *testing.T) {
	client := newTable(t)
	s := dynamostore.New(client, dynamostore.Options{Table: table, RowLife: 40 * 24 * time.Hour})
	for i := range 40 {
		_, err := s.Record(t.Context(), "/", "room", eventOf(i, []int{200, 2000}[i%2]), kept)
		must(t, err)
	}
	kinds := map[string]int{}
	for _, it := range scan(t, client) {
		kind := text(it, "PK")[:1] + text(it, "SK")[:1]
		kinds[kind]++
		seconds, err := strconv.ParseInt(text(it, "ttl"), 10, 64)
		must(t, err)
		least, most := kept.For+time.Hour, kept.For+3*time.Hour
		if kind == "R " {
			least, most = 40*24*time.Hour, 71*24*time.Hour
		}
		if in := time.Unix(seconds, 0).Sub(now); in < least || in > most {
			t.Errorf("%s ends in %v", kind, in)
		}
	}
	if kinds["LA"] != 1 || kinds["LP"] == 0 || kinds["LB"] < 20 || kinds["R "] != 1 || len(kinds) != 4 {
		t.Errorf("items %v", kinds)
	}
}
