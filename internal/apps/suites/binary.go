package suites

import (
	"context"
	"errors"

	"github.com/nonstick-io/nonstick"
)

// given is what "doge" and "getbin" are answered with.
const given = "asdfasdf"

// mixed is an argument of text and binary data.
type mixed struct {
	Hello   string          `json:"hello"`
	Message nonstick.Binary `json:"message"`
	Goodbye string          `json:"goodbye"`
}

// binary sets the events with binary data:
//
//   - doge emits "doge" with some, getbin "takebin";
//   - buffa takes some and emits "buffack", jsonbuff takes some between texts and emits "jsonbuff-ack";
//   - abuff1 takes some, and abuff2 emits "abuff2-ack" if abuff1 came before it.
func binary(n nonstick.Registrar) {
	emits(n, "doge", "doge", nonstick.Binary(given))
	emits(n, "getbin", "takebin", nonstick.Binary(given))
	nonstick.On(n, "buffa", func(ctx context.Context, s *nonstick.Socket, args nonstick.Args) error {
		if len(args.Attachments) != 1 { // base64 as text would fit Binary too
			return errors.New("suites: buffa came without binary data")
		}
		return s.Emit(ctx, "buffack")
	})
	nonstick.On(n, "jsonbuff", func(ctx context.Context, s *nonstick.Socket, in mixed) error {
		if in.Hello != "lol" || in.Goodbye != "gotcha" || len(in.Message) == 0 {
			return errors.New("suites: jsonbuff came with something else")
		}
		return s.Emit(ctx, "jsonbuff-ack")
	})
	const came = "abuff1" // the key of what says that it came, and the event
	nonstick.On(n, came, func(ctx context.Context, s *nonstick.Socket, _ nonstick.Binary) error {
		return s.SetData(ctx, came, true)
	})
	nonstick.On(n, "abuff2", func(ctx context.Context, s *nonstick.Socket, _ string) error {
		if _, ok, err := nonstick.Data[bool](ctx, s, came); err != nil || !ok {
			return errors.Join(err, errors.New("suites: abuff2 came before abuff1"))
		}
		return s.Emit(ctx, "abuff2-ack")
	})
}
