package delivery_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/internal/engineio"
	"github.com/nonstick-io/nonstick/internal/protocol"
	"github.com/nonstick-io/nonstick/internal/socketio"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// packed is an event in MessagePack.
func packed(data string) string {
	message, _ := socketio.MsgPack.Encode(socketio.Packet{Type: socketio.Event, Data: []byte(data)})
	return engineio.EncodeBinary([]byte(message))
}

// What is binary belongs to the text before it; if that is none, it is a packet of its own, and needs no turn.
func TestBinaryAlone(t *testing.T) {
	for _, c := range []struct {
		name    string
		entries [][]string
		want    error
	}{
		{"one", [][]string{{"bAA=="}}, nil},
		{"several in an entry", [][]string{{"bAA==", "bAQ==", "bAg=="}}, nil},
		{"several entries", [][]string{{"bAA=="}, {"bAQ=="}}, nil},
		{"behind a text", [][]string{{"bAA=="}, {"451-[]", "bAQ=="}}, delivery.ErrNotSerial},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, delivery.Limits{}, func(t *testing.T, w *world) {
				w.WebSocket(sid)
				var entries []sessionstore.Packet
				var all []string
				for _, frames := range c.entries {
					entries, all = append(entries, w.Packet(frames...)), append(all, frames...)
				}
				_, err := w.Delivery.Deliver(t.Context(), delivery.Target{Session: sid, Hint: conn("S")}, entries)
				if !errors.Is(err, c.want) {
					t.Errorf("%v, want %v", err, c.want)
				}
				if got, want := w.Pushed(sid), strings.Join(all, " "); err == nil && got != want {
					t.Errorf("pushed %q, want %q", got, want)
				}
			})
		})
	}
}

// An offset makes a packet in MessagePack longer: one that would be too large with it is refused, the largest that is
// taken fits.
func TestPackedOutboxLimit(t *testing.T) {
	const limit = 400
	inWorld(t, delivery.Limits{Frame: limit}, func(t *testing.T, w *world) {
		w.WebSocket(sid)
		makeBox(w, sessionstore.Lease{}, conn("S"))
		taken, refused := 0, 0
		for n := range limit {
			frame := packed(`["a","` + strings.Repeat("x", n) + `"]`)
			if len(frame) > limit {
				break
			}
			_, err := w.Delivery.Deliver(
				t.Context(), delivery.Target{Session: box}, []sessionstore.Packet{w.Packet(frame)},
			)
			switch {
			case errors.Is(err, delivery.ErrPacketTooLarge):
				refused++
				continue
			case err != nil:
				t.Fatal(err)
			}
			taken++
			got := w.Pushed(sid)
			p, decodeErr := engineio.Decode(got)
			if decodeErr != nil || len(got) > limit {
				t.Fatalf("%d bytes, %v", len(got), decodeErr)
			}
			q, _, err := socketio.MsgPack.Decode(p.Data, p.Binary, socketio.Limits{})
			if tag := (protocol.Offset{}).Encode(box)[1:]; err != nil || !strings.HasSuffix(string(q.Data), tag+`"]`) {
				t.Fatalf("%s has no offset: %v", q.Data, err)
			}
		}
		if taken == 0 || refused == 0 {
			t.Errorf("%d taken, %d refused", taken, refused)
		}
	})
}
