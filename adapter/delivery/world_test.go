package delivery_test

import (
	"testing"
	"time"

	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/internal/deliverytest"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// world is sessions, and a delivery to them.
type world struct{ *deliverytest.World }

// inWorld runs a test in a bubble of its own time.
func inWorld(t *testing.T, limits delivery.Limits, f func(t *testing.T, w *world)) {
	t.Helper()
	deliverytest.Run(t, limits, func(t *testing.T, w *deliverytest.World) { f(t, &world{w}) })
}

func conn(name string) sessionstore.Connection { return deliverytest.Conn(name) }

// closedBy closes S for another closer, which does not cut its connection.
func (w *world) closedBy(other sessionstore.Owner) {
	w.T.Helper()
	_, err := w.Store.Close(w.T.Context(), sessionstore.CloseRequest{
		Session: sid, Reason: "other", Handler: sessionstore.Lease{Owner: other, Until: time.Now().Add(time.Minute)},
	})
	w.Must(err)
}

// What a call of the store is answered with.
type fault = deliverytest.Fault

var (
	errNoAnswer = deliverytest.ErrNoAnswer
	notDone     = deliverytest.NotDone(errNoAnswer) // in doubt, and not done
	done        = deliverytest.Done(errNoAnswer)    // in doubt, and done
	certain     = deliverytest.NotDone(sessionstore.ErrThrottled)
)
