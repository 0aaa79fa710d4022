package e2e

import "testing"

// TestOldClients is what a server that allows Engine.IO v3 does, beside the reference server: its wire, JSONP, and the
// clients of Socket.IO v2.
func TestOldClients(t *testing.T) {
	const allow = "--allow-eio3"
	cases := []string{"--app", "cases", "--ping-interval", "500ms", "--ping-timeout", "1s", allow}
	for name, start := range several {
		t.Run(name, func(t *testing.T) {
			runNode(t, "oldclients.test.mjs", start(t, with(protocol, allow)...))
			runNode(t, "oldversions.test.mjs", start(t, with(cases, "--limits", "none")...))
		})
	}
	t.Run("with the limits of API Gateway", func(t *testing.T) {
		url := inMemoryInstances(t, cases...)
		runNode(t, "oldversions.test.mjs", url, "NONSTICK_FRAMES=text")
		runNode(t, "jsonp.test.mjs", url)
	})
	t.Run("template", func(t *testing.T) {
		d := deploy(t, "ordered", with(engineTimes, allow)...)
		d.warm(t)
		d.run(t, "oldclients.test.mjs")
	})
	t.Run("template, clients", func(t *testing.T) {
		deploy(t, "ordered", "--app", "cases", "--ping-interval", "5s", allow).run(t, "oldversions.test.mjs")
	})
}
