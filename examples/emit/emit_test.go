package emit

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// root is the repository's, from here.
const root = "../.."

// ready is what localdev says when it is.
var ready = regexp.MustCompile(`listens on (http://[^ /]+)/.*DynamoDB at (http://[^ ,)]+)`)

// stack is the template's functions on localdev.
type stack struct{ url, dynamodb string }

// patience is how long a program may take, to be built or to run.
const patience = 5 * time.Minute

// program is a program that is killed when it takes too long.
func program(t *testing.T, name string, args ...string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.WaitDelay = time.Second
	return cmd
}

// startStack builds localdev and starts it with the template.
func startStack(t *testing.T) stack {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "localdev")
	build := program(t, "go", "build", "-o", binary, "./localdev")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	cmd := exec.Command(binary, "--template", "template.yaml", "--addr", "127.0.0.1:0", "--logs", t.TempDir())
	cmd.Dir, cmd.Stderr = root, os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
			t.Error(err)
		}
		late := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() }) // it may have ended
		defer late.Stop()
		if err := cmd.Wait(); err != nil {
			t.Errorf("localdev: %v", err)
		}
	})
	late := time.AfterFunc(patience, func() { _ = out.Close() }) // which ends the reading
	defer late.Stop()
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if m := ready.FindStringSubmatch(lines.Text()); m != nil {
			go func() { _, _ = io.Copy(io.Discard, out) }() // ends with the process
			return stack{m[1], m[2]}
		}
	}
	t.Fatal("localdev ended, or was late, before it was ready")
	return stack{}
}

// environment is what the examples find on AWS, but for where everything is.
func (s stack) environment(more ...string) []string {
	env := append(
		os.Environ(), "AWS_REGION=us-east-1", "AWS_DEFAULT_REGION=us-east-1", "AWS_ACCESS_KEY_ID=local",
		"AWS_SECRET_ACCESS_KEY=local", "AWS_ENDPOINT_URL="+s.url, "AWS_ENDPOINT_URL_DYNAMODB="+s.dynamodb,
		"NONSTICK_EMIT_FUNCTION=EmitFunction", "NONSTICK_TABLE=Table",
	)
	return append(env, more...)
}

// client is a Socket.IO client of a few lines, on polling.
type client struct {
	t    *testing.T
	url  string
	n    int
	seen []string
}

// join connects a client that is in the lobby.
func join(t *testing.T, s stack) *client {
	t.Helper()
	c := &client{t: t, url: s.url + "/socket.io/?EIO=4&transport=polling"}
	var open struct {
		SID string `json:"sid"`
	}
	if err := json.Unmarshal([]byte(c.get()[1:]), &open); err != nil {
		t.Fatal(err)
	}
	c.url += "&sid=" + open.SID
	c.post(`40{"name":"test"}`)
	c.until("40{")
	c.post(`420["join","lobby"]`)
	c.until("430[")
	return c
}

func (c *client) do(method, body string) string {
	c.t.Helper()
	c.n++
	req, err := http.NewRequestWithContext(
		c.t.Context(), method, c.url+"&t="+strconv.Itoa(c.n), strings.NewReader(body),
	)
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "text/plain;charset=UTF-8")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		c.t.Fatalf("%s: %s %s %v", method, res.Status, answer, err)
	}
	return string(answer)
}

func (c *client) get() string { return c.do(http.MethodGet, "") }

func (c *client) post(body string) { c.do(http.MethodPost, body) }

// until polls until a packet begins with the text, and returns it.
func (c *client) until(prefix string) string {
	c.t.Helper()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); {
		for i, p := range c.seen {
			if strings.HasPrefix(p, prefix) {
				c.seen = c.seen[i+1:]
				return p
			}
		}
		for p := range strings.SplitSeq(c.get(), "\x1e") {
			if p == "2" {
				c.post("3")
			}
			c.seen = append(c.seen, p)
		}
	}
	c.t.Fatalf("no packet %s in %q", prefix, c.seen)
	return ""
}

// run runs a program and returns what it wrote.
func run(t *testing.T, env []string, name string, args ...string) string {
	t.Helper()
	cmd := program(t, name, args...)
	cmd.Env = env
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v: %s", name, err, out)
	}
	return string(out)
}

// runLambda runs a program for one invocation, as the platform does.
func runLambda(t *testing.T, env []string, program, event string) string {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	answer := make(chan string, 1)
	events := make(chan string, 1)
	events <- event
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/next") {
			select {
			case e := <-events:
				w.Header().Set("Lambda-Runtime-Aws-Request-Id", "1")
				w.Header().
					Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(time.Now().Add(time.Minute).UnixMilli(), 10))
				_, _ = io.WriteString(w, e)
			case <-r.Context().Done():
			case <-ctx.Done():
			}
			return
		}
		body, _ := io.ReadAll(r.Body)
		w.WriteHeader(http.StatusAccepted)
		answer <- r.URL.Path[strings.LastIndex(r.URL.Path, "/"):] + " " + string(body)
	}))
	cmd := exec.CommandContext(ctx, program)
	cmd.Env = append(env, "AWS_LAMBDA_RUNTIME_API="+strings.TrimPrefix(api.URL, "http://"))
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		stop()
		_ = cmd.Wait() // it was killed
		api.Close()
	}()
	select {
	case a := <-answer:
		return a
	case <-time.After(time.Minute):
		t.Fatal("no answer")
		return ""
	}
}

func TestExamples(t *testing.T) {
	run(t, os.Environ(), "./install")
	s := startStack(t)
	c := join(t, s)
	venv, err := filepath.Abs(filepath.Join(root, ".cache", "emit-examples", "bin"))
	if err != nil {
		t.Fatal(err)
	}
	path := "PATH=" + venv + string(os.PathListSeparator) + os.Getenv("PATH")
	tests := []struct {
		name, emits, answers string
		run                  func(t *testing.T) string
	}{
		{
			"go", "hello from Go", `/response null`,
			func(t *testing.T) string {
				binary := filepath.Join(t.TempDir(), "bootstrap")
				run(t, os.Environ(), "go", "build", "-o", binary, "./go")
				return runLambda(t, s.environment(), binary, `{"text":"hello from Go"}`)
			},
		},
		{"node", "hello from Node", `"recipients":1`, func(t *testing.T) string {
			return run(
				t, s.environment(), "node", "--input-type=module", "--eval",
				`import { handler } from './node/index.mjs'; console.log(JSON.stringify(await handler({ text: 'hello from Node' })));`,
			)
		}},
		{"python", "hello from Python", `"recipients": 1`, func(t *testing.T) string {
			return run(
				t, s.environment(path, "PYTHONPATH=python", "PYTHONDONTWRITEBYTECODE=1"),
				filepath.Join(venv, "python"), "-c",
				`import function, json; print(json.dumps(function.handler({"text": "hello from Python"}, None)))`,
			)
		}},
		{"awscli", "hello from the AWS CLI", `"recipients":1`, func(t *testing.T) string {
			return run(t, s.environment(path), "./awscli/emit")
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.run(t); !strings.Contains(got, tt.answers) {
				t.Errorf("it answered %s, want %s", got, tt.answers)
			}
			if got := c.until(`42["message"`); !strings.Contains(got, tt.emits) {
				t.Errorf("the client got %s, want %s", got, tt.emits)
			}
		})
	}
	t.Run("a request that is wrong", func(t *testing.T) {
		cmd := program(t, filepath.Join(venv, "python"), "-c", `import function; function.emit({"event": "connect"})`)
		cmd.Env = s.environment("PYTHONPATH=python", "PYTHONDONTWRITEBYTECODE=1")
		if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "reserved") {
			t.Errorf("%v: %s", err, out)
		}
	})
}
