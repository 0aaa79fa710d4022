package e2e

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"flag"
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

// runNode runs one file of Node tests against the server at url and reports each as a subtest. A run without a test,
// and a test that was skipped, fail. The suites count on times of 300 ms and less, as those of the protocol do, and
// machines are busy at times: what fails is run again, twice at most, and each failure is told. It returns the results
// of the last run.
func runNode(t *testing.T, file, url string, env ...string) []result {
	t.Helper()
	results, err := execNode(t, file, url, env...)
	for try := 1; try < tries && !passed(results, err); try++ {
		for _, one := range results {
			if one.Status != "pass" {
				t.Logf("run %d: %s: %s after %d ms: %s", try, one.Name, one.Status, one.Ms, one.Error)
			}
		}
		t.Logf("node %s: run again (%v)", file, err)
		results, err = execNode(t, file, url, env...)
	}
	if failed := report(t, results); err != nil && failed == 0 {
		t.Errorf("node %s: %v", file, err)
	}
	return results
}

// tries is how often a file is run at most.
const tries = 3

func passed(results []result, err error) bool {
	for _, one := range results {
		if one.Status != "pass" {
			return false
		}
	}
	return err == nil && len(results) > 0
}

// nodeTime bounds one run of a file.
var nodeTime = flag.Duration("node-time", 3*time.Minute, "how long one file of Node tests may run")

// execNode runs a file of Node tests once. The error says that Node itself failed, which it also does if a test has.
func execNode(t *testing.T, file, url string, env ...string) ([]result, error) {
	t.Helper()
	if _, err := os.Stat("node_modules"); err != nil {
		t.Fatal("the Node packages are missing: run `make e2e`, or `npm ci` in e2e")
	}
	ctx, cancel := context.WithTimeout(t.Context(), *nodeTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", "--test-reporter=./node/report.mjs", "node/"+file)
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
	t.Logf("node %s: %d tests, %.1f s\n%s", file, len(results), time.Since(started).Seconds(), other)
	if err != nil {
		return results, fmt.Errorf("%w\n%s", err, stderr.String())
	}
	return results, nil
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
