package e2e

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// templateTime is how long it may take until the functions are built and DynamoDB Local answers.
const templateTime = 3 * time.Minute

// onTemplate runs the functions of the template: the binaries that Lambda gets, each frozen between its invocations.
func onTemplate(t *testing.T, args ...string) string {
	t.Helper()
	addr := fmt.Sprintf("127.0.0.1:%d", freePort(t))
	args = append([]string{"--template", "template.yaml", "--addr", addr, "--logs", t.TempDir()}, args...)
	s := start(t, "localdev --template", binary, args...)
	s.waitHealthyFor(t, "http://"+addr, templateTime)
	return "http://" + addr
}

// TestTemplate runs the suites against the functions of the template. What depends on the order of a client's messages
// is run with one message of a connection at a time, for API Gateway promises none.
func TestTemplate(t *testing.T) {
	const textFrames = "NONSTICK_FRAMES=text" // API Gateway takes no others
	ordered := []string{"--inbound", "ordered"}
	withoutLimits := slices.DeleteFunc(slices.Clone(protocol), func(s string) bool { return s == "--limits" || s == "none" })
	withoutLimits = append(withoutLimits, ordered...)
	t.Run("open step", func(t *testing.T) {
		runNode(t, "open.test.mjs", onTemplate(t, "--app", "bench"), textFrames)
	})
	// Not the suite protocol.test.mjs: its pings of 300 ms leave a function no time to start, see docs/emulation.md.
	t.Run("bad input", func(t *testing.T) {
		url := onTemplate(t, append(withoutLimits[:len(withoutLimits):len(withoutLimits)], "--ping-timeout", "3s")...)
		runNode(t, "badinput.test.mjs", url, textFrames, "NONSTICK_TEST_PING_TIMEOUT=3000")
	})
	t.Run("client", func(t *testing.T) {
		runNode(t, "client.test.mjs", onTemplate(t, append(withoutLimits[:len(withoutLimits):len(withoutLimits)], "--ping-timeout", "5s")...), textFrames) // a burst is handled frame by frame, and its pong behind it
	})
	t.Run("rooms", func(t *testing.T) {
		runNode(t, "rooms.test.mjs", onTemplate(t, append([]string{"--app", "bench"}, ordered...)...), textFrames)
	})
	t.Run("chat", func(t *testing.T) {
		runNode(t, "browser.test.mjs", onTemplate(t, chat...), textFrames)
	})
}
