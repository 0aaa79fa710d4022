package storetest

import (
	"math"
	"slices"
	"strings"
	"time"

	"github.com/nonstick-io/nonstick/sessionstore"
)

var ackTests = []test{
	{"a large state", ackState},
	{"a caller waits", ackWaiter},
	{"a continuation", ackContinuation},
	{"ids and sessions are apart", acksApart},
	{"expiry", ackExpiry},
	{"delete", ackDelete},
	{"an id in use", ackInUse},
	{"which are pending", acksPending},
	{"too many", tooManyAcks},
}

func newAck(id sessionstore.SessionID, n uint64) sessionstore.Ack {
	return sessionstore.Ack{Session: id, Namespace: "/chat", ID: n, ExpiresAt: after(time.Minute)}
}

func answerTo(a sessionstore.Ack, frames ...string) sessionstore.Ack {
	return sessionstore.Ack{Session: a.Session, Namespace: a.Namespace, ID: a.ID, Answer: frames}
}

func (x *tester) sameAck(got, want sessionstore.Ack) {
	x.Helper()
	got.ExpiresAt = got.ExpiresAt.UTC()
	if len(got.Answer) == 0 {
		got.Answer = nil
	}
	equal(x, "the acknowledgement", got, want)
}

// pending checks an acknowledgement as it is stored.
func (x *tester) pending(want sessionstore.Ack) {
	x.Helper()
	got, err := x.store.Ack(x.Context(), want.Session, want.ID)
	x.must(err)
	x.sameAck(got, want)
}

func (x *tester) noAck(a sessionstore.Ack) {
	x.Helper()
	_, err := x.store.Ack(x.Context(), a.Session, a.ID)
	x.is(err, sessionstore.ErrNotFound)
	_, err = x.store.AnswerAck(x.Context(), answerTo(a, "43[]"), start)
	x.is(err, sessionstore.ErrNotFound)
}

func ackWaiter(x *tester) {
	a := newAck(x.polling(), 7)
	x.noAck(a)
	x.must(x.store.PutAck(x.Context(), a))
	x.pending(a)
	got, err := x.store.AnswerAck(
		x.Context(), answerTo(a, `461-/chat,7[{"_placeholder":true,"num":0},"é"]`, "bAAEC"), start,
	)
	x.must(err)
	a.Answer = []string{`461-/chat,7[{"_placeholder":true,"num":0},"é"]`, "bAAEC"}
	x.sameAck(got, a)
	x.pending(a)
	_, err = x.store.AnswerAck(x.Context(), answerTo(a, "43[]"), start)
	x.is(err, sessionstore.ErrNotFound) // once
	x.pending(a)
}

func ackContinuation(x *tester) {
	a := newAck(x.polling(), 1)
	a.Continuation, a.State = "orders.confirm", `{"order":"é","n":[1]}`
	x.must(x.store.PutAck(x.Context(), a))
	x.pending(a)
	got, err := x.store.AnswerAck(x.Context(), answerTo(a, "43/chat,1[]"), start)
	x.must(err)
	want := a
	want.Answer = []string{"43/chat,1[]"}
	x.sameAck(got, want)
	x.noAck(a)
}

func acksApart(x *tester) {
	a, b := x.polling(), x.polling()
	all := []sessionstore.Ack{newAck(a, 0), newAck(a, 1), newAck(a, 10), newAck(a, math.MaxUint64), newAck(b, 1)}
	for _, k := range all {
		x.must(x.store.PutAck(x.Context(), k))
	}
	_, err := x.store.AnswerAck(x.Context(), answerTo(all[1], "43[]"), start)
	x.must(err)
	x.must(x.store.DeleteAck(x.Context(), a, 0))
	x.noAck(all[0])
	for _, k := range all[2:] {
		x.pending(k)
	}
}

func ackExpiry(x *tester) {
	id := x.polling()
	for i, continuation := range []string{"", "c"} {
		a := newAck(id, uint64(i))
		a.Continuation = continuation
		x.must(x.store.PutAck(x.Context(), a))
		_, err := x.store.AnswerAck(x.Context(), answerTo(a, "43[]"), after(time.Minute+time.Second))
		x.is(err, sessionstore.ErrNotFound)

		inTime := newAck(id, uint64(10+i))
		inTime.Continuation = continuation
		x.must(x.store.PutAck(x.Context(), inTime))
		_, err = x.store.AnswerAck(x.Context(), answerTo(inTime, "43[]"), after(time.Minute-time.Second))
		x.must(err)
	}
}

func ackDelete(x *tester) {
	a := newAck(x.polling(), 3)
	x.must(x.store.PutAck(x.Context(), a))
	for range 2 {
		x.must(x.store.DeleteAck(x.Context(), a.Session, a.ID))
		x.noAck(a)
	}
}

// ackInUse: an id names one acknowledgement, until that is removed.
func ackInUse(x *tester) {
	id := x.polling()
	for i, continuation := range []string{"", "c"} {
		a := newAck(id, uint64(5+i))
		a.Continuation = continuation
		x.must(x.store.PutAck(x.Context(), a))
		again := a
		again.State = `"another"`
		x.is(x.store.PutAck(x.Context(), again), sessionstore.ErrExists)
		x.pending(a)
		_, err := x.store.AnswerAck(x.Context(), answerTo(a, "43[]"), start)
		x.must(err)
		if continuation == "" { // the caller has yet to read it
			x.is(x.store.PutAck(x.Context(), again), sessionstore.ErrExists)
			x.must(x.store.DeleteAck(x.Context(), a.Session, a.ID))
		}
		x.must(x.store.PutAck(x.Context(), again))
	}
}

func acksPending(x *tester) {
	id := x.polling()
	pending := func(want ...uint64) {
		x.Helper()
		got, all, err := x.store.PendingAcks(x.Context(), id)
		x.must(err)
		slices.Sort(got)
		if !all || !slices.Equal(got, want) {
			x.Errorf("pending %v, all of them %v; want %v", got, all, want)
		}
	}
	pending()
	x.must(x.store.PutAck(x.Context(), newAck(x.polling(), 1))) // another session's
	large := newAck(id, 20)
	for _, a := range []sessionstore.Ack{newAck(id, 0), newAck(id, math.MaxInt32), large} {
		x.must(x.store.PutAck(x.Context(), a))
	}
	pending(0, 20, math.MaxInt32)
	_, err := x.store.AnswerAck(x.Context(), answerTo(large, "43[\""+strings.Repeat("x", 200_000)+"\"]"), start)
	x.must(err)
	x.must(x.store.DeleteAck(x.Context(), id, 20)) // leaves no id behind, whatever else it leaves
	pending(0, math.MaxInt32)
	for n := range uint64(sessionstore.MaxPendingAcks) {
		x.must(x.store.PutAck(x.Context(), newAck(id, 500+n)))
	}
	got, all, err := x.store.PendingAcks(x.Context(), id)
	x.must(err)
	if all || len(got) != sessionstore.MaxPendingAcks {
		x.Errorf("%d ids, all of them %v; want %d and more", len(got), all, sessionstore.MaxPendingAcks)
	}
}

// ackState: what a continuation keeps is limited.
func ackState(x *tester) {
	a := newAck(x.polling(), 1)
	a.State = `"` + strings.Repeat("s", sessionstore.MaxAckState-1) + `"`
	x.is(x.store.PutAck(x.Context(), a), sessionstore.ErrTooLarge)
	x.noAck(a)
	a.State = a.State[1:]
	x.must(x.store.PutAck(x.Context(), a))
	x.pending(a)
}

// tooManyAcks: a session has so many places, and each takes one at a time.
func tooManyAcks(x *tester) {
	id := x.polling()
	x.must(limited(sessionstore.AckPlaces, 8, func(i int) error {
		return x.store.PutAck(x.Context(), newAck(id, uint64(i)+7*sessionstore.AckPlaces))
	}))
	a := newAck(id, 12*sessionstore.AckPlaces+5)
	for n := range uint64(3) {
		x.is(x.store.PutAck(x.Context(), newAck(id, a.ID+n)), sessionstore.ErrExists)
	}
	x.must(x.store.PutAck(x.Context(), newAck(x.polling(), a.ID)))
	// The acknowledgement that has the place is not touched by what is meant for another.
	x.noAck(a)
	x.must(x.store.DeleteAck(x.Context(), id, a.ID))
	was := newAck(id, 7*sessionstore.AckPlaces+5)
	x.pending(was)
	x.must(x.store.DeleteAck(x.Context(), id, was.ID))
	x.must(x.store.PutAck(x.Context(), a))
	x.pending(a)
	x.noAck(was)
}
