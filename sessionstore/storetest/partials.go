package storetest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nonstick-io/nonstick/sessionstore"
)

var partialTests = []test{
	{"collect attachments", collectAttachments},
	{"one at a time", onePartial},
	{"none", noPartial},
	{"attachments of 900 KB", bigAttachments},
	{"apart from others", partialsApart},
}

func newPartial(want int, attachments ...string) sessionstore.Partial {
	return sessionstore.Partial{
		Header: fmt.Sprintf(`5%d-["é",{"_placeholder":true,"num":0}]`, want), Want: want,
		Attachments: attachments, Deadline: after(time.Minute),
	}
}

func (x *tester) samePartial(what string, got, want sessionstore.Partial) {
	x.Helper()
	if len(got.Attachments) == len(want.Attachments) && !slices.Equal(got.Attachments, want.Attachments) {
		x.Errorf("%s: the attachments differ", what)
		return
	}
	equal(x, what, canonPartial(got), canonPartial(want))
}

// waiting checks the partial packet of a session.
func (x *tester) waiting(id sessionstore.SessionID, want sessionstore.Partial) {
	x.Helper()
	s := x.get(id)
	if s.Partial == nil {
		x.Fatal("no partial packet")
	}
	x.samePartial("the partial packet", *s.Partial, want)
}

func collectAttachments(x *tester) {
	for _, first := range [][]string{nil, {"bAAEC"}} {
		id := x.polling()
		p := newPartial(4, first...)
		x.must(x.store.PutPartial(x.Context(), id, p))
		x.waiting(id, p)
		for _, more := range [][]string{{"bAA=="}, {"b", "bAQID"}, {"bAA=="}} {
			got, err := x.store.AddAttachments(x.Context(), id, more)
			x.must(err)
			p.Attachments = slices.Concat(p.Attachments, more)
			x.samePartial("the packet so far", got, p)
			x.waiting(id, p)
		}
	}
}

func onePartial(x *tester) {
	id := x.polling()
	p := newPartial(2, "bAA==")
	x.must(x.store.PutPartial(x.Context(), id, p))
	x.is(x.store.PutPartial(x.Context(), id, newPartial(1)), sessionstore.ErrExists)
	x.waiting(id, p)
	x.must(x.store.DeletePartial(x.Context(), id))
	if s := x.get(id); s.Partial != nil {
		x.Errorf("deleted: %+v", *s.Partial)
	}
	next := newPartial(1)
	x.must(x.store.PutPartial(x.Context(), id, next))
	x.waiting(id, next)
	got, err := x.store.AddAttachments(x.Context(), id, []string{"bAQ=="})
	x.must(err)
	next.Attachments = []string{"bAQ=="}
	x.samePartial("the next packet", got, next)
}

func noPartial(x *tester) {
	id := x.polling()
	x.must(x.store.PutPartial(x.Context(), id, newPartial(1)))
	for range 2 {
		x.must(x.store.DeletePartial(x.Context(), id))
		_, err := x.store.AddAttachments(x.Context(), id, []string{"bAA=="})
		x.is(err, sessionstore.ErrNotFound)
		if s := x.get(id); s.Partial != nil {
			x.Errorf("adding made a packet: %+v", *s.Partial)
		}
	}
}

func bigAttachments(x *tester) {
	id := x.polling()
	p := newPartial(5, "b"+body("a", 900<<10), "bAA==")
	x.must(x.store.PutPartial(x.Context(), id, p))
	x.waiting(id, p)
	for _, more := range [][]string{{"b" + body("b", 900<<10)}, {"bAQ==", "b" + body("c", 300<<10)}} {
		got, err := x.store.AddAttachments(x.Context(), id, more)
		x.must(err)
		p.Attachments = slices.Concat(p.Attachments, more)
		x.samePartial("the packet so far", got, p)
	}
	x.waiting(id, p)
	x.must(x.store.DeletePartial(x.Context(), id))

	// Nothing of the old one shows in the next.
	next := newPartial(2, "b"+strings.Repeat("n", 500<<10))
	x.must(x.store.PutPartial(x.Context(), id, next))
	x.waiting(id, next)
}

func partialsApart(x *tester) {
	a, b := x.polling(), x.polling()
	x.must(x.store.PutPartial(x.Context(), a, newPartial(1)))
	x.must(x.store.PutPartial(x.Context(), b, newPartial(2)))
	x.must(x.store.DeletePartial(x.Context(), a))
	x.waiting(b, newPartial(2))
	before := x.get(b)
	x.deliver(b, packet("4a"))
	x.answer(b, "t1", 1)
	x.waiting(b, *before.Partial)
}
