package scenes

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/gateway/engine"
	"github.com/nonstick-io/nonstick/internal/engineio"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// kind is what a client does once it has connected.
type kind string

const (
	healthy kind = "healthy" // answers its pings
	silent  kind = "silent"  // vanishes without a word: what is pushed to it is taken and not answered
	hanging kind = "hanging" // the same, and its disconnect handler waits for something that never comes
	// crowding is hanging in a namespace of its own, with very many others.
	crowding kind = "crowding"
	full     kind = "full"  // reads nothing: every push is refused as busy
	stuck    kind = "stuck" // every push to it hangs
)

// crowd is how many clients of each kind are in the room that is emitted to: all healthy ones, and some of the others.
const crowd = 200

// crowdedNamespace is where crowding clients are.
const crowdedNamespace = "/crowded"

// answerTime is how long a client takes to answer a ping.
const answerTime = 5 * time.Millisecond

// client is one client, on a WebSocket.
type client struct {
	kind kind
	conn sessionstore.Connection

	mu     sync.Mutex
	sid    sessionstore.SessionID
	armed  bool      // it does what its kind does
	pong   time.Time // when it was last heard of
	pings  int
	late   time.Duration // how late the latest ping was
	closed bool

	closedAt time.Time
}

// platform pushes to the clients, and tells the server of the ends of their connections.
type platform struct {
	interval time.Duration
	engine   *engine.Engine
	missing  cure

	one     chan struct{} // held by each push where pushes wait for others
	mu      sync.Mutex
	clients map[string]*client // by the id of the connection
	calls   sync.WaitGroup     // of the server that go on
	over    bool
}

var _ delivery.Pusher = (*platform)(nil)

func (p *platform) of(conn sessionstore.Connection) *client {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.clients[conn.ID]
}

// call has the server called by the platform, a moment from now.
func (p *platform) call(f func(ctx context.Context)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over {
		return
	}
	p.calls.Go(func() {
		time.Sleep(answerTime)
		f(context.Background())
	})
}

// end returns when no call goes on, and lets none begin.
func (p *platform) end() {
	p.mu.Lock()
	p.over = true
	p.mu.Unlock()
	p.calls.Wait()
}

// Push implements [delivery.Pusher].
func (p *platform) Push(ctx context.Context, conn sessionstore.Connection, frame string) error {
	if p.missing == pushesWaitForNobody {
		select {
		case p.one <- struct{}{}:
			defer func() { <-p.one }()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	c := p.of(conn)
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed:
		return delivery.ErrGone
	case c.armed && c.kind == full:
		return delivery.ErrBusy
	case c.armed && c.kind == stuck:
		c.mu.Unlock()
		<-ctx.Done()
		c.mu.Lock()
		return ctx.Err()
	}
	switch {
	case frame[0] == '0':
		var open struct{ SID string }
		if err := json.Unmarshal([]byte(frame[1:]), &open); err != nil {
			return err
		}
		c.sid = sessionstore.SessionID(open.SID)
	case frame == engineio.PingFrame:
		c.pings++
		c.late = max(c.late, time.Since(c.pong)-p.interval)
		if c.kind == healthy {
			c.pong = time.Now()
			p.call(func(ctx context.Context) { _, _ = p.engine.Message(ctx, conn, engineio.PongFrame) })
		}
	}
	return nil
}

// Close implements [delivery.Pusher].
func (p *platform) Close(_ context.Context, conn sessionstore.Connection) error {
	c := p.of(conn)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return delivery.ErrGone
	}
	c.closed, c.closedAt = true, time.Now()
	p.call(func(ctx context.Context) { _ = p.engine.Disconnect(ctx, conn) })
	return nil
}

// connect connects a client and lets it join the namespace.
func (p *platform) connect(ctx context.Context, n int, k kind, rooms int) (*client, error) {
	c := &client{
		kind: k, conn: sessionstore.Connection{ID: fmt.Sprintf("%s-%d", k, n), Endpoint: "https://platform.example"},
	}
	p.mu.Lock()
	p.clients[c.conn.ID] = c
	p.mu.Unlock()
	step, err := p.engine.Connect(ctx, c.conn, sessionstore.Handshake{})
	if err != nil {
		return nil, err
	}
	if err := p.engine.Run(ctx, step); err != nil {
		return nil, err
	}
	c.mu.Lock()
	c.pong = time.Now() // the first ping comes an interval after the open packet
	c.mu.Unlock()
	nsp := ""
	if k == crowding {
		nsp = crowdedNamespace + ","
	}
	inCrowd := n < crowd && k != silent && k != crowding
	reply, err := p.engine.Message(
		ctx, c.conn, fmt.Sprintf(`40%s{"kind":%q,"rooms":%d,"crowd":%v}`, nsp, k, rooms, inCrowd),
	)
	if err != nil || len(reply) < 2 || reply[:2] != "40" {
		return nil, fmt.Errorf("CONNECT answered %q: %w", reply, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.armed = true
	return c, nil
}
