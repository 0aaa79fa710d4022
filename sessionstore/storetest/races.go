package storetest

import (
	"errors"
	"fmt"
	"time"

	"github.com/nonstick-io/nonstick/sessionstore"
)

// racers is how many goroutines race for one thing, rounds how many times.
const (
	racers = 8
	rounds = 6
)

var raceTests = []test{
	{"Create", raceCreate},
	{"Close", raceClose},
	{"Close at the ping against Pong", racePong},
	{"TakeOver", raceTakeOver},
	{"Finish", raceFinish},
	{"Bind", raceBind},
	{"Upgrade", raceUpgrade},
	{"Abort against Upgrade", raceAbort},
	{"Release", raceRelease},
	{"Answer", raceAnswer},
	{"Answer against Park", raceAnswerPark},
	{"Register", raceRegister},
	{"LeaseShard", raceLease},
	{"PutSocket", raceSocket},
	{"PutPartial", racePartial},
	{"TakePartial", raceTake},
	{"AnswerAck", raceAck},
	{"Join against RemoveSocket", raceJoin},
	{"Join and SetData", raceSocketChanges},
	{"SwapData to add", raceAdds},
	{"SwapData", raceSwap},
	{"SetData and SwapData to the limit", raceToTheLimit},
	{"AddAttachments", raceAttachments},
}

// oneWins races f, whose losers must be refused with lost, and returns the winner.
func (x *tester) oneWins(lost error, f func(i int) error) int {
	x.Helper()
	winner := -1
	for i, err := range race(racers, f) {
		switch {
		case err == nil && winner < 0:
			winner = i
		case err == nil:
			x.Fatalf("both %d and %d won", winner, i)
		case !errors.Is(err, lost) || sessionstore.InDoubt(err):
			x.Fatalf("loser %d: error %v, want %v", i, err, lost)
		}
	}
	if winner < 0 {
		x.Fatal("nobody won")
	}
	return winner
}

// racer returns the lease of the i-th racer, held from now on.
func racer(i int) sessionstore.Lease {
	return sessionstore.Lease{Owner: sessionstore.Owner(fmt.Sprint("racer-", i)), Until: after(leaseEnd)}
}

func raceCreate(x *tester) {
	for range rounds {
		n := newSession(sessionstore.Polling)
		i := x.oneWins(sessionstore.ErrExists, func(i int) error {
			mine := n
			mine.PingAt = after(time.Duration(i) * time.Second)
			mine.Handshake.Address = fmt.Sprint(i)
			return x.store.Create(x.Context(), mine)
		})
		h, err := x.store.Handshake(x.Context(), n.ID)
		x.must(err)
		equal(x, "the handshake", h.Address, fmt.Sprint(i))
		x.registered(sessionstore.Registration{Session: n.ID, PingAt: x.get(n.ID).PingAt, LookAt: n.LookAt})
	}
}

func raceClose(x *tester) {
	for range rounds {
		id := x.given(1)
		i := x.oneWins(sessionstore.ErrConflict, func(i int) error {
			r := closing(id, false)
			r.Handler = racer(i)
			return x.tryClose(r)
		})
		equal(x, "the handler", x.get(id).Handler.Owner, racer(i).Owner)
	}
}

func racePong(x *tester) {
	for range rounds {
		id := x.polling()
		read := x.get(id)
		errs := race(2, func(i int) error {
			if i == 0 {
				return x.store.Pong(x.Context(), id, after(time.Hour))
			}
			r := closing(id, false)
			r.IfPingAt = read.PingAt
			return x.tryClose(r)
		})
		if (errs[0] == nil) == (errs[1] == nil) {
			x.Fatalf("pong: %v, close: %v", errs[0], errs[1])
		}
		equal(x, "open", x.get(id).State == sessionstore.Open, errs[0] == nil)
	}
}

func raceTakeOver(x *tester) {
	for range rounds {
		id := x.polling()
		x.close(id, false)
		now := after(leaseEnd + time.Second)
		i := x.oneWins(sessionstore.ErrConflict, func(i int) error {
			return x.store.TakeOver(
				x.Context(), id, sessionstore.Lease{Owner: racer(i).Owner, Until: after(time.Hour)}, "", now,
			)
		})
		equal(x, "the handler", x.get(id).Handler.Owner, racer(i).Owner)
	}
}

func raceFinish(x *tester) {
	for range rounds {
		id := x.polling()
		x.close(id, false)
		x.oneWins(
			sessionstore.ErrConflict,
			func(int) error { return x.store.Finish(x.Context(), id, me, after(time.Hour)) },
		)
	}
}

func raceBind(x *tester) {
	for range rounds {
		id := x.polling()
		i := x.oneWins(sessionstore.ErrConflict, func(i int) error {
			c := sessionstore.Connection{ID: fmt.Sprint(i), Endpoint: connA.Endpoint}
			return x.store.Bind(x.Context(), id, sessionstore.Candidate{Conn: c, Until: after(leaseEnd)}, start)
		})
		equal(x, "the candidate", x.get(id).Candidate.Conn.ID, fmt.Sprint(i))
	}
}

func raceUpgrade(x *tester) {
	for range rounds {
		id := x.bound(x.given(1))
		i := x.oneWins(sessionstore.ErrConflict, func(i int) error {
			_, err := x.store.Upgrade(x.Context(), id, connA, racer(i))
			if s, ok := sessionstore.Current(err); ok && s.Hold.Owner == racer(i).Owner {
				return fmt.Errorf("the loser holds: %+v", s.Hold)
			}
			return err
		})
		equal(x, "the hold", x.get(id).Hold.Owner, racer(i).Owner)
	}
}

func raceAbort(x *tester) {
	for range rounds {
		id := x.bound(x.polling())
		i := x.oneWins(sessionstore.ErrConflict, func(i int) error {
			if i%2 == 0 {
				return x.store.Abort(x.Context(), id, connA)
			}
			_, err := x.store.Upgrade(x.Context(), id, connA, racer(i))
			return err
		})
		equal(x, "on polling", x.get(id).Transport == sessionstore.Polling, i%2 == 0)
	}
}

func raceRelease(x *tester) {
	for range rounds {
		id := x.held()
		x.oneWins(sessionstore.ErrConflict, func(int) error { return x.store.Release(x.Context(), id, me, 2) })
	}
}

func raceAnswer(x *tester) {
	for range rounds {
		id := x.given(1)
		read := x.get(id)
		i := x.oneWins(sessionstore.ErrConflict, func(i int) error {
			return x.store.Answer(
				x.Context(), sessionstore.AnswerRequest{Read: &read, T: fmt.Sprint("race", i), Give: 1},
			)
		})
		s := x.get(id)
		equal(x, "the last GET", s.LastT, fmt.Sprint("race", i))
		equal(x, "packets left", len(s.Buffer), 1)
	}
}

func raceAnswerPark(x *tester) {
	for range rounds {
		id := x.given(2)
		read := x.get(id)
		errs := race(2, func(i int) error {
			if i == 0 {
				return x.store.Answer(x.Context(), sessionstore.AnswerRequest{Read: &read, T: "t2", Ping: true})
			}
			return x.store.Park(
				x.Context(),
				sessionstore.ParkRequest{Read: &read, Poll: sessionstore.Poll{T: "t3", Until: after(leaseEnd)}},
			)
		})
		// The park takes the packets with it, so a read from before it is stale, too.
		if (errs[0] == nil) == (errs[1] == nil) {
			x.Fatalf("answer: %v, park: %v", errs[0], errs[1])
		}
		if s := x.get(
			id,
		); len(s.Buffer) != 0 || (s.LastT == "t2") != (errs[0] == nil) ||
			(s.Poll.T == "t3") != (errs[1] == nil) {
			x.Errorf("answer %v park %v: %+v", errs[0], errs[1], s)
		}
	}
}

func raceRegister(x *tester) {
	for range rounds {
		r := sessionstore.Registration{Session: sessionstore.SessionID(sessionstore.NewID())}
		i := x.oneWins(sessionstore.ErrExists, func(i int) error {
			mine := r
			mine.Conn = sessionstore.Connection{ID: fmt.Sprint(i)}
			return x.store.Register(x.Context(), mine)
		})
		r.Conn.ID = fmt.Sprint(i)
		x.registered(r)
	}
}

func raceLease(x *tester) {
	for round := range rounds {
		now := after(time.Duration(round) * time.Minute)
		x.oneWins(sessionstore.ErrExists, func(i int) error {
			return x.store.LeaseShard(
				x.Context(), 0, sessionstore.Lease{Owner: racer(i).Owner, Until: now.Add(leaseEnd)}, now,
			)
		})
	}
}
