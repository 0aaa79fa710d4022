//go:build nonstick_apps

package serve

import (
	"github.com/nonstick-io/nonstick/internal/apps/bench"
	"github.com/nonstick-io/nonstick/internal/apps/protocol"
)

// testApps are for tests and measurements: what the official suites ask for, on Socket.IO and, as echo, on Engine.IO
// alone, and an application to load.
func testApps() map[string]App {
	return map[string]App{
		"bench":    {Register: bench.Register},
		"protocol": {Register: protocol.Register},
		"echo":     {Messages: protocol.Echo{}},
	}
}
