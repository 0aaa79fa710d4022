package serve

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/gateway/engine"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// The end of a session goes through the queue: the call that closes it does no more than that, and the close function
// the rest.
func TestEndsGoThroughTheQueue(t *testing.T) {
	w := newWorld(t)
	w.env["NONSTICK_CLOSES_QUEUE"] = w.queues.URL + "/1/closes"
	h, closing := w.start(testApps.WebSocket), w.start(testApps.Close)
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

// A session that took too long to close for the caller that emitted to it is closed by the close function: by the
// message of a server, or of an emitter of another program.
func TestSessionsAreClosedOutOfTheQueue(t *testing.T) {
	for _, c := range []struct {
		name    string
		message func(id sessionstore.SessionID, conn sessionstore.Connection) any
	}{
		{"a server's", func(id sessionstore.SessionID, conn sessionstore.Connection) any {
			return engine.End{Session: id, Owner: "o", Reason: delivery.ReasonTransportError, Doubtful: conn}
		}},
		{"an emitter's", func(id sessionstore.SessionID, conn sessionstore.Connection) any {
			return delivery.Ending{Session: id, Owner: "o", Reason: delivery.ReasonTransportError, Doubtful: conn}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.env["NONSTICK_CLOSES_QUEUE"] = w.queues.URL + "/1/closes"
			closing := w.start(testApps.Close)
			conn := sessionstore.Connection{ID: "c1", Endpoint: w.env["NONSTICK_MANAGEMENT_ENDPOINT"]}
			now := time.Now()
			s := sessionstore.NewSession{
				ID: "s1", Transport: sessionstore.WebSocket, Conn: conn, CreatedAt: now, PingAt: now.Add(time.Minute),
			}
			if err := w.store.Create(t.Context(), s); err != nil {
				t.Fatal(err)
			}
			message, err := json.Marshal(c.message(s.ID, conn))
			if err != nil {
				t.Fatal(err)
			}
			ends := []string{string(message), string(message)} // a queue may deliver twice
			for len(ends) > 0 {
				if got := failures(invoke[events.SQSEventResponse](t, closing, batch(ends[0]))); got != "" {
					t.Errorf("failed: %s", got)
				}
				ends = append(ends[1:], w.messages("closes")...)
			}
			got, err := w.store.Get(t.Context(), s.ID, time.Now())
			if err != nil || got.State != sessionstore.Closed || got.Reason != delivery.ReasonTransportError ||
				!w.pusher.Closed(conn) {
				t.Errorf("%+v, %v; cut %v", got, err, w.pusher.Closed(conn))
			}
		})
	}
}
