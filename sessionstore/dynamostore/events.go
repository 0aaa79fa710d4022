package dynamostore

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/nonstick-io/nonstick/sessionstore"
)

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
