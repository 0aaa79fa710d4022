package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"testing"
)

// sceneResult is what node/recovery-scene.mjs says of one server: how many messages were sent to how many clients, and
// what became of them, of all clients together.
type sceneResult struct {
	Server     string `json:"server"`
	Clients    int    `json:"clients"`
	Sent       int    `json:"sent"`
	Wanted     int    `json:"wanted"`
	Delivered  int    `json:"delivered"`
	Lost       int    `json:"lost"`
	Twice      int    `json:"twice"`
	Disordered int    `json:"disordered"`
	Cuts       int    `json:"cuts"`
	Recovered  int    `json:"recovered"`
	Anew       int    `json:"anew"`
}

// faults says what is wrong with a result of a server that has to deliver everything once and in order to clients that
// are cut off.
func (r sceneResult) faults() error {
	var faults []error
	fault := func(wrong bool, format string, args ...any) {
		if wrong {
			faults = append(faults, fmt.Errorf(format, args...))
		}
	}
	fault(r.Sent == 0 || r.Wanted != r.Sent*r.Clients, "%d of %d messages", r.Wanted, r.Sent*r.Clients)
	fault(r.Delivered != r.Wanted || r.Lost != 0, "%d lost of %d", r.Wanted-r.Delivered, r.Wanted)
	fault(r.Twice != 0, "%d twice", r.Twice)
	fault(r.Disordered != 0, "%d out of order", r.Disordered)
	fault(r.Cuts == 0 || r.Recovered < r.Cuts, "%d recovered of %d that were cut off", r.Recovered, r.Cuts)
	fault(r.Anew != 0, "%d came back as new sockets", r.Anew)
	return errors.Join(faults...)
}

// playScene plays the scene and returns what it says of one server.
func playScene(t *testing.T, args ...string) sceneResult {
	t.Helper()
	scene := append([]string{"node/recovery-scene.mjs", "--json"}, args...)
	cmd := exec.CommandContext(t.Context(), "node", scene...)
	cmd.WaitDelay = stopTime
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("node %s: %v\n%s", strings.Join(scene, " "), err, stderr.String())
	}
	var r sceneResult
	if err := json.Unmarshal(out, &r); err != nil {
		t.Fatalf("%q: %v", out, err)
	}
	t.Logf("%s", bytes.TrimSpace(out))
	return r
}

// TestRecoveryScene plays a short form of the scene of docs/recovery-scene.md. Nonstick has to deliver everything, once
// and in order. What socket.io on Node delivers is told, not judged; without recovery it has to lose something, or the
// scene would show nothing.
func TestRecoveryScene(t *testing.T) {
	t.Parallel() // it waits most of the time
	short := []string{"--clients", "30", "--seconds", "8", "--away", "1000", "--stays", "2000"}
	on := func(server string, more ...string) []string {
		return append(append(append([]string(nil), short...), "--only", server), more...)
	}
	for _, cut := range []string{"noticed", "silent"} {
		t.Run("Nonstick/"+cut, func(t *testing.T) {
			t.Parallel()
			if err := playScene(t, on("nonstick", "--cut", cut, "--localdev", binary)...).faults(); err != nil {
				t.Error(err)
			}
		})
	}
	t.Run("socket.io", func(t *testing.T) {
		t.Parallel()
		if r := playScene(t, on("socket.io")...); r.Sent == 0 || r.Cuts == 0 {
			t.Errorf("nothing was played: %+v", r)
		}
	})
	t.Run("socket.io without recovery", func(t *testing.T) {
		t.Parallel()
		if r := playScene(t, on("socket.io", "--recovery", "off")...); r.Lost == 0 || r.Recovered != 0 {
			t.Errorf("nothing was lost: %+v", r)
		}
	})
}

// TestRecoverySceneOptions: a slip is told, and nothing is played.
func TestRecoverySceneOptions(t *testing.T) {
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"--clients", "0"}, "--clients wants a whole number from 1 to 2000"},
		{[]string{"--rate", "1e9"}, "--rate wants a whole number from 1 to 200"},
		{[]string{"--seconds", "soon"}, "--seconds wants a whole number from 1 to 3600"},
		{[]string{"--away", "0.5"}, "--away wants a whole number from 0 to 60000"},
		{[]string{"--cut", "here"}, "--cut wants one of noticed, silent"},
		{[]string{"--only", "ours"}, "--only wants one of socket.io, nonstick"},
		{[]string{"--recovery", "2m"}, "--recovery wants one of on, off"},
		{[]string{"--unknown"}, "Unknown option '--unknown'"},
		{[]string{"word"}, "Unexpected argument 'word'"},
	} {
		t.Run(strings.Join(tt.args, " "), func(t *testing.T) {
			out, err := exec.CommandContext(
				t.Context(), "node", append([]string{"node/recovery-scene.mjs"}, tt.args...)...,
			).CombinedOutput()
			var exit *exec.ExitError
			if !errors.As(err, &exit) || exit.ExitCode() != 2 || !strings.Contains(string(out), tt.want) {
				t.Errorf("%v, %q, want status 2 and %q", err, out, tt.want)
			}
		})
	}
}

// TestRecoveryTally runs the tests of what counts the messages of the scene.
func TestRecoveryTally(t *testing.T) {
	runNode(t, "recovery-tally.test.mjs", "http://127.0.0.1:9") // it asks no server
}

// What judges the scene must not lose a fault.
func TestSceneFaults(t *testing.T) {
	good := sceneResult{Clients: 2, Sent: 5, Wanted: 10, Delivered: 10, Cuts: 3, Recovered: 3}
	for _, tt := range []struct {
		name   string
		change func(*sceneResult)
		want   string
	}{
		{"as it has to be", func(*sceneResult) {}, "<nil>"},
		{"a loss", func(r *sceneResult) { r.Delivered, r.Lost = 9, 1 }, "1 lost of 10"},
		{"a double", func(r *sceneResult) { r.Twice = 1 }, "1 twice"},
		{"another order", func(r *sceneResult) { r.Disordered = 1 }, "1 out of order"},
		{"no cut", func(r *sceneResult) { r.Cuts, r.Recovered = 0, 0 }, "0 recovered of 0 that were cut off"},
		{"one that was not recovered", func(r *sceneResult) { r.Recovered = 2 }, "2 recovered of 3 that were cut off"},
		{"a new socket", func(r *sceneResult) { r.Anew = 1 }, "1 came back as new sockets"},
		{"no message", func(r *sceneResult) { r.Sent, r.Wanted, r.Delivered = 0, 0, 0 }, "0 of 0 messages"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := good
			tt.change(&r)
			if got := fmt.Sprint(r.faults()); got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
		})
	}
}
