package engine_test

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/nonstick-io/nonstick/gateway/engine"
	"github.com/nonstick-io/nonstick/internal/engineio"
	"github.com/nonstick-io/nonstick/internal/pushtest"
	"github.com/nonstick-io/nonstick/sessionstore"
	"github.com/nonstick-io/nonstick/sessionstore/memstore"
)

// TestParseErrorIsLogged: the log says why a session was closed, and neither what its client sent nor the session's
// id, which is a secret.
func TestParseErrorIsLogged(t *testing.T) {
	var log bytes.Buffer
	e := engine.New(engine.Config{
		Store: memstore.New(
			memstore.Options{},
		),
		Pusher: pushtest.New(), Handler: &app{}, Logger: slog.New(slog.NewTextHandler(&log, nil)),
	})
	open, err := e.Handshake(t.Context(), sessionstore.Handshake{})
	if err != nil {
		t.Fatal(err)
	}
	sid := strings.Split(open, `"`)[3]
	if err := e.Post(t.Context(), sessionstore.SessionID(sid), "xsecret"); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"parse error", "unknown packet type", "session="} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("no %q in the log: %s", want, log.String())
		}
	}
	for _, secret := range []string{"xsecret", sid} {
		if strings.Contains(log.String(), secret) {
			t.Errorf("%q is in the log: %s", secret, log.String())
		}
	}
}

// TestKnown tells sessions that are there from others.
func TestKnown(t *testing.T) {
	inWorld(t, engine.Options{}, func(t *testing.T, w *world) {
		id := w.polling()
		for _, tt := range []struct {
			id   sessionstore.SessionID
			on   engineio.Transport
			want error
		}{
			{id, engineio.Polling, nil},
			{id, engineio.WebSocket, engineio.ErrBadRequest},
			{"nobody", engineio.Polling, engineio.ErrUnknownSession},
		} {
			if err := w.engine.Known(t.Context(), tt.id, tt.on); !errors.Is(err, tt.want) {
				t.Errorf("%s on %s: %v, want %v", tt.id, tt.on, err, tt.want)
			}
		}
		w.expectState(id, "")
		w.must(w.engine.Fail(t.Context(), id, "transport error"))
		if err := w.engine.Known(t.Context(), id, engineio.Polling); !errors.Is(err, engineio.ErrUnknownSession) {
			t.Errorf("closed: %v", err)
		}
	})
}
