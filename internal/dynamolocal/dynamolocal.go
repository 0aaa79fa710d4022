// Package dynamolocal gives tests a DynamoDB Local.
package dynamolocal

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"
)

// EndpointVariable names the environment variable that holds the URL of a DynamoDB Local that runs
// already; then none is started.
const EndpointVariable = "NONSTICK_DYNAMODB_ENDPOINT"

// startTime is how long a start may take, a first fetch included.
const startTime = 3 * time.Minute

var errEnded = errors.New("DynamoDB Local ended at its start")

var shared struct {
	once sync.Once
	url  string
	err  error
	// input keeps the server alive: it ends when this process does, however that happens.
	input io.Closer
}

// Start returns the URL of a DynamoDB Local on the loopback interface, which all tests of the process
// share and which ends with the process. Each access key (letters and digits) sees a database of its own.
// The test fails if there is no Java to run it.
func Start(tb testing.TB) string {
	tb.Helper()
	shared.once.Do(func() {
		shared.url = os.Getenv(EndpointVariable)
		if shared.url == "" {
			shared.url, shared.err = start()
		}
	})
	if shared.err != nil {
		tb.Fatalf("dynamolocal: %v", shared.err)
	}
	return shared.url
}

func start() (string, error) {
	script, err := script()
	if err != nil {
		return "", err
	}
	port, err := freePort()
	if err != nil {
		return "", err
	}
	log, err := os.CreateTemp("", "dynamodb-local-*.log")
	if err != nil {
		return "", fmt.Errorf("make a log: %w", err)
	}
	defer func() {
		_ = log.Close()
		_ = os.Remove(log.Name()) // the server keeps it open
	}()
	cmd := exec.Command(script, "run", "--until-eof", "--port", strconv.Itoa(port))
	cmd.Stdout, cmd.Stderr = log, log
	if shared.input, err = cmd.StdinPipe(); err != nil {
		return "", fmt.Errorf("make a pipe: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return "", fmt.Errorf("start DynamoDB Local: %w", err)
	}
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	if err := answers(address, cmd.Process.Pid); err != nil {
		_ = shared.input.Close()
		_ = cmd.Wait()
		text, _ := os.ReadFile(log.Name())
		return "", fmt.Errorf("%w:\n%s", err, text)
	}
	return "http://" + address, nil
}

// script finds scripts/dynamodb-local from the folder that the test runs in.
func script() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the script: %w", err)
	}
	for {
		path := filepath.Join(dir, "scripts", "dynamodb-local")
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", fmt.Errorf("find scripts/dynamodb-local: %w", os.ErrNotExist)
		}
		dir = parent
	}
}

// freePort finds a port below those that the system deals out by itself.
func freePort() (int, error) {
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
	return 0, fmt.Errorf("find a free port: %w", last)
}

// answers waits until the server takes connections, or its process has ended.
func answers(address string, pid int) error {
	for end := time.Now().Add(startTime); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if c, err := net.DialTimeout("tcp", address, time.Second); err == nil {
			return c.Close()
		}
		if ended(pid) {
			return errEnded
		}
	}
	return fmt.Errorf("DynamoDB Local did not answer within %v", startTime)
}

// ended reports whether a child has ended, without waiting for it.
func ended(pid int) bool {
	var status syscall.WaitStatus
	got, err := syscall.Wait4(pid, &status, syscall.WNOHANG, nil)
	return got == pid || errors.Is(err, syscall.ECHILD)
}
