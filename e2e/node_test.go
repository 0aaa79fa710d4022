package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// result is one line of node/report.mjs: a test that Node has run.
type result struct {
	Name   string `json:"name"`
	Status string `json:"status"` // pass, fail, skip or todo
	Ms     int    `json:"ms"`
	Error  string `json:"error"`
}

// runNode runs one file of Node tests against the server at url and reports each as a subtest. A run
// without a test, and a test that was skipped, fail.
func runNode(t *testing.T, file, url string, env ...string) {
	t.Helper()
	if _, err := os.Stat("node_modules"); err != nil {
		t.Fatal("the Node packages are missing: run `make e2e`, or `npm ci` in e2e")
	}
	cmd := exec.CommandContext(t.Context(), "node", "--test-reporter=./node/report.mjs", "node/"+file)
	cmd.Env = append(append(os.Environ(), "NONSTICK_URL="+url), env...)
	cmd.WaitDelay = stopTime
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("start node: %v", err)
	}
	started := time.Now()
	results, other := readResults(stdout)
	err = cmd.Wait()
	failed := report(t, results)
	if err != nil && failed == 0 {
		t.Errorf("node %s: %v\n%s%s", file, err, other, stderr.String())
	}
	t.Logf("node %s: %d tests, %d failed, %.1f s\n%s", file, len(results), failed, time.Since(started).Seconds(), other)
}

// readResults reads what Node writes: the results, and whatever else was printed.
func readResults(r io.Reader) ([]result, string) {
	var results []result
	var other strings.Builder
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var one result
		if err := json.Unmarshal(lines.Bytes(), &one); err != nil || one.Status == "" {
			fmt.Fprintln(&other, lines.Text())
			continue
		}
		results = append(results, one)
	}
	if err := lines.Err(); err != nil {
		results = append(results, result{Name: "output of node", Status: "fail", Error: err.Error()})
	}
	return results, other.String()
}

// report makes a subtest of each result and returns how many did not pass.
func report(t *testing.T, results []result) int {
	t.Helper()
	if len(results) == 0 {
		t.Error("node ran no test")
		return 0
	}
	failed := 0
	for _, one := range results {
		ok := t.Run(one.Name, func(t *testing.T) {
			if one.Status != "pass" {
				t.Errorf("%s after %d ms: %s", one.Status, one.Ms, one.Error)
			}
		})
		if !ok {
			failed++
		}
	}
	return failed
}
