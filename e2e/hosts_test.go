package e2e

import (
	"fmt"
	"testing"
)

// startTwoHosts starts localdev with a port for each API, and returns their URLs: the second is that of the stage.
func startTwoHosts(t *testing.T, stage string, args ...string) (polling, webSocket string) {
	t.Helper()
	addr, second := fmt.Sprintf("127.0.0.1:%d", freePort(t)), fmt.Sprintf("127.0.0.1:%d", freePort(t))
	s := start(
		t, "localdev --hosts two", binary,
		append([]string{"--addr", addr, "--hosts", "two", "--websocket-addr", second}, args...)...)
	s.waitHealthyFor(t, "http://"+addr, templateTime)
	return "http://" + addr, "ws://" + second + stage
}

// Where each API has a host of its own, clients that are told of both use both, in one process as on the functions of
// the template.
func TestTwoHosts(t *testing.T) {
	for name, setup := range map[string]struct {
		stage string
		args  []string
	}{
		"memory": {"/local", []string{"--app", "cases"}},
		"template": {
			"/v1",
			[]string{
				"--app", "cases", "--template", "template.yaml", "--built", builtFunctions(t), "--logs", t.TempDir(),
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			polling, webSocket := startTwoHosts(t, setup.stage, setup.args...)
			runNode(t, "hosts.test.mjs", polling, "NONSTICK_WEBSOCKET_URL="+webSocket)
		})
	}
}
