//go:build unix

package e2e

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// TestNeighbours has clients in trouble beside healthy ones on the functions of the template: they vanish, with disconnect handlers that
// hang; they are in many rooms; they do not read. NONSTICK_SCENE_PING=60s/20s takes other times than 10s/4s.
func TestNeighbours(t *testing.T) {
	ping, pong, _ := strings.Cut(os.Getenv("NONSTICK_SCENE_PING"), "/")
	if ping == "" {
		ping, pong = "10s", "4s"
	}
	addr := fmt.Sprintf("127.0.0.1:%d", freePort(t))
	s := start(t, "localdev --template", binary, "--template", "template.yaml", "--addr", addr, "--logs", t.TempDir(), "--app", "cases",
		"--ping-interval", ping, "--ping-timeout", pong, "--parameter", "DisconnectTime=2s")
	s.waitHealthyFor(t, "http://"+addr, templateTime)
	stack := &faultyStack{url: "http://" + addr, log: s.log}
	runNode(t, "neighbours.test.mjs", stack.url, "NONSTICK_FRAMES=text",
		"NONSTICK_PING="+strings.TrimSuffix(ping, "s"), "NONSTICK_PONG="+strings.TrimSuffix(pong, "s"))
	stack.nothingIsLeft(t)
}
