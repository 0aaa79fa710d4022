package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// nodes is the number of instances, or of processes, in the setups that have several.
const nodes = 4

// A setup starts servers for the time of a test and returns the URL under which a client finds them.
type setup struct {
	name  string
	start func(t *testing.T, args ...string) string
}

var setups = []setup{
	{"memory", inMemory},
	{"memory, several instances", inMemoryInstances},
	{"dynamodb", onDynamoDB},
	{"dynamodb, several instances", onDynamoDBInstances},
	{"dynamodb, several processes behind nginx", behindNginx},
}

// with is args and more, in memory of its own: setups that start side by side share what they are given.
func with(args []string, more ...string) []string { return slices.Concat(args, more) }

func inMemory(t *testing.T, args ...string) string {
	t.Helper()
	return startLocaldev(t, args...)
}

func inMemoryInstances(t *testing.T, args ...string) string {
	t.Helper()
	return startLocaldev(t, with(args, "--instances", strconv.Itoa(nodes))...)
}

func onDynamoDB(t *testing.T, args ...string) string {
	t.Helper()
	return startLocaldev(t, with(args, dynamoDB(t)...)...)
}

func onDynamoDBInstances(t *testing.T, args ...string) string {
	t.Helper()
	return startLocaldev(t, with(with(args, dynamoDB(t)...), "--instances", strconv.Itoa(nodes))...)
}

// behindNginx starts several processes on one table, and nginx that deals requests to them in turn.
func behindNginx(t *testing.T, args ...string) string {
	t.Helper()
	args = with(args, dynamoDB(t)...)
	ports := make([]int, nodes)
	for i := range ports {
		url := startLocaldev(t, args...)
		ports[i] = portOf(t, url)
	}
	return startNginx(t, ports)
}

// startLocaldev starts one localdev process and returns its URL.
func startLocaldev(t *testing.T, args ...string) string {
	t.Helper()
	addr := fmt.Sprintf("127.0.0.1:%d", freePort(t))
	s := start(t, "localdev "+addr, binary, append([]string{"--addr", addr}, args...)...)
	s.waitHealthy(t, "http://"+addr)
	return "http://" + addr
}

func portOf(t *testing.T, url string) int {
	t.Helper()
	port, err := strconv.Atoi(url[strings.LastIndexByte(url, ':')+1:])
	if err != nil {
		t.Fatalf("port of %s: %v", url, err)
	}
	return port
}

// startNginx starts nginx with the example configuration, its ports replaced by free ones, and returns
// its URL.
func startNginx(t *testing.T, ports []int) string {
	t.Helper()
	text, err := os.ReadFile("../examples/nginx/nginx.conf")
	if err != nil {
		t.Fatal(err)
	}
	front := freePort(t)
	conf := replaceOnce(t, string(text), "listen 127.0.0.1:8080;", fmt.Sprintf("listen 127.0.0.1:%d;", front))
	for i, port := range ports {
		conf = replaceOnce(
			t, conf, fmt.Sprintf("server 127.0.0.1:%d;", 6001+i), fmt.Sprintf("server 127.0.0.1:%d;", port),
		)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "nginx.conf"), []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	s := start(t, "nginx", "nginx", "-p", dir, "-e", "stderr", "-c", "nginx.conf", "-g", "daemon off;")
	url := fmt.Sprintf("http://127.0.0.1:%d", front)
	s.waitHealthy(t, url)
	return url
}

// replaceOnce fails the test unless old is in text exactly once.
func replaceOnce(t *testing.T, text, old, replacement string) string {
	t.Helper()
	if n := strings.Count(text, old); n != 1 {
		t.Fatalf("nginx.conf has %q %d times, want once", old, n)
	}
	return strings.Replace(text, old, replacement, 1)
}
