package deliverytest

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/internal/pushtest"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// World is a store with sessions, connections, and a delivery over them.
type World struct {
	T        *testing.T
	Store    *Store
	Pusher   *pushtest.Pusher
	Closing  *delivery.Closing // finishes what it closes
	Delivery *delivery.Delivery
	packets  int

	mu       sync.Mutex
	finished int
}

// Run runs a test in a synctest bubble, with a world of its own.
func Run(t *testing.T, limits delivery.Limits, f func(t *testing.T, w *World)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &World{T: t, Store: NewStore(), Pusher: pushtest.New()}
		w.Closing = &delivery.Closing{Sessions: w.Store, Pusher: w.Pusher, Finish: w.finish}
		w.Delivery = delivery.New(w.Store, w.Pusher, w.Closing, limits)
		f(t, w)
	})
}

func (w *World) finish(ctx context.Context, old sessionstore.Session, lease sessionstore.Lease) error {
	w.mu.Lock()
	w.finished++
	w.mu.Unlock()
	return w.Store.Finish(ctx, old.ID, lease.Owner, time.Now().Add(time.Minute))
}

// Finished returns how many closed sessions were finished, each time counted.
func (w *World) Finished() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.finished
}

// ForgetFinished starts the count of Finished anew.
func (w *World) ForgetFinished() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.finished = 0
}

// Must ends the test if there is an error.
func (w *World) Must(err error) {
	w.T.Helper()
	if err != nil {
		w.T.Fatal(err)
	}
}

// Conn returns the connection of a name, at an endpoint that all share.
func Conn(name string) sessionstore.Connection {
	return sessionstore.Connection{ID: name, Endpoint: "http://127.0.0.1"}
}

// Polling makes a session on polling.
func (w *World) Polling(id sessionstore.SessionID) sessionstore.SessionID {
	w.T.Helper()
	now := time.Now()
	w.Must(
		w.Store.Create(
			w.T.Context(),
			sessionstore.NewSession{
				ID: id, Transport: sessionstore.Polling, CreatedAt: now, PingAt: now.Add(time.Minute),
			},
		),
	)
	return id
}

// WebSocket makes a session on the connection of the same name.
func (w *World) WebSocket(id sessionstore.SessionID) sessionstore.SessionID {
	w.T.Helper()
	now := time.Now()
	w.Must(w.Store.Create(w.T.Context(), sessionstore.NewSession{
		ID: id, Transport: sessionstore.WebSocket, Conn: Conn(string(id)), CreatedAt: now, PingAt: now.Add(time.Minute),
	}))
	return id
}

// Held makes a session that has been upgraded and is being flushed to.
func (w *World) Held(id sessionstore.SessionID) sessionstore.SessionID {
	w.T.Helper()
	w.Polling(id)
	now := time.Now()
	c := Conn(string(id))
	w.Must(w.Store.Bind(w.T.Context(), id, sessionstore.Candidate{Conn: c, Until: now.Add(time.Minute)}, now))
	_, err := w.Store.Upgrade(w.T.Context(), id, c, sessionstore.Lease{Owner: "flusher", Until: now.Add(time.Minute)})
	w.Must(err)
	return id
}

// Session reads a session, whatever faults are left.
func (w *World) Session(id sessionstore.SessionID) sessionstore.Session {
	w.T.Helper()
	s, err := w.Store.Store.Get(context.Background(), id, time.Now())
	w.Must(err)
	return s
}

// Buffered returns the frames in a session's buffer.
func (w *World) Buffered(id sessionstore.SessionID) string {
	w.T.Helper()
	var frames []string
	for _, p := range w.Session(id).Buffer {
		frames = append(frames, p.Frames...)
	}
	return strings.Join(frames, " ")
}

// Pushed returns the frames that a session's connection was sent since the last call.
func (w *World) Pushed(id sessionstore.SessionID) string {
	return strings.Join(w.Pusher.Take(Conn(string(id))), " ")
}

// Packet makes a packet of frames, with an id of its own.
func (w *World) Packet(frames ...string) sessionstore.Packet {
	w.packets++
	return sessionstore.Packet{ID: sessionstore.PacketID(fmt.Sprint("p", w.packets)), Frames: frames}
}
