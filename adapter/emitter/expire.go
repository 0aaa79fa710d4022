package emitter

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nonstick-io/nonstick/sessionstore"
)

// KindExpire is the [sessionstore.Timer.Kind] of the end of what let a socket in; its body is [Expiry] in JSON.
const KindExpire = "expire"

// Expiry names a socket.
type Expiry struct {
	Namespace sessionstore.Namespace `json:"nsp"`
	Socket    sessionstore.SocketID  `json:"socket"`
}

// ExpireAt says when what let the socket in ends, a token for instance: within a few seconds of it the server's hook
// (nonstick.Namespace.OnExpire) is called with the socket, on some instance, and disconnects it or has its client send
// a new one. Called again it takes the place of what was said before; the zero time means never. It takes 2 writes, and
// 3 writes and 2 reads when the time comes. [ErrDisconnected] if the socket has left.
func (r *RemoteSocket) ExpireAt(ctx context.Context, at time.Time) error {
	k := sessionstore.Socket{ID: r.member.Socket, Session: r.member.Session, Namespace: r.nsp}
	if err := r.via.ExpireTimer(ctx, k, at); err != nil {
		return err
	}
	return r.via.SetExpiry(ctx, k, at)
}

// ExpireTimer stores the timer of a socket's expiry. It comes before the expiry itself, so that a caller that dies in
// between leaves a timer for nothing, and no socket without an end.
func (v *Via) ExpireTimer(ctx context.Context, k sessionstore.Socket, at time.Time) error {
	if at.IsZero() {
		return nil
	}
	body, err := json.Marshal(Expiry{k.Namespace, k.ID})
	if err != nil {
		return fmt.Errorf("nonstick: expire: %w", err)
	}
	t := sessionstore.Timer{At: at, Name: "expire#" + string(k.ID), Kind: KindExpire, Body: string(body)}
	return wrapped("expire", v.Store.PutTimer(ctx, t))
}

// SetExpiry stores when a socket expires.
func (v *Via) SetExpiry(ctx context.Context, k sessionstore.Socket, at time.Time) error {
	err := v.Store.SetExpiry(ctx, k, at)
	if errors.Is(err, sessionstore.ErrNotFound) {
		return ErrDisconnected
	}
	return wrapped("expire", err)
}
