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
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// A program is written in the language of a client, and speaks every scenario of clients/README.md.
type program struct {
	name    string
	command []string // the URL, the transport, the kind of frames and the scenarios follow
	// ready names what has to be there, and what installs it.
	ready string
	// cannot are scenarios that this client cannot pass by itself, with the reason: they have to fail.
	cannot func(c combination, scenario string) (reason string)
	// unasked are scenarios that this client passes at times, whatever the server, with the reason. Nil means none.
	unasked func(c combination, scenario string) (reason string)
	// recovers says that the client implements connection state recovery.
	recovers bool
}

// asked are the scenarios that a client is asked for. A lost connection comes back as a new socket, or is recovered.
func (p program) asked(c combination) []string {
	var asked []string
	for _, scenario := range scenarios {
		back := scenario == "reconnected" || scenario == "recovered"
		if back && (scenario == "recovered") != (p.recovers && c.recovery) {
			continue
		}
		if p.unasked == nil || p.unasked(c, scenario) == "" {
			asked = append(asked, scenario)
		}
	}
	return asked
}

// A combination is one run of a client. recovery is on or off in the server.
type combination struct {
	setup, transport, frames string
	recovery                 bool
	msgpack                  bool // the parser is not that of JSON
}

// scenarios are those that clients are asked for.
var scenarios = []string{
	"connect", "refused", "acknowledged", "asked", "waited", "binary", "rooms", "namespaces", "ended", "reconnected",
	"recovered",
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
	case (scenario == "reconnected" || scenario == "recovered") && c.transport == "upgrade":
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
	case scenario == "binary" && c.recovery:
		return "the client does not read binary data beside another argument, which is the offset"
	default:
		return ""
	}
}

var programs = []program{
	{
		"javascript 4.8.4",
		[]string{"node", "clients/javascript/client.mjs", "socket.io-client"},
		"node_modules/socket.io-client", everything, nil, true,
	},
	{
		"javascript 4.0.0",
		[]string{"node", "clients/javascript/client.mjs", "socket.io-client-4-0"},
		"node_modules/socket.io-client-4-0", everything, nil, false,
	},
	{
		"javascript 3.1.3",
		[]string{"node", "clients/javascript/client.mjs", "socket.io-client-3-1"},
		"node_modules/socket.io-client-3-1", everything, nil, false,
	},
	{
		"javascript 2.5.0",
		[]string{"node", "clients/javascript/client.mjs", "socket.io-client-2-5"},
		"node_modules/socket.io-client-2-5", everything, nil, false,
	},
	{
		"javascript 2.0.4",
		[]string{"node", "clients/javascript/client.mjs", "socket.io-client-2-0"},
		"node_modules/socket.io-client-2-0", everything, nil, false,
	},
	{
		"python sync",
		[]string{cache("python", "bin", "python"), "clients/python/client.py", "sync"},
		cache("python", ".installed"), binaryFrames, nil, false,
	},
	{
		"python asyncio",
		[]string{cache("python", "bin", "python"), "clients/python/client.py", "asyncio"},
		cache("python", ".installed"), binaryFrames, nil, false,
	},
	{
		"java 2.1.2",
		[]string{"java", "-cp", cache("java", "lib") + "/*:" + cache("java", "classes"), "Client"},
		cache("java", ".installed"), binaryFrames, nil, false,
	},
	{"go 3.0.0", []string{cache("go", "client")}, cache("go", ".installed"), everything, goTrouble, true},
	{"rust 0.6.0", []string{cache("rust", "client")}, cache("rust", ".installed"), rustTrouble, nil, false},
}

// TestClients has the clients of other languages, and old ones, speak to two setups: in one process, whose limits are
// off and whose frames may be binary, and on the functions of the template, as API Gateway has it, with CloudFront's
// function in front: no client is told of more than one address. Both let clients of Socket.IO v2 in.
func TestClients(t *testing.T) {
	t.Run("memory, several instances", func(t *testing.T) {
		t.Parallel() // with the functions: the clients wait most of the time
		url := inMemoryInstances(t, "--app", "cases", "--limits", "none", "--recovery", "2m", "--allow-eio3")
		runClients(t, url, combination{setup: "memory", frames: "binary", recovery: true})
	})
	t.Run("template", func(t *testing.T) {
		t.Parallel()
		url := deploy(t, "ordered", "--app", "cases", "--parameter", "Edge=on", "--parameter", "AllowEIO3=true").url
		runClients(t, url, combination{setup: "template", frames: "text"})
	})
}

// runClients runs all clients.
func runClients(t *testing.T, url string, c combination) {
	t.Helper()
	runPrograms(t, programs, url, c)
}

// runPrograms runs one client after the other, each in all transports at once.
func runPrograms(t *testing.T, all []program, url string, c combination) {
	t.Helper()
	for _, client := range all {
		t.Run(client.name, func(t *testing.T) {
			if _, err := os.Stat(client.ready); err != nil {
				t.Fatalf("%v: run `make tools`", err)
			}
			for _, transport := range transports {
				t.Run(transport, func(t *testing.T) {
					t.Parallel()
					c := c
					c.transport = transport
					runClient(t, client, url, c)
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
	args := slices.Concat(client.command[1:], []string{wire.url(), c.transport, c.frames}, client.asked(c))
	cmd := exec.CommandContext(ctx, client.command[0], args...)
	cmd.Env = os.Environ()
	if c.recovery {
		cmd.Env = append(cmd.Env, "NONSTICK_RECOVERY=on")
	}
	if c.msgpack {
		cmd.Env = append(cmd.Env, msgPackParser)
	}
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
	results := wire.readClient(stdout, func(to say) {
		if err := to.emit(ctx, url, c.msgpack); err != nil {
			t.Errorf("emit for a client that is away: %v", err)
		}
	})
	err = cmd.Wait()
	t.Logf("%s, %s: %d scenarios, %.1f s", client.name, c.transport, len(results), time.Since(started).Seconds())
	if err != nil {
		return results, fmt.Errorf("%w\n%s", err, stderr.tail())
	}
	return results, nil
}

// readClient reads the results of a client, and cuts the wire when it asks for that. emit is what it asks for while it
// is away.
func (w *cutWire) readClient(r io.Reader, emit func(say)) []result {
	var results []result
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		var line struct {
			result
			Cut bool `json:"cut"`
			Say say  `json:"say"`
		}
		if json.Unmarshal(lines.Bytes(), &line) != nil {
			continue // what libraries print
		}
		switch {
		case line.Cut && line.Say.Room != "":
			mend := w.hold()
			emit(line.Say)
			mend()
		case line.Cut:
			w.cut()
		}
		if line.Status != "" {
			results = append(results, line.result)
		}
	}
	return results
}

// say is what a client asks for while it is away: values that its room is to get as "said".
type say struct {
	Room   string            `json:"room"`
	Values []json.RawMessage `json:"values"`
}

// emit has the server emit the values, one after the other.
func (s say) emit(ctx context.Context, url string, msgpack bool) error {
	ctx, cancel := context.WithTimeout(ctx, crowdPatience)
	defer cancel()
	m := &member{url: url, transport: "websocket", msgpack: msgpack}
	up := make(chan struct{})
	var all sync.WaitGroup
	defer all.Wait()
	all.Go(func() { m.stay(ctx, func() { close(up) }) })
	defer cancel()
	select {
	case <-up:
	case <-ctx.Done():
		return fmt.Errorf("connect: %w", ctx.Err())
	}
	for _, value := range s.Values {
		if _, err := m.ask(ctx, "say", s.Room, value); err != nil {
			return err
		}
	}
	return nil
}

// cache is where scripts/install-tools puts clients.
func cache(parts ...string) string {
	path, err := filepath.Abs(filepath.Join(append([]string{"..", ".cache", "clients"}, parts...)...))
	if err != nil {
		panic(err) // there is no working directory
	}
	return path
}

// A client whose connection is lost is asked for one of two scenarios.
func TestAsked(t *testing.T) {
	for _, tt := range []struct {
		recovers, recovery bool
		want               string
	}{
		{false, false, "reconnected"},
		{false, true, "reconnected"},
		{true, false, "reconnected"},
		{true, true, "recovered"},
	} {
		asked := program{recovers: tt.recovers}.asked(combination{recovery: tt.recovery})
		if last := asked[len(asked)-1]; len(asked) != len(scenarios)-1 || last != tt.want {
			t.Errorf("%+v: asked for %q", tt, asked)
		}
	}
	unasked := func(_ combination, scenario string) string {
		if scenario == "recovered" {
			return "by chance"
		}
		return ""
	}
	asked := program{recovers: true, unasked: unasked}.asked(combination{recovery: true})
	if len(asked) != len(scenarios)-2 || slices.Contains(asked, "recovered") || slices.Contains(asked, "reconnected") {
		t.Errorf("by chance: asked for %q", asked)
	}
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
