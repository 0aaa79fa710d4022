// Package pushtest is a delivery.Pusher for tests: connections in memory that keep what they are sent, and that
// can be told to answer as a platform in trouble does.
package pushtest

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// Answers in doubt, beside those of package delivery.
var (
	// ErrLost: the frame did not arrive, which the sender cannot know.
	ErrLost = errors.New("pushtest: no answer, and the frame was lost")
	// ErrArrived: the frame arrived, which the sender cannot know.
	ErrArrived = errors.New("pushtest: no answer, though the frame arrived")
)

// Pusher has every connection that it is asked for, until that is closed. Safe for concurrent use.
type Pusher struct {
	// OnPush, unless nil, is called before each push, outside of any lock. Set it before the first push.
	OnPush func(conn sessionstore.Connection, frame string)

	mu     sync.Mutex
	conns  map[sessionstore.Connection]*connection
	pushes int
}

var _ delivery.Pusher = (*Pusher)(nil)

// connection is one WebSocket.
type connection struct {
	frames  []string
	closes  int
	answers []error // what the next pushes are answered with
	always  error   // and all after them
	refused []error // what the next closes are answered with
}

// New returns a Pusher whose connections all work.
func New() *Pusher { return &Pusher{conns: make(map[sessionstore.Connection]*connection)} }

// of returns a connection; the caller holds the lock.
func (p *Pusher) of(conn sessionstore.Connection) *connection {
	c := p.conns[conn]
	if c == nil {
		c = &connection{}
		p.conns[conn] = c
	}
	return c
}

// Answer sets what the next pushes to a connection are answered with, one by one; nil takes the frame.
func (p *Pusher) Answer(conn sessionstore.Connection, answers ...error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.of(conn).answers = answers
}

// AnswerAlways sets what every push to a connection is answered with, after those set by Answer.
func (p *Pusher) AnswerAlways(conn sessionstore.Connection, answer error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.of(conn).always = answer
}

// RefuseClose sets what the next closes of a connection are answered with, one by one.
func (p *Pusher) RefuseClose(conn sessionstore.Connection, answers ...error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.of(conn).refused = answers
}

// Push implements [delivery.Pusher]: ErrGone for a closed connection.
func (p *Pusher) Push(ctx context.Context, conn sessionstore.Connection, frame string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if p.OnPush != nil {
		p.OnPush(conn, frame)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pushes++
	c := p.of(conn)
	answer := c.always
	if len(c.answers) > 0 {
		answer, c.answers = c.answers[0], c.answers[1:]
	}
	if c.closes > 0 {
		return delivery.ErrGone
	}
	if answer == nil || errors.Is(answer, ErrArrived) {
		c.frames = append(c.frames, frame)
	}
	return answer
}

// Close implements [delivery.Pusher].
func (p *Pusher) Close(ctx context.Context, conn sessionstore.Connection) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.of(conn)
	if len(c.refused) > 0 {
		answer := c.refused[0]
		c.refused = c.refused[1:]
		if answer != nil {
			return answer
		}
	}
	c.closes++
	return nil
}

// Take returns the frames that a connection has been sent since the last Take.
func (p *Pusher) Take(conn sessionstore.Connection) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.of(conn)
	taken := slices.Clip(c.frames)
	c.frames = nil
	return taken
}

// Closed reports whether a connection has been closed.
func (p *Pusher) Closed(conn sessionstore.Connection) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.of(conn).closes > 0
}

// Pushes returns how many pushes were tried.
func (p *Pusher) Pushes() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.pushes
}
