package laptop

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/nonstick-io/nonstick/localdev/edge"
)

// front is the server of CloudFront, which is in front of both APIs.
type front struct {
	http.Server
	busy atomic.Int64 // requests that have not been answered, and WebSockets
}

func newFront(d *edge.Distribution, log *slog.Logger) *front {
	f := &front{Server: http.Server{
		ReadHeaderTimeout: 30 * time.Second,
		MaxHeaderBytes:    2 * edge.MaxRequest, // the distribution says what is too much
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}}
	f.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.busy.Add(1)
		defer f.busy.Add(-1)
		d.ServeHTTP(w, r)
	})
	return f
}

// refuse stops accepting connections.
func (f *front) refuse(ctx context.Context) {
	ended, cancel := context.WithCancel(ctx)
	cancel()
	_ = f.Shutdown(ended) // which closes the listener, and does not wait then
}

// end waits until what is behind has been answered for, which has ended before, and ends the server. Other than
// Shutdown, it does not wait for connections on which nothing has been asked yet, as browsers keep them.
func (f *front) end(limit context.Context) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for f.busy.Load() > 0 {
		select {
		case <-limit.Done():
			return errors.Join(limit.Err(), f.Close())
		case <-tick.C:
		}
	}
	return f.Close()
}
