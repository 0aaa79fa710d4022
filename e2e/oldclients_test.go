package e2e

import "testing"

// TestOldClients is what a server that allows Engine.IO v3 does, beside the reference server: its wire, JSONP, and the
// pings of the clients of Socket.IO v2. What else those do is in TestClients.
func TestOldClients(t *testing.T) {
	t.Parallel() // it waits most of the time
	const allow = "--allow-eio3"
	for name, start := range several {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url, strict := start(t, with(protocol, "--ping-timeout", "1s", allow)...), inMemory(t, protocol...)
			compareSides(t, runNode(
				t, "oldclients.test.mjs", url, "NONSTICK_TEST_PING_TIMEOUT=1000", "NONSTICK_STRICT="+strict,
			))
		})
	}
	t.Run("with the limits of API Gateway", func(t *testing.T) {
		t.Parallel()
		url := inMemoryInstances(t, "--app", "cases", "--ping-interval", "500ms", "--ping-timeout", "1s", allow)
		runNode(t, "oldversions.test.mjs", url, "NONSTICK_FRAMES=text")
		runNode(t, "jsonp.test.mjs", url)
	})
	t.Run("template", func(t *testing.T) {
		t.Parallel()
		// A function that starts answers no ping, so a session lives for longer here.
		d := deploy(t, "ordered", with(engineTimes, "--ping-timeout", "2s", allow)...)
		runNode(t, "oldclients.test.mjs", d.url, append(d.env(), "NONSTICK_TEST_PING_TIMEOUT=2000")...)
	})
}

// compareSides fails if a title of the page that oldclients.test.mjs checks has no test that passed with both servers.
func compareSides(t *testing.T, results []result) {
	t.Helper()
	sections := 0
	for _, s := range readSuites(t) {
		if !s.both {
			continue
		}
		sections++
		for _, wrong := range s.compareSides(results) {
			t.Error(wrong)
		}
	}
	if sections == 0 {
		t.Errorf("%s has no section of old clients", suitesPage)
	}
}
