package memstore_test

import (
	"testing"

	"github.com/nonstick-io/nonstick/sessionstore"
	"github.com/nonstick-io/nonstick/sessionstore/memstore"
	"github.com/nonstick-io/nonstick/sessionstore/storetest"
)

func TestConformance(t *testing.T) {
	storetest.Run(t, func(*testing.T) sessionstore.Store { return memstore.New(memstore.Options{}) })
}

func TestConformanceOneShard(t *testing.T) {
	storetest.Run(t, func(*testing.T) sessionstore.Store { return memstore.New(memstore.Options{Shards: 1}) })
}
