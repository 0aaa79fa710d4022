package e2e

import (
	"fmt"
	"regexp"
	"testing"
)

// behindFront finds the APIs' own addresses in what localdev says at the start.
var behindFront = regexp.MustCompile(`HTTP API on (http://\S+), WebSocket API on (ws://\S+),`)

// TestEdge asks the functions of the template what they know of a client that comes through CloudFront, and of one that
// goes round it.
func TestEdge(t *testing.T) {
	addr := fmt.Sprintf("127.0.0.1:%d", freePort(t))
	s := start(t, "localdev --parameter Edge=only", binary,
		"--template", "template.yaml", "--built", builtFunctions(t), "--addr", addr, "--logs", t.TempDir(),
		"--app", "cases", "--cors-origin", "http://allowed.example", "--parameter", "Edge=only",
	)
	s.waitHealthyFor(t, "http://"+addr, templateTime)
	at := behindFront.FindStringSubmatch(s.log.text())
	if at == nil {
		t.Fatal("localdev does not say where the APIs are")
	}
	runNode(t, "edge.test.mjs", "http://"+addr, "NONSTICK_HTTP_URL="+at[1], "NONSTICK_WEBSOCKET_URL="+at[2])
}
