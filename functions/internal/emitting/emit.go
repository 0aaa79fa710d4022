package emitting

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/nonstick-io/nonstick/adapter"
	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/adapter/emitter"
	"github.com/nonstick-io/nonstick/functions/internal/boot"
	"github.com/nonstick-io/nonstick/gateway/eventsout"
	"github.com/nonstick-io/nonstick/internal/socketio"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// keyLife is how long a key is remembered.
const keyLife = 24 * time.Hour

// emit carries out requests.
type emit struct {
	emitter *emitter.Emitter
	claims  sessionstore.Claims
	metrics *boot.Metrics
	events  *eventsout.Out // nil if nothing is told
	log     *slog.Logger
}

// Emit makes the emit function.
func Emit(p *boot.Parts) boot.Handler { return newEmit(p).serve }

func newEmit(p *boot.Parts) *emit {
	events := eventsout.New(p.Events(), p.Log)
	store := p.Store
	if events != nil {
		store = adapter.Watch(store, events)
	}
	return &emit{
		emitter: newEmitter(p, store, p.Broadcasts()), claims: p.Store, metrics: p.Metrics, events: events, log: p.Log,
	}
}

func newEmitter(p *boot.Parts, store sessionstore.Store, o adapter.Options) *emitter.Emitter {
	o.Histories = p.Env.Choice("NONSTICK_HISTORIES", "off", "off", "on") == "on"
	return emitter.New(
		store, p.Pusher, emitter.Options{Limits: boot.Limits(p.Env), Later: later(p), Options: o},
	)
}

// later hands sessions whose close takes too long to the queue of ends; nil if there is none.
func later(p *boot.Parts) func(context.Context, delivery.Ending) error {
	const name = "NONSTICK_CLOSES_QUEUE"
	if p.Env.Text(name, "") == "" {
		return nil
	}
	queue := p.Queue(name)
	return func(ctx context.Context, e delivery.Ending) error {
		body, err := json.Marshal(e)
		if err != nil {
			return fmt.Errorf("emitting: encode the end of a session: %w", err)
		}
		return queue.Send(ctx, string(body))
	}
}

// carryOut does what a request in JSON asks for. A request that has no key of its own is done once for the id of the
// message, or of the invocation, that it came with.
func (f *emit) carryOut(ctx context.Context, raw []byte, id string) Answer {
	var a Answer
	r, err := parse(raw)
	if err != nil {
		a = notDone(err)
	} else {
		a = f.once(ctx, &r, id, newSpace())
	}
	if !a.Duplicate {
		f.metrics.Add(boot.Recipients, a.Recipients)
	}
	if !a.OK {
		f.metrics.Add(boot.EmitsFailed, 1)
	}
	return a
}

// once does a request unless it has been done with its key, or with the id that it came with. A claim is given back
// only if surely nothing was done, so a request may be lost, but is never done twice.
func (f *emit) once(ctx context.Context, r *Request, id string, in *space) Answer {
	name := r.claimName(id)
	if name == "" {
		return f.do(ctx, r, in)
	}
	c, err := newClaim(f.claims, name, r)
	if err != nil {
		return notDone(err)
	}
	first, earlier, err := c.take(ctx, keyLife)
	switch {
	case err != nil:
		return notDone(err)
	case !first:
		earlier.Duplicate, earlier.repeatable = true, true
		return earlier
	}
	a := f.do(ctx, r, in)
	if a.again || a.invalid {
		if err := c.giveBack(ctx); err != nil {
			f.log.WarnContext(ctx, "key not given back", "error", err)
			a.again = false
		}
	} else if err := c.keep(ctx, a); err != nil {
		f.log.WarnContext(ctx, "answer not kept for the key", "error", err)
	}
	a.repeatable = a.repeatable || r.Key != ""
	return a
}

// notDone is the answer to a request that was not begun with.
func notDone(err error) Answer {
	invalid := errors.Is(err, errRequest)
	a := Answer{again: !invalid, repeatable: true, invalid: invalid, Duplicate: errors.Is(err, errUnfinished)}
	a.fail(err)
	return a
}

// do does a request.
func (f *emit) do(ctx context.Context, r *Request, in *space) Answer {
	if r.Batch != nil {
		return f.batch(ctx, r.Batch, in)
	}
	a := Answer{OK: true}
	result, err := f.act(ctx, r, &a, in)
	a.count(result)
	for _, mistake := range []error{
		emitter.ErrEvent, emitter.ErrReserved, emitter.ErrArgs, emitter.ErrThen, emitter.ErrTooManyAsked,
		adapter.ErrName, adapter.ErrPlace, delivery.ErrPacketTooLarge, sessionstore.ErrTooLarge,
	} {
		if errors.Is(err, mistake) {
			err = fmt.Errorf("%w: %w", errRequest, err)
			break
		}
	}
	a.invalid = errors.Is(err, errRequest)
	a.again = err != nil && !a.invalid && !r.keeps() && (r.reads() || result == adapter.Result{})
	a.repeatable = a.again || a.invalid || r.reads()
	a.fail(err)
	return a
}

// act calls the emitter.
func (f *emit) act(ctx context.Context, r *Request, a *Answer, in *space) (adapter.Result, error) {
	to := f.from(r).To(r.Rooms...).And(r.And...).Except(r.Except...)
	if r.Flags.Volatile {
		to = to.Volatile()
	}
	switch {
	case r.Shutdown != nil:
		ended, err := f.emitter.Shutdown(ctx, seconds(*r.Shutdown))
		return adapter.Result{Delivered: ended}, err
	case r.ServerSideEmit != nil:
		return adapter.Result{}, f.serverSide(ctx, r)
	case r.Ack != nil:
		return f.ask(ctx, to, r, a, in)
	case r.Then != nil:
		then := emitter.Then{Name: r.Then.Name, State: r.Then.State}
		return adapter.Result{}, to.Timeout(seconds(r.Then.Within)).EmitThen(ctx, then, *r.Event, r.arguments())
	case r.Event != nil:
		return to.EmitArgs(ctx, *r.Event, r.arguments())
	}
	sel, err := to.Sockets()
	if err != nil {
		return adapter.Result{}, err
	}
	sockets := f.emitter.Adapter()
	switch {
	case r.Join != nil:
		return sockets.Join(ctx, sel, r.Join...)
	case r.Leave != nil:
		return sockets.Leave(ctx, sel, r.Leave...)
	case r.Disconnect != "":
		return sockets.Disconnect(ctx, sel, r.Disconnect == DisconnectSession)
	case r.Count:
		n, err := sockets.Count(ctx, sel)
		if err == nil {
			a.Count = &n
		}
		return adapter.Result{}, err
	default:
		err := f.fetch(ctx, sel, r, a, in)
		return adapter.Result{Delivered: len(a.Sockets)}, err
	}
}

// arguments are those of an event.
func (r *Request) arguments() emitter.Args {
	return emitter.Args{JSON: array(r.Args), Attachments: r.Attachments}
}

func seconds(n float64) time.Duration { return time.Duration(n * float64(time.Second)) }

// ask emits an event and waits for acknowledgements, which go into the answer, as many as fit. That some are missing is
// no error: the answer says who.
func (f *emit) ask(
	ctx context.Context, to emitter.Selection, r *Request, a *Answer, in *space,
) (adapter.Result, error) {
	answers, err := to.Timeout(seconds(*r.Ack)).EmitWithAck(ctx, *r.Event, r.arguments())
	if errors.Is(err, emitter.ErrAckTimeout) && len(answers.Answered)+len(answers.Missing) > 0 {
		err = nil
	}
	a.Missing = answers.Missing
	in.left -= len(answers.Missing) * missingBytes
	for _, one := range answers.Answered {
		if e := in.acknowledged(a, one); e != nil {
			return adapter.Result{Delivered: len(answers.Answered)}, errors.Join(err, e)
		}
	}
	return adapter.Result{Delivered: len(answers.Answered)}, err
}

// serverSide emits an event to the server.
func (f *emit) serverSide(ctx context.Context, r *Request) error {
	n := f.emitter.Of(cmp.Or(r.Namespace, socketio.MainNamespace))
	at := time.Time{}
	if r.At != nil {
		at = time.UnixMilli(*r.At)
	}
	return n.ServerSideEmitAt(ctx, at, *r.ServerSideEmit, r.arguments())
}

// from is whose sockets a request selects.
func (f *emit) from(r *Request) emitter.Selection {
	switch {
	case r.Parent != nil:
		return f.emitter.Parent(*r.Parent).Selection
	case r.Namespace != "":
		return f.emitter.Of(r.Namespace).Selection
	default:
		return f.emitter.Of(socketio.MainNamespace).Selection
	}
}

// array joins JSON values, as they are, to an array.
func array(values []json.RawMessage) json.RawMessage {
	out := json.RawMessage{'['}
	for i, v := range values {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, v...)
	}
	return append(out, ']')
}

// fetch reads sockets into the answer, as many as fit.
func (f *emit) fetch(ctx context.Context, from adapter.Selection, r *Request, a *Answer, in *space) error {
	var errs []error
	next, err := f.emitter.Adapter().FetchEach(ctx, from, r.After, r.Fetch, func(k adapter.Found) bool {
		taken, err := in.add(a, k)
		if err != nil {
			errs = append(errs, err)
		}
		return taken
	})
	a.Next = next
	return errors.Join(append(errs, err)...)
}

// batch does requests in order, whatever becomes of each. All of it may be done again if some of that may succeed
// later and none of the rest would do harm.
func (f *emit) batch(ctx context.Context, requests []Request, space *space) Answer {
	in := *f
	in.emitter = f.emitter.InOrder()
	sum := Answer{OK: true, repeatable: true, invalid: true, Results: make([]Answer, len(requests))}
	for i := range requests {
		a := in.once(ctx, &requests[i], "", space)
		sum.Results[i] = a
		if !a.Duplicate { // it tells of another time
			sum.Recipients += a.Recipients
			sum.Gone += a.Gone
			sum.Failed += a.Failed
			sum.Dropped += a.Dropped
			sum.Queued = sum.Queued || a.Queued
		}
		sum.OK = sum.OK && a.OK
		sum.again = sum.again || a.again
		sum.repeatable = sum.repeatable && a.repeatable
		sum.invalid = sum.invalid && a.invalid
	}
	sum.again = sum.again && sum.repeatable
	return sum
}
