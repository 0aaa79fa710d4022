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
	{"as it was read", partialAsRead},
	{"count attachments", countAttachments},
	{"one too many", oneTooMany},
	{"two headers", twoHeaders},
	{"none", noPartial},
	{"take", takePartial},
	{"until its deadline", partialDeadline},
	{"attachments of 900 KB", bigAttachments},
	{"limits", partialLimits},
	{"apart from others", partialsApart},
}

// newPartial returns a packet whose header has come, with some attachments.
func newPartial(want int, attachments ...string) sessionstore.Partial {
	p := sessionstore.Partial{
		Want: want, Count: len(attachments), Deadline: after(time.Minute),
		Packets: []sessionstore.Packet{packet(fmt.Sprintf(`5%d-["é",{"_placeholder":true,"num":0}]`, want))},
	}
	if len(attachments) > 0 {
		p.Packets = append(p.Packets, packet(attachments...))
	}
	return p
}

// waiting checks the partial packet of a session.
func (x *tester) waiting(id sessionstore.SessionID, want sessionstore.Partial) {
	x.Helper()
	s := x.get(id)
	if s.Partial == nil {
		x.Fatal("no partial packet")
	}
	equal(x, "the partial packet", canonPartial(*s.Partial), canonPartial(want))
}

// noneWaits checks that a session has no partial packet.
func (x *tester) noneWaits(id sessionstore.SessionID) {
	x.Helper()
	if s := x.get(id); s.Partial != nil {
		x.Errorf("there is a partial packet: %+v", *s.Partial)
	}
}

// frames reads what is kept of a partial packet.
func (x *tester) frames(id sessionstore.SessionID, p sessionstore.Partial) []string {
	x.Helper()
	packets, err := x.store.Bodies(x.Context(), id, p.Packets)
	x.must(err)
	var all []string
	for _, k := range packets {
		all = append(all, k.Frames...)
	}
	return all
}

func (x *tester) attachments(id sessionstore.SessionID, p sessionstore.Partial) []string {
	x.Helper()
	return x.frames(id, p)[1:]
}

func collectAttachments(x *tester) {
	for _, first := range [][]string{nil, {"bAAEC"}} {
		id := x.polling()
		p := newPartial(9, first...)
		x.must(x.store.PutPartial(x.Context(), id, p, start))
		x.waiting(id, p)
		want := slices.Concat(p.Packets[0].Frames, first)
		for _, more := range [][]string{{"bAA=="}, {"b", "bAQID"}, {"bAA=="}} {
			after, err := x.store.AddAttachments(x.Context(), id, p, packet(more...))
			x.must(err)
			want = slices.Concat(want, more)
			equal(x, "attachments counted", after.Count, p.Count+len(more))
			p = after
			x.waiting(id, p)
			equal(x, "the frames so far", x.frames(id, *x.get(id).Partial), want)
		}
	}
}

// partialAsRead: what was decided on an earlier reading adds nothing.
func partialAsRead(x *tester) {
	id := x.polling()
	p := newPartial(3)
	x.must(x.store.PutPartial(x.Context(), id, p, start))
	next, err := x.store.AddAttachments(x.Context(), id, p, packet("bAA=="))
	x.must(err)
	_, err = x.store.AddAttachments(x.Context(), id, p, packet("bAQ=="))
	x.is(err, sessionstore.ErrNotFound)
	other := newPartial(3, "bAA==")
	_, err = x.store.AddAttachments(x.Context(), id, other, packet("bAQ=="))
	x.is(err, sessionstore.ErrNotFound)
	x.is(x.store.TakePartial(x.Context(), id, p), sessionstore.ErrNotFound)
	x.is(x.store.TakePartial(x.Context(), id, other), sessionstore.ErrNotFound)
	x.waiting(id, next)
}

func countAttachments(x *tester) {
	id := x.polling()
	p := newPartial(3, "bAA==")
	x.must(x.store.PutPartial(x.Context(), id, p, start))
	for n := 2; n <= 3; n++ {
		got, err := x.store.CountAttachment(x.Context(), id, start)
		x.must(err)
		p.Count = n
		equal(x, "the packet counted", canonPartial(got), canonPartial(p))
		x.waiting(id, p)
	}
	equal(x, "the frames kept", x.frames(id, p), []string{p.Packets[0].Frames[0], "bAA=="})
}

// oneTooMany: the caller that has the last attachment gets the packet, but not if another has come before it is taken.
func oneTooMany(x *tester) {
	id := x.polling()
	x.must(x.store.PutPartial(x.Context(), id, newPartial(1), start))
	mine, err := x.store.CountAttachment(x.Context(), id, start)
	x.must(err)
	for range 2 {
		_, err = x.store.CountAttachment(x.Context(), id, start)
		x.is(err, sessionstore.ErrSpoilt)
	}
	x.is(x.store.TakePartial(x.Context(), id, mine), sessionstore.ErrNotFound)
}

func twoHeaders(x *tester) {
	for _, complete := range []bool{false, true} {
		id := x.polling()
		p := newPartial(1)
		x.must(x.store.PutPartial(x.Context(), id, p, start))
		if complete {
			var err error
			p, err = x.store.CountAttachment(x.Context(), id, start)
			x.must(err)
		}
		x.is(x.store.PutPartial(x.Context(), id, newPartial(1), start), sessionstore.ErrExists)
		x.is(x.store.TakePartial(x.Context(), id, p), sessionstore.ErrNotFound)
		_, err := x.store.CountAttachment(x.Context(), id, start)
		x.is(err, sessionstore.ErrSpoilt)
		x.must(x.store.DeletePartial(x.Context(), id))
		next := newPartial(1)
		x.must(x.store.PutPartial(x.Context(), id, next, start))
		x.waiting(id, next)
	}
}

func noPartial(x *tester) {
	id := x.polling()
	p := newPartial(1)
	x.must(x.store.PutPartial(x.Context(), id, p, start))
	for range 2 {
		x.must(x.store.DeletePartial(x.Context(), id))
		_, err := x.store.AddAttachments(x.Context(), id, p, packet("bAA=="))
		x.is(err, sessionstore.ErrNotFound)
		_, err = x.store.CountAttachment(x.Context(), id, start)
		x.is(err, sessionstore.ErrNotFound)
		x.is(x.store.TakePartial(x.Context(), id, p), sessionstore.ErrNotFound)
		x.noneWaits(id)
	}
}

func takePartial(x *tester) {
	id := x.polling()
	p := newPartial(1)
	x.must(x.store.PutPartial(x.Context(), id, p, start))
	p, err := x.store.CountAttachment(x.Context(), id, start)
	x.must(err)
	x.must(x.store.TakePartial(x.Context(), id, p))
	x.noneWaits(id)
	x.is(x.store.TakePartial(x.Context(), id, p), sessionstore.ErrNotFound)
	next := newPartial(1)
	x.must(x.store.PutPartial(x.Context(), id, next, start))
	x.waiting(id, next)
}

func partialDeadline(x *tester) {
	id := x.polling()
	p := newPartial(2)
	x.must(x.store.PutPartial(x.Context(), id, p, start))
	_, err := x.store.CountAttachment(x.Context(), id, after(59*time.Second))
	x.must(err)
	x.is(x.store.PutPartial(x.Context(), id, newPartial(1), after(59*time.Second)), sessionstore.ErrExists)
	late := p.Deadline
	_, err = x.store.CountAttachment(x.Context(), id, late)
	x.is(err, sessionstore.ErrNotFound)
	s, err := x.store.Get(x.Context(), id, late)
	x.must(err)
	if s.Partial != nil {
		x.Errorf("after its deadline: %+v", *s.Partial)
	}
	next := newPartial(1)
	next.Deadline = late.Add(time.Minute)
	x.must(x.store.PutPartial(x.Context(), id, next, late))
	x.waiting(id, next)
}

func bigAttachments(x *tester) {
	id := x.polling()
	p := newPartial(9, "b"+body("a", 900<<10), "bAA==")
	x.must(x.store.PutPartial(x.Context(), id, p, start))
	x.waiting(id, p)
	want := x.frames(id, p)
	for _, more := range [][]string{{"b" + body("b", 900<<10)}, {"bAQ==", "b" + body("c", 300<<10)}} {
		var err error
		p, err = x.store.AddAttachments(x.Context(), id, p, packet(more...))
		x.must(err)
		want = append(want, more...)
	}
	x.waiting(id, p)
	if !slices.Equal(x.frames(id, *x.get(id).Partial), want) {
		x.Error("the frames differ")
	}
	x.must(x.store.DeletePartial(x.Context(), id))

	// Nothing of the old one shows in the next.
	next := newPartial(2, "b"+strings.Repeat("n", 500<<10))
	x.must(x.store.PutPartial(x.Context(), id, next, start))
	x.waiting(id, next)
}

func partialLimits(x *tester) {
	id := x.polling()
	for _, want := range []int{0, sessionstore.MaxPartialWant + 1} {
		x.is(x.store.PutPartial(x.Context(), id, newPartial(want), start), sessionstore.ErrTooLarge)
	}
	header := newPartial(sessionstore.MaxPartialWant)
	room := sessionstore.MaxPartialBytes - header.Bytes()
	above := header
	above.Packets = append(
		slices.Clone(header.Packets), sessionstore.Packet{ID: "large", Frames: []string{strings.Repeat("b", room+1)}},
	)
	x.is(x.store.PutPartial(x.Context(), id, above, start), sessionstore.ErrTooLarge)
	x.noneWaits(id)
	x.must(x.store.PutPartial(x.Context(), id, header, start))
	full := header
	full.Packets = append(slices.Clone(header.Packets), sessionstore.Packet{ID: "full", Size: room})
	_, err := x.store.AddAttachments(x.Context(), id, full, packet("b"))
	x.is(err, sessionstore.ErrTooLarge)
	x.waiting(id, header)
}

func partialsApart(x *tester) {
	a, b := x.polling(), x.polling()
	x.must(x.store.PutPartial(x.Context(), a, newPartial(1), start))
	p := newPartial(2)
	x.must(x.store.PutPartial(x.Context(), b, p, start))
	x.must(x.store.DeletePartial(x.Context(), a))
	x.waiting(b, p)
	x.deliver(b, packet("4a"))
	x.answer(b, "t1", 1)
	x.waiting(b, p)
}
