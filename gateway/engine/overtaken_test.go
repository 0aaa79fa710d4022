package engine_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/nonstick-io/nonstick/gateway/engine"
	"github.com/nonstick-io/nonstick/sessionstore"
	"github.com/nonstick-io/nonstick/sessionstore/memstore"
)

// slowClock is a store as an instance whose clock is slow uses it.
type slowClock struct{ sessionstore.Store }

func (s slowClock) Claim(
	ctx context.Context, name string, l sessionstore.Lease, from sessionstore.Owner, now time.Time,
) error {
	const slow = 400 * time.Millisecond
	l.Until = l.Until.Add(-slow)
	return s.Store.Claim(ctx, name, l, from, now.Add(-slow))
}

// The place of a frame that waits is free as soon as it waits no more: at an instance with another clock too.
func TestOvertakenPlaceIsFree(t *testing.T) {
	ctx := t.Context()
	st := memstore.New(memstore.Options{})
	if err := st.Create(
		ctx, sessionstore.NewSession{ID: "s", Transport: sessionstore.Polling, CreatedAt: time.Now()},
	); err != nil {
		t.Fatal(err)
	}
	waits := func(st sessionstore.Store, arrived bool) error {
		_, err := engine.New(engine.Config{Store: st}).
			Overtaken(
				ctx, "s", engine.WaitHeader, 100*time.Millisecond, func(*sessionstore.Session) bool { return arrived },
			)
		return err
	}
	for _, c := range []struct {
		name    string
		arrived bool
	}{{"it came", true}, {"it never came", false}} {
		if err := waits(st, c.arrived); c.arrived != (err == nil) {
			t.Errorf("%s: %v", c.name, err)
		}
		if err := waits(slowClock{st}, true); err != nil {
			t.Errorf("%s, then at an instance with a slow clock: %v", c.name, err)
		}
	}
	held := make(chan error)
	go func() { held <- waits(st, false) }()
	time.Sleep(20 * time.Millisecond)
	if err := waits(slowClock{st}, true); !errors.Is(err, engine.ErrCrowded) {
		t.Errorf("while another waits: %v", err)
	}
	<-held
}
