//go:build unix

package nonstick_test

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// patience is how long the test waits for what must come.
const patience = 20 * time.Second

// ownModule is a program whose main is nonstick.Main, in a module of its own.
const ownModule = "examples/app"

// A program must start, speak Socket.IO and end.
func TestProgram(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, compile(t), "--addr", "127.0.0.1:0")
	cmd.Stderr, cmd.WaitDelay = os.Stderr, time.Second
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	ready := regexp.MustCompile(`^Nonstick listens on (http://\S+/) \(store memory, limits aws\)\n$`)
	m := ready.FindStringSubmatch(line)
	if m == nil {
		t.Fatalf("it said %q, %v", line, err)
	}
	speak(t, m[1]+"socket.io/?EIO=4&transport=polling")
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("it ended with %v", err)
	}
}

func speak(t *testing.T, url string) {
	t.Helper()
	open := request(t, http.MethodGet, url, "")
	sid, _, found := strings.Cut(strings.TrimPrefix(open, `0{"sid":"`), `"`)
	if !found {
		t.Fatalf("handshake: got %q", open)
	}
	url += "&sid=" + sid
	for _, step := range []struct{ post, want string }{
		{`40{"token":"secret","name":"Ann"}`, `40{"sid":"`},
		{`420["say","hello"]`, "42[\"said\",\"Ann\",\"hello\"]\x1e430[5]"},
		{`421["say",""]`, `431[{"message":"say something"}]`},
	} {
		if got := request(t, http.MethodPost, url, step.post); got != "ok" {
			t.Errorf("post %s: got %q", step.post, got)
		}
		if got := request(t, http.MethodGet, url, ""); !strings.HasPrefix(got, step.want) {
			t.Errorf("after %s: got %q, want %q", step.post, got, step.want)
		}
	}
}

// What the program says of itself goes by its name. It has no application to choose.
func TestHelp(t *testing.T) {
	program := compile(t)
	out, err := exec.CommandContext(t.Context(), program, "--help").Output()
	if err != nil || !strings.HasPrefix(string(out), "app runs Nonstick") ||
		!strings.Contains(string(out), "Usage: app [flags]") || strings.Contains(string(out), "--app") {
		t.Errorf("%v: %s", err, out)
	}
	refused, err := exec.CommandContext(t.Context(), program, "--app", "chat").CombinedOutput()
	if err == nil || !strings.HasPrefix(string(refused), "app: ") ||
		!strings.Contains(string(refused), "Run app --help") {
		t.Errorf("--app: %v, %s", err, refused)
	}
}

// On Lambda the program is a function, whether it was built for it or not. Built for it, it is nothing else.
func TestOnLambda(t *testing.T) {
	for _, tags := range []string{"", "lambda.norpc"} {
		t.Run("tags "+tags, func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), compile(t, "-tags", tags))
			cmd.Env = append(os.Environ(), "AWS_LAMBDA_RUNTIME_API=127.0.0.1:1")
			out, err := cmd.CombinedOutput()
			if err == nil || !strings.Contains(string(out), "NONSTICK_FUNCTION") ||
				!strings.Contains(string(out), "want one of close, emit, fanout") {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
	out, err := exec.CommandContext(t.Context(), compile(t, "-tags", "lambda.norpc")).CombinedOutput()
	if err == nil || !strings.HasPrefix(string(out), "app: this program was built for AWS Lambda") {
		t.Errorf("on a laptop: %v, %s", err, out)
	}
}

func compile(t *testing.T, args ...string) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "app")
	build := exec.CommandContext(t.Context(), "go", append(append([]string{"build"}, args...), "-o", program, ".")...)
	build.Dir = ownModule
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return program
}

func request(t *testing.T, method, url, body string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "text/plain;charset=UTF-8")
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s %s: status %d, %v: %s", method, url, res.StatusCode, err, b)
	}
	return string(b)
}
