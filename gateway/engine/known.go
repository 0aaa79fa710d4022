package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nonstick-io/nonstick/internal/engineio"
	"github.com/nonstick-io/nonstick/internal/ids"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// Known judges a plain request that is wrong in itself by what the reference looks at first. Errors:
// [engineio.ErrUnknownSession] if there is no such session, [engineio.ErrBadRequest] if it is not on that transport. It
// changes nothing of the session.
func (e *Engine) Known(ctx context.Context, id sessionstore.SessionID, on engineio.Transport) error {
	s, err := e.store.Get(ctx, id, time.Now())
	switch {
	case errors.Is(err, sessionstore.ErrNotFound):
		return engineio.ErrUnknownSession
	case err != nil:
		return fmt.Errorf("engine: look for session: %w", err)
	case s.State != sessionstore.Open && !s.Drain:
		return engineio.ErrUnknownSession
	case (s.Transport == sessionstore.WebSocket) != (on == engineio.WebSocket):
		return engineio.ErrBadRequest
	}
	return nil
}

// NameInLog is what a session is called in a log: a hash, for its id is a secret, and a log may be read by others.
func NameInLog(id sessionstore.SessionID) string { return ids.InLog(id) }

// unreadable logs why a session is closed whose client sent what is no packet.
func (e *Engine) unreadable(ctx context.Context, id sessionstore.SessionID, cause error) {
	e.log.InfoContext(ctx, "session closed: parse error", "session", NameInLog(id), "cause", cause)
}
