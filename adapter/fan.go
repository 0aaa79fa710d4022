package adapter

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nonstick-io/nonstick/sessionstore"
)

const (
	// maxErrors bounds the failures that a broadcast tells one by one.
	maxErrors = 5
	// busyStuck is how long a broadcast waits for a member that is busy while none of its busy members gets on, busyLongest how long it
	// waits at all. While some get on, it is the platform that is at its limit, and not the clients.
	busyStuck   = 500 * time.Millisecond
	busyLongest = 1500 * time.Millisecond
	// busyMost is how many members of a broadcast may be waited for at a time; more are not waited for.
	busyMost = 4096
	// fanPush bounds one push of a broadcast. One that takes longer is in doubt.
	fanPush = 2 * time.Second
)

// fan is one broadcast on its way. A member that is busy gives its place to others while it is waited for, so all of them together
// take as long as one.
type fan struct {
	a        *Adapter
	delivery *Delivery // that waits as a broadcast does
	nsp      sessionstore.Namespace
	room     sessionstore.Room
	packet   []sessionstore.Packet
	places   chan struct{}
	group    sync.WaitGroup

	mu      sync.Mutex
	result  Result
	errs    []error // of the packet
	failed  []error // of members
	waiting int
	gotOn   time.Time // when a busy member last took its packet
}

func newFan(a *Adapter, nsp sessionstore.Namespace, room sessionstore.Room, p sessionstore.Packet) *fan {
	f := &fan{a: a, nsp: nsp, room: room, packet: []sessionstore.Packet{p}, places: make(chan struct{}, fanOut)}
	d := *a.delivery
	d.patiently = f.patiently
	f.delivery = &d
	return f
}

// start delivers to a member, once there is a place.
func (f *fan) start(ctx context.Context, m sessionstore.Member) {
	f.places <- struct{}{}
	f.group.Go(func() {
		defer func() { <-f.places }()
		f.deliver(ctx, m)
	})
}

// end waits for all members and tells what became of them.
func (f *fan) end(ctx context.Context) (Result, error) {
	f.group.Wait()
	if f.result.Failed > 0 || len(f.failed) > 0 {
		f.a.log.WarnContext(ctx, "a broadcast did not reach everybody", "nsp", string(f.nsp), "failed", f.result.Failed,
			"delivered", f.result.Delivered, "error", errors.Join(f.failed...))
	}
	f.a.observe(f.result)
	return f.result, errors.Join(f.errs...)
}

func (f *fan) deliver(ctx context.Context, m sessionstore.Member) {
	truth, err := f.delivery.Deliver(ctx, Target{Session: m.Session, Hint: m.Hint}, f.packet)
	gone := errors.Is(err, ErrClosed)
	switch {
	case gone:
		err = f.a.store.Reap(ctx, f.nsp, f.room, m.Socket)
	case err == nil && truth != m.Hint:
		f.a.repair(ctx, f.nsp, f.room, m, truth)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case gone:
		f.result.Gone++
	case err != nil:
		f.result.Failed++
	default:
		f.result.Delivered++
	}
	list := &f.failed
	if errors.Is(err, ErrNotSerial) {
		list = &f.errs
	}
	if err != nil && len(*list) < maxErrors {
		*list = append(*list, fmt.Errorf("to %s: %w", m.Socket, err))
	}
}

// patiently repeats a push while the connection is busy, and leaves its place to others meanwhile.
func (f *fan) patiently(ctx context.Context, push func(context.Context) error) error {
	err := bounded(ctx, push)
	if !errors.Is(err, ErrBusy) || !f.wait(1) {
		return err
	}
	defer f.wait(-1)
	<-f.places
	defer func() { f.places <- struct{}{} }()
	begun := time.Now()
	pause := NewPause()
	for f.worth(begun) && ctx.Err() == nil {
		pause.Wait(ctx)
		if err = bounded(ctx, push); !errors.Is(err, ErrBusy) {
			f.got(err)
			return err
		}
	}
	return err
}

func bounded(ctx context.Context, push func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, fanPush)
	defer cancel()
	return push(ctx)
}

// wait counts a member that is waited for, or one less. It reports whether there is room.
func (f *fan) wait(n int) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.waiting+n > busyMost {
		return false
	}
	f.waiting += n
	return true
}

// got notes that a busy member took its packet.
func (f *fan) got(err error) {
	if err != nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.gotOn = time.Now()
}

// worth reports whether a member that has been busy since then is worth another try.
func (f *fan) worth(begun time.Time) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	stuck := begun
	if f.gotOn.After(stuck) {
		stuck = f.gotOn
	}
	return time.Since(stuck) < busyStuck && time.Since(begun) < busyLongest
}
