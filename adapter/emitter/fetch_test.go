package emitter_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/nonstick-io/nonstick/adapter"
	"github.com/nonstick-io/nonstick/adapter/emitter"
	"github.com/nonstick-io/nonstick/internal/deliverytest"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// Calls that go on from each other's places find each socket once, whatever is selected, also where the caller leaves
// sockets out, or they are gone, or cannot be read.
func TestEmitterFetchesOn(t *testing.T) {
	besides(t, func(t *testing.T, o *outside) {
		var all []string
		for i := range 70 { // more than are read at a time
			name := fmt.Sprintf("client-%02d", i)
			o.client(name, sessionstore.Polling, "a")
			all = append(all, name)
		}
		o.client("other", sessionstore.Polling, "b")
		pages := func(e emitter.Selection, limit, fits int) (found []string) {
			t.Helper()
			for from := ""; ; {
				n := 0
				next, err := o.emitter.Adapter().FetchEach(t.Context(), o.sockets(
					e,
				), from, limit, func(r adapter.Found) bool {
					if n == fits {
						return false
					}
					n++
					found = append(found, string(r.Socket))
					return true
				})
				o.must(err)
				if n > limit || n > fits {
					t.Fatalf("%d sockets, at most %d and %d", n, limit, fits)
				}
				if from = next; from == "" {
					slices.Sort(found)
					return found
				}
			}
		}
		for _, by := range [][2]int{{1000, 1000}, {1, 1000}, {33, 1000}, {70, 1000}, {1000, 1}, {1000, 40}} {
			if got := pages(o.emitter.To("a"), by[0], by[1]); !slices.Equal(got, all) {
				t.Errorf("a room by %v: %q", by, got)
			}
			if got := pages(o.emitter.Except("b"), by[0], by[1]); !slices.Equal(got, all) {
				t.Errorf("everybody but a room by %v: %q", by, got)
			}
			if got := pages(o.emitter.Of("/").Selection, by[0], by[1]); len(got) != len(all)+1 {
				t.Errorf("everybody by %v: %q", by, got)
			}
		}
		o.store.Fail(sessionstore.OpReadSocket, deliverytest.NotDone(deliverytest.ErrNoAnswer))
		found := 0
		next, err := o.emitter.Adapter().FetchEach(
			t.Context(), o.sockets(o.emitter.To("a")), "", 50, func(adapter.Found) bool { found++; return true },
		)
		if !errors.Is(err, deliverytest.ErrNoAnswer) || found != 50 || next == "" {
			t.Errorf("one that cannot be read: found %d, next %q, %v", found, next, err)
		}
		rest := 0
		next, err = o.emitter.Adapter().FetchEach(
			t.Context(), o.sockets(o.emitter.To("a")), next, 50, func(adapter.Found) bool { rest++; return true },
		)
		if err != nil || found+rest != len(all)-1 || next != "" {
			t.Errorf("the rest: %d, next %q, %v", rest, next, err)
		}
		for _, place := range []string{"x", "-1.a", "1000.a", ".", "0.more-than-twenty-characters"} {
			if _, err := o.emitter.Adapter().FetchEach(
				t.Context(), o.sockets(o.emitter.Of("/").Selection), place, 1, nil,
			); !errors.Is(err, adapter.ErrPlace) {
				t.Errorf("from %q: %v", place, err)
			}
		}
	})
}
