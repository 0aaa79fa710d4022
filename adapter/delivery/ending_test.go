package delivery_test

import (
	"errors"
	"testing"
	"time"

	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/internal/pushtest"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// What a caller delivers to one session is closed in place, for the error says that it is: only what is late for many
// is handed over.
func TestOneSessionIsClosedInPlace(t *testing.T) {
	inWorld(t, delivery.Limits{}, func(t *testing.T, w *world) {
		b := w.CloseSlowly(5*time.Second, false)
		w.WebSocket(sid)
		w.Pusher.AnswerAlways(conn("S"), pushtest.ErrLost)
		_, err := w.Delivery.Deliver(
			t.Context(), delivery.Target{Session: sid, Hint: conn("S")}, []sessionstore.Packet{w.Packet("4x")},
		)
		if !errors.Is(err, pushtest.ErrLost) || b.Taken() > 0 {
			t.Errorf("%v, %d handed over", err, b.Taken())
		}
		w.expectSession("", "", delivery.ReasonTransportError)
	})
}
