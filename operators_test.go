package nonstick_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nonstick-io/nonstick"
	"github.com/nonstick-io/nonstick/adapter/emitter"
)

// A handler, a program beside the server, and the server between events count and list the same sockets.
func TestWhatCountsAndListsSockets(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		kept := make(chan nonstick.Selection, 1)
		s := w.server(func(s *nonstick.Server) {
			roomApp(s)
			nonstick.OnAck(s, "count", func(ctx context.Context, k *nonstick.Socket, room string) (string, error) {
				kept <- k.To(room)
				others, err := k.To(room).Count(ctx)
				any1, err1 := k.To(room).Any(ctx)
				all, err2 := k.Namespace().Count(ctx)
				rest, err3 := k.Broadcast().Count(ctx)
				return fmt.Sprint(others, any1, all, rest), errors.Join(err, err1, err2, err3)
			})
		})
		outside := emitter.New(w.store, w.pusher, emitter.Options{})
		empty, err := outside.Any(t.Context())
		if n, err2 := s.Count(t.Context()); n != 0 || empty || errors.Join(err, err2) != nil {
			t.Errorf("before any client: %d, %v, %v", n, empty, errors.Join(err, err2))
		}
		a, b, c := w.join(s), w.joinPolling(w.server(roomApp)), w.join(s)
		a.send(`42["join",["x"]]`)
		b.send(`42["join",["x"]]`)
		a.send(`420["count","x"]`)
		a.expect(`430["1 true 3 2"]`)
		if _, err := (<-kept).Count(t.Context()); !errors.Is(err, nonstick.ErrHandlerReturned) {
			t.Errorf("a selection that was kept: %v", err)
		}
		c.send(`420["count","none"]`)
		c.expect(`430["0 false 3 2"]`)
		n, err := s.Count(t.Context())
		n2, err2 := outside.Count(t.Context())
		found, err3 := s.Any(t.Context())
		if n != 3 || n2 != 3 || !found || errors.Join(err, err2, err3) != nil {
			t.Errorf("counted %d and %d, %v, %v", n, n2, found, errors.Join(err, err2, err3))
		}
		want := []string{a.id, b.id, c.id}
		slices.Sort(want)
		for i, walk := range []func(yield func(string, error) bool){
			s.IDs(t.Context()), outside.IDs(t.Context()), idsOf(s.All(t.Context())), idsOf(outside.All(t.Context())),
		} {
			var got []string
			for id, err := range walk {
				if err != nil {
					t.Error(err)
				}
				got = append(got, id)
			}
			if slices.Sort(got); !slices.Equal(got, want) {
				t.Errorf("walk %d: %v, want %v", i, got, want)
			}
		}
	})
}

func idsOf(all func(yield func(*nonstick.RemoteSocket, error) bool)) func(yield func(string, error) bool) {
	return func(yield func(string, error) bool) {
		for s, err := range all {
			if err != nil {
				yield("", err)
				return
			}
			if !yield(s.ID(), nil) {
				return
			}
		}
	}
}

// A mistake in a name is the error of whatever is done with the selection.
func TestWalksTellOfMistakes(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s := w.server(roomApp)
		for name, wrong := range map[string]nonstick.Selection{
			"To": s.To(""), "And": s.And(""), "Except": s.Except(""),
		} {
			_, errCount := wrong.Count(t.Context())
			_, errAny := wrong.Any(t.Context())
			errs := []error{errCount, errAny}
			for _, err := range wrong.IDs(t.Context()) {
				errs = append(errs, err)
			}
			for _, err := range wrong.All(t.Context()) {
				errs = append(errs, err)
			}
			if len(errs) != 4 {
				t.Errorf("%s: %v", name, errs)
			}
			for _, err := range errs {
				if !errors.Is(err, nonstick.ErrRoomName) {
					t.Errorf("%s: %v", name, err)
				}
			}
		}
	})
}

// tick has the application emit volatile events: to the socket itself, to the others, and to all; and what it answers.
func tick(s *nonstick.Server) {
	roomApp(s)
	nonstick.On(s, "tick", func(ctx context.Context, k *nonstick.Socket, to string) error {
		switch to {
		case "me":
			return k.Volatile().Emit(ctx, "tick", to)
		case "me and more":
			return errors.Join(
				k.Emit(ctx, "kept"), k.Volatile().Compress(true).Timeout(1).Emit(ctx, "tick", to), k.Send(ctx, 1),
				k.Volatile().Send(ctx, 2),
			)
		case "others":
			return k.Volatile().Broadcast().Emit(ctx, "tick", to)
		case "room":
			return errors.Join(
				k.Volatile().To("x").Emit(ctx, "tick", to), k.Compress(false).Volatile().In("none").Emit(ctx, "tick"),
				k.Volatile().And("x", "none").Emit(ctx, "tick"), k.Volatile().Except("x").Emit(ctx, "tick", "rest"),
			)
		case "all":
			return k.Namespace().Local().Volatile().Emit(ctx, "tick", to)
		default:
			other, err := s.Socket(ctx, to)
			if err != nil {
				return err
			}
			return errors.Join(
				other.Volatile().Emit(ctx, "tick", "you"), other.Local().Compress(true).Send(ctx, "for sure"),
			)
		}
	})
}

// whileParked has something happen while a GET is parked, and returns what the client gets by that and by what follows.
func (c *peer) whileParked(happen func()) string {
	c.w.t.Helper()
	done := make(chan []string)
	go func() { done <- c.take() }()
	synctest.Wait()
	happen()
	got := <-done
	if s := c.state(); len(s.Pending()) > 0 {
		got = append(got, c.take()...)
	}
	return strings.Join(got, " ")
}

// Volatile events of a handler reach its own client and others if these can take them at that moment; what else it
// emits reaches them as ever.
func TestVolatileOfAHandler(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		ws, away := w.join(w.server(tick)), w.joinPolling(w.server(tick))
		ws.send(`42["join",["x"]]`)
		away.send(`42["join",["x"]]`)
		for _, to := range []string{"me", "others", "room", "all"} {
			ws.send(`42["tick","` + to + `"]`)
		}
		ws.expect(`42["tick","me"]`, `42["tick","all"]`)
		if s := away.state(); len(s.Pending()) > 0 {
			t.Errorf("%d packets wait for a client that is away", len(s.Pending()))
		}
		ws.send(`42["tick","` + away.id + `"]`)
		away.expect(`42["message","for sure"]`)
		away.send(`42["tick","me"]`, `42["tick","me and more"]`) // no GET is parked
		away.expect(`42["kept"]`, `42["message",1]`)
		away.expectOpen()
		for _, step := range []struct {
			by   *peer
			to   string
			want string
		}{
			{ws, "others", `42["tick","others"]`},
			{ws, "room", `42["tick","room"]`},
			{ws, "all", `42["tick","all"]`},
			{ws, away.id, `42["tick","you"] 42["message","for sure"]`},
			{away, "me", `42["tick","me"]`},
			{away, "me and more", `42["kept"] 42["tick","me and more"] 42["message",1] 42["message",2]`},
		} {
			got := away.whileParked(func() { step.by.send(`42["tick","` + step.to + `"]`) })
			if got != step.want {
				t.Errorf("%s to a client that waits: %q, want %q", step.to, got, step.want)
			}
		}
		ws.take()
		ws.send(`42["tick","me and more"]`)
		ws.expect(`42["kept"]`, `42["tick","me and more"]`, `42["message",1]`, `42["message",2]`)
	})
}

// A selection, a socket or an operator that another was made of stays what it was, also where many are made at once.
func TestChainsAreImmutable(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s := w.server(roomApp)
		away := w.joinPolling(s)
		away.send(`42["join",["x","y"]]`)
		base := s.To("x", "none").And("x").Except("none")
		found, err := s.Socket(t.Context(), away.id)
		if err != nil {
			t.Fatal(err)
		}
		var group sync.WaitGroup
		for i := range 16 {
			group.Go(func() {
				own := fmt.Sprint("own", i)
				narrowed := base.To(own).And(own, "y").Except("x").Volatile().Timeout(time.Second)
				n, err := narrowed.Count(t.Context())
				err = errors.Join(
					err, narrowed.Emit(t.Context(), "news", i), found.Volatile().Timeout(1).Emit(t.Context(), "news"),
				)
				if n != 0 || err != nil {
					t.Errorf("selected %d, %v", n, err)
				}
				if n, err := base.Count(t.Context()); n != 1 || err != nil {
					t.Errorf("the base selects %d, %v", n, err)
				}
			})
		}
		group.Wait()
		if s := away.state(); len(s.Pending()) > 0 {
			t.Errorf("%d packets came of what was derived", len(s.Pending()))
		}
		err = errors.Join(base.Emit(t.Context(), "news", "base"), found.Emit(t.Context(), "news", "found"))
		if err != nil {
			t.Error(err)
		}
		away.expect(`42["news","base"]`, `42["news","found"]`) // neither has become volatile
	})
}

// A modifier of a socket in its handler makes another value, and one that is kept is good for nothing.
func TestOperatorsAreValues(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		kept := make(chan nonstick.Operator, 1)
		away := w.joinPolling(w.server(func(s *nonstick.Server) {
			nonstick.On(s, "go", func(ctx context.Context, k *nonstick.Socket, _ nonstick.Args) error {
				base := k.Compress(true)
				_ = base.Volatile().Timeout(time.Second)
				kept <- base
				return base.Emit(ctx, "kept") // not volatile
			})
		}))
		away.send(`42["go"]`)
		away.expect(`42["kept"]`)
		if err := (<-kept).Volatile().Emit(t.Context(), "late"); !errors.Is(err, nonstick.ErrHandlerReturned) {
			t.Errorf("emit by an operator that was kept: %v", err)
		}
	})
}

// A socket is in the room of its own id, which costs no read, and is not among those that it has joined.
func TestOwnRoom(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s := w.server(func(s *nonstick.Server) {
			nonstick.OnAck(s, "own", func(ctx context.Context, k *nonstick.Socket, _ nonstick.Args) (string, error) {
				before := w.meter.Total()
				in, err := k.InRoom(ctx, k.ID())
				reads := w.meter.Total().Sub(before).Reads
				rooms, err2 := k.Rooms(ctx)
				return fmt.Sprint(in, reads, rooms), errors.Join(err, err2)
			})
		})
		c := w.join(s)
		c.send(`420["own"]`)
		c.expect(`430["true 0 []"]`)
		if n, err := s.To(c.id).And(c.id).Count(t.Context()); n != 1 || err != nil {
			t.Errorf("selected %d, %v", n, err)
		}
	})
}
