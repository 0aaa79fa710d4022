package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// missingRight is what localdev says of a right that a role of the template lacks.
const missingRight = "a right is missing"

// TestMissingRights is the template of the repository with rights missing: what clients see, and that the log of each
// function says which right it is, with its ARN. The other tests on the template hold that none is missing.
func TestMissingRights(t *testing.T) {
	t.Parallel() // it waits most of the time
	dir := t.TempDir()
	file, logs := filepath.Join(dir, "template.yaml"), filepath.Join(dir, "logs")
	template := withoutRights(t, map[string][2]string{
		"PollingRole":   {"!GetAtt HeartbeatQueue.Arn, ", ""},
		"WebSocketRole": {"- *connections\n", "\n"},
		"InboundRole":   {"- *connections\n", "\n"},
		"EmitRole":      {"!GetAtt FanoutQueue.Arn, ", ""},
		"CloseRole":     {"- *table\n", "\n"},
	})
	if err := os.WriteFile(file, []byte(template), 0o600); err != nil {
		t.Fatal(err)
	}
	addr := fmt.Sprintf("127.0.0.1:%d", freePort(t))
	s := start(
		t, "localdev --template", binary, "--template", file, "--built", builtFunctions(t), "--addr", addr,
		"--logs", logs, "--app", "cases", "--parameter", "LargeRoom=1",
	)
	s.lacksRights = true
	s.waitHealthyFor(t, "http://"+addr, templateTime)
	runNode(t, "rights.test.mjs", "http://"+addr)
	const queues, push = "arn:aws:sqs:us-east-1:000000000000:", "execute-api:ManageConnections on resource: " +
		"arn:aws:execute-api:us-east-1:********0000:WebSocketApi/v1/POST/@connections/{connectionId}"
	for name, right := range map[string]string{
		"Polling": "sqs:sendmessage on resource: " + queues + "HeartbeatQueue", "WebSocket": push, "Inbound": push,
		"Emit":  "sqs:sendmessage on resource: " + queues + "FanoutQueue.fifo",
		"Close": "dynamodb:Query on resource: arn:aws:dynamodb:us-east-1:000000000000:table/Table",
	} {
		want := fmt.Sprintf(
			"User: arn:aws:sts::000000000000:assumed-role/%[1]sRole/%[1]sFunction is not authorized to perform: %[2]s",
			name, right,
		)
		if n := linesWith(s.log.text(), missingRight, want); n != 1 {
			t.Errorf("localdev says %d times, want once: %s", n, want)
		}
		b, err := os.ReadFile(filepath.Join(logs, name+"Function.log"))
		if err != nil {
			t.Fatal(err)
		}
		told := 0
		for line := range strings.Lines(string(b)) {
			if n := strings.Count(line, want); n > 1 {
				t.Errorf("a line says it %d times: %s", n, line)
			} else if n == 1 {
				told++
			}
		}
		if told == 0 {
			t.Errorf("the log of %sFunction has no line with %s", name, want)
		}
	}
}

// linesWith counts the lines that have all of some texts.
func linesWith(text string, all ...string) (n int) {
	for line := range strings.Lines(text) {
		if !slices.ContainsFunc(all, func(s string) bool { return !strings.Contains(line, s) }) {
			n++
		}
	}
	return n
}

// withoutRights is the template of the repository with something of roles replaced: the first of each pair by the
// second.
func withoutRights(t *testing.T, replace map[string][2]string) string {
	t.Helper()
	b, err := os.ReadFile("../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	for role, pair := range replace {
		before, after, ok := strings.Cut(text, "\n  "+role+":\n")
		own, rest, more := strings.Cut(after, "\n\n")
		if !ok || !more || !strings.Contains(own, pair[0]) {
			t.Fatalf("the template has no %s with %q", role, pair[0])
		}
		text = before + "\n  " + role + ":\n" + strings.Replace(own, pair[0], pair[1], 1) + "\n\n" + rest
	}
	return text
}
