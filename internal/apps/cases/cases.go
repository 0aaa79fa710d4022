// Package cases is an application with a handler for each thing that users of Socket.IO have asked about: echoes of
// every type, rooms, acknowledgements in both directions, sockets that the server ends, and the mistakes that a
// program may make. Tests and people who look into a report speak to it. It is no application to deploy: a client may
// make it sleep.
package cases

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/nonstick-io/nonstick"
)

// App is the application.
type App struct {
	// Counts is the folder of what "count" and "flaky" have counted, which all processes that serve one client share.
	// Empty means a folder of the machine, below [os.TempDir].
	Counts string
	// Logger gets what a kept socket's emit ended with; nil means the default logger.
	Logger *slog.Logger
}

// namespaces are the names that clients ask for: the main one, plain ones, and such as are awkward to escape.
var namespaces = []string{
	"/", "/custom", "/ns1", "/ns2", "/slow", "/日本 語", "/a/b", "/123", "/-", "/a-b", "/q?x=1", "/tr/",
}

// Register sets the same handlers on every namespace. The files of this package list them: echo.go (events that come
// back), rooms.go, rewind.go (rooms with a history), operators.go (selections), ends.go (sockets that leave), acks.go
// (the server asks), state.go (what is kept), verify.go (what a deployment is asked), engine.go (requests and sessions)
// and traps.go (mistakes). parents.go has namespaces that clients make, hooks.go one with middleware, and roomhooks.go
// one with hooks of rooms, with handlers of their own.
func (a App) Register(srv *nonstick.Server) {
	if a.Counts == "" {
		a.Counts = filepath.Join(os.TempDir(), "nonstick-cases")
	}
	if a.Logger == nil {
		a.Logger = slog.Default()
	}
	srv.AllowAttachments()
	for _, name := range namespaces {
		n := srv.Of(name)
		n.OnConnect(greet(n))
		n.OnDisconnecting(left(n))
		n.OnDisconnect(gone(n))
		echoes(n)
		rooms(n)
		rewinds(n)
		operators(n)
		ends(n)
		questions(n)
		a.state(n)
		verification(n)
		a.traps(n)
	}
	closes(srv)
	engineHooks(srv)
	parents(srv)
	hooks(srv)
	roomHooks(srv)
}

// wishes are what a client may ask for by its auth. Times are milliseconds.
type wishes struct {
	Deny  truthy `json:"deny"`  // refuse, with data
	Room  string `json:"room"`  // join this room
	Delay int    `json:"delay"` // take so long to connect
	Hello truthy `json:"hello"` // emit "hello" with the namespace's name
	Leave int    `json:"leave"` // take so long in the disconnect handler, whatever its context says
	Bye   int    `json:"bye"`   // the same, but heed the context, as one that calls a slow service does
	Late  truthy `json:"late"`  // register a handler inside the connection, see traps.go
}

// truthy is what JavaScript takes for true: some clients can only send texts.
type truthy bool

// UnmarshalJSON takes any JSON.
func (t *truthy) UnmarshalJSON(b []byte) error {
	switch string(b) {
	case "null", "false", "0", `""`:
		*t = false
	default:
		*t = true
	}
	return nil
}

// wishesOf reads the auth of a socket. One that is something else altogether wishes for nothing.
func wishesOf(ctx context.Context, s *nonstick.Socket) (wishes, error) {
	w, err := nonstick.Auth[wishes](ctx, s)
	if errors.Is(err, nonstick.ErrArgs) {
		return wishes{}, nil
	}
	return w, err
}

// denied is what a refused client is told: its data has characters outside of ASCII and of the basic plane.
var denied = &nonstick.Error{Message: "denied", Data: json.RawMessage(`{"code":7,"text":"ü😀"}`)}

// greet is the connect handler: it grants the wishes.
func greet(n *nonstick.Namespace) func(context.Context, *nonstick.Socket) error {
	return func(ctx context.Context, s *nonstick.Socket) error {
		w, err := wishesOf(ctx, s)
		if err != nil {
			return err
		}
		if w.Late {
			lateHandler(n)
		}
		time.Sleep(milliseconds(w.Delay))
		if w.Deny {
			return denied
		}
		if w.Room != "" {
			if err := s.Join(ctx, w.Room); err != nil {
				return err
			}
		}
		if !w.Hello {
			return nil
		}
		return s.Emit(ctx, "hello", map[string]string{"nsp": n.Name()})
	}
}

// longest bounds what a client may ask to wait for.
const longest = 2 * time.Minute

func milliseconds(n int) time.Duration {
	return min(max(time.Duration(n)*time.Millisecond, 0), longest)
}
