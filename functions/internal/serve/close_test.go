package serve

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/nonstick-io/nonstick/gateway/engine"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// The end of a session goes through the queue: the call that closes it does no more than that, and the close function the rest.
func TestEndsGoThroughTheQueue(t *testing.T) {
	w := newWorld(t)
	w.env["NONSTICK_CLOSES_QUEUE"] = w.queues.URL + "/1/closes"
	h, closing := w.start(WebSocket), w.start(Close)
	invoke[events.APIGatewayProxyResponse](t, h, frame("CONNECT", "c1", ""))
	invoke[events.SQSEventResponse](t, h, batch(w.messages("open")...))
	invoke[events.APIGatewayProxyResponse](t, h, frame("MESSAGE", "c1", `40{"name":"bob"}`))
	invoke[events.APIGatewayProxyResponse](t, h, frame("DISCONNECT", "c1", ""))
	messages := w.messages("closes")
	var end engine.End
	if len(messages) != 1 || json.Unmarshal([]byte(messages[0]), &end) != nil {
		t.Fatalf("queued %q, want one end", messages)
	}
	state := func() sessionstore.State {
		s, err := w.store.Get(t.Context(), end.Session, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		return s.State
	}
	if got := state(); got != sessionstore.Closing {
		t.Errorf("the session is %s", got)
	}
	for range 2 { // a queue may deliver twice
		if got := failures(invoke[events.SQSEventResponse](t, closing, batch(messages[0], "{", "{}"))); got != "1 2" {
			t.Errorf("failed: %s, want what makes no sense", got)
		}
		if got := state(); got != sessionstore.Closed {
			t.Errorf("the session is %s", got)
		}
	}
	for shard := range w.store.Shards() {
		for r := range w.store.Registrations(t.Context(), shard) {
			t.Errorf("still registered: %+v", r)
		}
	}
}
