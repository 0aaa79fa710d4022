package e2e

import (
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// outage is how long a wire stays cut: a client that happened not to have a request under way notices too.
const outage = 400 * time.Millisecond

// cutWire carries TCP connections to a server. Told to be cut, it ends them, and new ones too for the time of an
// outage.
type cutWire struct {
	listener net.Listener
	server   string // host and port

	mu   sync.Mutex
	ends map[net.Conn]bool
	down time.Time // until when it is cut
}

// newWire is a wire to the server at an address, for the time of the test.
func newWire(t *testing.T, server string) *cutWire {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &cutWire{listener: l, server: server, ends: map[net.Conn]bool{}}
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.serve()
	}()
	t.Cleanup(func() {
		l.Close()
		<-done
	})
	return w
}

func (w *cutWire) url() string { return "http://" + w.listener.Addr().String() }

// serve carries connections until the listener is closed, and returns when all have ended.
func (w *cutWire) serve() {
	var all sync.WaitGroup
	for {
		from, err := w.listener.Accept()
		if err != nil {
			w.cut()
			all.Wait()
			return
		}
		to, err := net.Dial("tcp", w.server)
		if err != nil {
			from.Close()
			continue
		}
		if !w.add(from, to) {
			w.end(from, to)
			continue
		}
		for _, pair := range [][2]net.Conn{{from, to}, {to, from}} {
			all.Go(func() {
				_, _ = io.Copy(pair[0], pair[1]) // either side may end it
				w.end(from, to)
			})
		}
	}
}

// add has connections cut when the wire is; false if it is now.
func (w *cutWire) add(conns ...net.Conn) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if time.Now().Before(w.down) {
		return false
	}
	for _, c := range conns {
		w.ends[c] = true
	}
	return true
}

func (w *cutWire) end(conns ...net.Conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range conns {
		c.Close()
		delete(w.ends, c)
	}
}

// cut ends all connections, without a word of the protocol.
func (w *cutWire) cut() { w.cutUntil(time.Now().Add(outage)) }

// hold does the same for as long as it takes, until the caller mends the wire.
func (w *cutWire) hold() (mend func()) {
	w.cutUntil(time.Now().Add(time.Hour))
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.down = time.Now()
	}
}

func (w *cutWire) cutUntil(down time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.down = down
	for c := range w.ends {
		if tcp, ok := c.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0) // a reset, as of a network that fails; what cannot be set is closed in order
		}
		c.Close()
	}
	clear(w.ends)
}
