//go:build unix

package laptop

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nonstick-io/nonstick/localdev/lambda"
)

// loop has a function send itself on by way of its queue, and returns a count of its rounds.
func loop(t *testing.T, p *process) (rounds func() int) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "rounds")
	queue := p.queue(t, "Rounds")
	p.sendTraced(t, queue, order("do", "go on", "file", file, "text", queue), "")
	return func() int {
		b, _ := os.ReadFile(file) // there is none before the first round
		return strings.Count(string(b), "round")
	}
}

// A function that sends to its own queue is cut off after 16 rounds, and its message is among the dead letters; one
// that is allowed to goes on.
func TestStackLoop(t *testing.T) {
	t.Run("cut", func(t *testing.T) {
		p := launchStack(t)
		rounds := loop(t, p)
		eventually(t, "the message is given up", func() bool { return p.queued(t, "Dead") == 1 })
		if got := rounds(); got != 16 || p.function(t, "LoopFunction").Loops == 0 {
			t.Errorf("%d rounds, want 16; stats %+v", got, p.function(t, "LoopFunction"))
		}
	})
	t.Run("allowed", func(t *testing.T) {
		p := launchStack(t, "--parameter", "Loops=Allow")
		rounds := loop(t, p)
		eventually(t, "it goes on", func() bool { return rounds() > 20 })
		if got := p.function(t, "LoopFunction"); got.Loops != 0 {
			t.Errorf("stats %+v", got)
		}
	})
}

// testLoops has messages at the end of a long chain come to functions of our template: the heartbeat's chain, which
// is meant, goes on, another function is cut off.
func testLoops(t *testing.T, p *process) {
	watch, err := json.Marshal(map[string]string{"holder": ""})
	if err != nil {
		t.Fatal(err)
	}
	for function, queue := range map[string]string{
		"HeartbeatFunction": "HeartbeatQueue", "WebSocketFunction": "OpenQueue",
	} {
		trace := lambda.Lineage("arn:aws:lambda:us-east-1:000000000000:function:"+function, 1000)
		meant := function == "HeartbeatFunction"
		before := p.function(t, function)
		p.sendTraced(t, p.queue(t, queue), string(watch), trace)
		eventually(t, function+" is invoked, or cut off", func() bool {
			now := p.function(t, function)
			return !meant && now.Loops > 0 || meant && now.Invocations > before.Invocations
		})
		if now := p.function(t, function); meant && now.Loops != 0 {
			t.Errorf("%s: %+v", function, now)
		}
	}
}

// queue is the URL of a queue.
func (p *process) queue(t *testing.T, name string) string {
	t.Helper()
	var out struct {
		URL string `json:"QueueUrl"`
	}
	p.callSQS(t, "GetQueueUrl", map[string]string{"QueueName": name}, "", &out)
	return out.URL
}

// sendTraced sends a message with a trace header.
func (p *process) sendTraced(t *testing.T, queue, body, trace string) {
	t.Helper()
	var out struct{ MessageId string } //nolint:revive // as on the wire
	p.callSQS(t, "SendMessage", map[string]string{"QueueUrl": queue, "MessageBody": body}, trace, &out)
}

// callSQS makes a call of SQS with a header that AWS's client sets by itself.
func (p *process) callSQS(t *testing.T, action string, in map[string]string, trace string, out any) {
	t.Helper()
	body, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": "AmazonSQS." + action,
		"Authorization": "AWS4-HMAC-SHA256 test", "X-Amzn-Trace-Id": trace,
	} {
		req.Header.Set(name, value)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if err := json.NewDecoder(res.Body).Decode(out); err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s, %v", action, res.Status, err)
	}
}

// queued is how many messages wait in a queue, or are with its function.
func (p *process) queued(t *testing.T, name string) int {
	t.Helper()
	for _, q := range p.state(t).Queues {
		if q.Queue == name {
			return q.Visible + q.Hidden + q.Delayed
		}
	}
	t.Fatalf("no queue %s", name)
	return 0
}
