package nonstick_test

import (
	"errors"
	"net/http"
	"testing"

	"github.com/nonstick-io/nonstick"
	"github.com/nonstick-io/nonstick/gateway"
	"github.com/nonstick-io/nonstick/sessionstore/memstore"
)

// An application makes instances: each has handlers of its own, and the pages that register set, or none.
func TestApp(t *testing.T) {
	pages := http.NotFoundHandler()
	registered := 0
	for name, set := range map[string]bool{"with pages": true, "without": false} {
		app := nonstick.App(name, func(io *nonstick.Server) {
			registered++
			if set {
				io.Pages(pages)
			}
		})
		one := app.New(gateway.Config{Store: memstore.New(memstore.Options{})})
		other := app.New(gateway.Config{Store: memstore.New(memstore.Options{})})
		if app.Name != name || one.Engine == nil || one.Engine == other.Engine || (one.Pages != nil) != set {
			t.Errorf("%s: name %q, engines %p and %p, pages %v", name, app.Name, one.Engine, other.Engine, one.Pages)
		}
	}
	if registered != 4 {
		t.Errorf("registered %d times, want once for each instance", registered)
	}
}

// Pages belong to the start, as handlers do.
func TestPagesWhileServing(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s := w.server(func(*nonstick.Server) {})
		w.join(s)
		defer func() {
			if err, ok := recover().(error); !ok || !errors.Is(err, nonstick.ErrServing) {
				t.Errorf("it panics with %v, want ErrServing", err)
			}
		}()
		s.Pages(http.NotFoundHandler())
	})
}
