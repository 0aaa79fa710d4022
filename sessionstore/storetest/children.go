package storetest

import (
	"fmt"
	"strings"
	"time"

	"github.com/nonstick-io/nonstick/sessionstore"
)

var childTests = []test{
	{"put a child", putChild},
	{"put a child again, in doubt", putChildAgain},
	{"children of several parents", childrenOfParents},
	{"remove a child", removeChild},
	{"names of children and parents", childNames},
	{"put one child at once", raceChild},
	{"put and remove at once", raceRemoveChild},
	{"children with a cancelled context", childCancelled},
}

func freshParent() string { return "parent " + sessionstore.NewID() }

// put is what a call of PutChild is named by.
func put(name sessionstore.Namespace, by sessionstore.Owner, d time.Duration) sessionstore.Child {
	return sessionstore.Child{Name: name, Put: by, SeenAt: after(d)}
}

// puts puts a child and checks whether it is known first.
func (x *tester) puts(parent string, c sessionstore.Child, wantFirst bool) {
	x.Helper()
	first, err := x.store.PutChild(x.Context(), parent, c)
	x.must(err)
	if first != wantFirst {
		x.Errorf("%s put by %s: first %v, want %v", c.Name, c.Put, first, wantFirst)
	}
}

// childrenAre checks the rows of a parent.
func (x *tester) childrenAre(parent string, want ...sessionstore.Child) {
	x.Helper()
	got := collect(x, x.store.Children(x.Context(), parent))
	for i := range got {
		got[i].SeenAt = got[i].SeenAt.UTC()
	}
	equal(x, "the children", fmt.Sprint(got), fmt.Sprint(want))
	n, err := x.store.CountChildren(x.Context(), parent)
	x.must(err)
	equal(x, "their number", n, len(want))
}

func putChild(x *tester) {
	parent := freshParent()
	x.childrenAre(parent)
	x.puts(parent, put("/b", me, 0), true)
	x.puts(parent, put("/a", me, time.Second), true)
	x.childrenAre(parent, put("/a", me, time.Second), put("/b", me, 0))
	x.puts(parent, put("/b", other, time.Minute), false)
	x.childrenAre(parent, put("/a", me, time.Second), put("/b", other, time.Minute))
	for range x.store.Children(x.Context(), parent) {
		break // a walk may be left
	}
}

// putChildAgain: the call that made the row is first however often it is made, also after another.
func putChildAgain(x *tester) {
	parent := freshParent()
	x.puts(parent, put("/a", me, 0), true)
	x.puts(parent, put("/a", me, 0), true)
	x.puts(parent, put("/a", other, time.Second), false)
	x.puts(parent, put("/a", me, 0), true)
	x.puts(parent, put("/a", "third", time.Minute), false)
	x.childrenAre(parent, put("/a", "third", time.Minute))
}

func childrenOfParents(x *tester) {
	a, b := freshParent(), freshParent()
	x.puts(a, put("/x", me, 0), true)
	x.puts(b, put("/x", other, 0), true)
	x.puts(a+"#", put("/y", me, 0), true)
	x.childrenAre(a, put("/x", me, 0))
	x.childrenAre(b, put("/x", other, 0))
	x.must(x.store.RemoveChild(x.Context(), a, put("/x", me, 0)))
	x.childrenAre(a)
	x.childrenAre(b, put("/x", other, 0))
}

func removeChild(x *tester) {
	parent := freshParent()
	x.is(x.store.RemoveChild(x.Context(), parent, put("/a", me, 0)), sessionstore.ErrNotFound)
	x.puts(parent, put("/a", me, 0), true)
	x.is(x.store.RemoveChild(x.Context(), parent, put("/b", me, 0)), sessionstore.ErrNotFound)
	x.puts(parent, put("/a", other, time.Minute), false)
	x.is(x.store.RemoveChild(x.Context(), parent, put("/a", me, 0)), sessionstore.ErrNotFound)
	x.childrenAre(parent, put("/a", other, time.Minute))
	x.must(x.store.RemoveChild(x.Context(), parent, put("/a", other, time.Minute)))
	x.childrenAre(parent)
	x.is(x.store.RemoveChild(x.Context(), parent, put("/a", other, time.Minute)), sessionstore.ErrNotFound)
	x.puts(parent, put("/a", "third", time.Hour), true) // it is known first again
}

func childNames(x *tester) {
	long := sessionstore.Namespace(strings.Repeat("é", sessionstore.MaxName/2))
	parent := strings.Repeat("é", sessionstore.MaxParentName/2-10) + sessionstore.NewID()
	x.puts(parent, put(long, me, 0), true)
	x.childrenAre(parent, put(long, me, 0))
	for _, name := range []sessionstore.Namespace{"/", "/#", "/a#A", "/ ", "/\x00"} {
		x.puts(parent, put(name, me, 0), true)
	}
	for _, c := range []struct {
		parent string
		name   sessionstore.Namespace
	}{{parent + ".", "/a"}, {"tenants", long + "."}} {
		_, err := x.store.PutChild(x.Context(), c.parent, put(c.name, me, 0))
		x.is(err, sessionstore.ErrTooLarge)
		x.is(x.store.RemoveChild(x.Context(), c.parent, put(c.name, me, 0)), sessionstore.ErrTooLarge)
	}
}

// raceChild: of callers that put a child at once, one is told that it is new.
func raceChild(x *tester) {
	parent := freshParent()
	for round := range rounds {
		name := sessionstore.Namespace(fmt.Sprintf("/%04d", round))
		x.oneWins(sessionstore.ErrExists, func(i int) error {
			first, err := x.store.PutChild(x.Context(), parent, put(name, racer(i).Owner, 0))
			if err == nil && !first {
				err = sessionstore.ErrExists
			}
			return err
		})
	}
	n, err := x.store.CountChildren(x.Context(), parent)
	x.must(err)
	equal(x, "the number of children", n, rounds)
}

// raceRemoveChild: a row that was put after it was read stays, whatever the order of the two calls.
func raceRemoveChild(x *tester) {
	parent := freshParent()
	for range rounds {
		_, err := x.store.PutChild(x.Context(), parent, put("/a", me, 0))
		x.must(err)
		errs := race(2, func(i int) error {
			if i == 0 {
				return x.store.RemoveChild(x.Context(), parent, put("/a", me, 0))
			}
			_, err := x.store.PutChild(x.Context(), parent, put("/a", other, time.Minute))
			return err
		})
		if errs[0] != nil {
			x.is(errs[0], sessionstore.ErrNotFound)
		}
		x.must(errs[1])
		x.childrenAre(parent, put("/a", other, time.Minute))
	}
}

func childCancelled(x *tester) {
	parent, ctx := freshParent(), x.cancelled()
	_, err := x.store.PutChild(ctx, parent, put("/a", me, 0))
	x.notSent("PutChild", err)
	x.puts(parent, put("/a", other, 0), true)
	x.notSent("RemoveChild", x.store.RemoveChild(ctx, parent, put("/a", other, 0)))
	x.childrenAre(parent, put("/a", other, 0))
}
