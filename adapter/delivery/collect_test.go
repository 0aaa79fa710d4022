package delivery_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/internal/deliverytest"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// collected is a world with the polling session S, for which two packets are collected.
func collected(w *world) (*delivery.Collection, delivery.Target) {
	w.T.Helper()
	w.Polling(sid)
	to := delivery.Target{Session: sid}
	c := w.Delivery.Collect(to)
	_, err := c.Deliver(w.T.Context(), to, []sessionstore.Packet{w.Packet("4a"), w.Packet("4b")})
	w.Must(err)
	return c, to
}

// What is collected leaves at the end as one entry, or before anything else that is delivered to the session.
func TestCollect(t *testing.T) {
	inWorld(t, delivery.Limits{}, func(t *testing.T, w *world) {
		c, to := collected(w)
		if got := w.Buffered(sid); got != "" {
			t.Errorf("at once: %q", got)
		}
		_, err := w.Delivery.Deliver(t.Context(), to, []sessionstore.Packet{w.Packet("4other")})
		w.Must(err)
		if got := w.Buffered(sid); got != "4a 4b 4other" {
			t.Errorf("before another: %q", got)
		}
		_, err = c.Deliver(t.Context(), to, []sessionstore.Packet{w.Packet("4c")})
		w.Must(err)
		w.Must(c.End(t.Context()))
		_, err = c.Deliver(t.Context(), to, []sessionstore.Packet{w.Packet("4late")})
		w.Must(err)
		if got := w.Buffered(sid); got != "4a 4b 4other 4c 4late" {
			t.Errorf("in the end: %q", got)
		}
		if n := len(w.Session(sid).Buffer); n != 4 {
			t.Errorf("%d entries, want 4", n)
		}
	})
}

// What another delivery could not take along stays with its owner, who delivers it or learns why not.
func TestCollectedStaysAfterAFailure(t *testing.T) {
	inWorld(t, delivery.Limits{}, func(t *testing.T, w *world) {
		c, to := collected(w)
		throttled := deliverytest.NotDone(sessionstore.ErrThrottled) // as often as one delivery tries
		w.Store.Fail(sessionstore.OpDeliver, throttled, throttled, throttled, throttled, throttled, throttled)
		_, err := w.Delivery.Deliver(t.Context(), to, []sessionstore.Packet{w.Packet("4other")})
		if !errors.Is(err, sessionstore.ErrThrottled) {
			t.Errorf("while the store refuses: %v", err)
		}
		w.Must(c.End(t.Context()))
		if got := w.Buffered(sid); got != "4a 4b" {
			t.Errorf("then: %q", got)
		}
	})
}

// A session whose own packets take long to write holds no broadcast up for long, and is not closed for it.
func TestCollectedIsWaitedForBriefly(t *testing.T) {
	inWorld(t, delivery.Limits{}, func(t *testing.T, w *world) {
		c, to := collected(w)
		throttled := deliverytest.NotDone(sessionstore.ErrThrottled)
		w.Store.Fail(sessionstore.OpDeliver, throttled, throttled, throttled, throttled, throttled)
		ended := make(chan error, 1)
		go func() { ended <- c.End(t.Context()) }()
		time.Sleep(time.Millisecond) // it has begun
		one := w.Delivery.With(func(ctx context.Context, push delivery.Try) error {
			_, err := push(ctx)
			return err
		}, w.Delivery.Closing().Close)
		begun := time.Now()
		_, err := one.Deliver(t.Context(), to, []sessionstore.Packet{w.Packet("4other")})
		if took := time.Since(begun); took > 2*time.Second {
			t.Errorf("it took %v", took)
		}
		w.Must(<-ended)
		if s := w.Session(sid); s.State != sessionstore.Open {
			t.Errorf("the session is %s", s.State)
		}
		got := w.Buffered(sid)
		if !strings.HasPrefix(got, "4a 4b") || (err == nil) != strings.HasSuffix(got, "4other") {
			t.Errorf("%q, %v", got, err)
		}
		if err != nil && !errors.Is(err, delivery.ErrHeldUp) {
			t.Errorf("held up: %v", err)
		}
	})
}
