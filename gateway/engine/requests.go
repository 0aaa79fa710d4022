package engine

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"

	"github.com/nonstick-io/nonstick/internal/engineio"
	"github.com/nonstick-io/nonstick/internal/ids"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// RequestHooks are what an application has registered about the requests of clients and about their sessions. They are
// called where the request is served, and must be safe for concurrent use. One that takes long holds up that request
// alone; one that panics is logged, and the request is served as if there were none.
type RequestHooks struct {
	// ConnectionError hooks are told of requests that were refused.
	ConnectionError []func(ctx context.Context, e ConnectionError)
	// InitialHeaders hooks change the headers of the answer to a request that begins a session, Headers hooks those of
	// each answer to a request that is served, behind the others.
	InitialHeaders, Headers []func(ctx context.Context, h sessionstore.Handshake, header http.Header)
	// GenerateID makes the id of a session; nil means a random one. See [ErrSessionID].
	GenerateID func(ctx context.Context, h sessionstore.Handshake) (string, error)
	// Upgraded hooks are told of sessions that have moved from polling to WebSocket, and their sockets.
	Upgraded []func(ctx context.Context, s sessionstore.Session)
}

// ConnectionError is a request that was refused, as io.engine.on("connection_error") of Socket.IO tells of it.
type ConnectionError struct {
	// Code is what the client was told: 0 "Transport unknown", 1 "Session ID unknown", 2 "Bad handshake method",
	// 3 "Bad request", 4 "Forbidden", 5 "Unsupported protocol version". -1 is ours, for a session that the server has
	// no room for, or whose headers are too large.
	Code int
	// Message is the text that belongs to the code.
	Message string
	// Context says more, under the names of Socket.IO: "transport" (0), "sid" (1), "method" (2), "name" (3), "message"
	// (4: what the client was told), "protocol" (5). Of 3 the name is TRANSPORT_HANDSHAKE_ERROR, TRANSPORT_MISMATCH
	// (with "transport" and "previousTransport") or ID_GENERATION_ERROR (with "error").
	Context map[string]string
	// Handshake is the request. One that names a session has its id, which is a secret, in its query.
	Handshake sessionstore.Handshake
}

// ErrSessionID tells of an id of a session that is none: it has 1 to [MaxSessionID] characters, which are letters and
// digits of ASCII, "-" and "_".
var ErrSessionID = errors.New("engine: invalid session id")

// MaxSessionID is the greatest length of the id of a session.
const MaxSessionID = 64

// noHooks are those of an application that has none.
var noHooks RequestHooks

// Requests returns the hooks of requests, for what brings them. They must not be changed.
func (e *Engine) Requests() *RequestHooks {
	if e.opts.Requests == nil {
		return &noHooks
	}
	return e.opts.Requests()
}

// sessionID makes the id of a session. An error of the application's function, which has been logged, matches
// [engineio.ErrIDGeneration].
func (e *Engine) sessionID(ctx context.Context, h sessionstore.Handshake) (id sessionstore.SessionID, err error) {
	generate := e.Requests().GenerateID
	if generate == nil {
		return sessionstore.SessionID(ids.New(ctx)), nil
	}
	var made string
	if e.Guard(ctx, "GenerateID", func() { made, err = generate(ctx, h) }); made == "" && err == nil {
		err = fmt.Errorf("%w: none was made", ErrSessionID)
	}
	if err == nil {
		err = checkSessionID(made)
	}
	if err != nil {
		return "", e.noID(ctx, err)
	}
	return sessionstore.SessionID(made), nil
}

// noID is the error of a session that got no id.
func (e *Engine) noID(ctx context.Context, cause error) error {
	e.log.ErrorContext(ctx, "no session id", "error", cause)
	return fmt.Errorf("%w: %w", engineio.ErrIDGeneration, cause)
}

func checkSessionID(id string) error {
	if len(id) > MaxSessionID {
		return fmt.Errorf("%w: %d characters, at most %d", ErrSessionID, len(id), MaxSessionID)
	}
	for i := range len(id) {
		c := id[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return fmt.Errorf("%w: character %q", ErrSessionID, c)
		}
	}
	return nil
}

// tellUpgraded tells hooks of a session that has moved to WebSocket.
func (e *Engine) tellUpgraded(ctx context.Context, s sessionstore.Session) {
	for _, hook := range e.Requests().Upgraded {
		e.Guard(ctx, "OnUpgrade", func() { hook(ctx, s) })
	}
}

// Guard calls a hook, and logs its panic: what the application does wrong there is no reason to refuse a client.
func (e *Engine) Guard(ctx context.Context, name string, hook func()) {
	defer func() {
		if p := recover(); p != nil {
			e.log.ErrorContext(
				ctx, "hook panicked", "hook", name, "panic", fmt.Sprint(p), "stack", string(debug.Stack()),
			)
		}
	}()
	hook()
}
