package nonstick_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nonstick-io/nonstick"
	"github.com/nonstick-io/nonstick/adapter"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// leavingApp notes why sockets left, and when.
func leavingApp(left map[string]string, at map[string]time.Time) func(s *nonstick.Server) {
	return func(s *nonstick.Server) {
		s.OnDisconnect(func(_ context.Context, k *nonstick.Socket, reason nonstick.Reason) error {
			left[k.ID()], at[k.ID()] = string(reason), time.Now()
			return nil
		})
	}
}

// A shutdown ends all sessions on both transports, evenly within its time, and disconnect handlers run with the reason.
// Clients that come back meanwhile are left alone.
func TestShutdown(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		left, at := map[string]string{}, map[string]time.Time{}
		s := w.server(leavingApp(left, at), patient)
		var peers []*peer
		for i := range 10 {
			if i%2 == 0 {
				peers = append(peers, w.join(s))
			} else {
				peers = append(peers, w.joinPolling(s))
			}
		}
		time.Sleep(time.Second)
		begun := time.Now()
		type outcome struct {
			ended int
			err   error
		}
		done := make(chan outcome, 1)
		go func() {
			ended, err := s.Shutdown(t.Context(), time.Minute)
			done <- outcome{ended, err}
		}()
		time.Sleep(30*time.Second - time.Millisecond)
		synctest.Wait()
		if len(left) != 5 {
			t.Errorf("%d have left after half of the time", len(left))
		}
		newcomer := w.join(s)
		if got := <-done; got.err != nil || got.ended != len(peers) {
			t.Errorf("ended %d, %v", got.ended, got.err)
		}
		for _, p := range peers {
			p.expectClosed("server shutting down")
			if left[p.id] != string(nonstick.ReasonServerShuttingDown) || at[p.id].Sub(begun) >= time.Minute {
				t.Errorf("%s left for %q after %v", p.id, left[p.id], at[p.id].Sub(begun))
			}
		}
		newcomer.expectOpen()
	})
}

// A session that is being upgraded may finish that, but not for ever.
func TestShutdownWhileUpgrading(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s := w.server(func(*nonstick.Server) {}, patient)
		upgrades, hangs := w.joinPolling(s), w.joinPolling(s)
		upgrades.probe()
		hangs.probe()
		begun := time.Now()
		done := make(chan error, 1)
		go func() {
			_, err := s.Shutdown(t.Context(), 0)
			done <- err
		}()
		time.Sleep(time.Second)
		upgrades.expectOpen()
		upgrades.send("5")
		time.Sleep(time.Second)
		upgrades.expectClosed("server shutting down")
		hangs.expectOpen()
		if err := <-done; err != nil || time.Since(begun) > 11*time.Second {
			t.Errorf("%v after %v", err, time.Since(begun))
		}
		if state := hangs.state(); state.State != sessionstore.Closed {
			t.Errorf("the session is %s", state.State)
		}
	})
}

// One that is cut short says so, and another goes on with who is left; a time that makes no sense ends no session.
func TestShutdownCutShort(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s := w.server(func(*nonstick.Server) {}, patient)
		for range 10 {
			w.join(s)
		}
		for _, over := range []time.Duration{-1, adapter.MaxShutdown + 1} {
			if ended, err := s.Shutdown(t.Context(), over); ended != 0 || !errors.Is(err, adapter.ErrShutdown) {
				t.Errorf("%v: ended %d, %v", over, ended, err)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second-time.Millisecond)
		defer cancel()
		ended, err := s.Shutdown(ctx, time.Minute)
		if ended != 5 || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("ended %d, %v", ended, err)
		}
		if ended, err = emitterOf(t, w).Shutdown(t.Context(), time.Second); ended != 5 || err != nil {
			t.Errorf("ended %d, %v", ended, err)
		}
	})
}
