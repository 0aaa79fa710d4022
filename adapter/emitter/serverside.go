package emitter

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/nonstick-io/nonstick/internal/ids"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// KindServer is the [sessionstore.Timer.Kind] of an event to the server; its body is [ServerEvent] in JSON.
const KindServer = "server"

// ServerEvent is an event to the server rather than to its clients.
type ServerEvent struct {
	Namespace sessionstore.Namespace `json:"nsp"`
	Event     string                 `json:"event"`
	Args      json.RawMessage        `json:"args,omitempty"`
}

// ServerSideEmit emits an event to the server, whose handler of that name (nonstick.OnServerSideEmit) runs once, on
// some instance, within a few seconds of at; a time that has passed means now. It is kept in the store until then, so
// it may be days ahead, and no process has to wait for it. If the instance dies that runs the handler, another runs it
// again. It takes a write for each 1 KB, and two when it runs.
//
// Where there are no servers to speak to one another, this is what is left of Socket.IO's serverSideEmit: every
// instance reads what it knows from the store, so none has to be told, and the work that is to be done once is done
// once. There is no acknowledgement. sessionstore.ErrTooLarge above sessionstore.MaxTimerBody bytes; [ErrArgs] for
// arguments that are no JSON, or binary.
func (v *Via) ServerSideEmit(
	ctx context.Context, nsp sessionstore.Namespace, at time.Time, event string, args ...any,
) error {
	encoded, err := EncodeArgs(args...)
	if err != nil {
		return err
	}
	if len(encoded.Attachments) > 0 {
		return fmt.Errorf("%w: binary data in an event to the server", ErrArgs)
	}
	body, err := json.Marshal(ServerEvent{nsp, event, encoded.JSON})
	if err != nil {
		return fmt.Errorf("%w: %w", ErrArgs, err)
	}
	if now := time.Now(); at.Before(now) {
		at = now
	}
	t := sessionstore.Timer{At: at, Name: ids.New(ctx), Kind: KindServer, Body: string(body)}
	return wrapped("server side emit", v.Store.PutTimer(ctx, t))
}

// ServerSideEmit emits an event to the server, see [Via.ServerSideEmit].
func (n Namespace) ServerSideEmit(ctx context.Context, event string, args ...any) error {
	return n.ServerSideEmitAt(ctx, time.Time{}, event, args...)
}

// ServerSideEmitAt is ServerSideEmit at a time.
func (n Namespace) ServerSideEmitAt(ctx context.Context, at time.Time, event string, args ...any) error {
	if n.err != nil {
		return n.err
	}
	return n.via.ServerSideEmit(ctx, n.sel.Namespace, at, event, args...)
}
