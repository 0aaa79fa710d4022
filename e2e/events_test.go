package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// localARN is an ARN of the account of this machine.
func localARN(service, name string) string {
	return "arn:aws:" + service + ":us-east-1:000000000000:" + name
}

// toldEvents are what the tests have told.
const toldEvents = "connect,disconnect,join,leave,event:str,event:unhandled"

// TestEventsOut has what happens to sockets told to each service, and to none that takes it.
func TestEventsOut(t *testing.T) {
	t.Parallel() // it waits most of the time
	const file = "events.test.mjs"
	t.Run("lines of a file", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "events")
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		url := inMemoryInstances(t, "--app", "cases", "--events", path, "--events-out", toldEvents)
		runNode(t, file, url, "NONSTICK_FRAMES=text", "NONSTICK_EVENTS="+path)
	})
	for _, to := range []struct{ name, arn, from string }{
		{"SQS", localARN("sqs", "Events.fifo"), "queue"},
		{"SNS", localARN("sns", "Events"), "published"},
		{"EventBridge", localARN("events", "event-bus/sockets"), "published"},
	} {
		t.Run(to.name, func(t *testing.T) {
			url := onTemplate(
				t, "--app", "cases", "--parameter", "EventsTo="+to.arn, "--parameter", "EventsOut="+toldEvents,
			)
			runNode(t, file, url, "NONSTICK_FRAMES=text", "NONSTICK_EVENTS="+to.from)
		})
	}
}

// TestEventsOutRefused has events go to a topic that is not there: clients are served, and the logs say what is lost.
func TestEventsOutRefused(t *testing.T) {
	t.Parallel() // it waits most of the time
	logs := t.TempDir()
	url := onTemplate(
		t, "--app", "cases", "--logs", logs, "--parameter", "EventsTo=arn:aws:sns:us-east-1:111111111111:Elsewhere",
	)
	runNode(t, "events.test.mjs", url, "NONSTICK_FRAMES=text", "NONSTICK_EVENTS=nowhere")
	for _, function := range []string{"Polling", "Inbound", "Close"} {
		b, err := os.ReadFile(filepath.Join(logs, fmt.Sprintf("%sFunction.log", function)))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(b), "events not told") || !strings.Contains(string(b), "There is no arn:aws:sns") {
			t.Errorf("the log of %sFunction does not say that events were not told", function)
		}
	}
}
