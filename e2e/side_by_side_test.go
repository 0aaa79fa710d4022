package e2e

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// sideBySide are the applications of examples/side-by-side. Each is written for socket.io on Node and for Nonstick.
var sideBySide = []string{"chat", "private-messaging", "whiteboard"}

// TestSideBySide runs one scenario for each application, with the official client: it has to pass with both servers.
// Nonstick's has several instances, so what a handler kept in memory would be missed.
func TestSideBySide(t *testing.T) {
	t.Parallel() // it waits most of the time
	programs := t.TempDir()
	build := exec.CommandContext(t.Context(), "go", "build", "-o", programs, "../examples/side-by-side/...")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	for _, app := range sideBySide {
		scenario := "side-by-side-" + app + ".test.mjs"
		t.Run(app+"/socket.io", func(t *testing.T) { runNode(t, scenario, startServerJS(t, app)) })
		t.Run(app+"/Nonstick", func(t *testing.T) {
			addr := fmt.Sprintf("127.0.0.1:%d", freePort(t))
			s := start(t, app, filepath.Join(programs, app), "--addr", addr, "--instances", strconv.Itoa(nodes))
			s.waitHealthy(t, "http://"+addr)
			runNode(t, scenario, "http://"+addr)
		})
	}
}

// startServerJS starts the server.js of an application, beside the packages of this folder, and returns its URL.
func startServerJS(t *testing.T, app string) string {
	t.Helper()
	const examples = "../examples/side-by-side"
	packages, err := filepath.Abs("node_modules")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.Symlink(packages, filepath.Join(dir, "node_modules")); err != nil {
		t.Fatal(err)
	}
	for to, from := range map[string]string{"package.json": "package.json", "server.js": app + "/server.js"} {
		text, err := os.ReadFile(filepath.Join(examples, from))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, to), text, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	port := freePort(t)
	s := start(t, app+"/server.js", "env", fmt.Sprintf("PORT=%d", port), "node", filepath.Join(dir, "server.js"))
	addr := fmt.Sprintf("127.0.0.1:%d", port)
	s.waitListening(t, addr)
	return "http://" + addr
}

// waitListening waits until the server accepts a connection.
func (s *server) waitListening(t *testing.T, addr string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), startTime)
	defer cancel()
	for {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
		if err == nil {
			conn.Close()
			return
		}
		select {
		case <-s.ended:
			t.Fatalf("%s ended at its start", s.name)
		case <-ctx.Done():
			t.Fatalf("%s is not ready: %v", addr, err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}
