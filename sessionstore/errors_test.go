package sessionstore_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/nonstick-io/nonstick/sessionstore"
)

func TestInDoubt(t *testing.T) {
	conflict := &sessionstore.ConflictError{Op: sessionstore.OpBind}
	for _, c := range []struct {
		err  error
		want bool
	}{
		{nil, false},
		{sessionstore.ErrNotFound, false},
		{sessionstore.ErrExists, false},
		{sessionstore.ErrConflict, false},
		{sessionstore.ErrThrottled, false},
		{sessionstore.ErrUnavailable, false},
		{sessionstore.ErrTooLarge, false},
		{conflict, false},
		{fmt.Errorf("deliver: %w", conflict), false},
		{fmt.Errorf("swap data: %w", &sessionstore.ChangedError{}), false},
		{context.Canceled, true},
		{context.DeadlineExceeded, true},
		{errors.New("connection reset"), true},
	} {
		if got := sessionstore.InDoubt(c.err); got != c.want {
			t.Errorf("%v in doubt: %v, want %v", c.err, got, c.want)
		}
	}
}

func TestCurrent(t *testing.T) {
	err := error(
		&sessionstore.ConflictError{
			Op: sessionstore.OpBind, Session: sessionstore.Session{ID: "s", State: sessionstore.Closed},
		},
	)
	wrapped := fmt.Errorf("upgrade: %w", err)
	if s, ok := sessionstore.Current(wrapped); !ok || s.ID != "s" {
		t.Errorf("found %v %+v", ok, s)
	}
	if !errors.Is(wrapped, sessionstore.ErrConflict) || errors.Is(wrapped, sessionstore.ErrExists) {
		t.Errorf("%v matches the wrong errors", wrapped)
	}
	for _, other := range []error{nil, sessionstore.ErrConflict, context.Canceled} {
		if s, ok := sessionstore.Current(other); ok {
			t.Errorf("%v carries %+v", other, s)
		}
	}
}

func TestCurrentData(t *testing.T) {
	wrapped := fmt.Errorf("add: %w", &sessionstore.ChangedError{Data: map[string]string{"secret": "s3cret"}})
	if data, ok := sessionstore.CurrentData(wrapped); !ok || data["secret"] != "s3cret" {
		t.Errorf("found %v %q", ok, data)
	}
	if !errors.Is(wrapped, sessionstore.ErrConflict) || errors.Is(wrapped, sessionstore.ErrExists) {
		t.Errorf("%v matches the wrong errors", wrapped)
	}
	if strings.Contains(wrapped.Error(), "s3cret") {
		t.Errorf("%q would put data into a log", wrapped)
	}
	if data, ok := sessionstore.CurrentData(&sessionstore.ChangedError{}); !ok || len(data) > 0 {
		t.Errorf("without data: found %v %q", ok, data)
	}
	for _, other := range []error{nil, sessionstore.ErrConflict, &sessionstore.ConflictError{}, context.Canceled} {
		if data, ok := sessionstore.CurrentData(other); ok {
			t.Errorf("%v carries %q", other, data)
		}
	}
}

func TestNotSent(t *testing.T) {
	if err := sessionstore.NotSent(t.Context()); err != nil {
		t.Errorf("alive: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := sessionstore.NotSent(ctx)
	if !errors.Is(err, sessionstore.ErrUnavailable) || !errors.Is(err, context.Canceled) || sessionstore.InDoubt(err) {
		t.Errorf("ended: %v", err)
	}
}
