//go:build unix

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/nonstick-io/nonstick/localdev/template"
	"github.com/nonstick-io/nonstick/sessionstore"
	"github.com/nonstick-io/nonstick/sessionstore/dynamostore"
)

// What the stacks of these tests have in common: an application that goes wrong when told to, and times that are short,
// so that what is stuck shows soon, but long enough for the start of a function on a busy machine.
var faulty = []string{
	"--app", "faults", "--inbound", "concurrent", "--ping-interval", "2s", "--ping-timeout", "3s",
	"--connect-timeout", "5s", "--poll-hold", "1s",
}

// TestOverload is a load above the concurrency of the functions: some calls are throttled all the time.
func TestOverload(t *testing.T) {
	s := startFaulty(t, "--parameter", "WebSocketConcurrency=10", "--parameter", "PollingConcurrency=8")
	runNode(t, "overload.test.mjs", s.url, s.env...)
	s.nothingIsLeft(t)
}

// TestFaults is functions that crash, hang and run out of memory.
func TestFaults(t *testing.T) {
	s := startFaulty(t, "--parameter", "MemorySize=128")
	runNode(t, "faults.test.mjs", s.url, s.env...)
	s.nothingIsLeft(t)
}

// functionTimeout is that of the functions which clients call: as AWS counts, in seconds.
const functionTimeout = "3"

// faultyStack is the functions of the template with an application that goes wrong.
type faultyStack struct {
	url string
	env []string // for Node
	log *output
}

func startFaulty(t *testing.T, args ...string) *faultyStack {
	t.Helper()
	dir := t.TempDir()
	journal := filepath.Join(dir, "journal")
	file := filepath.Join(dir, "template.yaml")
	if err := os.WriteFile(file, []byte(faultyTemplate(t, journal)), 0o600); err != nil {
		t.Fatal(err)
	}
	addr := fmt.Sprintf("127.0.0.1:%d", freePort(t))
	all := append(
		[]string{"--template", file, "--built", builtFunctions(t), "--addr", addr, "--logs", t.TempDir()},
		faulty...)
	s := start(t, "localdev --template", binary, append(all, args...)...)
	s.waitHealthyFor(t, "http://"+addr, templateTime)
	return &faultyStack{
		url: "http://" + addr, log: s.log,
		env: []string{"NONSTICK_FRAMES=text", "NONSTICK_JOURNAL=" + journal, "NONSTICK_TIMEOUT=" + functionTimeout},
	}
}

// faultyTemplate is the template of the repository with a short timeout of the functions that clients call, and with
// a journal for the application.
func faultyTemplate(t *testing.T, journal string) string {
	t.Helper()
	b, err := os.ReadFile("../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	for _, name := range []string{"PollingFunction", "WebSocketFunction"} {
		timeout := regexp.MustCompile(`(\n  ` + name + `:\n(?:    .*\n)+?      Timeout: )\d+\n`)
		if n := len(timeout.FindAllString(text, -1)); n != 1 {
			t.Fatalf("the template has %d timeouts of %s, want 1", n, name)
		}
		text = timeout.ReplaceAllString(text, "${1}"+functionTimeout+"\n")
	}
	const variables = "\n      Variables:\n"
	if n := strings.Count(text, variables); n != 1 {
		t.Fatalf("the template has %d environments, want that of the globals alone", n)
	}
	return strings.Replace(text, variables, variables+"        NONSTICK_FAULTS_JOURNAL: "+journal+"\n", 1)
}

// leftTime is how long sessions may stay after their clients have left: an open packet whose function died comes
// again after the visibility timeout of its queue, 168 s, and only then its session is known and found dead. On a
// busy machine a function may well be out of time.
const leftTime = 4 * time.Minute

// nothingIsLeft waits until the table has no session to look after, and no member of the main namespace.
func (s *faultyStack) nothingIsLeft(t *testing.T) {
	t.Helper()
	store := s.store(t)
	began := time.Now()
	for {
		sessions, members := 0, 0
		for shard := range store.Shards() {
			for _, err := range store.Registrations(t.Context(), shard) {
				sessions++
				if err != nil {
					t.Fatal(err)
				}
			}
			for _, err := range store.NamespaceMembers(t.Context(), "/", shard, sessionstore.Range{}) {
				members++
				if err != nil {
					t.Fatal(err)
				}
			}
		}
		if sessions == 0 && members == 0 {
			t.Logf("nothing was left %.1f s after the last client", time.Since(began).Seconds())
			return
		}
		if time.Since(began) > leftTime {
			t.Fatalf("%d sessions and %d members are left", sessions, members)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// store opens the table of the stack, whose database said where it listens.
func (s *faultyStack) store(t *testing.T) sessionstore.Store {
	t.Helper()
	said := regexp.MustCompile(`DynamoDB at (http://[0-9.:]+)`).FindStringSubmatch(s.log.text())
	if said == nil {
		t.Fatal("localdev did not say where DynamoDB is")
	}
	client := dynamostore.NewClient(dynamostore.ClientOptions{
		Region: "us-east-1", Endpoint: said[1],
		Credentials: dynamostore.Credentials{AccessKeyID: "local", SecretAccessKey: "local"},
	})
	all, err := template.Read("../template.yaml", template.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if len(all.Tables) != 1 {
		t.Fatalf("the template has %d tables, want 1", len(all.Tables))
	}
	return dynamostore.New(client, dynamostore.Options{Table: all.Tables[0].Name})
}
