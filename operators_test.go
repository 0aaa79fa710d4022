package nonstick_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

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
