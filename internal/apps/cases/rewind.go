package cases

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/nonstick-io/nonstick"
)

// mostPoured is how many events "pour" emits at most, and of how many bytes.
const mostPoured, mostPouredBytes = 20_000, 64 << 10

// rewinds keeps the history of rooms whose names begin with "kept-", for an hour, and sets events about it:
//
//   - rewind takes a room and a number of events; the socket joins the room with so many of the last ones, and that is
//     acknowledged with "ok", "no history" or "not recoverable";
//   - rewind within takes a room and a number of seconds; the same with the events of that time;
//   - pour takes a room, a number to begin with, how many events, and how many bytes; the room gets as many events
//     "said", each with its number and a text.
func rewinds(n *nonstick.Namespace) {
	n.KeepHistory(nonstick.History{Rooms: []string{"kept-*"}, Events: 10_000, For: time.Hour})
	join := func(ctx context.Context, s *nonstick.Socket, room string, r nonstick.Rewind) (string, error) {
		switch err := s.JoinRewind(ctx, room, r); {
		case errors.Is(err, nonstick.ErrNoHistory):
			return "no history", nil
		case errors.Is(err, nonstick.ErrNotRecoverable):
			return "not recoverable", nil
		default:
			return "ok", err
		}
	}
	type wish = nonstick.Args2[string, int]
	nonstick.OnAck(n, "rewind", func(ctx context.Context, s *nonstick.Socket, in wish) (string, error) {
		return join(ctx, s, in.First, nonstick.Rewind{Events: in.Second})
	})
	nonstick.OnAck(n, "rewind within", func(ctx context.Context, s *nonstick.Socket, in wish) (string, error) {
		return join(ctx, s, in.First, nonstick.Rewind{Within: time.Duration(in.Second) * time.Second})
	})
	nonstick.OnAck(n, "pour", func(
		ctx context.Context, _ *nonstick.Socket, in nonstick.Args2[string, [3]int],
	) (int, error) {
		from, events, bytes := in.Second[0], min(in.Second[1], mostPoured), min(in.Second[2], mostPouredBytes)
		text := strings.Repeat("x", max(bytes, 0))
		for i := range max(events, 0) {
			if err := n.To(in.First).Emit(ctx, "said", from+i, text); err != nil {
				return i, err
			}
		}
		return events, nil
	})
}
