package storetest

import (
	"errors"

	"github.com/nonstick-io/nonstick/sessionstore"
)

var pollTests = []test{
	{"the next GET acknowledges", nextAcknowledges},
	{"a copy of a GET finds what was given", copyOfGet},
	{"a stale answer", staleAnswer},
	{"a stale park", stalePark},
	{"park meets a delivery", parkMeetsDelivery},
	{"a copy parks too", copyParks},
	{"an answer is applied once", answerOnce},
}

func nextAcknowledges(x *tester) {
	id := x.polling()
	a, b, c := packet("4a"), packet("4b"), packet("4c")
	x.deliver(id, a, b)
	x.answer(id, "t1", 2)
	x.deliver(id, c)
	x.holds(id, []sessionstore.Packet{a, b, c})
	x.answer(id, "t2", 1)
	x.holds(id, []sessionstore.Packet{c})
	x.answer(id, "t3", 0)
	x.holds(id, nil)
}

func copyOfGet(x *tester) {
	id := x.given(1)
	s := x.get(id)
	if s.LastT != "t1" || s.Given != 1 || len(s.Pending()) != 1 {
		x.Errorf("after the answer: %+v", s)
	}
	x.samePackets(
		x.bodies(id, s.Buffer[:s.Given]),
		[]sessionstore.Packet{{ID: s.Buffer[0].ID, Frames: []string{`42["first"]`}}},
	)
}

// staleReads are reads that an answer has made stale: by its T alone, and by its Given alone.
func (x *tester) staleReads(use func(read *sessionstore.Session) (sessionstore.Op, error)) {
	x.Helper()
	tries := []struct {
		name string
		t    string
		give int
	}{{"another t", "t2", 1}, {"another given", "t1", 0}, {"both", "t2", 0}}
	for _, c := range tries {
		id := x.given(1)
		read := x.get(id)
		x.answer(id, c.t, c.give)
		before := x.get(id)
		op, err := use(&read)
		if !errors.Is(err, sessionstore.ErrConflict) {
			x.Errorf("%s: error %v", c.name, err)
			continue
		}
		x.conflict(err, op, before)
		x.same(c.name, x.get(id), before)
	}
}

func staleAnswer(x *tester) {
	x.staleReads(func(read *sessionstore.Session) (sessionstore.Op, error) {
		return sessionstore.OpAnswer, x.store.Answer(
			x.Context(), sessionstore.AnswerRequest{Read: read, T: "t3", Give: 1},
		)
	})
}

// stalePark: the buffer has nothing to give by the time of the park, so that only the read is stale.
func stalePark(x *tester) {
	for _, t := range []string{"t1", "t2"} {
		id := x.given(2)
		read := x.get(id)
		x.answer(id, t, 0)
		before := x.get(id)
		if t == "t2" {
			read.Given, read.Buffer = 0, nil // now only T differs
		}
		err := x.store.Park(
			x.Context(),
			sessionstore.ParkRequest{Read: &read, Poll: sessionstore.Poll{T: "t3", Until: after(leaseEnd)}},
		)
		x.conflict(err, sessionstore.OpPark, before)
		x.same("the session", x.get(id), before)
	}
}

func parkMeetsDelivery(x *tester) {
	for _, n := range []int{0, 2} {
		id := x.polling()
		if n > 0 {
			id = x.given(n)
		}
		read := x.get(id)
		x.deliver(id, packet("4late"))
		before := x.get(id)
		err := x.store.Park(
			x.Context(),
			sessionstore.ParkRequest{Read: &read, Poll: sessionstore.Poll{T: "t2", Until: after(leaseEnd)}},
		)
		x.conflict(err, sessionstore.OpPark, before)
		x.same("the session", x.get(id), before)
	}
}

func copyParks(x *tester) {
	id := x.polling()
	read := x.get(id)
	for i := range 2 {
		p := sessionstore.Poll{T: "t1", Until: after(leaseEnd)}
		if err := x.store.Park(x.Context(), sessionstore.ParkRequest{Read: &read, Poll: p}); err != nil {
			x.Errorf("park %d: %v", i, err)
		}
	}
	if s := x.get(id); !s.Poll.Live(start) || s.Poll.Live(after(leaseEnd)) || s.Poll.T != "t1" {
		x.Errorf("parked: %+v", s.Poll)
	}
}

// answerOnce: a repeat of an applied answer is refused by its own traces.
func answerOnce(x *tester) {
	id := x.buffered()
	read := x.get(id)
	r := sessionstore.AnswerRequest{Read: &read, T: "t1", Give: 1}
	x.must(x.store.Answer(x.Context(), r))
	before := x.get(id)
	x.conflict(x.store.Answer(x.Context(), r), sessionstore.OpAnswer, before)
	x.same("the session", x.get(id), before)
}
