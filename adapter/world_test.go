package adapter_test

import (
	"testing"

	"github.com/nonstick-io/nonstick/adapter"
	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/internal/deliverytest"
	"github.com/nonstick-io/nonstick/sessionstore"
	"github.com/nonstick-io/nonstick/sessionstore/memstore"
)

// world is sessions, and an adapter over them.
type world struct {
	*deliverytest.World
	adapter *adapter.Adapter
}

// inWorld runs a test in a bubble of its own time.
func inWorld(t *testing.T, limits delivery.Limits, f func(t *testing.T, w *world)) {
	t.Helper()
	deliverytest.Run(t, limits, func(t *testing.T, w *deliverytest.World) {
		f(t, &world{w, adapter.New(w.Store, w.Delivery, adapter.Options{})})
	})
}

// metered makes the store of an empty world one that counts.
func (w *world) metered() *sessionstore.Meter {
	m := &sessionstore.Meter{}
	w.Store.Store = memstore.New(memstore.Options{Meter: m})
	return m
}

func conn(name string) sessionstore.Connection { return deliverytest.Conn(name) }
