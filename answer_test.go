package nonstick_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/nonstick-io/nonstick"
)

// TestAnswerThatCannotBeSent: the client that asked is told, and keeps its connection.
func TestAnswerThatCannotBeSent(t *testing.T) {
	app := func(s *nonstick.Server) {
		n := s.Namespace
		n.OnConnect(func(ctx context.Context, k *nonstick.Socket) error {
			if auth, err := k.Auth(ctx); auth == nil || err != nil {
				return err
			}
			return &nonstick.Error{Message: strings.Repeat("x", 200_000)}
		})
		nonstick.OnAck(n, "large", func(_ context.Context, _ *nonstick.Socket, size int) (string, error) {
			return strings.Repeat("x", size), nil
		})
		nonstick.OnAck(n, "binary", func(context.Context, *nonstick.Socket, nonstick.Args) (nonstick.Binary, error) {
			return nonstick.Binary("abc"), nil
		})
		nonstick.On(n, "refuse", func(context.Context, *nonstick.Socket, nonstick.Args) error {
			return &nonstick.Error{Message: strings.Repeat("x", 200_000)}
		})
		nonstick.On(n, "no JSON", func(context.Context, *nonstick.Socket, nonstick.Args) error {
			return &nonstick.Error{Message: "no", Data: json.RawMessage("{")}
		})
	}
	for _, transport := range []string{"websocket", "polling"} {
		t.Run(transport, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				p := w.joinOn(w.server(app), transport)
				p.send(`421["large",200000]`)
				p.expect(`431[{"message":"Acknowledgement too large"}]`)
				p.send(`422["refuse"]`)
				p.expect(`432[{"message":"Acknowledgement too large"}]`)
				p.send(`423["binary"]`)
				p.expect(`433[{"message":"Acknowledgement with binary data"}]`)
				p.send(`424["no JSON"]`)
				p.send("41", `40{"refuse":true}`)
				p.expect(`44{"message":"Internal server error"}`)
				p.expectOpen()
			})
		})
	}
}
