package storetest

import (
	"errors"
	"fmt"
	"slices"

	"github.com/nonstick-io/nonstick/sessionstore"
)

func raceSocket(x *tester) {
	for range rounds {
		id, nsp := x.polling(), freshNamespace()
		var sockets [racers]sessionstore.NewSocket
		for i := range sockets {
			sockets[i] = newSocket(id, nsp)
		}
		i := x.oneWins(sessionstore.ErrExists, func(i int) error { return x.putSocket(sockets[i], connA) })
		x.sameSocket(sockets[i])
		x.member(sockets[i], connA)
	}
}

func racePartial(x *tester) {
	for range rounds {
		id := x.polling()
		partials := make([]sessionstore.Partial, racers)
		for i := range partials {
			partials[i] = newPartial(2, fmt.Sprint("b", i))
		}
		i := x.oneWins(
			sessionstore.ErrExists,
			func(i int) error { return x.store.PutPartial(x.Context(), id, partials[i], start) },
		)
		spoilt := partials[i]
		spoilt.Count = spoilt.Want + 1
		x.waiting(id, spoilt)
	}
}

func raceAck(x *tester) {
	for _, continuation := range []string{"", "c"} {
		for range rounds {
			a := newAck(x.polling(), 1)
			a.Continuation = continuation
			x.must(x.store.PutAck(x.Context(), a, start))
			i := x.oneWins(sessionstore.ErrNotFound, func(i int) error {
				got, err := x.store.AnswerAck(x.Context(), answerTo(a, fmt.Sprint("43", i)), start)
				if err == nil && !slices.Equal(got.Answer, []string{fmt.Sprint("43", i)}) {
					return fmt.Errorf("answered %q", got.Answer)
				}
				return err
			})
			if continuation == "" {
				a.Answer, a.ExpiresAt = []string{fmt.Sprint("43", i)}, after(sessionstore.AckRead)
				x.pending(a)
			}
		}
	}
}

// raceJoin: whichever comes first, a socket that is gone leaves no row behind in any room.
func raceJoin(x *tester) {
	for range rounds {
		k := x.put(newSocket(x.polling(), freshNamespace(), "r0"))
		room := func(i int) sessionstore.Room { return sessionstore.Room(fmt.Sprint("r", i)) }
		errs := race(racers, func(i int) error {
			if i == 0 {
				_, err := x.remove(k)
				return err
			}
			if err := x.join(k, room(i), connA); !errors.Is(err, sessionstore.ErrNotFound) {
				return err
			}
			return nil
		})
		x.must(errors.Join(errs...))
		x.noMember(k)
		for i := range racers {
			x.inRoom(k.Namespace, room(i))
		}
	}
}

// raceSocketChanges: changes of one socket's row do not undo one another.
func raceSocketChanges(x *tester) {
	k := x.put(newSocket(x.polling(), freshNamespace()))
	k.Data = make(map[string]string)
	for i := range racers {
		k.Rooms = append(k.Rooms, sessionstore.Room(fmt.Sprint("r", i)))
		k.Data[fmt.Sprint("k", i)] = fmt.Sprint(i)
	}
	x.must(errors.Join(race(2*racers, func(i int) error {
		if i < racers {
			return x.join(k, k.Rooms[i], connA)
		}
		return x.setData(k, fmt.Sprint("k", i-racers), fmt.Sprint(i-racers))
	})...))
	x.sameSocket(k)
}

// raceAttachments: however many come at a time, one caller has the last, and none if one is too many.
func raceAttachments(x *tester) {
	for _, want := range []int{racers, racers - 1} {
		id := x.polling()
		p := newPartial(want)
		x.must(x.store.PutPartial(x.Context(), id, p, start))
		var owners [racers]bool
		errs := race(racers, func(i int) error {
			got, err := x.store.CountAttachment(x.Context(), id, start)
			owners[i] = err == nil && got.Count == want
			return err
		})
		n, spoilt := 0, 0
		for i, err := range errs {
			if owners[i] {
				n++
			}
			if errors.Is(err, sessionstore.ErrSpoilt) {
				spoilt++
			} else {
				x.must(err)
			}
		}
		equal(x, "callers that have the last", n, 1)
		equal(x, "callers with one too many", spoilt, racers-want)
		p.Count = want
		if err := x.store.TakePartial(x.Context(), id, p); spoilt > 0 {
			x.is(err, sessionstore.ErrNotFound)
		} else {
			x.must(err)
		}
	}
}

func raceTake(x *tester) {
	for range rounds {
		id := x.polling()
		p := newPartial(1)
		x.must(x.store.PutPartial(x.Context(), id, p, start))
		p, err := x.store.CountAttachment(x.Context(), id, start)
		x.must(err)
		x.oneWins(sessionstore.ErrNotFound, func(int) error { return x.store.TakePartial(x.Context(), id, p) })
	}
}
