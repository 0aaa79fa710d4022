package emitter

import (
	"context"
	"log/slog"
	"time"

	"github.com/nonstick-io/nonstick/adapter"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// Via is how selections and remote sockets reach the clients. An [Emitter] has one, and so has a server for its
// handlers.
type Via struct {
	Adapter *adapter.Adapter
	Store   Store
	// Check, unless nil, may refuse an event before it is sent.
	Check func(event string, args Args) error
	// Emitting, unless nil, is told of each event that is about to be sent.
	Emitting func(ctx context.Context, event string, args Args)
	// Later, unless nil, may keep an emit for later: then it returns true.
	Later func(emit func(context.Context) error) bool
	// Refuse, unless nil, returns an error once its selections are good for nothing any more.
	Refuse func() error
	// Bulk, unless nil, puts together what goes to single sockets that poll.
	Bulk *Bulk
	// Ask, unless nil, bounds the wait for acknowledgements of sessions, or refuses it.
	Ask func(ctx context.Context, ids ...sessionstore.SessionID) (context.Context, context.CancelFunc, error)
	// Continues, unless nil, refuses the name of a reply handler that there is not, and says whether it is to be told
	// who has not answered in time. By default it is.
	Continues func(nsp sessionstore.Namespace, name string) (told bool, err error)
	// Logger gets what goes wrong and is no error; default none.
	Logger *slog.Logger
}

func (v *Via) later(emit func(context.Context) error) bool { return v.Later != nil && v.Later(emit) }

func (v *Via) refuse() error {
	if v.Refuse == nil {
		return nil
	}
	return v.Refuse()
}

func (v *Via) log() *slog.Logger {
	if v.Logger == nil {
		return slog.New(slog.DiscardHandler)
	}
	return v.Logger
}

// ask bounds a wait: by default by [AckWait], unless ctx has a deadline.
func (v *Via) ask(
	ctx context.Context, ids ...sessionstore.SessionID,
) (context.Context, context.CancelFunc, error) {
	if v.Ask != nil {
		return v.Ask(ctx, ids...)
	}
	if _, set := ctx.Deadline(); set {
		ctx, cancel := context.WithCancel(ctx)
		return ctx, cancel, nil
	}
	ctx, cancel := context.WithTimeout(ctx, AckWait)
	return ctx, cancel, nil
}

// AckWait is how long an acknowledgement is waited for, unless the caller has set a deadline.
const AckWait = 10 * time.Second
