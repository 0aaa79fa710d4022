//go:build unix

package laptop

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/nonstick-io/nonstick/sessionstore/dynamostore"
)

// children are the processes below one, their children included, that have not ended.
func children(pid int) []int {
	var all []int
	out, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/task/" + strconv.Itoa(pid) + "/children")
	tasks, _ := filepath.Glob("/proc/" + strconv.Itoa(pid) + "/task/*/children")
	for _, task := range tasks {
		b, _ := os.ReadFile(task)
		out = append(append(out, ' '), b...)
	}
	for _, field := range strings.Fields(string(out)) {
		if child, err := strconv.Atoi(field); err == nil && !slices.Contains(all, child) {
			all = append(append(all, child), children(child)...)
		}
	}
	return all
}

// stateOf is the letter that the kernel gives a process; empty if there is none.
func stateOf(pid int) string {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return ""
	}
	_, rest, _ := strings.Cut(string(b), ") ")
	return rest[:1]
}

func alive(pid int) bool { return !strings.Contains("ZX", stateOf(pid)) }

var localdevProgram = sync.OnceValues(func() (string, error) {
	dir, err := built()
	if err != nil {
		return "", err
	}
	to := filepath.Join(dir, "localdev")
	cmd := exec.Command("go", "build", "-o", to, "..")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", &exec.Error{Name: string(out), Err: err}
	}
	return to, nil
})

// spawn runs localdev as a process of its own, as make local-aws does, but for the build.
func spawn(t *testing.T) (*exec.Cmd, *process) {
	t.Helper()
	program, err := localdevProgram()
	if err != nil {
		t.Fatal(err)
	}
	dir, err := built()
	if err != nil {
		t.Fatal(err)
	}
	// Under nohup tests run with SIGHUP ignored, and a child inherits that.
	cmd := exec.Command(
		"env", "--default-signal=HUP", program, "--addr", "127.0.0.1:0", "--template", stackTemplate, "--built", dir,
		"--logs", t.TempDir(), "--parameter", "WithTable=yes",
	)
	said := &safeBuffer{}
	cmd.Stderr = said
	cmd.WaitDelay = patience // for what it has started, and holds its output
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	p := &process{stderr: said}
	p.listen(t, out)
	return cmd, p
}

// waitFor waits for the end of a process, and kills it when patience is over.
func waitFor(t *testing.T, cmd *exec.Cmd) error {
	t.Helper()
	late := time.AfterFunc(patience, func() {
		t.Errorf("the process did not end within %v", patience)
		_ = cmd.Process.Kill() // it may have ended
	})
	defer late.Stop()
	return cmd.Wait()
}

// However localdev ends, nothing of it is left: no frozen function, no busy one, no DynamoDB Local.
func TestNoProcessIsLeft(t *testing.T) {
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGKILL} {
		t.Run(signal.String(), func(t *testing.T) {
			t.Parallel()
			cmd, p := spawn(t)
			p.post(t, "api/x", order("text", "hello"))
			conn := p.dial(t, "v1")
			write(t, conn, order("sleep", 1500))
			eventually(t, "a frozen function, and one that runs", func() bool {
				return p.function(t, "HttpFunction").Busy == 0 && p.function(t, "WebSocketFunction").Busy == 1
			})
			pids := children(cmd.Process.Pid)
			frozen := slices.ContainsFunc(pids, func(pid int) bool { return stateOf(pid) == "T" })
			if len(pids) < 4 || !frozen {
				t.Fatalf("children = %v, want two functions, one of them frozen, a script and Java", pids)
			}
			if err := cmd.Process.Signal(signal); err != nil {
				t.Fatal(err)
			}
			err := waitFor(t, cmd)
			if signal != syscall.SIGKILL && err != nil {
				t.Errorf("it ended with %v, and said %s", err, p.stderr)
			}
			for _, pid := range pids {
				eventually(
					t, "process "+strconv.Itoa(pid)+" is gone",
					func() bool { return stateOf(pid) == "" || !alive(pid) },
				)
			}
		})
	}
}

func TestTableOfTheTemplate(t *testing.T) {
	_, p := spawn(t)
	_, rest, _ := strings.Cut(p.said, "DynamoDB at ")
	endpoint, _, _ := strings.Cut(rest, ",")
	client := dynamostore.NewClient(dynamostore.ClientOptions{
		Region: localRegion, Endpoint: endpoint,
		Credentials: dynamostore.Credentials{AccessKeyID: "any", SecretAccessKey: "other"},
	})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	out, err := client.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: new("Table")})
	if err != nil {
		t.Fatal(err)
	}
	if keys := out.Table.KeySchema; len(keys) != 1 || *keys[0].AttributeName != "PK" {
		t.Errorf("keys = %+v", keys)
	}
	ttl, err := client.DescribeTimeToLive(ctx, &dynamodb.DescribeTimeToLiveInput{TableName: new("Table")})
	if err != nil || *ttl.TimeToLiveDescription.AttributeName != "ttl" {
		t.Errorf("time to live = %+v, %v", ttl, err)
	}
}

// A test that kills functions at random meets a working stack all the same.
func TestKilledFunctionsRecover(t *testing.T) {
	p := launchStack(t)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	var killer sync.WaitGroup
	killer.Go(func() {
		for ctx.Err() == nil {
			for _, pid := range p.function(t, "HttpFunction").PIDs {
				_ = syscall.Kill(pid, syscall.SIGKILL) // it may have ended
				time.Sleep(20 * time.Millisecond)
			}
		}
	})
	counts := map[int]int{}
	for ctx.Err() == nil {
		status, _ := p.post(t, "api/x", order("sleep", 10))
		counts[status]++
	}
	killer.Wait()
	if counts[200] == 0 || counts[500] == 0 || len(counts) > 2 {
		t.Errorf("answers = %v, want some 200, some 500 and nothing else", counts)
	}
	for range 5 {
		if status, _ := p.post(t, "api/x", order("text", "x")); status != 200 {
			t.Errorf("afterwards: %d", status)
		}
	}
	if s := p.function(t, "HttpFunction"); s.Busy != 0 || s.Crashes == 0 || len(s.PIDs) == 0 {
		t.Errorf("stats = %+v", s)
	}
}
