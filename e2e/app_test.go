//go:build unix

package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nonstick-io/nonstick/internal/dynamotest"
)

// appFolder is what `nonstick init` writes: a module of its own.
const appFolder = "../examples/app"

// appTime bounds each program of the test.
const appTime = 2 * time.Minute

// TestApp takes a repository of one's own, as it is written, through what its owner does: its tests, the laptop, and
// its template, with the official clients of three languages. functions.TestSAMBuildOfAnotherModule has SAM build it.
func TestApp(t *testing.T) {
	t.Parallel()
	t.Run("its own tests", func(t *testing.T) {
		runIn(t, appFolder, "go", "vet", "./...")
		if out := runIn(t, appFolder, "go", "test", "-count", "1", "./..."); !strings.Contains(out, "ok") {
			t.Error(out)
		}
	})
	program := filepath.Join(t.TempDir(), "app")
	runIn(t, appFolder, "go", "build", "-o", program, ".")
	t.Run("laptop", func(t *testing.T) {
		speakToApp(t, serveApp(t, program))
	})
	t.Run("template", func(t *testing.T) {
		speakToApp(t, serveApp(t, program, "--template", filepath.Join("examples", "app", "template.yaml"),
			"--dynamodb-endpoint", dynamotest.Start(t), "--logs", t.TempDir()))
	})
}

// serveApp starts the program and returns its URL.
func serveApp(t *testing.T, program string, args ...string) string {
	t.Helper()
	addr := fmt.Sprintf("127.0.0.1:%d", freePort(t))
	s := start(t, "app", program, append([]string{"--addr", addr}, args...)...)
	s.waitHealthyFor(t, "http://"+addr, templateTime)
	return "http://" + addr
}

// speakToApp has each client do the same. That of JavaScript is the one that is written with the program.
func speakToApp(t *testing.T, url string) {
	t.Helper()
	script, err := os.ReadFile(filepath.Join(appFolder, "client.mjs"))
	if err != nil {
		t.Fatal(err)
	}
	beside, err := os.CreateTemp(".", "app-client-*.mjs") // where Node finds the client's package
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Remove(beside.Name()) })
	if _, err := beside.Write(script); err != nil {
		t.Fatal(err)
	}
	if err := beside.Close(); err != nil {
		t.Fatal(err)
	}
	const spoken = "acknowledged with 5\nAnn said hello\n"
	for _, c := range []struct {
		name, want string
		command    []string
	}{
		{"javascript", spoken, []string{"node", beside.Name()}},
		{"python", spoken + "refused: ", []string{cache("python", "bin", "python"), "clients/python/app.py"}},
		{
			"java", spoken + "refused: unauthorized\n",
			[]string{"java", "-cp", cache("java", "lib") + "/*", "clients/java/App.java"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			out := runIn(t, ".", c.command[0], append(c.command[1:], url)...)
			if !strings.HasPrefix(out, c.want) || strings.Contains(out, "was let in") {
				t.Errorf("it said %q, want %q", out, c.want)
			}
		})
	}
}

// runIn runs a program in a folder and returns what it said.
func runIn(t *testing.T, folder, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), appTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.WaitDelay = folder, stopTime
	var said, wrong output
	cmd.Stdout, cmd.Stderr = &said, &wrong
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %s: %v\n%s%s", name, strings.Join(args, " "), err, said.all.String(), wrong.tail())
	}
	return said.all.String()
}
