//go:build unix

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nonstick-io/nonstick/adapter/delivery"
)

// TestNeighbours has clients in trouble beside healthy ones on the functions of the template: they vanish, with
// disconnect handlers that hang; they are in many rooms; they do not read, until the management API answers 429 for
// them. NONSTICK_SCENE_PING=60s/20s takes other times than 10s/4s.
func TestNeighbours(t *testing.T) {
	ping, pong, _ := strings.Cut(os.Getenv("NONSTICK_SCENE_PING"), "/")
	if ping == "" {
		ping, pong = "10s", "4s"
	}
	logs := t.TempDir()
	addr := fmt.Sprintf("127.0.0.1:%d", freePort(t))
	s := start(
		t, "localdev --template", binary, "--template", "template.yaml", "--built", builtFunctions(t), "--addr", addr,
		"--logs", logs, "--app", "cases", "--ping-interval", ping, "--ping-timeout", pong, "--parameter",
		"DisconnectTime=2s",
	)
	s.waitHealthyFor(t, "http://"+addr, templateTime)
	stack := &faultyStack{url: "http://" + addr, log: s.log}
	runNode(t, "neighbours.test.mjs", stack.url, "NONSTICK_FRAMES=text",
		"NONSTICK_PING="+strings.TrimSuffix(ping, "s"), "NONSTICK_PONG="+strings.TrimSuffix(pong, "s"))
	stack.nothingIsLeft(t)
	const unreached = "a broadcast did not reach everybody"
	if busy := linesOf(t, logs, unreached, delivery.ErrBusy.Error()); busy == 0 {
		t.Error(
			"no broadcast met a client that the management API answers 429 for: the scene does not show what it is to show",
		)
	} else {
		t.Logf("%d broadcasts met clients that the management API answers 429 for", busy)
	}
}

// linesOf counts the lines in the logs of functions that have all of some texts in them.
func linesOf(t *testing.T, dir string, texts ...string) int {
	t.Helper()
	n := 0
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		log, err := os.ReadFile(path)
		for line := range strings.SplitSeq(string(log), "\n") {
			all := true
			for _, text := range texts {
				all = all && strings.Contains(line, text)
			}
			if all {
				n++
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}
