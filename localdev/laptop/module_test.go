//go:build unix

package laptop

import (
	"context"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nonstick-io/nonstick/internal/dynamotest"
)

// A program in another module runs its own template: it builds the functions, which are the program itself, once.
func TestTemplateOfAnotherModule(t *testing.T) {
	dir := ownModule(t)
	program := filepath.Join(t.TempDir(), "own")
	build := exec.Command("go", "build", "-o", program, ".")
	build.Dir = dir
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	// It builds the functions first, and serves if it finds a DynamoDB all the same.
	ctx, cancel := context.WithTimeout(t.Context(), startPatience)
	defer cancel()
	alone := exec.CommandContext(ctx, program, "--addr", "127.0.0.1:0", "--template", "template.yaml")
	alone.Dir, alone.WaitDelay = dir, time.Second
	if said, err := alone.CombinedOutput(); err == nil || !strings.Contains(string(said), errNoDynamoDB.Error()) {
		t.Errorf("without a DynamoDB: %v, it said %s", err, said)
	}
	p := &process{stderr: &safeBuffer{}}
	cmd := exec.Command(
		program, "--addr", "127.0.0.1:0", "--template", "template.yaml", "--dynamodb-endpoint", dynamotest.Start(t),
	)
	cmd.Dir, cmd.Stderr, cmd.WaitDelay = dir, p.stderr, patience
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() }) // it may have ended
	p.listen(t, out)
	if want := "(functions of template.yaml, DynamoDB at "; !strings.Contains(p.said, want) {
		t.Errorf("it said %q, want %q: there is no application to choose", p.said, want)
	}

	conn := open(t, p, "socket.io/")
	defer conn.Close()
	write(t, conn, `40{"token":"secret","name":"Ann"}`)
	if got := text(t, conn); !strings.HasPrefix(got, `40{"sid":"`) {
		t.Errorf("answer = %q, want a CONNECT", got)
	}
	write(t, conn, `420["say","hello"]`)
	if got, ack := text(t, conn), text(t, conn); got != `42["said","Ann","hello"]` || ack != "430[5]" {
		t.Errorf("answer = %q %q", got, ack)
	}
	if status, body := p.get(t, "socket.io/?EIO=4&transport=polling"); status != http.StatusOK {
		t.Errorf("polling = %d %s", status, body)
	}
	eventually(t, "the heartbeat is called", func() bool { return p.function(t, "HeartbeatFunction").Invocations > 0 })
	for _, f := range p.state(t).Functions {
		if f.Errors > 0 || f.Crashes > 0 {
			t.Errorf("stats = %+v, want no trouble", f)
		}
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := waitFor(t, cmd); err != nil {
		t.Errorf("it ended with %v; it said %s", err, p.stderr)
	}
}

// ownModule returns a copy of examples/app that is not in this repository, above which a DynamoDB Local would be found.
func ownModule(t *testing.T) string {
	t.Helper()
	const from = "../../examples/app"
	dir := t.TempDir()
	files, err := os.ReadDir(from)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if f.IsDir() {
			continue // of what was built or run there
		}
		text, err := os.ReadFile(filepath.Join(from, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, f.Name()), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	repo, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	edit := exec.Command("go", "mod", "edit", "-replace", "github.com/nonstick-io/nonstick="+repo)
	edit.Dir = dir
	if out, err := edit.CombinedOutput(); err != nil {
		t.Fatalf("go mod edit: %v\n%s", err, out)
	}
	return dir
}
