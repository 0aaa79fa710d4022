package simulation

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// network holds the WebSocket connections of the run's clients, and is the pusher of every instance.
type network struct {
	w      *world
	mutant string
	// disconnected tells an instance that a connection has ended.
	disconnected func(sessionstore.Connection)

	hanging atomic.Int32 // pushes

	mu    sync.Mutex
	conns map[sessionstore.Connection]*socket
}

var _ delivery.Pusher = (*network)(nil)

// socket is a WebSocket: frames on their way to the client, and whether it is open.
type socket struct {
	conn   sessionstore.Connection
	frames chan string
	ended  chan struct{}
	once   sync.Once
	ready  time.Time // when its connect is answered: until then it is gone to those that push
	busy   time.Time // until when pushes are refused
}

func (n *network) open(conn sessionstore.Connection, ready time.Time) *socket {
	s := &socket{conn: conn, frames: make(chan string, 1000), ended: make(chan struct{}), ready: ready}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.conns[conn] = s
	return s
}

// cut ends a connection; both sides come to know.
func (n *network) cut(conn sessionstore.Connection) {
	n.mu.Lock()
	s := n.conns[conn]
	delete(n.conns, conn)
	n.mu.Unlock()
	if s == nil {
		return
	}
	s.once.Do(func() {
		close(s.ended)
		n.disconnected(conn)
	})
}

// idle ends the connections that no session has any more (whose refusal a crash cut short), as API Gateway does with
// those that are idle.
func (n *network) idle() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, s := range n.conns {
		s.once.Do(func() { close(s.ended) })
	}
}

func (n *network) find(conn sessionstore.Connection) *socket {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.conns[conn]
}

// Push sends a frame, or fails in one of the ways that a push can.
func (n *network) Push(ctx context.Context, conn sessionstore.Connection, frame string) error {
	for n.mutant == "a-slow-push-holds-all" && n.hanging.Load() > 0 && ctx.Err() == nil {
		after(ctx, 20*time.Millisecond)
	}
	if ctx.Err() != nil {
		return errDoubt
	}
	v := n.w.at(ctx, "Push "+conn.ID+" "+frame, kindPush)
	if v == refuse {
		return delivery.ErrBusy
	}
	s := n.find(conn)
	if s == nil || time.Now().Before(s.ready) {
		return delivery.ErrGone
	}
	if v == busy {
		n.makeBusy(s)
	}
	if n.isBusy(s) {
		return delivery.ErrBusy
	}
	switch v {
	case hangBefore:
		n.hang(ctx)
		return errDoubt
	case hangAfter:
		s.frames <- frame
		n.hang(ctx)
		return errDoubt
	case failBefore:
		return errDoubt
	case failAfter:
		s.frames <- frame
		return errDoubt
	case cutAfter:
		n.cut(conn)
		return nil
	default:
		s.frames <- frame
		return nil
	}
}

// longestHang is how long a push hangs of which its caller does not tire, busyFor how long a connection is busy.
const (
	longestHang = 10 * time.Second
	busyFor     = 6 * time.Second
)

func (n *network) hang(ctx context.Context) {
	n.hanging.Add(1)
	defer n.hanging.Add(-1)
	if n.mutant == "a-slow-push-holds-all" {
		ctx = context.WithoutCancel(ctx)
	}
	after(ctx, longestHang)
}

func (n *network) makeBusy(s *socket) {
	n.mu.Lock()
	defer n.mu.Unlock()
	s.busy = time.Now().Add(busyFor)
}

func (n *network) isBusy(s *socket) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return time.Now().Before(s.busy)
}

// Close ends a connection.
func (n *network) Close(ctx context.Context, conn sessionstore.Connection) error {
	if n.w.at(ctx, "Close "+conn.ID, kindPush) == refuse {
		return delivery.ErrBusy
	}
	n.cut(conn)
	return nil
}

// receive takes what has come over a WebSocket until it ends.
func (s *socket) receive(take func(string)) {
	for {
		select {
		case f := <-s.frames:
			take(f)
			continue
		default:
		}
		select {
		case f := <-s.frames:
			take(f)
		case <-s.ended:
			for {
				select {
				case f := <-s.frames:
					take(f)
				default:
					return
				}
			}
		}
	}
}

// after waits a while of the simulated time.
func after(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
