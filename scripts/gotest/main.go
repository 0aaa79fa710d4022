// Command gotest runs `go test -json` with the arguments it is given and judges the outcome more strictly:
// a test that was skipped fails the run, and so does a run without any test. It prints what failed and
// closes with a line of counts.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdout))
}

// run returns the exit code.
func run(args []string, out io.Writer) int {
	cmd := exec.Command("go", append([]string{"test", "-json"}, args...)...)
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		fmt.Fprintf(os.Stderr, "gotest: %v\n", err)
		return 1
	}
	if err := cmd.Start(); err != nil {
		fmt.Fprintf(os.Stderr, "gotest: %v\n", err)
		return 1
	}
	s := newSummary(out)
	readErr := s.read(stdout)
	waitErr := cmd.Wait()
	ok := s.close()
	if readErr != nil {
		fmt.Fprintf(os.Stderr, "gotest: read results: %v\n", readErr)
	}
	if waitErr != nil {
		fmt.Fprintf(os.Stderr, "gotest: go test: %v\n", waitErr)
	}
	if !ok || readErr != nil || waitErr != nil {
		return 1
	}
	return 0
}

// event is one line of go test -json, as far as it is needed here.
type event struct {
	Action  string
	Package string
	Test    string
	Output  string
	Elapsed float64
}

// summary counts tests and keeps the output of those that are not over.
type summary struct {
	out                     io.Writer
	output                  map[string][]string // by package and test
	parents                 map[string]bool     // tests that have subtests: they are not counted
	status                  map[string]string
	order                   []string
	passed, failed, skipped int
}

func newSummary(out io.Writer) *summary {
	return &summary{out: out, output: map[string][]string{}, parents: map[string]bool{}, status: map[string]string{}}
}

// read handles the events until r ends. A line that is no event is printed as it is.
func (s *summary) read(r io.Reader) error {
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			var e event
			if json.Unmarshal(line, &e) == nil {
				s.handle(e)
			} else {
				fmt.Fprintf(s.out, "%s", line)
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// handle takes one event.
func (s *summary) handle(e event) {
	key := e.Package + " " + e.Test
	switch e.Action {
	case "output", "build-output":
		if e.Action == "build-output" {
			fmt.Fprint(s.out, e.Output)
			return
		}
		s.output[key] = append(s.output[key], e.Output)
	case "run":
		s.noteParents(e.Package, e.Test)
	case "pass", "fail", "skip":
		s.finish(key, e)
	}
}

// noteParents marks every test above this one: TestA and TestA/b above TestA/b/c.
func (s *summary) noteParents(pkg, test string) {
	for i := range test {
		if test[i] == '/' {
			s.parents[pkg+" "+test[:i]] = true
		}
	}
}

// finish takes the end of a test, or of a package where Test is empty.
func (s *summary) finish(key string, e event) {
	if e.Test == "" {
		s.finishPackage(key, e)
		return
	}
	if e.Action != "pass" {
		fmt.Fprintf(s.out, "--- %s: %s %s\n", e.Action, e.Package, e.Test)
		for _, line := range s.output[key] {
			fmt.Fprint(s.out, line)
		}
	}
	delete(s.output, key)
	s.status[key] = e.Action
	s.order = append(s.order, key)
	if e.Elapsed >= slow && !strings.Contains(e.Test, "/") {
		fmt.Fprintf(s.out, "%-4s %s %s %.0f s\n", e.Action, e.Package, e.Test, e.Elapsed)
	}
}

// slow is from how many seconds on a test is told of, so that a long run shows how it gets on.
const slow = 20

// finishPackage prints one line; the package's own output too when it failed without a failing test.
func (s *summary) finishPackage(key string, e event) {
	if e.Action == "fail" {
		for _, line := range s.output[key] {
			fmt.Fprint(s.out, line)
		}
	}
	delete(s.output, key)
	took := time.Duration(e.Elapsed * float64(time.Second)).Round(10 * time.Millisecond)
	fmt.Fprintf(s.out, "%-4s %s %v\n", e.Action, e.Package, took)
}

// close prints the counts and tells whether all is well.
func (s *summary) close() bool {
	for _, key := range s.order {
		if s.parents[key] && s.status[key] == "pass" {
			continue
		}
		switch s.status[key] {
		case "pass":
			s.passed++
		case "fail":
			s.failed++
		case "skip":
			s.skipped++
		}
	}
	if s.skipped > 0 {
		fmt.Fprintln(s.out, "A skipped test counts as a failure here.")
	}
	fmt.Fprintf(s.out, "%d passed, %d failed, %d skipped\n", s.passed, s.failed, s.skipped)
	if s.passed == 0 {
		fmt.Fprintln(s.out, "No test passed: that is a failure too.")
	}
	return s.failed == 0 && s.skipped == 0 && s.passed > 0
}
