package eventsout

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nonstick-io/nonstick/sessionstore"
)

// Sink brings messages to a service.
type Sink interface {
	// Publish brings messages there, in their order where the service keeps one, and tries again what may succeed,
	// until ctx ends. It returns those that it did not bring there, for all it knows, and why. Safe for concurrent use.
	Publish(ctx context.Context, messages []Message) (lost []Message, err error)
}

// Config says what is told, and where. Without a Sink nothing is.
type Config struct {
	Sink Sink
	What What
}

const (
	// MaxTime is how long what is told may delay a request of a client, or another call that causes it.
	MaxTime = 3 * time.Second
	// MaxTimeFailing is how long one call may take for FailingTime after events were lost: a service that is down is
	// not waited for as long at each request.
	MaxTimeFailing = 300 * time.Millisecond
	// FailingTime is how long a service that took nothing counts as one that is down, see MaxTimeFailing.
	FailingTime = 10 * time.Second
	// maxPending is how many events of a request are kept until it ends.
	maxPending = 100
	// maxNamed is how many lost events a line of the log names.
	maxNamed = 20
)

// Out tells events. A nil Out tells none. Safe for concurrent use.
type Out struct {
	sink    Sink
	what    What
	log     *slog.Logger
	failing atomic.Int64 // until when, in Unix nanoseconds
}

// New returns an Out, nil if nothing is to be told. The log gets what is lost.
func New(c Config, log *slog.Logger) *Out {
	if c.Sink == nil || len(c.What.types) == 0 {
		return nil
	}
	return &Out{sink: c.Sink, what: c.What, log: log}
}

// Wants reports whether events of a type are told.
func (o *Out) Wants(t Type) bool { return o != nil && o.what.types[t] }

// WantsEvent reports whether client events of that name are told.
func (o *Out) WantsEvent(name string) bool {
	return o != nil && (o.what.events[name] || o.what.events["*"])
}

// batchKey is the key of a Batch in a context.
type batchKey struct{}

// Batch collects what is told in the course of a request, so that it costs few calls. A nil Batch collects nothing.
type Batch struct {
	out *Out

	mu     sync.Mutex
	events []Event
	spent  time.Duration // of the time that the request may be delayed
	ended  bool
}

// Batch returns an empty Batch; nil from a nil Out.
func (o *Out) Batch() *Batch {
	if o == nil {
		return nil
	}
	return &Batch{out: o}
}

// In returns a context under which [Out.Tell] collects.
func (b *Batch) In(ctx context.Context) context.Context {
	if b == nil {
		return ctx
	}
	return context.WithValue(ctx, batchKey{}, b)
}

// Tell tells events of the types that are wanted: by the Batch of the context, else before it returns, whatever ends
// ctx. It takes up to [MaxTime]; what could not be told then is a line of the log.
func (o *Out) Tell(ctx context.Context, events ...Event) {
	if o == nil {
		return
	}
	wanted := o.wanted(events)
	if b, ok := ctx.Value(batchKey{}).(*Batch); ok && b.add(ctx, wanted) {
		return
	}
	o.publish(context.WithoutCancel(ctx), wanted, MaxTime)
}

// TellNow is Tell that does not wait for the end of a request.
func (o *Out) TellNow(ctx context.Context, events ...Event) {
	if o != nil {
		o.publish(context.WithoutCancel(ctx), o.wanted(events), MaxTime)
	}
}

// wanted are those of the events that are told, with ids and times.
func (o *Out) wanted(events []Event) []Event {
	wanted := make([]Event, 0, len(events))
	for _, e := range events {
		if o.Wants(e.Type) {
			e.ID = cmp.Or(e.ID, sessionstore.NewID())
			if e.Time.IsZero() {
				e.Time = time.Now()
			}
			wanted = append(wanted, e)
		}
	}
	return wanted
}

// add keeps events until Flush. It reports false if that was the last.
func (b *Batch) add(ctx context.Context, events []Event) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ended {
		return false
	}
	b.events = append(b.events, events...)
	if len(b.events) >= maxPending {
		b.flush(context.WithoutCancel(ctx))
	}
	return true
}

// Flush tells what was collected.
func (b *Batch) Flush(ctx context.Context) {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.flush(ctx)
}

// End tells what was collected. What is told under its context from now on is not collected any more.
func (b *Batch) End(ctx context.Context) {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.flush(ctx)
	b.ended = true
}

func (b *Batch) flush(ctx context.Context) {
	events := b.events
	b.events = nil
	begun := time.Now()
	b.out.publish(ctx, events, MaxTime-b.spent)
	b.spent += time.Since(begun)
}

// errNoTime is why events are lost that follow others which took all the time that there was.
var errNoTime = errors.New("eventsout: no time left")

// publish tells events within a time.
func (o *Out) publish(ctx context.Context, events []Event, most time.Duration) {
	if len(events) == 0 {
		return
	}
	messages := make([]Message, len(events))
	for i := range events {
		messages[i] = events[i].message()
	}
	if time.Now().UnixNano() < o.failing.Load() {
		most = min(most, MaxTimeFailing)
	}
	lost, err := messages, errNoTime
	if most > 0 {
		timed, cancel := context.WithTimeout(ctx, most)
		defer cancel()
		lost, err = o.sink.Publish(timed, messages)
	}
	if len(lost) == 0 {
		o.failing.Store(0)
		return
	}
	if len(lost) == len(messages) { // not if the service refused some for what they are
		o.failing.Store(time.Now().Add(FailingTime).UnixNano())
	}
	named := make([]string, 0, min(len(lost), maxNamed))
	for _, m := range lost[:cap(named)] {
		named = append(named, string(m.Type)+" "+m.ID)
	}
	o.log.ErrorContext(ctx, "events not told", "count", len(lost), "events", named, "error", err)
}
