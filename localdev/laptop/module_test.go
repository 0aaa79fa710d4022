//go:build unix

package laptop

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nonstick-io/nonstick/internal/dynamotest"
)

// A program in another module runs its own template: it builds the functions, which are the program itself, once.
func TestTemplateOfAnotherModule(t *testing.T) {
	const dir = "../../examples/app"
	program := filepath.Join(t.TempDir(), "own")
	build := exec.Command("go", "build", "-o", program, ".")
	build.Dir = dir
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	alone := exec.Command(program, "--addr", "127.0.0.1:0", "--template", "template.yaml")
	alone.Dir = dir
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
