package storetest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nonstick-io/nonstick/sessionstore"
)

var askTests = []test{
	{"ids of questions", askIDs},
	{"a question and its answers", askAnswered},
	{"answers from a socket on", askAnswersFrom},
	{"a large answer", askLargeAnswer},
	{"questions, parts and namespaces are apart", asksApart},
	{"an id in use", askInUse},
	{"limits of a question", askLimits},
	{"answers of one socket at once", raceAskAnswer},
	{"questions with a cancelled context", askCancelled},
}

func newAsk(nsp sessionstore.Namespace, sockets ...sessionstore.SocketID) sessionstore.Ask {
	return sessionstore.Ask{
		Namespace: nsp, ID: sessionstore.AskID(len(sockets), 77), Sockets: sockets, ExpiresAt: after(time.Minute),
	}
}

// answersAre checks who has answered a part what.
func (x *tester) answersAre(a sessionstore.Ask, from sessionstore.SocketID, want ...string) {
	x.Helper()
	var got []string
	for _, k := range collect(x, x.store.Answers(x.Context(), a.Namespace, a.ID, a.Part, from)) {
		got = append(got, fmt.Sprint(k.Socket, k.Answer))
	}
	if !slices.Equal(got, want) {
		x.Errorf("answers %q, want %q", got, want)
	}
}

// asked checks a question as it is stored.
func (x *tester) asked(want sessionstore.Ask) {
	x.Helper()
	got, err := x.store.Ask(x.Context(), want.Namespace, want.ID, want.Part)
	x.must(err)
	got.ExpiresAt = got.ExpiresAt.UTC()
	equal(x, "the question", fmt.Sprint(got), fmt.Sprint(want))
}

func (x *tester) noAsk(a sessionstore.Ask) {
	x.Helper()
	_, err := x.store.Ask(x.Context(), a.Namespace, a.ID, a.Part)
	x.is(err, sessionstore.ErrNotFound)
}

// askIDs: an id says that it is a question's, and how many parts it has, in 31 bits; sockets are spread over them.
func askIDs(x *tester) {
	for _, c := range []struct{ sockets, parts int }{
		{0, 1}, {1, 1}, {128, 1}, {129, 2}, {257, 4}, {1000, 8}, {sessionstore.MaxAsked, 128},
	} {
		for _, draw := range []uint64{0, 1<<26 - 1, 1<<64 - 1} {
			id := sessionstore.AskID(c.sockets, draw)
			if !sessionstore.IsAsk(id) || id > 1<<31-1 || sessionstore.AskParts(id) != c.parts {
				x.Errorf(
					"%d sockets: id %d, a question's %v, of %d parts; want %d", c.sockets, id, sessionstore.IsAsk(id),
					sessionstore.AskParts(id), c.parts,
				)
			}
		}
	}
	for _, id := range []uint64{0, 1, 1<<30 - 1, 1 << 31, 1<<31 | 1<<30, 1<<64 - 1} {
		if sessionstore.IsAsk(id) {
			x.Errorf("%d is taken for the id of a question to several", id)
		}
	}
	id := sessionstore.AskID(sessionstore.MaxAsked, 5)
	parts := make([]int, sessionstore.AskParts(id))
	for range sessionstore.MaxAsked {
		parts[sessionstore.AskPart(id, sessionstore.SocketID(sessionstore.NewID()[:20]))]++
	}
	if most := slices.Max(parts); most > sessionstore.MaxAskPart/2 {
		x.Errorf("a part of %d sockets", most)
	}
}

func askAnswered(x *tester) {
	a := newAsk(freshNamespace(), "a", "b", "c")
	a.Continuation, a.State = "vote", `{"é":[1]}`
	x.noAsk(a)
	x.answersAre(a, "")
	x.must(x.store.PutAsk(x.Context(), a, start))
	x.asked(a)
	x.answersAre(a, "")
	x.must(x.store.PutAnswer(x.Context(), a, sessionstore.AskAnswer{Socket: "c", Answer: []string{`4310["é"]`}}))
	x.must(x.store.PutAnswer(x.Context(), a, sessionstore.AskAnswer{Socket: "a"}))
	x.is(
		x.store.PutAnswer(x.Context(), a, sessionstore.AskAnswer{Socket: "a", Answer: []string{"43[]"}}),
		sessionstore.ErrExists,
	)
	x.answersAre(a, "", "a[]", `c[4310["é"]]`)
	x.asked(a)
}

func askAnswersFrom(x *tester) {
	a := newAsk(freshNamespace(), "a", "b", "c")
	x.must(x.store.PutAsk(x.Context(), a, start))
	for _, id := range a.Sockets {
		x.must(x.store.PutAnswer(x.Context(), a, sessionstore.AskAnswer{Socket: id}))
	}
	x.answersAre(a, "b", "b[]", "c[]")
	x.answersAre(a, "b~", "c[]")
	x.answersAre(a, "d")
}

func askLargeAnswer(x *tester) {
	a := newAsk(freshNamespace(), "a", "b")
	x.must(x.store.PutAsk(x.Context(), a, start))
	large := []string{`4310["` + strings.Repeat("é", 200_000) + `"]`, "bAAEC"}
	x.must(x.store.PutAnswer(x.Context(), a, sessionstore.AskAnswer{Socket: "b", Answer: large}))
	x.must(x.store.PutAnswer(x.Context(), a, sessionstore.AskAnswer{Socket: "a", Answer: []string{"1"}}))
	x.answersAre(a, "", "a[1]", fmt.Sprint("b", large))
}

func asksApart(x *tester) {
	a := newAsk(freshNamespace(), "a")
	b := a
	b.Namespace = freshNamespace()
	other := a
	other.ID++
	part := a
	part.Part = 1
	all := []sessionstore.Ask{a, b, other, part}
	for _, k := range all {
		x.must(x.store.PutAsk(x.Context(), k, start))
	}
	x.must(x.store.PutAnswer(x.Context(), a, sessionstore.AskAnswer{Socket: "a"}))
	for _, k := range all[1:] {
		x.asked(k)
		x.answersAre(k, "")
	}
	x.answersAre(a, "", "a[]")
}

// askInUse: an id names one question until its rows may go.
func askInUse(x *tester) {
	for _, continuation := range []string{"", "c"} {
		a := newAsk(freshNamespace(), "a")
		a.Continuation = continuation
		x.must(x.store.PutAsk(x.Context(), a, start))
		again := a
		again.State = "1"
		again.ExpiresAt = a.KeptUntil().Add(time.Hour)
		x.is(x.store.PutAsk(x.Context(), again, a.KeptUntil().Add(-time.Millisecond)), sessionstore.ErrExists)
		x.asked(a)
		x.must(x.store.PutAsk(x.Context(), again, a.KeptUntil()))
		x.asked(again)
	}
}

func askLimits(x *tester) {
	a := newAsk(freshNamespace(), "a")
	a.State = `"` + strings.Repeat("s", sessionstore.MaxAckState-1) + `"`
	x.is(x.store.PutAsk(x.Context(), a, start), sessionstore.ErrTooLarge)
	x.noAsk(a)
	a.State = a.State[1:]
	a.Sockets = make([]sessionstore.SocketID, sessionstore.MaxAskPart+1)
	for i := range a.Sockets {
		a.Sockets[i] = sessionstore.SocketID(fmt.Sprintf("%020d", i))
	}
	x.is(x.store.PutAsk(x.Context(), a, start), sessionstore.ErrTooLarge)
	x.noAsk(a)
	a.Sockets = a.Sockets[1:]
	x.must(x.store.PutAsk(x.Context(), a, start))
	x.asked(a)
	a.ID++
	a.Namespace = sessionstore.Namespace("/" + strings.Repeat("n", sessionstore.MaxName))
	x.is(x.store.PutAsk(x.Context(), a, start), sessionstore.ErrTooLarge)
	a.Namespace = a.Namespace[:sessionstore.MaxName]
	a.ID = sessionstore.AskID(1, uint64(time.Now().UnixNano()))
	x.must(x.store.PutAsk(x.Context(), a, start))
}

// raceAskAnswer: of several answers of one socket one is taken.
func raceAskAnswer(x *tester) {
	a := newAsk(freshNamespace(), "a")
	x.must(x.store.PutAsk(x.Context(), a, start))
	const callers = 8
	taken := make([]error, callers)
	x.must(limited(callers, callers, func(i int) error {
		taken[i] = x.store.PutAnswer(
			x.Context(), a, sessionstore.AskAnswer{Socket: "a", Answer: []string{fmt.Sprint("43", i)}},
		)
		return nil
	}))
	won := -1
	for i, err := range taken {
		switch {
		case err == nil && won >= 0:
			x.Errorf("%d and %d were taken", won, i)
		case err == nil:
			won = i
		default:
			x.is(err, sessionstore.ErrExists)
		}
	}
	x.answersAre(a, "", fmt.Sprintf("a[43%d]", won))
}

func askCancelled(x *tester) {
	a := newAsk(freshNamespace(), "a")
	x.must(x.store.PutAsk(x.Context(), a, start))
	ctx := x.cancelled()
	other := a
	other.ID++
	x.notSent("PutAsk", x.store.PutAsk(ctx, other, start))
	_, err := x.store.Ask(ctx, a.Namespace, a.ID, a.Part)
	x.notSent("Ask", err)
	x.notSent("PutAnswer", x.store.PutAnswer(ctx, a, sessionstore.AskAnswer{Socket: "a"}))
	for _, err := range x.store.Answers(ctx, a.Namespace, a.ID, a.Part, "") {
		x.notSent("Answers", err)
	}
	x.noAsk(other)
	x.answersAre(a, "")
}
