package functions

import (
	"bytes"
	"context"
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// samCLI is where `make tools` puts it.
const samCLI = "../.cache/sam/bin/sam"

// TestSAMBuild builds what is deployed, as it is deployed: a program for Lambda on arm64 for each function, with the
// chat alone of all applications, and the client for its page where the page is.
func TestSAMBuild(t *testing.T) {
	sam, err := filepath.Abs(samCLI)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(sam); err != nil {
		t.Fatalf("the SAM CLI is missing, run `make tools`: %v", err)
	}
	dir := t.TempDir()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, sam, "build", "--build-dir", dir)
	cmd.Dir, cmd.WaitDelay = "..", time.Second
	cmd.Env = append(os.Environ(), "SAM_CLI_TELEMETRY=0", "AWS_DEFAULT_REGION=us-east-1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("sam build: %v\n%s", err, out)
	}
	built, err := filepath.Glob(filepath.Join(dir, "*", "bootstrap"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, path := range built {
		name := filepath.Base(filepath.Dir(path))
		names = append(names, name)
		t.Run(name, func(t *testing.T) { checkBinary(t, path) })
	}
	want := []string{
		"CloseFunction", "EmitFunction", "FanoutFunction", "HeartbeatFunction", "InboundFunction", "PollingFunction",
		"WebSocketFunction",
	}
	if !slices.Equal(names, want) {
		t.Errorf("built %q, want %q", names, want)
	}
	if _, err := os.Stat(filepath.Join(dir, "PollingFunction", "client", "socket.io.min.js")); err != nil {
		t.Errorf("the client for the page: %v", err)
	}
}

func checkBinary(t *testing.T, path string) {
	t.Helper()
	binary, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(binary) > maxBinary {
		t.Errorf("has %d bytes, at most %d are allowed", len(binary), maxBinary)
	}
	f, err := elf.NewFile(bytes.NewReader(binary))
	if err != nil {
		t.Fatal(err)
	}
	if f.Machine != elf.EM_AARCH64 || f.Section(".symtab") != nil || f.Section(".interp") != nil {
		t.Errorf("machine %v, symbols %v, interpreter %v", f.Machine, f.Section(".symtab"), f.Section(".interp"))
	}
	for _, app := range []string{"bench", "protocol", "faults"} {
		if bytes.Contains(binary, []byte("internal/apps/"+app)) {
			t.Errorf("carries the application %s", app)
		}
	}
}
