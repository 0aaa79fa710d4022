package e2e

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

const (
	startTime = 30 * time.Second // for a server to answer its health check
	stopTime  = 10 * time.Second // for a process to end after SIGTERM
	logTail   = 16 << 10         // bytes of a process's log that are shown on failure
)

// binary is localdev, built once by TestMain.
var binary string

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

// run builds localdev and runs the tests.
func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "nonstick-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "localdev")
	build := exec.Command("go", "build", "-o", binary, "../localdev")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build localdev: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// output keeps what a process writes.
type output struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.all.Write(p)
}

// text is all that was written.
func (o *output) text() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.all.String()
}

// tail is the end of what was written, in whole lines.
func (o *output) tail() string {
	text := o.text()
	if len(text) <= logTail {
		return text
	}
	text = text[len(text)-logTail:]
	_, text, _ = strings.Cut(text, "\n")
	return "...\n" + text
}

// server is a running process.
type server struct {
	name    string
	log     *output
	process *os.Process
	ended   chan struct{} // closed when the process has ended
	err     error         // how it ended; read it after that
	// lacksRights: roles of the template lack rights on purpose.
	lacksRights bool
}

// start runs a server until the test ends. On failure the end of its log is shown.
func start(t *testing.T, name, path string, args ...string) *server {
	t.Helper()
	s := &server{name: name, log: &output{}, ended: make(chan struct{})}
	cmd := exec.Command(path, args...)
	cmd.Dir = ".." // where the chat's client package is found
	cmd.Env = append(os.Environ(), credentials...)
	cmd.Stdout, cmd.Stderr = s.log, s.log
	cmd.WaitDelay = stopTime // for what it has started, and holds its log
	if err := cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", name, err)
	}
	s.process = cmd.Process
	go func() {
		s.err = cmd.Wait()
		close(s.ended)
	}()
	t.Cleanup(func() {
		s.stop(t)
		if !s.lacksRights && strings.Contains(s.log.text(), missingRight) {
			t.Errorf("%s: a role of the template lacks a right, see its log", name)
		}
		if t.Failed() {
			t.Logf("log of %s:\n%s", name, s.log.tail())
		}
	})
	return s
}

// stop ends a process; one that has ended by itself, or does not end when asked to, fails the test.
func (s *server) stop(t *testing.T) {
	t.Helper()
	select {
	case <-s.ended:
		t.Errorf("%s ended during the test: %v", s.name, s.err)
		return
	default:
	}
	if err := s.process.Signal(syscall.SIGTERM); err != nil {
		t.Errorf("stop %s: %v", s.name, err)
	}
	select {
	case <-s.ended:
	case <-time.After(stopTime):
		t.Errorf("%s did not stop within %v", s.name, stopTime)
		if err := s.process.Kill(); err != nil {
			t.Errorf("kill %s: %v", s.name, err)
		}
		<-s.ended
	}
}

// waitHealthy waits until the server answers its health check at url with 200.
func (s *server) waitHealthy(t *testing.T, url string) {
	t.Helper()
	s.waitHealthyFor(t, url, startTime)
}

func (s *server) waitHealthyFor(t *testing.T, url string, patience time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for {
		err := healthy(ctx, url)
		if err == nil {
			return
		}
		select {
		case <-s.ended:
			t.Fatalf("%s ended at its start", s.name)
		case <-ctx.Done():
			t.Fatalf("%s is not ready: %v", url, err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func healthy(ctx context.Context, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/healthz", nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d", res.StatusCode)
	}
	return nil
}

// nextPort is where freePort goes on; below the range from which clients get their ports.
var nextPort atomic.Int64

func init() { nextPort.Store(int64(20000 + os.Getpid()%8000)) }

// freePort returns a port of the loopback address that is free.
func freePort(t *testing.T) int {
	t.Helper()
	for range 2000 {
		port := int(nextPort.Add(1))
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			continue
		}
		l.Close()
		return port
	}
	t.Fatal("no free port")
	return 0
}
