package e2e

import (
	"os"
	"testing"
)

// What the servers are started with for each kind of suite.
var (
	// protocol is what the tests of the wire count on, in times that are short enough to wait for.
	protocol = []string{
		"--app", "protocol", "--ping-interval", "300ms", "--ping-timeout", "200ms",
		"--connect-timeout", "1s", "--limits", "none", "--cors-origin", "off",
	}
	// client leaves time for a pong behind a burst of events, which a server handles in order, each with calls of the
	// store.
	client = append(protocol[:len(protocol):len(protocol)], "--ping-timeout", "2s")
	// bench has the limits of API Gateway: no binary frames, small messages.
	bench = []string{"--app", "bench", "--limits", "aws"}
	chat  = []string{"--app", "chat", "--client", "e2e/" + clientFiles}
	// cors is what a server has beside protocol that pages of another origin may use.
	cors = []string{"--cors-origin", "http://allowed.example", "--cors-credentials"}
)

// nodeSuite is a file of Node tests, with what its server is started with.
type nodeSuite struct {
	file string
	args []string
}

// TestSuites runs every suite against every setup: those whose pings have to be answered within 200 ms one after the
// other, the others side by side, for they wait most of the time.
func TestSuites(t *testing.T) {
	t.Run("short pings", func(t *testing.T) {
		oneByOne := func(*testing.T) {}
		runSuites(t, oneByOne, nodeSuite{"protocol.test.mjs", protocol}, nodeSuite{"badinput.test.mjs", protocol})
	})
	t.Run("slow pongs", func(t *testing.T) {
		sideBySide := (*testing.T).Parallel
		runSuites(t, sideBySide, nodeSuite{"client.test.mjs", client}, nodeSuite{"rooms.test.mjs", bench})
	})
}

// runSuites runs suites against every setup. How says whether the setups run side by side.
func runSuites(t *testing.T, how func(*testing.T), suites ...nodeSuite) {
	t.Helper()
	for _, setup := range setups {
		t.Run(setup.name, func(t *testing.T) {
			how(t)
			for _, suite := range suites {
				t.Run(suite.file, func(t *testing.T) {
					runNode(t, suite.file, setup.start(t, suite.args...))
				})
			}
		})
	}
}

// TestLoad is many clients at once where they are hardest to serve: behind a load balancer that sends
// every request of a session to another process.
func TestLoad(t *testing.T) {
	runNode(t, "load.test.mjs", behindNginx(t, bench...))
}

// TestBrowser chats in Chromium, on one process and on several, between which every request may change; TestTemplate
// does on the functions. What the setups between them do is shown by the suites: a page sees no more of them.
func TestBrowser(t *testing.T) {
	for _, setup := range []setup{setups[0], setups[len(setups)-1]} {
		t.Run(setup.name, func(t *testing.T) {
			runNode(t, "browser.test.mjs", setup.start(t, chat...))
		})
	}
}

// TestScript has Chromium load the client from the server, as tutorials do, in one process; TestTemplateScript on the
// functions.
func TestScript(t *testing.T) {
	t.Parallel()
	runNode(t, "script.test.mjs", inMemory(t, chat...))
}

// TestPage looks at the page itself: what fits, what can be read and reached, what it says when the server is not
// there.
func TestPage(t *testing.T) {
	for _, file := range []string{"page.test.mjs", "page-server.test.mjs"} {
		t.Run(file, func(t *testing.T) {
			runNode(
				t, file, inMemory(t, append(chat[:len(chat):len(chat)], "--path", "/live/io/")...),
			) // which the page is told
		})
	}
}

// TestCORS looks at the headers for pages of other origins.
func TestCORS(t *testing.T) {
	runNode(t, "cors.test.mjs", inMemory(t, append(protocol[:len(protocol):len(protocol)], cors...)...))
}

// TestTools says once what is missing, instead of in every suite.
func TestTools(t *testing.T) {
	for _, path := range []string{"node_modules", "../internal/apps/chat/client/node_modules"} {
		if _, err := os.Stat(path); err != nil {
			t.Errorf("%s is missing: run `make e2e`", path)
		}
	}
}
