package emitting

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/nonstick-io/nonstick/adapter"
	"github.com/nonstick-io/nonstick/functions/internal/boot"
	"github.com/nonstick-io/nonstick/gateway/socketio"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// keyLife is how long a key is remembered.
const keyLife = 24 * time.Hour

// emit carries out requests.
type emit struct {
	emitter *adapter.Emitter
	claims  sessionstore.Claims
	metrics *boot.Metrics
	log     *slog.Logger
}

// Emit makes the emit function.
func Emit(p *boot.Parts) boot.Handler { return newEmit(p).serve }

func newEmit(p *boot.Parts) *emit {
	return &emit{emitter: newEmitter(p, p.Broadcasts()), claims: p.Store, metrics: p.Metrics, log: p.Log}
}

func newEmitter(p *boot.Parts, o adapter.Options) *adapter.Emitter {
	return adapter.NewEmitter(p.Store, p.Pusher, adapter.EmitterOptions{Limits: boot.Limits(p.Env), Options: o})
}

// carryOut does what a request in JSON asks for. A request that has no key of its own gets the one of its message, if it
// came as one.
func (f *emit) carryOut(ctx context.Context, raw []byte, key string) Answer {
	r, err := parse(raw)
	if err != nil {
		a := Answer{}
		a.fail(err)
		return a
	}
	if r.Key == "" {
		r.Key = key
	}
	a := f.once(ctx, &r)
	if !a.Duplicate {
		f.metrics.Add(boot.Recipients, a.Recipients)
	}
	return a
}

// once does a request unless one of its key has been done. A claim is given back only if surely nothing was done, so
// a request may be lost, but is never done twice.
func (f *emit) once(ctx context.Context, r *Request) Answer {
	if r.Key == "" {
		return f.do(ctx, r)
	}
	c := claim{claims: f.claims, name: "emit#" + r.Key}
	first, earlier, err := c.take(ctx, keyLife)
	switch {
	case err != nil:
		a := Answer{again: true}
		a.fail(fmt.Errorf("key not claimed: %w", err))
		return a
	case earlier != nil:
		earlier.Duplicate = true
		return *earlier
	case !first:
		return Answer{OK: true, Duplicate: true}
	}
	a := f.do(ctx, r)
	if !a.again {
		if err := c.keep(ctx, a); err != nil {
			f.log.WarnContext(ctx, "answer not kept for the key", "err", err)
		}
		return a
	}
	if err := c.giveBack(ctx); err != nil {
		f.log.WarnContext(ctx, "key not given back", "err", err)
		a.again = false
	}
	return a
}

// do does a request.
func (f *emit) do(ctx context.Context, r *Request) Answer {
	if r.Batch != nil {
		return f.batch(ctx, r.Batch)
	}
	a := Answer{OK: true}
	result, err := f.act(ctx, r, &a)
	a.count(result)
	if errors.Is(err, adapter.ErrEvent) || errors.Is(err, adapter.ErrName) || errors.Is(err, adapter.ErrPacketTooLarge) {
		err = fmt.Errorf("%w: %w", errRequest, err)
	}
	a.again = err != nil && !errors.Is(err, errRequest) && result == adapter.Result{}
	a.fail(err)
	return a
}

// act calls the emitter.
func (f *emit) act(ctx context.Context, r *Request, a *Answer) (adapter.Result, error) {
	nsp := r.Namespace
	if nsp == "" {
		nsp = socketio.MainNamespace
	}
	to := f.emitter.Of(nsp).To(r.Rooms...).Except(r.Except...)
	switch {
	case r.Event != nil:
		return to.Emit(ctx, *r.Event, r.Args, r.Attachments...)
	case r.Join != nil:
		return to.SocketsJoin(ctx, r.Join...)
	case r.Leave != nil:
		return to.SocketsLeave(ctx, r.Leave...)
	case r.Disconnect != "":
		return to.DisconnectSockets(ctx, r.Disconnect == DisconnectSession)
	default:
		found, err := to.Fetch(ctx, r.Fetch)
		a.Sockets = sockets(found)
		return adapter.Result{Delivered: len(found)}, err
	}
}

func sockets(found []adapter.RemoteSocket) []Socket {
	list := make([]Socket, len(found))
	for i, k := range found {
		list[i] = Socket{ID: string(k.ID), Rooms: make([]string, len(k.Rooms)), Data: k.Data, ConnectedAt: k.ConnectedAt.UnixMilli()}
		for j, r := range k.Rooms {
			list[i].Rooms[j] = string(r)
		}
	}
	return list
}

// batch does requests in order, whatever becomes of each.
func (f *emit) batch(ctx context.Context, requests []Request) Answer {
	in := *f
	in.emitter = f.emitter.InOrder()
	sum := Answer{OK: true, again: true, Results: make([]Answer, len(requests))}
	for i := range requests {
		a := in.once(ctx, &requests[i])
		sum.Results[i] = a
		if !a.Duplicate { // it tells of another time
			sum.Recipients += a.Recipients
			sum.Gone += a.Gone
			sum.Failed += a.Failed
			sum.Queued = sum.Queued || a.Queued
		}
		sum.OK = sum.OK && a.OK
		sum.again = sum.again && a.again
	}
	return sum
}
