//go:build unix

package lambda_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nonstick-io/nonstick/localdev/lambda"
)

// patience is how long a test waits for what must come.
const patience = 10 * time.Second

// probe is the folder with the built function of testdata.
var probe string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "probe-*")
	if err == nil {
		probe = dir
		err = lambda.Build(context.Background(), filepath.Join("testdata", "probe"), dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// started is a platform with one function, "probe".
type started struct {
	*lambda.Platform
	logs string
}

// start starts a platform; change may alter its configuration and function.
func start(t *testing.T, change func(*lambda.Config, *lambda.Function)) *started {
	t.Helper()
	f := lambda.Function{
		Name: "probe", ARN: "arn:aws:lambda:local:000000000000:function:probe", Dir: probe, Handler: "bootstrap",
		Environment: map[string]string{}, Memory: 128, Timeout: 5 * time.Second, Concurrency: 4,
	}
	c := lambda.Config{Region: "local", Logs: t.TempDir()}
	if change != nil {
		change(&c, &f)
	}
	c.Functions = []lambda.Function{f}
	p, err := lambda.New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return &started{p, c.Logs}
}

// order makes a payload of pairs.
func order(pairs ...any) []byte {
	m := map[string]any{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i].(string)] = pairs[i+1]
	}
	b, err := json.Marshal(m)
	if err != nil {
		panic(err)
	}
	return b
}

// invoke calls the function, which must be reached.
func (s *started) invoke(t *testing.T, pairs ...any) lambda.Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	res, err := s.Invoke(ctx, lambda.Call{Function: "probe", Payload: order(pairs...)})
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// want calls the function and compares its answer.
func (s *started) want(t *testing.T, want string, pairs ...any) {
	t.Helper()
	if res := s.invoke(t, pairs...); res.FunctionError != "" || string(res.Payload) != want {
		t.Errorf("%v: answer = %s %s, want %s", pairs, res.FunctionError, res.Payload, want)
	}
}

func (s *started) stats() lambda.Stats { return s.Stats()[0] }

// log returns the function's log.
func (s *started) log(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(s.logs, "probe.log"))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// eventually waits until something holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never came true: %s", what)
		}
	}
}

// processState is the letter that the kernel gives a process; empty if there is none.
func processState(pid int) string {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	_, rest, _ := strings.Cut(string(b), ") ")
	return rest[:1]
}

// alive reports whether a process runs or is frozen: a process that has ended and has not been waited for does not
// count.
func alive(pid int) bool {
	s := processState(pid)
	return s != "" && s != "Z" && s != "X"
}

// together runs f so many times at once.
func together(n int, f func(i int)) {
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { f(i) })
	}
	all.Wait()
}

// safeBuffer is a buffer that is written by others.
type safeBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
