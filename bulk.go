package nonstick

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"

	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/gateway/engine"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// A handler may emit thousands of packets to one other socket. To a client that polls each would be an entry of its
// buffer, which takes a thousand; so beyond the first few they are put together, as those to the handler's own
// session are ([engine.Collects]).

// bulkFrom is how many emits of a call to one session leave at once, each by itself.
const bulkFrom = 32

// bulk is what a call emits to other sessions, each named, that have no connection to push to.
type bulk struct {
	deliver func(ctx context.Context, to delivery.Target, frames []string) error

	mu   sync.Mutex
	to   map[sessionstore.SessionID]*parcel
	over bool // the handler has returned: nothing is kept any more
}

// parcel is what has been collected for one session.
type parcel struct {
	mu     sync.Mutex
	emits  int // of the call, collected or not
	frames []string
	bytes  int
}

// of returns the parcel for a session.
func (b *bulk) of(to sessionstore.SessionID) *parcel {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.to == nil {
		b.to = make(map[sessionstore.SessionID]*parcel)
	}
	if b.to[to] == nil {
		b.to[to] = &parcel{}
	}
	return b.to[to]
}

func (b *bulk) isOver() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.over
}

// send delivers frames, or keeps them for later. They arrive in order. The error may be of frames that were kept
// before.
func (b *bulk) send(ctx context.Context, to sessionstore.SessionID, frames []string) error {
	p := b.of(to)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.emits++; p.emits <= bulkFrom ||
		b.isOver() { // asked under the parcel's lock: it is flushed after that, or was before
		return b.deliver(ctx, delivery.Target{Session: to}, frames)
	}
	bytes := sessionstore.Packet{Frames: frames}.Bytes()
	if len(p.frames) > 0 && !engine.Collects(p.bytes+bytes, len(p.frames)+len(frames)) {
		if err := b.flush(ctx, to, p); err != nil {
			return err
		}
	}
	p.frames, p.bytes = append(p.frames, frames...), p.bytes+bytes
	return nil
}

// flush delivers what is kept for one session, whose parcel is locked.
func (b *bulk) flush(ctx context.Context, to sessionstore.SessionID, p *parcel) error {
	frames := p.frames
	p.frames, p.bytes = nil, 0
	if len(frames) == 0 {
		return nil
	}
	return b.deliver(ctx, delivery.Target{Session: to}, frames)
}

// flushAll delivers what is kept: something else is emitted that must not overtake it, or the handler has returned
// and it is over.
func (b *bulk) flushAll(ctx context.Context, over bool) error {
	b.mu.Lock()
	b.over = b.over || over
	all := maps.Clone(b.to)
	b.mu.Unlock()
	var errs []error
	for to, p := range all {
		p.mu.Lock()
		err := b.flush(ctx, to, p)
		p.mu.Unlock()
		if err != nil && !errors.Is(err, ErrDisconnected) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// deliver brings frames to a session as one entry.
func (s *Server) deliver(ctx context.Context, to delivery.Target, frames []string) error {
	p := sessionstore.Packet{ID: sessionstore.PacketID(sessionstore.NewID()), Frames: frames}
	_, err := s.engine.Delivery().Deliver(ctx, to, []sessionstore.Packet{p})
	if errors.Is(err, delivery.ErrClosed) {
		return ErrDisconnected
	}
	if err != nil {
		return fmt.Errorf("nonstick: emit: %w", err)
	}
	return nil
}

// flush delivers what a handler has emitted to single sockets so far, or, when it is over, has left.
func (s *Server) flush(ctx context.Context, c *call, over bool) {
	if err := c.bulk.flushAll(ctx, over); err != nil {
		s.log.ErrorContext(ctx, "emit to another socket failed", "nsp", string(c.socket.nsp.name), "error", err)
	}
}
