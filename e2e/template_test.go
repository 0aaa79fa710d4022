package e2e

import (
	"fmt"
	"testing"
	"time"
)

// templateTime is how long it may take until the functions are built and DynamoDB Local answers.
const templateTime = 3 * time.Minute

// onTemplate runs the functions of the template: the binaries that Lambda gets, each frozen between its invocations.
func onTemplate(t *testing.T, args ...string) string {
	t.Helper()
	return startTemplate(t, append([]string{"--built", builtFunctions(t)}, args...)...)
}

// startTemplate does the same with functions that localdev builds, unless it is told where they are.
func startTemplate(t *testing.T, args ...string) string {
	t.Helper()
	addr := fmt.Sprintf("127.0.0.1:%d", freePort(t))
	args = append([]string{"--template", "template.yaml", "--addr", addr, "--logs", t.TempDir()}, args...)
	s := start(t, "localdev --template", binary, args...)
	s.waitHealthyFor(t, "http://"+addr, templateTime)
	return "http://" + addr
}

// deployed is the template's functions at work. inbound is what becomes of the frames of one connection: concurrent,
// as API Gateway has it, or ordered.
type deployed struct{ url, inbound string }

func deploy(t *testing.T, inbound string, args ...string) deployed {
	t.Helper()
	return deployed{onTemplate(t, append(args[:len(args):len(args)], "--inbound", inbound)...), inbound}
}

// env tells a suite what it is to expect.
func (d deployed) env() []string {
	return []string{"NONSTICK_FRAMES=text", "NONSTICK_INBOUND=" + d.inbound} // API Gateway takes text frames alone
}

// run runs a suite as a subtest.
func (d deployed) run(t *testing.T, file string) {
	t.Helper()
	t.Run(file, func(t *testing.T) { runNode(t, file, d.url, d.env()...) })
}

// warm lets the functions start before a suite whose pings leave them no time for it.
func (d deployed) warm(t *testing.T) {
	t.Helper()
	if _, err := execNode(t, "warm.mjs", d.url, d.env()...); err != nil {
		t.Errorf("warm the functions: %v", err)
	}
}

// What the functions are started with, beside the application. They have no option --limits: theirs are those of AWS.
var (
	engineTimes = []string{
		"--app", "protocol", "--ping-interval", "300ms", "--ping-timeout", "200ms", "--connect-timeout", "1s",
		"--cors-origin", "off",
	}
	// slowPongs is for suites that send much at once, or start functions: a pong has to wait for its turn or for a
	// start.
	slowPongs = append(engineTimes[:len(engineTimes):len(engineTimes)], "--ping-timeout", "3s")
	// burst is one environment for each frame that the emulator hands over at a time, of a connection.
	burst = []string{"--app", "bench", "--concurrency", "300"}
)

// TestTemplate runs every suite against the functions of the template as it is by default, with the frames of a
// connection in order; and those about frames once more with frames that are handled at once, where what is sent
// without waiting is checked to come once.
func TestTemplate(t *testing.T) {
	t.Run("ordered", func(t *testing.T) {
		const inbound = "ordered"
		t.Run("short pings", func(t *testing.T) { protocolOnTemplate(t, inbound) })
		t.Run("slow pongs", func(t *testing.T) {
			t.Parallel() // with those below: it waits most of the time
			d := deploy(t, inbound, append(slowPongs[:len(slowPongs):len(slowPongs)], "--ping-timeout", "5s")...)
			d.run(t, "badinput.test.mjs")
			d.run(t, "client.test.mjs")
		})
		t.Run("bench", func(t *testing.T) {
			d := deploy(t, inbound, burst...)
			d.run(t, "open.test.mjs") // first, for it tells of a cold start too
			d.run(t, "rooms.test.mjs")
			d.run(t, "load.test.mjs")
		})
		t.Run("chat, through CloudFront", func(t *testing.T) {
			t.Parallel()
			edge := append(chat[:len(chat):len(chat)], "--parameter", "Edge=on")
			deploy(t, inbound, edge...).run(t, "browser.test.mjs")
		})
		t.Run("cors", func(t *testing.T) {
			t.Parallel()
			deploy(
				t, inbound,
				append(engineTimes[:len(engineTimes):len(engineTimes)], cors...)...).run(t, "cors.test.mjs")
		})
	})
	t.Run("concurrent", func(t *testing.T) {
		d := deploy(t, "concurrent", slowPongs...)
		d.warm(t)
		d.run(t, "badinput.test.mjs")
		d.run(t, "client.test.mjs")
	})
}

// TestTemplateScript has Chromium load the client from the function that serves polling, beside which its files lie.
func TestTemplateScript(t *testing.T) {
	t.Parallel()
	deploy(t, "ordered", chat...).run(t, "script.test.mjs")
}

// protocolOnTemplate runs the suite of the protocols, whose pings have to be answered within 200 ms, on warm functions.
func protocolOnTemplate(t *testing.T, inbound string) {
	t.Helper()
	d := deploy(t, inbound, engineTimes...)
	d.warm(t)
	d.run(t, "protocol.test.mjs")
}
