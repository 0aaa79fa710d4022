package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// program is an official client, as e2e/clients has it.
type program struct {
	name    string
	command []string
	needs   string // what must be there, below the root of the repository
}

func programs() []program {
	at := func(parts ...string) string { return filepath.Join(append([]string{".cache", "clients"}, parts...)...) }
	return []program{
		{
			"JavaScript",
			[]string{"node", "e2e/clients/javascript/client.mjs", "socket.io-client"},
			"e2e/node_modules/socket.io-client",
		},
		{
			"Python",
			[]string{at("python", "bin", "python"), "e2e/clients/python/client.py", "sync"},
			at("python", ".installed"),
		},
		{
			"Java",
			[]string{"java", "-cp", at("java", "lib") + "/*:" + at("java", "classes"), "Client"},
			at("java", ".installed"),
		},
	}
}

// scenarios are those that every client passes against API Gateway; the others need a network that can be cut, or
// binary frames.
var scenarios = []string{
	"connect", "refused", "acknowledged", "asked", "waited", "rooms", "namespaces", "ended",
}

// smoke has an official client speak by a transport.
func smoke(p program, w *way, transport string) func(context.Context) error {
	return func(ctx context.Context) error {
		if _, err := os.Stat(p.needs); err != nil {
			return &skipError{"it is not installed: make tools"}
		}
		args := append(append([]string{}, p.command[1:]...), w.http, transport, "text")
		cmd := exec.CommandContext(ctx, p.command[0], args...)
		var said bytes.Buffer
		cmd.Stderr = &said
		out, err := cmd.Output()
		if err != nil && len(out) == 0 {
			return fmt.Errorf("%w\n%s", err, shorten(said.String()))
		}
		passed := map[string]bool{}
		var wrong []string
		lines := bufio.NewScanner(bytes.NewReader(out))
		for lines.Scan() {
			var line struct{ Name, Status, Error string }
			if json.Unmarshal(lines.Bytes(), &line) != nil || line.Status == "" {
				continue
			}
			passed[line.Name] = line.Status == "pass"
			if !passed[line.Name] {
				wrong = append(wrong, line.Name+": "+line.Error)
			}
		}
		for _, s := range scenarios {
			if !passed[s] {
				return fmt.Errorf("%s", strings.Join(append(wrong, "not passed: "+s), "; "))
			}
		}
		return nil
	}
}
