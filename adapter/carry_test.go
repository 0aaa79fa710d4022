package adapter_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nonstick-io/nonstick/adapter"
	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/internal/deliverytest"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// life is that of a process which stands still for ever after so many calls: the last one is applied, and its answer
// lost.
type life struct {
	mu    sync.Mutex
	calls int
	end   chan struct{} // closed at the end of the test
}

// call makes a call unless the process is dead.
func (l *life) call(f func()) {
	l.mu.Lock()
	dead := l.calls == 0
	if !dead {
		l.calls--
	}
	last := !dead && l.calls == 0
	l.mu.Unlock()
	if !dead {
		f()
	}
	if dead || last {
		<-l.end
	}
}

var errDead = errors.New("dead")

// mortalStore and mortalPusher are a store and a pusher as such a process has them.
type mortalStore struct {
	*deliverytest.Store
	life *life
}

func (s mortalStore) do(f func() error) error {
	err := errDead
	s.life.call(func() { err = f() })
	return err
}

func (s mortalStore) Claim(
	ctx context.Context, name string, l sessionstore.Lease, from sessionstore.Owner, now time.Time,
) error {
	return s.do(func() error { return s.Store.Claim(ctx, name, l, from, now) })
}

func (s mortalStore) Deliver(
	ctx context.Context, id sessionstore.SessionID, p []sessionstore.Packet, l sessionstore.BufferLimits,
) error {
	return s.do(func() error { return s.Store.Deliver(ctx, id, p, l) })
}

func (s mortalStore) Close(ctx context.Context, r sessionstore.CloseRequest) (k sessionstore.Session, err error) {
	err = s.do(func() error { k, err = s.Store.Close(ctx, r); return err })
	return k, err
}

func (s mortalStore) Members(
	ctx context.Context, nsp sessionstore.Namespace, room sessionstore.Room, ids sessionstore.Range,
) iter.Seq2[sessionstore.Member, error] {
	return func(yield func(sessionstore.Member, error) bool) {
		if s.do(func() error { return nil }) != nil {
			yield(sessionstore.Member{}, errDead)
			return
		}
		s.Store.Members(ctx, nsp, room, ids)(yield)
	}
}

func (s mortalStore) Unmarked(
	ctx context.Context, nsp sessionstore.Namespace, room sessionstore.Room,
) iter.Seq2[sessionstore.Member, error] {
	return s.Members(ctx, nsp, room, sessionstore.Range{})
}

type mortalPusher struct {
	delivery.Pusher
	life *life
}

func (p mortalPusher) Push(ctx context.Context, conn sessionstore.Connection, frame string) error {
	err := errDead
	p.life.call(func() { err = p.Pusher.Push(ctx, conn, frame) })
	return err
}

// newVictim returns the adapter of a process with such a life.
func newVictim(w *world, l *life) *adapter.Adapter {
	store, pusher := mortalStore{w.Store, l}, mortalPusher{w.Pusher, l}
	closing := &delivery.Closing{Sessions: store, Pusher: pusher}
	return adapter.New(store, delivery.New(store, pusher, closing, delivery.Limits{}), adapter.Options{})
}

// hundreds is a room of 300, half of them on WebSocket, whose ids are all in the range that carriedRange is the
// number of.
type hundreds struct {
	*world
	ids []sessionstore.SessionID
}

const (
	hundredsSize = 300
	carriedRange = 2 // of "A"
	carryChunk   = 128
)

func inHundreds(t *testing.T, f func(t *testing.T, h *hundreds)) {
	t.Helper()
	inWorld(t, delivery.Limits{}, func(t *testing.T, w *world) {
		h := &hundreds{world: w}
		for i := range hundredsSize {
			id := sessionstore.SessionID(fmt.Sprintf("A%019d", i))
			if i%2 == 0 {
				w.WebSocket(id)
			} else {
				w.Polling(id)
			}
			s := w.Session(id)
			k := sessionstore.NewSocket{
				ID: sessionstore.SocketID(id), Session: id, Namespace: nsp, Rooms: []sessionstore.Room{"a"},
			}
			w.Must(w.Store.PutSocket(t.Context(), k, s.Hint(), delivery.Limits{}.WithDefaults().Socket))
			h.ids = append(h.ids, id)
		}
		f(t, h)
	})
}

func part(name string) adapter.Part {
	return adapter.Part{
		Selection: adapter.Selection{Namespace: nsp, Rooms: []sessionstore.Room{"a"}}, Range: carriedRange,
		Packet: adapter.EventOf(sessionstore.PacketID("id of "+name), string(nsp), name),
	}
}

// expect checks that every session got want, and returns how many did not and are closed instead.
func (h *hundreds) expect(want string) (closed int) {
	h.T.Helper()
	for _, id := range h.ids {
		s := h.Session(id)
		if s.State != sessionstore.Open {
			closed++
			continue
		}
		got := h.Buffered(id)
		if s.Transport == sessionstore.WebSocket {
			got = h.Pushed(id)
		}
		if got != want {
			h.T.Errorf("%s got %q, want %q", id, got, want)
		}
	}
	return closed
}

// Whenever a carrier dies, the next one sees to it that every client has the packet once, or has been cut off: no more
// of these than were being delivered to.
func TestCarrierThatDies(t *testing.T) {
	for _, calls := range []int{
		1, 2, 3, 4, 40, 65, 100, 128, 129, 130, 131, 132, 133, 200, 258, 259, 260, 261, 262, 300, 304, 305, 306, 1000,
	} {
		t.Run(fmt.Sprint(calls), func(t *testing.T) {
			inHundreds(t, func(t *testing.T, h *hundreds) {
				l := &life{calls: calls, end: make(chan struct{})}
				victim := newVictim(h.world, l)
				done := make(chan struct{})
				go func() {
					defer close(done)
					_, _ = victim.Carry(t.Context(), mortalStore{h.Store, l}, part("x")) // it dies
				}()
				synctest.Wait()
				for range 2 { // the second time, it is finished
					if _, err := h.adapter.Carry(t.Context(), h.Store, part("x")); err != nil {
						t.Errorf("carried on: %v", err)
					}
				}
				if _, err := h.adapter.Carry(t.Context(), h.Store, part("y")); err != nil {
					t.Errorf("the next part: %v", err)
				}
				closed := h.expect(`42["x"] 42["y"]`)
				if closed > carryChunk || closed > 0 && calls == 1000 {
					t.Errorf("%d clients were cut off", closed)
				}
				close(l.end)
				<-done
			})
		})
	}
}

// A carrier whose time is up leaves the rest to the next, and no client is cut off for that.
func TestCarrierWithoutTime(t *testing.T) {
	inHundreds(t, func(t *testing.T, h *hundreds) {
		h.Pusher.OnPush = func(sessionstore.Connection, string) { time.Sleep(time.Second) }
		ctx, cancel := context.WithTimeout(t.Context(), 12*time.Second)
		defer cancel()
		r, err := h.adapter.Carry(ctx, h.Store, part("x"))
		if !errors.Is(err, adapter.ErrUnfinished) || r.Delivered == 0 || r.Delivered%carryChunk != 0 {
			t.Fatalf("%+v, %v", r, err)
		}
		rest, err := h.adapter.Carry(t.Context(), h.Store, part("x"))
		if err != nil || rest.Delivered != hundredsSize-r.Delivered {
			t.Errorf("the rest: %+v, %v", rest, err)
		}
		if closed := h.expect(`42["x"]`); closed != 0 {
			t.Errorf("%d clients were cut off", closed)
		}
	})
}

// A carrier that cannot read the members, or record its progress, delivers nothing, and the next one does.
func TestCarrierInTrouble(t *testing.T) {
	for _, op := range []sessionstore.Op{sessionstore.OpMembers, sessionstore.OpClaim} {
		t.Run(op.String(), func(t *testing.T) {
			inHundreds(t, func(t *testing.T, h *hundreds) {
				throttled := deliverytest.NotDone(sessionstore.ErrThrottled)
				h.Store.Fail(op, throttled, throttled, throttled)
				r, err := h.adapter.Carry(t.Context(), h.Store, part("x"))
				if !errors.Is(err, adapter.ErrUnfinished) || r != (adapter.Result{}) {
					t.Fatalf("%+v, %v", r, err)
				}
				h.Store.Fail(op)
				if r, err := h.adapter.Carry(t.Context(), h.Store, part("x")); err != nil ||
					r.Delivered != hundredsSize {
					t.Errorf("%+v, %v", r, err)
				}
				if closed := h.expect(`42["x"]`); closed != 0 {
					t.Errorf("%d clients were cut off", closed)
				}
			})
		})
	}
}
