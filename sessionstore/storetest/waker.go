package storetest

import (
	"errors"

	"github.com/nonstick-io/nonstick/sessionstore"
)

// wakerTests test the optional ability; a store without it has nothing to prove.
var wakerTests = []test{
	{"changes wake", changesWake},
	{"refusals and reads do not wake", othersDoNot},
	{"no change is missed", noChangeMissed},
	{"answers wake", answeredWakes},
}

func (x *tester) waker() (sessionstore.Waker, bool) {
	w, ok := x.store.(sessionstore.Waker)
	return w, ok
}

func woken(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func changesWake(x *tester) {
	w, ok := x.waker()
	if !ok {
		return
	}
	for _, tr := range transitions {
		for _, st := range states {
			if len(tr.in) == 0 || tr.in[0] != st.name {
				continue
			}
			id := st.build(x)
			read := x.get(id)
			c := w.Changed(id)
			x.must(tr.act(x, &read))
			equal(x, "woken by "+tr.name, woken(c), true)
			equal(x, "woken without a change after "+tr.name, woken(w.Changed(id)), false)
		}
	}
	a := newAck(x.polling(), 1)
	x.must(x.store.PutAck(x.Context(), a, start))
	c := w.Changed(a.Session)
	_, err := x.store.AnswerAck(x.Context(), answerTo(a, "43[]"), start)
	x.must(err)
	equal(x, "woken by AnswerAck", woken(c), true)
}

// answeredWakes: each answer to a question wakes the callers that wait for it, and no other.
func answeredWakes(x *tester) {
	w, ok := x.waker()
	if !ok {
		return
	}
	a := newAsk(freshNamespace(), "a", "b")
	x.must(x.store.PutAsk(x.Context(), a, start))
	c, other := w.Answered(a.Namespace, a.ID), w.Answered(a.Namespace, a.ID+1)
	equal(x, "woken", woken(c), false)
	x.must(x.store.PutAnswer(x.Context(), a, sessionstore.AskAnswer{Socket: "a"}))
	equal(x, "woken by PutAnswer", woken(c), true)
	c = w.Answered(a.Namespace, a.ID)
	equal(x, "woken", woken(c), false)
	x.must(x.store.PutAnswer(x.Context(), a, sessionstore.AskAnswer{Socket: "b"}))
	equal(x, "woken by PutAnswer", woken(c), true)
	equal(x, "the other woken", woken(other), false)
}

func othersDoNot(x *tester) {
	w, ok := x.waker()
	if !ok {
		return
	}
	id, neighbour := x.given(1), x.given(1)
	c := w.Changed(id)
	x.get(id)
	x.is(x.store.Renew(x.Context(), id, renewed), sessionstore.ErrConflict)
	x.deliver(neighbour, packet("4x"))
	x.close(neighbour, false)
	equal(x, "woken", woken(c), false)
	x.deliver(id, packet("4x"))
	equal(x, "woken", woken(c), true)
}

// noChangeMissed waits by the channel alone, as a parked GET does.
func noChangeMissed(x *tester) {
	w, ok := x.waker()
	if !ok {
		return
	}
	id := x.polling()
	done := make(chan error, 1)
	go func() { done <- emit(func(_ int, p sessionstore.Packet) error { return x.send(id, p) }) }()
	for {
		c := w.Changed(id)
		s, err := x.store.Get(x.Context(), id, start)
		if err != nil || len(s.Buffer) == emitters*emits {
			x.must(errors.Join(err, <-done))
			return
		}
		select {
		case <-c:
		case err := <-done: // so the rest has come since the read, if not before the channel
			x.must(err)
			if !woken(c) {
				x.Fatalf("missed a change behind packet %d", len(s.Buffer))
			}
			done <- nil
		}
	}
}
