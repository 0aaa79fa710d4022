package nonstick

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/nonstick-io/nonstick/gateway/engine"
	"github.com/nonstick-io/nonstick/internal/again"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// ending is how a socket leaves.
type ending struct {
	reason    string
	transport sessionstore.Transport // the last one of its session
	details   sessionstore.Details
}

// endingOf is how a session has closed.
func endingOf(s *sessionstore.Session) ending { return ending{s.Reason, s.Transport, s.Details} }

// Closed runs the disconnect handlers of a session that has closed and removes its sockets. If the time does not
// suffice for all of them, the rest is for the next go.
func (s protocol) Closed(ctx context.Context, session sessionstore.Session) error {
	s.seal.close(s.build)
	var errs []error
	for i, row := range session.Sockets {
		if i > 0 && !s.hasTime(ctx) {
			return engine.ErrUnfinished
		}
		var err error
		if row.Outbox != "" && row.Session == session.ID {
			err = s.lost(ctx, row, endingOf(&session))
		} else {
			err = s.inTurn(ctx, row, endingOf(&session))
		}
		if _, crowded := errors.AsType[*engine.CrowdedError](err); crowded || errors.Is(err, engine.ErrUnfinished) {
			return err
		}
		if err == nil && session.Carrier != "" { // of an outbox: its client has been told, or has left
			err = s.store.Unlink(ctx, link(session.Carrier, &row))
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// inTurn is parted once the namespace may run another disconnect handler.
func (s *Server) inTurn(ctx context.Context, row sessionstore.Socket, how ending) error {
	if n := s.namespaceOf(row); n != nil && !n.idle() {
		end, err := engine.Turn(ctx, n.turn())
		if err != nil {
			return err
		}
		defer end()
	}
	return s.parted(ctx, row, how)
}

// turn names what shares the turns of disconnect handlers: a namespace, or all children of a parent, for it is one
// application's handlers that are slow, however many names clients make.
func (n *Namespace) turn() string {
	if n.parent != nil {
		return "parent " + n.parent.name // no namespace's name
	}
	return string(n.name)
}

// hasTime reports whether ctx leaves a disconnect handler the time that it may take.
func (s *Server) hasTime(ctx context.Context) bool {
	end, ok := ctx.Deadline()
	return !ok || time.Until(end) >= s.handlerTime
}

// parted sees to it that a socket's disconnect handler has run and its rows are gone: by this caller or, if another
// instance is at it, by that one. If that one died, parted takes over when its time is up.
func (s *Server) parted(ctx context.Context, row sessionstore.Socket, how ending) error {
	pause := again.NewPause()
	for {
		if done, err := s.part(ctx, row, how); done || err != nil {
			return err
		}
		pause.Wait(ctx)
		if ctx.Err() != nil {
			return engine.ErrUnfinished // it waits for another's handler
		}
		now, err := s.store.Get(ctx, row.Session, time.Now())
		if err != nil && !errors.Is(err, sessionstore.ErrNotFound) {
			return fmt.Errorf("nonstick: wait for a disconnect handler: %w", err)
		}
		if k, _ := now.Socket(row.Namespace); k.ID != row.ID {
			return nil
		}
	}
}

// part runs the disconnect handler of a socket and removes its rows, unless another instance is doing so. A
// DISCONNECT and the end of its connection come close together, and API Gateway hands them over at the same time: the
// claim in the socket's row sees to it that the handler runs once. The socket leaves its rooms before that, so that of
// several that leave a room at once the last finds nothing of the others; its row goes after it, for it is what another
// instance would find an unfinished parting by.
func (s *Server) part(ctx context.Context, row sessionstore.Socket, how ending) (done bool, err error) {
	n := s.namespaceOf(row)
	if n == nil && s.tellsEnds() { // a namespace that this deployment has no more
		rooms, err := s.roomsLeft(ctx, nil, row)
		if err != nil {
			return false, err
		}
		s.tellEnd(ctx, row, rooms, how.reason)
	}
	if n == nil || n.idle() {
		return true, s.remove(ctx, row)
	}
	p := &parting{s: s, n: n, row: row, how: how}
	settled, err := p.run(ctx)
	if errors.Is(err, sessionstore.ErrNotFound) {
		return true, nil // another instance has removed it
	}
	if !settled || err != nil {
		return false, err
	}
	if err := p.drop(ctx); err != nil {
		p.ran(ctx)
		if ctx.Err() != nil {
			err = engine.ErrUnfinished
		}
		return false, err
	}
	return true, nil
}

func (s *Server) remove(ctx context.Context, row sessionstore.Socket) error {
	if _, err := s.store.RemoveSocket(ctx, row); err != nil && !errors.Is(err, sessionstore.ErrNotFound) {
		return fmt.Errorf("nonstick: remove socket: %w", err)
	}
	return nil
}

// handlerQuick is how long a disconnect handler may hold up the ends of other sessions.
const handlerQuick = time.Second

// handlerContext is the context of the handlers of one socket's end. Those that take long do not hold up the ends of
// other sessions.
func (s *Server) handlerContext(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithTimeout(ctx, s.handlerTime)
	slow := time.AfterFunc(handlerQuick, func() { engine.Yield(ctx) })
	return ctx, func() {
		slow.Stop()
		cancel()
	}
}

// bids calls a handler of a socket's end. What goes wrong in it is logged, for nothing can be undone; only one that
// failed because its time was up is late, and may be tried again. The entry, unless nil, is what the socket kept, where
// the store has it no more.
func (n *Namespace) bids(
	ctx context.Context, row sessionstore.Socket, entry *sessionstore.NewSocket, how ending,
	handle func(ctx context.Context, s *Socket) error,
) (late bool) {
	s := n.server
	defer func() {
		if r := recover(); r != nil {
			s.log.ErrorContext(
				ctx, "disconnect handler panicked", "nsp", string(n.name), "panic", fmt.Sprint(r), "stack",
				string(debug.Stack()),
			)
		}
	}()
	socket := &Socket{nsp: n, row: row, entry: entry, phase: disconnected, ending: how}
	defer s.via.Adapter.Leaving(row.ID)()
	defer s.via.Bulk.Flush(ctx)
	defer socket.end()
	err := handle(withCall(ctx, socket), socket)
	if err != nil {
		s.log.ErrorContext(ctx, "disconnect handler failed", "nsp", string(n.name), "error", err)
	}
	return err != nil && ctx.Err() != nil
}

// disconnecting runs the hooks of a socket that is about to leave its rooms.
func (n *Namespace) disconnecting(
	ctx context.Context, row sessionstore.Socket, entry *sessionstore.NewSocket, how ending,
) (late bool) {
	for _, hook := range n.hooks.disconnecting {
		if n.bids(ctx, row, entry, how, func(ctx context.Context, s *Socket) error {
			return hook(ctx, s, Reason(how.reason))
		}) {
			return true
		}
	}
	return false
}

// disconnected runs the disconnect handler of a socket that has left its rooms.
func (n *Namespace) disconnected(
	ctx context.Context, row sessionstore.Socket, entry *sessionstore.NewSocket, how ending,
) (late bool) {
	return n.bids(ctx, row, entry, how, func(ctx context.Context, s *Socket) error {
		return n.serve.Disconnect(ctx, s, Reason(how.reason))
	})
}
