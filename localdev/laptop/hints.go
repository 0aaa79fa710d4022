package laptop

import (
	"context"

	"github.com/nonstick-io/nonstick/internal/hints"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// hinted returns the store so that processes of this machine which share its table tell each other of changes: without
// that a GET that waits sees what another process has written only when it looks again. The store in memory needs none.
func (s *service) hinted(
	ctx context.Context, w wiring, store sessionstore.Store, table string,
) sessionstore.Store {
	if _, ok := store.(sessionstore.Waker); ok {
		return store
	}
	told, err := hints.New(store, hints.Folder(w.config.dynamoDBEndpoint+" "+table), w.log)
	if err != nil {
		w.log.WarnContext(
			ctx, "waiting GETs look at the table at their pace only", "pace", w.config.pollPace, "error", err,
		)
		return store
	}
	s.sweeps = append(s.sweeps, func(ctx context.Context) error {
		told.Run(ctx)
		return nil
	})
	return told
}
