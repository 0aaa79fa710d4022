//go:build unix

// Package dynamolocal runs DynamoDB Local.
package dynamolocal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// EndpointVariable names the environment variable that tells tests of a DynamoDB Local that runs already.
const EndpointVariable = "NONSTICK_DYNAMODB_ENDPOINT"

// startTime is how long a start may take, a first fetch included.
const startTime = 3 * time.Minute

// stopTime is how long the end may take.
const stopTime = 10 * time.Second

// ErrEnded says that the process ended before it took connections. The error has what it said.
var ErrEnded = errors.New("dynamolocal: DynamoDB Local ended at its start")

// Options of [Start].
type Options struct {
	// Near are folders: scripts/dynamodb-local, which fetches and runs it, is in one of them or above one.
	Near []string
	// Shared makes one database for all access keys; otherwise each has its own.
	Shared bool
}

// Server is a DynamoDB Local on the loopback interface. It ends with this process, however that ends.
type Server struct {
	url   string
	cmd   *exec.Cmd
	input io.Closer
	said  *lastWords
	ended chan struct{} // closed when the process has
}

// Start returns when the server takes connections. It needs Java, and Maven the first time. The error matches
// [ErrEnded] if one of them is missing, [os.ErrNotExist] if the script is.
func Start(ctx context.Context, o Options) (*Server, error) {
	script, err := findScript(o.Near)
	if err != nil {
		return nil, err
	}
	port, err := lowPort()
	if err != nil {
		return nil, err
	}
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	s := &Server{url: "http://" + address, said: &lastWords{}, ended: make(chan struct{})}
	s.cmd = exec.Command(script, "run", "--until-eof", "--port", strconv.Itoa(port))
	if o.Shared {
		s.cmd.Args = append(s.cmd.Args, "--shared")
	}
	s.cmd.Stdout, s.cmd.Stderr = s.said, s.said
	s.cmd.WaitDelay = stopTime
	// In a group of its own: an interrupt from the keyboard is for this process, which needs it until the end.
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if s.input, err = s.cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("dynamolocal: make a pipe: %w", err)
	}
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("dynamolocal: start: %w", err)
	}
	go func() {
		defer close(s.ended)
		_ = s.cmd.Wait() // it is ended by the end of its input, which is no success to the shell
	}()
	if err := s.wait(ctx, address); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	return s, nil
}

// URL is where the server answers.
func (s *Server) URL() string { return s.url }

// wait returns when it takes connections.
func (s *Server) wait(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		if c, err := net.DialTimeout("tcp", address, time.Second); err == nil {
			return c.Close()
		}
		select {
		case <-s.ended:
			return fmt.Errorf("%w: %s", ErrEnded, s.said)
		case <-ctx.Done():
			return fmt.Errorf("dynamolocal: it does not answer: %w: %s", ctx.Err(), s.said)
		case <-tick.C:
		}
	}
}

// Stop ends it, by the end of its input, and returns when it has ended. If that takes more than 10 s it is killed,
// which is an error.
func (s *Server) Stop() error {
	err := s.input.Close()
	if errors.Is(err, os.ErrClosed) { // it has ended by itself
		err = nil
	}
	select {
	case <-s.ended:
		return err
	case <-time.After(stopTime):
	}
	killed := syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL)
	<-s.ended
	return errors.Join(
		err, fmt.Errorf("dynamolocal: it did not end within %s and was killed: %s", stopTime, s.said), killed,
	)
}

// lastWords keeps the end of what a process says.
type lastWords struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write implements [io.Writer].
func (l *lastWords) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.b.Len() > 64<<10 {
		l.b.Reset()
	}
	return l.b.Write(p)
}

// String returns it.
func (l *lastWords) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.TrimSpace(l.b.String())
}

// findScript looks for scripts/dynamodb-local in the folders and those above them.
func findScript(dirs []string) (string, error) {
	for _, dir := range dirs {
		dir, err := filepath.Abs(dir)
		for err == nil {
			path := filepath.Join(dir, "scripts", "dynamodb-local")
			if _, err := os.Stat(path); err == nil {
				return path, nil
			}
			parent := filepath.Dir(dir)
			if parent == dir {
				break
			}
			dir = parent
		}
	}
	return "", fmt.Errorf("dynamolocal: find scripts/dynamodb-local: %w", os.ErrNotExist)
}

// lowPort finds a free port below those that the system deals out by itself.
func lowPort() (int, error) {
	var last error
	for range 50 {
		port := 20_000 + rand.IntN(12_000)
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			last = err
			continue
		}
		return port, l.Close()
	}
	return 0, fmt.Errorf("dynamolocal: find a free port: %w", last)
}
