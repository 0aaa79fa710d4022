package nonstick_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/nonstick-io/nonstick"
)

// tokenApp lets sockets in for a minute, and asks for a new token at the end, or disconnects.
func tokenApp(told *[]string) func(s *nonstick.Server) {
	return func(s *nonstick.Server) {
		s.OnConnect(func(ctx context.Context, k *nonstick.Socket) error {
			return k.ExpireAt(ctx, time.Now().Add(time.Minute))
		})
		nonstick.On(s, "token", func(ctx context.Context, k *nonstick.Socket, seconds int) error {
			if seconds == 0 {
				return k.ExpireAt(ctx, time.Time{})
			}
			return k.ExpireAt(ctx, time.Now().Add(time.Duration(seconds)*time.Second))
		})
		s.OnExpire(func(ctx context.Context, k *nonstick.RemoteSocket) error {
			note(told, k.ID())
			return k.Emit(ctx, "token?")
		})
		other := s.Of("/other")
		other.OnExpire(func(ctx context.Context, k *nonstick.RemoteSocket) error { return k.Disconnect(ctx, true) })
		other.OnConnect(func(ctx context.Context, k *nonstick.Socket) error {
			return k.ExpireAt(ctx, time.Now().Add(time.Minute))
		})
		none := s.Of("/none")
		none.OnConnect(func(ctx context.Context, k *nonstick.Socket) error { return k.ExpireAt(ctx, time.Now()) })
	}
}

// A socket whose time is over is told to the hook once, on whichever instance sweeps; put off, or for ever, it is not.
func TestExpireAt(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var told []string
		one, two := w.server(tokenApp(&told), patient), w.server(tokenApp(&told), patient)
		ends, renews, stays, leaves := w.join(one), w.join(one), w.join(two), w.joinPolling(two)
		renews.send(`42["token",90]`)
		stays.send(`42["token",0]`)
		leaves.send("41")
		time.Sleep(59 * time.Second)
		w.sweep(one, 500*time.Millisecond)
		if len(told) > 0 {
			t.Errorf("told %q", told)
		}
		time.Sleep(time.Second)
		w.sweep(two, 2*time.Second)
		w.sweep(one, 2*time.Second)
		if want := []string{ends.id}; !slices.Equal(told, want) {
			t.Errorf("told %q, want %q", told, want)
		}
		ends.expect(`42["token?"]`)
		ends.send(`42["token",10]`)
		time.Sleep(30 * time.Second)
		w.sweep(one, 5*time.Second)
		slices.Sort(told)
		want := []string{ends.id, ends.id, renews.id}
		slices.Sort(want)
		if !slices.Equal(told, want) {
			t.Errorf("told %q, want %q", told, want)
		}
		stays.expect()
		stays.expectOpen()
	})
}

// A time that is set anew in the hook, a second later, is kept to: what was done a moment ago does not hold it up.
func TestExpireAtSoonAgain(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var told []string
		s := w.server(tokenApp(&told), patient)
		p := w.join(s)
		time.Sleep(time.Minute)
		for want := 1; want <= 3; want++ {
			w.sweep(s, 100*time.Millisecond)
			if len(told) != want {
				t.Fatalf("told %d times, want %d", len(told), want)
			}
			p.send(`42["token",1]`)
			time.Sleep(time.Second)
		}
	})
}

// A hook may disconnect the socket; from outside the time is set too; without a hook it is refused.
func TestExpireAtDisconnects(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var told []string
		s := w.server(tokenApp(&told), patient)
		p, q := w.open(s), w.join(s)
		p.send("40/other")
		p.take()
		p.send("40/none")
		p.expect(`44/none,{"message":"Internal server error"}`)
		remote, err := emitterOf(t, w).Socket(t.Context(), q.id)
		if err != nil {
			t.Fatal(err)
		}
		if err := remote.ExpireAt(t.Context(), time.Now().Add(30*time.Second)); err != nil {
			t.Error(err)
		}
		time.Sleep(30 * time.Second)
		w.sweep(s, time.Second)
		q.expect(`42["token?"]`)
		time.Sleep(30 * time.Second)
		w.sweep(s, 3*time.Second)
		p.expectClosed("server namespace disconnect")
		q.expectOpen()
		q.send("41")
		if err := remote.ExpireAt(t.Context(), time.Now()); !errors.Is(err, nonstick.ErrDisconnected) {
			t.Errorf("error %v", err)
		}
	})
}
