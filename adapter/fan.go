package adapter

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/internal/again"
	"github.com/nonstick-io/nonstick/sessionstore"
)

const (
	// maxErrors bounds the failures that a broadcast tells one by one.
	maxErrors = 5
	// busyStuck is how long a broadcast waits for a member that is busy while none of its busy members gets on,
	// busyLongest how long it waits at all. While some get on, it is the platform that is at its limit, and not the
	// clients.
	busyStuck   = 500 * time.Millisecond
	busyPause   = 250 * time.Millisecond // the longest between two tries
	busyLongest = 1500 * time.Millisecond
	// busyMost bounds the members of a broadcast that are delivered to or waited for at a time.
	busyMost = 4096
	// fanPush bounds one push of a broadcast, fanLastPush one to a member that has been busy before. One that takes
	// longer is in doubt.
	fanPush     = 2 * time.Second
	fanLastPush = time.Second
	// closePatience is how long a broadcast waits for the end of a member: two writes and a cut, which take some 20 ms.
	closePatience = 500 * time.Millisecond
	// After fanQuick a delivery gives its place to another.
	fanQuick = 100 * time.Millisecond
)

// fan is one broadcast on its way. A member that is busy or slow gives its place to others while it is waited for, so
// all of them together take about as long as one.
type fan struct {
	a      *Adapter
	nsp    sessionstore.Namespace
	room   sessionstore.Room
	packet *Packet
	places chan struct{} // of deliveries that have just begun
	all    chan struct{} // of all deliveries
	group  sync.WaitGroup
	slow   atomic.Bool // closing a session has taken too long
	lost   Lost        // may be nil

	mu     sync.Mutex
	result Result
	errs   []error   // of the packet
	failed []error   // of members
	gotOn  time.Time // when a busy member last took its packet
}

func newFan(a *Adapter, nsp sessionstore.Namespace, room sessionstore.Room, p *Packet) *fan {
	f := &fan{ // a channel of empty values takes the same 96 bytes whatever its size, see BenchmarkBroadcast
		a: a, nsp: nsp, room: room, packet: p,
		places: make(chan struct{}, fanOut), all: make(chan struct{}, busyMost),
	}
	return f
}

// start delivers to a member: at once if that takes no time, else once there is a place.
func (f *fan) start(ctx context.Context, m sessionstore.Member) {
	first := f.a.delivery.First(ctx, f.packet.target(m), f.packet.to(m))
	if first.Done() {
		f.delivered()
		return
	}
	f.all <- struct{}{}
	p := &place{f: f, m: m, first: first}
	p.take()
	f.group.Go(func() {
		defer func() { <-f.all }()
		defer p.give()
		f.deliver(ctx, p)
	})
}

// delivered counts a member that the packet has been delivered to, or that gets it as history.
func (f *fan) delivered() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.result.Delivered++
}

// collect has a packet leave by a way of the caller's. Open says that the member is joining.
func (f *fan) collect(ctx context.Context, by Way, m sessionstore.Member, open bool) {
	past, err := false, error(nil)
	if open {
		past, err = f.a.seam(ctx, f.nsp, f.packet, m)
	}
	if errors.Is(err, errLeft) || errors.Is(err, delivery.ErrClosed) {
		return
	}
	if err == nil && !past {
		_, err = Send(ctx, by, m, f.packet)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if err != nil {
		f.errs = append(f.errs, fmt.Errorf("to %s: %w", m.Socket, err))
		return
	}
	f.result.Delivered++
}

// place is one of the places of a broadcast, held by a delivery.
type place struct {
	f      *fan
	waited time.Duration     // for pushes that were slow or refused
	way    delivery.Delivery // with the patience of this place
	m      sessionstore.Member
	first  delivery.First

	mu    sync.Mutex
	held  bool
	limit *time.Timer
}

// take waits for a place, and holds it for fanQuick at most.
func (p *place) take() {
	p.f.places <- struct{}{}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.held = true
	p.limit = time.AfterFunc(fanQuick, p.give)
}

// give gives the place to another, if it is still held.
func (p *place) give() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.held {
		p.held = false
		p.limit.Stop()
		<-p.f.places
	}
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

// deliver delivers to the member of a place. What it needs is in the place, not on the stack: that of a goroutine which
// has just begun is small, and growing it would take as long as all the rest.
func (f *fan) deliver(ctx context.Context, p *place) {
	m := &p.m
	p.way = f.a.delivery.With(p.patiently, f.close)
	truth, err := m.Hint, error(nil)
	past := false
	if _, open := f.packet.past(m); open {
		p.give()
		if past, err = f.a.seam(ctx, f.nsp, f.packet, *m); errors.Is(err, errLeft) {
			return
		}
		p.take()
	}
	if err == nil && !past {
		truth, err = p.way.After(ctx, f.packet.target(*m), f.packet.to(*m), p.first)
	}
	gone := errors.Is(err, delivery.ErrClosed) && !errors.Is(err, delivery.ErrEnding)
	dropped := errors.Is(err, delivery.ErrDropped)
	switch {
	case dropped:
		err = nil
	case gone:
		err = f.a.reap(ctx, f.nsp, f.room, *m)
	case err == nil && truth != m.Hint:
		f.a.repair(ctx, f.nsp, f.room, *m, truth)
	}
	if f.lost != nil && (gone || err != nil) {
		f.lost(m.Socket, gone)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case dropped:
		f.result.Dropped++
	case gone:
		f.result.Gone++
	case err != nil:
		f.result.Failed++
	default:
		f.result.Delivered++
	}
	list := &f.failed
	if errors.Is(err, delivery.ErrNotSerial) || errors.Is(err, delivery.ErrPacketTooLarge) {
		list = &f.errs
	}
	if err != nil && len(*list) < maxErrors {
		*list = append(*list, fmt.Errorf("to %s: %w", m.Socket, err))
	}
}

// close ends the session of a member. The sender waits for that, so that in general it is done when the emit returns;
// but where the store or the platform is slow, those that see to ends see to it, see [delivery.Closing.CloseWithin]:
// then those that come after are theirs at once.
func (f *fan) close(ctx context.Context, id sessionstore.SessionID, reason string, o delivery.CloseOptions) error {
	patience := closePatience
	if f.slow.Load() {
		patience = 0
	}
	err := f.a.delivery.Closing().CloseWithin(ctx, patience, id, reason, o)
	if errors.Is(err, delivery.ErrEnding) {
		f.slow.Store(true)
	}
	return err
}

// patiently repeats a push while the connection is busy, and leaves its place to others meanwhile. All pushes to a
// member together wait no longer than busyLongest.
func (p *place) patiently(ctx context.Context, push delivery.Try) error {
	busy, err := bounded(ctx, fanPush, push)
	if !busy {
		return err
	}
	begun := time.Now()
	pause := again.NewPauseOf(busyPause)
	for busy && p.f.worth(begun, p.waited+time.Since(begun)) && ctx.Err() == nil {
		p.give()
		pause.Wait(ctx)
		p.take()
		busy, err = bounded(ctx, fanLastPush, push)
		p.f.got(err)
	}
	p.waited += time.Since(begun)
	return err
}

func bounded(ctx context.Context, d time.Duration, push delivery.Try) (busy bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	return push(ctx)
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

// worth reports whether a member that has been busy since then is worth another try, and has been waited for so long
// in all.
func (f *fan) worth(begun time.Time, waited time.Duration) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	stuck := begun
	if f.gotOn.After(stuck) {
		stuck = f.gotOn
	}
	return time.Since(stuck) < busyStuck && waited < busyLongest
}
