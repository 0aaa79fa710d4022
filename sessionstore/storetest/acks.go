package storetest

import (
	"math"
	"time"

	"github.com/nonstick-io/nonstick/sessionstore"
)

var ackTests = []test{
	{"a caller waits", ackWaiter},
	{"a continuation", ackContinuation},
	{"ids and sessions are apart", acksApart},
	{"expiry", ackExpiry},
	{"delete", ackDelete},
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
	got, err := x.store.AnswerAck(x.Context(), answerTo(a, `461-/chat,7[{"_placeholder":true,"num":0},"é"]`, "bAAEC"), start)
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
