package functions

import (
	"bytes"
	"context"
	"debug/elf"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/nonstick-io/nonstick/internal/bundle"
)

// samCLI is where `make tools` puts it.
const samCLI = "../.cache/sam/bin/sam"

// TestSAMBuild builds what is deployed, as it is deployed: a program for Lambda on arm64, linked once and put into the
// folder of each function, with the chat alone of all applications, and the client for its page where the page is.
func TestSAMBuild(t *testing.T) {
	dir := samBuild(t, "..")
	built, err := filepath.Glob(filepath.Join(dir, "*Function", "bootstrap"))
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
	if client, _ := filepath.Glob(filepath.Join(dir, "*", "client")); len(client) != 1 {
		t.Errorf("the client for the page is in %q", client)
	}
	for _, name := range bundle.Names() {
		if _, err := os.Stat(filepath.Join(dir, "PollingFunction", bundle.Folder, name)); err != nil {
			t.Errorf("the client for browsers: %v", err)
		}
	}
}

// TestSAMBuildOfAnotherModule builds what `nonstick init` writes.
func TestSAMBuildOfAnotherModule(t *testing.T) {
	dir := samBuild(t, "../examples/app")
	checkBinary(t, filepath.Join(dir, "EmitFunction", "bootstrap"))
}

// samBuild builds the template of a folder and returns where the functions are. Their program has to be linked once.
func samBuild(t *testing.T, folder string) string {
	t.Helper()
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
	cmd.Dir, cmd.WaitDelay = folder, time.Second
	links := countLinks(t)
	cmd.Env = append(os.Environ(), "SAM_CLI_TELEMETRY=0", "AWS_DEFAULT_REGION=us-east-1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("sam build: %v\n%s", err, out)
	}
	if n := links(); n != 1 {
		t.Errorf("the program was linked %d times, want once for all functions", n)
	}
	return dir
}

// countLinks puts a go before all others on the path that writes down which commands a build runs. It returns how many
// of them were the linker's: the cache of Go keeps packages, but no program.
func countLinks(t *testing.T) (links func() int) {
	t.Helper()
	tool, err := exec.LookPath("go")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	log := filepath.Join(dir, "log")
	script := fmt.Sprintf(`#!/bin/sh
if [ "$1" = build ]; then shift; exec %q build -x "$@" 2>>%q; fi
exec %[1]q "$@"
`, tool, log)
	if err := os.WriteFile(filepath.Join(dir, "go"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	return func() int {
		said, err := os.ReadFile(log)
		if err != nil {
			t.Fatal(err)
		}
		return len(regexp.MustCompile(`(?m)/link -o .*importcfg\.link`).FindAll(said, -1))
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
