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
		var sockets [racers]sessionstore.Socket
		for i := range sockets {
			sockets[i] = newSocket(id, nsp)
		}
		i := x.oneWins(sessionstore.ErrExists, func(i int) error { return x.store.PutSocket(x.Context(), sockets[i], connA) })
		x.sameSocket(sockets[i])
		x.member(sockets[i], connA)
	}
}

func racePartial(x *tester) {
	for range rounds {
		id := x.polling()
		i := x.oneWins(sessionstore.ErrExists, func(i int) error {
			return x.store.PutPartial(x.Context(), id, newPartial(1, fmt.Sprint("b", i)))
		})
		x.waiting(id, newPartial(1, fmt.Sprint("b", i)))
	}
}

func raceAck(x *tester) {
	for _, continuation := range []string{"", "c"} {
		for range rounds {
			a := newAck(x.polling(), 1)
			a.Continuation = continuation
			x.must(x.store.PutAck(x.Context(), a))
			i := x.oneWins(sessionstore.ErrNotFound, func(i int) error {
				got, err := x.store.AnswerAck(x.Context(), answerTo(a, fmt.Sprint("43", i)), start)
				if err == nil && !slices.Equal(got.Answer, []string{fmt.Sprint("43", i)}) {
					return fmt.Errorf("answered %q", got.Answer)
				}
				return err
			})
			if continuation == "" {
				a.Answer = []string{fmt.Sprint("43", i)}
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
				_, err := x.store.RemoveSocket(x.Context(), k)
				return err
			}
			if err := x.store.Join(x.Context(), k, room(i), connA); !errors.Is(err, sessionstore.ErrNotFound) {
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
			return x.store.Join(x.Context(), k, k.Rooms[i], connA)
		}
		return x.store.SetData(x.Context(), k, fmt.Sprint("k", i-racers), fmt.Sprint(i-racers))
	})...))
	x.sameSocket(k)
}

func raceAttachments(x *tester) {
	id := x.polling()
	x.must(x.store.PutPartial(x.Context(), id, newPartial(2*racers)))
	var sizes [racers]int
	x.must(errors.Join(race(racers, func(i int) error {
		p, err := x.store.AddAttachments(x.Context(), id, []string{fmt.Sprint("b", i), fmt.Sprint("b", i, "+")})
		sizes[i] = len(p.Attachments)
		return err
	})...))
	p := x.get(id).Partial
	if p == nil || len(p.Attachments) != 2*racers {
		x.Fatalf("collected %+v", p)
	}
	for i := 0; i < len(p.Attachments); i += 2 {
		if p.Attachments[i]+"+" != p.Attachments[i+1] {
			x.Errorf("attachments of two calls mixed: %q", p.Attachments)
		}
	}
	slices.Sort(sizes[:])
	for i, n := range sizes {
		equal(x, "attachments seen, so that one caller sees the last", n, 2*(i+1))
	}
}
