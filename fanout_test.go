package nonstick_test

import (
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/nonstick-io/nonstick"
	"github.com/nonstick-io/nonstick/adapter"
	"github.com/nonstick-io/nonstick/adapter/emitter"
)

// line is a queue for the parts of large broadcasts.
type line struct {
	mu     sync.Mutex
	bodies []string
}

func (q *line) Send(_ context.Context, m adapter.FanoutMessage) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.bodies = append(q.bodies, m.Body)
	return nil
}

// carry delivers what is queued, from outside.
func (q *line) carry(t *testing.T, w *world) {
	t.Helper()
	q.carryBy(t, emitter.New(w.store, w.pusher, emitter.Options{}))
}

func (q *line) carryBy(t *testing.T, e *emitter.Emitter) {
	t.Helper()
	for _, body := range q.bodies {
		p, err := adapter.ParsePart(body)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := e.Carry(t.Context(), p); err != nil {
			t.Error(err)
		}
	}
	q.bodies = nil
}

// A broadcast that is queued reaches the socket whose handler emits it in the order of the handler's emits, and once.
func TestLargeBroadcastOfAHandler(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		q := &line{}
		s := w.server(func(s *nonstick.Server) {
			n := s.Namespace
			n.OnDisconnect(func(ctx context.Context, _ *nonstick.Socket, reason nonstick.Reason) error {
				return n.Emit(ctx, "left", reason)
			})
			nonstick.OnAck(n, "all", func(ctx context.Context, k *nonstick.Socket, _ nonstick.Args) (string, error) {
				if err := k.Emit(ctx, "before", 1); err != nil {
					return "", err
				}
				return "done", k.Namespace().Emit(ctx, "news", 2)
			})
			nonstick.On(
				n, "all, then one",
				func(ctx context.Context, k *nonstick.Socket, id string) error {
					n := k.Namespace()
					if err := n.Emit(ctx, "news", 4); err != nil {
						return err
					}
					return n.To(id).Emit(ctx, "news", 5)
				},
			)
			nonstick.OnAck(n, "others", func(ctx context.Context, k *nonstick.Socket, _ nonstick.Args) (string, error) {
				return "done", k.Broadcast().Emit(ctx, "news", 3)
			})
		}, func(c *nonstick.Config) { c.Fanout, c.LargeRoom = q, 2 })
		a, b, c := w.join(s), w.join(s), w.joinPolling(s)

		a.send(`421["all"]`)
		a.expect(`42["before",1]`, `42["news",2]`, `431["done"]`)
		b.expect()
		if len(q.bodies) != 16 {
			t.Fatalf("%d messages are queued", len(q.bodies))
		}
		q.carry(t, w)
		a.expect()
		b.expect(`42["news",2]`)
		c.expect(`42["news",2]`)

		d := w.join(s)
		a.send(`422["others"]`)
		a.expect(`432["done"]`)
		q.carry(t, w)
		a.expect()
		for _, other := range []*peer{b, c, d} {
			other.expect(`42["news",3]`)
		}

		a.send(`423["all, then one","` + b.id + `"]`)
		if len(q.bodies) != 16+1 {
			t.Errorf("%d messages are queued", len(q.bodies))
		}
		q.carry(t, w)
		a.expect(`42["news",4]`, `433[]`)
		b.expect(`42["news",4]`, `42["news",5]`)
		c.expect(`42["news",4]`)
		d.expect(`42["news",4]`)

		if err := a.try("41"); err != nil {
			t.Error(err)
		}
		q.carry(t, w)
		b.expect(`42["left","client namespace disconnect"]`)
		if strings.Contains(w.log.String(), "level=ERROR") {
			t.Error(w.log.String())
		}
	})
}
