package engine

import (
	"time"

	"github.com/nonstick-io/nonstick/adapter"
)

// Hooks tell a program what happens, for its metrics. Each may be nil, and is called from several goroutines at once.
type Hooks struct {
	// Pinged is called for each ping that the platform took, with how late it was.
	Pinged func(late time.Duration)
	// TakenOver is called for each session whose end was begun and not finished in time, so that the sweeper took it over.
	TakenOver func()
	// HandlerGivenUp is called for each disconnect handler that used up its tries.
	HandlerGivenUp func()
	// Broadcast is called for each broadcast with what became of it.
	Broadcast func(adapter.Result)
}

func (h *Hooks) pinged(late time.Duration) {
	if h.Pinged != nil {
		h.Pinged(late)
	}
}

func (h *Hooks) takenOver() {
	if h.TakenOver != nil {
		h.TakenOver()
	}
}
