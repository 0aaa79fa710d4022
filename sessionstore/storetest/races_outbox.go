package storetest

import (
	"errors"
	"fmt"
	"slices"

	"github.com/nonstick-io/nonstick/sessionstore"
)

var outboxRaceTests = []test{
	{"Enqueue", raceEnqueue},
	{"Deliver by number", raceNumbers},
	{"Sent", raceSent},
	{"Sent against Enqueue", raceSentEnqueue},
	{"Trim", raceTrim},
	{"Switch", raceSwitch},
	{"Recover", raceRecover},
	{"Recover against Lose", raceLose},
	{"Close at its time against Recover", raceTimeout},
	{"Link", raceLink},
	{"Link against PutSocket", raceLinkSocket},
}

// raceEnqueue: each append has a number of its own, without gaps, and one of the callers gets the hold.
func raceEnqueue(x *tester) {
	for round := range rounds {
		id := x.outbox(sessionstore.Lease{})
		var got [racers]sessionstore.Session
		packets := make([]sessionstore.Packet, racers)
		x.must(errors.Join(race(racers, func(i int) (err error) {
			packets[i] = packet("4" + body(fmt.Sprint(i), 400*(1+round%2)))
			got[i], err = x.store.Enqueue(x.Context(), id, packets[i:i+1], wide, racer(i))
			return err
		})...))
		s := x.get(id)
		whole := x.bodies(id, s.Buffer)
		var seqs []int
		holders := 0
		for i := range got {
			seq := got[i].Seq()
			seqs = append(seqs, seq)
			equal(x, fmt.Sprint("entry ", seq), whole[seq-1].ID, packets[i].ID)
			equal(x, "the hold", got[i].Hold.Owner, s.Hold.Owner)
			if got[i].Hold.Owner == racer(i).Owner {
				holders++
				equal(x, "the number of the holder's", seq, 1)
			}
		}
		slices.Sort(seqs)
		equal(x, "numbers", seqs, []int{1, 2, 3, 4, 5, 6, 7, 8})
		equal(x, "holders", holders, 1)
	}
}

// raceNumbers: many bring the entries of an outbox, each what it finds missing; each comes once, and in order.
func raceNumbers(x *tester) {
	const entries = 60
	for _, build := range []func() sessionstore.SessionID{x.polling, func() sessionstore.SessionID {
		id := x.bound(x.polling())
		x.upgrade(id, connA)
		return id
	}} {
		id := build()
		want := make([]sessionstore.Packet, entries)
		for i := range want {
			want[i] = packet("4" + body(fmt.Sprint(i), 90))
		}
		x.must(errors.Join(race(racers, func(i int) error {
			read := sessionstore.Session{}
			for {
				from, ok := read.Numbers[numbers]
				to := min(from+1+i, entries)
				limits := wide
				limits.Number = sessionstore.Number{Outbox: numbers, From: from, To: to, First: !ok}
				err := x.store.Deliver(x.Context(), id, want[from:to], limits)
				if errors.Is(err, sessionstore.ErrThrottled) { // pages were turned at the same time all along
					continue
				}
				now, refused := sessionstore.Current(err)
				switch {
				case err == nil && to == entries:
					return nil
				case err == nil:
					read.Numbers = map[sessionstore.SessionID]int{numbers: to}
				case !refused || now.Numbers[numbers] == from:
					return fmt.Errorf("from %d to %d: %w", from, to, err)
				case now.Numbers[numbers] == entries:
					return nil
				default:
					read = now
				}
			}
		})...))
		x.holds(id, want)
		equal(x, "numbers", x.get(id).Numbers, map[sessionstore.SessionID]int{numbers: entries})
	}
}

func raceSent(x *tester) {
	for range rounds {
		id := x.queued(x.outbox(sessionstore.Lease{}))
		x.oneWins(sessionstore.ErrConflict, func(int) error { return x.sent(id, 2) })
		equal(x, "given", x.get(id).Given, 2)
	}
}

// raceSentEnqueue: either the holder learns of the entry, or the one that appended it gets the hold.
func raceSentEnqueue(x *tester) {
	for range rounds {
		id := x.queued(x.outbox(sessionstore.Lease{}))
		var after sessionstore.Session
		errs := race(2, func(i int) (err error) {
			if i == 0 {
				return x.sent(id, 2)
			}
			after, err = x.store.Enqueue(x.Context(), id, []sessionstore.Packet{packet("4c")}, wide, lease(other))
			return err
		})
		x.must(errs[1])
		if (errs[0] == nil) != (after.Hold.Owner == other) {
			x.Fatalf("sent: %v, and the hold is %s's", errs[0], after.Hold.Owner)
		}
		if s, ok := sessionstore.Current(errs[0]); ok {
			equal(x, "entries in the refusal", len(s.Buffer), 3)
		}
	}
}

func raceTrim(x *tester) {
	for range rounds {
		id := x.sentOutbox()
		x.enqueue(id, twoPackets()...)
		read := x.get(id)
		i := x.oneWins(sessionstore.ErrConflict, func(i int) error {
			return x.store.Trim(x.Context(), &read, 1+i%3)
		})
		s := x.get(id)
		equal(x, "trimmed, and the last number", [2]int{s.Trimmed, s.Seq()}, [2]int{1 + i%3, 4})
	}
}

func raceSwitch(x *tester) {
	for range rounds {
		id := x.queued(x.outbox(onPolling))
		i := x.oneWins(sessionstore.ErrConflict, func(i int) error {
			_, err := x.store.Switch(x.Context(), id, carrier, connA, 1, racer(i))
			return err
		})
		equal(x, "the hold", x.get(id).Hold.Owner, racer(i).Owner)
	}
}

func raceRecover(x *tester) {
	for range rounds {
		id := x.sentOutbox()
		read := x.get(id)
		i := x.oneWins(sessionstore.ErrConflict, func(i int) error {
			_, err := x.store.Recover(x.Context(), sessionstore.RecoverRequest{
				Read: &read, Carrier: sessionstore.SessionID(racer(i).Owner), Hold: racer(i), Now: start,
			})
			return err
		})
		s := x.get(id)
		equal(x, "the carrier", string(s.Carrier), string(racer(i).Owner))
		equal(x, "the hold, and the moves", fmt.Sprint(s.Hold.Owner, s.Moves), fmt.Sprint(racer(i).Owner, 1))
	}
}

// raceLose: the end of the old carrier takes nothing from the new one, whichever comes first.
func raceLose(x *tester) {
	for range rounds {
		id := x.sentOutbox()
		read := x.get(id)
		errs := race(2, func(i int) error {
			if i == 0 {
				return x.store.Lose(x.Context(), id, carrier, outboxOver, "transport close")
			}
			_, err := x.store.Recover(x.Context(), sessionstore.RecoverRequest{
				Read: &read, Carrier: nextCarrier, Conn: connB, Hold: lease(me), Now: start,
			})
			return err
		})
		x.must(errs[1])
		s := x.get(id)
		equal(x, "the carrier", s.Carrier, nextCarrier)
		equal(x, "carried", s.Conn == connB && s.Hold.Owner == me && s.PingAt.IsZero(), true)
		if errs[0] != nil {
			x.conflict(errs[0], sessionstore.OpLose, s)
		}
	}
}

func raceTimeout(x *tester) {
	for range rounds {
		id := x.sentOutbox()
		x.must(x.store.Lose(x.Context(), id, carrier, outboxOver, "transport close"))
		read := x.get(id)
		errs := race(2, func(i int) error {
			if i == 0 {
				r := closing(id, false)
				r.IfPingAt = outboxOver
				return x.tryClose(r)
			}
			_, err := x.store.Recover(x.Context(), sessionstore.RecoverRequest{
				Read: &read, Carrier: nextCarrier, Hold: onPolling, Now: start, // by a clock that is behind
			})
			return err
		})
		if (errs[0] == nil) == (errs[1] == nil) {
			x.Fatalf("close: %v, recover: %v", errs[0], errs[1])
		}
		equal(x, "open", x.get(id).State == sessionstore.Open, errs[1] == nil)
	}
}

func raceLink(x *tester) {
	for range rounds {
		id := x.polling()
		k := link(id, "", "/")
		i := x.oneWins(sessionstore.ErrExists, func(i int) error {
			mine := k
			mine.Outbox = sessionstore.OutboxID(fmt.Sprint(i))
			return x.store.Link(x.Context(), mine)
		})
		k.Outbox = sessionstore.OutboxID(fmt.Sprint(i))
		x.linked(id, k)
	}
}

func raceLinkSocket(x *tester) {
	for range rounds {
		id, nsp := x.polling(), freshNamespace()
		k, socket := link(id, numbers, nsp), newSocket(id, nsp, "r")
		i := x.oneWins(sessionstore.ErrExists, func(i int) error {
			if i%2 == 0 {
				return x.putSocket(socket, connA)
			}
			mine := k
			mine.Outbox = sessionstore.OutboxID(fmt.Sprint(i))
			return x.store.Link(x.Context(), mine)
		})
		if i%2 == 0 {
			x.linked(id, socket.Row())
			x.inRoom(nsp, "r", memberOf(socket, connA))
			continue
		}
		k.Outbox = sessionstore.OutboxID(fmt.Sprint(i))
		x.linked(id, k)
	}
}
