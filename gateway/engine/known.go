package engine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/nonstick-io/nonstick/internal/engineio"
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
func NameInLog(id sessionstore.SessionID) string {
	const bytes = 6 // enough to tell sessions apart
	sum := sha256.Sum256([]byte(id))
	return hex.EncodeToString(sum[:bytes])
}

// unreadable logs why a session is closed whose client sent what is no packet.
func (e *Engine) unreadable(ctx context.Context, id sessionstore.SessionID, cause error) {
	e.log.InfoContext(ctx, "session closed: parse error", "session", NameInLog(id), "cause", cause)
}
