package nonstick_test

import (
	"context"
	"errors"
	"testing"

	"github.com/nonstick-io/nonstick"
	"github.com/nonstick-io/nonstick/internal/engineio"
	"github.com/nonstick-io/nonstick/internal/pushtest"
	"github.com/nonstick-io/nonstick/sessionstore"
	"github.com/nonstick-io/nonstick/sessionstore/memstore"
)

// A client that AllowRequest refuses is told so, on both transports, and leaves nothing behind.
func TestAllowRequest(t *testing.T) {
	tests := []struct {
		name    string
		err     error
		message string // what the client is told; empty if it is let in
	}{
		{"let in", nil, ""},
		{"refused with a message", &nonstick.Error{Message: "not from here"}, "not from here"},
		{"refused without", errors.New("the database is at 10.0.0.1"), "Forbidden"},
		{"refused in the protocol's words", engineio.ErrBadRequest, "Bad request"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			meter := &sessionstore.Meter{}
			var asked []string
			srv := nonstick.New(nonstick.Config{
				Store: memstore.New(memstore.Options{Meter: meter}), Pusher: pushtest.New(),
			})
			srv.AllowRequest(func(_ context.Context, h nonstick.Handshake) error {
				asked = append(asked, h.Headers["origin"])
				return tt.err
			})
			h := sessionstore.Handshake{Headers: map[string]string{"origin": "https://a.example"}}
			_, pollErr := srv.Engine().Handshake(t.Context(), h)
			_, wsErr := srv.Engine().Connect(t.Context(), sessionstore.Connection{ID: "c", Endpoint: "e"}, h)
			for _, err := range []error{pollErr, wsErr} {
				if tt.message == "" {
					if err != nil {
						t.Errorf("error = %v, want none", err)
					}
					continue
				}
				refusal, ok := errors.AsType[*engineio.Error](err)
				if !ok || refusal.Message != tt.message {
					t.Errorf("error = %v, want one with the message %q", err, tt.message)
				}
			}
			if len(asked) != 2 || asked[0] != "https://a.example" || asked[1] != asked[0] {
				t.Errorf("asked about %q, want both requests", asked)
			}
			if writes := meter.Total().Writes; (writes == 0) != (tt.message != "") {
				t.Errorf("%d writes", writes)
			}
		})
	}
}
