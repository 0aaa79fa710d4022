//go:build unix

package e2e

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestFailsUnseen invokes emit without waiting for its answer, with a batch of which one request fails. That is an
// error of the function, which the platform repeats after a minute, and tells the destination of in the end; the
// client gets what did not fail, once.
func TestFailsUnseen(t *testing.T) {
	t.Parallel() // it waits most of the time
	s := stackClient{t, deploy(t, "ordered", "--app", "bench").url}
	k := s.connect()
	request := `{"batch":[{"rooms":["` + k.socket + `"],"event":"order","args":[1]},{"event":"connect"}]}`
	if status, _, body := s.invoke("Event", request); status != http.StatusAccepted {
		t.Fatalf("%d %s", status, body)
	}
	record := s.deadLetter(2 * time.Minute)
	if got := s.state("EmitFunction").Errors; got != 2 {
		t.Errorf("%d errors of the function, want that of the invocation and of its repetition", got)
	}
	for _, part := range []string{"EmitFailed", "reserved event name", k.socket, `"approximateInvokeCount":2`} {
		if !strings.Contains(record, part) {
			t.Errorf("the destination was not told %s: %s", part, record)
		}
	}
	s.emit(map[string]any{"rooms": []string{k.socket}, "event": "last"})
	got := ""
	for !strings.Contains(got, "last") {
		status, _, body := s.do(http.MethodGet, k.path, "")
		if status != http.StatusOK {
			t.Fatalf("%d %s", status, body)
		}
		if got += body; body == "2" {
			s.do(http.MethodPost, k.path, "3")
		}
	}
	if strings.Count(got, `42["order",1]`) != 1 {
		t.Errorf("the client got %q, want the event once", got)
	}
	_, header, body := s.invoke("RequestResponse", `{"event":"connect"}`)
	if header.Get("X-Amz-Function-Error") == "" || !strings.Contains(body, `"errorType":"InvalidRequest"`) ||
		!strings.Contains(body, "reserved event name") {
		t.Errorf("who waits for the answer gets %s %s", header.Get("X-Amz-Function-Error"), body)
	}
}

// deadLetter waits for a message in the template's queue of what failed.
func (s stackClient) deadLetter(patience time.Duration) string {
	s.t.Helper()
	sqs := func(action, body string) string {
		_, _, answer := s.do(
			http.MethodPost, "/", body, "Authorization", "AWS4-HMAC-SHA256 test", "Content-Type",
			"application/x-amz-json-1.0", "X-Amz-Target", "AmazonSQS."+action,
		)
		return answer
	}
	var queue struct {
		URL string `json:"QueueUrl"`
	}
	if answer := sqs(
		"GetQueueUrl", `{"QueueName":"DeadLetters"}`,
	); json.Unmarshal([]byte(answer), &queue) != nil ||
		queue.URL == "" {
		s.t.Fatalf("no queue: %s", answer)
	}
	for end := time.Now().Add(patience); time.Now().Before(end); {
		var got struct{ Messages []struct{ Body string } }
		answer := sqs("ReceiveMessage", `{"QueueUrl":"`+queue.URL+`","WaitTimeSeconds":20}`)
		if err := json.Unmarshal([]byte(answer), &got); err != nil {
			s.t.Fatalf("%v: %s", err, answer)
		}
		if len(got.Messages) > 0 {
			return got.Messages[0].Body
		}
	}
	s.t.Fatal("the destination was told nothing")
	return ""
}
