package engine

import (
	"time"

	"github.com/nonstick-io/nonstick/adapter"
)

// Hooks tell a program what happens, for its metrics. Each may be nil, and is called from several goroutines at once.
type Hooks struct {
	// Pinged is called for each ping that the platform took, with how late it was.
	Pinged func(late time.Duration)
	// Walked is called after each walk of a shard of the registry with the number of its rows.
	Walked func(shard, rows int)
	// TakenOver is called for each session whose end was begun and not finished in time, so that the sweeper took it
	// over.
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

func (h *Hooks) walked(shard, rows int) {
	if h.Walked != nil {
		h.Walked(shard, rows)
	}
}

func (h *Hooks) takenOver() {
	if h.TakenOver != nil {
		h.TakenOver()
	}
}
