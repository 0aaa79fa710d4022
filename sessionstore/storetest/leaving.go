package storetest

import (
	"errors"
	"fmt"
	"time"

	"github.com/nonstick-io/nonstick/sessionstore"
)

var leavingTests = []test{
	{"claim a socket", claimSocket},
	{"hand a socket over", handSocketOver},
	{"no join of a claimed socket", joinClaimed},
	{"vacate and drop", vacateAndDrop},
	{"vacate what was joined since", vacateJoined},
	{"drop data that came late", dropLateData},
	{"leave the successor alone", leavingSuccessor},
	{"claim a socket at once", raceClaimSocket},
	{"join while a socket leaves", raceLeaving},
	{"leaving with a cancelled context", leavingCancelled},
}

// claims asks for the lease of a socket, d after the start.
func (x *tester) claims(
	k sessionstore.NewSocket, o, from sessionstore.Owner, d time.Duration,
) (sessionstore.Socket, error) {
	x.Helper()
	l := sessionstore.Lease{Owner: o, Until: after(d + leaseEnd)}
	row, err := x.store.ClaimSocket(x.Context(), k.Row(), l, from, after(d))
	row.Leaving.Until = row.Leaving.Until.UTC()
	return canonSocket(row), err
}

// leaves claims a socket and returns its row.
func (x *tester) leaves(k sessionstore.NewSocket) sessionstore.Socket {
	x.Helper()
	row, err := x.claims(k, me, "", 0)
	x.must(err)
	return row
}

func claimSocket(x *tester) {
	k := newSocket(x.polling(), freshNamespace(), "a")
	k.Auth, k.Data, k.Parent = "{}", map[string]string{"x": "1"}, "tenants"
	x.put(k)
	x.must(x.join(k, "b", connA))
	row, err := x.claims(k, me, "", 0)
	x.must(err)
	k.Rooms = []sessionstore.Room{"a", "b"}
	want := canonSocket(k.Row())
	want.Leaving = sessionstore.Lease{Owner: me, Until: after(leaseEnd)}
	equal(x, "the row", row, want)
	read := x.socket(k)
	read.Leaving.Until = read.Leaving.Until.UTC()
	equal(x, "the row as it is read", read, want)

	_, err = x.claims(k, other, "", time.Second)
	x.is(err, sessionstore.ErrExists)
	held, ok := sessionstore.Holder(err)
	held.Until = held.Until.UTC()
	equal(x, "the refusal has a holder", ok, true)
	equal(x, "the holder", held, want.Leaving)
	_, err = x.claims(k, me, "", 5*time.Second) // renewed until 15 s
	x.must(err)
	_, err = x.claims(k, other, "", 14*time.Second)
	x.is(err, sessionstore.ErrExists)
	_, err = x.claims(k, other, "", 15*time.Second)
	x.must(err)

	_, err = x.claims(newSocket(k.Session, k.Namespace), me, "", 0) // another socket than that in the row
	x.is(err, sessionstore.ErrNotFound)
	_, err = x.claims(newSocket("none", k.Namespace), me, "", 0)
	x.is(err, sessionstore.ErrNotFound)
}

func handSocketOver(x *tester) {
	k := x.put(newSocket(x.polling(), freshNamespace()))
	x.leaves(k)
	_, err := x.claims(k, other, "third", time.Second)
	x.is(err, sessionstore.ErrExists)
	for range 2 { // the same call again
		_, err = x.claims(k, other, me, time.Second)
		x.must(err)
	}
	_, err = x.claims(k, "third", me, 2*time.Second)
	x.is(err, sessionstore.ErrExists)
}

// joinClaimed: for a join, a socket that was claimed is gone, whatever became of the claim.
func joinClaimed(x *tester) {
	k := x.put(newSocket(x.polling(), freshNamespace(), "a"))
	x.leaves(k)
	x.is(x.join(k, "b", connA), sessionstore.ErrNotFound)
	x.inRoom(k.Namespace, "b")
	x.is(x.join(k, "b", connA), sessionstore.ErrNotFound)
	x.member(k, connA)
	x.inRoom(k.Namespace, "a", memberOf(k, connA))
	equal(x, "rooms", x.socket(k).Rooms, 1)
}

func vacateAndDrop(x *tester) {
	for _, rooms := range [][]sessionstore.Room{nil, {"a", "b"}} {
		k := newSocket(x.polling(), freshNamespace(), rooms...)
		k.Auth, k.Data = `{"a":1}`, map[string]string{"x": "1"}
		x.put(k)
		rest := x.put(newSocket(x.polling(), k.Namespace, "a"))
		row := x.leaves(k)
		for range 2 {
			x.must(x.store.Vacate(x.Context(), row))
			x.noMember(k)
			x.inRoom(k.Namespace, "a", memberOf(rest, connA))
			x.inRoom(k.Namespace, "b")
			left := k
			left.Rooms = nil
			x.keeps(row, left) // auth and data
			s := x.get(k.Session)
			if got, ok := s.Socket(k.Namespace); !ok || got.ID != k.ID || got.Leaving.Owner != me {
				x.Errorf("the row is %+v, %v", got, ok)
			}
		}
		x.must(x.store.DropSocket(x.Context(), row))
		k.Auth, k.Data, k.Rooms = "", nil, nil
		if n := len(x.get(k.Session).Sockets); n != 0 {
			x.Errorf("%d sockets left", n)
		}
		x.keeps(k.Row(), k)
		x.is(x.store.DropSocket(x.Context(), row), sessionstore.ErrNotFound)
		x.must(x.store.Vacate(x.Context(), row))
		_, err := x.claims(k, other, "", time.Hour)
		x.is(err, sessionstore.ErrNotFound)
		x.member(rest, connA)
		x.inRoom(k.Namespace, "a", memberOf(rest, connA))
	}
}

// vacateJoined: the row as it was claimed has the rooms that a row read before has not.
func vacateJoined(x *tester) {
	k := x.put(newSocket(x.polling(), freshNamespace()))
	x.must(x.join(k, "a", connA))
	k.Rooms = nil // what k itself knows
	x.must(x.store.Vacate(x.Context(), x.leaves(k)))
	x.inRoom(k.Namespace, "a")
	x.noMember(k)
}

func dropLateData(x *tester) {
	k := x.put(newSocket(x.polling(), freshNamespace()))
	row := x.leaves(k)
	x.must(x.store.Vacate(x.Context(), row))
	x.must(x.setData(k, "x", "1"))
	x.must(x.store.DropSocket(x.Context(), row))
	k.Data = map[string]string{"x": "?"} // as a row would say
	data, err := x.store.Data(x.Context(), k.Row())
	x.must(err)
	equal(x, "the data", len(data), 0)
}

// leavingSuccessor: what is done about a socket that has gone does not touch the next one in its place.
func leavingSuccessor(x *tester) {
	old := x.put(newSocket(x.polling(), freshNamespace(), "a"))
	row := x.leaves(old)
	x.must(x.store.Vacate(x.Context(), row))
	x.must(x.store.DropSocket(x.Context(), row))
	next := newSocket(old.Session, old.Namespace, "a")
	next.Auth, next.Data = "{}", map[string]string{"x": "1"}
	x.put(next)

	_, err := x.claims(old, other, "", time.Hour)
	x.is(err, sessionstore.ErrNotFound)
	x.must(x.store.Vacate(x.Context(), row))
	x.is(x.store.DropSocket(x.Context(), row), sessionstore.ErrNotFound)
	x.sameSocket(next)
	x.member(next, connA)
	x.inRoom(next.Namespace, "a", memberOf(next, connA))
	x.must(x.join(next, "b", connA))
}

func raceClaimSocket(x *tester) {
	for range rounds {
		k := x.put(newSocket(x.polling(), freshNamespace()))
		i := x.oneWins(sessionstore.ErrExists, func(i int) error {
			_, err := x.claims(k, racer(i).Owner, "", 0)
			return err
		})
		equal(x, "the owner", x.socket(k).Leaving.Owner, racer(i).Owner)
	}
}

// raceLeaving: whichever comes first, a socket that has left is in no room once the joins have returned.
func raceLeaving(x *tester) {
	for range rounds {
		k := x.put(newSocket(x.polling(), freshNamespace(), "r0"))
		room := func(i int) sessionstore.Room { return sessionstore.Room(fmt.Sprint("r", i)) }
		errs := race(racers, func(i int) error {
			if i == 0 {
				row, err := x.claims(k, me, "", 0)
				if err != nil {
					return err
				}
				return x.store.Vacate(x.Context(), row)
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

func leavingCancelled(x *tester) {
	k := newSocket(x.polling(), freshNamespace(), "a")
	k.Auth = "{}"
	x.put(k)
	ctx := x.cancelled()
	_, err := x.store.ClaimSocket(ctx, k.Row(), lease(me), "", start)
	x.notSent("ClaimSocket", err)
	x.notSent("Vacate", x.store.Vacate(ctx, k.Row()))
	x.notSent("DropSocket", x.store.DropSocket(ctx, k.Row()))
	x.sameSocket(k)
	x.member(k, connA)
	x.inRoom(k.Namespace, "a", memberOf(k, connA))
}
