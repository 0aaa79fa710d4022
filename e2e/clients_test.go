package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A program is written in the language of a client, and speaks every scenario of clients/README.md.
type program struct {
	name    string
	command []string // the URL, the transport and the kind of frames follow
	// ready names what has to be there, and what installs it.
	ready string
	// cannot are scenarios that this client cannot pass by itself, with the reason: they have to fail.
	cannot func(c combination, scenario string) (reason string)
	// unasked are scenarios that this client passes at times, whatever the server, with the reason. Nil means none.
	unasked func(c combination, scenario string) (reason string)
}

// asked are the scenarios that a client is asked for.
func (p program) asked(c combination) []string {
	var asked []string
	for _, scenario := range scenarios {
		if p.unasked == nil || p.unasked(c, scenario) == "" {
			asked = append(asked, scenario)
		}
	}
	return asked
}

// A combination is one run of a client.
type combination struct {
	setup, transport, frames string
}

// scenarios are those that every client has to report.
var scenarios = []string{
	"connect", "refused", "acknowledged", "asked", "waited", "binary", "rooms", "namespaces", "ended", "reconnected",
}

var transports = []string{"polling", "websocket", "upgrade"}

// onlyBase64 is why clients without forceBase64 cannot send binary data on the platform.
const onlyBase64 = "API Gateway takes text frames alone, and the client has no option to send binary data as base64 " +
	"over WebSocket"

func binaryFrames(c combination, scenario string) string {
	if c.frames == "text" && c.transport != "polling" && scenario == "binary" {
		return onlyBase64
	}
	return ""
}

func everything(combination, string) string { return "" }

// goTrouble is what the Go client does not do by itself. It does no better with the reference server. That its
// connections hang at times is worked around in clients/go/late.go.
func goTrouble(c combination, scenario string) string {
	switch {
	case c.transport == "polling":
		return "the client's polling times out by itself"
	case scenario == "namespaces":
		return "a namespace that joins an open connection takes its acknowledgements away"
	case scenario == "reconnected" && c.transport == "upgrade":
		return "the client does not always come back by polling from a network that failed"
	default:
		return ""
	}
}

// rustTrouble is what the Rust client cannot do by itself. It does no better with the reference server.
func rustTrouble(c combination, scenario string) string {
	switch {
	case scenario == "asked" || scenario == "waited":
		return "the client has no way to acknowledge an event of the server"
	case scenario == "binary" && c.transport != "polling":
		return "the client does not read binary data over WebSocket, nor sends it as base64"
	default:
		return ""
	}
}

var programs = []program{
	{
		"javascript 4.8.4",
		[]string{"node", "clients/javascript/client.mjs", "socket.io-client"},
		"node_modules/socket.io-client", everything, nil,
	},
	{
		"javascript 4.0.0",
		[]string{"node", "clients/javascript/client.mjs", "socket.io-client-4-0"},
		"node_modules/socket.io-client-4-0", everything, nil,
	},
	{
		"javascript 3.1.3",
		[]string{"node", "clients/javascript/client.mjs", "socket.io-client-3-1"},
		"node_modules/socket.io-client-3-1", everything, nil,
	},
	{
		"python sync",
		[]string{cache("python", "bin", "python"), "clients/python/client.py", "sync"},
		cache("python", ".installed"), binaryFrames, nil,
	},
	{
		"python asyncio",
		[]string{cache("python", "bin", "python"), "clients/python/client.py", "asyncio"},
		cache("python", ".installed"), binaryFrames, nil,
	},
	{
		"java 2.1.2",
		[]string{"java", "-cp", cache("java", "lib") + "/*:" + cache("java", "classes"), "Client"},
		cache("java", ".installed"), binaryFrames, nil,
	},
	{"go 3.0.0", []string{cache("go", "client")}, cache("go", ".installed"), everything, goTrouble},
	{"rust 0.6.0", []string{cache("rust", "client")}, cache("rust", ".installed"), rustTrouble, nil},
}

// TestClients has the clients of other languages, and old ones, speak to two setups: in one process, whose limits are
// off and whose frames may be binary, and on the functions of the template, as API Gateway has it, with CloudFront's
// function in front: no client is told of more than one address.
func TestClients(t *testing.T) {
	t.Run("memory, several instances", func(t *testing.T) {
		runClients(t, inMemoryInstances(t, "--app", "cases", "--limits", "none"), "memory", "binary")
	})
	t.Run("template", func(t *testing.T) {
		runClients(t, deploy(t, "ordered", "--app", "cases", "--parameter", "Edge=on").url, "template", "text")
	})
}

// runClients runs one client after the other, each in all transports at once.
func runClients(t *testing.T, url, setup, frames string) {
	t.Helper()
	for _, client := range programs {
		t.Run(client.name, func(t *testing.T) {
			if _, err := os.Stat(client.ready); err != nil {
				t.Fatalf("%v: run `make tools`", err)
			}
			for _, transport := range transports {
				t.Run(transport, func(t *testing.T) {
					t.Parallel()
					runClient(t, client, url, combination{setup, transport, frames})
				})
			}
		})
	}
}

// runClient runs one client in one transport and judges each scenario. What fails is run again once: the times are
// those of the clients, and machines are busy at times.
func runClient(t *testing.T, client program, url string, c combination) {
	t.Helper()
	if len(client.asked(c)) == 0 {
		t.Logf("not asked: %s", client.unasked(c, scenarios[0]))
		return
	}
	results, err := execClient(t, client, url, c)
	if wrong := misses(client, c, results); len(wrong) > 0 || err != nil {
		t.Logf("run again: %v, %v", wrong, err)
		results, err = execClient(t, client, url, c)
	}
	if err != nil {
		t.Errorf("%s: %v", client.name, err)
	}
	wrong := misses(client, c, results)
	for _, scenario := range client.asked(c) {
		t.Run(scenario, func(t *testing.T) {
			if reason := client.cannot(c, scenario); reason != "" {
				t.Logf("expected to fail: %s", reason)
			}
			if text := wrong[scenario]; text != "" {
				t.Error(text)
			}
		})
	}
}

// misses are the scenarios that did not end as they have to, with what is wrong.
func misses(client program, c combination, results []result) map[string]string {
	wrong := map[string]string{}
	for _, scenario := range client.asked(c) {
		wrong[scenario] = "the client did not report it"
	}
	for _, r := range results {
		reason := client.cannot(c, r.Name)
		switch {
		case reason == "" && r.Status == "pass", reason != "" && r.Status == "fail":
			delete(wrong, r.Name)
		case reason != "":
			wrong[r.Name] = "it passed, though it is listed as impossible: " + reason
		default:
			wrong[r.Name] = fmt.Sprintf("%s after %d ms: %s", r.Status, r.Ms, r.Error)
		}
	}
	return wrong
}

// clientTime bounds one run of a client.
const clientTime = 2 * time.Minute

// execClient runs a client once, behind a wire that it may ask to be cut.
func execClient(t *testing.T, client program, url string, c combination) ([]result, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), clientTime)
	defer cancel()
	wire := newWire(t, strings.TrimPrefix(url, "http://"))
	args := append(client.command[1:len(client.command):len(client.command)], wire.url(), c.transport, c.frames)
	if asked := client.asked(c); len(asked) < len(scenarios) {
		args = append(args, asked...)
	}
	cmd := exec.CommandContext(ctx, client.command[0], args...)
	cmd.WaitDelay = stopTime
	var stderr output
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	started := time.Now()
	if err := cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", client.name, err)
	}
	results := wire.readClient(stdout)
	err = cmd.Wait()
	t.Logf("%s, %s: %d scenarios, %.1f s", client.name, c.transport, len(results), time.Since(started).Seconds())
	if err != nil {
		return results, fmt.Errorf("%w\n%s", err, stderr.tail())
	}
	return results, nil
}

// readClient reads the results of a client, and cuts the wire when it asks for that.
func (w *cutWire) readClient(r io.Reader) []result {
	var results []result
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		var line struct {
			result
			Cut bool `json:"cut"`
		}
		if json.Unmarshal(lines.Bytes(), &line) != nil {
			continue // what libraries print
		}
		if line.Cut {
			w.cut()
		}
		if line.Status != "" {
			results = append(results, line.result)
		}
	}
	return results
}

// cache is where scripts/install-tools puts clients.
func cache(parts ...string) string {
	path, err := filepath.Abs(filepath.Join(append([]string{"..", ".cache", "clients"}, parts...)...))
	if err != nil {
		panic(err) // there is no working directory
	}
	return path
}

// What judges the clients must not lose a failure.
func TestMisses(t *testing.T) {
	c := program{cannot: func(_ combination, scenario string) string {
		if scenario == "binary" {
			return "no base64"
		}
		return ""
	}}
	var all []result
	for _, name := range scenarios {
		all = append(all, result{Name: name, Status: "pass"})
	}
	at := func(name string) int {
		for i, scenario := range scenarios {
			if scenario == name {
				return i
			}
		}
		t.Fatalf("no scenario %q", name)
		return 0
	}
	binary := at("binary")
	all[binary].Status = "fail"
	changed := func(name, status string) []result {
		list := append([]result(nil), all...)
		list[at(name)].Status = status
		return list
	}
	for name, tt := range map[string]struct {
		in   []result
		want string // the scenario that is missed
	}{
		"all is well":               {all, ""},
		"one failed":                {changed("rooms", "fail"), "rooms"},
		"one was skipped":           {changed("rooms", "skip"), "rooms"},
		"the impossible has passed": {changed("binary", "pass"), "binary"},
		"one is not there":          {all[1:], scenarios[0]},
	} {
		t.Run(name, func(t *testing.T) {
			got := misses(c, combination{}, tt.in)
			if want := min(len(tt.want), 1); len(got) != want || tt.want != "" && got[tt.want] == "" {
				t.Errorf("misses = %v, want %q", got, tt.want)
			}
		})
	}
}
