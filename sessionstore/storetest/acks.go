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
	{"a place that is free again", ackPlaceFree},
	{"the name of the continuation", ackOtherName},
	{"too many", tooManyAcks},
}

func newAck(id sessionstore.SessionID, n uint64) sessionstore.Ack {
	return sessionstore.Ack{Session: id, Namespace: "/chat", ID: n, ExpiresAt: after(time.Minute)}
}

func answerTo(a sessionstore.Ack, frames ...string) sessionstore.Ack {
	return sessionstore.Ack{
		Session: a.Session, Namespace: a.Namespace, ID: a.ID, Continuation: a.Continuation, Answer: frames,
	}
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
	x.must(x.store.PutAck(x.Context(), a, start))
	x.pending(a)
	got, err := x.store.AnswerAck(
		x.Context(), answerTo(a, `461-/chat,7[{"_placeholder":true,"num":0},"é"]`, "bAAEC"), start,
	)
	x.must(err)
	a.Answer = []string{`461-/chat,7[{"_placeholder":true,"num":0},"é"]`, "bAAEC"}
	a.ExpiresAt = after(sessionstore.AckRead)
	x.sameAck(got, a)
	x.pending(a)
	_, err = x.store.AnswerAck(x.Context(), answerTo(a, "43[]"), start)
	x.is(err, sessionstore.ErrNotFound) // once
	x.pending(a)
}

func ackContinuation(x *tester) {
	a := newAck(x.polling(), 1)
	a.Continuation, a.State = "orders.confirm", `{"order":"é","n":[1]}`
	x.must(x.store.PutAck(x.Context(), a, start))
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
		x.must(x.store.PutAck(x.Context(), k, start))
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
		x.must(x.store.PutAck(x.Context(), a, start))
		_, err := x.store.AnswerAck(x.Context(), answerTo(a, "43[]"), after(time.Minute+time.Second))
		x.is(err, sessionstore.ErrNotFound)

		inTime := newAck(id, uint64(10+i))
		inTime.Continuation = continuation
		x.must(x.store.PutAck(x.Context(), inTime, start))
		_, err = x.store.AnswerAck(x.Context(), answerTo(inTime, "43[]"), after(time.Minute-time.Second))
		x.must(err)
	}
}

func ackDelete(x *tester) {
	a := newAck(x.polling(), 3)
	x.must(x.store.PutAck(x.Context(), a, start))
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
		x.must(x.store.PutAck(x.Context(), a, start))
		again := a
		again.State = `"another"`
		x.is(x.store.PutAck(x.Context(), again, start), sessionstore.ErrExists)
		x.pending(a)
		_, err := x.store.AnswerAck(x.Context(), answerTo(a, "43[]"), start)
		x.must(err)
		if continuation == "" { // the caller has yet to read it
			x.is(x.store.PutAck(x.Context(), again, start), sessionstore.ErrExists)
			x.must(x.store.DeleteAck(x.Context(), a.Session, a.ID))
		}
		x.must(x.store.PutAck(x.Context(), again, start))
	}
}

func acksPending(x *tester) {
	id := x.polling()
	pending := func(now time.Time, want ...uint64) {
		x.Helper()
		got, err := x.store.PendingAcks(x.Context(), id, now)
		x.must(err)
		slices.Sort(got)
		if !slices.Equal(got, want) {
			x.Errorf("pending %v, want %v", got, want)
		}
	}
	pending(start)
	x.must(x.store.PutAck(x.Context(), newAck(x.polling(), 1), start)) // another session's
	large, late, continued := newAck(id, 20), newAck(id, 30), newAck(id, 40)
	late.ExpiresAt = after(time.Hour)
	continued.Continuation = "c"
	for _, a := range []sessionstore.Ack{newAck(id, 0), newAck(id, math.MaxInt32), large, late, continued} {
		x.must(x.store.PutAck(x.Context(), a, start))
	}
	pending(start, 0, 20, 30, 40, math.MaxInt32)
	_, err := x.store.AnswerAck(x.Context(), answerTo(large, "43[\""+strings.Repeat("x", 200_000)+"\"]"), start)
	x.must(err)
	pending(start, 0, 30, 40, math.MaxInt32)
	x.must(x.store.DeleteAck(x.Context(), id, 0)) // leaves no id behind, whatever else it leaves
	pending(start, 30, 40, math.MaxInt32)
	pending(after(time.Minute), 30)
	for n := range uint64(300) {
		x.must(x.store.PutAck(x.Context(), newAck(id, 500+n), start))
	}
	got, err := x.store.PendingAcks(x.Context(), id, start)
	x.must(err)
	equal(x, "number", len(got), 303)
}

// ackPlaceFree: a place is free once its caller has had time to read the answer, or has waited in vain. What has a
// continuation keeps it, so that its end can be told.
func ackPlaceFree(x *tester) {
	id := x.polling()
	answered, late, continued := newAck(id, 1), newAck(id, 2), newAck(id, 3)
	continued.Continuation = "c"
	for _, a := range []sessionstore.Ack{answered, late, continued} {
		x.must(x.store.PutAck(x.Context(), a, start))
	}
	_, err := x.store.AnswerAck(x.Context(), answerTo(answered, "43[]"), start)
	x.must(err)
	next := func(a sessionstore.Ack) sessionstore.Ack {
		a.ID += sessionstore.AckPlaces
		a.ExpiresAt = after(time.Hour)
		return a
	}
	x.is(
		x.store.PutAck(x.Context(), next(answered), after(sessionstore.AckRead-time.Millisecond)),
		sessionstore.ErrExists,
	)
	x.must(x.store.PutAck(x.Context(), next(answered), after(sessionstore.AckRead)))
	x.noAck(answered)
	x.is(x.store.PutAck(x.Context(), next(late), after(time.Minute-time.Millisecond)), sessionstore.ErrExists)
	x.must(x.store.PutAck(x.Context(), next(late), after(time.Minute)))
	x.is(x.store.PutAck(x.Context(), next(continued), after(time.Hour)), sessionstore.ErrExists)
	x.pending(continued)
}

// ackOtherName: an answer is taken only by a caller that knows what takes it.
func ackOtherName(x *tester) {
	a := newAck(x.polling(), 1)
	a.Continuation = "c"
	x.must(x.store.PutAck(x.Context(), a, start))
	for _, name := range []string{"", "d"} {
		wrong := answerTo(a, "43[]")
		wrong.Continuation = name
		_, err := x.store.AnswerAck(x.Context(), wrong, start)
		x.is(err, sessionstore.ErrNotFound)
	}
	x.pending(a)
}

// ackState: what a continuation keeps is limited.
func ackState(x *tester) {
	a := newAck(x.polling(), 1)
	a.State = `"` + strings.Repeat("s", sessionstore.MaxAckState-1) + `"`
	x.is(x.store.PutAck(x.Context(), a, start), sessionstore.ErrTooLarge)
	x.noAck(a)
	a.State = a.State[1:]
	x.must(x.store.PutAck(x.Context(), a, start))
	x.pending(a)
}

// tooManyAcks: a session has so many places, and each takes one at a time.
func tooManyAcks(x *tester) {
	id := x.polling()
	x.must(limited(sessionstore.AckPlaces, 8, func(i int) error {
		return x.store.PutAck(x.Context(), newAck(id, uint64(i)+7*sessionstore.AckPlaces), start)
	}))
	a := newAck(id, 12*sessionstore.AckPlaces+5)
	for n := range uint64(3) {
		x.is(x.store.PutAck(x.Context(), newAck(id, a.ID+n), start), sessionstore.ErrExists)
	}
	x.must(x.store.PutAck(x.Context(), newAck(x.polling(), a.ID), start))
	// The acknowledgement that has the place is not touched by what is meant for another.
	x.noAck(a)
	x.must(x.store.DeleteAck(x.Context(), id, a.ID))
	was := newAck(id, 7*sessionstore.AckPlaces+5)
	x.pending(was)
	x.must(x.store.DeleteAck(x.Context(), id, was.ID))
	x.must(x.store.PutAck(x.Context(), a, start))
	x.pending(a)
	x.noAck(was)
}
