package costs

import (
	"context"
	"fmt"
	"regexp"
	"sync"
	"testing"
	"time"

	"github.com/nonstick-io/nonstick"
	"github.com/nonstick-io/nonstick/adapter/emitter"
)

var question = regexp.MustCompile(`^42(\d+)\["question"`)

// asked waits until a client was asked, and returns the id.
func (c *client) asked() string {
	c.w.t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		for _, frame := range c.w.pusher.Take(c.conn) {
			if m := question.FindStringSubmatch(frame); m != nil {
				return m[1]
			}
		}
	}
	c.w.t.Fatal("not asked")
	return ""
}

// roomOf has so many clients join a room.
func (w *world) roomOf(n int, room string) []*client {
	w.t.Helper()
	members := make([]*client, n)
	for i := range members {
		members[i] = w.webSocket()
		members[i].send("40", fmt.Sprintf(`42["join",[%q]]`, room))
		w.pusher.Take(members[i].conn)
	}
	return members
}

// TestAsks holds what acknowledgements cost that the server waits for: one awaited takes at most 2 writes, and a
// question to a room one more than its members, the answers among them. Reads are those of the members, one or two for
// each answer, and those of the wait, which depend on how long that is.
func TestAsks(t *testing.T) {
	for _, s := range stores {
		t.Run(s.name, func(t *testing.T) {
			w := newWorld(t, s.make)
			const n = 5
			members := w.roomOf(n, "room")
			for _, c := range []struct {
				name   string
				asked  int
				writes int64
				ask    func(ctx context.Context) error
			}{
				{"EmitWithAck", 1, 2, func(ctx context.Context) error {
					return awaited(ctx, w.server, idOf(w, members[0]))
				}},
				{"EmitWithAcks", n, 1 + n, func(ctx context.Context) error {
					r, err := nonstick.EmitWithAcks[int](ctx, w.server.To("room"), "question")
					if len(r.Answered) != n {
						t.Errorf("answered by %d", len(r.Answered))
					}
					return err
				}},
			} {
				got := w.spend(func() {
					var asking sync.WaitGroup
					asking.Go(func() {
						if err := c.ask(t.Context()); err != nil {
							t.Errorf("%s: %v", c.name, err)
						}
					})
					for _, m := range members[:c.asked] {
						m.send("43" + m.asked() + "[1]")
					}
					asking.Wait()
				})
				if got.writes != c.writes || got.wru > float64(c.writes) {
					t.Errorf(
						"%s: %d writes for %g units, want %d:\n%s",
						c.name,
						got.writes,
						got.wru,
						c.writes,
						got.calls,
					)
				}
			}
		})
	}
}

func awaited(ctx context.Context, s *nonstick.Server, id string) error {
	k, err := s.Socket(ctx, id)
	if err != nil {
		return err
	}
	_, err = nonstick.EmitWithAck[int](ctx, k, "question")
	return err
}

// idOf returns the id of a client's socket in the main namespace.
func idOf(w *world, c *client) string {
	w.t.Helper()
	state := c.state()
	k, _ := state.Socket("/")
	return string(k.ID)
}

// TestOutside: an emit from another program costs what it costs from a server.
func TestOutside(t *testing.T) {
	for _, s := range stores {
		t.Run(s.name, func(t *testing.T) {
			w := newWorld(t, s.make)
			members := w.roomOf(3, "room")
			outside := emitter.New(w.store, w.pusher, emitter.Options{})
			remote, err := outside.Socket(t.Context(), idOf(w, members[0]))
			w.must(err)
			inside, err := w.server.Socket(t.Context(), idOf(w, members[0]))
			w.must(err)
			for _, c := range []struct {
				name            string
				inside, outside func() error
			}{
				{
					"Emit to a room", func() error { return w.server.To("room").Emit(t.Context(), "e", 1) },
					func() error { return outside.To("room").Emit(t.Context(), "e", 1) },
				},
				{
					"Emit to all", func() error { return w.server.Emit(t.Context(), "e", 1) },
					func() error { return outside.Emit(t.Context(), "e", 1) },
				},
				{
					"Emit to one", func() error { return inside.Emit(t.Context(), "e", 1) },
					func() error { return remote.Emit(t.Context(), "e", 1) },
				},
				{
					"Join", func() error { return w.server.To("room").Join(t.Context(), "a") },
					func() error { return outside.To("room").Join(t.Context(), "b") },
				},
				{"Fetch", func() error {
					_, err := w.server.To("room").Fetch(t.Context(), 10)
					return err
				}, func() error {
					_, err := outside.To("room").Fetch(t.Context(), 10)
					return err
				}},
			} {
				pushes := w.pusher.Pushes()
				in := w.spend(func() { w.must(c.inside()) })
				between := w.pusher.Pushes()
				out := w.spend(func() { w.must(c.outside()) })
				after := w.pusher.Pushes()
				if in.reads != out.reads || in.writes != out.writes || between-pushes != after-between {
					t.Errorf(
						"%s: inside %d reads, %d writes and %d pushes; outside %d, %d and %d",
						c.name,
						in.reads,
						in.writes,
						between-pushes,
						out.reads,
						out.writes,
						after-between,
					)
				}
			}
		})
	}
}
