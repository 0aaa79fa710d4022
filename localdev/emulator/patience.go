package emulator

import (
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// writeStep is what a client has to have read of before its time begins anew.
const writeStep = 64 << 10

// patientListener bounds how long its connections wait for clients that do not read.
type patientListener struct {
	net.Listener
	limit time.Duration
}

// Accept implements [net.Listener].
func (l patientListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &patientConn{Conn: c, limit: l.limit}, nil
}

// patientConn is a connection whose writes fail when the client reads nothing for the limit: of HTTP as of
// WebSockets. A client that reads slowly, but reads, is waited for.
type patientConn struct {
	net.Conn
	limit time.Duration

	mu    sync.Mutex
	fixed bool // a deadline was set for all that is written
}

// Write implements [net.Conn].
func (c *patientConn) Write(b []byte) (n int, err error) {
	for {
		step := b[n:min(len(b), n+writeStep)]
		if err := c.extend(); err != nil {
			return n, err
		}
		m, err := c.Conn.Write(step)
		if n += m; err != nil || n == len(b) {
			return n, err
		}
	}
}

// extend gives the client its time once more.
func (c *patientConn) extend() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fixed {
		return nil
	}
	return c.Conn.SetWriteDeadline(time.Now().Add(c.limit))
}

// SetDeadline implements [net.Conn].
func (c *patientConn) SetDeadline(t time.Time) error {
	if err := c.SetWriteDeadline(t); err != nil {
		return err
	}
	return c.SetReadDeadline(t)
}

// SetWriteDeadline implements [net.Conn]: it takes the place of the limit, until it is taken back with the zero time.
func (c *patientConn) SetWriteDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fixed = !t.IsZero()
	return c.Conn.SetWriteDeadline(t)
}

// CloseWrite ends our side of the connection, if it is of a kind that can.
func (c *patientConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// timedBody is a request's body that has to come within a time.
type timedBody struct {
	io.ReadCloser
	conn *http.ResponseController
}

// bound gives the body of a request its time, also if the handler does not read it: then net/http does, before it
// answers.
func (s *Server) bound(w http.ResponseWriter, r *http.Request) {
	if r.ContentLength == 0 || r.Body == nil {
		return
	}
	b := &timedBody{r.Body, http.NewResponseController(w)}
	_ = b.conn.SetReadDeadline(time.Now().Add(s.limits.BodyTime)) // every connection of net/http can
	r.Body = b
}

// Read implements [io.Reader].
func (b *timedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err == io.EOF {
		_ = b.conn.SetReadDeadline(time.Time{}) // the call may take longer than its body
	}
	return n, err
}
