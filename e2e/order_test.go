package e2e

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The size of the tests of order: in CI they are small.
var (
	orderEvents      = flag.Int("events", 5_000, "numbered events of TestOrder")
	orderConnections = flag.Int("connections", 20, "connections that they come by")
	orderPause       = flag.Int("event-pause", 40, "milliseconds between two events of a client")
	orderKills       = flag.Int("kills", 6, "functions that are killed meanwhile")
	orderRounds      = flag.Int(
		"rounds", 10, "rounds of the tests of attachments and of namespaces left and joined again",
	)
)

// TestOrder is the order of the frames of one connection, through the queue and, beside it, handled at once.
func TestOrder(t *testing.T) {
	t.Parallel() // it waits most of the time
	for _, c := range []struct {
		name, inbound string
		kills, jitter int
		args          []string
	}{
		{"ordered, functions are killed", "ordered", *orderKills, 0, nil},
		{
			"ordered, jitter", "ordered", 0, 15,
			[]string{"--dispatch-jitter", "15ms", "--queue-p50", "28ms", "--queue-p99", "645ms"},
		},
		{"concurrent, functions are killed", "concurrent", *orderKills, 0, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			url, journal := startOrder(t, append([]string{"--inbound", c.inbound}, c.args...)...)
			runNode(
				t, "order.test.mjs", url, "NONSTICK_FRAMES=text", "NONSTICK_INBOUND="+c.inbound,
				"NONSTICK_JOURNAL="+journal,
				fmt.Sprint(
					"NONSTICK_EVENTS=", *orderEvents,
				),
				fmt.Sprint("NONSTICK_CONNECTIONS=", *orderConnections), fmt.Sprint("NONSTICK_JITTER=", c.jitter),
				fmt.Sprint("NONSTICK_KILLS=", c.kills), fmt.Sprint("NONSTICK_EVENT_PAUSE=", *orderPause),
			)
		})
	}
}

// startOrder starts the functions of the template with the application that keeps a journal. After a crash the queue
// delivers again soon.
func startOrder(t *testing.T, args ...string) (url, journal string) {
	t.Helper()
	dir := t.TempDir()
	journal = filepath.Join(dir, "journal")
	b, err := os.ReadFile("../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	text := regexp.MustCompile(`(\n  InboundFunction:\n(?:    .*\n)+?      Timeout: )\d+\n`).
		ReplaceAllString(string(b), "${1}3\n")
	text = regexp.MustCompile(`(\n  InboundQueue:.*\n(?:    .*\n)+?      VisibilityTimeout: )\d+`).
		ReplaceAllString(text, "${1}4")
	text = strings.Replace(
		text, "\n      Variables:\n", "\n      Variables:\n        NONSTICK_FAULTS_JOURNAL: "+journal+"\n", 1,
	)
	file := filepath.Join(dir, "template.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	addr := fmt.Sprintf("127.0.0.1:%d", freePort(t))
	s := start(t, "localdev --template", binary, append([]string{
		"--template", file, "--built", builtFunctions(t), "--addr", addr, "--logs", t.TempDir(), "--app", "faults",
	}, args...)...)
	s.waitHealthyFor(t, "http://"+addr, templateTime)
	return "http://" + addr, journal
}

// TestAttachments is what becomes of binary events that are sent one right behind the other, and of namespaces that
// are left and joined again.
func TestAttachments(t *testing.T) {
	t.Parallel() // it waits most of the time
	for _, inbound := range []string{"ordered", "concurrent"} {
		rounds := fmt.Sprint("NONSTICK_ROUNDS=", *orderRounds)
		t.Run(inbound, func(t *testing.T) {
			runNode(
				t, "attachments.test.mjs", deploy(t, inbound, "--app", "bench", "--concurrency", "100").url,
				"NONSTICK_FRAMES=text", "NONSTICK_INBOUND="+inbound, rounds,
			)
			runNode(
				t, "rejoin.test.mjs", deploy(t, inbound, "--app", "protocol").url, "NONSTICK_FRAMES=text",
				"NONSTICK_INBOUND="+inbound, rounds,
			)
		})
	}
}
