package suites

import (
	"context"
	"encoding/json"
	"time"

	"github.com/nonstick-io/nonstick"
)

// texts are what "getUtf8" is answered with: characters of one to four bytes, composed and not.
var texts = []string{"plain", "Grüße, Ærø", "ἀγορά и борщ", "漢字かな交じり", "e\u0301 \u2014 \U0001F9ED"}

// handshake is what a client connected with.
type handshake struct {
	nonstick.Handshake
	Auth json.RawMessage `json:"auth"`
}

func handshakeOf(ctx context.Context, s *nonstick.Socket) (handshake, error) {
	h, err := s.Handshake(ctx)
	if err != nil {
		return handshake{}, err
	}
	auth, err := s.Auth(ctx)
	return handshake{h, auth}, err
}

// gotIt is the event that says that the client has acknowledged "ack" rightly: with 5 and {"test": true}.
const gotIt = "got it"

// events sets those without binary data:
//
//   - hi comes back, false comes back with false;
//   - echo acknowledges with its argument, getHandshake with what the client connected with, getAckDate with the time;
//   - getDate emits "takeDate" with the time, getDateObj "takeDateObj" with it in an object, getUtf8 "takeUtf8" with
//     each of several texts;
//   - ack emits "ack" and asks for an acknowledgement, after which comes "got it". It is not acknowledged itself.
func events(n nonstick.Registrar) {
	emits(n, "hi", "hi")
	emits(n, "false", "false", false)
	nonstick.OnAck(n, "echo", func(_ context.Context, _ *nonstick.Socket, v any) (any, error) { return v, nil })
	nonstick.OnAck(
		n, "getHandshake", func(ctx context.Context, s *nonstick.Socket, _ nonstick.Args) (handshake, error) {
			return handshakeOf(ctx, s)
		},
	)
	dates(n)
	nonstick.On(n, "getUtf8", func(ctx context.Context, s *nonstick.Socket, _ nonstick.Args) error {
		for _, text := range texts {
			if err := s.Emit(ctx, "takeUtf8", text); err != nil {
				return err
			}
		}
		return nil
	})
	nonstick.On(n, "ack", func(ctx context.Context, s *nonstick.Socket, _ nonstick.Args) error {
		if err := nonstick.EmitThen(ctx, s, "ack", gotIt, struct{}{}); err != nil {
			return err
		}
		return nonstick.ErrUnhandled // returning nil would acknowledge
	})
	nonstick.OnReply(n, gotIt, answered)
}

// emits sets an event for which the sender gets another.
func emits(n nonstick.Registrar, event, back string, args ...any) {
	nonstick.On(n, event, func(ctx context.Context, s *nonstick.Socket, _ nonstick.Args) error {
		return s.Emit(ctx, back, args...)
	})
}

// dates sets the events that tell the time, which JSON has no type for: it comes as a string.
func dates(n nonstick.Registrar) {
	nonstick.OnAck(n, "getAckDate", func(context.Context, *nonstick.Socket, nonstick.Args) (time.Time, error) {
		return time.Now(), nil
	})
	nonstick.On(n, "getDate", func(ctx context.Context, s *nonstick.Socket, _ nonstick.Args) error {
		return s.Emit(ctx, "takeDate", time.Now())
	})
	nonstick.On(n, "getDateObj", func(ctx context.Context, s *nonstick.Socket, _ nonstick.Args) error {
		return s.Emit(ctx, "takeDateObj", map[string]time.Time{"date": time.Now()})
	})
}

// outcome is the second thing that a client acknowledges "ack" with.
type outcome struct {
	Test bool `json:"test"`
}

func answered(ctx context.Context, s *nonstick.Socket, answer nonstick.Args2[int, outcome], _ struct{}) error {
	if answer.First != 5 || !answer.Second.Test {
		return nil
	}
	return s.Emit(ctx, gotIt)
}
