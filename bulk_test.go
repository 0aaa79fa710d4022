package nonstick_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/nonstick-io/nonstick"
	"github.com/nonstick-io/nonstick/adapter/delivery"
)

// flood is an event: how many packets of so many bytes a handler emits to a socket, and what it does after that.
type flood struct {
	To    string `json:"to"`
	N     int    `json:"n"`
	Bytes int    `json:"bytes"`
	Then  string `json:"then"`
}

func floods(s *nonstick.Server) {
	n := s.Namespace
	nonstick.OnAck(n, "flood", func(ctx context.Context, _ *nonstick.Socket, f flood) (string, error) {
		other, err := n.Socket(ctx, f.To)
		if err != nil {
			return "", err
		}
		pad := strings.Repeat("x", f.Bytes)
		for i := range f.N {
			if err := other.Emit(ctx, "e", fmt.Sprint(i, pad)); err != nil {
				return fmt.Sprint(
					i, " ", errors.Is(err, nonstick.ErrDisconnected), " ", errors.Is(err, delivery.ErrPacketTooLarge),
				), nil
			}
		}
		switch f.Then {
		case "broadcast":
			return "ok", n.To(f.To).Emit(ctx, "last", 1)
		case "panic":
			panic("boom")
		}
		return "ok", nil
	})
}

// What one handler emits to another client that polls takes few entries of its buffer, however many packets those
// are, and arrives whole and in order.
func TestManyEmitsToAnotherSocket(t *testing.T) {
	for _, c := range []struct {
		name  string
		flood flood
		most  int // entries
	}{
		{"a few", flood{N: 5}, 5},
		{"thousands", flood{N: 5000}, 34},
		{"thousands, then a broadcast to the same", flood{N: 5000, Then: "broadcast"}, 35},
		{"thousands, then a panic", flood{N: 5000, Then: "panic"}, 34},
		{"megabytes", flood{N: 300, Bytes: 10_000}, 32 + 12},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				s := w.server(floods)
				to, p := w.joinPolling(s), w.join(s)
				c.flood.To = to.id
				p.send(
					fmt.Sprintf(
						`42["flood",{"to":%q,"n":%d,"bytes":%d,"then":%q}]`, to.id, c.flood.N, c.flood.Bytes,
						c.flood.Then,
					),
				)
				if n := len(
					to.state().Buffer,
				); n == 0 ||
					n > c.most+1 { // one that was fetched, with the answer to CONNECT
					t.Errorf("%d entries in the buffer, want %d at most", n, c.most)
				}
				var want []string
				for i := range c.flood.N {
					want = append(want, fmt.Sprintf(`42["e","%d%s"]`, i, strings.Repeat("x", c.flood.Bytes)))
				}
				if c.flood.Then == "broadcast" {
					want = append(want, `42["last",1]`)
				}
				var got []string
				for len(got) < len(want) {
					more := to.take()
					if len(more) == 0 {
						break
					}
					got = append(got, more...)
				}
				if !slices.Equal(got, want) {
					t.Errorf("got %d packets, want %d in their order", len(got), len(want))
				}
				to.expectOpen()
			})
		})
	}
}

// The first emits tell what is wrong; of later ones a packet that is too large does.
func TestEmitsToAnotherSocketThatFail(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s := w.server(floods)
		to, p := w.joinPolling(s), w.join(s)
		p.send(fmt.Sprintf(`421["flood",{"to":%q,"n":1,"bytes":200000}]`, to.id))
		p.expect(`431["0 false true"]`)
		to.expectOpen()
	})
}
