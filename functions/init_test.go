package functions

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

const (
	// maxBinary is the most that the program of the functions may have.
	maxBinary = 15 << 20
	// starts is how often each function is started for the measurement.
	starts = 11
)

// initEnvironment lets each function start.
var initEnvironment = []string{
	"AWS_REGION=eu-central-1", "AWS_ACCESS_KEY_ID=a", "AWS_SECRET_ACCESS_KEY=s", "AWS_LAMBDA_FUNCTION_NAME=f",
	"AWS_LAMBDA_FUNCTION_VERSION=$LATEST", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE=256", "NONSTICK_TABLE=t",
	"NONSTICK_MANAGEMENT_ENDPOINT=https://api.example/stage", "NONSTICK_WEBSOCKET_URL=wss://api.example/stage",
	"NONSTICK_HEARTBEAT_QUEUE=https://sqs.example/1/h", "NONSTICK_OPEN_QUEUE=https://sqs.example/1/o",
	"NONSTICK_INBOUND=ordered", "NONSTICK_INBOUND_QUEUE=https://sqs.example/1/i",
}

// TestInit prints how long each function takes from the start of its process to its first request for an invocation,
// beside the smallest function there is, in one run; and the size of their program, which has a limit. Time is not
// asserted: the machine is shared.
func TestInit(t *testing.T) {
	hello, binary := median(t, compile(t, t.TempDir(), "./testdata/hello"), ""), program(t)
	info, err := os.Stat(binary)
	if err != nil {
		t.Fatal(err)
	}
	if info.Size() > maxBinary {
		t.Errorf("the program has %d bytes, at most %d are allowed", info.Size(), maxBinary)
	}
	t.Logf("hello      init %6.1f ms; the program of all functions has %.1f MB", ms(hello), float64(info.Size())/1e6)
	for _, name := range Names() {
		took := median(t, binary, name)
		t.Logf("%-10s init %6.1f ms, %+5.1f ms beside hello's", name, ms(took), ms(took-hello))
	}
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// programDir is where the program of the functions is, once a test has asked for it.
var programDir string

func TestMain(m *testing.M) {
	code := m.Run()
	if programDir != "" {
		_ = os.RemoveAll(programDir)
	}
	os.Exit(code)
}

// program is the program of the functions, built once.
func program(t *testing.T) string {
	t.Helper()
	if programDir == "" {
		dir, err := os.MkdirTemp("", "functions-test-*")
		if err != nil {
			t.Fatal(err)
		}
		compile(t, dir, "./app")
		programDir = dir
	}
	return filepath.Join(programDir, "bootstrap")
}

// compile builds a program into a folder, as it is deployed, but for this machine.
func compile(t *testing.T, dir, pkg string) string {
	t.Helper()
	binary := filepath.Join(dir, "bootstrap")
	cmd := exec.Command("go", "build", "-trimpath", "-tags", "lambda.norpc", "-ldflags", "-s -w", "-o", binary, pkg)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", pkg, err, out)
	}
	return binary
}

// median starts a function several times over a Runtime API that only waits to be asked.
func median(t *testing.T, binary, function string) time.Duration {
	t.Helper()
	took := make([]time.Duration, starts)
	for i := range took {
		took[i] = initOf(t, binary, function)
	}
	slices.Sort(took)
	return took[starts/2]
}

func initOf(t *testing.T, binary, function string) time.Duration {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	asked := make(chan time.Time, 1)
	server := &http.Server{Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/invocation/next") {
			asked <- time.Now()
		}
		<-r.Context().Done()
	})}
	go func() { _ = server.Serve(l) }()
	defer func() { _ = server.Close() }()
	cmd := exec.Command(binary)
	cmd.Env = append(
		slices.Clone(initEnvironment), fmt.Sprintf("AWS_LAMBDA_RUNTIME_API=%s", l.Addr()), Variable+"="+function,
	)
	var said strings.Builder
	cmd.Stdout, cmd.Stderr = &said, &said
	cmd.WaitDelay = time.Second
	start := time.Now()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Wait() }() // killed, which is no success
	defer func() { _ = cmd.Process.Kill() }()
	select {
	case at := <-asked:
		return at.Sub(start)
	case <-time.After(20 * time.Second):
		t.Fatalf("%s did not ask for an invocation: %s", binary, said.String())
		return 0
	}
}
