package memstore

import (
	"context"
	"iter"

	"github.com/nonstick-io/nonstick/sessionstore"
)

const (
	// walkChunk is how many rows are copied under one hold of a lock.
	walkChunk = 1000
	// walkPage is how many rows count as one read: about what 1 MB of a table holds.
	walkPage = 10_000
)

// walk yields the rows of a table chunk by chunk, without a lock while it yields.
func walk[K, V any](ctx context.Context, m *sessionstore.Meter, op sessionstore.Op,
	page func(last K, more bool) ([]V, K, bool),
) iter.Seq2[V, error] {
	return func(yield func(V, error) bool) {
		var last K
		further := true
		for chunk := 0; further; chunk++ {
			if err := sessionstore.NotSent(ctx); err != nil {
				var none V
				yield(none, err)
				return
			}
			if chunk%(walkPage/walkChunk) == 0 {
				m.Add(op, sessionstore.Usage{Calls: 1, Reads: 1})
			}
			var rows []V
			rows, last, further = page(last, chunk > 0)
			for _, r := range rows {
				if !yield(r, nil) {
					return
				}
			}
		}
	}
}
