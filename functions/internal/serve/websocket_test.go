package serve

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"

	"github.com/nonstick-io/nonstick/gateway/engine"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// frame is an event of the WebSocket API.
func frame(kind, conn, body string) string {
	return fmt.Sprintf(
		`{"requestContext":{"eventType":%q,"connectionId":%q,"routeKey":"$x"},"queryStringParameters":{"EIO":"4","transport":"websocket"},"body":%q}`,
		kind, conn, body,
	)
}

// batch is an event of a queue.
func batch(bodies ...string) string {
	var e events.SQSEvent
	for i, b := range bodies {
		e.Records = append(e.Records, events.SQSMessage{
			MessageId: fmt.Sprint(
				i,
			),
			Body: b, EventSource: "aws:sqs", Attributes: map[string]string{"SentTimestamp": "1700000000000"},
		})
	}
	b, err := json.Marshal(e)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func failures(r events.SQSEventResponse) string {
	var ids []string
	for _, f := range r.BatchItemFailures {
		ids = append(ids, f.ItemIdentifier)
	}
	return strings.Join(ids, " ")
}

func TestWebSocketOpens(t *testing.T) {
	w := newWorld(t)
	h := w.start(testApps.WebSocket)
	conn := sessionstore.Connection{ID: "c1", Endpoint: w.env["NONSTICK_MANAGEMENT_ENDPOINT"]}
	if res := invoke[events.APIGatewayProxyResponse](t, h, frame("CONNECT", "c1", "")); res.StatusCode != 200 {
		t.Fatalf("connect: %+v", res)
	}
	if got := w.pusher.Take(conn); len(got) != 0 {
		t.Errorf("pushed %q while $connect was not answered", got)
	}
	steps := w.messages("open")
	if len(steps) != 1 {
		t.Fatalf("queued %q", steps)
	}
	if got := failures(invoke[events.SQSEventResponse](t, h, batch(steps[0], steps[0]))); got != "" {
		t.Errorf("failed: %s", got)
	}
	if got := w.pusher.Take(conn); len(got) != 1 || !strings.HasPrefix(got[0], `0{"sid":"`) {
		t.Errorf("pushed %q, want the open packet once", got)
	}
	res := invoke[events.APIGatewayProxyResponse](t, h, frame("MESSAGE", "c1", `40{"name":"bob"}`))
	if res.StatusCode != 200 {
		t.Errorf("connect to the namespace: %+v", res)
	}
	if got := append(w.pusher.Take(conn), res.Body); !strings.Contains(strings.Join(got, " "), `"welcome"`) {
		t.Errorf("the application is not there: %q", got)
	}
	if got := w.messages("heartbeat"); len(got) != 1 {
		t.Errorf("the heartbeat was sent %q", got)
	}
	if res := invoke[events.APIGatewayProxyResponse](t, h, frame("DISCONNECT", "c1", "")); res.StatusCode != 200 {
		t.Errorf("disconnect: %+v", res)
	}
}

func TestStepsThatFail(t *testing.T) {
	w := newWorld(t)
	h := w.start(testApps.WebSocket)
	unknown, err := json.Marshal(engine.Step{Kind: "dance", Conn: sessionstore.Connection{ID: "c"}})
	if err != nil {
		t.Fatal(err)
	}
	refused, err := json.Marshal(engine.Step{Kind: engine.StepClose, Conn: sessionstore.Connection{ID: "c"}})
	if err != nil {
		t.Fatal(err)
	}
	if got := failures(
		invoke[events.SQSEventResponse](t, h, batch("{", string(refused), string(unknown), "{}")),
	); got != "0 2 3" {
		t.Errorf("to be delivered again: %q, want 0 2 3", got)
	}
	if !w.pusher.Closed(sessionstore.Connection{ID: "c"}) {
		t.Error("the connection was not closed")
	}
}

// What $default returns as an error, API Gateway writes into the client's connection.
func TestWebSocketNeverFails(t *testing.T) {
	w := newWorld(t)
	h := w.start(testApps.WebSocket)
	for name, event := range map[string]string{
		"a body that is none": `{"requestContext":{"eventType":"MESSAGE","connectionId":"nobody"},"body":7}`,
		"unknown connection":  frame("MESSAGE", "nobody", "2probe"),
		"no packet":           frame("MESSAGE", "nobody", "{"),
	} {
		t.Run(name, func(t *testing.T) {
			if res := invoke[events.APIGatewayProxyResponse](t, h, event); res.StatusCode != 200 || res.Body != "" {
				t.Errorf("answered %+v", res)
			}
		})
	}
	// no frame of a connection
	for _, event := range []string{"{", `{"detail-type":"x"}`, get("/socket.io/", "EIO=4&transport=polling", "")} {
		w.log.Reset()
		res := invoke[events.APIGatewayProxyResponse](t, h, event)
		if res.StatusCode != 500 || strings.Count(w.log.String(), "level=ERROR") != 1 {
			t.Errorf("%s: %+v, log %s", event, res, w.log)
		}
	}
	w.mu.Lock()
	w.down = true
	w.mu.Unlock()
	if res := invoke[events.APIGatewayProxyResponse](t, h, frame("CONNECT", "c", "")); res.StatusCode != 500 {
		t.Errorf("a connect whose step cannot be queued: %+v", res)
	}
}
