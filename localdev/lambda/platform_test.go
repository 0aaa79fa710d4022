//go:build unix

package lambda_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/nonstick-io/nonstick/localdev/lambda"
)

// The service's limits of a call, of its answer, and of an asynchronous call, in bytes.
const (
	maxPayload      = 6 << 20
	maxAnswer       = 6_291_556
	maxAsyncPayload = 1 << 20
)

func TestWarmAndCold(t *testing.T) {
	s := start(t, nil)
	s.want(t, `"hello"`, "text", "hello")
	s.want(t, `2`, "do", "runs")
	if got := s.stats(); got.ColdStarts != 1 || got.Invocations != 2 || got.Busy != 0 {
		t.Errorf("stats = %+v, want one cold start for two calls", got)
	}
	together(3, func(int) { s.invoke(t, "sleep", 100) })
	if got := s.stats(); got.ColdStarts != 3 || got.Peak != 3 || len(got.PIDs) != 3 {
		t.Errorf("stats = %+v, want an environment for each call at a time", got)
	}
}

func TestEnvironmentVariables(t *testing.T) {
	t.Setenv("LOCALDEV_SECRET", "leaks")
	s := start(t, func(c *lambda.Config, f *lambda.Function) {
		c.Environment = map[string]string{"AWS_ENDPOINT_URL": "http://local"}
		f.Environment = map[string]string{"AWS_ENDPOINT_URL": "http://elsewhere", "MINE": "function"}
		f.Memory = 256
	})
	for name, want := range map[string]string{
		"AWS_LAMBDA_FUNCTION_NAME": "probe", "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256", "AWS_REGION": "local", "_HANDLER": "bootstrap",
		"LAMBDA_TASK_ROOT": probe, "AWS_ENDPOINT_URL": "http://local", "MINE": "function", "LOCALDEV_SECRET": "",
		"AWS_LAMBDA_MAX_CONCURRENCY": "",
	} {
		s.want(t, strconv.Quote(want), "do", "env", "text", name)
	}
}

// A function that is not called must not run: what it does behind its answer stands still, as on Lambda.
func TestFrozenBetweenInvocations(t *testing.T) {
	s := start(t, nil)
	s.invoke(t, "do", "tick")
	pid := s.stats().PIDs[0]
	eventually(t, "the idle process is stopped", func() bool { return processState(pid) == "T" })
	var before, after int
	count := func(to *int) {
		if err := json.Unmarshal(s.invoke(t, "do", "ticks").Payload, to); err != nil {
			t.Fatal(err)
		}
	}
	count(&before)
	time.Sleep(300 * time.Millisecond)
	count(&after)
	if after-before > 100 {
		t.Errorf("%d ticks while it was idle, want next to none", after-before)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.invoke(t, "sleep", 300)
	}()
	eventually(
		t, "a running process is not stopped", func() bool { st := processState(pid); return st == "S" || st == "R" },
	)
	<-done
}

func TestThrottle(t *testing.T) {
	s := start(t, func(_ *lambda.Config, f *lambda.Function) { f.Concurrency = 2 })
	var throttled, answered atomic.Int64
	together(6, func(int) {
		_, err := s.Invoke(context.Background(), lambda.Call{Function: "probe", Payload: order("sleep", 300)})
		switch {
		case err == nil:
			answered.Add(1)
		case errors.Is(err, lambda.ErrThrottled):
			throttled.Add(1)
		default:
			t.Error(err)
		}
	})
	if answered.Load() != 2 || throttled.Load() != 4 {
		t.Errorf("%d answered, %d throttled, want 2 and 4", answered.Load(), throttled.Load())
	}
	if got := s.stats(); got.Throttles != 4 || got.Peak != 2 {
		t.Errorf("stats = %+v", got)
	}
	s.want(t, `"again"`, "text", "again") // nothing is stuck
}

func TestNoConcurrencyThrottlesAll(t *testing.T) {
	s := start(t, func(_ *lambda.Config, f *lambda.Function) { f.Concurrency = 0 })
	_, err := s.Invoke(context.Background(), lambda.Call{Function: "probe", Payload: []byte("{}")})
	if !errors.Is(err, lambda.ErrThrottled) {
		t.Errorf("err = %v, want ErrThrottled", err)
	}
}

func TestRefusedCalls(t *testing.T) {
	s := start(t, nil)
	tests := []struct {
		name string
		call lambda.Call
		want error
	}{
		{"unknown function", lambda.Call{Function: "nobody"}, lambda.ErrNotFound},
		{"too large", lambda.Call{Function: "probe", Payload: make([]byte, maxPayload+1)}, lambda.ErrTooLarge},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := s.Invoke(context.Background(), tt.call); !errors.Is(err, tt.want) {
				t.Errorf("err = %v, want %v", err, tt.want)
			}
		})
	}
	if _, err := s.Invoke(context.Background(), lambda.Call{Function: "probe", Payload: []byte("{}")}); err != nil {
		t.Error(err)
	}
	if err := s.InvokeAsync(
		lambda.Call{Function: "probe", Payload: make([]byte, maxAsyncPayload+1)},
	); !errors.Is(
		err, lambda.ErrTooLarge,
	) {
		t.Errorf("async: err = %v, want ErrTooLarge", err)
	}
	s.Close()
	if _, err := s.Invoke(
		context.Background(), lambda.Call{Function: "probe", Payload: []byte("{}")},
	); !errors.Is(
		err, lambda.ErrStopping,
	) {
		t.Errorf("after Close: err = %v, want ErrStopping", err)
	}
}

func TestFailures(t *testing.T) {
	tests := []struct {
		name          string
		order         []any
		kind, message string
		survives      bool // the process goes on
		timeouts      int64
	}{
		{"error", []any{"do", "error"}, "errorString", "as ordered", true, 0},
		{"panic", []any{"do", "panic"}, "string", "as ordered", false, 0},
		{"crash", []any{"do", "crash"}, "Runtime.ExitError", "exit status 3", false, 0},
		{"timeout", []any{"sleep", 60_000}, "Sandbox.Timedout", "Task timed out after 1.00 seconds", false, 1},
		{"memory", []any{"do", "memory", "mb", 300}, "Runtime.OutOfMemory", "signal: killed", false, 0},
		{
			"memory, for long",
			[]any{"do", "memory", "mb", 300, "sleep", 1},
			"Runtime.OutOfMemory", "signal: killed",
			false, 0,
		},
		{"answer too large", []any{"do", "large", "mb", 7}, "Function.ResponseSizeTooLarge", "exceeded", false, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := start(t, func(_ *lambda.Config, f *lambda.Function) {
				f.Timeout = time.Second
				if tt.name != "timeout" {
					f.Timeout = 5 * time.Second
				}
			})
			s.invoke(t)
			before := s.stats().PIDs[0]
			res := s.invoke(t, tt.order...)
			var fault struct {
				Type    string `json:"errorType"`
				Message string `json:"errorMessage"`
			}
			if err := json.Unmarshal(res.Payload, &fault); err != nil {
				t.Fatalf("payload %s: %v", res.Payload, err)
			}
			if res.FunctionError != "Unhandled" || fault.Type != tt.kind ||
				!strings.Contains(fault.Message, tt.message) {
				t.Errorf("result = %s %+v, want %s: %s", res.FunctionError, fault, tt.kind, tt.message)
			}
			s.want(t, `"next"`, "text", "next") // the function goes on
			if after := s.stats().PIDs[0]; (after == before) != tt.survives {
				t.Errorf("process %d before and %d after, survives = %v", before, after, tt.survives)
			}
			if got := s.stats(); got.Errors != 1 || got.Timeouts != tt.timeouts {
				t.Errorf("stats = %+v", got)
			}
		})
	}
}

// A process that is killed from outside, idle or busy, loses at most the call that it served. The largest answer there
// may be, and one byte more.
func TestLargestAnswer(t *testing.T) {
	s := start(t, nil)
	const quotes = len(`""`)
	res := s.invoke(t, "do", "large", "bytes", maxAnswer-quotes)
	if got := s.stats().LargestAnswer; res.FunctionError != "" || len(res.Payload) != maxAnswer ||
		got != maxAnswer {
		t.Errorf(
			"answer of %d bytes %s, the largest has %d; want %d", len(res.Payload), res.FunctionError, got,
			maxAnswer,
		)
	}
	res = s.invoke(t, "do", "large", "bytes", maxAnswer-quotes+1)
	if want := "exceeded maximum allowed payload size (6291556 bytes)"; res.FunctionError == "" ||
		!strings.Contains(string(res.Payload), want) {
		t.Errorf("answer %.300s %s, want %s", res.Payload, res.FunctionError, want)
	}
}

func TestKilledFromOutside(t *testing.T) {
	s := start(t, nil)
	s.invoke(t)
	if err := syscall.Kill(s.stats().PIDs[0], syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the end is noticed", func() bool { return len(s.stats().PIDs) == 0 })
	s.want(t, `1`, "do", "runs") // a new one
	pid := s.stats().PIDs[0]
	done := make(chan lambda.Result, 1)
	go func() { done <- s.invoke(t, "sleep", 5_000) }()
	eventually(t, "the process runs", func() bool { return processState(pid) == "S" })
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if res := <-done; !strings.Contains(string(res.Payload), "Runtime.ExitError") ||
		!strings.Contains(string(res.Payload), "signal: killed") {
		t.Errorf("result = %s, want an exit error", res.Payload)
	}
	s.want(t, `1`, "do", "runs")
	if got := s.stats(); got.Crashes != 2 {
		t.Errorf("stats = %+v, want 2 crashes", got)
	}
}

func TestInitFailures(t *testing.T) {
	tests := []struct{ name, key, value, want string }{
		{"crash", "PROBE_INIT", "crash", "exit status 7"},
		{"too slow", "PROBE_INIT_SLEEP", "1m", "initialisation timed out"},
		{"no program", "", "", "no such file"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var said safeBuffer
			s := start(t, func(c *lambda.Config, f *lambda.Function) {
				c.Logger = slog.New(slog.NewTextHandler(&said, nil))
				c.Init, f.Timeout = 100*time.Millisecond, 100*time.Millisecond
				f.Environment[tt.key] = tt.value
				if tt.key == "" {
					delete(f.Environment, "")
					f.Dir = t.TempDir()
				} else if tt.value == "crash" {
					c.Init, f.Timeout = patience, patience
				}
			})
			res := s.invoke(t)
			if res.FunctionError == "" || !strings.Contains(string(res.Payload), tt.want) {
				t.Errorf("result = %s, want %s", res.Payload, tt.want)
			}
			if tt.value == "crash" && !strings.Contains(said.String(), "init says goodbye") {
				t.Errorf("the reason is not among what was logged: %s", said.String())
			}
			if got := s.stats(); got.ColdStarts != 2 || got.Busy != 0 || len(got.PIDs) != 0 {
				t.Errorf("stats = %+v, want two starts and nothing left", got)
			}
		})
	}
}

func TestCallerThatLeaves(t *testing.T) {
	s := start(t, func(_ *lambda.Config, f *lambda.Function) { f.Concurrency = 1 })
	file := t.TempDir() + "/notes"
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	_, err := s.Invoke(
		ctx, lambda.Call{Function: "probe", Payload: order("do", "note", "file", file, "text", "done", "sleep", 300)},
	)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("err = %v, want the caller's", err)
	}
	eventually(t, "the function runs on", func() bool { b, _ := os.ReadFile(file); return string(b) == "done\n" })
}

func TestIdleEnvironmentsAreReaped(t *testing.T) {
	s := start(t, func(c *lambda.Config, _ *lambda.Function) { c.Idle = 200 * time.Millisecond })
	s.invoke(t)
	pid := s.stats().PIDs[0]
	eventually(t, "the process is gone", func() bool { return len(s.stats().PIDs) == 0 && !alive(pid) })
	s.want(t, `1`, "do", "runs")
	if got := s.stats(); got.Crashes != 0 {
		t.Errorf("stats = %+v: an end by us is no crash", got)
	}
}

func TestCloseLeavesNoProcess(t *testing.T) {
	s := start(t, nil)
	var child int
	if err := json.Unmarshal(s.invoke(t, "do", "child").Payload, &child); err != nil {
		t.Fatal(err)
	}
	pids := append(s.stats().PIDs, child) // frozen, with a child of its own
	done := make(chan lambda.Result, 2)
	for range 2 {
		go func() { done <- s.invoke(t, "sleep", 60_000) }()
	}
	eventually(t, "two are busy", func() bool { return s.stats().Busy == 2 && len(s.stats().PIDs) >= 2 })
	pids = append(pids, s.stats().PIDs...)
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	for range 2 {
		if res := <-done; res.FunctionError == "" {
			t.Errorf("a call that was running = %s, want an error", res.Payload)
		}
	}
	for _, pid := range pids {
		eventually(t, "no process is left", func() bool { return !alive(pid) })
	}
}

func TestLogs(t *testing.T) {
	s := start(t, nil)
	res := s.invoke(t, "do", "say", "text", "first words")
	s.invoke(t, "do", "error")
	want := regexp.MustCompile(`^INIT_START .*
init done
START RequestId: ` + res.RequestID + ` Version: \$LATEST
first words
an unfinished line
END RequestId: ` + res.RequestID + `
REPORT RequestId: ` + res.RequestID + `	Duration: \d+\.\d\d ms	Billed Duration: \d+ ms	` +
		`Memory Size: 128 MB	Max Memory Used: [1-9]\d* MB	Init Duration: \d+\.\d\d ms	
START RequestId: \S+ Version: \$LATEST
.*as ordered.*
END RequestId: \S+
REPORT .*	Max Memory Used: [1-9]\d* MB	Status: error	
$`)
	if got := s.log(t); !want.MatchString(got) {
		t.Errorf("log:\n%s\nwant:\n%s", got, want)
	}
	if !strings.Contains(string(res.Log), "first words") || !strings.HasSuffix(string(res.Log), "\t\n") {
		t.Errorf("log of the result = %q", res.Log)
	}
}

// Concurrent invocations must not mix in the log.
func TestLogsKeepInvocationsApart(t *testing.T) {
	s := start(t, nil)
	together(4, func(i int) {
		for range 5 {
			s.invoke(t, "do", "say", "text", "words of "+strconv.Itoa(i), "sleep", 5)
		}
	})
	block := regexp.MustCompile(
		`(?m)^START RequestId: (\S+) .*\nwords of (\d)\nan unfinished line\nEND RequestId: (\S+)\nREPORT RequestId: (\S+)`,
	)
	found := block.FindAllStringSubmatch(s.log(t), -1)
	for _, m := range found {
		if m[1] != m[3] || m[1] != m[4] {
			t.Errorf("mixed: %v", m)
		}
	}
	if len(found) != 20 {
		t.Errorf("%d whole invocations in the log, want 20:\n%s", len(found), s.log(t))
	}
}

// A quiet function's log has its own lines, and Lambda's only about what went wrong. All of it is counted, and so is
// the time that is billed.
func TestQuietLogs(t *testing.T) {
	s := start(t, func(_ *lambda.Config, f *lambda.Function) { f.Quiet = true })
	s.invoke(t, "do", "say", "text", "first words")
	got := s.log(t)
	if strings.Contains(got, "START") || strings.Contains(got, "REPORT") || !strings.Contains(got, "first words") {
		t.Errorf("log: %s", got)
	}
	if n := s.stats().LogBytes; n != int64(len(got)) {
		t.Errorf("%d bytes counted, the log has %d", n, len(got))
	}
	if ms := s.stats().BilledMs; ms < 1 {
		t.Errorf("%d ms billed", ms)
	}
	s.invoke(t, "do", "error")
	if got := s.log(t); strings.Count(got, "REPORT") != 1 || !strings.Contains(got, "Status: error") {
		t.Errorf("a failure is not told: %s", got)
	}
}
